import { hlcZero, instant, type NodeId } from '@engram/kernel';
import { expect, test } from 'vitest';
import type { LogEntry } from '../entry.js';
import { entryOverheadBytes } from './log-writer.js';
import { RecentEntries } from './recent-entries.js';

const entry = (partition: number, seq: number, bytes = 10): LogEntry => ({ partition, epoch: 1, seq, hlc: hlcZero, origin: 'a' as NodeId, payload: new Uint8Array(bytes) });
const at = instant(5);

test('the oldest entry of any partition goes when there are too many', () => {
  const recent = new RecentEntries(3, 1_000_000);
  for (const one of [entry(1, 1), entry(2, 1), entry(1, 2), entry(2, 2)]) recent.push(one, at);
  expect([recent.get(1, 1), recent.get(2, 1)?.seq, recent.get(1, 2)?.seq, recent.get(2, 2)?.seq, recent.entries]).toEqual([undefined, 1, 2, 2, 3]);
});

test('the oldest goes when there are too many bytes', () => {
  const recent = new RecentEntries(100, 2 * (entryOverheadBytes + 10));
  for (let seq = 1; seq <= 5; seq++) recent.push(entry(1, seq), at);
  expect([recent.get(1, 3), recent.get(1, 4)?.seq, recent.bytes]).toEqual([undefined, 4, 2 * (entryOverheadBytes + 10)]);
});

test('a dropped partition gives its room back and begins anew anywhere', () => {
  const recent = new RecentEntries(100, 1_000_000);
  for (const one of [entry(1, 1), entry(2, 1), entry(1, 2)]) recent.push(one, at);
  recent.drop(1);
  expect([recent.entries, recent.bytes, recent.get(1, 1)]).toEqual([1, entryOverheadBytes + 10, undefined]);
  recent.push(entry(1, 40), at);
  expect([recent.get(1, 40)?.seq, recent.since(1, 40), recent.get(2, 1)?.seq]).toEqual([40, at, 1]);
});

test('a hundred thousand entries through a small ring leave what fits', () => {
  const recent = new RecentEntries(1_000, 1_000_000_000);
  for (let seq = 1; seq <= 100_000; seq++) recent.push(entry(seq % 7, Math.ceil(seq / 7)), at);
  expect(recent.entries).toBe(1_000);
});
