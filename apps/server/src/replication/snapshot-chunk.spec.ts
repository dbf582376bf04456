import { parseMemoryId, parseSpaceId } from '@engram/kernel';
import type { Operation } from '@engram/memory';
import { describe, expect, test } from 'vitest';
import { decodeChunk, encodeChunk } from './snapshot-chunk.js';

const space = parseSpaceId('default');
const id = parseMemoryId('m1');
const operations: readonly Operation[] = [
  { kind: 'set-space-policy', space, policy: { ack: 'all' } },
  { kind: 'forget', space, id: parseMemoryId('m0'), atMs: 5 },
  { kind: 'store', memory: { id, space, content: 'The ferry leaves at noon', tags: ['travel'], confidence: 0.7, whenMs: 1, storedAtMs: 2 } },
];

test('a chunk is read as the operations it was made of', () => {
  expect(decodeChunk(encodeChunk(operations))).toEqual(operations);
});

test('a partition without anything is an empty chunk', () => {
  expect(decodeChunk(encodeChunk([]))).toEqual([]);
});

describe('a chunk is refused', () => {
  const refused = (bytes: Uint8Array, message: RegExp): void => expect(() => decodeChunk(bytes)).toThrow(expect.objectContaining({ code: 'invalid_argument', message: expect.stringMatching(message) as string }) as Error);
  const chunk = encodeChunk(operations);

  test('with any bit changed', () => {
    for (let at = 0; at < chunk.length; at++) {
      const changed = Uint8Array.from(chunk);
      changed[at]! ^= 1;
      refused(changed, /checksum|version/);
    }
  });

  test('when it is shorter than it was', () => {
    for (let length = 0; length < chunk.length; length++) refused(chunk.subarray(0, length), length < 5 ? /version/ : /checksum/);
  });

  test('of a later version, which is named', () => {
    refused(Uint8Array.of(2, 0, 0, 0, 0), /version 2 .*reads version 1/);
  });
});
