import { parseMemoryId } from '@engram/kernel';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { indexOf, remembered } from '../../test/remembered.js';
import type { Cue, RecallResult, ScoreParts } from './cue.js';
import type { Memory } from './memory.js';

/** Few words, tags and times, so that memories share, tie and crowd. */
const word = fc.constantFrom('tea', 'boat', 'boats', 'garden', 'Anna', 'Ottilie', 'went', 'going', 'café', '京都', '2023', 'the', 'sold?', '🍕', 'Straße');
const words = fc.array(word, { minLength: 1, maxLength: 12, size: 'max' }).map((list) => list.join(' '));
const tags = fc.subarray(['work', 'home', 'session-3', 'tea time']);
const whenMs = fc.oneof(fc.constantFrom(0, 1, 1_700_000_000_000), fc.integer({ min: 1_690_000_000_000, max: 1_690_100_000_000 }));
const confidence = fc.constantFrom(0, 0.3, 0.7, 1);
const embedding = fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 3, maxLength: 3 })
  .filter((components) => components.some((component) => component !== 0))
  .map((components) => Float32Array.from(components));

const memories = fc
  .array(fc.record({ words, tags, whenMs, confidence, embedding: fc.option(embedding) }), { maxLength: 40, size: 'max' })
  .map((list) => list.map((fields, i): Memory => remembered(`m${i}`, fields.words, {
    tags: fields.tags, whenMs: fields.whenMs, confidence: fields.confidence, ...(fields.embedding && { embedding: fields.embedding }),
  })));

const cue: fc.Arbitrary<Cue> = fc.oneof(
  words.map((text) => ({ text })),
  words.map((text) => ({ text: `${text} on 22 July 2023?` })),
  embedding.map((vector) => ({ embedding: vector })),
  fc.record({ text: words, embedding }),
  fc.record({ text: words, tags, afterMs: fc.constant(1) }),
  fc.record({ tags: tags.filter((list) => list.length > 0) }),
  fc.constant({ beforeMs: 1_690_050_000_000 }),
);

const options = { limit: 10, explain: true };
const sumInOrder = ({ lexical, vector, neighbours, associations, time, recency }: ScoreParts): number =>
  lexical + vector + neighbours + associations + time + recency;

describe('what a recall answers depends on the set of memories alone', () => {
  test('not on the order they came in', () => {
    fc.assert(fc.property(memories.chain((list) => fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length }))), cue, ([list, shuffled], asked) => {
      expect(indexOf(shuffled).recall(asked, options)).toEqual(indexOf(list).recall(asked, options));
    }), { numRuns: 200 });
  });

  test('not on what came and went in between', () => {
    fc.assert(fc.property(memories, fc.array(fc.boolean(), { minLength: 40, maxLength: 40 }), cue, (list, keeps, asked) => {
      const index = indexOf(list);
      index.recall(asked, options);
      for (const [i, memory] of list.entries()) if (!keeps[i]) index.remove(memory.id);
      for (const memory of list.filter((_, i) => !keeps[i] && i % 2 === 0)) index.add(memory);
      const left = list.filter((_, i) => keeps[i] || i % 2 === 0);
      expect(index.size).toBe(left.length);
      expect(index.recall(asked, options)).toEqual(indexOf(left).recall(asked, options));
    }), { numRuns: 200 });
  });

  test('and asking changes nothing', () => {
    fc.assert(fc.property(memories, cue, cue, (list, asked, other) => {
      const index = indexOf(list);
      const first = index.recall(asked, options);
      index.recall(other, options);
      expect(index.recall(asked, options)).toEqual(first);
    }), { numRuns: 100 });
  });
});

describe('every hit', () => {
  test('has a score and a confidence from 0 to 1, and parts that add up to the score to the last bit', () => {
    fc.assert(fc.property(memories, cue, (list, asked) => {
      const result = indexOf(list).recall(asked, options);
      for (const hit of result.hits) {
        expect(hit.score).toBeGreaterThan(0);
        expect(hit.score).toBeLessThanOrEqual(1);
        expect(hit.confidence).toBeGreaterThanOrEqual(0);
        expect(hit.confidence).toBeLessThanOrEqual(list.find((memory) => memory.id === hit.id)!.confidence);
        const { confidence: stated } = list.find((memory) => memory.id === hit.id)!;
        if (hit.parts!.recency === 0) expect(hit.confidence).toBeLessThanOrEqual(stated * hit.score * (1 + 1e-12));
        expect(sumInOrder(hit.parts!)).toBe(hit.score);
        for (const part of Object.values(hit.parts!)) expect(part).toBeGreaterThanOrEqual(0);
      }
      expect(result.confidence).toBe(Math.max(0, ...result.hits.map((hit) => hit.confidence)));
    }), { numRuns: 200 });
  });

  test('passes the filter', () => {
    fc.assert(fc.property(memories, cue, (list, asked) => {
      for (const { id } of indexOf(list).recall(asked, options).hits) {
        const memory = list.find((candidate) => candidate.id === id)!;
        expect((asked.tags ?? []).every((tag) => memory.tags.includes(tag))).toBe(true);
        expect(memory.whenMs >= (asked.afterMs ?? -Infinity) && memory.whenMs < (asked.beforeMs ?? Infinity)).toBe(true);
      }
    }), { numRuns: 100 });
  });
});

test('hits come in total order, and a smaller limit is a prefix of a larger one', () => {
  fc.assert(fc.property(memories, cue, fc.integer({ min: 1, max: 9 }), (list, asked, limit) => {
    const index = indexOf(list);
    const { hits } = index.recall(asked, { limit: 1_000 });
    const inOrder = [...hits].sort((a, b) => b.score - a.score || b.confidence - a.confidence || (a.id < b.id ? -1 : 1));
    expect(hits).toEqual(inOrder);
    expect(index.recall(asked, { limit }).hits).toEqual(hits.slice(0, limit));
  }), { numRuns: 200 });
});

test('removing everything leaves an index like a new one', () => {
  fc.assert(fc.property(memories, cue, (list, asked) => {
    const index = indexOf(list);
    for (const memory of list) expect(index.remove(memory.id)).toBe(true);
    expect(index.remove(parseMemoryId('m0'))).toBe(false);
    expect([index.size, index.dimension]).toEqual([0, undefined]);
    const empty: RecallResult = { hits: [], confidence: 0 };
    expect(index.recall(asked, options)).toEqual(empty);
  }), { numRuns: 100 });
});
