/** What stands between a checked write and its answer: how it becomes durable, on how many nodes, and visible. */
import type { Hlc, NodeId } from '@engram/kernel';
import type { LoggedOperation, MemoryStore, Operation } from '@engram/memory';
import type { WriteAheadLog } from '@engram/replication';
import type { AckLevel, Durability } from './engine-types.js';

/** A write that passed every check. */
export interface JournalWrite {
  readonly partition: number;
  readonly hlc: Hlc;
  /** The operation as the log carries it. */
  readonly payload: Uint8Array;
  readonly operation: Operation;
}

export interface Journal {
  /** The level of a write whose request and space name none. */
  readonly defaultLevel: AckLevel;
  /** @throws EngramError `invalid_argument` for a level that this journal never reaches. */
  checkLevel(level: AckLevel): void;
  /** Whether other nodes may write the same partitions, before or after this one. */
  readonly isShared: boolean;
  /**
   * Asked before the store is: what it holds, or lacks, says something only on the node that may write.
   *
   * @throws EngramError `not_primary` or `unavailable` when this node may not write the partition now.
   */
  checkWritable(partition: number): void;
  /**
   * Makes writes of one partition durable, in order, and hands them to the store. Resolves once they are visible and as
   * durable as was asked. A rejection left nothing behind unless its `details.indeterminate` says otherwise.
   */
  write(writes: readonly JournalWrite[], level: AckLevel): Promise<Durability>;
  /** The same for a write that is there already: it may not be as durable yet as is asked now. */
  confirm(partition: number, level: AckLevel): Promise<Durability>;
  /** The log must keep entries from here on, whatever the store has. Undefined when nobody else needs any. Awaited before the log is cut. */
  retainFrom(): Promise<number> | undefined;
  /** Called after the log may have been cut. */
  trimmed(): void;
  /** Nothing is written after this. */
  close(): Promise<void>;
}

/** What a journal is made of. */
export interface JournalParts {
  readonly nodeId: NodeId;
  readonly log: WriteAheadLog;
  readonly store: Pick<MemoryStore, 'applied' | 'backlog' | 'copyOut' | 'merge' | 'flush' | 'spaces'>;
  /** Hands durable entries to the store, in log order and without gaps. Throws when the store refuses: the node has failed then. */
  apply(entries: readonly LoggedOperation[]): void;
  /** Says that a stamp of another node was seen, so that ours come after it. */
  observe(hlc: Hlc): void;
}

export type JournalFactory = (parts: JournalParts) => Journal | Promise<Journal>;
