/**
 * Whole nodes on loopback: real engines, real HTTP and gRPC servers, real forwarding between them. Only the cluster is
 * mocked: the map and who is alive are what a test says, and nothing is replicated unless a test brings nodes that do.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseClusterId, parseNodeId, parseSpaceId, Random, type NodeId, type SpaceId } from '@engram/kernel';
import { DEFAULT_PARTITIONS, partitionOf, type ClusterMap } from '@engram/placement';
import { answerForwarded, createMemoryClient, peerHeaders, toFrameService, type FrameServiceOptions, type MemoryClient } from '@engram/rpc';
import { pino } from 'pino';
import { openEngine, type Engine } from '../src/engine/index.js';
import { startGrpcServer, type GrpcServer, type GrpcServerOptions } from '../src/grpc/grpc-server.js';
import { createHttpServer, type HttpServer } from '../src/http/index.js';
import { ServerMetrics } from '../src/metrics/index.js';
import { forwardedByHeader, GrpcForwarder, HttpForwarder, PeerChannels } from '../src/peers/index.js';
import { RoutedEngine, type MemoryOperations, type RoutedEngineOptions } from '../src/routing/index.js';
import { hasEverything, mapOf } from './fake-placement.js';
import type { ReplicatedNodes } from './replicated-nodes.js';

export const blue = parseClusterId('blue');

export interface RoutedNode {
  readonly id: NodeId;
  readonly engine: Engine;
  readonly metrics: ServerMetrics;
  readonly routed: RoutedEngine;
  readonly url: string;
  readonly httpAddress: string;
  readonly grpcAddress: string;
  readonly client: MemoryClient;
  /** The operations of a client that says nothing but these headers. */
  as(headers?: Readonly<Record<string, string>>, remainingMs?: number): MemoryOperations;
  request(method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<{ readonly status: number; readonly headers: Headers; readonly body: never }>;
}

interface Running extends RoutedNode {
  readonly http: HttpServer;
  readonly grpc: GrpcServer;
  readonly forwarders: { readonly channels: PeerChannels; readonly http: HttpForwarder; readonly grpc: GrpcForwarder };
  map: ClusterMap;
}

export class RoutedNodes {
  readonly #root = mkdtempSync(join(process.env['BENCH_DIRECTORY'] ?? tmpdir(), 'engram-routed-'));
  readonly #nodes = new Map<NodeId, Running>();
  readonly #gone = new Set<NodeId>();
  readonly #lacking = new Map<number, number>();
  readonly #leaderless = new Set<number>();
  readonly #replicated: ReplicatedNodes | undefined;
  #map: ClusterMap;

  private constructor(ids: readonly NodeId[], replicated: ReplicatedNodes | undefined) {
    this.#replicated = replicated;
    this.#map = mapOf(blue, ids);
  }

  /**
   * The first node is the primary of everything until a test says otherwise.
   *
   * @param replicated Nodes that keep copies of one another; those of these names are started there.
   */
  static async start(names: readonly string[], options: Partial<RoutedEngineOptions> = {}, replicated?: ReplicatedNodes): Promise<RoutedNodes> {
    const nodes = new RoutedNodes(names.map(parseNodeId), replicated);
    for (const name of names) await nodes.#start(parseNodeId(name), options);
    return nodes;
  }

  get(name: string): RoutedNode {
    return this.#nodes.get(parseNodeId(name))!;
  }

