import type { Hlc, Instant, NodeId } from '@engram/kernel';
import type { LogEntry } from '../entry.js';
import type { Lsn } from '../lsn.js';
import type { LineageStep, Position } from './lineage.js';
import type { SetAside, TakenUp } from './set-aside.js';
import type { AckLevel, PartitionEntry } from './table.js';

/** An entry as the log gives it back. */
export interface LoggedEntry {
  readonly lsn: Lsn;
  readonly entry: LogEntry;
}

/** What a client is handed after a write, so that a replica can tell whether it has it. */
export interface SessionToken extends Position {
  readonly partition: number;
}

/**
 * What happens to this node's copies. The conversation with its driver, for one write at `quorum`:
 *
 * ```text
 * append        -> append-log -> appended -> apply, send(entries) ... stream-received(appended) -> acknowledged
 * (replica)        stream-received(entries) -> append-log -> appended -> apply, send(appended)
 * table-changed -> append-log (the epoch is opened) -> appended -> leading, send(lineages)
 * fence         -> persist -> persisted -> send(fenced) ... stream-received(fenced) -> copy-fenced
 * ```
 *
 * Whoever hands over a `lease` hands over the table it was granted under before it: a lease covers what is known then.
 */
export type ReplicationEvent =
  /** The entries that changed, or all of them. Lower epochs than known are passed over. */
  | { readonly kind: 'table-changed'; readonly entries: readonly PartitionEntry[] }
  /** Nothing is acknowledged by this node as a primary from `validUntil` on. */
  | { readonly kind: 'lease'; readonly validUntil: Instant }
  /** From now on so many entries go into one message at most; 1 to `windowEntries`. */
  | { readonly kind: 'batch-entries'; readonly entries: number }
  /** A write that passed every check of the engine. `request` is the driver's name for it. At least one entry, contiguous in the log. */
  | { readonly kind: 'append'; readonly request: number; readonly partition: number; readonly entries: readonly NewEntry[]; readonly level: AckLevel }
  /** The write was there already: answered once everything up to now has reached the level, so that it is as durable as a new one. */
  | { readonly kind: 'confirm'; readonly request: number; readonly partition: number; readonly level: AckLevel }
  /** Answered by `fresh` as soon as this copy has applied the token's entry, by `stale` after `waitMs` (0: at once). */
  | { readonly kind: 'await-position'; readonly request: number; readonly token: SessionToken; readonly waitMs: number }
  /** A promoter on this node asks copies for their word, this node's own among them; each answer is a `copy-fenced`. */
  | { readonly kind: 'fence-copies'; readonly partition: number; readonly epoch: number; readonly nodes: readonly NodeId[] }
  /** All entries of the append are durable, from `first` on. */
  | { readonly kind: 'appended'; readonly id: number; readonly first: Lsn }
  /** None of them is, or, when `indeterminate`, nobody knows: then this node acknowledges nothing until it is started again. */
  | { readonly kind: 'append-failed'; readonly id: number; readonly indeterminate: boolean; readonly message: string }
  | { readonly kind: 'persisted'; readonly id: number }
  /** Entries from where it was asked on, in order; `next` is where to go on; `end`: the log holds no more for now. */
  | { readonly kind: 'log-read'; readonly id: number; readonly entries: readonly LoggedEntry[]; readonly next: Lsn; readonly end: boolean }
  | { readonly kind: 'log-read-failed'; readonly id: number; readonly message: string }
  /** Retention removed what stood before `first`. */
  | { readonly kind: 'log-trimmed'; readonly first: Lsn }
  /** The connection that `open-stream` asked for stands. Numbers of streams are the driver's and never reused. */
  | { readonly kind: 'stream-opened'; readonly peer: NodeId; readonly stream: number }
  | { readonly kind: 'stream-failed'; readonly peer: NodeId }
  /** Someone connected to this node. */
  | { readonly kind: 'stream-accepted'; readonly stream: number }
  /** One whole message, as the other end sent it. */
  | { readonly kind: 'stream-received'; readonly stream: number; readonly bytes: Uint8Array }
  | { readonly kind: 'stream-closed'; readonly stream: number }
  /** `next` is the cursor to go on from; empty after the last chunk. */
  | { readonly kind: 'snapshot-read'; readonly id: number; readonly bytes: Uint8Array; readonly next: string }
  | { readonly kind: 'snapshot-failed'; readonly id: number; readonly message: string }
  /** The chunk, or with `finish-install` everything, is in the store. */
  | { readonly kind: 'installed'; readonly id: number }
  | { readonly kind: 'install-failed'; readonly id: number; readonly message: string };

/** An entry that a client asks for; its number is given here. */
export interface NewEntry {
  readonly hlc: Hlc;
  readonly payload: Uint8Array;
}

