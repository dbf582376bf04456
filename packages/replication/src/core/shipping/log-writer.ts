import { assert } from '@engram/kernel';
import type { LogEntry } from '../entry.js';

/** What an entry takes in queues, windows and messages: its payload and about as much as everything else. */
export const entryOverheadBytes = 64;
export const weightOf = (entry: LogEntry): number => entry.payload.length + entryOverheadBytes;

/**
 * The way of all entries to this node's log, one append at a time: so when the disk refuses one, nothing after it is on
 * its way, and no partition gets a hole. Whatever comes meanwhile goes together with the next.
 */
export class LogWriter {
  #queue: LogEntry[] = [];
  #inFlight: readonly LogEntry[] = [];
  #id = 0;
  #bytes = 0;

  /** Bytes that wait, those on their way included. */
  get bytes(): number {
    return this.#bytes;
  }

  get entries(): number {
    return this.#queue.length + this.#inFlight.length;
  }

  push(entry: LogEntry): void {
    this.#queue.push(entry);
    this.#bytes += weightOf(entry);
  }

  /** The next append, unless one is under way or there is nothing to do. */
  next(entriesMax: number, bytesMax: number): { readonly id: number; readonly entries: readonly LogEntry[] } | undefined {
    if (this.#inFlight.length > 0 || this.#queue.length === 0) return undefined;
    let taken = 0;
    for (let bytes = 0; taken < this.#queue.length && taken < entriesMax; taken++) {
      bytes += weightOf(this.#queue[taken]!);
      if (bytes > bytesMax && taken > 0) break;
    }
    this.#inFlight = taken === this.#queue.length ? this.#queue : this.#queue.slice(0, taken);
    this.#queue = taken === this.#queue.length ? [] : this.#queue.slice(taken);
    this.#id++;
    return { id: this.#id, entries: this.#inFlight };
  }

  /** They are durable. */
  done(id: number): readonly LogEntry[] {
    assert(id === this.#id && this.#inFlight.length > 0, 'the answer is to the append that is under way', { id, expected: this.#id });
    const entries = this.#inFlight;
    this.#inFlight = [];
    for (const entry of entries) this.#bytes -= weightOf(entry);
    return entries;
  }

  /** They are not, and what waits behind them must not become so: returns all of it, in order. */
  failed(id: number): readonly LogEntry[] {
    assert(id === this.#id, 'the answer is to the append that is under way', { id, expected: this.#id });
    const entries = [...this.#inFlight, ...this.#queue];
    this.#inFlight = [];
    this.#queue = [];
    this.#bytes = 0;
    return entries;
  }
}
