import { Random } from '@engram/kernel';
import { expect, test } from 'vitest';
import { createCorpus, zipf } from './corpus.js';

const corpus = createCorpus(1_000, 'a seed');
const indexes = Array.from({ length: 1_000 }, (_, index) => index);
const wordsOf = (text: string): string[] => text.toLowerCase().match(/[a-z]+/g) ?? [];

test('the same seed makes the same memories and cues, whatever was asked for before', () => {
  const again = createCorpus(1_000, 'a seed');
  expect([again.cue(3), again.memory(999), again.memory(0)]).toEqual([corpus.cue(3), corpus.memory(999), corpus.memory(0)]);
  expect(createCorpus(1_000, 'another seed').memory(0)).not.toEqual(corpus.memory(0));
});

test('a memory has 20 to 40 words, and no two are the same', () => {
  const contents = indexes.map((index) => corpus.memory(index).content);
  for (const content of contents) {
    expect(wordsOf(content).length).toBeGreaterThanOrEqual(20);
    expect(wordsOf(content).length).toBeLessThanOrEqual(40);
  }
  expect(new Set(contents).size).toBe(1_000);
});

test('a cue has 3 to 8 words and shares at least two with the memory it asks for', () => {
  for (const index of indexes) {
    const { text, memory } = corpus.cue(index);
    const asked = wordsOf(text);
    const told = new Set(wordsOf(corpus.memory(memory).content));
    expect(asked.length).toBeGreaterThanOrEqual(3);
    expect(asked.length).toBeLessThanOrEqual(8);
    expect(asked.filter((word) => told.has(word)).length, text).toBeGreaterThanOrEqual(2);
  }
});

test('a few words are very frequent and most are rare, as in a language', () => {
  const counts = new Map<string, number>();
  for (const index of indexes) for (const word of wordsOf(corpus.memory(index).content)) counts.set(word, (counts.get(word) ?? 0) + 1);
  const sorted = [...counts.values()].sort((a, b) => b - a);
  const total = sorted.reduce((sum, count) => sum + count, 0);
  const topTen = sorted.slice(0, 10).reduce((sum, count) => sum + count, 0);
  const once = sorted.filter((count) => count === 1).length;
  expect(topTen / total).toBeGreaterThan(0.2);
  expect(once / sorted.length).toBeGreaterThan(0.35);
});

test('rank r is drawn in proportion to 1/r', () => {
  const draw = Random.fromSeed(1);
  const rankOf = zipf(100, 1);
  const counts = new Array<number>(100).fill(0);
  for (let index = 0; index < 50_000; index += 1) counts[rankOf(draw)]! += 1;
  expect(counts[0]! / counts[1]!).toBeCloseTo(2, 0);
  expect(counts[0]! / counts[9]!).toBeGreaterThan(8);
  expect(counts[0]! / counts[9]!).toBeLessThan(12);
  expect(counts[99]).toBeGreaterThan(0);
});
