/** The operations of one request, wherever its space lives. */
import { EngramError, shown, type MemoryId, type NodeId, type SpaceId } from '@engram/kernel';
import { checkCue, checkRecallOptions, defaultSpace, type Memory, type SpacePolicy, type SpaceSummary } from '@engram/memory';
import { sessionHeader } from '@engram/rpc';
import { completeDraft } from '../engine/draft.js';
import { itemKey } from '../engine/idempotency-key.js';
import type { BatchResult, Durability, Engine, ListRequest, MemoryDraft, MissingPart, RecallAnswer, RecallRequest, StoreResult, WriteOptions } from '../engine/index.js';
import { refusal } from '../engine/refusals.js';
import type { Operation } from '../metrics/index.js';
import { readForwarded, type ForwardedCall, type GrpcForwarder, type HttpForwarder } from '../peers/index.js';
import { ackMessage, draftMessage, durabilityOf, memoryOf, recallAnswerOf, recallRequestMessage, storeResultOf } from './asking.js';
import { ClientSession } from './client-session.js';
import { inFlight } from './in-flight.js';
import type { Caller, MemoryOperations, ReadWishes } from './operations.js';
import { lowered, nothingRecalled, shareLacking } from './partial-recall.js';
import { consistencies, type Consistency } from './route.js';
import type { Router, Work } from './router.js';
import { askForSpace, askToSetPolicy, type SpaceRequest } from './spaces-of-others.js';

/** With the value 1, a client wants to be told where to go (421) instead of being passed on. */
export const noForwardHeader = 'x-engram-no-forward';
/** Which copies may answer a read: `primary` or `any`. */
export const consistencyHeader = 'x-engram-consistency';

/** The part of the engine that is routed. */
export type LocalEngine = Pick<Engine, 'nodeId' | 'recallTimeoutMs' | 'store' | 'storeBatch' | 'forget' | 'get' | 'list' | 'recall' | 'spaces' | 'space' | 'setSpacePolicy'>;

export interface OperationsParts {
  readonly engine: LocalEngine;
  readonly router: Router;
  readonly grpc: GrpcForwarder;
  readonly http: HttpForwarder;
  /** How long a request may take whose client named no time, in milliseconds. */
  readonly budgetMs: number;
  /** How long a read waits for the copy here to have what the client has written, in milliseconds. */
  readonly sessionWaitMs: number;
  /** Items of one batch that are under way to one other node at the same time, at most. */
  readonly batchInFlightMax: number;
}

type Terms = Pick<Work<unknown>, 'operation' | 'kind' | 'space'> & Partial<Work<unknown>>;
type Ways<Result> = Pick<Work<Result>, 'here' | 'there'>;

export class RoutedOperations implements MemoryOperations {
  readonly #parts: OperationsParts;
  readonly #caller: Caller;
  /** A request is passed on at most once, so one that was is answered here or not at all. */
  readonly #mayForward: boolean;
  readonly #consistency: Consistency;
  readonly #session: ClientSession;

  /**
   * @throws EngramError `invalid_argument` for a request passed on by a node of another cluster, for a consistency that is
   *   none, and for a session token that is none or is of another cluster.
   */
  constructor(parts: OperationsParts, caller: Caller) {
    this.#parts = parts;
    this.#caller = caller;
    const header = (name: string): string | undefined => caller.header(name);
    this.#mayForward = readForwarded(header, parts.router.cluster.clusterId()) === undefined && caller.header(noForwardHeader) !== '1';
    this.#consistency = consistencyOf(caller.header(consistencyHeader));
    this.#session = new ClientSession(parts.router.cluster, caller.header(sessionHeader));
  }

  get session(): string | undefined {
    return this.#session.token;
  }

  store(draft: MemoryDraft, options: WriteOptions = {}): Promise<StoreResult> {
    return this.#store('store', draft, options, this.#budgetMs());
  }

