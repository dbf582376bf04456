import type { Lsn } from '../lsn.js';
import type { Position } from './lineage.js';

/**
 * Entries `from` to `to` of `epoch` that are in this node's log and not in its lineage: the tail of a reign that ended
 * before it was shipped. Never deleted before the partition's primary has them again.
 */
export interface SetAside {
  readonly epoch: number;
  readonly from: number;
  readonly to: number;
  /** What the first of them was before an earlier primary took it up; equal to `{epoch, from}` for entries never moved. */
  readonly original: Position;
  /** None of them stands before this in the log. */
  readonly lsn: Lsn;
}

/** The entries that wait to be offered to the primary. A few ranges, one per run of entries and lost reign. */
export class SetAsideTails {
  #ranges: readonly SetAside[];

  constructor(ranges: readonly SetAside[] = []) {
    this.#ranges = ranges;
  }

  get ranges(): readonly SetAside[] {
    return this.#ranges;
  }

  get entries(): number {
    return this.#ranges.reduce((sum, { from, to }) => sum + to - from + 1, 0);
  }

  /** Where reading the log for them has to begin; undefined when there are none. */
  get lsn(): Lsn | undefined {
    return this.#ranges.length === 0 ? undefined : (Math.min(...this.#ranges.map(({ lsn }) => lsn)) as Lsn);
  }

  add(ranges: readonly SetAside[]): void {
    this.#ranges = [...this.#ranges, ...ranges];
  }

  /** The original identity of the log's entry at this place, when it is one of them. */
  originalOf({ epoch, seq }: Position): Position | undefined {
    const range = this.#ranges.find((one) => one.epoch === epoch && one.from <= seq && seq <= one.to);
    return range && { epoch: range.original.epoch, seq: range.original.seq + seq - range.from };
  }

  has(original: Position): boolean {
    return this.#ranges.some((one) => covers(one, original));
  }

  /** The primary has it again. Returns whether it was one of them. */
  remove(original: Position): boolean {
    const found = this.#ranges.findIndex((one) => covers(one, original));
    const range = this.#ranges[found];
    if (range === undefined) return false;
    const at = range.from + original.seq - range.original.seq;
    const before = { ...range, to: at - 1 };
    const after = { ...range, from: at + 1, original: { epoch: range.original.epoch, seq: original.seq + 1 } };
    this.#ranges = [...this.#ranges.slice(0, found), ...[before, after].filter(({ from, to }) => from <= to), ...this.#ranges.slice(found + 1)];
    return true;
  }
}

function covers(range: SetAside, { epoch, seq }: Position): boolean {
  return range.original.epoch === epoch && range.original.seq <= seq && seq <= range.original.seq + range.to - range.from;
}

/** Entries `from` to `to` of `epoch` were taken up again, and stand in the lineage from `at` on. */
export interface TakenUp {
  readonly epoch: number;
  readonly from: number;
  readonly to: number;
  readonly at: number;
}

/** Beyond this the oldest run is forgotten; offered once more, its entries would be taken up twice, which operations bear. */
export const takenUpRunsMax = 1_024;

/** Which entries of lost reigns the lineage holds under a new place, so that none is taken up twice. */
export class TakenUpEntries {
  #runs: readonly TakenUp[];

  constructor(runs: readonly TakenUp[] = []) {
    this.#runs = runs;
  }

  get runs(): readonly TakenUp[] {
    return this.#runs;
  }

  has({ epoch, seq }: Position): boolean {
    return this.#runs.some((run) => run.epoch === epoch && run.from <= seq && seq <= run.to);
  }

  originalAt(seq: number): Position | undefined {
    const run = this.#runs.find(({ at, from, to }) => at <= seq && seq <= at + to - from);
    return run && { epoch: run.epoch, seq: run.from + seq - run.at };
  }

  add(original: Position, at: number): void {
    const last = this.#runs.at(-1);
    const continues = last?.epoch === original.epoch && last.to + 1 === original.seq && last.at + last.to - last.from + 1 === at;
    this.#runs = continues ? [...this.#runs.slice(0, -1), { ...last, to: original.seq }] : [...this.#runs, { epoch: original.epoch, from: original.seq, to: original.seq, at }];
    if (this.#runs.length > takenUpRunsMax) this.#runs = this.#runs.slice(-takenUpRunsMax);
  }

  /** Forgets what stands beyond `seq` of the lineage. */
  cut(seq: number): void {
    this.#runs = this.#runs.filter(({ at }) => at <= seq).map((run) => ({ ...run, to: Math.min(run.to, run.from + seq - run.at) }));
  }

  replace(runs: readonly TakenUp[]): void {
    this.#runs = runs;
  }
}
