import { expect, test } from 'vitest';
import { TermCounts } from './term-counts.js';

function drained(counts: TermCounts): [number, number][] {
  const found: [number, number][] = [];
  counts.drain((term, count) => found.push([term, count]));
  return found;
}

test('occurrences are counted, and terms come in the order they were met', () => {
  const counts = new TermCounts();
  for (const term of [7, 3, 7, 0, 7]) counts.add(term);
  expect(counts.size).toBe(3);
  expect(drained(counts)).toEqual([[7, 3], [3, 1], [0, 1]]);
});

test('a term that is counted once stays at what it had', () => {
  const counts = new TermCounts();
  counts.add(1);
  counts.add(1);
  expect(counts.addOnce(1)).toBe(false);
  expect(counts.addOnce(2)).toBe(true);
  expect(drained(counts)).toEqual([[1, 2], [2, 1]]);
});

test('what was handed out is forgotten', () => {
  const counts = new TermCounts();
  counts.add(5);
  drained(counts);
  expect([counts.size, drained(counts)]).toEqual([0, []]);
  counts.add(5);
  expect(drained(counts)).toEqual([[5, 1]]);
});

test('any number of terms of any size can be counted', () => {
  const counts = new TermCounts();
  const terms = Array.from({ length: 5_000 }, (_, i) => i * 37);
  for (const term of terms) counts.add(term);
  expect(drained(counts)).toEqual(terms.map((term) => [term, 1]));
});
