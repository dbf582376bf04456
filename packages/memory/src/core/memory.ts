import { EngramError, isMemoryId, isSpaceId, isWellFormed, utf8Length, type MemoryId, type SpaceId } from '@engram/kernel';

/** A value that survives JSON unchanged: finite numbers, well-formed text, plain objects and arrays. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** One remembered thing. Immutable once stored; forgetting it leaves a tombstone, never an edited version. */
export interface Memory {
  readonly id: MemoryId;
  readonly space: SpaceId;
  /** What is remembered, 1 byte to 1 MiB of UTF-8. */
  readonly content: string;
  /** Labels a recall may filter by. Order and repetition carry no meaning. */
  readonly tags: readonly string[];
  /** How sure the writer was, in [0,1]. */
  readonly confidence: number;
  /** When it happened, milliseconds since 1970 UTC; may lie before `storedAtMs`. */
  readonly whenMs: number;
  /** When the node took it in, milliseconds since 1970 UTC. */
  readonly storedAtMs: number;
  /** Any one dimension per space. Need not be normalised, must not be all zeros. */
  readonly embedding?: Float32Array;
  /** Carried along untouched; not searched. */
  readonly metadata?: Readonly<Record<string, JsonValue>>;
}

/** What a memory may hold: sizes in bytes, times in milliseconds either side of 1970. */
export const memoryLimits = {
  contentBytesMax: 1_048_576,
  tagsMax: 64,
  tagBytesMax: 256,
  embeddingDimensionsMax: 4_096,
  metadataBytesMax: 65_536,
  metadataDepthMax: 16,
  /** The range of instants a JavaScript date can hold, either side of 1970. */
  timeMsMax: 8_640_000_000_000_000,
} as const;

/**
 * Throws EngramError `invalid_argument` naming the first field that breaks its rule; returns when the memory is fit to
 * be logged. Everything past this check may rely on it, so nothing downstream checks again.
 */
export function checkMemory(memory: Memory): void {
  if (!isMemoryId(memory.id)) refuse('id', 'must be 1 to 128 of [A-Za-z0-9._:-] and not start with a dot');
  if (!isSpaceId(memory.space)) refuse('space', 'must be 3 to 64 of [a-z0-9_-]');
  checkContent(memory.content);
  checkTags(memory.tags);
  checkConfidence(memory.confidence);
  checkTime('whenMs', memory.whenMs);
  checkTime('storedAtMs', memory.storedAtMs);
  if (memory.embedding !== undefined) checkEmbedding(memory.embedding);
  if (memory.metadata !== undefined) checkMetadata(memory.metadata);
}

/** Throws EngramError `invalid_argument` unless the vector is non-empty, finite and has a direction. */
export function checkEmbedding(embedding: Float32Array): void {
  if (!(embedding instanceof Float32Array)) refuse('embedding', 'must be an array of 32-bit floats');
  const { embeddingDimensionsMax } = memoryLimits;
  if (embedding.length < 1 || embedding.length > embeddingDimensionsMax) {
    refuse('embedding', `has ${embedding.length} dimensions; 1 to ${embeddingDimensionsMax} are possible`);
  }
  let squares = 0;
  for (let i = 0; i < embedding.length; i++) {
    const component = embedding[i]!;
    if (!Number.isFinite(component)) refuse('embedding', `component ${i} is ${component}; every component must be a finite 32-bit float`);
    squares += component * component;
  }
  if (squares === 0) refuse('embedding', 'is all zeros, so it points nowhere; leave it out instead');
}