  /** Items of other nodes are passed on one by one; those of this node are stored together. */
  async storeBatch(drafts: readonly MemoryDraft[], options: WriteOptions = {}): Promise<readonly BatchResult[]> {
    const { engine, router, batchInFlightMax } = this.#parts;
    const endsAtMs = performance.now() + this.#budgetMs();
    const results = new Array<BatchResult>(drafts.length);
    const ours: number[] = [];
    const theirs = new Map<NodeId | undefined, number[]>();
    for (const [index, { space }] of drafts.entries()) {
      const route = router.decide(router.partitionOf(space), 'write', 'primary');
      if (route.kind === 'here') ours.push(index);
      else {
        const node = route.kind === 'forward' ? route.node : undefined;
        const indexes = theirs.get(node);
        if (indexes) indexes.push(index);
        else theirs.set(node, [index]);
      }
    }
    const alone = async (index: number): Promise<void> => {
      const key = itemKey(options.idempotencyKey, index);
      results[index] = await this.#store('store_batch', drafts[index]!, key === undefined ? options : { ...options, idempotencyKey: key }, endsAtMs - performance.now()).catch(refusal);
    };
    const together = async (): Promise<void> => {
      // Under a key every item is known by its place in the whole batch, so a part of the batch cannot go as a batch of its own.
      if (options.idempotencyKey !== undefined && theirs.size > 0) return inFlight(batchInFlightMax, ours, alone);
      if (ours.length === 0) return;
      router.count('store_batch', { kind: 'here' }, ours.length);
      const stored = await engine.storeBatch(ours.map((index) => drafts[index]!), options).catch((error: unknown) => {
        if (theirs.size === 0) throw error;
        return ours.map(() => refusal(error));
      });
      for (const [place, index] of ours.entries()) results[index] = stored[place]!;
      for (const result of stored) if (result.outcome !== 'refused') this.#wrote(result);
      // The primary may have changed between the decision and the log; what was refused for that has another place to go.
      const moved = ours.filter((index) => this.#mayForward && isMoved(results[index]!));
      await inFlight(batchInFlightMax, moved, alone);
    };
    await Promise.all([together(), ...[...theirs.values()].map((indexes) => inFlight(batchInFlightMax, indexes, alone))]);
    return results;
  }

  forget(space: SpaceId, id: MemoryId, options: WriteOptions = {}): Promise<{ readonly durability: Durability }> {
    const { engine, grpc } = this.#parts;
    // What is forgotten stays forgotten, so forgetting it twice is forgetting it once.
    return this.#run({ operation: 'forget', kind: 'write', space, repeatable: true }, {
      here: async () => this.#wrote(await engine.forget(space, id, options)),
      there: async (node, deadlineMs) => {
        const { durability } = await grpc.forward(node, 'forget', { memorySpace: space, id, ack: ackMessage(options.ack) }, this.#writing(deadlineMs, true));
        return { durability: durabilityOf(durability) };
      },
    });
  }

