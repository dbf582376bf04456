import { isNodeId, type Hlc, type NodeId } from '@engram/kernel';

/** What one entry of the log carries. The log reads none of it except the stamp, whose maximum it remembers. */
export interface LogEntry {
  /** Unsigned 32-bit. */
  readonly partition: number;
  /** Which reign of the partition's primary wrote this; a replica refuses entries from an older one. */
  readonly epoch: number;
  /** The position within the partition; it goes on over epochs. */
  readonly seq: number;
  readonly hlc: Hlc;
  /** The node that first accepted the entry; a node id, so 1 to 64 ASCII characters. */
  readonly origin: NodeId;
  /** Opaque. Must not change between `append` and its answer: it is copied when its group is assembled. */
  readonly payload: Uint8Array;
}

/** What is wrong with an entry, or undefined. Checked before anything is queued. */
export function entryComplaint(entry: LogEntry): string | undefined {
  if (!Number.isInteger(entry.partition) || entry.partition < 0 || entry.partition > 0xffff_ffff) {
    return `partition must be an unsigned 32-bit integer, not ${entry.partition}`;
  }
  if (!Number.isSafeInteger(entry.epoch) || entry.epoch < 0) return `epoch must be a whole number from 0 on, not ${entry.epoch}`;
  if (!Number.isSafeInteger(entry.seq) || entry.seq < 0) return `seq must be a whole number from 0 on, not ${entry.seq}`;
  if (entry.hlc < 0n || entry.hlc > 0xffff_ffff_ffff_ffffn) return 'hlc must fit 64 bits';
  if (!isNodeId(entry.origin)) return 'origin must be a node id';
  return undefined;
}
