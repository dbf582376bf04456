/** Between what travels as JSON and what the engine works with. Parsing throws `invalid_argument` naming the field. */
import { parseDuration, parseMemoryId, parseSpaceId, type SpaceId } from '@engram/kernel';
import type { Cue, Memory, SpacePolicy, SpaceSummary } from '@engram/memory';
import type { Static, TSchema } from 'typebox';
import { peersOf, reasonsUnready, type Membership, type PlacementView } from '../cluster/index.js';
import { checkIdempotencyKey, type AckLevel, type BatchResult, type EngineHealth, type EngineStatus, type MemoryDraft, type RecallAnswer, type StoreResult } from '../engine/index.js';
import { clusterSummaryFields } from './cluster-fields.js';
import { errorFields } from './errors.js';
import type * as schemas from './schemas.js';
import { formatWhen, parseWhen } from './when.js';

type Wire<Name extends keyof typeof schemas> = Static<Extract<(typeof schemas)[Name], TSchema>>;

interface SpaceSources {
  readonly header: string | string[] | undefined;
  readonly query?: string | undefined;
  readonly body?: string | undefined;
}

/** Header, then query, then body, then `default`. The first that is given decides, and must be a space id. */
export function spaceOf({ header, query, body }: SpaceSources): SpaceId {
  return spaceOfRequest({ header, query }) ?? spaceOfBody(body);
}

/** The space that a request names outside its body, for all that is in the body. */
export function spaceOfRequest({ header, query }: Omit<SpaceSources, 'body'>): SpaceId | undefined {
  const text = (Array.isArray(header) ? header.join(', ') : header) ?? query;
  return text === undefined ? undefined : parseSpaceId(text);
}

export function spaceOfBody(body: string | undefined): SpaceId {
  return body === undefined ? ('default' as SpaceId) : parseSpaceId(body);
}

/** @throws EngramError `invalid_argument` unless the key is 1 to 255 printable ASCII characters. */
export function writeOptionsOf(ack: AckLevel | undefined, key: string | string[] | undefined): { ack?: AckLevel; idempotencyKey?: string } {
  const idempotencyKey = Array.isArray(key) ? key.join(', ') : key;
  if (idempotencyKey !== undefined) checkIdempotencyKey(idempotencyKey, 'the header Idempotency-Key');
  return { ...(ack === undefined ? {} : { ack }), ...(idempotencyKey === undefined ? {} : { idempotencyKey }) };
}

export function draftOf(body: Wire<'MemoryDraft'>, space: SpaceId): MemoryDraft {
  const { id, content, tags = [], confidence, embedding, when, metadata } = body;
  const draft: { -readonly [Field in keyof MemoryDraft]: MemoryDraft[Field] } = { space, content, tags };
  if (id !== undefined) draft.id = parseMemoryId(id);
  if (confidence !== undefined) draft.confidence = confidence;
  if (embedding !== undefined) draft.embedding = Float32Array.from(embedding);
  if (when !== undefined) draft.whenMs = parseWhen('when', when);
  if (metadata !== undefined) draft.metadata = metadata;
  return draft;
}

export function memoryFields(memory: Memory, include: 'embedding' | undefined): Wire<'Memory'> {
  const { id, space, content, tags, confidence, whenMs, storedAtMs, metadata, embedding } = memory;
  const storedAt = formatWhen(storedAtMs);
  const fields: Wire<'Memory'> = {
    id,
    memory_space: space,
    content,
    tags: tags as string[],
    confidence,
    when: whenMs === storedAtMs ? storedAt : formatWhen(whenMs),
    stored_at: storedAt,
  };
  if (metadata !== undefined) fields.metadata = metadata as Record<string, never>;
  if (include === 'embedding' && embedding !== undefined) fields.embedding = Array.from(embedding);
  return fields;
}

export function storedFields({ memory, durability }: StoreResult, include: 'embedding' | undefined): Wire<'StoredMemory'> {
  return Object.assign(memoryFields(memory, include), { durability });
}

/** What became of one item, without its content: the client has that, and a batch should not send it back. */
export function batchFields(result: BatchResult, requestId: string): Omit<Wire<'BatchResult'>, 'index'> {
  if (result.outcome === 'refused') return { outcome: 'refused', error: errorFields(result.error, requestId) };
  const { outcome, memory, durability } = result;
  return {
    outcome: outcome === 'stored' ? 'stored' : 'already_stored',
    id: memory.id,
    memory_space: memory.space,
    stored_at: formatWhen(memory.storedAtMs),
    durability,
  };
}

export function cueOf(cue: Wire<'Cue'>): Cue {
  const { text, embedding, tags, after, before } = cue;
  return {
    ...(text === undefined ? {} : { text }),
    ...(embedding === undefined ? {} : { embedding: Float32Array.from(embedding) }),
    ...(tags === undefined ? {} : { tags }),
    ...(after === undefined ? {} : { afterMs: parseWhen('after', after) }),
    ...(before === undefined ? {} : { beforeMs: parseWhen('before', before) }),
  };
}

