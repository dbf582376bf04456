/** Whole engines with real logs and stores, joined by pipes in memory, under a table that somebody else would keep. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { Driver, parseClusterId, parseNodeId, parseSpaceId, plusMs, Random, type NodeId, type SpaceId } from '@engram/kernel';
import { systemClock } from '@engram/kernel/node';
import { DEFAULT_PARTITIONS, partitionOf } from '@engram/placement';
import { nodeFileSystem, type LogFile, type LogFileSystem } from '@engram/replication';
import { ReplicationCore, type PartitionEntry, type ReplicationEffect, type ReplicationEvent, type ReplicationOptions } from '@engram/replication/core';
import { openEngine, type Engine } from '../src/engine/engine.js';
import type { EngineOptions } from '../src/engine/engine-types.js';
import type { JournalParts } from '../src/engine/journal.js';
import { openStateStore, ReplicatedJournal, ReplicationPerformer, startOf, type StartOptions, type StateStore } from '../src/replication/index.js';

export const space: SpaceId = parseSpaceId('default');
export const partition: number = partitionOf(space, DEFAULT_PARTITIONS);

export interface NodeOptions {
  readonly engine?: Partial<EngineOptions>;
  readonly replication?: ReplicationOptions;
  readonly adopt?: boolean;
}

/** A node that is running. */
export interface ReplicatedNode {
  readonly id: NodeId;
  readonly directory: string;
  readonly engine: Engine;
  readonly core: ReplicationCore;
  readonly journal: ReplicatedJournal;
  readonly state: StateStore;
  readonly reports: ReplicationEffect[];
  readonly failures: Error[];
  dispatch(event: ReplicationEvent): void;
}

interface Running extends ReplicatedNode {
  readonly driver: Driver<ReplicationEvent, ReplicationEffect>;
  readonly streams: Map<number, { readonly peer: Running; readonly stream: number }>;
}

/** Short times, so that a test waits for nothing. */
const quick: ReplicationOptions = { heartbeatMs: 20, peerTimeoutMs: 30_000, reconnectMinMs: 5, reconnectMaxMs: 20, ackTimeoutMs: 5_000 };

export class ReplicatedNodes {
  readonly #root = mkdtempSync(join(process.env['BENCH_DIRECTORY'] ?? tmpdir(), 'engram-replicated-'));
  readonly #running = new Map<NodeId, Running>();
  readonly #dead: Running[] = [];
  readonly #cut = new Set<NodeId>();
  #entries: readonly PartitionEntry[] = [];
  #directories = 0;
  #streams = 0;
  readonly #replication: ReplicationOptions;

  /** @param replication Of all nodes, unless one is started with others. */
  constructor(replication: ReplicationOptions = {}) {
    this.#replication = { ...quick, ...replication };
  }

  get(name: string): ReplicatedNode {
    return this.#running.get(parseNodeId(name))!;
  }

