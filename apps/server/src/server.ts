/**
 * The composition root: a configuration becomes a running node. Everything is made here, in the order it needs, and
 * stopped in the opposite one.
 */
import { EngramError, type NodeId } from '@engram/kernel';
import { systemRandom, wallClockMs } from '@engram/kernel/node';
import type { Logger } from 'pino';
import { belongsElsewhere, LoneMembership, mapNews, openSwimMembership, reasonForming, removedFrom, ReplicatedNode, type ClusterPart, type ReplicatedNodeOptions } from './cluster/index.js';
import { formatAddress, isUnspecified, parseAddress, printableConfig, type Address, type Config, type LoadedConfig } from './config/index.js';
import { openEngine, SpacePartitions, type Engine, type EngineOptions } from './engine/index.js';
import { startGrpcServer, type GrpcServer } from './grpc/grpc-server.js';
import type { HttpServer } from './http/context.js';
import type { HttpLimits } from './http/limits.js';
import { createHttpServer } from './http/server.js';
import { ServerMetrics } from './metrics/index.js';
import { GrpcForwarder, HttpForwarder } from './peers/index.js';
import { RoutedEngine, type Caller } from './routing/index.js';
import { stopServing } from './stop-serving.js';
import { version } from './version.js';

export interface RunningServer {
  readonly version: string;
  readonly nodeId: string;
  readonly dataDirectory: string;
  /** `host:port`, with the port that was really taken. */
  readonly httpAddress: string;
  readonly grpcAddress: string;
  /** Where SWIM listens; absent for a node that runs alone. */
  readonly swimAddress?: string;
  /** Stops taking requests, finishes those under way, makes the store durable. At most `server.shutdown_timeout_ms`. */
  close(reason: string): Promise<void>;
  /** Settles once the server is down, whoever asked for it. */
  readonly closed: Promise<void>;
}

/**
 * Starts a node. When it fails, what had been started is stopped again and the ports are free.
 *
 * In a cluster it serves before the others are found: what it holds does not depend on them.
 *
 * @throws EngramError `data_directory_locked`, `log_damaged`, `store_damaged`, `invalid_config`, `address_in_use`.
 */
export async function startServer(loaded: LoadedConfig, log: Logger): Promise<RunningServer> {
  const { config } = loaded;
  const metrics = new ServerMetrics(version);
  let replicated: ReplicatedNode | undefined;
  let note: ClusterPart['note'] = () => undefined;
  const engine = await openEngine({
    ...engineOptions(config, metrics, log),
    ...(config.cluster.enabled && { journal: async (parts) => (replicated = await ReplicatedNode.open(parts, replicatedOptions(config, parts.nodeId, log, (type, detail) => note(type, detail)))) }),
  });
  let http: HttpServer | undefined;
  let membership: ClusterPart | undefined;
  try {
    let requestShutdown: () => void = () => undefined;
    // Bound before anything is served, so that a taken port stops the start; silent until everything else listens.
    const part = (membership = await openMembership(config, engine, replicated, log));
    note = (type, detail) => part.note(type, detail);
    await part.claimName();
    const elsewhere = replicated ? undefined : await belongsElsewhere(engine.dataDirectory);
    if (elsewhere !== undefined) log.warn({}, `${elsewhere}; until then it takes no writes`);
    engine.holdWritesWhile(() => reasonForming(part) ?? replicated?.failure ?? elsewhere);
    const forwarders = replicated && forwardersOf(engine, replicated, part, config);
    const routed = replicated && forwarders && routedEngine(engine, replicated, part, forwarders, metrics, config);
    const operationsFor = routed && { operationsFor: (caller: Caller) => routed.for(caller) };
    http = createHttpServer({ engine, ...operationsFor, membership, log, metrics, limits: httpLimits(config), effectiveConfig: () => printableConfig(loaded), ...(replicated && { placement: replicated, operator: replicated }), onShutdownRequested: () => requestShutdown() });
    const httpAddress = await listenHttp(http, config.server.http_bind);
    const grpc = await startGrpcServer({
      bind: formatAddress(config.server.grpc_bind),
      engine,
      ...operationsFor,
      log,
      metrics,
      limits: { maxMessageBytes: config.network.max_message_size },
      ...(replicated && { addServices: (server, forwarded) => replicated?.links.addService(server, forwarded) }),
    });
    log.info({ node: engine.nodeId, http: httpAddress, grpc: grpc.address, data: engine.dataDirectory, version }, 'the node is ready');

    void membership.join({ http: callable(httpAddress, membership), grpc: callable(grpc.address, membership), version });

    const running = new Running(engine, http, grpc, membership, forwarders, log, config.server.shutdown_timeout_ms, httpAddress);
    requestShutdown = () => void running.close('asked over HTTP');
    return running;
  } catch (error) {
    await membership?.close();
    await http?.close();
    await engine.close();
    throw error;
  }
}

