import { EngramError, isMemoryId, parseSpaceId, unreachable, type MemoryId, type SpaceId } from '@engram/kernel';
import type { Cue, Memory, RecallHit, RecallOptions } from '../core/index.js';
import { Committer } from './committer.js';
import { Database } from './database.js';
import { IdempotencyTable } from './idempotency-table.js';
import { mergeById } from './merge-by-id.js';
import type { IdempotencyMark, LoggedOperation, Operation, SpacePolicy } from './operation.js';
import type { PendingRecord, Position } from './overlay.js';
import { recallSpaces } from './recall-spaces.js';
import { memoryRecord, type IdempotencyRecord, type IdempotentResult } from './record-codec.js';
import { SpaceState, type SpaceSummary } from './space-state.js';
import { resolveStoreOptions, type MemoryStoreOptions, type ResolvedStoreOptions, type StoreStatus } from './store-options.js';

/** A memory, or why there is none: `forgotten` (milliseconds since 1970 UTC) or never stored. */
export type LookupResult =
  | { readonly kind: 'memory'; readonly memory: Memory }
  | { readonly kind: 'forgotten'; readonly atMs: number }
  | { readonly kind: 'absent' };

/** Which memories of a space to list, and where to go on. */
export interface ListOptions {
  /** Only memories that carry this tag, spelled exactly so. */
  readonly tag?: string;
  /** At most this many, at least 1. */
  readonly limit: number;
  /** Continue behind this id; need not exist. */
  readonly after?: MemoryId;
}

/** One page of the memories of a space. */
export interface ListPage {
  /** By id ascending, which for ULIDs is the order in which they were stored. */
  readonly memories: readonly Memory[];
  /**
   * Where the next page continues; absent on the last. A page may be shorter than `limit`, even empty, and still have a
   * next one: it ends after `listScanMax` records were looked at (with a tag that is rare), or once it holds `listBytesMax`.
   */
  readonly next?: MemoryId;
}

/** What several spaces together answer to a cue. */
export interface StoreRecall {
  readonly hits: readonly (RecallHit & { readonly memory: Memory })[];
  readonly confidence: number;
  /** Spaces that were not asked because time ran out. */
  readonly missed: readonly SpaceId[];
}

/** A part of a copy, and where the next part begins; empty after the last. */
export interface CopiedOut {
  readonly operations: readonly Operation[];
  readonly next: string;
}

/** A position in the log, and what came with it. */
export interface Applied {
  readonly lsn: number;
  readonly hlc: bigint;
  readonly partitions: ReadonlyMap<number, Position>;
}

/** What is applied and not yet committed. */
export interface Backlog {
  /** Applied and readable, but not yet durable in lmdb (they are in the log). */
  readonly operations: number;
  readonly bytes: number;
  /** Too much of it: take no new work until it shrinks. `apply` itself never refuses, for its operations are logged. */
  readonly saturated: boolean;
}

/** The space that exists from the start. */
export const defaultSpace: SpaceId = parseSpaceId('default');

/**
 * One node's memories: applied in the order of the log, readable at once, durable in lmdb a moment later.
 *
 * ```text
 * log entry durable -> apply -> overlay + recall index (reads see it)
 *                                  \-> every flushEveryMs: one lmdb transaction, position included -> durableApplied
 * ```
 *
 * The log is what makes a write durable; the store may lose everything behind `durableApplied` in a crash and is handed
 * it again, from `applied.lsn + 1` on, when it is opened.
 */
