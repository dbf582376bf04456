import { describe, expect, test } from 'vitest';
import { mapOf, node, placed } from '../../test/maps.js';
import { entryOf, involves, storagesOf } from './table-entries.js';

describe('an entry for replication', () => {
  test('names every copy with the disk that the roster has of it, the primary first', () => {
    const map = mapOf(['a', 'b', 'c'], [placed('b', ['a', 'c'], { epoch: 4 })]);
    expect(entryOf(map, 0, storagesOf(map))).toEqual({
      partition: 0, epoch: 4, primary: 'b', copies: [{ node: 'b', storage: 'b-disk' }, { node: 'a', storage: 'a-disk' }, { node: 'c', storage: 'c-disk' }],
    });
  });

  test('has whoever a copy is on its way to as a learner, which counts for nothing', () => {
    const map = mapOf(['a', 'b', 'c', 'd'], [placed('a', ['b', 'c'], { moving: { from: node('c'), to: node('d') } })]);
    const entry = entryOf(map, 0, storagesOf(map));
    expect(entry.learners).toEqual([{ node: 'd', storage: 'd-disk' }]);
    expect(entry.copies.map((copy) => copy.node)).toEqual(['a', 'b', 'c']);
  });

  test('gives a node that has left the roster a disk that nobody has', () => {
    const map = mapOf(['a'], [placed('a', ['z'])]);
    expect(entryOf(map, 0, storagesOf(map)).copies[1]).toEqual({ node: 'z', storage: '' });
  });
});

test('a partition is of interest to its copies and to whoever is becoming one', () => {
  const placement = placed('a', ['b'], { moving: { from: undefined, to: node('c') } });
  expect(['a', 'b', 'c', 'd'].map((name) => involves(placement, node(name)))).toEqual([true, true, true, false]);
});
