/**
 * One node's memory, durable: the write-ahead log and the memory store, meeting.
 *
 * ```text
 * store(draft) -> check -> append to the log -> (fdatasync) -> apply to the store -> answer
 * recall(cue)  -> the store, at once
 * ```
 *
 * The log is what was promised; the store is what the log has been applied to. A crash between the two is
 * repaired at the next start by applying the rest of the log.
 */
import { performance } from 'node:perf_hooks';
import {
  assert,
  EngramError,
  HybridClock,
  UlidFactory,
  type Hlc,
  type MemoryId,
  type NodeId,
  type Random,
  type SpaceId,
} from '@engram/kernel';
import {
  ackLevels,
  decodeOperation,
  encodeOperation,
  openMemoryStore,
  type Backlog,
  type Memory,
  type IdempotencyRecord,
  type LoggedOperation,
  type MemoryStore,
  type MemoryStoreOptions,
  type Operation,
  type SpacePolicy,
  type SpaceSummary,
  type StoreStatus,
} from '@engram/memory';
import { DEFAULT_PARTITIONS, partitionOf } from '@engram/placement';
import { openWriteAheadLog, type LogEntry, type Lsn, type WalOptions, type WriteAheadLog } from '@engram/replication';
import { openDataDirectory, type DataDirectory } from './data-directory.js';
import { completeDraft, fingerprintOf, sameMemory, type MemoryDraft } from './draft.js';
import { gatherRecall, type RecallAnswer, type RecallRequest } from './gather-recall.js';
import { PartitionSequences } from './partition-sequences.js';

export { ackLevels };
export type AckLevel = (typeof ackLevels)[number];

/** What an answer says about how safe a write is. A single node has one copy and only the level `local`. */
export interface Durability {
  readonly requested: AckLevel;
  readonly reached: AckLevel;
  readonly copies: number;
}

export interface WriteOptions {
  /** @default 'local' */
  readonly ack?: AckLevel;
  /** 1 to 255 printable ASCII characters; the same key with the same draft within 24 h stores once. */
  readonly idempotencyKey?: string;
}

export interface StoreResult {
  readonly outcome: 'stored' | 'already-stored';
  readonly memory: Memory;
  readonly durability: Durability;
}

export type BatchResult = StoreResult | { readonly outcome: 'refused'; readonly error: EngramError };

export interface ListRequest {
  readonly tag?: string;
  readonly limit: number;
  /** Exclusive: the last id of the page before. */
  readonly after?: MemoryId;
}

export interface EngineOptions {
  readonly dataDirectory: string;
  /** Kept from the first start on. Made up when neither given nor on disk. */
  readonly nodeId?: NodeId;
  readonly version: string;
  readonly random: Random;
  readonly wallClockMs: () => number;
  readonly wal?: Omit<WalOptions, 'directory'>;
  readonly memory?: Omit<MemoryStoreOptions, 'directory'>;
  /** How often the store is flushed so that the log can be cut. @default 5000 */
  readonly checkpointEveryMs?: number;
  readonly log?: EngineLog;
}

/** The part of a pino logger that the engine uses. */
export interface EngineLog {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}

export interface EngineStatus {
  readonly nodeId: NodeId;
  readonly version: string;
  readonly dataDirectory: string;
  readonly startedAtMs: number;
  readonly uptimeMs: number;
  readonly health: EngineHealth;
  readonly memories: number;
  readonly spaces: number;
  readonly log: ReturnType<WriteAheadLog['status']>;
  readonly store: StoreStatus & {
    /** Bytes of the memories as encoded. */
    readonly bytes: number;
    /** Applied and readable, but not yet committed; the log has it. */
    readonly backlog: Backlog;
  };
  readonly appliedLsn: number;
  readonly durableAppliedLsn: number;
}

export interface EngineHealth {
  readonly status: 'healthy' | 'degraded' | 'failed';
  readonly reasons: readonly string[];
}

/** Single-node writes all carry the first epoch; promotion in a cluster opens later ones. */
const FIRST_EPOCH = 1;
const IDEMPOTENCY_MS = 24 * 60 * 60 * 1000;
const REPLAY_BATCH = 1024;

/** A write that passed every check and may be appended, or the reason why there is nothing to append. */
type Prepared =
  | { readonly kind: 'append'; readonly write: Write }
  | { readonly kind: 'settled'; readonly memory: Memory }
  | { readonly kind: 'wait'; readonly until: Promise<void> };

