import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hlcZero, parseNodeId, Random } from '@engram/kernel';
import { lsn, openWriteAheadLog, type LogEntry, type WriteAheadLog } from '@engram/replication';
import { epochOpenPayload, takenUpPayload, type CopyRecord } from '@engram/replication/core';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startOf } from './replication-start.js';
import { openStateStore, type StateStore } from './state-store.js';

const origin = parseNodeId('a');
let directory: string;
let log: WriteAheadLog;
let state: StateStore;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'engram-start-'));
  log = await openWriteAheadLog({ directory: join(directory, 'wal') });
  state = await openStateStore(join(directory, 'cluster'), Random.fromSeed(1));
});

afterEach(async () => {
  await log.close();
  await state.close();
  rmSync(directory, { recursive: true, force: true });
});

const entry = (partition: number, epoch: number, seq: number, payload: Uint8Array = Uint8Array.of(1, 2, 3)): LogEntry => ({ partition, epoch, seq, hlc: hlcZero, origin, payload });
const record = (partition: number, seq: number, at: number): CopyRecord => ({ partition, promised: 2, seq, lsn: lsn(at), lineage: seq === 0 ? [] : [{ epoch: 1, firstSeq: 1 }], setAside: [], takenUp: [] });

/** What the next start of the process finds. */
async function restarted(): Promise<Awaited<ReturnType<typeof startOf>>> {
  await log.close();
  log = await openWriteAheadLog({ directory: join(directory, 'wal') });
  return startOf(log, state);
}

test('an empty disk has nothing, and what is written then is found again', async () => {
  expect(await startOf(log, state)).toEqual({ records: [], entries: [], nextLsn: 1, storageId: state.storageId, logFirst: 1 });
  await log.append([entry(7, 1, 1, epochOpenPayload), entry(7, 1, 2), entry(9, 1, 1)]);
  await state.putCopyRecord(record(7, 1, 1));
  const found = await restarted();
  expect(found).toMatchObject({ records: [record(7, 1, 1)], nextLsn: 4, logFirst: 1 });
  expect([...found.entries].map(({ lsn: at, entry: { partition, seq } }) => [at, partition, seq])).toEqual([[1, 7, 1], [2, 7, 2], [3, 9, 1]]);
});

test('entries come without their content, and with what replication has to know of it', async () => {
  await startOf(log, state);
  const taken = takenUpPayload({ epoch: 3, seq: 4 }, new Uint8Array(1_000));
  await log.append([entry(7, 5, 1, epochOpenPayload), entry(7, 5, 2, taken), entry(7, 5, 3, new Uint8Array(1_000).fill(1))]);
  expect([...(await restarted()).entries].map((read) => [...read.entry.payload])).toEqual([[...epochOpenPayload], [...taken.subarray(0, 19)], [0]]);
});

test('what a node wrote alone, or under a storage id that is lost, is no part of its copies', async () => {
  await log.append([entry(7, 1, 1), entry(7, 1, 2)]);
  const before = await restarted();
  expect(before).toMatchObject({ entries: [], logFirst: 3, nextLsn: 3 });
  await log.append([entry(7, 4, 1, epochOpenPayload)]);
  expect([...(await restarted()).entries].map((read) => read.lsn)).toEqual([3]);
});

test('a founder begins with what it wrote alone', async () => {
  await log.append([entry(7, 1, 1), entry(7, 1, 2)]);
  await log.close();
  log = await openWriteAheadLog({ directory: join(directory, 'wal') });
  const start = await startOf(log, state, { adopt: { partitions: new Map([[7, { epoch: 1, seq: 2 }]]) } });
  expect(start).toMatchObject({ logFirst: 1, records: [{ partition: 7, promised: 1, seq: 2, lsn: 2, lineage: [{ epoch: 1, firstSeq: 1 }] }] });
  expect([...start.entries]).toHaveLength(2);
});

test.each([
  ['a record that is ahead of the log', [entry(7, 1, 1)], [record(7, 2, 2)], /copy\/7 has entry 2, and the log ends before entry 2/],
  ['an entry that is missing', [entry(7, 1, 1), entry(7, 1, 3)], [], /entry 2 is number 3 of partition 7, where 2 should follow/],
  ['an entry that follows no record', [entry(7, 1, 5)], [], /entry 1 is number 5 of partition 7, where 1 should follow/],
  ['an epoch that goes back', [entry(7, 2, 1), entry(7, 1, 2)], [], /entry 2 is of epoch 1 of partition 7, after epoch 2 began/],
])('%s is an error that says how to go on', async (_what, entries, records, message) => {
  await startOf(log, state);
  await log.append(entries);
  for (const one of records) await state.putCopyRecord(one);
  await expect(restarted()).rejects.toMatchObject({ code: 'log_damaged', message: expect.stringMatching(message) as string, hint: expect.stringContaining('new storage id') as string });
});
