import { expect, test } from 'vitest';
import { jumpHash, jumpHashBucketsMax } from './jump-hash.js';

test.each([
  [1n, 1, 0],
  [42n, 57, 43],
  [0xdead10ccn, 1, 0],
  [0xdead10ccn, 666, 361],
  [256n, 1024, 520],
  [0n, 60, 0],
  [1n, 60, 55],
  [2n, 60, 46],
  [0xffff_ffff_ffff_ffffn, jumpHashBucketsMax, 699_554_662],
])('key %s in %s buckets lands where other implementations put it: %s', (key, buckets, bucket) => {
  expect(jumpHash(key, buckets)).toBe(bucket);
});

test('ten thousand keys land exactly where the C code of the paper puts them', () => {
  let digest = 0n;
  for (let i = 0; i < 10_000; i++) {
    const key = BigInt.asUintN(64, BigInt(i) * 0x9e3779b97f4a7c15n);
    digest = BigInt.asUintN(64, digest * 31n + BigInt(jumpHash(key, 1 + (i % 2_000))));
  }
  expect(digest).toBe(5140287548136888825n);
});

test.each([0, -1, 1.5, NaN, Infinity, jumpHashBucketsMax + 1])('%s buckets are refused', (buckets) => {
  expect(() => jumpHash(1n, buckets)).toThrow(/1 to 2\^31 - 1 buckets/);
});

test.each([-1n, 2n ** 64n])('a key outside 64 bits is refused: %s', (key) => {
  expect(() => jumpHash(key, 8)).toThrow(/unsigned 64-bit key/);
});
