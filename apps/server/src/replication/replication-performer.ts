/** Replication decides, and this does: the log, the store and the records of this node, on behalf of the core. */
import { EngramError, type NodeId, type SpaceId } from '@engram/kernel';
import { decodeOperation, type LoggedOperation, type Operation } from '@engram/memory';
import type { Lsn } from '@engram/replication';
import { readPayload, type AppliedEntry, type CopyRecord, type ReplicationEffect, type ReplicationEvent } from '@engram/replication/core';
import type { JournalParts } from '../engine/journal.js';
import { LogWalks } from './log-walks.js';
import { Requests, type Settlement } from './requests.js';
import { decodeChunk, encodeChunk } from './snapshot-chunk.js';
import type { StateStore } from './state-store.js';

type EffectOf<K extends ReplicationEffect['kind']> = Extract<ReplicationEffect, { kind: K }>;

/** Connections to other nodes. What becomes of them comes back as events. */
export interface PeerStreams {
  openStream(peer: NodeId): void;
  send(stream: number, bytes: Uint8Array): void;
  closeStream(stream: number, reason: string): void;
}

export interface PerformerOptions {
  partitionOf(space: SpaceId): number;
  /** What replication tells and wants no answer to. */
  onReport(effect: ReplicationEffect): void;
  /** This node cannot go on: it performs nothing any more, and whoever waits is refused. Called once. */
  onFailed?(error: EngramError): void;
  /** How long to wait before a record is put once more that the disk did not take. @default 1000 */
  readonly retryMs?: number;
}

/** How much of a snapshot is merged before the store is flushed. */
const mergedBytesMax = 8 * 1024 * 1024;

/**
 * Performs the effects of replication:
 *
 * ```text
 * append-log    -> the write-ahead log          persist                     -> the state store
 * apply         -> the memory store             open/read/close-snapshot    -> copied out of the memory store
 * read-log      -> the write-ahead log          install-chunk, finish       -> merged into it, flushed
 * acknowledged, indeterminate, refused, fresh, stale -> whoever waits for the request
 * ```
 */
export class ReplicationPerformer {
  readonly requests = new Requests();
  readonly #parts: JournalParts;
  readonly #state: StateStore;
  readonly #streams: PeerStreams;
  readonly #dispatchEvent: (event: ReplicationEvent) => void;
  readonly #options: PerformerOptions;
  readonly #walks: LogWalks;
  /** By the very bytes that go through the core, so that no operation is decoded twice, nor at all where it was made. */
  readonly #decoded = new WeakMap<Uint8Array, Operation>();
  readonly #snapshots = new Map<number, readonly SpaceId[]>();
  readonly #underWay = new Set<Promise<void>>();
  /** Of each partition the record that was asked for last. An earlier one must never be put over it, also not by a second try. */
  readonly #latest = new Map<number, CopyRecord>();
  #records: { readonly id: number; readonly partition: number }[] = [];
  #recording: Promise<void> | undefined;
  #lastLogError: EngramError | undefined;
  #mergedBytes = 0;
  #stopped = false;

  constructor(parts: JournalParts, state: StateStore, streams: PeerStreams, dispatch: (event: ReplicationEvent) => void, options: PerformerOptions) {
    this.#parts = parts;
    this.#state = state;
    this.#streams = streams;
    this.#dispatchEvent = dispatch;
    this.#options = options;
    this.#walks = new LogWalks(parts.log);
  }

  /** Why the log refused last; replication passes on only its message. */
  get lastLogError(): EngramError | undefined {
    return this.#lastLogError;
  }

  /** The operation that `payload`, these very bytes, stands for. */
  remember(payload: Uint8Array, operation: Operation): void {
    this.#decoded.set(payload, operation);
  }

