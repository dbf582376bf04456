import { EngramError } from '@engram/kernel';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeMessage, encodeMessage } from './codec.js';
import { StoreStreamRequest } from './gen/engram/v1/memory.js';

/** Decodes or refuses; anything but `invalid_argument` escapes and fails the law. */
function decodeOrRefuse(bytes: Uint8Array): StoreStreamRequest | undefined {
  try {
    return decodeMessage(StoreStreamRequest, bytes, 'the request');
  } catch (error) {
    if (error instanceof EngramError && error.code === 'invalid_argument') return undefined;
    throw error;
  }
}

const drafts = fc.array(
  fc.record({
    content: fc.string({ unit: 'grapheme' }),
    memorySpace: fc.string(),
    tags: fc.array(fc.string({ unit: 'grapheme' })),
    confidence: fc.option(fc.double(), { nil: undefined }),
    embedding: fc.array(fc.float()),
    when: fc.option(fc.record({ seconds: fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }), nanos: fc.integer() }), { nil: undefined }),
    metadata: fc.option(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.parse(JSON.stringify(value)) as unknown)), { nil: undefined }),
    id: fc.option(fc.string(), { nil: undefined }),
  }),
  { maxLength: 4 },
);
const requests = fc.record({
  sequence: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  drafts,
  ack: fc.integer({ min: 0, max: 4 }),
  idempotencyKey: fc.option(fc.string(), { nil: undefined }),
});

test('any request comes back as it was, with absent told from empty', () => {
  fc.assert(
    fc.property(requests, (request) => {
      const bytes = encodeMessage(StoreStreamRequest, request, 'the request');
      expect(decodeMessage(StoreStreamRequest, bytes, 'the request')).toEqual(request);
    }),
    { numRuns: 200 },
  );
});

test('random bytes are decoded or refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void decodeOrRefuse(bytes)),
    { numRuns: 2_000 },
  );
});

test('a request with one byte changed, or cut off anywhere, is decoded or refused', () => {
  fc.assert(
    fc.property(requests, fc.nat(), fc.integer({ min: 1, max: 255 }), (request, place, change) => {
      const bytes = encodeMessage(StoreStreamRequest, request, 'the request');
      if (bytes.length === 0) return;
      decodeOrRefuse(bytes.subarray(0, place % bytes.length));
      bytes[place % bytes.length]! ^= change;
      decodeOrRefuse(bytes);
    }),
    { numRuns: 1_000 },
  );
});
