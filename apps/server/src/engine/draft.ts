import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { MemoryId, SpaceId } from '@engram/kernel';
import { checkMemory, type JsonValue, type Memory } from '@engram/memory';

/** What a caller asks to remember. The node fills in the rest. */
export interface MemoryDraft {
  readonly space: SpaceId;
  /** @default a ULID */
  readonly id?: MemoryId;
  /** 1 byte to 1 MiB of UTF-8. */
  readonly content: string;
  readonly tags: readonly string[];
  /** How sure the writer is, in [0,1]. @default 0.7 */
  readonly confidence?: number;
  readonly embedding?: Float32Array;
  /** When it happened, milliseconds since 1970 UTC. @default when it is stored */
  readonly whenMs?: number;
  readonly metadata?: Readonly<Record<string, JsonValue>>;
}

const DEFAULT_CONFIDENCE = 0.7;

/** @throws EngramError `invalid_argument` naming the field that breaks its rule. */
export function completeDraft(draft: MemoryDraft, id: MemoryId, nowMs: number): Memory {
  const { space, content, tags, confidence = DEFAULT_CONFIDENCE, whenMs = nowMs, embedding, metadata } = draft;
  const memory: { -readonly [Field in keyof Memory]: Memory[Field] } = { id, space, content, tags, confidence, whenMs, storedAtMs: nowMs };
  if (embedding !== undefined) memory.embedding = embedding;
  if (metadata !== undefined) memory.metadata = metadata;
  checkMemory(memory);
  return memory;
}

/** Whether storing this draft again would tell us nothing new. A time that was not given is not compared. */
export function sameMemory(stored: Memory, draft: MemoryDraft): boolean {
  return (
    stored.content === draft.content &&
    stored.confidence === (draft.confidence ?? DEFAULT_CONFIDENCE) &&
    (draft.whenMs === undefined || stored.whenMs === draft.whenMs) &&
    isDeepStrictEqual(new Set(stored.tags), new Set(draft.tags)) &&
    isDeepStrictEqual(stored.metadata ?? {}, draft.metadata ?? {}) &&
    sameVector(stored.embedding, draft.embedding)
  );
}

function sameVector(a: Float32Array | undefined, b: Float32Array | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.length === b.length && a.every((component, index) => component === b[index]);
}

/** SHA-256 over all that the caller gave, first 128 bits in hex: the same draft has the same fingerprint. */
export function fingerprintOf(draft: MemoryDraft): string {
  const { space, id, content, tags, confidence, whenMs, metadata, embedding } = draft;
  const hash = createHash('sha256');
  hash.update(JSON.stringify([space, id ?? null, content, tags, confidence ?? DEFAULT_CONFIDENCE, whenMs ?? null, sortKeys(metadata ?? null)]));
  if (embedding) hash.update(new Uint8Array(embedding.buffer, embedding.byteOffset, embedding.byteLength));
  return hash.digest('hex').slice(0, 32);
}

/** Key order carries no meaning in JSON, so it must carry none in a fingerprint. Depth is bounded by `checkMemory`'s caller. */
function sortKeys(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map((item: JsonValue) => sortKeys(item));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, sortKeys(item as JsonValue)]),
  );
}
