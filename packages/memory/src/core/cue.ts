import { EngramError, isWellFormed, type MemoryId } from '@engram/kernel';
import { hasTerms } from './analysis.js';
import { checkEmbedding, checkTags, memoryLimits } from './memory.js';

/**
 * What a recall starts from. At least one field must be given; all that are given apply together. Blank text counts as
 * not given.
 */
export interface Cue {
  /**
   * Words to rank by: a question, a sentence, keywords. Memories sharing none of them may still be reached by spreading.
   * Text of nothing searchable (punctuation, words like "the" and "of") counts as absent beside other parts, and finds
   * nothing alone: such words are not indexed.
   */
  readonly text?: string;
  /** A vector to rank by, of the space's dimension; exact cosine. */
  readonly embedding?: Float32Array;
  /** Filter: a memory must carry every one of these tags, spelled exactly so. */
  readonly tags?: readonly string[];
  /** Filter: memories with `whenMs >= afterMs` (inclusive). */
  readonly afterMs?: number;
  /** Filter: memories with `whenMs < beforeMs` (exclusive), so adjoining ranges share nothing. */
  readonly beforeMs?: number;
}

/** How much of what was found is returned. */
export interface RecallOptions {
  /** At most this many hits, 1 to 1000. */
  readonly limit: number;
  /** Leave out hits whose confidence is below this; in [0,1]. */
  readonly minConfidence?: number;
  /** Return the parts of every score. */
  readonly explain?: boolean;
}

/**
 * What a score is made of; each part is already weighted. Adding the parts in the order they are listed here gives the
 * score exactly, bit for bit.
 */
export interface ScoreParts {
  /** Words of the cue found in the memory itself (BM25). */
  readonly lexical: number;
  /** Nearness of the vectors (cosine). */
  readonly vector: number;
  /** Activation that arrived from hits near in time. */
  readonly neighbours: number;
  /** Activation that arrived from hits sharing tags or names. */
  readonly associations: number;
  /** How well the memory's time fits a date the cue's text names. */
  readonly time: number;
  /** Only for cues without text and embedding: later memories first. */
  readonly recency: number;
}

/** One memory that answers a cue, by its id. */
export interface RecallHit {
  readonly id: MemoryId;
  /** How well the memory answers the cue, in [0,1]. */
  readonly score: number;
  /** How far to rely on it, in [0,1]: what the writer claimed, reduced by how loosely the memory itself matched. */
  readonly confidence: number;
  readonly parts?: ScoreParts;
}

/** What one space answers to a cue. */
export interface RecallResult {
  /** In total order: score descending, confidence descending, id ascending. */
  readonly hits: readonly RecallHit[];
  /** The highest confidence among the hits; 0 when there are none. */
  readonly confidence: number;
}

/** Bounds of a cue: characters of its text, and how many hits may be asked for. */
export const cueLimits = { textBytesMax: 65_536, limitMax: 1_000 } as const;

/** Throws EngramError `invalid_argument` naming the field that breaks its rule. */
export function checkCue(cue: Cue): void {
  const { text, embedding, tags, afterMs, beforeMs } = cue;
  if (text !== undefined) checkCueText(text);
  if ((text ?? '').trim() === '' && !hasOtherParts(cue)) refuse('cue', 'is empty', 'Give at least one of text, embedding, tags, after, before.');
  if (embedding !== undefined) checkEmbedding(embedding);
  if (tags !== undefined) checkTags(tags);
  if (afterMs !== undefined) checkCueTime('after', afterMs);
  if (beforeMs !== undefined) checkCueTime('before', beforeMs);
  if (afterMs !== undefined && beforeMs !== undefined && afterMs >= beforeMs) {
    refuse('before', 'must be later than after, or no memory can match', 'Swap after and before, or leave one out.');
  }
}

/** The cue as it is to be read: text without a searchable word is left out beside anything else that was given. */
export function withoutEmptyText(cue: Cue): Cue {
  if (cue.text === undefined || !hasOtherParts(cue) || hasTerms(cue.text)) return cue;
  const { text: _empty, ...others } = cue;
  return others;
}

function hasOtherParts({ embedding, tags, afterMs, beforeMs }: Cue): boolean {
  return embedding !== undefined || afterMs !== undefined || beforeMs !== undefined || (tags ?? []).length > 0;
}

/** Throws EngramError `invalid_argument` naming the option that is out of range. */
export function checkRecallOptions(options: RecallOptions): void {
  const { limit, minConfidence } = options;
  if (!Number.isInteger(limit) || limit < 1 || limit > cueLimits.limitMax) {
    refuse('limit', `is ${String(limit)}; it must be a whole number from 1 to ${cueLimits.limitMax}`);
  }
  if (minConfidence !== undefined && !(minConfidence >= 0 && minConfidence <= 1)) {
    refuse('min_confidence', `is ${String(minConfidence)}; it must be a number from 0 to 1`);
  }
}

function checkCueText(text: string): void {
  if (typeof text !== 'string') refuse('text', 'must be a string');
  if (text.length > cueLimits.textBytesMax) refuse('text', `is longer than ${cueLimits.textBytesMax} characters`);
  if (!isWellFormed(text)) refuse('text', 'contains half of a surrogate pair');
}

function checkCueTime(field: string, ms: number): void {
  if (!Number.isInteger(ms) || Math.abs(ms) > memoryLimits.timeMsMax) {
    refuse(field, `is ${String(ms)}; it must be whole milliseconds since 1970 that a date can hold`);
  }
}

function refuse(field: string, complaint: string, hint = `Correct ${field} and recall again.`): never {
  throw new EngramError('invalid_argument', `${field} ${complaint}`, { hint, details: { field } });
}
