import { EngramError } from '@engram/kernel';
import { decodeOperation, type LoggedOperation, type MemoryStore, type Operation } from '@engram/memory';
import type { LogEntry, WriteAheadLog } from '@engram/replication';
import { readPayload } from '@engram/replication/core';
import type { EngineLog } from './engine-types.js';

const REPLAY_BATCH = 1024;

/** Applies every durable entry the store has not seen. The two must fit without a gap. */
export async function replay(log: WriteAheadLog, store: MemoryStore, logger: EngineLog | undefined): Promise<void> {
  const { firstLsn, nextLsn, tornTail, gaps, strays } = log.recovery;
  if (tornTail) {
    logger?.warn({ ...tornTail }, 'cut off a torn log tail: a write that was never acknowledged');
  }
  for (const stray of strays) logger?.warn({ file: stray }, 'a file in the log directory is not part of the log; it was left alone');
  const applied = store.applied.lsn;
  for (const gap of gaps) {
    const what = gap.lastLsn <= applied ? 'the store has what was in it' : 'entries in it that the store has not seen are lost';
    logger?.warn({ ...gap, applied }, `the log has a gap that a salvage left; ${what}`);
  }
  if (applied + 1 < firstLsn) {
    throw new EngramError(
      'store_damaged',
      `The store has applied the log up to entry ${applied}, but the log begins at entry ${firstLsn}: the entries between are in neither.`,
      { hint: 'The store directory was removed or replaced. Put it back, or restore the whole data directory from a backup.' },
    );
  }
  if (applied >= nextLsn) {
    throw new EngramError(
      'log_damaged',
      `The store has applied the log up to entry ${applied}, but the log ends before entry ${nextLsn}: acknowledged entries are missing from it.`,
      { hint: 'The log directory was removed or replaced. Put it back, or restore the whole data directory from a backup.' },
    );
  }
  let batch: LoggedOperation[] = [];
  let entries = 0;
  for await (const { lsn, entry } of log.read((applied + 1) as typeof firstLsn)) {
    batch.push(appliedEntry(lsn, entry, operationOf(entry)));
    entries += 1;
    if (batch.length === REPLAY_BATCH) {
      store.apply(batch);
      batch = [];
      // Replay can be far faster than the disk: wait for it rather than hold everything in memory.
      if (store.backlog().saturated) await store.flush();
    }
  }
  if (batch.length > 0) store.apply(batch);
  if (entries > 0) logger?.info({ entries }, 'applied the log entries that the store had not seen');
}

/** Undefined for entries that the protocol of replication wrote for itself. */
function operationOf({ payload }: LogEntry): Operation | undefined {
  const read = readPayload(payload);
  return read.kind === 'epoch-open' ? undefined : decodeOperation(read.operation);
}

export function appliedEntry(lsn: number, entry: LogEntry, operation: Operation | undefined): LoggedOperation {
  return { lsn, hlc: entry.hlc, partition: entry.partition, epoch: entry.epoch, seq: entry.seq, operation };
}
