/**
 * @engram/memory: one node's memory. It stores memories, recalls them by cue without any model, lists them, and forgets
 * them for good. `core/` decides what a recall answers; the store keeps it all in an embedded lmdb file.
 *
 * @example
 * ```ts
 * const store = await openMemoryStore({ directory: './data/store' });
 * store.apply([{ lsn: 1, hlc: 1n, partition: 0, epoch: 1, seq: 1, operation: { kind: 'store', memory } }]);
 * const { hits } = store.recall([memory.space], { text: 'When does the ferry leave?' }, { limit: 10 });
 * await store.close();
 * ```
 *
 * @packageDocumentation
 */

// The store, and what it answers.
export {
  defaultSpace,
  openMemoryStore,
  type Applied,
  type Backlog,
  type CopiedOut,
  type ListOptions,
  type ListPage,
  type LookupResult,
  type MemoryStore,
  type StoreRecall,
} from './node/memory-store.js';
export type { MemoryStoreOptions, StoreStatus } from './node/store-options.js';
export type { SpaceSummary } from './node/space-state.js';
export type { IdempotencyRecord, IdempotentResult } from './node/record-codec.js';

// What the log carries.
export {
  ackLevels,
  partitionPolicies,
  type ForgetOperation,
  type IdempotencyMark,
  type LoggedOperation,
  type Operation,
  type SetSpacePolicyOperation,
  type SpacePolicy,
  type StoreOperation,
} from './node/operation.js';
export { decodeOperation, encodeOperation } from './node/operation-codec.js';
export type { Position } from './node/overlay.js';

// Memories, cues and recall: the pure part, also at `@engram/memory/core`.
export * from './core/index.js';
