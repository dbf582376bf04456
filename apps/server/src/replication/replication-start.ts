import { EngramError } from '@engram/kernel';
import type { Applied } from '@engram/memory';
import type { LogEntry, Lsn, WriteAheadLog } from '@engram/replication';
import { readPayload, type CopyRecord, type LoggedEntry, type ReplicationStart } from '@engram/replication/core';
import { rebuildHint } from './copy-record-codec.js';
import type { StateStore } from './state-store.js';

export interface StartOptions {
  /**
   * Of a node that ran alone before: what it has applied becomes the beginning of its copies, so that replicas are given
   * it. For the one node that founds a cluster and for no other, because two nodes that ran alone have both numbered from
   * one. Without it, what was written before stays in the store and is nobody's copy.
   * @default none of it
   */
  readonly adopt?: Pick<Applied, 'partitions'>;
}

/** What a start found, and what of the log is not part of any copy. */
export interface FoundStart extends ReplicationStart {
  readonly storageId: string;
  /** Entries before it were written under another storage id, or alone. */
  readonly logFirst: Lsn;
}

/**
 * What replication finds on this disk. It needs of each entry where it stands and not what it says, so entries come
 * without their content: about 200 bytes each until the core has seen them, whatever they hold.
 *
 * @throws EngramError `log_damaged` when the log does not go on where the records end.
 */
export async function startOf(log: WriteAheadLog, state: StateStore, options: StartOptions = {}): Promise<FoundStart> {
  const { firstLsn, nextLsn } = log.recovery;
  let logFirst = state.logFirst();
  if (logFirst === undefined) {
    // Nothing of this storage id is in the log yet: it is written to only by who was handed this start.
    if (options.adopt) await Promise.all(adopted(options.adopt, nextLsn).map((record) => state.putCopyRecord(record)));
    logFirst = options.adopt ? firstLsn : nextLsn;
    await state.putLogFirst(logFirst);
  }
  const records = state.copyRecords();
  const ends = new Map(records.map(({ partition, seq, lsn, lineage }) => [partition, { seq, lsn, epoch: lineage.at(-1)?.epoch ?? 0 }]));
  for (const { partition, lsn } of records) if (lsn >= nextLsn) throw broken(`copy/${partition} has entry ${lsn}, and the log ends before entry ${nextLsn}`);
  const entries: LoggedEntry[] = [];
  for await (const { lsn, entry } of log.read(Math.max(logFirst, firstLsn) as Lsn)) {
    const end = ends.get(entry.partition);
    if (end === undefined || lsn > end.lsn) {
      const expected = (end?.seq ?? 0) + 1;
      if (entry.seq !== expected) throw broken(`entry ${lsn} is number ${entry.seq} of partition ${entry.partition}, where ${expected} should follow`);
      if (entry.epoch < (end?.epoch ?? 0)) throw broken(`entry ${lsn} is of epoch ${entry.epoch} of partition ${entry.partition}, after epoch ${end!.epoch} began`);
      ends.set(entry.partition, { seq: entry.seq, lsn, epoch: entry.epoch });
    }
    entries.push({ lsn, entry: withoutContent(entry) });
  }
  return { records, entries, nextLsn, storageId: state.storageId, logFirst };
}

const nothing = Uint8Array.of(0);
const placeBytes = 19;

function withoutContent(entry: LogEntry): LogEntry {
  switch (readPayload(entry.payload).kind) {
    case 'operation':  return { ...entry, payload: nothing };
    case 'epoch-open': return { ...entry, payload: Uint8Array.from(entry.payload) };
    case 'taken-up':   return { ...entry, payload: Uint8Array.from(entry.payload.subarray(0, placeBytes)) };
  }
}

function adopted({ partitions }: Pick<Applied, 'partitions'>, nextLsn: Lsn): CopyRecord[] {
  return [...partitions].map(([partition, { epoch, seq }]) => ({
    partition, promised: epoch, seq, lsn: (nextLsn - 1) as Lsn, lineage: [{ epoch, firstSeq: 1 }], setAside: [], takenUp: [],
  }));
}

function broken(complaint: string): EngramError {
  return new EngramError('log_damaged', `the log and the cluster state of this node do not fit together: ${complaint}`, { hint: rebuildHint });
}