  perform(effect: ReplicationEffect): void {
    if (this.#stopped) return;
    switch (effect.kind) {
      case 'append-log':     return this.#run(this.#append(effect));
      case 'persist':        return this.#persist(effect);
      case 'read-log':       return this.#run(this.#readLog(effect));
      case 'apply':          return this.#apply(effect.entries);
      case 'open-stream':    return this.#streams.openStream(effect.peer);
      case 'send':           return this.#streams.send(effect.stream, effect.bytes);
      case 'close-stream':   return this.#streams.closeStream(effect.stream, effect.reason);
      case 'open-snapshot':  return void this.#snapshots.set(effect.id, this.#spacesOf(effect.partition));
      case 'read-snapshot':  return this.#run(this.#readSnapshot(effect));
      case 'close-snapshot': return void this.#snapshots.delete(effect.id);
      case 'install-chunk':  return this.#run(this.#install(effect.id, () => this.#merge(effect)));
      case 'finish-install': return this.#run(this.#install(effect.id, () => this.#parts.store.flush()));
      case 'acknowledged':
      case 'indeterminate':
      case 'refused':
      case 'fresh':
      case 'stale':          return this.requests.settle(effect);
      default:               return this.#options.onReport(effect);
    }
  }

  /** Asks replication, and passes on its answer. Rejects when this node performs nothing any more. */
  ask(event: (request: number) => ReplicationEvent): Promise<Settlement> {
    return this.requests.open((request) => this.#dispatch(event(request)));
  }

  /** Makes these the records of their partitions. Rejects when the disk does not take them; nothing is retried then. */
  async putRecords(records: readonly CopyRecord[]): Promise<void> {
    for (const record of records) this.#latest.set(record.partition, record);
    await Promise.all(records.map((record) => this.#state.putCopyRecord(record)));
  }

  /** The log was cut. */
  trimmed(first: Lsn): void {
    this.#dispatch({ kind: 'log-trimmed', first });
    this.#run(this.#walks.trimmed(first));
  }

  /** Performs nothing any more, and resolves when nothing is under way. The log and the store may be closed then. */
  async close(error: EngramError): Promise<void> {
    this.#stopped = true;
    this.requests.close(error);
    await Promise.all([...this.#underWay]);
    await this.#walks.close();
  }

  async #append({ id, entries }: EffectOf<'append-log'>): Promise<void> {
    try {
      // What cannot be applied must not get into the log, where every start would meet it again.
      for (const { origin, payload } of entries) if (origin !== this.#parts.nodeId) this.#decode(payload);
      // A replica is not asked whether its store keeps up, so that it has to hold the others back itself.
      if (this.#parts.store.backlog().saturated) await this.#parts.store.flush();
      const { first } = await this.#parts.log.append(entries);
      this.#dispatch({ kind: 'appended', id, first });
    } catch (cause) {
      const error = engramError(cause);
      this.#lastLogError = error;
      this.#dispatch({ kind: 'append-failed', id, indeterminate: error.details['indeterminate'] === true, message: error.message });
    }
  }

  /** Records that are asked for while others are written go together with the next, and are answered in order. */
  #persist({ id, record }: EffectOf<'persist'>): void {
    this.#latest.set(record.partition, record);
    this.#records.push({ id, partition: record.partition });
    if (this.#recording) return;
    this.#recording = this.#record().finally(() => (this.#recording = undefined));
    this.#run(this.#recording);
  }

  async #record(): Promise<void> {
    // The other effects of this turn may ask for more.
    await Promise.resolve();
    while (this.#records.length > 0 && !this.#stopped) {
      const records = this.#records;
      this.#records = [];
      for (let tries = 1; !(await this.#put(records)); tries++) {
        await new Promise((resolve) => setTimeout(resolve, this.#options.retryMs ?? 1_000).unref());
        if (this.#stopped) return;
      }
      for (const { id } of records) this.#dispatch({ kind: 'persisted', id });
    }
  }

  async #put(records: readonly { readonly partition: number }[]): Promise<boolean> {
    const partitions = [...new Set(records.map(({ partition }) => partition))];
    const outcomes = await Promise.allSettled(partitions.map((partition) => this.#state.putCopyRecord(this.#latest.get(partition)!)));
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed === undefined) return true;
    const error = engramError(failed.reason);
    if (!error.retryable) this.#fail(error);
    return false;
  }

  async #readLog(effect: EffectOf<'read-log'>): Promise<void> {
    try {
      // Retention may remove the beginning between the look at where it is and the first read.
      const part = await this.#walks.read(effect).catch(() => this.#walks.read(effect));
      this.#dispatch({ kind: 'log-read', id: effect.id, ...part });
    } catch (error) {
      this.#dispatch({ kind: 'log-read-failed', id: effect.id, message: engramError(error).message });
    }
  }

  #apply(entries: readonly AppliedEntry[]): void {
    try {
      for (const { origin, hlc } of entries) if (origin !== this.#parts.nodeId) this.#parts.observe(hlc);
      this.#parts.apply(entries.map((entry) => this.#logged(entry)));
    } catch (error) {
      this.#fail(engramError(error));
    }
  }

  #logged({ lsn, hlc, partition, epoch, seq, operation: bytes }: AppliedEntry): LoggedOperation {
    const operation = bytes && (this.#decoded.get(bytes) ?? decodeOperation(bytes));
    // The bytes may stay in memory for long, for replicas that are a little behind; what they stand for need not.
    if (bytes) this.#decoded.delete(bytes);
    return { lsn, hlc, partition, epoch, seq, operation };
  }

  #decode(payload: Uint8Array): void {
    const read = readPayload(payload);
    if (read.kind === 'epoch-open') return;
    const operation = decodeOperation(read.operation);
    // Of an entry that was taken up again the core cuts the operation out anew, so that it would not be found.
    if (read.operation === payload) this.#decoded.set(payload, operation);
  }

  async #readSnapshot({ id, cursor, bytesMax }: EffectOf<'read-snapshot'>): Promise<void> {
    // Chunks are made between other work and not right within it.
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#stopped) return;
    try {
      const spaces = this.#snapshots.get(id);
      if (!spaces) throw new EngramError('invalid_argument', `there is no open snapshot ${id}`);
      const { operations, next } = this.#parts.store.copyOut(spaces, cursor, bytesMax);
      this.#dispatch({ kind: 'snapshot-read', id, bytes: encodeChunk(operations), next });
    } catch (error) {
      this.#dispatch({ kind: 'snapshot-failed', id, message: engramError(error).message });
    }
  }

  async #merge({ partition, bytes }: EffectOf<'install-chunk'>): Promise<void> {
    const operations = decodeChunk(bytes);
    const stray = operations.map(spaceOf).find((space) => this.#options.partitionOf(space) !== partition);
    if (stray !== undefined) throw new EngramError('invalid_argument', `a snapshot of partition ${partition} holds the space ${stray}, which belongs to partition ${this.#options.partitionOf(stray)}`);
    this.#parts.store.merge(operations);
    this.#mergedBytes += bytes.length;
    // A snapshot can come faster than the disk is: wait for it rather than hold everything in memory.
    if (this.#mergedBytes < mergedBytesMax) return;
    this.#mergedBytes = 0;
    await this.#parts.store.flush();
  }

  async #install(id: number, work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.#dispatch({ kind: 'installed', id });
    } catch (error) {
      this.#dispatch({ kind: 'install-failed', id, message: engramError(error).message });
    }
  }

  #spacesOf(partition: number): readonly SpaceId[] {
    return this.#parts.store.spaces().map(({ space }) => space).filter((space) => this.#options.partitionOf(space) === partition);
  }

  #dispatch(event: ReplicationEvent): void {
    if (this.#stopped) return;
    try {
      this.#dispatchEvent(event);
    } catch (error) {
      this.#fail(engramError(error));
    }
  }

  #run(work: Promise<void>): void {
    const settled = work.catch((error: unknown) => this.#fail(engramError(error))).finally(() => this.#underWay.delete(settled));
    this.#underWay.add(settled);
  }

  #fail(error: EngramError): void {
    if (this.#stopped) return;
    this.#stopped = true;
    const failure = new EngramError('log_failed', `this node takes no more writes: ${error.message}`, { cause: error, hint: 'Look at the disk and the log of this node, then restart it.' });
    this.requests.close(failure);
    this.#options.onFailed?.(failure);
  }
}

function spaceOf(operation: Operation): SpaceId {
  return operation.kind === 'store' ? operation.memory.space : operation.space;
}

function engramError(error: unknown): EngramError {
  if (error instanceof EngramError) return error;
  return new EngramError('internal', error instanceof Error ? error.message : String(error), { cause: error });
}