export interface MemoryStore {
  /** How far operations are applied. After opening: what lmdb holds, so the log is replayed from `lsn + 1` on. */
  readonly applied: Applied;
  /** The last lsn that is durable in lmdb. The log may be cut up to here, and no further. */
  readonly durableApplied: number;
  /**
   * Throws what keeps an operation from being logged: EngramError `capacity_exhausted`, `embedding_dimension_mismatch`,
   * or `invalid_argument`. Changes nothing. Operations in flight are not counted, so a limit can be passed by their number.
   */
  admit(operation: Operation): void;
  /** Applies logged operations, in order, at once. Those at or below `applied.lsn` are skipped. */
  apply(batch: readonly LoggedOperation[]): void;
  /**
   * Takes in what another copy of these spaces holds, beside the log: nothing that is here is taken away, and the
   * position stays. Durable after the next `flush`; the log cannot bring it again.
   */
  merge(operations: readonly Operation[]): void;
  /**
   * What spaces hold, as operations that make a copy of it when they are merged: from `cursor` on, empty for the
   * beginning, at least one operation and then no more than `bytesMax` bytes of content. What is stored or forgotten
   * meanwhile may be left out. Throws `invalid_argument` for a cursor that did not come from here.
   */
  copyOut(spaces: readonly SpaceId[], cursor: string, bytesMax: number): CopiedOut;
  /** Commits all that is applied. Rejects with `disk_full` or `internal`; nothing is lost then, `status` says why. */
  flush(): Promise<void>;
  /** How much waits for its commit; ask before taking new work. */
  backlog(): Backlog;
  /** Whether commits succeed. */
  status(): StoreStatus;
  /** One memory by its id. */
  lookup(space: SpaceId, id: MemoryId): LookupResult;
  /** Memories by id, a page at a time; an unknown space has none. */
  list(space: SpaceId, options: ListOptions): ListPage;
  /**
   * Recalls from several spaces and merges: score descending, confidence descending, space and id ascending. Unknown
   * spaces are empty. Throws as `SpaceIndex.recall`; spaces of another embedding dimension than the cue's are searched by
   * words alone, unless no space asked has the cue's dimension. Throws `payload_too_large` when the memories found are
   * together larger than `recallBytesMax`.
   *
   * @param inTime Asked before each space; once it says no, the spaces left are reported as missed.
   */
  recall(spaces: readonly SpaceId[], cue: Cue, options: RecallOptions, inTime?: () => boolean): StoreRecall;
  /** All spaces by id, `default` always among them. */
  spaces(): SpaceSummary[];
  /** One space; undefined when nothing was ever stored in it and no policy was set. */
  space(id: SpaceId): SpaceSummary | undefined;
  /** What was done under this key, unless it expired. */
  idempotent(key: string, nowMs: number): IdempotencyRecord | undefined;
  /** Flushes, then closes lmdb whatever the flush said. Rejects with what the flush rejected with. */
  close(): Promise<void>;
}

/**
 * Opens the store in `directory` and rebuilds what recall needs. Throws EngramError `store_damaged`, `disk_full`,
 * `invalid_config` or `invalid_options`; then nothing stays open.
 */
export async function openMemoryStore(options: MemoryStoreOptions): Promise<MemoryStore> {
  const resolved = resolveStoreOptions(options);
  const database = await Database.open(resolved.directory);
  try {
    return new LmdbMemoryStore(database, resolved);
  } catch (error) {
    await database.close();
    throw database.named(error);
  }
}

class LmdbMemoryStore implements MemoryStore {
  readonly #database: Database;
  readonly #options: ResolvedStoreOptions;
  readonly #committer: Committer;
  readonly #spaces = new Map<SpaceId, SpaceState>();
  readonly #idempotency: IdempotencyTable;
  readonly #partitions: Map<number, Position>;
  #lsn: number;
  #hlc: bigint;
  #memories = 0;
  #closed = false;

