/**
 * The pure part of one node's memory: what a memory is, and how a space of them is recalled.
 *
 * @packageDocumentation
 */

export { checkEmbedding, checkMemory, checkTags, memoryLimits, type JsonValue, type Memory } from './memory.js';
export {
  checkCue, checkRecallOptions, cueLimits, withoutEmptyText,
  type Cue, type RecallHit, type RecallOptions, type RecallResult, type ScoreParts,
} from './cue.js';
export { SpaceIndex } from './space-index.js';
export { resolveRecallTuning, type RecallTuning, type ResolvedRecallTuning } from './options.js';