interface Write {
  readonly space: SpaceId;
  readonly operation: Operation;
  /** Names under which others must wait for this write: its id, its idempotency key, the space's first vector. */
  readonly claims: readonly string[];
}

/**
 * Opens a node's memory: takes the data directory, recovers the log, applies what the store has not seen.
 *
 * @throws EngramError `data_directory_locked`, `log_damaged`, `store_damaged`, `invalid_config`. Leaves the data as it was.
 */
export async function openEngine(options: EngineOptions): Promise<Engine> {
  const directory = await openDataDirectory(options.dataDirectory, options.nodeId, options.random.fork('node-id'));
  try {
    const log = await openWriteAheadLog({ ...options.wal, directory: directory.walPath });
    try {
      const store = await openMemoryStore({ ...options.memory, directory: directory.storePath });
      try {
        await replay(log, store, options.log);
        return new Engine(options, directory, log, store);
      } catch (error) {
        await store.close();
        throw error;
      }
    } catch (error) {
      await log.close();
      throw error;
    }
  } catch (error) {
    await directory.release();
    throw error;
  }
}

/** Applies every durable entry the store has not seen. The two must fit without a gap. */
async function replay(log: WriteAheadLog, store: MemoryStore, logger: EngineLog | undefined): Promise<void> {
  const { firstLsn, nextLsn, tornTail } = log.recovery;
  if (tornTail) {
    logger?.warn({ ...tornTail }, 'cut off a torn log tail: a write that was never acknowledged');
  }
  const applied = store.applied.lsn;
  if (applied + 1 < firstLsn) {
    throw new EngramError(
      'store_damaged',
      `The store has applied the log up to entry ${applied}, but the log begins at entry ${firstLsn}: the entries between are in neither.`,
      { hint: 'The store directory was removed or replaced. Put it back, or restore the whole data directory from a backup.' },
    );
  }
  if (applied >= nextLsn) {
    throw new EngramError(
      'log_damaged',
      `The store has applied the log up to entry ${applied}, but the log ends before entry ${nextLsn}: acknowledged entries are missing from it.`,
      { hint: 'The log directory was removed or replaced. Put it back, or restore the whole data directory from a backup.' },
    );
  }
  let batch: LoggedOperation[] = [];
  let entries = 0;
  for await (const { lsn, entry } of log.read((applied + 1) as typeof firstLsn)) {
    batch.push(appliedEntry(lsn, entry, decodeOperation(entry.payload)));
    entries += 1;
    if (batch.length === REPLAY_BATCH) {
      store.apply(batch);
      batch = [];
      // Replay can be far faster than the disk: wait for it rather than hold everything in memory.
      if (store.backlog().saturated) await store.flush();
    }
  }
  if (batch.length > 0) store.apply(batch);
  if (entries > 0) logger?.info({ entries }, 'applied the log entries that the store had not seen');
}

function appliedEntry(lsn: number, entry: LogEntry, operation: Operation): LoggedOperation {
  return { lsn, hlc: entry.hlc, partition: entry.partition, epoch: entry.epoch, seq: entry.seq, operation };
}

export class Engine {
  readonly nodeId: NodeId;
  readonly version: string;
  readonly dataDirectory: string;

