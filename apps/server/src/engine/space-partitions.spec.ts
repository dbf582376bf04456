import { parseSpaceId } from '@engram/kernel';
import { DEFAULT_PARTITIONS, partitionOf } from '@engram/placement';
import { expect, test } from 'vitest';
import { rememberedSpacesMax, SpacePartitions } from './space-partitions.js';

test('a space has the partition that placement gives it, asked once or again', () => {
  const partitions = new SpacePartitions();
  for (const name of ['default', 'team-notes', 'team-notes', 'default']) {
    const space = parseSpaceId(name);
    expect(partitions.of(space)).toBe(partitionOf(space, DEFAULT_PARTITIONS));
  }
  expect(partitions.size).toBe(2);
});

test('names that clients make up cannot fill the memory', () => {
  const partitions = new SpacePartitions();
  const first = parseSpaceId('space-0');
  for (let index = 0; index <= rememberedSpacesMax; index += 1) partitions.of(parseSpaceId(`space-${index}`));
  expect(partitions.size).toBe(1);
  expect(partitions.of(first)).toBe(partitionOf(first, DEFAULT_PARTITIONS));
});
