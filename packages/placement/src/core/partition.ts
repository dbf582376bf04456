import { hash64, type SpaceId } from '@engram/kernel';
import { jumpHash } from './jump-hash.js';

/**
 * How many partitions a cluster is initialised with. Enough that nodes share evenly, few enough that the table of all of
 * them is a small message. The number is fixed for the life of a cluster: changing it would move spaces.
 */
export const DEFAULT_PARTITIONS = 1024;

/**
 * The partition of a space, in [0, partitions): `jumpHash(hash64(space), partitions)`. Every node and every client
 * computes the same one without asking anybody.
 */
export function partitionOf(space: SpaceId, partitions: number): number {
  return jumpHash(hash64(space), partitions);
}
