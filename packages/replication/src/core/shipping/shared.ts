import type { ClusterId, NodeId, Random } from '@engram/kernel';
import type { LogEntry } from '../entry.js';
import type { Counters } from './counters.js';
import type { EntryChecksum } from './entry-checksum.js';
import type { LogWriter } from './log-writer.js';
import type { ReplicationEffect } from './messages.js';
import type { ResolvedReplicationOptions } from './options.js';
import { PartitionCopy } from './partition-copy.js';
import { isReadable } from './payload.js';
import type { RecentEntries } from './recent-entries.js';
import type { WireEntry } from './wire.js';

/** Who this node is. */
export interface Identity {
  readonly clusterId: ClusterId;
  readonly nodeId: NodeId;
  /** Of this disk: drawn when the data directory was made, and never carried over to another one. */
  readonly storageId: string;
}

/** What the parts of the core have in common: who we are, the copies, and where effects go. */
export interface Shared {
  readonly self: Identity;
  options: ResolvedReplicationOptions;
  readonly checksum: EntryChecksum;
  readonly random: Random;
  readonly copies: Map<number, PartitionCopy>;
  /** Whose record each `persist` that is under way carries. */
  readonly records: Map<number, PartitionCopy>;
  readonly writer: LogWriter;
  readonly recent: RecentEntries;
  readonly counters: Counters;
  /** Effects of the event that is being handled, in order. */
  readonly effects: ReplicationEffect[];
  nextId(): number;
}

export function copyOf(shared: Shared, partition: number): PartitionCopy {
  let copy = shared.copies.get(partition);
  if (copy === undefined) {
    copy = new PartitionCopy(partition);
    shared.copies.set(partition, copy);
  }
  return copy;
}

/** Asks for the copy's record to be made durable; returns the number of the answer. */
export function persist(shared: Shared, copy: PartitionCopy): number {
  const id = shared.nextId();
  copy.promiseRecorded = copy.promised;
  copy.recordAsked = id;
  shared.records.set(id, copy);
  shared.effects.push({ kind: 'persist', id, record: copy.record() });
  return id;
}

export function toWire(shared: Shared, entry: LogEntry): WireEntry {
  return { epoch: entry.epoch, hlc: entry.hlc, origin: entry.origin, payload: entry.payload, checksum: shared.checksum.of(entry) };
}

/** The entry at its place, or undefined when it is not what was sent, or nothing that could be read back from the log. */
export function fromWire(shared: Shared, partition: number, seq: number, wire: WireEntry): LogEntry | undefined {
  const entry: LogEntry = { partition, epoch: wire.epoch, seq, hlc: wire.hlc, origin: wire.origin, payload: wire.payload };
  return shared.checksum.of(entry) === wire.checksum && isReadable(entry.payload) ? entry : undefined;
}
