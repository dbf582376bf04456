/** Copies without an engine: the core of replication and a real log each, in this process, joined by a pipe in memory. */
import { closeSync, fdatasync, openSync, writeSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import { Driver, parseClusterId, parseNodeId, plusMs, Random, type Hlc, type NodeId } from '@engram/kernel';
import { systemClock } from '@engram/kernel/node';
import { openWriteAheadLog, type Lsn, type WriteAheadLog } from '@engram/replication';
import { emptyStart, ReplicationCore, type AckLevel, type LoggedEntry, type PartitionEntry, type ReplicationEffect, type ReplicationEvent } from '@engram/replication/core';

// The server is a program and exports nothing, so that the way it walks through a log is found by its path.
const logWalks = resolve(import.meta.dirname, '../../apps/server/src/replication/log-walks.ts');

interface LogWalks {
  read(effect: Extract<ReplicationEffect, { kind: 'read-log' }>): Promise<{ readonly entries: readonly LoggedEntry[]; readonly next: Lsn; readonly end: boolean }>;
  close(): Promise<void>;
}

const sync = promisify(fdatasync);
const cluster = parseClusterId('bench');
/** Small segments, and none kept, so that a checkpoint cuts nearly all of a log off. */
const logOptions = { segmentBytesMax: 4 * 1024 * 1024, groupBytesMax: 1_000_000, entryBytesMax: 800_000, retainBytes: 0 };
/** As a server has them, but patient: both ends share this process with whoever measures. */
const replication = { heartbeatMs: 500, peerTimeoutMs: 10_000, ackTimeoutMs: 60_000, appendBytes: 800_000 };

type EffectOf<Kind extends ReplicationEffect['kind']> = Extract<ReplicationEffect, { kind: Kind }>;

/** One copy of everything. Its store keeps the operations of each partition in order, and writes what a snapshot brings to a file. */
export class BareCopy {
  readonly id: NodeId;
  readonly log: WriteAheadLog;
  readonly #core: ReplicationCore;
  readonly #driver: Driver<ReplicationEvent, ReplicationEffect>;
  readonly #walks: LogWalks;
  readonly #keeps: boolean;
  readonly #store = new Map<number, Uint8Array[]>();
  readonly #snapshots = new Map<number, number>();
  readonly #installed: number;
  readonly #waiting = new Map<number, (outcome: string) => void>();
  #peer: BareCopy | undefined;
  #stream = 0;
  #isCut = true;
  #requests = 0;

  /** @param keeps whether operations are kept for snapshots */
  static async open(name: string, directory: string, keeps: boolean): Promise<BareCopy> {
    const { LogWalks } = (await import(pathToFileURL(logWalks).href)) as { readonly LogWalks: new (log: WriteAheadLog) => LogWalks };
    const log = await openWriteAheadLog({ directory: join(directory, 'log'), ...logOptions });
    return new BareCopy(parseNodeId(name), log, new LogWalks(log), keeps, openSync(join(directory, 'installed'), 'w'));
  }

  private constructor(id: NodeId, log: WriteAheadLog, walks: LogWalks, keeps: boolean, installed: number) {
    this.id = id;
    this.log = log;
    this.#walks = walks;
    this.#keeps = keeps;
    this.#installed = installed;
    this.#core = new ReplicationCore({ clusterId: cluster, nodeId: id, storageId: `disk-${id}` }, Random.fromSeed(id), crc32, emptyStart, replication);
    this.#driver = new Driver(this.#core, systemClock, (effect) => this.#perform(effect));
    this.#driver.dispatch({ kind: 'lease', validUntil: plusMs(systemClock.now(), 3_600_000) });
  }

  /** The first leads. @param counts Whether the second counts as a copy, or only learns. */
  static lead(leader: BareCopy, other: BareCopy, partitions: readonly number[], counts: boolean): void {
    [leader.#peer, other.#peer] = [other, leader];
    const holder = ({ id }: BareCopy) => ({ node: id, storage: `disk-${id}` });
    const entries = partitions.map((partition): PartitionEntry => ({
      partition, epoch: 1, primary: leader.id, copies: counts ? [holder(leader), holder(other)] : [holder(leader)], ...(!counts && { learners: [holder(other)] }),
    }));
    for (const copy of [leader, other]) copy.#driver.dispatch({ kind: 'table-changed', entries });
  }

  /** Connections come about from now on. */
  join(): void {
    this.#isCut = false;
    if (this.#peer) this.#peer.#isCut = false;
  }

  /** Resolves when the entries have reached the level. */
  append(partition: number, entries: readonly { readonly hlc: Hlc; readonly payload: Uint8Array }[], level: AckLevel): Promise<void> {
    const request = (this.#requests += 1);
    return new Promise((done, fail) => {
      this.#waiting.set(request, (outcome) => (outcome === 'acknowledged' ? done() : fail(new Error(`an append was ${outcome}`))));
      this.#driver.dispatch({ kind: 'append', request, partition, entries, level });
    });
  }

  /** Up to where the partition is durable here. */
  seqOf(partition: number): number {
    return this.#core.partition(partition)?.position.seq ?? 0;
  }

  get snapshotsReceived(): number {
    return this.#core.counters().snapshotsReceived;
  }

  /** Nothing of the log is kept that a snapshot can stand for. */
  async cutLog(): Promise<void> {
    await this.log.checkpoint(this.log.status().durableLsn);
    this.#driver.dispatch({ kind: 'log-trimmed', first: this.log.status().firstLsn });
  }

  async close(): Promise<void> {
    this.#driver.stop();
    await this.#walks.close();
    await this.log.close();
    closeSync(this.#installed);
  }

  #perform(effect: ReplicationEffect): void {
    switch (effect.kind) {
      case 'append-log':     return void this.#append(effect);
      case 'persist':        return void setImmediate(() => this.#driver.dispatch({ kind: 'persisted', id: effect.id }));
      case 'apply':          return this.#apply(effect);
      case 'read-log':       return void this.#walks.read(effect).then((part) => this.#driver.dispatch({ kind: 'log-read', id: effect.id, ...part }));
      case 'open-stream':    return void setImmediate(() => this.#connect(effect.peer));
      case 'send':           return this.#send(effect.bytes);
      case 'open-snapshot':  return void this.#snapshots.set(effect.id, effect.partition);
      case 'read-snapshot':  return void setImmediate(() => this.#readSnapshot(effect));
      case 'close-snapshot': return void this.#snapshots.delete(effect.id);
      case 'install-chunk':  return this.#install(effect);
      case 'finish-install': return void sync(this.#installed).then(() => this.#driver.dispatch({ kind: 'installed', id: effect.id }));
      case 'acknowledged':
      case 'indeterminate':
      case 'refused':
        this.#waiting.get(effect.request)?.(effect.kind);
        return void this.#waiting.delete(effect.request);
      default:
        return;
    }
  }

  async #append({ id, entries }: EffectOf<'append-log'>): Promise<void> {
    const { first } = await this.log.append(entries);
    this.#driver.dispatch({ kind: 'appended', id, first });
  }

  #apply({ entries }: EffectOf<'apply'>): void {
    if (!this.#keeps) return;
    for (const { partition, operation } of entries) if (operation !== undefined) this.#operations(partition).push(operation);
  }

  #operations(partition: number): Uint8Array[] {
    const known = this.#store.get(partition) ?? [];
    this.#store.set(partition, known);
    return known;
  }

  #connect(peer: NodeId): void {
    const other = this.#peer;
    if (other === undefined || this.#isCut) return this.#driver.dispatch({ kind: 'stream-failed', peer });
    this.#stream += 1;
    other.#stream += 1;
    other.#driver.dispatch({ kind: 'stream-accepted', stream: other.#stream });
    this.#driver.dispatch({ kind: 'stream-opened', peer, stream: this.#stream });
  }

  /** As a socket would: later, whole, in order, and in memory of its own. */
  #send(bytes: Uint8Array): void {
    const message = Uint8Array.from(bytes);
    const peer = this.#peer;
    if (peer !== undefined) setImmediate(() => peer.#driver.dispatch({ kind: 'stream-received', stream: peer.#stream, bytes: message }));
  }

  /** A chunk is operations with their lengths; the cursor is the number of the next. */
  #readSnapshot({ id, cursor, bytesMax }: EffectOf<'read-snapshot'>): void {
    const partition = this.#snapshots.get(id);
    if (partition === undefined) return;
    const operations = this.#operations(partition);
    const parts: Uint8Array[] = [];
    let at = Number(cursor);
    for (let bytes = 0; at < operations.length && bytes < bytesMax - 1_024; at += 1) {
      const operation = operations[at]!;
      const length = Buffer.alloc(4);
      length.writeUInt32LE(operation.length);
      parts.push(length, operation);
      bytes += 4 + operation.length;
    }
    this.#driver.dispatch({ kind: 'snapshot-read', id, bytes: Buffer.concat(parts), next: at < operations.length ? `${at}` : '' });
  }

  #install({ id, partition, bytes }: EffectOf<'install-chunk'>): void {
    const operations = this.#operations(partition);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = 0; at < bytes.length; ) {
      const end = at + 4 + view.getUint32(at, true);
      operations.push(bytes.subarray(at + 4, end));
      at = end;
    }
    writeSync(this.#installed, bytes);
    setImmediate(() => this.#driver.dispatch({ kind: 'installed', id }));
  }
}
