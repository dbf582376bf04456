import type { Instant } from '@engram/kernel';
import type { LogEntry } from '../entry.js';
import { weightOf } from './log-writer.js';

interface Recent {
  readonly entry: LogEntry;
  readonly at: Instant;
}

interface Run {
  /** The seq of `entries[head]`. */
  firstSeq: number;
  head: number;
  entries: Recent[];
}

/**
 * The latest entries of the partitions this node leads, so that replicas that keep up never make it read its log. One
 * bound for the whole node: when it is full, the oldest entry of any partition goes.
 */
export class RecentEntries {
  readonly #entriesMax: number;
  readonly #bytesMax: number;
  readonly #runs = new Map<number, Run>();
  /** Which partition each entry belongs to, oldest first. Entries of a dropped run are passed over. */
  #order: { readonly partition: number; readonly seq: number; readonly bytes: number }[] = [];
  #oldest = 0;
  #entries = 0;
  #bytes = 0;

  constructor(entriesMax: number, bytesMax: number) {
    this.#entriesMax = entriesMax;
    this.#bytesMax = bytesMax;
  }

  get entries(): number {
    return this.#entries;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The next durable entry of its partition, or the first after `drop`. */
  push(entry: LogEntry, at: Instant): void {
    let run = this.#runs.get(entry.partition);
    if (run === undefined || run.firstSeq + run.entries.length - run.head !== entry.seq) {
      this.drop(entry.partition);
      run = { firstSeq: entry.seq, head: 0, entries: [] };
      this.#runs.set(entry.partition, run);
    }
    run.entries.push({ entry, at });
    const bytes = weightOf(entry);
    this.#order.push({ partition: entry.partition, seq: entry.seq, bytes });
    this.#entries++;
    this.#bytes += bytes;
    while (this.#entries > this.#entriesMax || this.#bytes > this.#bytesMax) this.#evict();
  }

  get(partition: number, seq: number): LogEntry | undefined {
    return this.#at(partition, seq)?.entry;
  }

  /** When the entry became durable here. */
  since(partition: number, seq: number): Instant | undefined {
    return this.#at(partition, seq)?.at;
  }

  /** This node does not lead the partition any more, or its log took another way. */
  drop(partition: number): void {
    const run = this.#runs.get(partition);
    if (run === undefined) return;
    for (let i = run.head; i < run.entries.length; i++) this.#bytes -= weightOf(run.entries[i]!.entry);
    this.#entries -= run.entries.length - run.head;
    this.#runs.delete(partition);
    this.#order = this.#order.slice(this.#oldest).filter((one) => one.partition !== partition);
    this.#oldest = 0;
  }

  #at(partition: number, seq: number): Recent | undefined {
    const run = this.#runs.get(partition);
    return run === undefined || seq < run.firstSeq ? undefined : run.entries[run.head + seq - run.firstSeq];
  }

  #evict(): void {
    const { partition, bytes } = this.#order[this.#oldest]!;
    this.#oldest++;
    const run = this.#runs.get(partition)!;
    run.head++;
    run.firstSeq++;
    this.#entries--;
    this.#bytes -= bytes;
    if (run.head === run.entries.length) this.#runs.delete(partition);
    // Cutting the dead beginning only now and then keeps the cost of an eviction constant.
    else if (run.head > 1_024 && run.head * 2 > run.entries.length) {
      run.entries = run.entries.slice(run.head);
      run.head = 0;
    }
    if (this.#oldest > 4_096 && this.#oldest * 2 > this.#order.length) {
      this.#order = this.#order.slice(this.#oldest);
      this.#oldest = 0;
    }
  }
}
