/** The operations of one request, wherever its space lives. */
import { EngramError, shown, type MemoryId, type NodeId, type SpaceId } from '@engram/kernel';
import { checkCue, checkRecallOptions, defaultSpace, type Memory, type SpacePolicy, type SpaceSummary } from '@engram/memory';
import { completeDraft } from '../engine/draft.js';
import { itemKey } from '../engine/idempotency-key.js';
import type { BatchResult, Durability, Engine, ListRequest, MemoryDraft, MissingPart, RecallAnswer, RecallRequest, StoreResult, WriteOptions } from '../engine/index.js';
import { refusal } from '../engine/refusals.js';
import type { Operation } from '../metrics/index.js';
import { readForwarded, type ForwardedCall, type GrpcForwarder, type HttpForwarder } from '../peers/index.js';
import { ackMessage, draftMessage, durabilityOf, memoryOf, recallAnswerOf, recallRequestMessage, storeResultOf } from './asking.js';
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

  /** @throws EngramError `invalid_argument` for a request passed on by a node of another cluster, and for a consistency that is none. */
  constructor(parts: OperationsParts, caller: Caller) {
    this.#parts = parts;
    this.#caller = caller;
    const header = (name: string): string | undefined => caller.header(name);
    this.#mayForward = readForwarded(header, parts.router.cluster.clusterId()) === undefined && caller.header(noForwardHeader) !== '1';
    this.#consistency = consistencyOf(caller.header(consistencyHeader));
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
      here: () => engine.forget(space, id, options),
      there: async (node, deadlineMs) => {
        const { durability } = await grpc.forward(node, 'forget', { memorySpace: space, id, ack: ackMessage(options.ack) }, this.#call(deadlineMs, true));
        return { durability: durabilityOf(durability) };
      },
    });
  }

  get(space: SpaceId, id: MemoryId): Promise<Memory> {
    const { engine, grpc } = this.#parts;
    return this.#run({ operation: 'get', kind: 'read', space }, {
      here: (doubt) => found(doubt, space, () => engine.get(space, id)),
      there: async (node, deadlineMs, doubt) => memoryOf((await grpc.forward(node, 'get', { memorySpace: space, id }, this.#call(deadlineMs, true, this.#asked(doubt)))).memory),
    });
  }

  list(space: SpaceId, request: ListRequest & ReadWishes): Promise<{ readonly memories: readonly Memory[]; readonly next?: MemoryId }> {
    const { engine, grpc } = this.#parts;
    const { tag, limit, after, embeddings = false, consistency = this.#consistency } = request;
    return this.#run({ operation: 'list', kind: 'read', space, consistency }, {
      here: (doubt) => found(doubt, space, () => engine.list(space, request)),
      there: async (node, deadlineMs, doubt) => {
        const { memories, next } = await grpc.forward(node, 'list', { memorySpace: space, tag, limit, after, includeEmbeddings: embeddings }, this.#call(deadlineMs, true, this.#asked(doubt, consistency)));
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
    return this.#run({ operation: 'recall', kind: 'read', space: first as SpaceId, consistency, budgetMs: this.#budgetMs(timeoutMs) }, {
      here: (doubt) => (others.length > 0 ? this.#recallHere(request, spaces) : this.#doubted(first as SpaceId, doubt, found(doubt, first as SpaceId, () => engine.recall(request)))),
      there: async (node, deadlineMs, doubt) => {
        // The other node gets less time than there is, so that what it found in time also arrives in time.
        const message = recallRequestMessage(request, spaces, Math.max(1, Math.floor(deadlineMs * 0.9)));
        const answer = recallAnswerOf(await this.#parts.grpc.forward(node, 'recall', message, this.#call(deadlineMs, true, this.#asked(doubt, consistency))));
        return this.#doubted(first as SpaceId, doubt, answer);
      },
    });
  }

  /** The spaces of which this node has a copy: to know of the others, every node would have to be asked. */
  spaces(): readonly SpaceSummary[] {
    const { engine, router } = this.#parts;
    return engine.spaces().filter(({ space }) => router.holds(router.partitionOf(space)));
  }

  space(space: SpaceId): Promise<SpaceSummary> {
    const { engine, http } = this.#parts;
    return this.#run({ operation: 'spaces', kind: 'read', space }, {
      here: (doubt) => found(doubt, space, () => engine.space(space)),
      there: (node, deadlineMs, doubt) => askForSpace(http, node, space, this.#spaceRequest(deadlineMs, this.#asked(doubt))),
    });
  }

  setSpacePolicy(space: SpaceId, policy: SpacePolicy): Promise<{ readonly summary: SpaceSummary; readonly durability: Durability }> {
    const { engine, http } = this.#parts;
    return this.#run({ operation: 'set_space_policy', kind: 'write', space, repeatable: true }, {
      here: () => engine.setSpacePolicy(space, policy),
      there: (node, deadlineMs) => askToSetPolicy(http, node, space, policy, this.#spaceRequest(deadlineMs)),
    });
  }

  #store(operation: Operation, draft: MemoryDraft, options: WriteOptions, budgetMs: number): Promise<StoreResult> {
    const { engine, grpc } = this.#parts;
    const { ack, idempotencyKey } = options;
    const repeatable = draft.id !== undefined || idempotencyKey !== undefined;
    return this.#run({ operation, kind: 'write', space: draft.space, repeatable, budgetMs }, {
      here: () => engine.store(draft, options),
      there: async (node, deadlineMs) => {
        // Checked as the engine would, under an id that nobody sees: what is wrong is refused before anybody else is asked.
        completeDraft(draft, draft.id ?? ('unnamed' as MemoryId), 0);
        return storeResultOf(await grpc.forward(node, 'store', { draft: draftMessage(draft), ack: ackMessage(ack), idempotencyKey }, this.#call(deadlineMs, repeatable)), draft);
      },
    });
  }

  /**
   * From the copies of this node; of what it has no copy is said that it is missing, each partition weighing the same
   * since nobody here knows how much is in it. Asking all the nodes that have them is the work of the query planner.
   */
  #recallHere(request: RecallRequest, asked: readonly SpaceId[] | '*'): RecallAnswer {
    const { engine, router } = this.#parts;
    const map = router.cluster.map();
    if (map === undefined) return this.#recallUnheard(request, asked);
    const here = (asked === '*' ? engine.spaces().map(({ space }) => space) : asked).filter((space) => router.holds(router.partitionOf(space)));
    const missing: MissingPart[] = [];
    if (asked === '*') {
      for (const [partition, { primary }] of map.table.entries()) if (!router.holds(partition)) missing.push({ partition, node: primary, reason: notHeld });
    } else {
      for (const space of asked) if (!here.includes(space)) missing.push({ partition: router.partitionOf(space), space, node: map.table[router.partitionOf(space)]?.primary, reason: notHeld });
    }
    router.count('recall', { kind: 'here' });
    const answer = here.length === 0 ? nothingRecalled : engine.recall({ ...request, spaces: here });
    if (missing.length === 0) return answer;
    return lowered(answer, missing.length / (asked === '*' ? map.partitions : asked.length), missing);
  }

  /** Without a map: of a node that runs alone the whole truth, of one that was just started again what it had when it stopped. */
  #recallUnheard(request: RecallRequest, asked: readonly SpaceId[] | '*'): RecallAnswer {
    const { engine, router } = this.#parts;
    const route = router.decide(0, 'read', 'primary');
    const doubt = 'doubt' in route ? route.doubt : undefined;
    if (doubt === undefined) return engine.recall(request);
    const summaries = engine.spaces().filter(({ space }) => asked === '*' || asked.includes(space));
    const answer = found(doubt, asked === '*' ? defaultSpace : (asked[0] ?? defaultSpace), () => engine.recall(request));
    const share = shareLacking(summaries.reduce((sum, { memories }) => sum + memories, 0), undefined);
    return lowered(answer, share, summaries.map(({ space }) => ({ partition: router.partitionOf(space), space, reason: doubt })));
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

  #call(deadlineMs: number, idempotent: boolean, consistency?: Consistency): ForwardedCall {
    const { requestId, signal } = this.#caller;
    return { header: (name) => this.#passed(name, consistency), deadlineMs, requestId, idempotent, ...(signal === undefined ? {} : { signal }) };
  }

  #spaceRequest(deadlineMs: number, consistency?: Consistency): SpaceRequest {
    const headers: Record<string, string> = {};
    for (const name of ['authorization', 'traceparent', 'tracestate', consistencyHeader]) {
      const value = this.#passed(name, consistency);
      if (value !== undefined) headers[name] = value;
    }
    const { requestId, signal } = this.#caller;
    if (requestId !== '') headers['x-request-id'] = requestId;
    return { headers, deadlineMs, ...(signal === undefined ? {} : { signal }) };
  }

  #passed(name: string, consistency: Consistency | undefined): string | undefined {
    return name === consistencyHeader ? consistency : this.#caller.header(name);
  }
}

const notHeld = 'this node has no copy of it';

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