/** What replication wants done, or tells. */
export type ReplicationEffect =
  /** Answer: appended, or append-failed. One at a time. */
  | { readonly kind: 'append-log'; readonly id: number; readonly entries: readonly LogEntry[] }
  /** Durably, replacing the partition's earlier record. Answer: persisted, in the order asked. */
  | { readonly kind: 'persist'; readonly id: number; readonly record: CopyRecord }
  /** Durable entries of these partitions from `from` on, or from the oldest when that is later. Answer: log-read or log-read-failed. */
  | { readonly kind: 'read-log'; readonly id: number; readonly from: Lsn; readonly partitions: readonly number[]; readonly entriesMax: number; readonly bytesMax: number }
  /** In log order and without gaps. An entry without an operation changes nothing but how far the store has come. */
  | { readonly kind: 'apply'; readonly entries: readonly AppliedEntry[] }
  /** Answer: stream-opened or stream-failed, and stream-closed in the end. */
  | { readonly kind: 'open-stream'; readonly peer: NodeId }
  | { readonly kind: 'send'; readonly stream: number; readonly bytes: Uint8Array }
  /** What was sent before should still arrive. Answer: stream-closed is welcome and not needed. */
  | { readonly kind: 'close-stream'; readonly stream: number; readonly reason: string }
  | { readonly kind: 'acknowledged'; readonly request: number; readonly token: SessionToken; readonly durability: ReachedDurability }
  /** It may still become durable: safe to retry with the same idempotency key. */
  | { readonly kind: 'indeterminate'; readonly request: number; readonly reason: 'timeout' | 'deposed' | 'log-failed'; readonly durability: ReachedDurability }
  /** Nothing was written. */
  | { readonly kind: 'refused'; readonly request: number; readonly refusal: WriteRefusal }
  | { readonly kind: 'fresh'; readonly request: number }
  | { readonly kind: 'stale'; readonly request: number; readonly position: Position }
  /** A copy's word. Only disks that the table names make a majority (`isMajority`); prefer the highest position (`comparePositions`). */
  | { readonly kind: 'copy-fenced'; readonly partition: number; readonly epoch: number; readonly node: NodeId; readonly storage: string; readonly granted: boolean; readonly promised: number; readonly position: Position; readonly lineage: readonly LineageStep[] }
  | { readonly kind: 'leading'; readonly partition: number; readonly epoch: number }
  | { readonly kind: 'stepped-down'; readonly partition: number; readonly epoch: number; readonly promised: number }
  /** The table names this node, but with a disk that is gone, or an epoch this copy has promised to refuse: promote anew. Said again at every heartbeat. */
  | { readonly kind: 'cannot-lead'; readonly partition: number; readonly epoch: number; readonly reason: 'other-storage' | 'promised-higher'; readonly promised: number }
  /** A copy has promised a higher epoch than we lead in: a promotion was begun. Without its end this partition has no quorum. Said again at every heartbeat. */
  | { readonly kind: 'superseded'; readonly partition: number; readonly epoch: number; readonly by: NodeId; readonly promised: number }
  /** A copy that does not count has all that we had when it attached: the table may name it now. */
  | { readonly kind: 'learner-ready'; readonly partition: number; readonly node: NodeId; readonly storage: string; readonly seq: number }
  | { readonly kind: 'tail-set-aside'; readonly partition: number; readonly entries: number; readonly from: Position; readonly to: Position }
  | { readonly kind: 'tail-taken-up'; readonly partition: number; readonly from: NodeId; readonly entries: number }
  | { readonly kind: 'lag-high'; readonly peer: NodeId; readonly entries: number; readonly seconds: number }
  | { readonly kind: 'lag-normal'; readonly peer: NodeId; readonly entries: number; readonly seconds: number }
  | { readonly kind: 'corrupt-entry'; readonly peer: NodeId; readonly partition: number; readonly epoch: number; readonly seq: number }
  /** The log cannot be read where copies of a peer lack entries, so those copies are given snapshots. */
  | { readonly kind: 'log-unreadable'; readonly peer: NodeId; readonly partitions: number; readonly reason: string }
  | { readonly kind: 'peer-refused'; readonly peer: NodeId | undefined; readonly reason: string; readonly ours: string; readonly theirs: string }
  /** Snapshots hold at least what was applied before this effect, and may hold more. Read chunk by chunk with `read-snapshot`; cursors outlive the snapshot. */
  | { readonly kind: 'open-snapshot'; readonly id: number; readonly partition: number }
  /** From `cursor` on, empty for the beginning. Answer: snapshot-read or snapshot-failed. */
  | { readonly kind: 'read-snapshot'; readonly id: number; readonly cursor: string; readonly bytesMax: number }
  | { readonly kind: 'close-snapshot'; readonly id: number }
  /** Merge it into the store: nothing it holds is taken away. Answer: installed or install-failed. */
  | { readonly kind: 'install-chunk'; readonly id: number; readonly partition: number; readonly bytes: Uint8Array }
  /** Make what was installed durable. Answer: installed or install-failed. */
  | { readonly kind: 'finish-install'; readonly id: number; readonly partition: number };

/** The entries this core reports and asks for nothing back for. */
export interface ReachedDurability {
  readonly requested: AckLevel;
  /** Undefined: not even durable here. */
  readonly reached: AckLevel | undefined;
  /** Durable copies that count. */
  readonly copies: number;
}

/** Why a write was not taken. */
export type WriteRefusal =
  | { readonly reason: 'not-primary'; readonly primary: NodeId | undefined; readonly epoch: number }
  /** A promotion to `promised` was begun, or the table names a disk that is gone. */
  | { readonly reason: 'fenced'; readonly epoch: number; readonly promised: number }
  | { readonly reason: 'no-lease'; readonly epoch: number }
  | { readonly reason: 'overloaded'; readonly epoch: number }
  | { readonly reason: 'log'; readonly message: string };

/** An entry that is durable here, for the store. */
export interface AppliedEntry {
  readonly lsn: Lsn;
  readonly partition: number;
  readonly epoch: number;
  readonly seq: number;
  readonly hlc: Hlc;
  readonly origin: NodeId;
  /** Undefined for entries of the protocol and for those applied under an earlier place. */
  readonly operation: Uint8Array | undefined;
}

/** What a copy must not forget. The log's entries after `lsn` are added to it at a start. */
export interface CopyRecord {
  readonly partition: number;
  /** Lower epochs are refused. */
  readonly promised: number;
  readonly lineage: readonly LineageStep[];
  readonly seq: number;
  readonly lsn: Lsn;
  readonly setAside: readonly SetAside[];
  readonly takenUp: readonly TakenUp[];
}
