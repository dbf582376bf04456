import { EngramError } from '@engram/kernel';
import { Packr, RESERVE_START_SPACE } from 'msgpackr';
import type { JsonValue, Memory } from '../core/index.js';

/**
 * The parts of a memory as a msgpack array, in a fixed order that both the log and the store use. Space and id are left
 * to the caller: the log writes them beside, the store has them in the key.
 *
 * Embeddings travel as the bytes of little-endian 32-bit floats. Metadata travels as JSON text rather than as a msgpack
 * map: it came in as JSON, and a key such as `__proto__` survives JSON but not a map decoder.
 */
export type MemoryFields = readonly [
  content: string,
  tags: readonly string[],
  confidence: number,
  whenMs: number,
  storedAtMs: number,
  embedding: Uint8Array | null,
  metadata: string | null,
];

export const memoryFieldsLength = 7;

/** Plain msgpack arrays: no records, no shared structures, so every message can be read on its own. */
const packr = new Packr({ useRecords: false });

/** @param bytesBefore Left free in front of the message for the caller to fill, at most 255. */
export function pack(fields: readonly unknown[], bytesBefore = 0): Buffer {
  return packr.pack(fields, RESERVE_START_SPACE + bytesBefore);
}

/**
 * Reads one msgpack array. Throws EngramError `store_damaged` for anything else, whatever the decoder threw: damaged
 * bytes are the only reason a decoder can have to fail here.
 */
export function unpackArray(bytes: Uint8Array, what: string): readonly unknown[] {
  let value: unknown;
  try {
    value = packr.unpack(bytes);
  } catch (cause) {
    throw damaged(what, 'cannot be decoded', cause);
  }
  if (!Array.isArray(value)) throw damaged(what, 'is not a list of fields');
  return value;
}

export function toMemoryFields(memory: Memory): MemoryFields {
  const { embedding, metadata } = memory;
  return [
    memory.content,
    memory.tags,
    memory.confidence,
    memory.whenMs,
    memory.storedAtMs,
    embedding === undefined ? null : new Uint8Array(embedding.buffer, embedding.byteOffset, embedding.byteLength),
    metadata === undefined ? null : JSON.stringify(metadata),
  ];
}

/** Throws EngramError `store_damaged` when a field has the wrong type. Ranges were checked before anything was written. */
export function fromMemoryFields(fields: readonly unknown[], key: Pick<Memory, 'space' | 'id'>, what: string): Memory {
  const [content, tags, confidence, whenMs, storedAtMs, embedding, metadata] = fields;
  const memory: Memory = {
    id: key.id,
    space: key.space,
    content: text(content, what),
    tags: texts(tags, what),
    confidence: finite(confidence, what),
    whenMs: integer(whenMs, what),
    storedAtMs: integer(storedAtMs, what),
    ...(embedding === null ? {} : { embedding: floats(embedding, what) }),
    ...(metadata === null ? {} : { metadata: jsonObject(metadata, what) }),
  };
  return memory;
}

export function text(value: unknown, what: string): string {
  if (typeof value !== 'string') throw damaged(what, 'has a field that should be text');
  return value;
}

export function finite(value: unknown, what: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw damaged(what, 'has a field that should be a number');
  return value;
}

export function integer(value: unknown, what: string): number {
  if (!Number.isSafeInteger(value)) throw damaged(what, 'has a field that should be a whole number');
  return value as number;
}

/** The log is cut once the store has what it says, so the store can be rebuilt from it only while it is whole. */
export const rebuildHint =
  'Keep a copy of the store directory, then restore a backup. Only while the log still begins at its first entry: remove the directory and start again to rebuild it.';

export function damaged(what: string, complaint: string, cause?: unknown): EngramError {
  return new EngramError('store_damaged', `${what} ${complaint}`, { hint: rebuildHint, ...(cause === undefined ? {} : { cause }) });
}

function texts(value: unknown, what: string): readonly string[] {
  if (!Array.isArray(value)) throw damaged(what, 'has a field that should be a list');
  for (const item of value) text(item, what);
  return value as readonly string[];
}

function floats(value: unknown, what: string): Float32Array {
  if (!(value instanceof Uint8Array) || value.byteLength === 0 || value.byteLength % 4 !== 0) {
    throw damaged(what, 'has an embedding that is not a row of 32-bit floats');
  }
  // Copied, because the bytes lie unaligned inside a buffer that is reused.
  return new Float32Array(Uint8Array.prototype.slice.call(value).buffer);
}

function jsonObject(value: unknown, what: string): Readonly<Record<string, JsonValue>> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text(value, what));
  } catch (cause) {
    throw damaged(what, 'has metadata that is not JSON', cause);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw damaged(what, 'has metadata that is not an object');
  return parsed as Readonly<Record<string, JsonValue>>;
}
