import { crc32 } from 'node:zlib';
import type { MemoryId, SpaceId } from '@engram/kernel';
import type { Memory } from '../core/index.js';
import { fromPolicy, toPolicy } from './operation-codec.js';
import { damaged, finite, fromMemoryFields, integer, memoryFieldsLength, pack, text, toMemoryFields, unpackArray } from './memory-fields.js';
import type { SpacePolicy } from './operation.js';

/**
 * Values of the embedded store: `crc32 (4 bytes, little endian) | msgpack array, version first`. lmdb has no checksums of
 * its own, so without ours a flipped bit in a memory's text would be served as if it had been stored that way.
 */
const recordVersion = 1;
const checksumBytes = 4;

/** What is persisted of a space beside its memories. */
export interface SpaceRecord {
  readonly policy: SpacePolicy;
  /** Length of the first embedding stored here; fixed from then on. */
  readonly dimension: number | undefined;
}

/** What is remembered of an idempotency key. */
export interface IdempotencyRecord {
  readonly key: string;
  readonly fingerprint: string;
  readonly expiresAtMs: number;
  readonly results: readonly IdempotentResult[];
}

/** What one operation of a request did, kept to answer its retry. */
export interface IdempotentResult {
  readonly kind: 'store' | 'forget';
  readonly space: SpaceId;
  readonly id: MemoryId;
}

export interface AppliedRecord {
  readonly lsn: number;
  readonly hlc: bigint;
}

export const memoryRecord = {
  encode: (memory: Memory): Uint8Array => seal([recordVersion, ...toMemoryFields(memory)]),
  decode(bytes: Uint8Array, key: Pick<Memory, 'space' | 'id'>): Memory {
    const what = `the stored memory ${key.space}/${key.id}`;
    return fromMemoryFields(open(bytes, 1 + memoryFieldsLength, what).slice(1), key, what);
  },
};

export const tombstoneRecord = {
  encode: (atMs: number): Uint8Array => seal([recordVersion, atMs]),
  decode: (bytes: Uint8Array): number => integer(open(bytes, 2, 'a tombstone')[1], 'a tombstone'),
};

export const spaceRecord = {
  encode: ({ policy, dimension }: SpaceRecord): Uint8Array => seal([recordVersion, dimension ?? null, ...fromPolicy(policy)]),
  decode(bytes: Uint8Array, space: string): SpaceRecord {
    const what = `the record of space ${space}`;
    const [, dimension, ...policy] = open(bytes, 5, what);
    return { policy: toPolicy(policy, what), dimension: dimension === null ? undefined : integer(dimension, what) };
  },
};

export const idempotencyRecord = {
  encode: ({ key, fingerprint, expiresAtMs, results }: IdempotencyRecord): Uint8Array =>
    seal([recordVersion, key, fingerprint, expiresAtMs, results.flatMap(({ kind, space, id }) => [kind, space, id])]),
  decode(bytes: Uint8Array): IdempotencyRecord {
    const what = 'an idempotency record';
    const [, key, fingerprint, expiresAtMs, flat] = open(bytes, 5, what);
    if (!Array.isArray(flat) || flat.length % 3 !== 0) throw damaged(what, 'has results that are not triples');
    const results: IdempotentResult[] = [];
    for (let i = 0; i < flat.length; i += 3) {
      results.push({ kind: flat[i] === 'forget' ? 'forget' : 'store', space: text(flat[i + 1], what) as SpaceId, id: text(flat[i + 2], what) as MemoryId });
    }
    return { key: text(key, what), fingerprint: text(fingerprint, what), expiresAtMs: finite(expiresAtMs, what), results };
  },
};

export const appliedRecord = {
  encode: ({ lsn, hlc }: AppliedRecord): Uint8Array => seal([recordVersion, lsn, hlc.toString()]),
  decode(bytes: Uint8Array): AppliedRecord {
    const what = 'the applied position';
    const [, lsn, hlc] = open(bytes, 3, what);
    if (typeof hlc !== 'string' || !/^\d{1,20}$/.test(hlc)) throw damaged(what, 'has no clock stamp');
    return { lsn: integer(lsn, what), hlc: BigInt(hlc) };
  },
};

export const partitionRecord = {
  encode: ({ epoch, seq }: { epoch: number; seq: number }): Uint8Array => seal([recordVersion, epoch, seq]),
  decode(bytes: Uint8Array): { epoch: number; seq: number } {
    const what = 'the position of a partition';
    const [, epoch, seq] = open(bytes, 3, what);
    return { epoch: integer(epoch, what), seq: integer(seq, what) };
  },
};

function seal(fields: readonly unknown[]): Uint8Array {
  const bytes = pack(fields, checksumBytes);
  bytes.writeUInt32LE(crc32(bytes.subarray(checksumBytes)), 0);
  return bytes;
}

function open(bytes: Uint8Array, length: number, what: string): readonly unknown[] {
  if (bytes.byteLength <= checksumBytes) throw damaged(what, 'is cut short');
  const body = bytes.subarray(checksumBytes);
  const expected = new DataView(bytes.buffer, bytes.byteOffset, checksumBytes).getUint32(0, true);
  if (crc32(body) !== expected) throw damaged(what, 'does not match its checksum');
  const fields = unpackArray(body, what);
  if (fields[0] !== recordVersion) throw damaged(what, `is in version ${String(fields[0])}, which this release does not read`);
  if (fields.length !== length) throw damaged(what, `has ${fields.length} fields; ${length} were expected`);
  return fields;
}
