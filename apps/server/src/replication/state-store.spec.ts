import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hlcZero, Random, type NodeId } from '@engram/kernel';
import { lsn, nodeFileSystem, openWriteAheadLog, type LogFileSystem } from '@engram/replication';
import type { CopyRecord } from '@engram/replication/core';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openStateStore, type StateStore, type StateStoreOptions } from './state-store.js';

let directory: string;
let opened: StateStore[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'engram-state-'));
  opened = [];
});

afterEach(async () => {
  await Promise.all(opened.map((store) => store.close()));
  rmSync(directory, { recursive: true, force: true });
});

async function open(options: StateStoreOptions & { readonly seed?: number } = {}): Promise<StateStore> {
  const { seed = 1, ...rest } = options;
  const store = await openStateStore(join(directory, 'cluster'), Random.fromSeed(seed), rest);
  opened.push(store);
  return store;
}

async function reopened(options: StateStoreOptions = {}): Promise<StateStore> {
  await opened.pop()!.close();
  return open({ ...options, seed: 2 });
}

const record = (partition: number, seq: number): CopyRecord => ({
  partition, promised: 9, seq, lsn: lsn(77),
  lineage: [{ epoch: 1, firstSeq: 1 }, { epoch: 7, firstSeq: 3 }],
  setAside: [{ epoch: 3, from: 3, to: 5, original: { epoch: 2, seq: 4 }, lsn: lsn(12) }],
  takenUp: [{ epoch: 2, from: 6, to: 8, at: 4 }],
});

const segmentFiles = (): string[] => readdirSync(join(directory, 'cluster')).filter((name) => name.endsWith('.wal')).sort();

test('a directory has one storage id for as long as it exists, and another one when it is made anew', async () => {
  const first = await open();
  expect(first).toMatchObject({ fresh: true, storageId: expect.stringMatching(/^[0-9a-z]{26}$/) as string });
  const again = await reopened();
  expect(again).toMatchObject({ fresh: false, storageId: first.storageId });
  await opened.pop()!.close();
  rmSync(join(directory, 'cluster'), { recursive: true });
  const other = await open({ seed: 3 });
  expect(other.fresh).toBe(true);
  expect(other.storageId).not.toBe(first.storageId);
});

test('what was put is there after a start, the last of each', async () => {
  const store = await open();
  expect([store.acceptor(), store.copyRecords(), store.logFirst()]).toEqual([undefined, [], undefined]);
  await Promise.all([store.putAcceptor(Uint8Array.of(1)), store.putCopyRecord(record(5, 4)), store.putCopyRecord(record(1_023, 3)), store.putLogFirst(lsn(12))]);
  await store.putCopyRecord(record(5, 6));
  await store.putAcceptor(Uint8Array.of(0, 255, 10));
  const again = await reopened();
  expect([...again.acceptor()!]).toEqual([0, 255, 10]);
  expect(again.copyRecords()).toEqual([record(5, 6), record(1_023, 3)]);
  expect(again.logFirst()).toBe(12);
});

test('puts of one turn share a sync, and the same record again needs none', async () => {
  let syncs = 0;
  const counting: LogFileSystem = {
    ...nodeFileSystem,
    openForWriting: async (path) => {
      const file = await nodeFileSystem.openForWriting(path);
      return { read: (bytes, at) => file.read(bytes, at), write: (bytes, at) => file.write(bytes, at), truncate: (bytes) => file.truncate(bytes), close: () => file.close(), dataSync: () => (syncs++, file.dataSync()) };
    },
  };
  const store = await open({ fileSystem: counting });
  const before = syncs;
  await Promise.all(Array.from({ length: 1_024 }, (_, partition) => store.putCopyRecord(record(partition, 4))));
  const together = syncs - before;
  // One for the first that came, and one for all the others while it was under way.
  expect(together).toBeLessThanOrEqual(2);
  await Promise.all(Array.from({ length: 1_024 }, (_, partition) => store.putCopyRecord(record(partition, 4))));
  expect(syncs - before).toBe(together);
});

test('a long log is written anew, and nothing is lost by it', async () => {
  const segmentBytes = 64 * 1024;
  const store = await open({ segmentBytes });
  for (let seq = 3; seq < 400; seq++) await Promise.all([store.putCopyRecord(record(seq % 7, seq)), store.putAcceptor(new Uint8Array(3_000).fill(seq))]);
  const bytes = segmentFiles().reduce((sum, name) => sum + statSync(join(directory, 'cluster', name)).size, 0);
  expect(bytes).toBeLessThan(4 * segmentBytes);
  const { storageId } = store;
  const again = await reopened({ segmentBytes });
  expect(again.storageId).toBe(storageId);
  expect(again.acceptor()).toEqual(new Uint8Array(3_000).fill(399));
  expect(again.copyRecords().sort((a, b) => a.partition - b.partition).map(({ seq }) => seq)).toEqual([399, 393, 394, 395, 396, 397, 398]);
});

describe('damage is an error and never an absence', () => {
  const refusal = (message: RegExp): object => expect.objectContaining({ code: 'store_damaged', message: expect.stringMatching(message) as string, hint: expect.stringContaining('storage id') as string }) as object;

  test('a flipped bit is named with its file', async () => {
    const store = await open();
    for (const partition of [1, 2, 3]) await store.putCopyRecord(record(partition, 4));
    await opened.pop()!.close();
    const file = join(directory, 'cluster', segmentFiles()[0]!);
    const bytes = readFileSync(file);
    bytes[bytes.indexOf('copy/2') + 10]! ^= 4;
    writeFileSync(file, bytes);
    await expect(open()).rejects.toEqual(refusal(new RegExp(segmentFiles()[0]!)));
  });

  test.each([
    ['cannot be read', '{'],
    ['is of a later version', '[2,7,1,0,0,[],[],[]]'],
    ['lacks a field', '[1,7,1,0,0,[],[]]'],
    ['holds what is no number', '[1,7,1,0,"0",[],[],[]]'],
    ['has a short row', '[1,7,1,0,0,[[1]],[],[]]'],
  ])('a record that %s is named', async (_what, text) => {
    await open();
    await opened.pop()!.close();
    const log = await openWriteAheadLog({ directory: join(directory, 'cluster') });
    const payload = Buffer.concat([Buffer.of(1, 6), Buffer.from(`copy/7${text}`)]);
    await log.append([{ partition: 0, epoch: 1, seq: 1, hlc: hlcZero, origin: 'state' as NodeId, payload }]);
    await log.close();
    await expect(open()).rejects.toEqual(refusal(/^copy\/7 /));
  });

  test('records without a storage id are not a new directory', async () => {
    const log = await openWriteAheadLog({ directory: join(directory, 'cluster') });
    await log.append([{ partition: 0, epoch: 1, seq: 1, hlc: hlcZero, origin: 'state' as NodeId, payload: Buffer.concat([Buffer.of(1, 8), Buffer.from('acceptorx')]) }]);
    await log.close();
    await expect(open()).rejects.toEqual(refusal(/^storage_id in .* is missing/));
  });
});
