import { msBetween, plusMs, type Instant } from '@engram/kernel';

/**
 * After a stall of the event loop nobody is judged until the sockets had their turn: the answers we would miss lie in
 * them. What it adds up is the time in which we were deaf.
 */
export class StallGuard {
  readonly #graceMs: number;
  #until: Instant | undefined;
  #since: Instant | undefined;
  #stalledMs = 0;

  constructor(graceMs: number) {
    this.#graceMs = graceMs;
  }

  /** Nobody is judged before this instant; undefined when all is well. */
  get until(): Instant | undefined {
    return this.#until;
  }

  /** A stall that has just ended. Another one while we wait adds to it. */
  stalled(ms: number, now: Instant): void {
    this.#since ??= now;
    this.#until = plusMs(now, this.#graceMs);
    this.#stalledMs += ms;
  }

  /** Ends the wait; the milliseconds that count against nobody, 0 when there was no wait. */
  release(now: Instant): number {
    if (this.#since === undefined) return 0;
    const lostMs = this.#stalledMs + msBetween(this.#since, now);
    this.#until = undefined;
    this.#since = undefined;
    this.#stalledMs = 0;
    return lostMs;
  }
}
