import fc from 'fast-check';
import { expect, test } from 'vitest';
import { jumpHash, jumpHashBucketsMax } from './jump-hash.js';

const key = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });

test('a bucket is a whole number below the number of buckets', () => {
  fc.assert(
    fc.property(key, fc.integer({ min: 1, max: jumpHashBucketsMax }), (k, buckets) => {
      const bucket = jumpHash(k, buckets);
      expect(Number.isInteger(bucket) && bucket >= 0 && bucket < buckets).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});

test('one more bucket leaves a key where it was or moves it to the new bucket', () => {
  fc.assert(
    fc.property(key, fc.integer({ min: 1, max: 5_000 }), (k, n) => {
      expect([jumpHash(k, n), n]).toContain(jumpHash(k, n + 1));
    }),
    { numRuns: 5_000 },
  );
});

test.each([1, 2, 7, 16, 99])('growing from %i buckets by one moves about one key in n + 1', (n) => {
  const keys = spreadKeys(20_000);
  const moved = keys.filter((k) => jumpHash(k, n) !== jumpHash(k, n + 1)).length;
  const expected = keys.length / (n + 1);
  expect(Math.abs(moved - expected)).toBeLessThan(fiveDeviations(keys.length, 1 / (n + 1)));
});

test('every bucket gets about the same share of the keys', () => {
  const buckets = 32;
  const keys = spreadKeys(32_000);
  const counts = new Array<number>(buckets).fill(0);
  for (const k of keys) counts[jumpHash(k, buckets)]! += 1;
  for (const count of counts) {
    expect(Math.abs(count - keys.length / buckets)).toBeLessThan(fiveDeviations(keys.length, 1 / buckets));
  }
});

/** Well spread keys without a hash function: a Weyl sequence visits 64 bits evenly, the multiplication scatters it. */
function spreadKeys(count: number): bigint[] {
  return Array.from({ length: count }, (_, i) => {
    const weyl = BigInt.asUintN(64, BigInt(i + 1) * 0x9e3779b97f4a7c15n);
    return BigInt.asUintN(64, (weyl ^ (weyl >> 29n)) * 0xbf58476d1ce4e5b9n);
  });
}

/** Five standard deviations of a binomial count: the keys are fixed, so this either holds for ever or never did. */
function fiveDeviations(trials: number, p: number): number {
  return 5 * Math.sqrt(trials * p * (1 - p));
}