  readonly #wallClockMs: () => number;
  readonly #logger: EngineLog | undefined;
  readonly #directory: DataDirectory;
  readonly #log: WriteAheadLog;
  readonly #store: MemoryStore;
  readonly #clock: HybridClock;
  readonly #ulids: UlidFactory;
  readonly #sequences: PartitionSequences;
  /** Writes on their way through the log, which the store cannot know yet, by claim. Bounded by the log's queue. */
  readonly #inFlight = new Map<string, Promise<void>>();
  readonly #startedAtMs: number;
  readonly #startedAt = performance.now();
  readonly #checkpointTimer: NodeJS.Timeout;
  #checkpointing: Promise<void> | undefined;
  #checkpointed = 0;
  #failure: string | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: EngineOptions, directory: DataDirectory, log: WriteAheadLog, store: MemoryStore) {
    this.#wallClockMs = options.wallClockMs;
    this.#logger = options.log;
    this.#directory = directory;
    this.#log = log;
    this.#store = store;
    this.nodeId = directory.nodeId;
    this.version = options.version;
    this.dataDirectory = directory.path;
    this.#startedAtMs = options.wallClockMs();
    // The log is the clock's persisted high-water mark: nobody sees a stamp before its entry is durable.
    const stored = store.applied.hlc as Hlc;
    const logged = log.recovery.hlcHighWater;
    this.#clock = new HybridClock({ highWater: logged > stored ? logged : stored });
    this.#ulids = new UlidFactory(options.random.fork('memory-ids'));
    this.#sequences = new PartitionSequences(store.applied.partitions);
    this.#checkpointTimer = setInterval(() => void this.checkpoint(), options.checkpointEveryMs ?? 5_000);
    this.#checkpointTimer.unref();
  }

  /**
   * Stores one memory durably.
   *
   * @throws EngramError `invalid_argument`, `id_conflict`, `id_forgotten`, `idempotency_conflict`,
   *   `embedding_dimension_mismatch`, `capacity_exhausted`, `disk_full`, `overloaded`, `log_failed`, `shutting_down`.
   *   Nothing was stored, except that after `log_failed` the write may still turn out to be there.
   */
  async store(draft: MemoryDraft, options: WriteOptions = {}): Promise<StoreResult> {
    const durability = reachLocal(options.ack);
    for (;;) {
      const prepared = this.#prepare(draft, options.idempotencyKey);
      switch (prepared.kind) {
        case 'settled':
          return { outcome: 'already-stored', memory: prepared.memory, durability };
        case 'wait':
          await prepared.until;
          break;
        case 'append':
          await this.#commit([prepared.write], this.#claim([prepared.write]));
          return { outcome: 'stored', memory: storedBy(prepared.write), durability };
      }
    }
  }

  /** Stores many memories in one trip to the disk. Each item has its own result, in order; one's refusal stops no other. */
  async storeBatch(drafts: readonly MemoryDraft[], options: WriteOptions = {}): Promise<readonly BatchResult[]> {
    const durability = reachLocal(options.ack);
    const results = new Array<BatchResult>(drafts.length);
    const writes: { readonly index: number; readonly write: Write; readonly release: () => void }[] = [];
    const later: number[] = [];
    for (const [index, draft] of drafts.entries()) {
      try {
        const prepared = this.#prepare(draft, itemKey(options.idempotencyKey, index));
        if (prepared.kind === 'settled') results[index] = { outcome: 'already-stored', memory: prepared.memory, durability };
        else if (prepared.kind === 'wait') later.push(index);
        else writes.push({ index, write: prepared.write, release: this.#claim([prepared.write]) });
      } catch (error) {
        results[index] = refusal(error);
      }
    }
    if (writes.length > 0) {
      const outcome = await this.#commit(
        writes.map(({ write }) => write),
        () => writes.forEach(({ release }) => release()),
      ).catch(refusal);
      for (const { index, write } of writes) results[index] = outcome ?? { outcome: 'stored', memory: storedBy(write), durability };
    }
    // An item that met its own id or key, in this batch or in another request, is decided once that one has landed.
    for (const index of later) {
      const idempotencyKey = itemKey(options.idempotencyKey, index);
      results[index] = await this.store(drafts[index]!, idempotencyKey === undefined ? options : { ...options, idempotencyKey }).catch(refusal);
    }
    return results;
  }

  /**
   * Forgets a memory for good: its content goes, a tombstone stays. Forgetting it again is answered the same way.
   *
   * @throws EngramError `space_not_found`, `memory_not_found`, and what a write can meet (see `store`).
   */
  async forget(space: SpaceId, id: MemoryId, options: WriteOptions = {}): Promise<{ readonly durability: Durability }> {
    const durability = reachLocal(options.ack);
    for (;;) {
      this.#checkOpen();
      const pending = this.#inFlight.get(idClaim(space, id));
      if (pending) {
        await pending;
        continue;
      }
      this.#checkSpace(space);
      const found = this.#store.lookup(space, id);
      if (found.kind === 'forgotten') return { durability };
      if (found.kind === 'absent') throw memoryNotFound(space, id);
      const write: Write = {
        space,
        operation: { kind: 'forget', space, id, atMs: this.#wallClockMs() },
        claims: [idClaim(space, id)],
      };
      await this.#commit([write], this.#claim([write]));
      return { durability };
    }
  }

  /** @throws EngramError `space_not_found`, `memory_not_found` (also when it was forgotten), `shutting_down`. */
  get(space: SpaceId, id: MemoryId): Memory {
    this.#checkReadable();
    this.#checkSpace(space);
    const found = this.#store.lookup(space, id);
    if (found.kind !== 'memory') throw memoryNotFound(space, id);
    return found.memory;
  }

  /** One page of a space in id order. @throws EngramError `space_not_found`, `shutting_down`. */
  list(space: SpaceId, request: ListRequest): { readonly memories: readonly Memory[]; readonly next?: MemoryId } {
    this.#checkReadable();
    this.#checkSpace(space);
    return this.#store.list(space, request);
  }

  /** @throws EngramError `invalid_argument`, `space_not_found`, `embedding_dimension_mismatch`, `shutting_down`. */
  recall(request: RecallRequest): RecallAnswer {
    this.#checkReadable();
    const spaces = request.spaces === '*' ? this.spaces().map(({ space }) => space) : [...new Set(request.spaces)];
    for (const space of spaces) this.#checkSpace(space);
    return gatherRecall(this.#store, spaces, request, () => performance.now());
  }

  spaces(): readonly SpaceSummary[] {
    this.#checkReadable();
    return this.#store.spaces();
  }

  /** @throws EngramError `space_not_found`. */
  space(space: SpaceId): SpaceSummary {
    this.#checkReadable();
    const summary = this.#store.space(space);
    if (!summary) throw spaceNotFound(space);
    return summary;
  }

  /** Sets a space's policy, making the space when it is new. @throws EngramError what a write can meet (see `store`). */
  async setSpacePolicy(space: SpaceId, policy: SpacePolicy): Promise<SpaceSummary> {
    this.#checkOpen();
    if (policy.ack !== undefined) reachLocal(policy.ack);
    const write: Write = { space, operation: { kind: 'set-space-policy', space, policy }, claims: [] };
    this.#store.admit(write.operation);
    await this.#commit([write], () => undefined);
    return this.space(space);
  }

  /** Whether this node does its work: `failed` acknowledges no writes, `degraded` refuses them for now. */
  health(): EngineHealth {
    const log = this.#log.status();
    const store = this.#store.status();
    const reasons: string[] = [];
    if (this.#failure) reasons.push(this.#failure);
    if (log.state === 'failed') reasons.push(`the write-ahead log failed: ${log.reason ?? 'unknown reason'}; restart the node once the disk is sound`);
    if (store.state === 'failed') reasons.push(`the store failed: ${store.reason}; acknowledged writes are safe in the log, restart the node once the disk is sound`);
    if (reasons.length > 0) return { status: 'failed', reasons };
    if (log.state === 'full') reasons.push(`the disk is full: ${log.reason ?? 'no space left'}; writes resume when space returns`);
    if (store.state === 'stalled') reasons.push(`the store cannot commit: ${store.reason}; acknowledged writes stay safe in the log`);
    return { status: reasons.length > 0 ? 'degraded' : 'healthy', reasons };
  }

  /** Whether requests should be sent here. Reads are served through a full disk, so that alone is no reason to stay away. */
  ready(): { readonly ready: boolean; readonly reasons: readonly string[] } {
    if (this.#closing) return { ready: false, reasons: ['the node is shutting down'] };
    const { status, reasons } = this.health();
    return { ready: status !== 'failed', reasons };
  }

  status(): EngineStatus {
    const summaries = this.#store.spaces();
    return {
      nodeId: this.nodeId,
      version: this.version,
      dataDirectory: this.dataDirectory,
      startedAtMs: this.#startedAtMs,
      uptimeMs: Math.round(performance.now() - this.#startedAt),
      health: this.health(),
      memories: summaries.reduce((sum, { memories }) => sum + memories, 0),
      spaces: summaries.length,
      log: this.#log.status(),
      store: {
        ...this.#store.status(),
        bytes: summaries.reduce((sum, { bytes }) => sum + bytes, 0),
        backlog: this.#store.backlog(),
      },
      appliedLsn: this.#store.applied.lsn,
      durableAppliedLsn: this.#store.durableApplied,
    };
  }

  /** Makes the store durable up to here and lets the log be cut. Never throws: the log keeps what the store could not. */
  checkpoint(): Promise<void> {
    this.#checkpointing ??= this.#runCheckpoint().finally(() => (this.#checkpointing = undefined));
    return this.#checkpointing;
  }

  /** Stops taking writes, finishes those under way, makes the store durable, gives the data directory up. */
  close(): Promise<void> {
    this.#closing ??= this.#runClose();
    return this.#closing;
  }

  async #runClose(): Promise<void> {
    clearInterval(this.#checkpointTimer);
    await Promise.all(this.#inFlight.values());
    await this.checkpoint();
    await this.#log.close();
    await this.#store.close();
    await this.#directory.release();
  }

  async #runCheckpoint(): Promise<void> {
    if (this.#store.applied.lsn === this.#checkpointed) return;
    try {
      await this.#store.flush();
      const durable = this.#store.durableApplied;
      await this.#log.checkpoint(durable as Lsn);
      this.#checkpointed = durable;
    } catch (error) {
      this.#logger?.warn({ err: error }, 'the checkpoint has to wait; the log keeps every entry until it succeeds');
    }
  }

  /** Decides what storing a draft means right now. Changes nothing. */
  #prepare(draft: MemoryDraft, idempotencyKey: string | undefined): Prepared {
    this.#checkOpen();
    const nowMs = this.#wallClockMs();
    // First of all, so that nothing below meets a draft that breaks the rules.
    const memory = completeDraft(draft, draft.id ?? this.#ulids.next(nowMs), nowMs);
    const claims: string[] = [];
    let idempotency: Extract<Operation, { kind: 'store' }>['idempotency'];
    if (idempotencyKey !== undefined) {
      const key = `${draft.space}/${idempotencyKey}`;
      const pending = this.#inFlight.get(keyClaim(key));
      if (pending) return { kind: 'wait', until: pending };
      const fingerprint = fingerprintOf(draft);
      const earlier = this.#store.idempotent(key, nowMs);
      if (earlier) return this.#answerAgain(draft, fingerprint, earlier);
      claims.push(keyClaim(key));
      idempotency = { key, fingerprint, expiresAtMs: nowMs + IDEMPOTENCY_MS };
    }
    if (draft.id !== undefined) {
      const pending = this.#inFlight.get(idClaim(draft.space, draft.id));
      if (pending) return { kind: 'wait', until: pending };
      const found = this.#store.lookup(draft.space, draft.id);
      if (found.kind === 'forgotten') throw idForgotten(draft.space, draft.id);
      if (found.kind === 'memory') {
        if (sameMemory(found.memory, draft)) return { kind: 'settled', memory: found.memory };
        throw idConflict(draft.space, draft.id);
      }
    }
    claims.push(idClaim(memory.space, memory.id));
    if (memory.embedding && this.#store.space(memory.space)?.dimension === undefined) {
      // The first vector fixes the dimension, so a second one waits until it is known which that is.
      const pending = this.#inFlight.get(vectorClaim(memory.space));
      if (pending) return { kind: 'wait', until: pending };
      claims.push(vectorClaim(memory.space));
    }
    const operation: Operation = idempotency ? { kind: 'store', memory, idempotency } : { kind: 'store', memory };
    this.#store.admit(operation);
    return { kind: 'append', write: { space: memory.space, operation, claims } };
  }

  /** A key that was used before: the same draft gets the same answer, another draft is refused. */
  #answerAgain(draft: MemoryDraft, fingerprint: string, earlier: IdempotencyRecord): Prepared {
    const [result] = earlier.results;
    if (earlier.fingerprint !== fingerprint || !result) throw idempotencyConflict();
    const found = this.#store.lookup(draft.space, result.id);
    if (found.kind !== 'memory') throw idForgotten(draft.space, result.id);
    return { kind: 'settled', memory: found.memory };
  }

  /** Makes others wait for these writes until the returned function is called. */
  #claim(writes: readonly Write[]): () => void {
    let settle!: () => void;
    const settled = new Promise<void>((resolve) => (settle = resolve));
    const claims = writes.flatMap((write) => write.claims);
    for (const claim of claims) this.#inFlight.set(claim, settled);
    return () => {
      for (const claim of claims) this.#inFlight.delete(claim);
      settle();
    };
  }

  /** Through the log, then into the store. Returns once the writes are durable and visible. */
  async #commit(writes: readonly Write[], release: () => void): Promise<undefined> {
    try {
      const entries = this.#sequences.number(writes.map((write) => this.#entryOf(write)));
      const appended = await this.#log.append(entries).catch((error: unknown) => {
        this.#sequences.refused(entries);
        throw error;
      });
      this.#sequences.accepted(entries);
      this.#apply(appended.first, entries, writes);
    } finally {
      release();
    }
  }

  #entryOf(write: Write): Omit<LogEntry, 'seq'> {
    return {
      partition: partitionOf(write.space, DEFAULT_PARTITIONS),
      epoch: FIRST_EPOCH,
      hlc: this.#clock.tick(this.#wallClockMs()),
      origin: this.nodeId,
      payload: encodeOperation(write.operation),
    };
  }

  #apply(first: Lsn, entries: readonly LogEntry[], writes: readonly Write[]): void {
    try {
      // The log answers in the order of its entries; were it ever not so, an entry would be skipped as already applied.
      assert(first === this.#store.applied.lsn + 1, 'entries are applied in log order', { first, applied: this.#store.applied.lsn });
      this.#store.apply(entries.map((entry, index) => appliedEntry(first + index, entry, writes[index]!.operation)));
    } catch (error) {
      // What is durable but not applied would be missing from every answer: stop here, a restart applies it from the log.
      this.#failure = `an acknowledged entry could not be applied: ${(error as Error).message}; restart the node to apply it from the log`;
      this.#logger?.error({ err: error, lsn: first }, 'the store refused a durable entry; this node takes no more writes');
      throw error;
    }
  }

  #checkReadable(): void {
    if (this.#closing) throw shuttingDown();
  }

  #checkOpen(): void {
    if (this.#closing) throw shuttingDown();
    if (this.#failure) {
      throw new EngramError('log_failed', `This node takes no more writes: ${this.#failure}.`, { hint: 'Restart the node; reads are still served.' });
    }
    if (this.#store.backlog().saturated) {
      throw new EngramError('overloaded', 'The store is behind the log by as much as it may be.', { hint: 'Try again in a moment.' });
    }
  }

  #checkSpace(space: SpaceId): void {
    if (!this.#store.space(space)) throw spaceNotFound(space);
  }
}