export function recallFields(answer: RecallAnswer, include: 'embedding' | undefined): Wire<'RecallAnswer'> {
  const { memories, confidence, partial, missing, penalty, tookMs } = answer;
  return {
    memories: memories.map(({ memory, score, confidence, parts }) => ({
      ...memoryFields(memory, include),
      confidence,
      stated_confidence: memory.confidence,
      score,
      ...(parts === undefined ? {} : { parts: { ...parts } }),
    })),
    confidence,
    partial,
    missing: missing.map(({ partition, space, node, reason }) => ({
      partition,
      ...(space === undefined ? {} : { space }),
      ...(node === undefined ? {} : { node }),
      reason,
    })),
    penalty,
    took_ms: Math.round(tookMs * 1_000) / 1_000,
  };
}

export function policyOf({ ack, partition_policy, ttl }: Wire<'SpacePolicy'>): SpacePolicy {
  return {
    ...(ack === undefined ? {} : { ack }),
    ...(partition_policy === undefined ? {} : { partitionPolicy: partition_policy }),
    ...(ttl === undefined ? {} : { ttlMs: parseDuration(ttl) }),
  };
}

export function spaceFields(summary: SpaceSummary, node: string): Wire<'SpaceAnswer'> {
  const { space, memories, forgotten, bytes, dimension, policy } = summary;
  return {
    space,
    memories,
    forgotten,
    bytes,
    ...(dimension === undefined ? {} : { dimension }),
    policy: {
      ...(policy.ack === undefined ? {} : { ack: policy.ack }),
      ...(policy.partitionPolicy === undefined ? {} : { partition_policy: policy.partitionPolicy }),
      ...(policy.ttlMs === undefined ? {} : { ttl: durationText(policy.ttlMs) }),
    },
    primary: node,
    replicas: [],
  };
}

export function healthFields(status: EngineStatus, membership: Membership, placement: PlacementView): Wire<'Health'> {
  const { nodeId, version, uptimeMs } = status;
  const health = healthOfNode(status, membership, placement);
  return {
    status: health.status,
    node: nodeId,
    version,
    uptime_ms: uptimeMs,
    reasons: [...health.reasons],
    ...(membership.mode === 'single' ? {} : { cluster: clusterSummaryFields(membership) }),
  };
}

/**
 * The node's own health. That others are dead is no fault of this one, so it does not count here: a supervisor that
 * restarts what is not healthy would otherwise take down the rest of a cluster that lost a node.
 */
function healthOfNode({ health }: EngineStatus, membership: Membership, placement: PlacementView): EngineHealth {
  const trouble = membership.trouble();
  const reasons = [...(trouble === undefined ? [] : [trouble]), ...reasonsUnready(membership, placement)];
  if (reasons.length === 0) return health;
  return { status: health.status === 'failed' ? 'failed' : 'degraded', reasons: [...health.reasons, ...reasons] };
}

/** A node that belongs to no cluster although it should, or does not know who holds what, is of no use to a client yet. */
export function readinessOf({ ready, reasons }: { readonly ready: boolean; readonly reasons: readonly string[] }, membership: Membership, placement: PlacementView): { ready: boolean; reasons: string[] } {
  const unready = reasonsUnready(membership, placement);
  return { ready: ready && unready.length === 0, reasons: [...reasons, ...unready] };
}

export function statusFields(status: EngineStatus, membership: Membership, placement: PlacementView): Wire<'SystemStatus'> {
  const { log, store } = status;
  const health = healthOfNode(status, membership, placement);
  return {
    node: status.nodeId,
    version: status.version,
    status: health.status,
    reasons: [...health.reasons],
    started_at: formatWhen(status.startedAtMs),
    uptime_ms: status.uptimeMs,
    memories: status.memories,
    spaces: status.spaces,
    data_bytes: log.bytes + store.bytes,
    data_directory: status.dataDirectory,
    log: {
      state: log.state,
      ...(log.reason === undefined ? {} : { reason: log.reason }),
      first_lsn: log.firstLsn,
      next_lsn: log.nextLsn,
      durable_lsn: log.durableLsn,
      applied_lsn: status.appliedLsn,
      checkpointed_lsn: status.durableAppliedLsn,
      segments: log.segments,
      bytes: log.bytes,
      queued_bytes: log.queuedBytes,
    },
    peers: peersOf(membership),
  };
}

/** The shortest way to write a duration in one whole unit. */
function durationText(ms: number): string {
  for (const [unit, unitMs] of [['d', 86_400_000], ['h', 3_600_000], ['m', 60_000], ['s', 1_000]] as const) {
    if (ms > 0 && ms % unitMs === 0) return `${ms / unitMs}${unit}`;
  }
  return `${ms}ms`;
}
