import { assert } from '@engram/kernel';

/** The place of an entry in its partition. `seq` goes on over epochs; `{epoch: 0, seq: 0}` stands before the first one. */
export interface Position {
  readonly epoch: number;
  readonly seq: number;
}

/** Before the first entry. */
export const startPosition: Position = Object.freeze({ epoch: 0, seq: 0 });

/** The higher epoch wins, then the higher seq: the order in which a promoter prefers copies. */
export function comparePositions(a: Position, b: Position): number {
  return a.epoch - b.epoch || a.seq - b.seq;
}

/** From `firstSeq` on, until the next step, entries were written in `epoch`. */
export interface LineageStep {
  readonly epoch: number;
  readonly firstSeq: number;
}

/**
 * Beyond this many epochs the two oldest steps are joined into one. A copy that slept through all of them finds nothing in
 * common any more and offers all it has anew; operations are idempotent, so that costs work and nothing else.
 */
export const lineageStepsMax = 4_096;

/**
 * Which epoch wrote each entry of a partition's log, up to its end. Two logs agree on everything up to a place where they
 * agree on `(epoch, seq)`, because an epoch has one writer and that writer extends one log (Raft's log matching property;
 * Kafka's leader epochs are the same idea). So two lineages tell how much of two logs is equal, without comparing entries.
 */
export class Lineage {
  readonly #steps: LineageStep[] = [];
  #seq = 0;

  constructor(steps: readonly LineageStep[] = [], seq = 0) {
    this.replace(steps, seq);
  }

  /** The last entry; 0 when there is none. */
  get seq(): number {
    return this.#seq;
  }

  get epoch(): number {
    return this.#steps.at(-1)?.epoch ?? 0;
  }

  get end(): Position {
    return { epoch: this.epoch, seq: this.#seq };
  }

  get steps(): readonly LineageStep[] {
    return this.#steps;
  }

  /** The epoch of the entry at `seq`; 0 before the first and beyond the end. */
  epochAt(seq: number): number {
    if (seq > this.#seq) return 0;
    for (let i = this.#steps.length - 1; i >= 0; i--) {
      const step = this.#steps[i] as LineageStep;
      if (step.firstSeq <= seq) return step.epoch;
    }
    return 0;
  }

  /** The first entry of an epoch that wrote here; undefined when it did not. */
  firstOf(epoch: number): number | undefined {
    return this.#steps.find((step) => step.epoch === epoch)?.firstSeq;
  }

  /** Whether this very entry is part of the lineage. */
  has({ epoch, seq }: Position): boolean {
    return seq === 0 ? epoch === 0 : this.epochAt(seq) === epoch;
  }

  /** One more entry at the end. */
  extend(epoch: number): void {
    assert(epoch >= this.epoch && epoch >= 1, 'epochs never go back within a lineage', { epoch, last: this.epoch });
    this.#seq++;
    if (epoch === this.epoch) return;
    this.#steps.push({ epoch, firstSeq: this.#seq });
    if (this.#steps.length > lineageStepsMax) {
      const [oldest, second] = this.#steps.splice(0, 2) as [LineageStep, LineageStep];
      this.#steps.unshift({ epoch: second.epoch, firstSeq: oldest.firstSeq });
    }
  }

  /** Forgets everything beyond `seq`. What becomes of those entries is the caller's duty. */
  cut(seq: number): void {
    assert(seq <= this.#seq, 'a lineage is cut at its end or before', { seq, end: this.#seq });
    this.#seq = seq;
    while (this.#steps.length > 0 && this.#steps.at(-1)!.firstSeq > seq) this.#steps.pop();
  }

  /** Puts another lineage in place of this one. */
  replace(steps: readonly LineageStep[], seq: number): void {
    assert(lineageComplaint(steps, seq) === undefined, `not a lineage: ${lineageComplaint(steps, seq)}`);
    this.#steps.splice(0, Infinity, ...steps);
    this.#seq = seq;
  }

  /** The last seq up to which both logs hold the same entries; 0 when they share none. */
  commonWith(other: Lineage): number {
    let at = Math.min(this.#seq, other.#seq);
    let i = this.#steps.length - 1;
    let j = other.#steps.length - 1;
    while (at > 0 && i >= 0 && j >= 0) {
      const mine = this.#steps[i] as LineageStep;
      const theirs = other.#steps[j] as LineageStep;
      if (mine.firstSeq > at) i--;
      else if (theirs.firstSeq > at) j--;
      else if (mine.epoch === theirs.epoch) return at;
      else if (mine.epoch > theirs.epoch) at = mine.firstSeq - 1;
      else at = theirs.firstSeq - 1;
    }
    return 0;
  }
}

/** What is wrong with steps that came from elsewhere, or undefined. */
export function lineageComplaint(steps: readonly LineageStep[], seq: number): string | undefined {
  if (steps.length > lineageStepsMax) return 'too many steps';
  if ((steps.length === 0) !== (seq === 0)) return 'steps and end contradict each other';
  let last: LineageStep = { epoch: 0, firstSeq: 0 };
  for (const step of steps) {
    if (step.epoch <= last.epoch || step.firstSeq <= last.firstSeq || step.firstSeq > seq) return 'steps out of order';
    if (last.epoch === 0 && step.firstSeq !== 1) return 'does not begin at the first entry';
    last = step;
  }
  return undefined;
}
