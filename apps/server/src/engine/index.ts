export * from './engine.js';
export type { MemoryDraft } from './draft.js';
export type { MissingPart, RecallAnswer, RecalledMemory, RecallRequest } from './gather-recall.js';
