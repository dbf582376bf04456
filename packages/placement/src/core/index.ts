export { DEFAULT_PARTITIONS, partitionOf } from './partition.js';
export { jumpHash, jumpHashBucketsMax } from './jump-hash.js';
