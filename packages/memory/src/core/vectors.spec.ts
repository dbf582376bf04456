import { describe, expect, test } from 'vitest';
import { normalised, Vectors } from './vectors.js';

const cosineOf = (a: readonly number[], b: readonly number[]): number => {
  const vectors = new Vectors();
  vectors.add(0, Float32Array.from(a));
  return vectors.cosine(0, normalised(Float32Array.from(b)));
};

describe('cosine', () => {
  test('is 1 along, 0 across, -1 against, whatever the lengths', () => {
    expect(cosineOf([3, 4], [6, 8])).toBeCloseTo(1, 6);
    expect(cosineOf([3, 4, 0, 0, 0], [0, 0, 5, 0, 1])).toBe(0);
    expect(cosineOf([1, 2, 3, 4, 5], [-1, -2, -3, -4, -5])).toBeCloseTo(-1, 6);
  });

  test('neither huge nor tiny components are lost', () => {
    expect(cosineOf([3e38, 3e38], [1, 1])).toBeCloseTo(1, 6);
    expect(cosineOf([1e-40, 0], [1, 1])).toBeCloseTo(Math.SQRT1_2, 6);
  });

  test('agrees with the definition for odd dimensions', () => {
    const a = Array.from({ length: 387 }, (_, i) => Math.sin(i));
    const b = Array.from({ length: 387 }, (_, i) => Math.cos(i * 3));
    const dot = (x: number[], y: number[]): number => x.reduce((sum, value, i) => sum + value * y[i]!, 0);
    expect(cosineOf(a, b)).toBeCloseTo(dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b)), 6);
  });
});

describe('the dimension of a space', () => {
  test('is fixed by its first vector', () => {
    const vectors = new Vectors();
    expect(vectors.dimension).toBeUndefined();
    vectors.add(7, Float32Array.of(1, 0));
    expect(vectors.dimension).toBe(2);
    expect(() => vectors.add(8, Float32Array.of(1, 0, 0))).toThrow(expect.objectContaining({ code: 'embedding_dimension_mismatch' }));
    expect(vectors.size).toBe(1);
  });

  test('is open again once the last vector is gone', () => {
    const vectors = new Vectors();
    vectors.add(0, Float32Array.of(1, 0));
    vectors.remove(0);
    vectors.add(0, Float32Array.of(1, 0, 0));
    expect(vectors.dimension).toBe(3);
  });
});

describe('slots', () => {
  test('of removed vectors go to new ones, and nobody reads another vector', () => {
    const vectors = new Vectors();
    const axis = (i: number): Float32Array => Float32Array.from({ length: 3 }, (_, j) => (i % 3 === j ? 1 : 0));
    for (let i = 0; i < 9; i++) vectors.add(i, axis(i));
    vectors.remove(4);
    vectors.remove(4);
    vectors.add(20, axis(2));
    expect([vectors.has(4), vectors.has(20), vectors.size]).toEqual([false, true, 9]);
    for (const i of [0, 1, 2, 3, 5, 6, 7, 8]) expect(vectors.cosine(i, axis(i))).toBe(1);
    expect(vectors.cosine(20, axis(2))).toBe(1);
  });
});

test('room for vectors grows with their number, and growing keeps them', () => {
  const vectors = new Vectors();
  const count = 3_000;
  const vectorOf = (i: number): Float32Array => Float32Array.from({ length: 128 }, (_, j) => (j === i % 128 ? 1 : 0));
  for (let i = 0; i < count; i++) {
    vectors.add(i, vectorOf(i));
    expect(vectors.bytes).toBeLessThanOrEqual(2 * (i + 1) * (128 + 1) * 4 + 32 + (i < 2_048 ? 0 : 2 ** 20));
  }
  for (let i = 0; i < count; i++) expect(vectors.cosine(i, vectorOf(i))).toBe(1);
});
