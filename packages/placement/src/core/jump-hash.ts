import { assert } from '@engram/kernel';

/** More buckets than this and the arithmetic of the paper leaves its 31-bit range. */
export const jumpHashBucketsMax = 2 ** 31 - 1;

const multiplier = 2862933555777941757n;

/**
 * The bucket of a key, in [0, buckets): jump consistent hashing (Lamping and Veach, "A Fast, Minimal Memory, Consistent
 * Hash Algorithm", 2014). Growing from n to n + 1 buckets moves about one key in n + 1, and only ever to the new bucket.
 * It needs no table and about ln(buckets) steps.
 *
 * Buckets can be added and removed at the end only. That is why Engram hashes to a fixed number of partitions and maps
 * partitions to nodes with a table instead of hashing to nodes.
 *
 * @param key an unsigned 64-bit integer, already well spread: a hash, not a counter
 * @param buckets a whole number from 1 to `jumpHashBucketsMax`
 */
export function jumpHash(key: bigint, buckets: number): number {
  assert(Number.isInteger(buckets) && buckets >= 1 && buckets <= jumpHashBucketsMax, `jumpHash wants 1 to 2^31 - 1 buckets, not ${buckets}`);
  assert(key === BigInt.asUintN(64, key), 'jumpHash wants an unsigned 64-bit key', { key });
  let state = key;
  let bucket = 0;
  let next = 0;
  while (next < buckets) {
    bucket = next;
    state = BigInt.asUintN(64, state * multiplier + 1n);
    // The upper 31 bits of the state decide how far the key jumps; doubles as in the paper, so results agree bit for bit.
    next = Math.floor((bucket + 1) * (2 ** 31 / (Number(state >> 33n) + 1)));
  }
  return bucket;
}
