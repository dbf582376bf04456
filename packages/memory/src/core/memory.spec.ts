import { EngramError } from '@engram/kernel';
import { describe, expect, test } from 'vitest';
import { remembered } from '../../test/remembered.js';
import { checkMemory, memoryLimits, type JsonValue, type Memory } from './memory.js';

const complaintAbout = (memory: Memory): string => {
  try {
    checkMemory(memory);
  } catch (error) {
    expect(error).toBeInstanceOf(EngramError);
    expect((error as EngramError).code).toBe('invalid_argument');
    expect((error as EngramError).hint).not.toBe('');
    return (error as EngramError).message;
  }
  return 'none';
};

const withField = (fields: object): string => complaintAbout({ ...remembered('m1', 'Tea is served at five'), ...fields });

describe('a memory fit to be stored', () => {
  test('passes with every field filled in', () => {
    expect(withField({ tags: ['tea'], embedding: Float32Array.of(0, -1), metadata: { cups: 2, of: ['oolong', null] } })).toBe('none');
  });

  test('may hold exactly what the limits allow', () => {
    const { contentBytesMax, tagsMax, tagBytesMax, embeddingDimensionsMax, timeMsMax } = memoryLimits;
    expect(withField({
      content: 'é'.repeat(contentBytesMax / 2),
      tags: Array.from({ length: tagsMax }, () => 'x'.repeat(tagBytesMax)),
      embedding: new Float32Array(embeddingDimensionsMax).fill(1),
      whenMs: -timeMsMax,
      confidence: 0,
    })).toBe('none');
  });
});

describe('a memory is refused, naming the field', () => {
  test.each([
    ['an id that begins with a dot', { id: '.hidden' }, /^id /],
    ['a space that climbs out', { space: '../etc' }, /^space /],
    ['empty content', { content: '' }, /^content /],
    ['half a surrogate pair', { content: 'broken \ud83d' }, /^content .*surrogate/],
    ['one tag too many', { tags: Array.from({ length: 65 }, () => 'x') }, /^tags /],
    ['an empty tag', { tags: ['ok', ''] }, /^tags\[1\] /],
    ['a tag that is too long', { tags: ['é'.repeat(129)] }, /^tags\[0\] /],
    ['a confidence above one', { confidence: 1.01 }, /^confidence /],
    ['a confidence that is no number', { confidence: Number.NaN }, /^confidence /],
    ['an endless confidence', { confidence: Number.POSITIVE_INFINITY }, /^confidence /],
    ['a fraction of a millisecond', { whenMs: 0.5 }, /^whenMs /],
    ['a time no date can hold', { storedAtMs: memoryLimits.timeMsMax + 1 }, /^storedAtMs /],
    ['an embedding with NaN', { embedding: Float32Array.of(1, Number.NaN) }, /^embedding component 1 /],
    ['an embedding with Infinity', { embedding: Float32Array.of(Number.NEGATIVE_INFINITY) }, /^embedding component 0 /],
    ['an embedding without direction', { embedding: new Float32Array(3) }, /^embedding .*zeros/],
    ['an empty embedding', { embedding: new Float32Array(0) }, /^embedding /],
    ['an embedding that is too long', { embedding: new Float32Array(4_097).fill(1) }, /^embedding /],
    ['metadata that is a list', { metadata: [] }, /^metadata /],
    ['metadata with a number JSON lacks', { metadata: { a: { b: Number.NaN } } }, /^metadata\.a\.b /],
    ['metadata with a function', { metadata: { a: () => 1 } }, /^metadata\.a /],
    ['metadata with a key named __proto__', { metadata: JSON.parse('{"__proto__": 1}') as JsonValue }, /^metadata .*__proto__/],
    ['metadata that is too large', { metadata: { text: 'x'.repeat(memoryLimits.metadataBytesMax) } }, /^metadata .*larger/],
    ['metadata with too many small values', { metadata: { list: new Array<number>(40_000).fill(1) } }, /^metadata .*larger/],
  ])('%s', (_title, fields, complaint) => {
    expect(withField(fields)).toMatch(complaint);
  });

  test('content one byte too long, as too large rather than wrong', () => {
    const tooLong = `${'é'.repeat(memoryLimits.contentBytesMax / 2)}x`;
    expect(() => checkMemory(remembered('m1', tooLong))).toThrow(expect.objectContaining({ code: 'payload_too_large', details: { field: 'content' } }) as Error);
  });

  test('metadata nested a hundred thousand deep, without exhausting the stack', () => {
    let nested: JsonValue = 'bottom';
    for (let depth = 0; depth < 100_000; depth++) nested = { nested };
    expect(withField({ metadata: nested })).toMatch(/^metadata .*deeper than 16/);
  });

  test('sixteen levels of metadata are the most', () => {
    const nestedTo = (levels: number): JsonValue => (levels === 1 ? {} : { inner: nestedTo(levels - 1) });
    expect(withField({ metadata: nestedTo(16) })).toBe('none');
    expect(withField({ metadata: nestedTo(17) })).toMatch(/deeper/);
  });
});