  get(space: SpaceId, id: MemoryId): Promise<Memory> {
    const { engine, grpc } = this.#parts;
    return this.#read({ operation: 'get', kind: 'read', space }, {
      here: (doubt) => found(doubt, space, () => engine.get(space, id)),
      there: async (node, deadlineMs, doubt) => memoryOf((await grpc.forward(node, 'get', { memorySpace: space, id }, this.#reading(deadlineMs, this.#asked(doubt)))).memory),
    });
  }

  list(space: SpaceId, request: ListRequest & ReadWishes): Promise<{ readonly memories: readonly Memory[]; readonly next?: MemoryId }> {
    const { engine, grpc } = this.#parts;
    const { tag, limit, after, embeddings = false, consistency = this.#consistency } = request;
    return this.#read({ operation: 'list', kind: 'read', space, consistency }, {
      here: (doubt) => found(doubt, space, () => engine.list(space, request)),
      there: async (node, deadlineMs, doubt) => {
        const { memories, next } = await grpc.forward(node, 'list', { memorySpace: space, tag, limit, after, includeEmbeddings: embeddings }, this.#reading(deadlineMs, this.#asked(doubt, consistency)));
        return { memories: memories.map(memoryOf), ...(next === undefined ? {} : { next: next as MemoryId }) };
      },
    });
  }

  async recall(request: RecallRequest & ReadWishes): Promise<RecallAnswer> {
    checkCue(request.cue);
    checkRecallOptions(request);
    const { router, engine } = this.#parts;
    const { consistency = this.#consistency, timeoutMs = engine.recallTimeoutMs } = request;
    const spaces = request.spaces === '*' ? '*' : [...new Set(request.spaces)];
    const [first, ...others] = spaces;
    if (spaces === '*' || first === undefined) return this.#recallHere(request, spaces);
    const elsewhere = spaces.filter((space) => !router.holds(router.partitionOf(space)));
    if (others.length > 0 && (elsewhere.length === 0 || this.#ownersOf(spaces) > 1)) return this.#recallHere(request, spaces);
    const terms = { operation: 'recall', kind: 'read', space: first as SpaceId, consistency, budgetMs: this.#budgetMs(timeoutMs) } as const;
    const there = async (node: NodeId, deadlineMs: number, doubt: string | undefined): Promise<RecallAnswer> => {
      // The other node gets less time than there is, so that what it found in time also arrives in time.
      const message = recallRequestMessage(request, spaces, Math.max(1, Math.floor(deadlineMs * 0.9)));
      const answer = recallAnswerOf(await this.#parts.grpc.forward(node, 'recall', message, this.#reading(deadlineMs, this.#asked(doubt, consistency))));
      return this.#doubted(first as SpaceId, doubt, answer);
    };
    if (others.length > 0) return this.#run(terms, { here: () => this.#recallHere(request, spaces), there });
    return this.#read(terms, { here: (doubt) => this.#doubted(first as SpaceId, doubt, found(doubt, first as SpaceId, () => engine.recall(request))), there });
  }

  /** The spaces of which this node has a copy: to know of the others, every node would have to be asked. */
  spaces(): readonly SpaceSummary[] {
    const { engine, router } = this.#parts;
    return engine.spaces().filter(({ space }) => router.holds(router.partitionOf(space)));
  }

  space(space: SpaceId): Promise<SpaceSummary> {
    const { engine, http } = this.#parts;
    return this.#read({ operation: 'spaces', kind: 'read', space }, {
      here: (doubt) => found(doubt, space, () => engine.space(space)),
      there: (node, deadlineMs, doubt) => askForSpace(http, node, space, this.#spaceRequest(this.#reading(deadlineMs, this.#asked(doubt)))),
    });
  }

  setSpacePolicy(space: SpaceId, policy: SpacePolicy): Promise<{ readonly summary: SpaceSummary; readonly durability: Durability }> {
    const { engine, http } = this.#parts;
    return this.#run({ operation: 'set_space_policy', kind: 'write', space, repeatable: true }, {
      here: async () => this.#wrote(await engine.setSpacePolicy(space, policy)),
      there: (node, deadlineMs) => askToSetPolicy(http, node, space, policy, this.#spaceRequest(this.#writing(deadlineMs, true))),
    });
  }

  #store(operation: Operation, draft: MemoryDraft, options: WriteOptions, budgetMs: number): Promise<StoreResult> {
    const { engine, grpc } = this.#parts;
    const { ack, idempotencyKey } = options;
    const repeatable = draft.id !== undefined || idempotencyKey !== undefined;
    return this.#run({ operation, kind: 'write', space: draft.space, repeatable, budgetMs }, {
      here: async () => this.#wrote(await engine.store(draft, options)),
      there: async (node, deadlineMs) => {
        // Checked as the engine would, under an id that nobody sees: what is wrong is refused before anybody else is asked.
        completeDraft(draft, draft.id ?? ('unnamed' as MemoryId), 0);
        return storeResultOf(await grpc.forward(node, 'store', { draft: draftMessage(draft), ack: ackMessage(ack), idempotencyKey }, this.#writing(deadlineMs, repeatable)), draft);
      },
    });
  }

  /**
   * From the copies of this node; of what it has no copy, or one that lacks what the client has written, is said that it
   * is missing, each partition weighing the same since nobody here knows how much is in it. Asking all the nodes that have
   * them is the work of the query planner.
   */
  async #recallHere(request: RecallRequest, asked: readonly SpaceId[] | '*'): Promise<RecallAnswer> {
    const { engine, router } = this.#parts;
    const map = router.cluster.map();
    if (map === undefined) return this.#recallUnheard(request, asked);
    const partitions = asked === '*' ? [...map.table.keys()] : asked.map((space) => router.partitionOf(space));
    const behind = await this.#behind(partitions, request.timeoutMs);
    const lacks = (partition: number): string | undefined => (!router.holds(partition) ? notHeld : behind.has(partition) ? notWrittenYet : undefined);
    const here = (asked === '*' ? engine.spaces().map(({ space }) => space) : asked).filter((space) => lacks(router.partitionOf(space)) === undefined);
    const missing: MissingPart[] = [];
    for (const [index, partition] of partitions.entries()) {
      const reason = lacks(partition);
      if (reason !== undefined) missing.push({ partition, ...(asked === '*' ? {} : { space: asked[index]! }), node: map.table[partition]?.primary, reason });
    }
    router.count('recall', { kind: 'here' });
    const answer = here.length === 0 ? nothingRecalled : engine.recall({ ...request, spaces: here });
    return missing.length === 0 ? answer : lowered(answer, missing.length / partitions.length, missing);
  }

  /** Without a map: of a node that runs alone the whole truth, of one that was just started again what it had when it stopped. */
  async #recallUnheard(request: RecallRequest, asked: readonly SpaceId[] | '*'): Promise<RecallAnswer> {
    const { engine, router } = this.#parts;
    const route = router.decide(0, 'read', 'primary');
    const doubt = 'doubt' in route ? route.doubt : undefined;
    if (doubt === undefined) return engine.recall(request);
    const summaries = engine.spaces().filter(({ space }) => asked === '*' || asked.includes(space));
    const spaces = asked === '*' ? summaries.map(({ space }) => space) : asked;
    const behind = await this.#behind(spaces.map((space) => router.partitionOf(space)), request.timeoutMs);
    for (const space of spaces) if (behind.has(router.partitionOf(space))) throw this.#session.behind(space, router.partitionOf(space));
    const answer = found(doubt, asked === '*' ? defaultSpace : (asked[0] ?? defaultSpace), () => engine.recall(request));
    const share = shareLacking(summaries.reduce((sum, { memories }) => sum + memories, 0), undefined);
    return lowered(answer, share, summaries.map(({ space }) => ({ partition: router.partitionOf(space), space, reason: doubt })));
  }

  /** Those of the partitions whose copy here still lacks what the client has written when that was waited for. */
  async #behind(partitions: readonly number[], timeoutMs: number | undefined): Promise<ReadonlySet<number>> {
    const waitMs = this.#waitUntilMs(this.#budgetMs(timeoutMs)) - performance.now();
    const lagging = partitions.filter((partition) => this.#session.lags(partition) && this.#parts.router.holds(partition));
    const late = await Promise.all(lagging.map(async (partition) => ((await this.#session.caughtUp(partition, waitMs)) ? [] : [partition])));
    return new Set(late.flat());
  }

  #ownersOf(spaces: readonly SpaceId[]): number {
    const { router } = this.#parts;
    return new Set(spaces.map((space) => router.cluster.map()?.table[router.partitionOf(space)]?.primary)).size;
  }

  #doubted(space: SpaceId, doubt: string | undefined, answer: RecallAnswer): RecallAnswer {
    if (doubt === undefined) return answer;
    const { engine, router } = this.#parts;
    const partition = router.partitionOf(space);
    // Of a copy elsewhere is known that it has what it answered with.
    const share = router.holds(partition)
      ? shareLacking(engine.spaces().find((summary) => summary.space === space)?.memories ?? 0, router.cluster.entriesLacking?.(partition))
      : shareLacking(answer.memories.length, undefined);
    return lowered(answer, share, [
      { partition, space, node: router.cluster.map()?.table[partition]?.primary, reason: `${doubt}; a copy answered, which may lack the latest memories` },
    ]);
  }

  /** Of one space: whoever answers has what the client has written to it, or refuses. */
  #read<Result>(terms: Terms, ways: Ways<Result>): Promise<Result> {
    const { space } = terms;
    const partition = this.#parts.router.partitionOf(space);
    if (!this.#session.concerns(partition)) return this.#run(terms, ways);
    const waitUntilMs = this.#waitUntilMs(terms.budgetMs);
    // A request that was passed on here is answered here: then there is nothing but to wait.
    const lags = this.#mayForward ? () => this.#session.lags(partition) : undefined;
    return this.#run({ ...terms, lags }, {
      ...ways,
      here: async (doubt) => {
        if (!(await this.#session.caughtUp(partition, waitUntilMs - performance.now()))) throw this.#session.behind(space, partition);
        return ways.here(doubt);
      },
    });
  }

  /** A refusal should still arrive within the time that the request has. */
  #waitUntilMs(budgetMs: number = this.#budgetMs()): number {
    return performance.now() + Math.min(this.#parts.sessionWaitMs, budgetMs * 0.9);
  }

  #run<Result>(terms: Terms, ways: Ways<Result>): Promise<Result> {
    return this.#parts.router.run<Result>({
      consistency: this.#consistency,
      repeatable: true,
      mayForward: this.#mayForward,
      budgetMs: this.#budgetMs(),
      signal: this.#caller.signal,
      ...terms,
      ...ways,
    });
  }

