import type { NodeId } from '@engram/kernel';
import { describe, expect, test } from 'vitest';
import { counts, entryComplaint, isMajority, reachedSeq, type CopyHolder, type PartitionEntry } from './table.js';

const holder = (name: string, disk = 1): CopyHolder => ({ node: name as NodeId, storage: `${name}${disk}` });
const entry: PartitionEntry = { partition: 1, epoch: 4, primary: 'a' as NodeId, copies: ['a', 'b', 'c'].map((name) => holder(name)) };
const moving: PartitionEntry = { ...entry, next: ['a', 'b', 'd'].map((name) => holder(name)), learners: [holder('e')] };
const durable = (seqs: Readonly<Record<string, number>>) => ({ node }: CopyHolder): number => seqs[node] ?? 0;

describe('levels', () => {
  test.each([
    ['local', 9], ['replica', 7], ['quorum', 7], ['all', 3],
  ] as const)('%s is reached up to %i', (level, seq) => {
    expect(reachedSeq(entry, level, durable({ a: 9, b: 3, c: 7 }))).toBe(seq);
  });

  test('while a move is under way a quorum is one of both sets, and a learner counts for nothing', () => {
    expect(reachedSeq(moving, 'quorum', durable({ a: 9, c: 9, e: 9 }))).toBe(0);
    expect(reachedSeq(moving, 'quorum', durable({ a: 9, c: 8, d: 7 }))).toBe(7);
    expect(reachedSeq(moving, 'all', durable({ a: 9, b: 9, c: 9, d: 2, e: 9 }))).toBe(2);
  });

  test('a single copy is all of them', () => {
    const alone = { ...entry, copies: [holder('a')] };
    expect((['local', 'quorum', 'all'] as const).map((level) => reachedSeq(alone, level, durable({ a: 5 })))).toEqual([5, 5, 5]);
    expect(reachedSeq(alone, 'replica', durable({ a: 5 }))).toBe(0);
  });
});

describe('majorities', () => {
  test('count disks and not names', () => {
    expect(isMajority(entry, [holder('a'), holder('b')])).toBe(true);
    expect(isMajority(entry, [holder('a'), holder('b', 2)])).toBe(false);
    expect([counts(entry, 'b' as NodeId, 'b1'), counts(entry, 'b' as NodeId, 'b2'), counts(moving, 'e' as NodeId, 'e1')]).toEqual([true, false, false]);
  });

  test('are of both sets while a move is under way', () => {
    expect(isMajority(moving, [holder('a'), holder('c')])).toBe(false);
    expect(isMajority(moving, [holder('a'), holder('b')])).toBe(true);
  });
});

test.each([
  ['a primary without a copy', { primary: 'z' as NodeId }, 'the primary z'],
  ['epoch 0', { epoch: 0 }, 'epoch'],
  ['two copies on one node', { copies: [holder('a'), holder('a', 2)] }, 'one copy'],
])('an entry with %s is refused', (_name, wrong, complaint) => {
  expect(entryComplaint({ ...entry, ...wrong })).toContain(complaint);
});