/** Throws EngramError `invalid_argument` naming the tag that is too many, too long, empty or no text. */
export function checkTags(tags: readonly string[]): void {
  const { tagsMax, tagBytesMax } = memoryLimits;
  if (!Array.isArray(tags)) refuse('tags', 'must be an array of strings');
  if (tags.length > tagsMax) refuse('tags', `has ${tags.length} entries; at most ${tagsMax} are kept`);
  for (const [i, tag] of tags.entries()) {
    if (typeof tag !== 'string' || tag.length === 0) refuse(`tags[${i}]`, 'must be a non-empty string');
    if (!isWellFormed(tag)) refuse(`tags[${i}]`, 'contains half of a surrogate pair');
    if (tag.length > tagBytesMax || utf8Length(tag) > tagBytesMax) refuse(`tags[${i}]`, `is longer than ${tagBytesMax} bytes`);
  }
}

function checkContent(content: string): void {
  const { contentBytesMax } = memoryLimits;
  if (typeof content !== 'string' || content.length === 0) refuse('content', 'must be a non-empty string');
  if (content.length > contentBytesMax || utf8Length(content) > contentBytesMax) {
    throw new EngramError('payload_too_large', `content is longer than ${contentBytesMax} bytes`, {
      hint: 'Store the parts as separate memories that share a tag.',
      details: { field: 'content' },
    });
  }
  if (!isWellFormed(content)) refuse('content', 'contains half of a surrogate pair');
}

function checkConfidence(confidence: number): void {
  if (!(typeof confidence === 'number' && confidence >= 0 && confidence <= 1)) {
    refuse('confidence', `is ${String(confidence)}; it must be a number from 0 to 1`);
  }
}

function checkTime(field: string, ms: number): void {
  if (!Number.isInteger(ms) || Math.abs(ms) > memoryLimits.timeMsMax) {
    refuse(field, `is ${String(ms)}; it must be whole milliseconds since 1970 that a date can hold`);
  }
}

/** Walks with its own stack, so hostile nesting is refused by depth instead of exhausting ours. */
function checkMetadata(metadata: Readonly<Record<string, JsonValue>>): void {
  const { metadataBytesMax, metadataDepthMax } = memoryLimits;
  if (!isPlainObject(metadata)) refuse('metadata', 'must be a plain object');
  const pending: { value: unknown; depth: number; path: string }[] = [{ value: metadata, depth: 1, path: 'metadata' }];
  let bytes = 0;
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { value, depth, path } = next;
    if (depth > metadataDepthMax) refuse('metadata', `is nested deeper than ${metadataDepthMax} levels`);
    // Two bytes for the punctuation of any value keeps this at or above what JSON would take for structure alone.
    bytes += 2;
    if (typeof value === 'string') {
      if (!isWellFormed(value)) refuse(path, 'contains half of a surrogate pair');
      bytes += utf8Length(value);
    } else if (typeof value === 'number') {
      if (!Number.isFinite(value)) refuse(path, `is ${value}; JSON has no such number`);
      bytes += 8;
    } else if (Array.isArray(value)) {
      if (value.length > metadataBytesMax) refuse('metadata', `is larger than ${metadataBytesMax} bytes`);
      for (const [i, item] of value.entries()) pending.push({ value: item, depth: depth + 1, path: shortPath(`${path}[${i}]`) });
    } else if (isPlainObject(value)) {
      for (const key of Object.keys(value)) {
        if (key === '__proto__') refuse('metadata', 'has a key named __proto__, which many readers would take for a prototype');
        if (!isWellFormed(key)) refuse('metadata', 'has a key with half of a surrogate pair');
        bytes += utf8Length(key) + 2;
        pending.push({ value: value[key], depth: depth + 1, path: shortPath(`${path}.${key}`) });
      }
    } else if (value !== null && typeof value !== 'boolean') {
      refuse(path, `is ${typeof value}, which JSON cannot carry`);
    }
    if (bytes > metadataBytesMax) refuse('metadata', `is larger than ${metadataBytesMax} bytes`);
  }
}

function shortPath(path: string): string {
  return path.length <= 120 ? path : `${path.slice(0, 117)}…`;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

function refuse(field: string, complaint: string, hint = `Correct ${field} and try again; nothing was changed.`): never {
  throw new EngramError('invalid_argument', `${field} ${complaint}`, { hint, details: { field } });
}
