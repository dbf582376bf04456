export { ackLevels, Engine, openEngine } from './engine.js';
export type * from './engine.js';
export type { MemoryDraft } from './draft.js';
export type { MissingPart, RecallAnswer, RecalledMemory, RecallRequest } from './gather-recall.js';
