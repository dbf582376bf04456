import type { ClusterId, Hlc, NodeId } from '@engram/kernel';
import type { LineageStep, Position } from './lineage.js';
import type { TakenUp } from './set-aside.js';

/** Peers must speak exactly this. Raised whenever the bytes of a message change. */
export const protocolVersion = 1;

/**
 * What two nodes say on the one stream between them. `p` leads the partition, `r` holds a copy of it:
 *
 * ```text
 * greeting    both ends -> hello                                    (other cluster or version: goodbye, closed)
 * attaching   p -> lineages -> r -> positions -> p                  (r first sets aside what p does not have)
 * shipping    p -> entries  -> r -> appended  -> p                  (or refused: p goes on from where r is)
 * quiet       p -> heartbeat -> r                                   (committed positions; also proves the stream alive)
 * rebuilding  p -> snapshot-begin, snapshot-chunk ... snapshot-end -> r, each answered by snapshot-ack, at last positions
 * promoting   any node -> fence -> copy -> fenced -> that node
 * re-offering copy with a set-aside tail -> offer -> p -> offered   (once a quorum has it again)
 * ```
 */
export type WireMessage =
  | HelloMessage
  | GoodbyeMessage
  | { readonly kind: 'lineages'; readonly items: readonly LineageItem[] }
  | { readonly kind: 'positions'; readonly items: readonly PositionItem[] }
  | { readonly kind: 'entries'; readonly groups: readonly EntryGroup[] }
  | { readonly kind: 'appended'; readonly items: readonly AppendedItem[] }
  | RefusedMessage
  | { readonly kind: 'fence'; readonly partition: number; readonly epoch: number }
  | FencedMessage
  | { readonly kind: 'offer'; readonly partition: number; readonly epoch: number; readonly id: number; readonly entries: readonly OfferedEntry[] }
  | { readonly kind: 'offered'; readonly partition: number; readonly epoch: number; readonly id: number }
  | SnapshotBeginMessage
  | { readonly kind: 'snapshot-chunk'; readonly partition: number; readonly epoch: number; readonly cursor: string; readonly next: string; readonly bytes: Uint8Array; readonly checksum: number }
  | { readonly kind: 'snapshot-end'; readonly partition: number; readonly epoch: number; readonly chunks: number; readonly checksum: number }
  | { readonly kind: 'snapshot-ack'; readonly partition: number; readonly epoch: number; readonly cursor: string; readonly outcome: 'ok' | 'corrupt' | 'unexpected' }
  | { readonly kind: 'heartbeat'; readonly items: readonly HeartbeatItem[] };

/** The first message of either side: who is speaking, and of which cluster. */
export interface HelloMessage {
  readonly kind: 'hello';
  readonly clusterId: ClusterId;
  readonly nodeId: NodeId;
  readonly storageId: string;
}

/** Why the stream is about to be closed, with both values named. */
export interface GoodbyeMessage {
  readonly kind: 'goodbye';
  readonly reason: GoodbyeReason;
  readonly ours: string;
  readonly theirs: string;
}
/** Why a stream is ended for good. */
export type GoodbyeReason = 'other-cluster' | 'other-version' | 'same-node' | 'other-node' | 'malformed';

/** A primary names its log, so that the copy can tell what they have in common. */
export interface LineageItem {
  readonly partition: number;
  readonly epoch: number;
  readonly seq: number;
  readonly committed: number;
  readonly lineage: readonly LineageStep[];
}

/** The copy follows from here: all before is the primary's own log. */
export interface PositionItem {
  readonly partition: number;
  readonly epoch: number;
  readonly seq: number;
  /** A snapshot that was cut short and can go on. */
  readonly resume: SnapshotResume | undefined;
}

/** Where a snapshot that was interrupted goes on. */
export interface SnapshotResume {
  readonly at: Position;
  readonly cursor: string;
  readonly chunks: number;
  readonly checksum: number;
}

/** Entries of one partition, contiguous from `firstSeq` on. */
export interface EntryGroup {
  readonly partition: number;
  /** The reign they are shipped in; each entry names the epoch that wrote it. */
  readonly epoch: number;
  readonly firstSeq: number;
  /** The epoch of the entry before the first, so that the copy can tell that they extend its own log. */
  readonly prevEpoch: number;
  readonly committed: number;
  readonly entries: readonly WireEntry[];
}

/** An entry on its way. */
export interface WireEntry {
  readonly epoch: number;
  readonly hlc: Hlc;
  readonly origin: NodeId;
  readonly payload: Uint8Array;
  /** Over all of the entry, its place included. */
  readonly checksum: number;
}

/** Everything up to and including `seq` is durable at the copy. */
export interface AppendedItem {
  readonly partition: number;
  readonly epoch: number;
  readonly seq: number;
}

/** Why entries were not taken, as they travel. */
export const refusalReasons = ['stale-epoch', 'not-attached', 'gap', 'corrupt', 'disk'] as const;
/** Why entries were not taken. */
export type RefusalReason = (typeof refusalReasons)[number];

/** Entries that were not taken, and why. */
export interface RefusedMessage {
  readonly kind: 'refused';
  readonly partition: number;
  /** The epoch that was refused. */
  readonly epoch: number;
  readonly reason: RefusalReason;
  /** The epoch the copy has promised to. */
  readonly promised: number;
  /** Where the copy's log ends. */
  readonly seq: number;
}

/** A copy has promised to take nothing of a lower epoch, and says how far it has come. */
export interface FencedMessage {
  readonly kind: 'fenced';
  readonly partition: number;
  /** The epoch that was asked for. */
  readonly epoch: number;
  readonly granted: boolean;
  readonly promised: number;
  readonly seq: number;
  readonly lineage: readonly LineageStep[];
}

/** An entry of an earlier reign that is offered to the present primary. */
export interface OfferedEntry extends WireEntry {
  /** Together with `epoch` what the entry was first written as. */
  readonly seq: number;
}

/** A partition is about to be sent whole. */
export interface SnapshotBeginMessage {
  readonly kind: 'snapshot-begin';
  readonly partition: number;
  readonly epoch: number;
  /** The snapshot holds everything up to here, and perhaps more. */
  readonly seq: number;
  readonly lineage: readonly LineageStep[];
  readonly takenUp: readonly TakenUp[];
  /** Where the first chunk begins: empty, or what the receiver asked to go on from. */
  readonly cursor: string;
}

/** How far a quorum has come in one partition. */
export interface HeartbeatItem {
  readonly partition: number;
  readonly epoch: number;
  readonly committed: number;
  /** Where the primary's own log ends. */
  readonly seq: number;
}
