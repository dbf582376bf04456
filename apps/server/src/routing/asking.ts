/** Between the engine's types and the contract, for a node that asks another: the mirror image of `grpc/messages.ts`. */
import { assert, isNodeId, parseMemoryId, parseSpaceId, type SpaceId } from '@engram/kernel';
import type { Memory } from '@engram/memory';
import {
  AckLevel as WireAck, msFromTimestamp, StoreOutcome, timestampFromMs,
  type Cue as CueMessage, type Durability as DurabilityMessage, type MemoryDraft as DraftMessage, type RecallRequest as RecallRequestMessage,
  type RecallResponse, type StoredMemory, type StoreResponse,
} from '@engram/rpc';
import type { AckLevel, Durability, MemoryDraft, RecallAnswer, RecallRequest, StoreResult } from '../engine/index.js';
import type { ReadWishes } from './operations.js';

const ackToWire: Readonly<Record<AckLevel, WireAck>> = {
  local: WireAck.ACK_LEVEL_LOCAL,
  replica: WireAck.ACK_LEVEL_REPLICA,
  quorum: WireAck.ACK_LEVEL_QUORUM,
  all: WireAck.ACK_LEVEL_ALL,
};
const ackOfWire = new Map(Object.entries(ackToWire).map(([level, wire]) => [wire, level as AckLevel]));

export function ackMessage(ack: AckLevel | undefined): WireAck {
  return ack === undefined ? WireAck.ACK_LEVEL_UNSPECIFIED : ackToWire[ack];
}

/** What was not given stays away, so that the owner fills it in as it would for a client of its own. */
export function draftMessage({ space, id, content, tags, confidence, embedding, whenMs, metadata }: MemoryDraft): DraftMessage {
  return {
    memorySpace: space,
    id,
    content,
    tags: [...tags],
    confidence,
    embedding: embedding === undefined ? [] : Array.from(embedding),
    when: whenMs === undefined ? undefined : timestampFromMs(whenMs),
    metadata: metadata as DraftMessage['metadata'],
  };
}

/** @param timeoutMs How long the other node may take. */
export function recallRequestMessage({ cue, limit, minConfidence, explain = false, embeddings = false }: RecallRequest & ReadWishes, spaces: readonly SpaceId[], timeoutMs: number): RecallRequestMessage {
  const { text, embedding, tags = [], afterMs, beforeMs } = cue;
  const message: CueMessage = {
    text,
    embedding: embedding === undefined ? [] : Array.from(embedding),
    tags: [...tags],
    after: afterMs === undefined ? undefined : timestampFromMs(afterMs),
    before: beforeMs === undefined ? undefined : timestampFromMs(beforeMs),
  };
  return { cue: message, spaces: [...spaces], limit, minConfidence, timeoutMs, explain, includeEmbeddings: embeddings };
}

export function memoryOf(message: StoredMemory | undefined): Memory {
  assert(message !== undefined, 'an answer about a memory has the memory');
  const { id, memorySpace, content, tags, confidence, when, storedAt, metadata, embedding } = message;
  assert(when !== undefined && storedAt !== undefined, 'a stored memory has its times');
  const memory: { -readonly [Field in keyof Memory]: Memory[Field] } = {
    id: parseMemoryId(id),
    space: parseSpaceId(memorySpace),
    content,
    tags,
    confidence,
    whenMs: msFromTimestamp(when, 'when'),
    storedAtMs: msFromTimestamp(storedAt, 'stored_at'),
  };
  if (metadata !== undefined) memory.metadata = metadata as NonNullable<Memory['metadata']>;
  if (embedding.length > 0) memory.embedding = Float32Array.from(embedding);
  return memory;
}

export function durabilityOf(message: DurabilityMessage | undefined): Durability {
  const [requested, reached] = [ackOfWire.get(message?.requested as WireAck), ackOfWire.get(message?.reached as WireAck)];
  assert(requested !== undefined && reached !== undefined, 'an answer to a write says how durable it is');
  return { requested, reached, copies: message!.copies };
}

/** The contract does not send a vector back to whoever has just sent it. */
export function storeResultOf({ outcome, memory, durability }: StoreResponse, { embedding }: MemoryDraft): StoreResult {
  return {
    outcome: outcome === StoreOutcome.STORE_OUTCOME_ALREADY_STORED ? 'already-stored' : 'stored',
    memory: { ...memoryOf(memory), ...(embedding === undefined ? {} : { embedding }) },
    durability: durabilityOf(durability),
  };
}

export function recallAnswerOf({ memories, confidence, partial, missing, penalty, tookMs }: RecallResponse): RecallAnswer {
  return {
    memories: memories.map(({ memory, score, confidence, parts }) => ({ memory: memoryOf(memory), score, confidence, ...(parts === undefined ? {} : { parts }) })),
    confidence,
    partial,
    missing: missing.map(({ partition, space, node, reason }) => ({
      partition,
      ...(space === undefined ? {} : { space: parseSpaceId(space) }),
      ...(isNodeId(node) ? { node } : {}),
      reason,
    })),
    penalty,
    tookMs,
  };
}
