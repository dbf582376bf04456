import { EngramError } from '@engram/kernel';
import type { Handlers, ListRequest, ListResponse, MemoryDefinition, RecallRequest, StoreStreamRequest, StoreStreamResponse } from '@engram/rpc';
import { sessionHeader, SessionKeeper, StoredMemory, type CallContext } from '@engram/rpc';
import type { BatchResult, Engine, MemoryDraft } from '../engine/index.js';
import { forwardedByHeader } from '../peers/index.js';
import { refuseTokens, type Caller, type MemoryOperations } from '../routing/index.js';
import type { ServerMetrics } from '../metrics/index.js';
import { overlapped } from '../overlapped.js';
import { untilStopping } from './until-stopping.js';
import { cueOf, draftOf, durabilityMessage, memoryIdOf, memoryMessage, recallMessage, resultMessage, spaceOf, spacesOf, storeMessage, writeOptionsOf } from './messages.js';

/** The part of the engine that gRPC needs. */
export type GrpcEngine = Pick<Engine, 'nodeId' | 'store' | 'storeBatch' | 'get' | 'list' | 'forget' | 'recall' | 'recallTimeoutMs'>;

/** What the service asks for on behalf of a call. */
export type GrpcOperations = Pick<MemoryOperations, 'session' | 'store' | 'storeBatch' | 'get' | 'list' | 'forget' | 'recall'>;

/** The part of the metrics that gRPC needs. */
export type GrpcMetrics = Pick<ServerMetrics, 'succeeded' | 'failed' | 'batchItems'>;

export interface MemoryServiceOptions {
  readonly engine: GrpcEngine;
  /** Who answers a call. @default the engine */
  readonly operationsFor?: ((call: Caller) => GrpcOperations) | undefined;
  readonly metrics?: GrpcMetrics | undefined;
  /** Largest message that is sent; a page of a list is cut to fit into it. */
  readonly messageBytesMax: number;
  /** Most streams that store at the same time; the next one is refused as overloaded. */
  readonly storeStreamsMax: number;
  /** Aborts when the server stops: streams are then ended between two batches. */
  readonly stopping: AbortSignal;
}

/** Most drafts in one batch of a stream. One batch is one trip to the disk; more drafts gain nothing and hold up others. */
export const batchDraftsMax = 1_000;
const limitMax = 1_000;
const listLimitDefault = 100;
const recallLimitDefault = 10;
const recallSpacesMax = 1_000;
const recallTimeoutMsMax = 300_000;
/** How long a client should stay away when every stream is taken. */
const retryAfterMs = 1_000;
/** What a page needs beside its memories: the cursor and the framing of each memory. */
const pageBytesBeside = 1_024;
const memoryBytesBeside = 8;

/** The Memory service of `engram.v1` over an engine. */
export function memoryService({ engine, operationsFor = alone(engine), metrics, messageBytesMax, storeStreamsMax, stopping }: MemoryServiceOptions): Handlers<typeof MemoryDefinition> {
  let storeStreams = 0;
  return {
    async store(request, call) {
      const draft = draftOf(required(request.draft, 'draft'));
      const operations = operationsFor(call);
      const stored = await operations.store(draft, writeOptionsOf(request, call.header(forwardedByHeader) !== undefined));
      tellSession(call, operations);
      return storeMessage(stored);
    },

    async *storeStream(batches, call) {
      if (storeStreams >= storeStreamsMax) throw tooManyStreams(storeStreams);
      storeStreams += 1;
      try {
        const written = new SessionKeeper();
        const answers = overlapped(untilStopping(batches, stopping), async (batch) => {
          call.checkDeadline();
          const operations = operationsFor(call);
          return { answer: await storeBatch(operations, metrics, batch), session: operations.session };
        });
        for await (const { answer, session } of answers) {
          // Only here do the batches stand in their order, so that a token stands for all of them before it.
          written.wrote(session);
          yield { ...answer, session: written.token };
        }
      } finally {
        storeStreams -= 1;
      }
    },

    async recall(request, call) {
      const answer = await operationsFor(call).recall(recallOf(request, engine.recallTimeoutMs, call.remainingMs()));
      return recallMessage(answer, request.includeEmbeddings ? 'embedding' : undefined);
    },

    async get({ memorySpace, id }, call) {
      return { memory: memoryMessage(await operationsFor(call).get(spaceOf(memorySpace), memoryIdOf(id)), 'embedding') };
    },

    async forget(request, call) {
      const operations = operationsFor(call);
      const { durability } = await operations.forget(spaceOf(request.memorySpace), memoryIdOf(request.id), writeOptionsOf(request));
      tellSession(call, operations);
      return { durability: durabilityMessage(durability) };
    },

    list(request, call) {
      return list(operationsFor(call), request, messageBytesMax);
    },
  };
}