  #budgetMs(ms: number = this.#parts.budgetMs): number {
    return Math.min(ms, this.#caller.remainingMs());
  }

  /** A copy that is asked in the place of its primary must not insist on the primary either. */
  #asked(doubt: string | undefined, consistency = this.#consistency): Consistency {
    return doubt === undefined ? consistency : 'any';
  }

  /** The other node is told what the client has written, and waits for it or refuses. */
  #reading(deadlineMs: number, consistency: Consistency): ForwardedCall {
    return this.#call(deadlineMs, true, (name) => (name === consistencyHeader ? consistency : this.#caller.header(name)));
  }

  /** What the client had written before is nothing that a write depends on. */
  #writing(deadlineMs: number, idempotent: boolean): ForwardedCall {
    const call = this.#call(deadlineMs, idempotent, (name) => (name === consistencyHeader || name === sessionHeader ? undefined : this.#caller.header(name)));
    return { ...call, onSession: (token) => this.#session.wroteElsewhere(token) };
  }

  #call(deadlineMs: number, idempotent: boolean, header: (name: string) => string | undefined): ForwardedCall {
    const { requestId, signal } = this.#caller;
    return { header, deadlineMs, requestId, idempotent, ...(signal === undefined ? {} : { signal }) };
  }

  #spaceRequest({ header, deadlineMs, requestId = '', signal, onSession }: ForwardedCall): SpaceRequest {
    const headers: Record<string, string> = {};
    for (const name of ['authorization', 'traceparent', 'tracestate', consistencyHeader, sessionHeader]) {
      const value = header(name);
      if (value !== undefined) headers[name] = value;
    }
    if (requestId !== '') headers['x-request-id'] = requestId;
    return { headers, deadlineMs, ...(signal === undefined ? {} : { signal }), ...(onSession === undefined ? {} : { onSession }) };
  }

  /** Takes down how far the partition had come. */
  #wrote<Written extends { readonly durability: Durability }>(written: Written): Written {
    const { token } = written.durability;
    if (token !== undefined) this.#session.wrote(token);
    return written;
  }
}

const notHeld = 'this node has no copy of it';
const notWrittenYet = 'the copy of this node does not have yet what the session token stands for';

/** A copy that may lack the latest writes cannot say that something does not exist. */
function found<Result>(doubt: string | undefined, space: SpaceId, read: () => Result): Result {
  if (doubt === undefined) return read();
  try {
    return read();
  } catch (error) {
    if (!(error instanceof EngramError) || (error.code !== 'memory_not_found' && error.code !== 'space_not_found')) throw error;
    throw new EngramError('unavailable', `It is not in the copy of space ${space} that can be asked, which may lack the latest writes: ${doubt}.`, {
      hint: 'Try again in a moment; a copy that has every write becomes the primary.',
      cause: error,
      details: { space },
    });
  }
}

function isMoved(result: BatchResult): boolean {
  return result.outcome === 'refused' && result.error.code === 'not_primary';
}

function consistencyOf(value: string | undefined): Consistency {
  if (value === undefined) return 'primary';
  const known = consistencies.find((one) => one === value);
  if (known !== undefined) return known;
  throw new EngramError('invalid_argument', `${consistencyHeader} is ${shown(value)}; it must be ${consistencies.join(' or ')}.`, { details: { field: consistencyHeader } });
}
