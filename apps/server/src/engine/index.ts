export { ackLevels } from '@engram/memory';
export { Engine, openEngine } from './engine.js';
export type { Journal, JournalFactory, JournalParts, JournalWrite } from './journal.js';
export { checkIdempotencyKey, givenKey, itemKey } from './idempotency-key.js';
export type * from './engine-types.js';
export type { MemoryDraft } from './draft.js';
export type { MissingPart, RecallAnswer, RecalledMemory, RecallRequest } from './gather-recall.js';
export { SpacePartitions } from './space-partitions.js';