function idClaim(space: SpaceId, id: MemoryId): string {
  return `id:${space}/${id}`;
}

function keyClaim(key: string): string {
  return `key:${key}`;
}

function vectorClaim(space: SpaceId): string {
  return `vector:${space}`;
}

/** Each item of a batch under one idempotency key has a key of its own, so that a repeated batch repeats item by item. */
function itemKey(key: string | undefined, index: number): string | undefined {
  return key === undefined ? undefined : `${key}#${index}`;
}

function storedBy(write: Write): Memory {
  assert(write.operation.kind === 'store', 'only a store yields a memory');
  return write.operation.memory;
}

function reachLocal(requested: AckLevel = 'local'): Durability {
  if (requested !== 'local') {
    throw new EngramError('invalid_argument', `ack=${requested} needs copies on other nodes, and this is a single node.`, {
      hint: 'Use ack=local, or leave it out: the answer then says what was reached.',
      details: { field: 'ack' },
    });
  }
  return { requested, reached: 'local', copies: 1 };
}

function refusal(error: unknown): { readonly outcome: 'refused'; readonly error: EngramError } {
  const expected = error instanceof EngramError ? error : new EngramError('internal', 'The item failed for a reason nobody foresaw.', { cause: error });
  return { outcome: 'refused', error: expected };
}