  constructor(database: Database, options: ResolvedStoreOptions) {
    this.#database = database;
    this.#options = options;
    ({ lsn: this.#lsn, hlc: this.#hlc } = database.applied());
    this.#committer = new Committer(database, options, this.#lsn);
    this.#partitions = new Map(database.allPartitions());
    this.#idempotency = new IdempotencyTable(options.maxIdempotencyKeys, database.allIdempotency());
    this.#rebuildSpaces();
  }

  get applied(): Applied {
    return { lsn: this.#lsn, hlc: this.#hlc, partitions: this.#partitions };
  }

  get durableApplied(): number {
    return this.#committer.durableLsn;
  }

  admit(operation: Operation): void {
    switch (operation.kind) {
      case 'store': return this.#admitMemory(operation.memory);
      case 'forget': return;
      case 'set-space-policy': return this.#admitPolicy(operation.space, operation.policy);
      default: return unreachable(operation);
    }
  }

  apply(batch: readonly LoggedOperation[]): void {
    this.#expectOpen();
    for (const logged of batch) {
      if (logged.lsn <= this.#lsn) continue;
      if (logged.operation !== undefined) {
        this.#applyOperation(logged.operation);
        this.#noteIdempotency(logged.operation, logged);
      }
      this.#advance(logged);
    }
    this.#committer.schedule();
  }

  merge(operations: readonly Operation[]): void {
    this.#expectOpen();
    const { overlay } = this.#committer;
    for (const operation of operations) {
      this.#applyOperation(operation);
      if (operation.kind === 'set-space-policy' || operation.idempotency === undefined) continue;
      const { space, id } = operation.kind === 'store' ? operation.memory : operation;
      this.#idempotency.merge(operation.idempotency, { kind: operation.kind, space, id }, (order, record) => overlay.noteIdempotency(order, record));
    }
    overlay.lsn = this.#lsn;
    overlay.hlc = this.#hlc;
    overlay.operations += operations.length;
    this.#committer.schedule();
  }

  copyOut(spaces: readonly SpaceId[], cursor: string, bytesMax: number): CopiedOut {
    this.#expectOpen();
    const last = parseCursor(cursor);
    const operations: Operation[] = [];
    let bytes = 0;
    let next = '';
    for (const space of [...spaces].sort()) {
      if (last && space < last.space) continue;
      for (const { part, id, size, operation } of this.#copyOfSpace(space, last?.space === space ? last : undefined)) {
        if (operations.length > 0 && bytes + size > bytesMax) return { operations, next };
        operations.push(operation());
        bytes += size;
        next = `${space} ${part} ${id}`;
      }
    }
    return { operations, next: '' };
  }

  flush(): Promise<void> {
    this.#expectOpen();
    return this.#committer.flush();
  }

  backlog(): Backlog {
    const { operations, bytes } = this.#committer.backlog();
    const { backlogOperationsMax, backlogBytesMax } = this.#options;
    return { operations, bytes, saturated: operations >= backlogOperationsMax || bytes >= backlogBytesMax };
  }

  status(): StoreStatus {
    return this.#committer.status;
  }

  lookup(space: SpaceId, id: MemoryId): LookupResult {
    this.#expectOpen();
    const record = this.#record(space, id);
    if (record === undefined) return { kind: 'absent' };
    return record.kind === 'forgotten' ? record : { kind: 'memory', memory: memoryRecord.decode(record.bytes, { space, id }) };
  }

  list(space: SpaceId, { tag, limit, after }: ListOptions): ListPage {
    this.#expectOpen();
    const memories: Memory[] = [];
    const { listScanMax, listBytesMax } = this.#options;
    let looked = 0;
    let bytesListed = 0;
    let last: MemoryId | undefined;
    const records = mergeById(this.#committer.pendingOf(space, after), this.#database.memoriesOf(space, after));
    for (const { id, bytes } of records) {
      if (memories.length === limit || looked === listScanMax || bytesListed >= listBytesMax) return { memories, ...(last === undefined ? {} : { next: last }) };
      const memory = memoryRecord.decode(bytes, { space, id });
      if (tag === undefined || memory.tags.includes(tag)) {
        memories.push(memory);
        bytesListed += bytes.byteLength;
      }
      last = id;
      looked++;
    }
    return { memories };
  }

  recall(spaces: readonly SpaceId[], cue: Cue, options: RecallOptions, inTime: () => boolean = () => true): StoreRecall {
    this.#expectOpen();
    const asked = [...new Set(spaces)].flatMap((space) => {
      const state = this.#spaces.get(space);
      return state === undefined ? [] : [{ space, index: state.index }];
    });
    const { hits, missed } = recallSpaces(asked, cue, options, inTime);
    const { recallBytesMax } = this.#options;
    let bytes = 0;
    const found = hits.map(({ space, ...hit }) => {
      const record = this.#held(space, hit.id);
      bytes += record.byteLength;
      if (bytes > recallBytesMax) throw tooMuchRecalled(recallBytesMax, options.limit);
      return { ...hit, memory: memoryRecord.decode(record, { space, id: hit.id }) };
    });
    return { hits: found, missed, confidence: hits.reduce((most, { confidence }) => Math.max(most, confidence), 0) };
  }

  spaces(): SpaceSummary[] {
    return [...this.#spaces.values()].map((state) => state.summary()).sort((a, b) => (a.space < b.space ? -1 : 1));
  }

  space(id: SpaceId): SpaceSummary | undefined {
    return this.#spaces.get(id)?.summary();
  }

  idempotent(key: string, nowMs: number): IdempotencyRecord | undefined {
    return this.#idempotency.find(key, nowMs);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    try {
      await this.#committer.close();
    } finally {
      await this.#database.close();
    }
  }

  /** Its policy, then what is forgotten, then what is remembered, so that nothing forgotten is brought back for a moment. */
  *#copyOfSpace(space: SpaceId, last: CopyCursor | undefined): Iterable<CopyItem> {
    const state = this.#spaces.get(space);
    if (!state) return;
    const { part: lastPart, id: lastId } = last ?? { part: -1, id: '' as MemoryId };
    if (lastPart < 0) yield { part: 0, id: '-' as MemoryId, size: 64, operation: () => ({ kind: 'set-space-policy', space, policy: state.summary().policy }) };
    const marks = this.#idempotency.marksOf(space);
    /** Under which request it was done, so that a retry is recognised by the copy too. */
    const marked = (kind: 'store' | 'forget', id: MemoryId): { idempotency?: IdempotencyMark } => {
      const idempotency = marks.get(`${kind} ${id}`);
      return idempotency ? { idempotency } : {};
    };
    if (lastPart <= 1) {
      const after = lastPart === 1 ? lastId : undefined;
      for (const [id, atMs] of this.#tombstonesOf(space, after)) yield { part: 1, id, size: 64 + id.length, operation: () => ({ kind: 'forget', space, id, atMs, ...marked('forget', id) }) };
    }
    const after = lastPart === 2 ? lastId : undefined;
    for (const { id, bytes } of mergeById(this.#committer.pendingOf(space, after), this.#database.memoriesOf(space, after))) {
      yield { part: 2, id, size: bytes.byteLength, operation: () => ({ kind: 'store', memory: memoryRecord.decode(bytes, { space, id }), ...marked('store', id) }) };
    }
  }

  /** By id ascending, those that lmdb does not know yet among them. */
  #tombstonesOf(space: SpaceId, after: MemoryId | undefined): readonly (readonly [MemoryId, number])[] {
    const all = new Map<MemoryId, number>();
    for (const { id, atMs } of this.#database.tombstonesOf(space, after)) all.set(id, atMs);
    for (const [id, record] of this.#committer.pendingOf(space, after)) if (record.kind === 'forgotten') all.set(id, record.atMs);
    return [...all].sort(([a], [b]) => (a < b ? -1 : 1));
  }

  #applyOperation(operation: Operation): void {
    switch (operation.kind) {
      case 'store': return this.#store(operation.memory);
      case 'forget': return this.#forget(operation.space, operation.id, operation.atMs);
      case 'set-space-policy': return this.#setPolicy(operation.space, operation.policy);
      default: return unreachable(operation);
    }
  }

  /**
   * The first memory under an id stays, where first is by when it was stored: two nodes may have stored the same request,
   * and all copies must keep the same one of them. A forgotten id stays forgotten.
   */
  #store(memory: Memory): void {
    const { space, id } = memory;
    const state = this.#stateOf(space);
    if (this.#isForgotten(state, space, id)) return;
    const known = state.has(id) ? this.#record(space, id) : undefined;
    if (known?.kind === 'memory') {
      if (memoryRecord.decode(known.bytes, { space, id }).storedAtMs <= memory.storedAtMs) return;
      state.remove(id, known.bytes.byteLength);
      this.#memories--;
    }
    const bytes = memoryRecord.encode(memory);
    if (state.add(memory, bytes.byteLength)) this.#committer.overlay.spaces.set(space, state.record());
    this.#committer.overlay.put(space, id, { kind: 'memory', bytes });
    this.#memories++;
  }

  /** Forgets an id whether or not it is known: a tombstone may reach a copy before its memory does. */
  #forget(space: SpaceId, id: MemoryId, atMs: number): void {
    const state = this.#stateOf(space);
    if (this.#isForgotten(state, space, id)) return;
    const known = state.has(id) ? this.#record(space, id) : undefined;
    if (known?.kind === 'memory') {
      state.remove(id, known.bytes.byteLength);
      this.#memories--;
    }
    state.noteForgotten();
    this.#committer.overlay.put(space, id, { kind: 'forgotten', atMs });
  }

  #setPolicy(space: SpaceId, policy: SpacePolicy): void {
    const state = this.#stateOf(space);
    state.setPolicy(policy);
    this.#committer.overlay.spaces.set(space, state.record());
  }

  #noteIdempotency(operation: Operation, { lsn, hlc }: LoggedOperation): void {
    if (operation.kind === 'set-space-policy' || operation.idempotency === undefined) return;
    const { space, id } = operation.kind === 'store' ? operation.memory : operation;
    const result: IdempotentResult = { kind: operation.kind, space, id };
    // The clock stamp of the entry rather than the clock of this machine: a replay then expires the same keys.
    this.#idempotency.note(operation.idempotency, result, lsn, Number(hlc >> 16n), (order, record) => {
      this.#committer.overlay.noteIdempotency(order, record);
    });
  }

  #advance({ lsn, hlc, partition, epoch, seq }: LoggedOperation): void {
    const { overlay } = this.#committer;
    this.#lsn = overlay.lsn = lsn;
    if (hlc > this.#hlc) this.#hlc = hlc;
    overlay.hlc = this.#hlc;
    const position = { epoch, seq };
    this.#partitions.set(partition, position);
    overlay.partitions.set(partition, position);
    overlay.operations++;
  }

  #admitMemory({ space, id, embedding }: Memory): void {
    const state = this.#spaces.get(space);
    const roomLeft = this.#memories < this.#options.maxMemories;
    // What a known space has room for is admitted whether or not it is held, so most stores need not look.
    if (roomLeft && state !== undefined && embedding === undefined) return;
    if (state?.has(id) === true) return;
    if (!roomLeft) throw exhausted('memories', this.#options.maxMemories);
    this.#admitSpace(space);
    if (embedding !== undefined && state?.dimension !== undefined && state.dimension !== embedding.length) {
      throw new EngramError('embedding_dimension_mismatch', `embedding has ${embedding.length} dimensions; space ${space} holds embeddings of ${state.dimension}`, {
        details: { space, expected: state.dimension, actual: embedding.length },
      });
    }
  }

  #admitPolicy(space: SpaceId, policy: SpacePolicy): void {
    if (policy.ttlMs !== undefined) {
      throw new EngramError('invalid_argument', 'ttl is not available in this release: memories do not expire', {
        hint: 'Leave ttl out of the policy, and forget memories by id.',
        details: { field: 'ttl' },
      });
    }
    this.#admitSpace(space);
  }

  #admitSpace(space: SpaceId): void {
    if (!this.#spaces.has(space) && this.#spaces.size >= this.#options.maxSpaces) throw exhausted('spaces', this.#options.maxSpaces);
  }

  #rebuildSpaces(): void {
    for (const { space, record } of this.#database.allSpaces()) this.#spaces.set(space, new SpaceState(space, record));
    this.#stateOf(defaultSpace);
    for (const { space, id, bytes } of this.#database.allMemories()) {
      this.#stateOf(space).add(memoryRecord.decode(bytes, { space, id }), bytes.byteLength);
      this.#memories++;
    }
    for (const { space } of this.#database.allTombstones()) this.#stateOf(space).noteForgotten();
  }

  #stateOf(space: SpaceId): SpaceState {
    let state = this.#spaces.get(space);
    if (state === undefined) this.#spaces.set(space, (state = new SpaceState(space)));
    return state;
  }

  /** The record of a memory that the recall index holds. */
  #held(space: SpaceId, id: MemoryId): Uint8Array {
    const record = this.#record(space, id);
    if (record?.kind === 'memory') return record.bytes;
    throw new EngramError('store_damaged', `memory ${space}/${id} is in the recall index but not in the store in ${this.#options.directory}`);
  }

