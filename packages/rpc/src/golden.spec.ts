import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { decodeMessage, encodeMessage } from './codec.js';
import type { MessageCodec } from './definition.js';
import { RecallResponse, StoreRequest } from './gen/engram/v1/memory.js';
import { AckLevel } from './gen/engram/v1/types.js';

/**
 * The bytes of the first release. They are never regenerated: a version that cannot read them, or that writes the same
 * message otherwise, breaks clients in the field. Hexadecimal, in lines of 32 bytes.
 */
function golden(name: string): Buffer {
  return Buffer.from(readFileSync(new URL(`../test/golden/${name}.hex`, import.meta.url), 'utf8').replace(/\s/g, ''), 'hex');
}

const storeRequest: StoreRequest = {
  draft: {
    content: 'Zoë met Ada in Kraków — tea at five. 🫖',
    memorySpace: 'work-notes',
    tags: ['people', 'tea'],
    confidence: 0,
    embedding: [0.5, -1.25, 0],
    when: { seconds: -1n, nanos: 999_000_000 },
    metadata: { source: 'chat', turn: 3, quoted: false, parent: null, path: ['a', { b: [] }] },
    id: '01J9ZC6Q5V0000000000000000',
  },
  idempotencyKey: 'retry-7',
  ack: AckLevel.ACK_LEVEL_QUORUM,
};

const recallResponse: RecallResponse = {
  memories: [
    {
      memory: {
        id: '01J9ZC6Q5V0000000000000000',
        memorySpace: 'work-notes',
        content: 'Zoë met Ada.',
        tags: ['people'],
        confidence: 0.7,
        when: { seconds: 1_700_000_000n, nanos: 123_000_000 },
        storedAt: { seconds: 1_700_000_001n, nanos: 0 },
        metadata: undefined,
        embedding: [],
      },
      score: 0.75,
      confidence: 0.5,
      parts: { lexical: 0.5, vector: 0, neighbours: 0.125, associations: 0.125, time: 0, recency: 0 },
    },
  ],
  confidence: 0.375,
  partial: true,
  missing: [{ partition: 1_023, space: 'home', node: undefined, reason: 'not asked within 5 ms' }],
  penalty: 0.25,
  tookMs: 4.5,
};

const cases: readonly [string, MessageCodec<unknown>, unknown][] = [
  ['store-request', StoreRequest as MessageCodec<unknown>, storeRequest],
  ['recall-response', RecallResponse as MessageCodec<unknown>, recallResponse],
];

test.each(cases)('%s is written as the first release wrote it', (name, codec, message) => {
  expect(encodeMessage(codec, message, name).toString('hex')).toBe(golden(name).toString('hex'));
});

test.each(cases)('%s of the first release is read back whole', (name, codec, message) => {
  expect(decodeMessage(codec, golden(name), name)).toEqual(message);
});
