import type { Lsn, ReadEntry, WriteAheadLog } from '@engram/replication';
import type { LoggedEntry, ReplicationEffect } from '@engram/replication/core';

type ReadLog = Extract<ReplicationEffect, { kind: 'read-log' }>;

export interface LogPart {
  readonly entries: readonly LoggedEntry[];
  readonly next: Lsn;
  readonly end: boolean;
}

/** Every walk that is laid aside holds one open file, of a segment that retention may already have removed. */
const keptMax = 8;
/** One answer walks over at most so many entries, so that a walk in which nothing matches does not hold up everything else. */
const walkedMax = 16_384;

/**
 * Reads the log in parts, for replicas that are behind. A walk that is not at its end is laid aside at the place where it
 * stopped, because beginning anew there means to go through the whole segment before it.
 */
export class LogWalks {
  readonly #log: Pick<WriteAheadLog, 'read' | 'status'>;
  /** By where they go on; the one laid aside last is the last. */
  readonly #kept = new Map<number, AsyncIterator<ReadEntry>>();

  constructor(log: Pick<WriteAheadLog, 'read' | 'status'>) {
    this.#log = log;
  }

  get kept(): number {
    return this.#kept.size;
  }

  /** At least one matching entry when there is one among those walked over, then no more than the bounds say. */
  async read({ from, partitions, entriesMax, bytesMax }: Pick<ReadLog, 'from' | 'partitions' | 'entriesMax' | 'bytesMax'>): Promise<LogPart> {
    const wanted = new Set(partitions);
    const start = Math.max(from, this.#log.status().firstLsn) as Lsn;
    const walk = this.#take(start) ?? this.#log.read(start)[Symbol.asyncIterator]();
    const entries: LoggedEntry[] = [];
    let bytes = 0;
    let next = start;
    for (let walked = 0; walked < walkedMax && entries.length < entriesMax && bytes < bytesMax; walked++) {
      const { value, done } = await walk.next();
      if (done === true) return { entries, next, end: true };
      const { lsn, entry } = value as ReadEntry;
      next = (lsn + 1) as Lsn;
      if (!wanted.has(entry.partition)) continue;
      // The payload is a view into the megabyte that was read; what waits to be sent must not keep all of that.
      entries.push({ lsn, entry: { ...entry, payload: Uint8Array.from(entry.payload) } });
      bytes += entry.payload.length;
    }
    await this.#lay(next, walk);
    return { entries, next, end: false };
  }

  /** Gives up the walks before `first`, whose files are gone. */
  async trimmed(first: Lsn): Promise<void> {
    for (const at of [...this.#kept.keys()]) if (at < first) await this.#take(at as Lsn)?.return?.();
  }

  async close(): Promise<void> {
    await this.trimmed(Infinity as Lsn);
  }

  #take(at: Lsn): AsyncIterator<ReadEntry> | undefined {
    const walk = this.#kept.get(at);
    this.#kept.delete(at);
    return walk;
  }

  async #lay(at: Lsn, walk: AsyncIterator<ReadEntry>): Promise<void> {
    const other = this.#take(at);
    this.#kept.set(at, walk);
    await other?.return?.();
    if (this.#kept.size <= keptMax) return;
    const [oldest] = this.#kept.keys();
    await this.#take(oldest as Lsn)?.return?.();
  }
}