  #record(space: SpaceId, id: MemoryId): PendingRecord | undefined {
    const pending = this.#committer.pending(space, id);
    if (pending !== undefined) return pending;
    const bytes = this.#database.memory(space, id);
    if (bytes !== undefined) return { kind: 'memory', bytes };
    const atMs = this.#database.tombstone(space, id);
    return atMs === undefined ? undefined : { kind: 'forgotten', atMs };
  }

  /** Most spaces have no tombstones, which spares them the look into lmdb on every store. */
  #isForgotten(state: SpaceState, space: SpaceId, id: MemoryId): boolean {
    if (state.forgotten === 0) return false;
    const pending = this.#committer.pending(space, id);
    return pending !== undefined ? pending.kind === 'forgotten' : this.#database.tombstone(space, id) !== undefined;
  }

  #expectOpen(): void {
    if (this.#closed) throw new EngramError('shutting_down', `the store in ${this.#options.directory} is closed`);
  }
}

interface CopyItem {
  /** 0 the policy, 1 tombstones, 2 memories. */
  readonly part: number;
  readonly id: MemoryId;
  readonly size: number;
  readonly operation: () => Operation;
}

/** The last item that was copied. */
interface CopyCursor {
  readonly space: string;
  readonly part: number;
  readonly id: MemoryId;
}

function parseCursor(cursor: string): CopyCursor | undefined {
  if (cursor === '') return undefined;
  const [space, part, id, ...rest] = cursor.split(' ');
  if (space !== undefined && /^[012]$/.test(part ?? '') && isMemoryId(id) && rest.length === 0) return { space, part: Number(part), id };
  throw new EngramError('invalid_argument', 'the cursor of the copy is not one that was given out', { hint: 'Begin the copy anew with an empty cursor.' });
}

function exhausted(what: string, limit: number): EngramError {
  return new EngramError('capacity_exhausted', `the store holds ${limit} ${what}, which is its limit`, { details: { limit } });
}

function tooMuchRecalled(bytes: number, limit: number): EngramError {
  return new EngramError('payload_too_large', `the best ${limit} memories are together larger than ${bytes} bytes`, {
    hint: 'Recall fewer at a time with a lower limit.',
    details: { field: 'limit' },
  });
}
