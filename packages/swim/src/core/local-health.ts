/**
 * How much we distrust ourselves: Lifeguard's local health multiplier. 0 is well. It grows with every sign that we are
 * the slow one: relays whose nack we missed, having to refute, a stalled event loop. Each probe that succeeds lowers it.
 *
 * Period and timeout stretch by score + 1, as the paper has it. HashiCorp's memberlist stretches the period only.
 */
export class LocalHealth {
  readonly #scoreMax: number;
  #score = 0;

  constructor(scoreMax: number) {
    this.#scoreMax = scoreMax;
  }

  get score(): number {
    return this.#score;
  }

  /** True when the score changed. */
  adjust(by: number): boolean {
    const before = this.#score;
    this.#score = Math.min(this.#scoreMax, Math.max(0, before + by));
    return this.#score !== before;
  }

  stretch(ms: number): number {
    return ms * (this.#score + 1);
  }
}

/** A stall weighs one for each probe timeout that it spans, up to four: then every probe under way is worthless anyway. */
export function stallWeight(stalledMs: number, timeoutMs: number): number {
  return Math.min(4, Math.max(1, Math.ceil(stalledMs / timeoutMs)));
}
