/**
 * One node's memory, durable: the write-ahead log and the memory store, meeting.
 *
 * ```text
 * store(draft) -> check -> the journal: append to the log (fdatasync), ship to copies, apply to the store -> answer
 * recall(cue)  -> the store, at once
 * ```
 *
 * The log is what was promised; the store is what the log has been applied to. A crash between the two is
 * repaired at the next start by applying the rest of the log.
 */
import { performance } from 'node:perf_hooks';
import { assert, EngramError, HybridClock, hlcPhysicalMs, UlidFactory, type Hlc, type MemoryId, type NodeId, type SpaceId } from '@engram/kernel';
import { encodeOperation, openMemoryStore, type IdempotencyRecord, type LoggedOperation, type Memory, type MemoryStore, type Operation, type SpacePolicy, type SpaceSummary } from '@engram/memory';
import { openWriteAheadLog, type Lsn, type WriteAheadLog } from '@engram/replication';
import { Claims, idClaim, keyClaim, policyClaim, vectorClaim } from './claims.js';
import { openDataDirectory, type DataDirectory } from './data-directory.js';
import { completeDraft, fingerprintOf, sameMemory, type MemoryDraft } from './draft.js';
import { idOfRequest } from './request-id.js';
import type { AckLevel, BatchResult, Durability, EngineHealth, EngineLog, EngineOptions, EngineStatus, ListRequest, StoreResult, WriteOptions } from './engine-types.js';
import { gatherRecall, type RecallAnswer, type RecallRequest } from './gather-recall.js';
import { healthOf } from './health.js';
import { itemKey } from './idempotency-key.js';
import type { Journal, JournalFactory, JournalWrite } from './journal.js';
import { LocalJournal } from './local-journal.js';
import { idConflict, idempotencyConflict, idForgotten, memoryNotFound, refusal, shuttingDown, spaceNotFound, writesHeld } from './refusals.js';
import { replay } from './replay.js';
import { SpacePartitions } from './space-partitions.js';

const IDEMPOTENCY_MS = 24 * 60 * 60 * 1000;
/** A batch goes to the log in parts of at most this many bytes and entries, which any configured group can hold. */
const PART_BYTES_MAX = 2 * 1024 * 1024;
const PART_ENTRIES_MAX = 4_096;

/** A write that passed every check and may be appended, or the reason why there is nothing to append. */
type Prepared =
  | { readonly kind: 'append'; readonly write: Write }
  | { readonly kind: 'settled'; readonly memory: Memory }
  | { readonly kind: 'wait'; readonly until: Promise<void> };

/** An item of a batch on its way to the log. */
interface AcceptedItem {
  readonly index: number;
  readonly write: Write;
  readonly release: () => void;
}

interface Write {
  readonly space: SpaceId;
  readonly operation: Operation;
  /** The operation as the log carries it. */
  readonly payload: Uint8Array;
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
    // The store first: what it has applied was durable, so the log can tell a lost end from one that a crash tore.
    const store = await openMemoryStore({ ...options.memory, directory: directory.storePath });
    try {
      const log = await openWriteAheadLog({ ...options.wal, directory: directory.walPath, knownDurableLsn: store.applied.lsn });
      try {
        await replay(log, store, options.log);
        const engine = new Engine(options, directory, log, store);
        await engine.openJournal(options.journal ?? ((parts) => new LocalJournal(parts)));
        return engine;
      } catch (error) {
        await log.close();
        throw error;
      }
    } catch (error) {
      await store.close();
      throw error;
    }
  } catch (error) {
    await directory.release();
    throw error;
  }
}

export class Engine {
  readonly nodeId: NodeId;
  readonly version: string;
  readonly dataDirectory: string;
  /** How long a recall may take that names no time itself. */
  readonly recallTimeoutMs: number;

