import { expect, test } from 'vitest';
import { Random } from '@engram/kernel';
import { IndexedSet } from './indexed-set.js';

function setOf(count: number): IndexedSet<number> {
  const set = new IndexedSet<number>();
  for (let i = 0; i < count; i++) set.add(i);
  return set;
}

test('adding twice and removing what is not there change nothing', () => {
  const set = setOf(3);
  set.add(1);
  set.delete(9);
  expect([...set.items].sort()).toEqual([0, 1, 2]);
});

test('whatever is removed is never picked, whatever stays can be', () => {
  const set = setOf(10);
  for (const gone of [0, 9, 4]) set.delete(gone);
  const random = Random.fromSeed(7);
  const picked = new Set(Array.from({ length: 200 }, () => set.pick(1, random)).flat());
  expect([...picked].sort()).toEqual([1, 2, 3, 5, 6, 7, 8]);
});

test.each([2, 5, 100])('picks are different from each other and pass the test, of %i', (count) => {
  const picked = setOf(count).pick(3, Random.fromSeed(7), (item) => item % 2 === 0);
  expect(new Set(picked).size).toBe(picked.length);
  expect(picked.every((item) => item % 2 === 0)).toBe(true);
  expect(picked.length).toBe(Math.min(3, Math.ceil(count / 2)));
});
