import { EngramError, type MemoryId, type SpaceId } from '@engram/kernel';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Memory } from '../core/index.js';
import { decodeOperation, encodeOperation } from './operation-codec.js';
import { ackLevels, partitionPolicies, type Operation } from './operation.js';

const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 80 });
const time = fc.integer({ min: -8_640_000_000_000_000, max: 8_640_000_000_000_000 });
const space = fc.stringMatching(/^[a-z0-9_-]{3,64}$/) as fc.Arbitrary<SpaceId>;
const id = fc.stringMatching(/^[A-Za-z0-9_:-][A-Za-z0-9._:-]{0,127}$/) as fc.Arbitrary<MemoryId>;
const json = fc.jsonValue({ maxDepth: 4 }).map((value) => JSON.parse(JSON.stringify(value)) as never);
const confidence = fc.double({ min: 0, max: 1, noNaN: true }).map(Math.abs);
const embedding = fc.float32Array({ minLength: 1, maxLength: 64, noNaN: true, noDefaultInfinity: true });

const memory: fc.Arbitrary<Memory> = fc.record(
  { id, space, content: text, tags: fc.array(text, { maxLength: 20 }), confidence, whenMs: time, storedAtMs: time, embedding, metadata: fc.dictionary(fc.string(), json) },
  { requiredKeys: ['id', 'space', 'content', 'tags', 'confidence', 'whenMs', 'storedAtMs'] },
);
const idempotency = fc.record({ key: text, fingerprint: text, expiresAtMs: time });
const policy = fc.record({ ack: fc.constantFrom(...ackLevels), partitionPolicy: fc.constantFrom(...partitionPolicies), ttlMs: fc.nat() }, { requiredKeys: [] });
const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({ kind: fc.constant('store' as const), memory, idempotency }, { requiredKeys: ['kind', 'memory'] }),
  fc.record({ kind: fc.constant('forget' as const), space, id, atMs: time, idempotency }, { requiredKeys: ['kind', 'space', 'id', 'atMs'] }),
  fc.record({ kind: fc.constant('set-space-policy' as const), space, policy }),
);

test('what is encoded decodes to the same operation', () => {
  fc.assert(fc.property(operation, (given) => {
    expect(plain(decodeOperation(encodeOperation(given)))).toEqual(plain(given));
  }), { numRuns: 2_000 });
}, 30_000);

test('the same operation always encodes to the same bytes', () => {
  fc.assert(fc.property(operation, (given) => {
    expect(encodeOperation(decodeOperation(encodeOperation(given)))).toEqual(encodeOperation(given));
  }), { numRuns: 500 });
}, 30_000);

test('random bytes are refused with an EngramError or decode to an operation', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), onlyEngramErrors), { numRuns: 5_000 });
}, 30_000);

test('an operation with bytes changed is refused with an EngramError or decodes to an operation', () => {
  const change = fc.record({ at: fc.nat(), to: fc.integer({ min: 0, max: 255 }) });
  fc.assert(fc.property(operation, fc.array(change, { minLength: 1, maxLength: 4 }), (given, changes) => {
    const bytes = Uint8Array.from(encodeOperation(given));
    for (const { at, to } of changes) bytes[at % bytes.length] = to;
    onlyEngramErrors(bytes);
  }), { numRuns: 5_000 });
}, 30_000);

function onlyEngramErrors(bytes: Uint8Array): void {
  try {
    expect(['store', 'forget', 'set-space-policy']).toContain(decodeOperation(bytes).kind);
  } catch (error) {
    expect(error).toBeInstanceOf(EngramError);
    expect(['store_damaged', 'invalid_argument']).toContain((error as EngramError).code);
  }
}

/** Objects without a prototype, which fast-check makes and JSON does not, count as equal to ordinary ones. */
function plain(given: Operation): unknown {
  return given.kind === 'store' && given.memory.metadata !== undefined
    ? { ...given, memory: { ...given.memory, metadata: JSON.stringify(given.memory.metadata) } }
    : given;
}
