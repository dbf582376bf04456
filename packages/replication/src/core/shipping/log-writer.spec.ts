import { hlcZero, type NodeId } from '@engram/kernel';
import { expect, test } from 'vitest';
import type { LogEntry } from '../entry.js';
import { LogWriter, weightOf } from './log-writer.js';

const entry = (seq: number, bytes = 10): LogEntry => ({ partition: 1, epoch: 1, seq, hlc: hlcZero, origin: 'a' as NodeId, payload: new Uint8Array(bytes) });
const seqs = (entries: readonly LogEntry[] | undefined): number[] | undefined => entries?.map(({ seq }) => seq);
function writerWith(...entries: readonly LogEntry[]): LogWriter {
  const writer = new LogWriter();
  for (const one of entries) writer.push(one);
  return writer;
}

test('one append is under way at a time, and what comes meanwhile goes together with the next', () => {
  const writer = writerWith(entry(1));
  const first = writer.next(10, 10_000)!;
  writer.push(entry(2));
  writer.push(entry(3));
  expect([seqs(first.entries), writer.next(10, 10_000)]).toEqual([[1], undefined]);
  writer.done(first.id);
  expect(seqs(writer.next(10, 10_000)?.entries)).toEqual([2, 3]);
});

test('an append is bounded in entries and in bytes, and one entry larger than the bound goes alone', () => {
  expect(seqs(writerWith(entry(1), entry(2), entry(3)).next(2, 10_000)?.entries)).toEqual([1, 2]);
  expect(seqs(writerWith(entry(1), entry(2), entry(3)).next(10, 2 * weightOf(entry(1)))?.entries)).toEqual([1, 2]);
  expect(seqs(writerWith(entry(1, 5_000), entry(2)).next(10, 100)?.entries)).toEqual([1]);
});

test('a refused append takes everything behind it along, so that nothing leaves a hole', () => {
  const writer = writerWith(entry(1), entry(2));
  const { id } = writer.next(1, 10_000)!;
  writer.push(entry(3));
  expect(seqs(writer.failed(id))).toEqual([1, 2, 3]);
  expect([writer.entries, writer.bytes, writer.next(10, 10_000)]).toEqual([0, 0, undefined]);
});
