import type { Instant, NodeId } from '@engram/kernel';
import type { AckTracker } from './ack-tracker.js';
import type { PartitionEntry } from './table.js';

/**
 * How a copy is served: `detached` until it has said where it is; from the ring while it keeps up (`live`), else from the
 * log, else by a snapshot; `halted` until the next heartbeat after it refused for a reason that time may cure.
 */
export type CursorMode = 'detached' | 'live' | 'log' | 'snapshot' | 'halted';

/** What the primary knows of one copy of one partition. Invariant: acked <= sent <= the primary's durable end. */
export interface ReplicaCursor {
  readonly partition: number;
  readonly node: NodeId;
  /** The disk that the table names; acknowledgements of another one do not count. */
  readonly storage: string;
  readonly learner: boolean;
  /** The disk that attached is the one the table names. */
  counted: boolean;
  mode: CursorMode;
  /** Everything up to here is durable at the copy. */
  acked: number;
  sent: number;
  /** Sent and not acknowledged, oldest first: they fill the peer's window. */
  inFlight: { readonly lastSeq: number; readonly entries: number; readonly bytes: number }[];
  /** Where our log ended when it attached: a learner is ready once it has this. */
  target: number;
  readyTold: boolean;
  /** Since when it lacks something that we have. */
  behindSince: Instant | undefined;
  /** What the copy was last told. */
  toldCommitted: number;
  toldSeq: number;
  /** Where the copy last found an entry corrupt; a second time at one place waits for the next heartbeat. */
  corruptAt: number;
}

/** One node leading one partition in one epoch. */
export interface Reign {
  readonly entry: PartitionEntry;
  readonly epoch: number;
  /** The entry that opened the epoch. Nothing counts as committed before a quorum has it: copies of older entries alone could still be overruled (Raft, section 5.4.2). */
  readonly openSeq: number;
  open: boolean;
  readonly cursors: Map<NodeId, ReplicaCursor>;
  readonly acks: AckTracker;
  committed: number;
}

export function newCursor(partition: number, node: NodeId, storage: string, learner: boolean): ReplicaCursor {
  return {
    partition, node, storage, learner, counted: false, mode: 'detached', acked: 0, sent: 0, inFlight: [], target: Infinity, readyTold: false,
    behindSince: undefined, toldCommitted: -1, toldSeq: -1, corruptAt: 0,
  };
}