/** A node that runs alone has no copies to wait for, and no tokens of its own. */
function alone(engine: GrpcEngine): (call: Caller) => GrpcOperations {
  return (call) => {
    refuseTokens(call.header(sessionHeader));
    return engine;
  };
}

/** Says in metadata what the client needs to read what it has just written. */
function tellSession(call: Pick<CallContext, 'answerWith'>, { session }: GrpcOperations): void {
  if (session !== undefined) call.answerWith(sessionHeader, session);
}

/** Every draft is kept or refused on its own; a batch that is wrong as a whole ends the stream. */
async function storeBatch(operations: GrpcOperations, metrics: GrpcMetrics | undefined, batch: StoreStreamRequest): Promise<StoreStreamResponse> {
  const { sequence, drafts } = batch;
  const startedAt = performance.now();
  if (drafts.length === 0 || drafts.length > batchDraftsMax) {
    throw outOfRange('drafts', `holds ${drafts.length} memories in batch ${sequence}; a batch has 1 to ${batchDraftsMax}`);
  }
  const results = new Array<BatchResult>(drafts.length);
  const converted: { readonly index: number; readonly draft: MemoryDraft }[] = [];
  for (const [index, message] of drafts.entries()) {
    try {
      converted.push({ index, draft: draftOf(message) });
    } catch (error) {
      if (!(error instanceof EngramError)) throw error;
      results[index] = { outcome: 'refused', error };
    }
  }
  const stored = await operations.storeBatch(
    converted.map(({ draft }) => draft),
    writeOptionsOf(batch),
  );
  for (const [place, { index }] of converted.entries()) results[index] = stored[place]!;
  metrics?.batchItems(results);
  metrics?.succeeded('store_batch', (performance.now() - startedAt) / 1_000);
  return { sequence, results: results.map(resultMessage) };
}

function recallOf(request: RecallRequest, timeoutMsDefault: number, remainingMs: number): Parameters<MemoryOperations['recall']>[0] {
  const { cue, spaces, limit = recallLimitDefault, minConfidence, timeoutMs = timeoutMsDefault, explain } = request;
  requireRange('limit', limit, limitMax);
  requireRange('timeout_ms', timeoutMs, recallTimeoutMsMax);
  if (spaces.length > recallSpacesMax) throw outOfRange('spaces', `names ${spaces.length} spaces; at most ${recallSpacesMax} are possible`);
  return {
    cue: cueOf(required(cue, 'cue')),
    spaces: spacesOf(spaces),
    limit,
    explain,
    embeddings: request.includeEmbeddings,
    timeoutMs: Math.min(timeoutMs, remainingMs),
    ...(minConfidence === undefined ? {} : { minConfidence }),
  };
}

/** A page ends early when the next memory would no longer fit into the message; its cursor is then the last that did. */
async function list(operations: GrpcOperations, request: ListRequest, messageBytesMax: number): Promise<ListResponse> {
  const { memorySpace, tag, limit = listLimitDefault, after, includeEmbeddings } = request;
  requireRange('limit', limit, limitMax);
  const page = await operations.list(spaceOf(memorySpace), {
    limit,
    embeddings: includeEmbeddings,
    ...(tag === undefined ? {} : { tag }),
    ...(after === undefined ? {} : { after: memoryIdOf(after) }),
  });
  const memories: StoredMemory[] = [];
  let bytes = pageBytesBeside;
  for (const memory of page.memories) {
    const message = memoryMessage(memory, includeEmbeddings ? 'embedding' : undefined);
    bytes += StoredMemory.encode(message).finish().byteLength + memoryBytesBeside;
    if (bytes > messageBytesMax && memories.length > 0) return { memories, next: memories.at(-1)!.id };
    memories.push(message);
  }
  return { memories, next: page.next };
}

function required<Message>(message: Message | undefined, field: string): Message {
  if (message === undefined) throw outOfRange(field, 'is missing');
  return message;
}

function requireRange(field: string, value: number, max: number): void {
  if (value < 1 || value > max) throw outOfRange(field, `is ${value}; it must be from 1 to ${max}`);
}

function outOfRange(field: string, complaint: string): EngramError {
  return new EngramError('invalid_argument', `${field} ${complaint}.`, { details: { field } });
}

function tooManyStreams(open: number): EngramError {
  return new EngramError('overloaded', `${open} streams are storing, as many as this node takes at once; nothing of this one was done.`, {
    hint: 'Wait for another stream to end, or share one stream between several producers.',
    details: { retryAfterMs },
  });
}
