import { EngramError, parseMemoryId, parseSpaceId } from '@engram/kernel';
import { pack } from 'msgpackr';
import { describe, expect, test } from 'vitest';
import { decodeOperation, encodeOperation } from './operation-codec.js';
import type { Operation } from './operation.js';

const space = parseSpaceId('travel');
const id = parseMemoryId('01HF7YAT00');

const full: Operation = {
  kind: 'store',
  memory: {
    id, space, content: 'Ferry at 9 ⛴', tags: ['ferry'], confidence: 0.5, whenMs: 1_700_000_000_000, storedAtMs: 1_700_000_000_001,
    embedding: Float32Array.of(1, -0.5), metadata: { seat: 12 },
  },
  idempotency: { key: 'k', fingerprint: 'f', expiresAtMs: 1_700_086_400_000 },
};
const forget: Operation = { kind: 'forget', space, id, atMs: 1_700_000_000_002 };
const policy: Operation = { kind: 'set-space-policy', space, policy: { ack: 'quorum', partitionPolicy: 'available', ttlMs: 1000 } };

/** Written by this release and never to change: logs on disk are read by every later one. */
const golden: readonly (readonly [name: string, operation: Operation, hex: string])[] = [
  ['a store with every field', full, '9c0100a674726176656caa30314846375941543030ae4665727279206174203920e29bb491a56665727279cb3fe0000000000000cb4278bcfe56800000cb4278bcfe56801000c4080000803f000000bfab7b2273656174223a31327d93a16ba166cb4278bd50bc400000'],
  ['a forget', forget, '960101a674726176656caa30314846375941543030cb4278bcfe56802000c0'],
  ['a policy', policy, '960102a674726176656ca671756f72756da9617661696c61626c65cd03e8'],
];

describe('operation codec', () => {
  test.each(golden)('%s keeps its golden bytes', (_name, operation, hex) => {
    expect(Buffer.from(encodeOperation(operation)).toString('hex')).toBe(hex);
    expect(decodeOperation(Buffer.from(hex, 'hex'))).toEqual(operation);
  });

  test('an operation of an unknown format version is refused by name', () => {
    const failure = failureOf(() => decodeOperation(pack([2, 0, 'travel'])));
    expect(failure.code).toBe('invalid_argument');
    expect(failure.message).toContain('version 2');
    expect(failure.hint).toContain('release');
  });

  test.each([
    ['nothing at all', Buffer.alloc(0)],
    ['a number', pack(1)],
    ['a list cut short', Buffer.from(encodeOperation(full)).subarray(0, 20)],
    ['bytes after the end', Buffer.concat([encodeOperation(forget), Buffer.of(0)])],
    ['an unknown kind', pack([1, 9])],
    ['a missing field', pack([1, 1, space, id, 5])],
    ['a space id that breaks the rule', pack([1, 1, '../etc', id, 5, null])],
    ['a memory id that breaks the rule', pack([1, 1, space, '.hidden', 5, null])],
    ['a time that is no whole number', pack([1, 1, space, id, 0.5, null])],
    ['an unknown policy value', pack([1, 2, space, 'everyone', null, null])],
    ['an embedding of odd length', pack([1, 0, space, id, 'x', [], 1, 1, 1, Buffer.alloc(3), null, null])],
    ['metadata that is no object', pack([1, 0, space, id, 'x', [], 1, 1, 1, null, '[]', null])],
    ['a list that claims four thousand million entries', Buffer.from('ddffffffff01', 'hex')],
  ])('%s is refused as damage', (_name, bytes) => {
    expect(failureOf(() => decodeOperation(bytes)).code).toBe('store_damaged');
  });

  test('a metadata key that looks like a prototype comes back as an ordinary key', () => {
    const metadata = JSON.parse('{"__proto__": {"admin": true}}') as Record<string, never>;
    const operation: Operation = { kind: 'store', memory: { ...full.memory, metadata } };
    const decoded = decodeOperation(encodeOperation(operation));
    expect(decoded.kind === 'store' && JSON.stringify(decoded.memory.metadata)).toBe('{"__proto__":{"admin":true}}');
  });
});

function failureOf(run: () => unknown): EngramError {
  try {
    run();
  } catch (error) {
    if (error instanceof EngramError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}
