/** Between the messages of the contract and what the engine works with. Converts only: the engine checks what it is given. */
import { EngramError, parseMemoryId, parseSpaceId, type MemoryId, type SpaceId } from '@engram/kernel';
import type { Cue, Memory } from '@engram/memory';
import {
  AckLevel as WireAck,
  errorToDetail,
  msFromTimestamp,
  StoreOutcome,
  timestampFromMs,
  type Cue as CueMessage,
  type Durability as DurabilityMessage,
  type MemoryDraft as DraftMessage,
  type RecallResponse,
  type StoredMemory,
  type StoreResponse,
  type StoreResult as ResultMessage,
} from '@engram/rpc';
import { checkIdempotencyKey, givenKey, type AckLevel, type BatchResult, type Durability, type MemoryDraft, type RecallAnswer, type StoreResult, type WriteOptions } from '../engine/index.js';

/** @throws EngramError `invalid_argument` for a space or memory id that breaks its rule and a time that is none. */
export function draftOf(message: DraftMessage): MemoryDraft {
  const { id, content, memorySpace, tags, confidence, embedding, when, metadata } = message;
  const draft: { -readonly [Field in keyof MemoryDraft]: MemoryDraft[Field] } = { space: spaceOf(memorySpace), content, tags };
  if (id !== undefined) draft.id = parseMemoryId(id);
  if (confidence !== undefined) draft.confidence = confidence;
  if (embedding.length > 0) draft.embedding = Float32Array.from(embedding);
  if (when !== undefined) draft.whenMs = msFromTimestamp(when, 'when');
  if (metadata !== undefined) draft.metadata = metadata;
  return draft;
}

/** An empty space means `default`: proto3 cannot tell an empty text from an absent one. */
export function spaceOf(text: string): SpaceId {
  return parseSpaceId(text === '' ? 'default' : text);
}

/** None means `default`, the single entry `*` all. @throws EngramError `invalid_argument` */
export function spacesOf(texts: readonly string[]): readonly SpaceId[] | '*' {
  if (texts.length === 0) return [spaceOf('')];
  if (texts.length === 1 && texts[0] === '*') return '*';
  return texts.map(parseSpaceId);
}

export function memoryIdOf(text: string): MemoryId {
  return parseMemoryId(text);
}

const ackOfWire: Readonly<Partial<Record<WireAck, AckLevel>>> = {
  [WireAck.ACK_LEVEL_LOCAL]: 'local',
  [WireAck.ACK_LEVEL_REPLICA]: 'replica',
  [WireAck.ACK_LEVEL_QUORUM]: 'quorum',
  [WireAck.ACK_LEVEL_ALL]: 'all',
};
const ackToWire: Readonly<Record<AckLevel, WireAck>> = {
  local: WireAck.ACK_LEVEL_LOCAL,
  replica: WireAck.ACK_LEVEL_REPLICA,
  quorum: WireAck.ACK_LEVEL_QUORUM,
  all: WireAck.ACK_LEVEL_ALL,
};

/**
 * @param forwarded Whether another node passed the request on: it may be an item of a batch, under a key made of the batch's.
 * @throws EngramError `invalid_argument` for an ack level or an idempotency key that is none.
 */
export function writeOptionsOf(message: { readonly ack: WireAck; readonly idempotencyKey?: string | undefined }, forwarded = false): WriteOptions {
  const { ack: level, idempotencyKey } = message;
  const ack = ackOfWire[level];
  if (ack === undefined && level !== WireAck.ACK_LEVEL_UNSPECIFIED) {
    throw new EngramError('invalid_argument', `ack is ${level}, which is no level of acknowledgement.`, {
      hint: 'Use a level of the AckLevel enumeration, or leave it out.',
      details: { field: 'ack' },
    });
  }
  if (idempotencyKey !== undefined) checkIdempotencyKey(forwarded ? givenKey(idempotencyKey) : idempotencyKey, 'idempotency_key');
  return { ...(ack === undefined ? {} : { ack }), ...(idempotencyKey === undefined ? {} : { idempotencyKey }) };
}

export function cueOf({ text, embedding, tags, after, before }: CueMessage): Cue {
  return {
    ...(text === undefined ? {} : { text }),
    ...(embedding.length === 0 ? {} : { embedding: Float32Array.from(embedding) }),
    ...(tags.length === 0 ? {} : { tags }),
    ...(after === undefined ? {} : { afterMs: msFromTimestamp(after, 'after') }),
    ...(before === undefined ? {} : { beforeMs: msFromTimestamp(before, 'before') }),
  };
}

export function durabilityMessage({ requested, reached, copies }: Durability): DurabilityMessage {
  return { requested: ackToWire[requested], reached: ackToWire[reached], copies };
}

export function memoryMessage(memory: Memory, include: 'embedding' | undefined): StoredMemory {
  const { id, space, content, tags, confidence, whenMs, storedAtMs, metadata, embedding } = memory;
  return {
    id,
    memorySpace: space,
    content,
    tags: tags as string[],
    confidence,
    when: timestampFromMs(whenMs),
    storedAt: timestampFromMs(storedAtMs),
    metadata: metadata as StoredMemory['metadata'],
    embedding: include === 'embedding' && embedding !== undefined ? Array.from(embedding) : [],
  };
}

export function storeMessage({ outcome, memory, durability }: StoreResult): StoreResponse {
  return { outcome: outcomeMessage(outcome), memory: memoryMessage(memory, undefined), durability: durabilityMessage(durability) };
}

export function resultMessage(result: BatchResult): ResultMessage {
  if (result.outcome === 'refused') return { result: { $case: 'refused', value: errorToDetail(result.error) } };
  const { outcome, memory, durability } = result;
  const stored = {
    id: memory.id,
    memorySpace: memory.space,
    outcome: outcomeMessage(outcome),
    storedAt: timestampFromMs(memory.storedAtMs),
    durability: durabilityMessage(durability),
  };
  return { result: { $case: 'stored', value: stored } };
}

export function recallMessage({ memories, confidence, partial, missing, penalty, tookMs }: RecallAnswer, include?: 'embedding'): RecallResponse {
  return {
    memories: memories.map(({ memory, score, confidence, parts }) => ({ memory: memoryMessage(memory, include), score, confidence, parts })),
    confidence,
    partial,
    missing: missing.map(({ partition, space, node, reason }) => ({ partition, space, node, reason })),
    penalty,
    tookMs,
  };
}

function outcomeMessage(outcome: StoreResult['outcome']): StoreOutcome {
  return outcome === 'stored' ? StoreOutcome.STORE_OUTCOME_STORED : StoreOutcome.STORE_OUTCOME_ALREADY_STORED;
}
