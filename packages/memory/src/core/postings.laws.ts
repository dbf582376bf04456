import fc from 'fast-check';
import { expect, test } from 'vitest';
import { packPosting, Postings, termCountMax } from './postings.js';
import { Slices } from './slices.js';

const termOf = (postings: Postings, term: number): number[] => {
  const found: number[] = [];
  postings.eachRun(term, (words, from, to) => found.push(...words.subarray(from, to)));
  return found.sort((a, b) => a - b);
};

test('postings hold what was added and not removed, whatever the order of both', () => {
  const step = fc.record({ term: fc.nat(3), ordinal: fc.nat(60), remove: fc.boolean() });
  fc.assert(fc.property(fc.array(step, { maxLength: 400, size: 'max' }), (steps) => {
    const postings = new Postings(new Slices());
    const model = new Map<number, Set<number>>();
    for (const { term, ordinal, remove } of steps) {
      const held = model.get(term) ?? new Set<number>();
      model.set(term, held);
      if (remove && held.delete(ordinal)) postings.remove(term, ordinal);
      else if (!remove && !held.has(ordinal)) {
        held.add(ordinal);
        postings.append(term, packPosting(ordinal, 1));
      }
    }
    for (const [term, held] of model) {
      expect(postings.count(term)).toBe(held.size);
      expect(termOf(postings, term)).toEqual([...held].sort((a, b) => a - b).map((ordinal) => packPosting(ordinal, 1)));
    }
  }), { numRuns: 200 });
});

test('long chains keep every posting while they grow past the largest slice and shrink to nothing', () => {
  const slices = new Slices();
  const postings = new Postings(slices);
  const many = 30_000;
  for (let ordinal = 0; ordinal < many; ordinal++) postings.append(0, packPosting(ordinal, 1));
  expect(termOf(postings, 0)).toEqual(Array.from({ length: many }, (_, ordinal) => packPosting(ordinal, 1)));
  const { bytes } = slices;
  for (let ordinal = 0; ordinal < many; ordinal++) if (ordinal % 1_000 !== 7) postings.remove(0, ordinal);
  expect(termOf(postings, 0)).toEqual(Array.from({ length: 30 }, (_, i) => packPosting(i * 1_000 + 7, 1)));
  for (let i = 0; i < 30; i++) postings.remove(0, i * 1_000 + 7);
  expect(termOf(postings, 0)).toEqual([]);
  for (let ordinal = 0; ordinal < many; ordinal++) postings.append(1, packPosting(ordinal, 1));
  expect(slices.bytes).toBe(bytes);
});

test('a count stops at what a posting can say', () => {
  expect(packPosting(5, 9_999)).toBe(packPosting(5, termCountMax));
  expect(packPosting(2 ** 24 - 1, 255)).toBe(2 ** 32 - 1);
});

test('removing what is not there is our own mistake', () => {
  const postings = new Postings(new Slices());
  postings.append(0, packPosting(1, 1));
  expect(() => postings.remove(0, 2)).toThrow(/every term/);
});
