import { expect, test } from 'vitest';
import { indexOf, remembered } from '../../test/remembered.js';
import { SpaceIndex } from './space-index.js';

test('an index knows what it holds', () => {
  const index = indexOf([remembered('m1', 'tea'), remembered('m2', 'tea')]);
  const { id } = remembered('m1', 'tea');
  expect([index.size, index.has(id)]).toEqual([2, true]);
  expect([index.remove(id), index.remove(id)]).toEqual([true, false]);
  expect([index.size, index.has(id)]).toEqual([1, false]);
});

test('the same id twice is our own mistake', () => {
  const index = indexOf([remembered('m1', 'tea')]);
  expect(() => index.add(remembered('m1', 'coffee'))).toThrow(expect.objectContaining({ code: 'assertion_failed' }));
});

test('a vector of another dimension is refused and leaves the index unchanged', () => {
  const index = indexOf([remembered('m1', 'tea', { embedding: Float32Array.of(1, 0) })]);
  const longer = remembered('m2', 'coffee', { embedding: Float32Array.of(1, 0, 0) });
  expect(() => index.checkDimension(longer.embedding)).toThrow(expect.objectContaining({ code: 'embedding_dimension_mismatch' }));
  expect(() => index.add(longer)).toThrow(expect.objectContaining({ code: 'embedding_dimension_mismatch' }));
  expect([index.size, index.has(longer.id), index.dimension]).toEqual([1, false, 2]);
  expect(index.recall({ text: 'coffee' }, { limit: 5 }).hits).toEqual([]);
});

test('what is given to the index may change afterwards without changing the index', () => {
  const embedding = Float32Array.of(1, 0);
  const tags = ['tea'];
  const index = indexOf([remembered('m1', 'tea', { embedding, tags })]);
  embedding.set([0, 1]);
  tags[0] = 'coffee';
  expect(index.recall({ embedding: Float32Array.of(1, 0), tags: ['tea'] }, { limit: 1 }).hits).toHaveLength(1);
});

test('a tuning out of range is refused at once', () => {
  expect(() => new SpaceIndex({ b: 2 })).toThrow(/b /);
});

test('a memory of the largest size is taken in, and its first words are searchable', () => {
  const content = Array.from({ length: 150_000 }, (_, i) => `w${i}`).join(' ').slice(0, 1_048_576);
  const index = indexOf([remembered('long', content)]);
  const find = (text: string): number => index.recall({ text }, { limit: 1 }).hits.length;
  expect([find('w8000'), find('w9000')]).toEqual([1, 0]);
});

test('coming and going for ever takes no further room', () => {
  const index = new SpaceIndex();
  const round = (r: number): void => {
    for (let i = 0; i < 200; i++) index.add(remembered(`m${r}-${i}`, `round ${r} word${r}x${i} tea boat garden`, { tags: [`t${r}`] }));
    for (let i = 0; i < 200; i++) index.remove(remembered(`m${r}-${i}`, 'x').id);
  };
  round(0);
  const { bytes } = index;
  for (let r = 1; r < 30; r++) round(r);
  expect(index.bytes).toBe(bytes);
});

test('a space of one short memory takes a few KiB, with its vector that much more', () => {
  const content = 'She prefers green tea over coffee, except on the morning after a night flight';
  expect(new SpaceIndex().bytes).toBeLessThan(1_024);
  expect(indexOf([remembered('m1', content, { tags: ['drinks'] })]).bytes).toBeLessThan(2_048);
  const embedding = new Float32Array(768).fill(1);
  expect(indexOf([remembered('m1', content, { tags: ['drinks'], embedding })]).bytes).toBeLessThan(2_048 + embedding.byteLength);
});

test('what an index takes keeps in proportion to what it holds', () => {
  const sizes = [10, 100, 1_000, 10_000];
  const index = new SpaceIndex();
  for (const size of sizes) {
    while (index.size < size) index.add(remembered(`m${index.size}`, `the ${index.size % 97} boats of harbour ${index.size % 89} wait for the tide`));
    expect(index.bytes / size).toBeLessThan(512);
  }
});
