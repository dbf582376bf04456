/**
 * @engram/placement: which partition a space belongs to, computed alike by everybody who asks.
 *
 * @example
 * ```ts
 * const partition = partitionOf(parseSpaceId('team-notes'), DEFAULT_PARTITIONS);
 * ```
 *
 * @packageDocumentation
 */
export { DEFAULT_PARTITIONS, jumpHash, jumpHashBucketsMax, partitionOf } from './core/index.js';
