import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hlcZero, parseNodeId } from '@engram/kernel';
import { lsn, openWriteAheadLog, type LogEntry, type WriteAheadLog } from '@engram/replication';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LogWalks } from './log-walks.js';

const origin = parseNodeId('a');
let directory: string;
let log: WriteAheadLog;
let reads: number;
let walks: LogWalks;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'engram-walks-'));
  log = await openWriteAheadLog({ directory, segmentBytesMax: 70_000, groupBytesMax: 65_000, entryBytesMax: 60_000, retainBytes: 0, layOutBytes: 0 });
  reads = 0;
  walks = new LogWalks({ status: () => log.status(), read: (from) => (reads++, log.read(from)) });
});

afterEach(async () => {
  await walks.close();
  await log.close();
  rmSync(directory, { recursive: true, force: true });
});

/** Entry n, from 1 on, is of partition n modulo 3. */
async function fill(from: number, to: number): Promise<void> {
  const entries = Array.from({ length: to - from + 1 }, (_, i): LogEntry => ({ partition: (from + i) % 3, epoch: 1, seq: from + i, hlc: hlcZero, origin, payload: new Uint8Array(100).fill(i) }));
  for (let at = 0; at < entries.length; at += 200) await log.append(entries.slice(at, at + 200));
}

async function all(from: number, partitions: readonly number[], entriesMax: number, bytesMax = 1_000_000): Promise<number[]> {
  const seqs: number[] = [];
  for (let at = lsn(from), end = false; !end; ) {
    const part = await walks.read({ from: at, partitions, entriesMax, bytesMax });
    expect(part.entries.length).toBeLessThanOrEqual(entriesMax);
    seqs.push(...part.entries.map(({ entry }) => entry.seq));
    ({ next: at, end } = part);
  }
  return seqs;
}

test('a walk in parts gives what was asked for, once and in order, and opens the log once', async () => {
  await fill(1, 1_000);
  const wanted = Array.from({ length: 1_000 }, (_, i) => i + 1).filter((seq) => seq % 3 !== 1);
  expect(await all(1, [0, 2], 50)).toEqual(wanted);
  expect(reads).toBe(1);
  expect(await all(1, [0, 2], 1_000, 1_000)).toEqual(wanted);
});

test('the end is where the log ends, and more may come behind it', async () => {
  await fill(1, 10);
  expect(await walks.read({ from: lsn(1), partitions: [0], entriesMax: 100, bytesMax: 100_000 })).toMatchObject({ next: 11, end: true });
  await fill(11, 12);
  expect(await walks.read({ from: lsn(11), partitions: [0], entriesMax: 100, bytesMax: 100_000 })).toMatchObject({ next: 13, end: true, entries: [{ lsn: 12 }] });
});

test('what was trimmed is passed over', async () => {
  await fill(1, 2_000);
  await log.checkpoint(lsn(1_500));
  const { firstLsn } = log.status();
  expect(firstLsn).toBeGreaterThan(1);
  const { entries } = await walks.read({ from: lsn(1), partitions: [0, 1, 2], entriesMax: 5, bytesMax: 100_000 });
  expect(entries[0]!.lsn).toBe(firstLsn);
});

test('walks that are laid aside are few, and those whose segment is gone are given up', async () => {
  await fill(1, 2_000);
  // Two apart, so that none goes on where another stopped.
  for (let from = 1; from <= 41; from += 2) await walks.read({ from: lsn(from), partitions: [0, 1, 2], entriesMax: 1, bytesMax: 100_000 });
  expect(walks.kept).toBe(8);
  await log.checkpoint(lsn(1_500));
  await walks.trimmed(log.status().firstLsn);
  expect(walks.kept).toBe(0);
});

test('a long stretch without a match is walked in parts as well', async () => {
  await fill(1, 20_000);
  const part = await walks.read({ from: lsn(1), partitions: [9], entriesMax: 10, bytesMax: 100_000 });
  expect(part).toEqual({ entries: [], next: 16_385, end: false });
  expect(await all(part.next, [9], 10)).toEqual([]);
});