  readonly #wallClockMs: () => number;
  readonly #logger: EngineLog | undefined;
  readonly #directory: DataDirectory;
  readonly #log: WriteAheadLog;
  readonly #store: MemoryStore;
  readonly #clock: HybridClock;
  readonly #ulids: UlidFactory;
  readonly #partitions: SpacePartitions;
  readonly #claims = new Claims();
  readonly #startedAtMs: number;
  readonly #startedAt = performance.now();
  readonly #checkpointTimer: NodeJS.Timeout;
  #journal!: Journal;
  #checkpointing: Promise<void> | undefined;
  #checkpointed = 0;
  #failure: string | undefined;
  #writesHeld: () => string | undefined = () => undefined;
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
    this.recallTimeoutMs = options.recallTimeoutMs ?? 5_000;
    this.#startedAtMs = options.wallClockMs();
    this.#partitions = new SpacePartitions(options.partitions);
    // The log is the clock's persisted high-water mark: nobody sees a stamp before its entry is durable.
    const stored = store.applied.hlc as Hlc;
    const logged = log.recovery.hlcHighWater;
    this.#clock = new HybridClock({ highWater: logged > stored ? logged : stored });
    this.#ulids = new UlidFactory(options.random.fork('memory-ids'));
    this.#checkpointTimer = setInterval(() => void this.checkpoint(), options.checkpointEveryMs ?? 5_000);
    this.#checkpointTimer.unref();
  }

  /** Called once, before anything else. */
  async openJournal(factory: JournalFactory): Promise<void> {
    this.#journal = await factory({
      nodeId: this.nodeId,
      log: this.#log,
      store: this.#store,
      apply: (entries) => this.#apply(entries),
      observe: (hlc) => void this.#clock.observe(hlc, this.#wallClockMs()),
    });
  }

  /**
   * Stores one memory durably.
   *
   * @throws EngramError `invalid_argument`, `id_conflict`, `id_forgotten`, `idempotency_conflict`,
   *   `embedding_dimension_mismatch`, `capacity_exhausted`, `disk_full`, `overloaded`, `log_failed`, `shutting_down`.
   *   Nothing was stored, except that after `log_failed` the write may still turn out to be there.
   */
  async store(draft: MemoryDraft, options: WriteOptions = {}): Promise<StoreResult> {
    const level = this.#levelOf(draft.space, options.ack);
    for (;;) {
      const prepared = this.#prepare(draft, options.idempotencyKey);
      switch (prepared.kind) {
        case 'settled':
          return { outcome: 'already-stored', memory: prepared.memory, durability: await this.#confirm(draft.space, level) };
        case 'wait':
          await prepared.until;
          break;
        case 'append': {
          const durability = await this.#commit([prepared.write], level, this.#claims.hold(prepared.write.claims));
          return { outcome: 'stored', memory: storedBy(prepared.write), durability };
        }
      }
    }
  }

  /** Stores many memories in one trip to the disk. Each item has its own result, in order; one's refusal stops no other. */
  async storeBatch(drafts: readonly MemoryDraft[], options: WriteOptions = {}): Promise<readonly BatchResult[]> {
    if (options.ack !== undefined) this.#journal.checkLevel(options.ack);
    const results = new Array<BatchResult>(drafts.length);
    const accepted: AcceptedItem[] = [];
    const later: number[] = [];
    for (const [index, draft] of drafts.entries()) {
      try {
        const prepared = this.#prepare(draft, itemKey(options.idempotencyKey, index));
        // What is there already is confirmed in its turn, like what has to wait.
        if (prepared.kind === 'settled' || prepared.kind === 'wait') later.push(index);
        else accepted.push({ index, write: prepared.write, release: this.#claims.hold(prepared.write.claims) });
      } catch (error) {
        results[index] = refusal(error);
      }
    }
    await Promise.all(
      inParts(accepted).map(async (part) => {
        const level = this.#levelOf(part[0]!.write.space, options.ack);
        const settled = await this.#commit(part.map(({ write }) => write), level, () => part.forEach(({ release }) => release())).catch(refusal);
        for (const { index, write } of part) results[index] = 'outcome' in settled ? settled : { outcome: 'stored', memory: storedBy(write), durability: settled };
      }),
    );
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
    const level = this.#levelOf(space, options.ack);
    for (;;) {
      this.#checkOpen();
      const pending = this.#claims.heldOn(idClaim(id));
      if (pending) {
        await pending;
        continue;
      }
      this.#journal.checkWritable(this.#partitions.of(space));
      this.#checkSpace(space);
      const found = this.#store.lookup(space, id);
      if (found.kind === 'forgotten') return { durability: await this.#confirm(space, level) };
      if (found.kind === 'absent') throw memoryNotFound(space, id);
      const write = writeOf(space, { kind: 'forget', space, id, atMs: this.#wallClockMs() }, [idClaim(id)]);
      return { durability: await this.#commit([write], level, this.#claims.hold(write.claims)) };
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
    return gatherRecall(this.#store, spaces, { timeoutMs: this.recallTimeoutMs, ...request }, (space) => this.#partitions.of(space), () => performance.now());
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
  async setSpacePolicy(space: SpaceId, policy: SpacePolicy): Promise<{ readonly summary: SpaceSummary; readonly durability: Durability }> {
    this.#checkOpen();
    if (policy.ack !== undefined) this.#journal.checkLevel(policy.ack);
    this.#journal.checkWritable(this.#partitions.of(space));
    const level = this.#levelOf(space, undefined);
    const write = writeOf(space, { kind: 'set-space-policy', space, policy }, [policyClaim(space)]);
    this.#store.admit(write.operation);
    for (let pending = this.#claims.heldOn(policyClaim(space)); pending; pending = this.#claims.heldOn(policyClaim(space))) await pending;
    const durability = await this.#commit([write], level, this.#claims.hold(write.claims));
    return { summary: this.space(space), durability };
  }

  /** Refuses writes for as long as `reason` gives one: a node that should belong to a cluster takes none before it does. */
  holdWritesWhile(reason: () => string | undefined): void {
    this.#writesHeld = reason;
  }

  /** Whether this node does its work: `failed` acknowledges no writes, `degraded` refuses them for now. */
  health(): EngineHealth {
    return healthOf(this.#log.status(), this.#store.status(), this.#failure);
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
    await this.#claims.settled();
    await this.#journal.close();
    await this.checkpoint();
    // Each is closed whatever became of the one before; a store that cannot be flushed loses nothing that the log has.
    const outcomes = await Promise.allSettled([this.#log.close(), this.#store.close()]);
    await this.#directory.release();
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') this.#logger?.warn({ err: outcome.reason as unknown }, 'closing met an error; the log has every acknowledged write');
    }
  }

  async #runCheckpoint(): Promise<void> {
    if (this.#store.applied.lsn === this.#checkpointed) return;
    try {
      await this.#store.flush();
      const durable = this.#store.durableApplied;
      const needed = await this.#journal.retainFrom();
      await this.#log.checkpoint((needed === undefined ? durable : Math.min(durable, needed - 1)) as Lsn);
      this.#checkpointed = durable;
      this.#journal.trimmed();
    } catch (error) {
      this.#logger?.warn({ err: error }, 'the checkpoint has to wait; the log keeps every entry until it succeeds');
    }
  }

  /** Decides what storing a draft means right now. Changes nothing. */
  #prepare(draft: MemoryDraft, idempotencyKey: string | undefined): Prepared {
    this.#checkOpen();
    const nowMs = this.#wallClockMs();
    const keyed = idempotencyKey === undefined ? undefined : { key: idempotencyKey, fingerprint: fingerprintOf(draft) };
    const id = draft.id ?? this.#derivedId(draft.space, keyed);
    // Before anything is asked of the store, so that nothing below meets a draft that breaks the rules.
    const memory = completeDraft(draft, id ?? this.#nextId(nowMs), nowMs);
    this.#journal.checkWritable(this.#partitions.of(draft.space));
    const claims: string[] = [];
    let idempotency: Extract<Operation, { kind: 'store' }>['idempotency'];
    if (keyed) {
      const { fingerprint } = keyed;
      const key = `${draft.space}/${keyed.key}`;
      const pending = this.#claims.heldOn(keyClaim(key));
      if (pending) return { kind: 'wait', until: pending };
      const earlier = this.#store.idempotent(key, nowMs);
      if (earlier) return this.#answerAgain(draft, fingerprint, earlier);
      claims.push(keyClaim(key));
      idempotency = { key, fingerprint, expiresAtMs: nowMs + IDEMPOTENCY_MS };
    }
    if (id !== undefined) {
      const pending = this.#claims.heldOn(idClaim(id));
      if (pending) return { kind: 'wait', until: pending };
      const found = this.#store.lookup(draft.space, id);
      if (found.kind === 'forgotten') throw idForgotten(draft.space, id);
      if (found.kind === 'memory') {
        if (sameMemory(found.memory, draft)) return { kind: 'settled', memory: found.memory };
        throw idConflict(draft.space, id);
      }
    }
    claims.push(idClaim(memory.id));
    if (memory.embedding && this.#store.space(memory.space)?.dimension === undefined) {
      // The first vector fixes the dimension, so a second one waits until it is known which that is.
      const pending = this.#claims.heldOn(vectorClaim(memory.space));
      if (pending) return { kind: 'wait', until: pending };
      claims.push(vectorClaim(memory.space));
    }
    const operation: Operation = idempotency ? { kind: 'store', memory, idempotency } : { kind: 'store', memory };
    this.#store.admit(operation);
    return { kind: 'append', write: writeOf(memory.space, operation, claims) };
  }

  /**
   * Where another node may have stored the same request without our knowing, its idempotency key decides the id: then
   * both mean one memory, whenever they meet. Such ids do not sort by time.
   */
  #derivedId(space: SpaceId, keyed: { readonly key: string; readonly fingerprint: string } | undefined): MemoryId | undefined {
    return this.#journal.isShared && keyed ? idOfRequest(space, keyed.key, keyed.fingerprint) : undefined;
  }

  /** Never sorts before an id that was given out earlier, also by an earlier process whose clock was ahead. */
  #nextId(nowMs: number): MemoryId {
    return this.#ulids.next(Math.max(nowMs, hlcPhysicalMs(this.#clock.highWater())));
  }

  /** A key that was used before: the same draft gets the same answer, another draft is refused. */
  #answerAgain(draft: MemoryDraft, fingerprint: string, earlier: IdempotencyRecord): Prepared {
    const [result] = earlier.results;
    if (earlier.fingerprint !== fingerprint || !result) throw idempotencyConflict();
    const found = this.#store.lookup(draft.space, result.id);
    if (found.kind !== 'memory') throw idForgotten(draft.space, result.id);
    return { kind: 'settled', memory: found.memory };
  }

  /** Of the request, else of the space, else of the journal. */
  #levelOf(space: SpaceId, requested: AckLevel | undefined): AckLevel {
    const level = requested ?? this.#store.space(space)?.policy.ack ?? this.#journal.defaultLevel;
    this.#journal.checkLevel(level);
    return level;
  }

  /** Through the journal, all of one partition. Resolves once the writes are as durable as asked and visible. */
  async #commit(writes: readonly Write[], level: AckLevel, release: () => void): Promise<Durability> {
    try {
      return await this.#journal.write(writes.map((write) => this.#journalWriteOf(write)), level);
    } finally {
      release();
    }
  }

  #confirm(space: SpaceId, level: AckLevel): Promise<Durability> {
    return this.#journal.confirm(this.#partitions.of(space), level);
  }

  #journalWriteOf({ space, operation, payload }: Write): JournalWrite {
    return { partition: this.#partitions.of(space), hlc: this.#clock.tick(this.#wallClockMs()), payload, operation };
  }

  #apply(entries: readonly LoggedOperation[]): void {
    try {
      // The log answers in the order of its entries; were it ever not so, an entry would be skipped as already applied.
      const [first] = entries;
      assert(first === undefined || first.lsn === this.#store.applied.lsn + 1, 'entries are applied in log order', { first: first?.lsn, applied: this.#store.applied.lsn });
      this.#store.apply(entries);
    } catch (error) {
      // What is durable but not applied would be missing from every answer: stop here, a restart applies it from the log.
      this.#failure = `an acknowledged entry could not be applied: ${(error as Error).message}; restart the node to apply it from the log`;
      this.#logger?.error({ err: error, lsn: entries[0]?.lsn }, 'the store refused a durable entry; this node takes no more writes');
      throw error;
    }
  }

  #checkReadable(): void {
    if (this.#closing) throw shuttingDown();
  }

  #checkOpen(): void {
    if (this.#closing) throw shuttingDown();
    const held = this.#writesHeld();
    if (held !== undefined) throw writesHeld(held);
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

function writeOf(space: SpaceId, operation: Operation, claims: readonly string[]): Write {
  return { space, operation, claims, payload: encodeOperation(operation) };
}

/** Cuts a batch into parts of one space each that the log takes in one piece, keeping the order within a space. */
function inParts(items: readonly AcceptedItem[]): AcceptedItem[][] {
  const parts: AcceptedItem[][] = [];
  const open = new Map<SpaceId, { readonly part: AcceptedItem[]; room: number }>();
  for (const item of items) {
    const { space, payload: { byteLength } } = item.write;
    const last = open.get(space);
    if (!last || last.part.length === PART_ENTRIES_MAX || byteLength > last.room) {
      const part = [item];
      parts.push(part);
      open.set(space, { part, room: PART_BYTES_MAX - byteLength });
    } else {
      last.part.push(item);
      last.room -= byteLength;
    }
  }
  return parts;
}

function storedBy(write: Write): Memory {
  assert(write.operation.kind === 'store', 'only a store yields a memory');
  return write.operation.memory;
}
