import { hash64, parseSpaceId } from '@engram/kernel';
import { expect, test } from 'vitest';
import { jumpHash } from './jump-hash.js';
import { DEFAULT_PARTITIONS, partitionOf } from './partition.js';

test('the partition of a space is the jump hash of its 64-bit hash', () => {
  const space = parseSpaceId('team-notes');
  expect(partitionOf(space, 64)).toBe(jumpHash(hash64('team-notes'), 64));
});

test('well known spaces stay in the partitions that earlier releases gave them', () => {
  const partitions = ['default', 'team-notes', 'conv-26', 'a_b-0123456789'].map((text) => partitionOf(parseSpaceId(text), DEFAULT_PARTITIONS));
  expect(partitions).toEqual([712, 819, 834, 677]);
});

test('a thousand spaces use most of a small table and none outside it', () => {
  const used = new Set(Array.from({ length: 1_000 }, (_, i) => partitionOf(parseSpaceId(`space-${i}`), 64)));
  expect(used.size).toBe(64);
  expect([...used].every((partition) => partition >= 0 && partition < 64)).toBe(true);
});