  get all(): readonly ReplicatedNode[] {
    return [...this.#running.values()];
  }

  newDirectory(): string {
    return join(this.#root, `${(this.#directories += 1)}`);
  }

  /** Starts a node, in a new directory unless it is given one. It learns the table as it is. */
  async start(name: string, directory: string = this.newDirectory(), options: NodeOptions = {}): Promise<ReplicatedNode> {
    const nodeId = parseNodeId(name);
    let parts!: Omit<Running, 'engine'>;
    const engine = await openEngine({
      dataDirectory: directory, nodeId, version: '0.0.0-test', random: Random.fromSeed(`${name} ${this.#directories}`),
      wallClockMs: () => Date.now(), checkpointEveryMs: 3_600_000, ...options.engine,
      journal: async (given) => {
        parts = await this.#replicate(nodeId, directory, given, options);
        return parts.journal;
      },
    });
    const node: Running = Object.assign(parts, { engine });
    this.#running.set(nodeId, node);
    this.#cut.delete(nodeId);
    node.dispatch({ kind: 'table-changed', entries: this.#entries });
    node.dispatch({ kind: 'lease', validUntil: plusMs(systemClock.now(), 3_600_000) });
    return node;
  }

  /** The copies and the primary of each partition that a test uses. */
  setTable(primary: string, copies: readonly string[], more: { readonly epoch?: number; readonly learners?: readonly string[]; readonly partitions?: readonly number[] } = {}): void {
    const holders = (names: readonly string[]) => names.map((name) => ({ node: parseNodeId(name), storage: this.get(name).state.storageId }));
    this.#entries = (more.partitions ?? [partition]).map((of) => ({
      partition: of, epoch: more.epoch ?? 1, primary: parseNodeId(primary), copies: holders(copies), ...(more.learners && { learners: holders(more.learners) }),
    }));
    for (const node of this.#running.values()) node.dispatch({ kind: 'table-changed', entries: this.#entries });
  }

  /** The process is gone at this moment; what was durable is returned as a directory to start from. */
  kill(name: string): string {
    const node = this.#running.get(parseNodeId(name))!;
    this.#running.delete(node.id);
    this.#dead.push(node);
    node.driver.stop();
    for (const stream of [...node.streams.keys()]) this.#close(node, stream);
    // The dead one still holds the lock of its directory in this very process, so that its successor gets a copy.
    const copy = this.newDirectory();
    cpSync(node.directory, copy, { recursive: true });
    return copy;
  }

  /** Closes a node in order; its directory stays. */
  async stop(name: string): Promise<string> {
    const node = this.#running.get(parseNodeId(name))!;
    this.#running.delete(node.id);
    await this.#stop(node);
    return node.directory;
  }

  /** No connection to the node stands or comes about, until it is joined again. */
  cut(name: string): void {
    const node = this.#running.get(parseNodeId(name))!;
    this.#cut.add(node.id);
    for (const stream of [...node.streams.keys()]) this.#close(node, stream);
  }

  join(name: string): void {
    this.#cut.delete(parseNodeId(name));
  }

  async end(): Promise<void> {
    for (const node of [...this.#running.values(), ...this.#dead]) await this.#stop(node);
    rmSync(this.#root, { recursive: true, force: true });
  }

  async #stop(node: Running): Promise<void> {
    await node.engine.close();
    node.driver.stop();
    for (const stream of [...node.streams.keys()]) this.#close(node, stream);
    await node.state.close();
  }

  async #replicate(id: NodeId, directory: string, parts: JournalParts, options: NodeOptions): Promise<Omit<Running, 'engine'>> {
    const random = Random.fromSeed(`replication ${directory}`);
    const state = await openStateStore(join(directory, 'cluster'), random.fork('storage'));
    const adopt: StartOptions = options.adopt === true ? { adopt: parts.store.applied } : {};
    const start = await startOf(parts.log, state, adopt);
    const reports: ReplicationEffect[] = [];
    const failures: Error[] = [];
    const core = new ReplicationCore({ clusterId: parseClusterId('test'), nodeId: id, storageId: state.storageId }, random, crc32, start, { ...this.#replication, ...options.replication });
    const dispatch = (event: ReplicationEvent): void => node.driver.dispatch(event);
    const streams = {
      openStream: (peer: NodeId): void => void setImmediate(() => this.#open(node as Running, peer)),
      send: (stream: number, bytes: Uint8Array): void => this.#send(node as Running, stream, bytes),
      closeStream: (stream: number): void => void setImmediate(() => this.#close(node as Running, stream)),
    };
    const performer = new ReplicationPerformer(parts, state, streams, dispatch, {
      partitionOf: (one) => partitionOf(one, DEFAULT_PARTITIONS), onReport: (effect) => void reports.push(effect), onFailed: (error) => void failures.push(error), retryMs: 10,
    });
    const journal = new ReplicatedJournal(performer, core, parts.log, { defaultLevel: 'quorum' });
    const node: Omit<Running, 'engine'> = {
      id, directory, core, journal, state, reports, failures, dispatch, streams: new Map(), driver: new Driver(core, systemClock, (effect) => performer.perform(effect)),
    };
    return node;
  }

  #open(from: Running, to: NodeId): void {
    const peer = this.#running.get(to);
    if (peer === undefined || !this.#running.has(from.id) || this.#cut.has(to) || this.#cut.has(from.id)) return from.dispatch({ kind: 'stream-failed', peer: to });
    const [ours, theirs] = [(this.#streams += 1), (this.#streams += 1)];
    from.streams.set(ours, { peer, stream: theirs });
    peer.streams.set(theirs, { peer: from, stream: ours });
    peer.dispatch({ kind: 'stream-accepted', stream: theirs });
    from.dispatch({ kind: 'stream-opened', peer: to, stream: ours });
  }

  #send(from: Running, stream: number, bytes: Uint8Array): void {
    const end = from.streams.get(stream);
    // As a socket would: later, whole, in order, and in memory of its own.
    const message = Uint8Array.from(bytes);
    if (end) setImmediate(() => end.peer.streams.has(end.stream) && end.peer.dispatch({ kind: 'stream-received', stream: end.stream, bytes: message }));
  }

  #close(node: Running, stream: number): void {
    const end = node.streams.get(stream);
    if (!end) return;
    node.streams.delete(stream);
    end.peer.streams.delete(end.stream);
    node.dispatch({ kind: 'stream-closed', stream });
    end.peer.dispatch({ kind: 'stream-closed', stream: end.stream });
  }
}

/** The machine's file system, of which `full` says when it has no room. */
export function fullFileSystem(full: () => boolean): LogFileSystem {
  const wrapped = (file: LogFile): LogFile => ({
    write: async (bytes, offset) => {
      if (full()) throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
      return file.write(bytes, offset);
    },
    read: (bytes, offset) => file.read(bytes, offset),
    dataSync: () => file.dataSync(),
    truncate: (bytes) => file.truncate(bytes),
    close: () => file.close(),
  });
  return { ...nodeFileSystem, create: async (path) => wrapped(await nodeFileSystem.create(path)), openForWriting: async (path) => wrapped(await nodeFileSystem.openForWriting(path)) };
}

/** Waits for what is bound to happen; the time limit of the test is the only one. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 2));
}

/** Of each memory in the space, its content; sorted. */
export function contents(node: ReplicatedNode): string[] {
  const found: string[] = [];
  for (let page = node.engine.list(space, { limit: 1_000 }); ; page = node.engine.list(space, { limit: 1_000, after: page.next })) {
    found.push(...page.memories.map(({ content }) => content));
    if (page.next === undefined) return found.sort();
  }
}
