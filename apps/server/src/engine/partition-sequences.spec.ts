import { hlcZero, parseNodeId } from '@engram/kernel';
import type { LogEntry } from '@engram/replication';
import { expect, test } from 'vitest';
import { PartitionSequences } from './partition-sequences.js';

const origin = parseNodeId('n1');

function unnumbered(partition: number): Omit<LogEntry, 'seq'> {
  return { partition, epoch: 1, hlc: hlcZero, origin, payload: new Uint8Array() };
}

test('entries of each partition are numbered on from what is durable', () => {
  const sequences = new PartitionSequences(new Map([[7, { seq: 41 }]]));
  expect(sequences.number([unnumbered(7), unnumbered(8), unnumbered(7)]).map(({ seq }) => seq)).toEqual([42, 1, 43]);
});

test('numbers that were refused are handed out again', () => {
  const sequences = new PartitionSequences(new Map());
  const first = sequences.number([unnumbered(1), unnumbered(1)]);
  sequences.refused(first);
  expect(sequences.number([unnumbered(1)]).map(({ seq }) => seq)).toEqual([1]);
});

test('while entries behind a refused one are under way, the partition hands out no numbers, others do', () => {
  const sequences = new PartitionSequences(new Map());
  const first = sequences.number([unnumbered(1)]);
  const second = sequences.number([unnumbered(1)]);
  sequences.refused(first);
  expect(() => sequences.number([unnumbered(1)])).toThrow(expect.objectContaining({ code: 'overloaded', retryable: true }) as Error);
  expect(sequences.number([unnumbered(2)]).map(({ seq }) => seq)).toEqual([1]);
  sequences.refused(second);
  expect(sequences.number([unnumbered(1)]).map(({ seq }) => seq)).toEqual([1]);
});

test('an entry accepted out of order is a defect and is said so', () => {
  const sequences = new PartitionSequences(new Map());
  sequences.number([unnumbered(1)]);
  const second = sequences.number([unnumbered(1)]);
  expect(() => sequences.accepted(second)).toThrow(expect.objectContaining({ code: 'assertion_failed' }) as Error);
});