function shuttingDown(): EngramError {
  return new EngramError('shutting_down', 'This node is shutting down.', { hint: 'Try again when it is back.' });
}

function spaceNotFound(space: SpaceId): EngramError {
  return new EngramError('space_not_found', `There is no memory space ${space} here.`, {
    hint: 'A space comes into being with the first memory stored in it. GET /api/v1/spaces lists those that exist.',
    details: { space },
  });
}

function memoryNotFound(space: SpaceId, id: MemoryId): EngramError {
  return new EngramError('memory_not_found', `There is no memory ${id} in space ${space}.`, {
    hint: 'Check the id and the space; a memory that was forgotten does not come back.',
    details: { space, id },
  });
}

function idForgotten(space: SpaceId, id: MemoryId): EngramError {
  return new EngramError('id_forgotten', `The memory ${id} of space ${space} was forgotten; its id cannot be used again.`, {
    hint: 'Store it under a new id, or leave the id out.',
    details: { space, id },
  });
}

function idConflict(space: SpaceId, id: MemoryId): EngramError {
  return new EngramError('id_conflict', `Space ${space} already holds another memory under the id ${id}.`, {
    hint: 'Memories are immutable: store the new one under a new id, or forget the old one.',
    details: { space, id },
  });
}

function idempotencyConflict(): EngramError {
  return new EngramError('idempotency_conflict', 'This Idempotency-Key was used for another memory within the last 24 hours.', {
    hint: 'Repeat a request with its own key and unchanged body, and use a new key for each new memory.',
  });
}
