import { describe, expect, test } from 'vitest';
import { Random } from '@engram/kernel';
import { id } from '../../test/swim-fixtures.js';
import { ShuffledRounds } from './shuffled-rounds.js';

function listOf(count: number, seed = 7): ShuffledRounds {
  const list = new ShuffledRounds(Random.fromSeed(seed));
  for (let i = 0; i < count; i++) list.add(id(`n${i}`));
  return list;
}
const take = (list: ShuffledRounds, count: number): (string | undefined)[] => Array.from({ length: count }, () => list.next());
const all = (count: number): string[] => Array.from({ length: count }, (_, i) => `n${i}`).sort();

test('nobody is next when there is nobody, and a later newcomer is', () => {
  const list = listOf(0);
  expect(take(list, 3)).toEqual([undefined, undefined, undefined]);
  list.add(id('n0'));
  expect(list.next()).toBe('n0');
});

test('each round has everybody once', () => {
  const list = listOf(20);
  for (let round = 0; round < 5; round++) expect(take(list, 20).sort()).toEqual(all(20));
});

test('rounds differ in order', () => {
  const list = listOf(20);
  expect(take(list, 20)).not.toEqual(take(list, 20));
});

test('a newcomer has its turn in the round under way', () => {
  const list = listOf(10);
  const before = take(list, 4);
  list.add(id('n10'));
  expect([...before, ...take(list, 7)].sort()).toEqual(all(11));
});

describe('a member that is removed', () => {
  test.each(['before its turn', 'after its turn'])('%s takes nobody else out of the round', (when) => {
    const list = listOf(10);
    const before = take(list, 5) as string[];
    const gone = when === 'after its turn' ? (before[2] as string) : all(10).find((name) => !before.includes(name)) as string;
    list.remove(id(gone));
    const after = take(list, when === 'after its turn' ? 5 : 4);
    expect([...new Set([...before, ...after, gone])].sort()).toEqual(all(10));
    expect(after).not.toContain(gone);
  });
});

test('an urgent member comes first, once, and only while it is listed', () => {
  const list = listOf(10);
  list.urge(id('n3'));
  list.urge(id('n3'));
  list.urge(id('unknown'));
  expect(list.next()).toBe('n3');
  expect(take(list, 10).sort()).toEqual(all(10));
});

test('no more than 64 members are urgent at one time', () => {
  const list = listOf(200);
  for (let i = 0; i < 200; i++) list.urge(id(`n${i}`));
  expect(take(list, 64)).toEqual(Array.from({ length: 64 }, (_, i) => `n${i}`));
  expect(take(list, 200).sort()).toEqual(all(200));
});