class Running implements RunningServer {
  readonly version = version;
  readonly nodeId: string;
  readonly dataDirectory: string;
  readonly grpcAddress: string;
  readonly swimAddress?: string;
  readonly closed: Promise<void>;
  #settleClosed!: (stopping: Promise<void>) => void;
  #closing: Promise<void> | undefined;

  constructor(
    private readonly engine: Engine,
    private readonly http: HttpServer,
    private readonly grpc: GrpcServer,
    private readonly membership: ClusterPart,
    private readonly forwarders: Forwarders | undefined,
    private readonly log: Logger,
    private readonly graceMs: number,
    readonly httpAddress: string,
  ) {
    this.nodeId = engine.nodeId;
    this.dataDirectory = engine.dataDirectory;
    this.grpcAddress = grpc.address;
    if (membership.address !== undefined) this.swimAddress = membership.address;
    this.closed = new Promise((resolve) => (this.#settleClosed = resolve));
  }

  close(reason: string): Promise<void> {
    if (!this.#closing) {
      this.#closing = this.#stop(reason);
      this.#settleClosed(this.#closing);
    }
    return this.#closing;
  }

  /** The goodbye and the requests under way share one half of the time, the store gets the other half to become durable. */
  async #stop(reason: string): Promise<void> {
    const { log, graceMs } = this;
    log.info({ reason }, 'stopping');
    await stopServing({ leave: (ms) => this.membership.leave(ms), closeHttp: (ms) => closeHttp(this.http, ms), closeGrpc: (ms) => this.grpc.close(ms) }, graceMs / 2);
    await Promise.all([this.forwarders?.http.close(), this.forwarders?.grpc.close()]);
    const flushed = await within(graceMs / 2, this.engine.close());
    if (!flushed) log.warn({ graceMs }, 'the store was not flushed in time; the log has everything, the next start applies it');
    log.info('stopped');
  }
}

async function openMembership({ cluster }: Config, engine: Engine, replicated: ReplicatedNode | undefined, log: Logger): Promise<ClusterPart> {
  const { nodeId, dataDirectory } = engine;
  if (!replicated) return new LoneMembership(nodeId, wallClockMs());
  const holdsMemories = engine.status().log.nextLsn > 1;
  return openSwimMembership({ config: cluster, nodeId, dataDirectory, holdsMemories, random: systemRandom(), replicated, removed: () => removedFrom(replicated.map()), wallClockMs, log });
}

/** How requests reach the node that can answer them. */
interface Forwarders {
  readonly http: HttpForwarder;
  readonly grpc: GrpcForwarder;
}

function forwardersOf({ nodeId: self }: Engine, replicated: ReplicatedNode, membership: ClusterPart, { network }: Config): Forwarders {
  const clusterId = () => membership.formation()?.clusterId;
  return {
    http: new HttpForwarder({ self, clusterId, addressOf: (node) => replicated.addressOf(node, 'http'), poolSize: network.connection_pool_size }),
    grpc: new GrpcForwarder({ self, clusterId, channels: replicated.links.channels }),
  };
}

/** Requests that this node cannot answer are passed on to the one that can. */
function routedEngine(engine: Engine, replicated: ReplicatedNode, membership: ClusterPart, forwarders: Forwarders, metrics: ServerMetrics, { cluster }: Config): RoutedEngine {
  const clusterId = () => membership.formation()?.clusterId;
  return new RoutedEngine(engine, {
    cluster: {
      map: () => replicated.map(),
      clusterId,
      leads: (partition) => replicated.leads(partition),
      isAlive: (node) => membership.node(node)?.state === 'alive' || membership.node(node)?.state === 'suspect',
      entriesLacking: (partition) => replicated.entriesLacking(partition),
      hasApplied: (position) => replicated.hasApplied(position),
      awaitPosition: (position, waitMs) => replicated.awaitPosition(position, waitMs),
    },
    partitionOf: (space) => replicated.partitionOf(space),
    ...forwarders,
    addressOf: (node) => replicated.addressOf(node, 'http'),
    metrics,
    random: systemRandom(),
    sessionWaitMs: cluster.replication.session_wait_ms,
  });
}

function replicatedOptions({ node, cluster, network }: Config, nodeId: NodeId, log: Logger, note: ClusterPart['note']): ReplicatedNodeOptions {
  const { placement, replication, partition, bootstrap_expect: expect = 1 } = cluster;
  const partitions = new SpacePartitions(placement.partitions);
  return {
    nodeId,
    dataDirectory: node.data_dir,
    random: systemRandom(),
    log,
    founding: { partitions: placement.partitions, factor: replication.factor, ack: replication.ack, partition: partition.policy, strategy: placement.strategy, expect },
    replication: { batchEntries: replication.batch_size, ackTimeoutMs: replication.timeout_ms },
    ack: replication.ack,
    connectionPoolSize: network.connection_pool_size,
    maxMessageBytes: network.max_message_size,
    zone: placement.zone ?? '',
    rack: placement.rack ?? '',
    partitionOf: (space) => partitions.of(space),
    onMapChanged: ({ epoch }, changes) => {
      const news = mapNews(changes);
      log.info({ epoch, news }, 'space assignment changed');
      note('assignment-changed', `epoch ${epoch}${news === '' ? '' : `: ${news}`}`);
    },
    onLeaseChanged: (held) => {
      const what = held ? 'this node may act as a primary: a majority of voters granted its lease' : 'this node may not act as a primary: its lease ran out';
      if (held) log.info({}, what);
      else log.warn({}, what);
      note(held ? 'lease-held' : 'lease-lost', what);
    },
    onLagChanged: ({ peer, entries, seconds }, isHigh) => {
      if (isHigh) log.warn({ peer, entries, seconds }, 'a copy has fallen behind');
      else log.info({ peer, entries, seconds }, 'a copy has caught up');
      note(isHigh ? 'replica-lagging' : 'replica-caught-up', `${peer} is ${entries} entries and ${seconds.toFixed(1)} s behind`);
    },
  };
}

function engineOptions(config: Config, metrics: ServerMetrics, log: Logger): EngineOptions {
  const { node, wal, memory, query } = config;
  return {
    dataDirectory: node.data_dir,
    ...(node.id === undefined ? {} : { nodeId: node.id }),
    version,
    random: systemRandom(),
    wallClockMs,
    recallTimeoutMs: query.timeout_ms,
    checkpointEveryMs: wal.checkpoint_every_ms,
    partitions: config.cluster.placement.partitions,
    wal: {
      segmentBytesMax: wal.segment_bytes,
      groupBytesMax: wal.group_bytes,
      queueBytesMax: wal.queue_bytes,
      retainBytes: wal.retain_bytes,
      onFsync: metrics.walFsync,
    },
    memory: {
      maxMemories: memory.max_memories,
      flushEveryMs: memory.flush_every_ms,
      flushAtOperations: memory.flush_at_operations,
      onStatusChange: (status) => log.warn({ status }, 'the store changed its state'),
    },
    log,
  };
}

function httpLimits({ limits, server }: Config): HttpLimits {
  return {
    bodyBytesMax: limits.body_bytes,
    lineBytesMax: limits.line_bytes,
    batchBodyBytesMax: limits.batch_body_bytes,
    batchItemsMax: limits.batch_items,
    storesInFlightMax: limits.stores_in_flight,
    storeBytesInFlightMax: limits.store_bytes_in_flight,
    connectionsMax: limits.connections,
    headersTimeoutMs: server.headers_timeout_ms,
    requestTimeoutMs: server.request_timeout_ms,
    keepAliveTimeoutMs: server.keep_alive_timeout_ms,
  };
}

/** An address for every network is one to listen on; others call the host that they know of the cluster. */
function callable(listening: string, membership: ClusterPart): string {
  const [address, known] = [parseAddress(listening), parseAddress(membership.address ?? '')];
  return address && known && isUnspecified(address.host) ? formatAddress({ host: known.host, port: address.port }) : listening;
}

/** @returns `host:port` with the port that was taken. */
async function listenHttp(http: HttpServer, bind: Address): Promise<string> {
  try {
    await http.listen({ host: bind.host, port: bind.port });
  } catch (cause) {
    throw cannotListen('HTTP', 'server.http_bind', formatAddress(bind), cause);
  }
  const bound = http.server.address();
  return formatAddress({ ...bind, port: typeof bound === 'object' && bound ? bound.port : bind.port });
}

function cannotListen(what: string, key: string, address: string, cause: unknown): EngramError {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE') {
    return new EngramError('address_in_use', `${what} cannot listen on ${address}: another process does already.`, {
      hint: `Stop that process, or choose another address with ${key}.`,
      cause,
    });
  }
  return new EngramError('invalid_config', `${what} cannot listen on ${address}: ${message}.`, {
    hint: `Choose an address of this machine with ${key}.`,
    cause,
  });
}

/** Lets requests finish for a while, then closes the connections that are left. */
async function closeHttp(http: HttpServer, graceMs: number): Promise<void> {
  const closed = http.close();
  if (!(await within(graceMs, closed))) {
    http.server.closeAllConnections();
    await closed;
  }
}

/** Whether a promise settled in time. A rejection is passed on. */
async function within(ms: number, promise: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => (timer = setTimeout(() => resolve(false), ms)));
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
