import type { Lsn } from '../lsn.js';

const marksMax = 256;

/** Roughly where the entries of a partition stand in the log, in bounded memory: when there are too many marks, every other one goes. */
export class LogMarks {
  #seqs: number[] = [];
  #lsns: Lsn[] = [];
  #stride = 1;

  /** Notes an entry. Seqs and positions only grow. */
  add(seq: number, lsn: Lsn): void {
    const last = this.#seqs.at(-1);
    if (last !== undefined && seq < last + this.#stride) return;
    this.#seqs.push(seq);
    this.#lsns.push(lsn);
    if (this.#seqs.length <= marksMax) return;
    this.#seqs = this.#seqs.filter((_, i) => i % 2 === 0);
    this.#lsns = this.#lsns.filter((_, i) => i % 2 === 0);
    this.#stride *= 2;
  }

  /** Reading from here meets the entry at `seq`; undefined when the log does not hold it. */
  floor(seq: number): Lsn | undefined {
    for (let i = this.#seqs.length - 1; i >= 0; i--) if (this.#seqs[i]! <= seq) return this.#lsns[i];
    return undefined;
  }

  /** The oldest entry that the log is known to hold. */
  get firstSeq(): number | undefined {
    return this.#seqs[0];
  }

  /** Everything from the entry at `seq` on that the log holds stands from here on; undefined when it holds none of it. */
  from(seq: number): Lsn | undefined {
    return this.floor(seq) ?? this.#lsns[0];
  }

  /** The entries beyond `seq` are not the lineage's any more. */
  cut(seq: number): void {
    while (this.#seqs.length > 0 && this.#seqs.at(-1)! > seq) {
      this.#seqs.pop();
      this.#lsns.pop();
    }
  }

  /** The log begins at `first` now. */
  trim(first: Lsn): void {
    const kept = this.#lsns.findIndex((lsn) => lsn >= first);
    this.#seqs = kept < 0 ? [] : this.#seqs.slice(kept);
    this.#lsns = kept < 0 ? [] : this.#lsns.slice(kept);
  }

  clear(): void {
    this.#seqs = [];
    this.#lsns = [];
  }
}
