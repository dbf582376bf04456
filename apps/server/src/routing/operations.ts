/** What clients can ask of the memory, whoever answers: the engine of this node, or a router in front of it. */
import type { MemoryId, SpaceId } from '@engram/kernel';
import type { Memory, SpacePolicy, SpaceSummary } from '@engram/memory';
import type { BatchResult, Durability, ListRequest, MemoryDraft, RecallAnswer, RecallRequest, StoreResult, WriteOptions } from '../engine/index.js';
import type { Consistency } from './route.js';

type Awaitable<Result> = Result | Promise<Result>;

/** What a reader may say beyond what one engine needs to know. */
export interface ReadWishes {
  /** Which copies may answer. @default the header `x-engram-consistency`, else `primary` */
  readonly consistency?: Consistency | undefined;
  /** Whether the vectors are wanted; without them an answer from another node may leave them out. @default false */
  readonly embeddings?: boolean | undefined;
}

/** The engine fits this interface, and so does a router that passes on what the engine cannot answer. Errors are the engine's. */
export interface MemoryOperations {
  /**
   * With it in `x-engram-session` the client reads what was written through these operations, and what it had written
   * before. Undefined while nothing was, and on a node that runs alone.
   */
  readonly session?: string | undefined;
  store(draft: MemoryDraft, options?: WriteOptions): Promise<StoreResult>;
  storeBatch(drafts: readonly MemoryDraft[], options?: WriteOptions): Promise<readonly BatchResult[]>;
  forget(space: SpaceId, id: MemoryId, options?: WriteOptions): Promise<{ readonly durability: Durability }>;
  get(space: SpaceId, id: MemoryId): Awaitable<Memory>;
  list(space: SpaceId, request: ListRequest & ReadWishes): Awaitable<{ readonly memories: readonly Memory[]; readonly next?: MemoryId }>;
  recall(request: RecallRequest & ReadWishes): Awaitable<RecallAnswer>;
  spaces(): Awaitable<readonly SpaceSummary[]>;
  space(space: SpaceId): Awaitable<SpaceSummary>;
  setSpacePolicy(space: SpaceId, policy: SpacePolicy): Promise<{ readonly summary: SpaceSummary; readonly durability: Durability }>;
}

/** What is known of a request beside what it asks for. The call context of gRPC is one. */
export interface Caller {
  /** Reads a header, or a key of metadata; names are in lower case. */
  header(name: string): string | undefined;
  /** Time until nobody waits for the answer any more, in milliseconds; infinite when nobody said. */
  remainingMs(): number;
  /** Id of the request in the logs of this node. */
  readonly requestId: string;
  /** Aborts when the client goes away. */
  readonly signal?: AbortSignal;
}

/** Gives the operations as they are for one request. */
export type OperationsFor = (caller: Caller) => MemoryOperations;
