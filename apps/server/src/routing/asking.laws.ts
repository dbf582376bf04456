import { parseMemoryId, parseSpaceId } from '@engram/kernel';
import { MemoryDraft as DraftMessage, RecallResponse, StoredMemory, StoreResponse } from '@engram/rpc';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { MemoryDraft, RecallAnswer, StoreResult } from '../engine/index.js';
import { draftOf, memoryMessage, recallMessage, storeMessage } from '../grpc/messages.js';
import { draftMessage, memoryOf, recallAnswerOf, storeResultOf } from './asking.js';

const space = parseSpaceId('notes');
const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 });
const unit = fc.double({ min: 0, max: 1, noNaN: true });
const when = fc.integer({ min: Date.UTC(1), max: Date.UTC(9999) });
const embedding = fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: 1, maxLength: 5 }).map((components) => Float32Array.from(components));
const metadata = fc.dictionary(text, fc.oneof(text, fc.boolean(), fc.constant(null), fc.double({ noNaN: true, noDefaultInfinity: true }).filter((number) => !Object.is(number, -0))), { noNullPrototype: true });

const drafts: fc.Arbitrary<MemoryDraft> = fc.record(
  { space: fc.constant(space), content: text, tags: fc.array(text, { maxLength: 3 }), id: fc.constant(parseMemoryId('m-1')), confidence: unit, embedding, whenMs: when, metadata },
  { requiredKeys: ['space', 'content', 'tags'] },
);
const memories = fc.record(
  { id: fc.constant(parseMemoryId('m-1')), space: fc.constant(space), content: text, tags: fc.array(text, { maxLength: 3 }), confidence: unit, whenMs: when, storedAtMs: when, embedding, metadata },
  { requiredKeys: ['id', 'space', 'content', 'tags', 'confidence', 'whenMs', 'storedAtMs'] },
);
const durability = { requested: 'quorum', reached: 'all', copies: 3 } as const;

test('the owner is given the draft that the client gave', () => {
  fc.assert(
    fc.property(drafts, (draft) => {
      expect(draftOf(DraftMessage.decode(DraftMessage.encode(draftMessage(draft)).finish()))).toEqual(draft);
    }),
    { numRuns: 300 },
  );
});

test('the client is given the memory that the owner has', () => {
  fc.assert(
    fc.property(memories, (memory) => {
      expect(memoryOf(StoredMemory.decode(StoredMemory.encode(memoryMessage(memory, 'embedding')).finish()))).toEqual(memory);
    }),
    { numRuns: 300 },
  );
});

test('the client is given the result that the owner gave, the vector included', () => {
  fc.assert(
    fc.property(memories, fc.constantFrom('stored' as const, 'already-stored' as const), (memory, outcome) => {
      const result: StoreResult = { outcome, memory, durability };
      expect(storeResultOf(StoreResponse.decode(StoreResponse.encode(storeMessage(result)).finish()), { ...memory })).toEqual(result);
    }),
    { numRuns: 300 },
  );
});

test('what an owner recalled arrives as it said it, missing parts included', () => {
  const parts = { lexical: 0.1, vector: 0.2, neighbours: 0, associations: 0, time: 0, recency: 0 };
  fc.assert(
    fc.property(memories, unit, (memory, confidence) => {
      const { embedding: _left, ...without } = memory;
      const answer: RecallAnswer = {
        memories: [{ memory: without, score: 0.3, confidence, parts }, { memory: without, score: 0.1, confidence }],
        confidence, partial: true, penalty: 0.25, tookMs: 1.5,
        missing: [{ partition: 7, space, reason: 'late' }, { partition: 8, node: 'n2' as never, reason: 'away' }],
      };
      expect(recallAnswerOf(RecallResponse.decode(RecallResponse.encode(recallMessage(answer)).finish()))).toEqual(answer);
    }),
    { numRuns: 300 },
  );
});