  /** Where a space lives. @param knownTo The nodes that have heard of it; all of them when none is named. */
  place(space: string, primary: string, replicas: readonly string[] = [], knownTo: readonly string[] = [...this.#nodes.keys()]): SpaceId {
    const id = parseSpaceId(space);
    for (const name of knownTo) {
      const node = this.#nodes.get(parseNodeId(name))!;
      const table = [...node.map.table];
      const partition = partitionOf(id, DEFAULT_PARTITIONS);
      table[partition] = { epoch: table[partition]!.epoch + 1, primary: parseNodeId(primary), replicas: replicas.map(parseNodeId) };
      node.map = { ...node.map, epoch: node.map.epoch + 1, table };
    }
    const partition = partitionOf(id, DEFAULT_PARTITIONS);
    this.#replicated?.setTable(primary, [primary, ...replicas], { epoch: this.#nodes.get(parseNodeId(primary))!.map.table[partition]!.epoch, partitions: [partition] });
    return id;
  }

  /** Membership takes a node for dead. */
  lost(name: string): void {
    this.#gone.add(parseNodeId(name));
  }

  found(name: string): void {
    this.#gone.delete(parseNodeId(name));
  }

  /** The copies of a space know that they lack so many entries. */
  lacks(space: SpaceId, entries: number): void {
    this.#lacking.set(partitionOf(space, DEFAULT_PARTITIONS), entries);
  }

  /** Whoever is the primary has no lease. */
  withoutLease(space: SpaceId): void {
    this.#leaderless.add(partitionOf(space, DEFAULT_PARTITIONS));
  }

  /** Nothing listens on the ports of a node any more; membership has not noticed. */
  async kill(name: string): Promise<void> {
    const { http, grpc } = this.#nodes.get(parseNodeId(name))!;
    http.server.closeAllConnections();
    await Promise.all([http.close(), grpc.close(0)]);
  }

  async end(): Promise<void> {
    for (const { http, grpc, engine, client, forwarders } of this.#nodes.values()) {
      client.close();
      await forwarders.grpc.close();
      forwarders.channels.close();
      await forwarders.http.close(0);
      http.server.closeAllConnections();
      await Promise.all([http.close(), grpc.close(0)]);
      await engine.close();
    }
    rmSync(this.#root, { recursive: true, force: true });
  }

  async #start(id: NodeId, options: Partial<RoutedEngineOptions>): Promise<void> {
    const metrics = new ServerMetrics('0.0.0-test');
    const copies = await this.#replicated?.start(id);
    const engine = copies?.engine ?? (await openEngine({ dataDirectory: join(this.#root, id), nodeId: id, version: '0.0.0-test', random: Random.fromSeed(id), wallClockMs: Date.now }));
    const clusterId = () => blue;
    const channels = new PeerChannels({ addressOf: (node) => this.#nodes.get(node)?.grpcAddress, poolSize: 3, maxMessageBytes: 4 * 1024 * 1024 });
    const httpForwarder = new HttpForwarder({ self: id, clusterId, addressOf: (node) => this.#nodes.get(node)?.httpAddress, poolSize: 2 });
    // Quick, because tests wait for it: on loopback a port answers at once or never.
    const grpcForwarder = new GrpcForwarder({ self: id, clusterId, channels, connectTimeoutMs: 100 });
    const routed = new RoutedEngine(engine, {
      cluster: {
        map: () => this.#nodes.get(id)!.map,
        clusterId,
        leads: (partition) => this.#nodes.get(id)!.map.table[partition]?.primary === id && !this.#leaderless.has(partition),
        isAlive: (node) => !this.#gone.has(node),
        entriesLacking: (partition) => this.#lacking.get(partition),
        ...(copies ? { hasApplied: (position) => copies.core.hasApplied(position), awaitPosition: async (position, waitMs) => (await copies.journal.awaitPosition(position, waitMs)).fresh } : hasEverything),
      },
      partitionOf: (space) => partitionOf(space, DEFAULT_PARTITIONS),
      grpc: grpcForwarder,
      http: httpForwarder,
      addressOf: (node) => this.#nodes.get(node)?.httpAddress,
      metrics,
      random: Random.fromSeed(`routing ${id}`),
      retry: { backoffMs: 5, backoffMaxMs: 20 },
      ...options,
    });
    const operationsFor = routed.for.bind(routed);
    const http = createHttpServer({ engine, operationsFor, log: pino({ level: 'silent' }), metrics, onShutdownRequested: () => undefined });
    const url = await http.listen({ host: '127.0.0.1', port: 0 });
    const addServices: GrpcServerOptions['addServices'] = (server, forwarded) => {
      const accept: FrameServiceOptions['accept'] = (peer, stream) => answerForwarded(stream, { ...forwarded, peer, metadata: { [forwardedByHeader]: peer, [peerHeaders.cluster]: blue } });
      const { definition, implementation } = toFrameService('forwarding', { self: () => ({ nodeId: id, clusterId: blue }), accept });
      server.addService(definition, implementation);
    };
    const grpc = await startGrpcServer({ bind: '127.0.0.1:0', engine, operationsFor, log: pino({ level: 'silent' }), metrics, addServices });
    this.#nodes.set(id, {
      id, engine, metrics, routed, url, http, grpc, httpAddress: url.slice('http://'.length), grpcAddress: grpc.address, map: this.#map,
      client: createMemoryClient({ address: grpc.address }),
      forwarders: { channels, http: httpForwarder, grpc: grpcForwarder },
      as: (headers = {}, remainingMs = Infinity) => routed.for({ header: (name) => headers[name], remainingMs: () => remainingMs, requestId: '' }),
      async request(method, path, body, headers = {}) {
        const sent = body === undefined ? {} : { body: JSON.stringify(body) };
        const response = await fetch(`${url}${path}`, { method, ...sent, headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers } });
        const text = await response.text();
        return { status: response.status, headers: response.headers, body: (text === '' ? undefined : JSON.parse(text)) as never };
      },
    });
  }
}
