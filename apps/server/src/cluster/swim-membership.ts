/**
 * Membership by SWIM: starts the node's part in the protocol, keeps what it tells, and says goodbye at the end.
 *
 * ```text
 * discovery --seeds--> SWIM --who is alive--> formation --which cluster--> SWIM, and the file that keeps it
 * ```
 */
import { unseenMs, type FormationRecord, type FormationStatus, type JoinedHow } from '@engram/cluster';
import type { Discovery, DiscoveryHealth, DiscoveryMetrics } from '@engram/discovery';
import { EngramError, parseClusterId, type ClusterId, type NodeId, type Random } from '@engram/kernel';
import { createSwim, Keyring, type CreateSwimOptions, type MemberChange, type SwimMember, type SwimMetrics, type SwimNode, type SwimOptions } from '@engram/swim';
import { formatAddress, type Config } from '../config/index.js';
import { ClusterFile } from './cluster-file.js';
import { cardOf, nodeMetadata, type ClusterNode, type NodeMetadata, type NodeServices } from './cluster-node.js';
import { EventLog } from './event-log.js';
import { Formation, type Initialized } from './formation.js';
import { nobody, type ClusterEvent, type ClusterEventType, type ClusterPart } from './membership.js';
import { peerDiscovery } from './peer-discovery.js';
import { PeerFile, withKnownPeers } from './peer-file.js';
import type { ReplicatedNode } from './replicated-node.js';

export interface SwimMembershipOptions {
  readonly config: Config['cluster'];
  readonly nodeId: NodeId;
  /** Where the epoch is kept, in a file `swim-epoch`, what the node belongs to, in `cluster.json`, and where others were, in `swim-peers.json`. */
  readonly dataDirectory: string;
  /** Whether the node has ever stored anything. A cluster that forms by itself does not form around old memories. */
  readonly holdsMemories: boolean;
  readonly random: Random;
  /** What begins to replicate once the node belongs to a cluster. */
  readonly replicated: Pick<ReplicatedNode, 'card' | 'belongTo' | 'map' | 'members' | 'serves' | 'leave'>;
  /** Nodes that were taken out of the cluster for good. @default nobody was */
  readonly removed?: () => ReadonlySet<NodeId>;
  readonly wallClockMs: () => number;
  readonly log: MembershipLog;
}

/** The part of a pino logger that membership uses. */
export interface MembershipLog {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}

/**
 * Binds the sockets; nothing is sent before `join`.
 *
 * @throws EngramError `address_in_use` or `invalid_config` naming the key to change, `store_damaged` when the kept epoch
 *   cannot be read. Nothing stays bound then.
 */
export async function openSwimMembership(options: SwimMembershipOptions): Promise<ClusterPart> {
  const { config, log } = options;
  const file = new ClusterFile(options.dataDirectory, config.name, options.replicated.card.storageId);
  const record = await file.read();
  const peers = new PeerFile(options.dataDirectory, log);
  const known = await peers.read();
  if (known.length > 0) log.info({ known }, 'nodes that were there when this one was last are asked too, whatever discovery says');
  const discovery = peerDiscovery(config, log);
  try {
    const swim = await createSwim(swimOptions(options, record.clusterId, seedsOf(discovery, known)));
    return new SwimMembership(swim, discovery, file, peers, record, options);
  } catch (cause) {
    await discovery?.stop();
    throw inOurKeys(cause, config);
  }
}

/** How long discovery may take to name somebody before those known from earlier are asked alone. */
const knownAloneAfterMs = 1_000;

/** How long a start may wait to hear whether the id of the node is taken; it is a matter of round trips while anybody answers. */
const claimMs = 5_000;

/** How long handing over may take; it is a matter of round trips. */
const handOverMs = 2_000;
/** How long the sources of discovery may take to let this node go. */
const deregisterMs = 2_000;

/** The nodes of two clusters that were pointed at each other try for ever; telling it each time would push every other event out. */
const foreignEveryMs = 60_000;

class SwimMembership implements ClusterPart {
  readonly mode = 'distributed';
  readonly cluster: string;
  readonly address: string;
  readonly events: EventLog<ClusterEvent>;
  readonly #swim: SwimNode<NodeMetadata>;
  readonly #discovery: Discovery | undefined;
  readonly #formation: Formation;
  readonly #peers: PeerFile;
  readonly #replicated: SwimMembershipOptions['replicated'];
  readonly #removed: () => ReadonlySet<NodeId>;
  readonly #config: Config['cluster'];
  readonly #wallClockMs: () => number;
  readonly #log: MembershipLog;
  readonly #startedAtMs: number;
  /** When each member last changed; those it does not hold are as they were at the start. */
  readonly #changedAtMs = new Map<string, number>();
  #services: NodeServices | undefined;
  #trouble: string | undefined;
  #metForeignAtMs: number | undefined;

  constructor(swim: SwimNode<NodeMetadata>, discovery: Discovery | undefined, file: ClusterFile, peers: PeerFile, record: FormationRecord, options: SwimMembershipOptions) {
    const { config, holdsMemories, nodeId, random, replicated, wallClockMs, log } = options;
    this.#swim = swim;
    this.#discovery = discovery;
    this.#peers = peers;
    this.#config = config;
    this.#replicated = replicated;
    this.#removed = options.removed ?? (() => nobody);
    this.#formation = new Formation(
      { file, send: (to, bytes) => swim.send(to, bytes), onJoined: (clusterId, how, founded) => this.#belong(clusterId, how, founded) },
      random,
      { self: nodeId, record, holdsMemories, ...(config.bootstrap_expect !== undefined && { expect: config.bootstrap_expect }) },
    );
    this.#wallClockMs = wallClockMs;
    this.#log = log;
    this.#startedAtMs = wallClockMs();
    this.cluster = swim.cluster;
    this.address = swim.address;
    this.events = new EventLog(String(swim.self.epoch));
    this.#listen();
  }

  nodes(): readonly ClusterNode[] {
    const nodes = [...this.#swim.members.all.map((member) => this.#nodeOf(member)), ...this.#unseen()];
    return nodes.sort((a, b) => Number(b.self) - Number(a.self) || (a.id < b.id ? -1 : 1));
  }

  node(id: NodeId): ClusterNode | undefined {
    const member = this.#swim.members.get(id);
    return member ? this.#nodeOf(member) : this.#unseen().find((node) => node.id === id);
  }

  removed(): ReadonlySet<NodeId> {
    return this.#removed();
  }

  metrics(): SwimMetrics {
    return this.#swim.metrics();
  }

  trouble(): string | undefined {
    return this.#trouble;
  }

  formation(): FormationStatus {
    return this.#formation.status();
  }

  initialize(): Promise<Initialized> {
    return this.#formation.initialize();
  }

  note(type: ClusterEventType, detail: string): void {
    this.#append(type, this.#nodeOf(this.#swim.self), detail);
  }

  discoveryHealth(): DiscoveryHealth | undefined {
    const reachable = new Set(this.#swim.members.all.filter(({ state }) => state === 'alive').map(({ address }) => address as string));
    return this.#discovery?.health({ isReachable: (endpoint) => reachable.has(endpoint) });
  }

  discoveryMetrics(): DiscoveryMetrics | undefined {
    return this.#discovery?.metrics();
  }

  async claimName(): Promise<void> {
    const { name } = this.#swim;
    this.#discovery?.start();
    const signal = AbortSignal.timeout(Math.min(this.#config.join_timeout_ms, claimMs));
    const namesake = await this.#swim.findNamesake({ signal }).catch((error: unknown) => {
      this.#log.warn({ cluster: this.cluster, err: error }, `whether another process runs as ${name} was not found out in time; going on`);
      return undefined;
    });
    if (namesake === undefined) return;
    const { address, epoch } = namesake;
    throw new EngramError('invalid_config', `The node id ${name} is taken: another process runs as ${name}, and answers at ${address}; it was started ${startedAt(epoch)}. This one has not taken part in the cluster.`, {
      hint: 'Stop that process, or give this one an id of its own with node.id or --node-id. A node that moves is stopped before it is started elsewhere; two processes on copies of one data directory are never right.',
      details: { node: name, address, epoch },
    });
  }

  /**
   * Resolves once the seeds have answered or not. When none did the node carries on, because it may be the first of its
   * cluster, and goes on trying for ever.
   */
  async join(services: NodeServices): Promise<void> {
    const { cluster, address: swim } = this;
    this.#services = services;
    this.#replicated.serves({ http: services.http, grpc: services.grpc });
    const { clusterId } = this.formation();
    if (clusterId !== undefined) await this.#replicate(clusterId, this.#formation.founded);
    try {
      await this.#publish();
      this.#discovery?.start();
      void this.#register();
      const { contacted, failed } = await this.#swim.join({ signal: AbortSignal.timeout(this.#config.join_timeout_ms) });
      if (contacted.length > 0) this.#log.info({ cluster, swim, contacted, failed }, 'met other nodes');
      else this.#log.info({ cluster, swim, failed }, this.#discovery ? 'discovery named no other node yet; going on trying' : 'waiting for other nodes: no source of discovery is configured');
    } catch (error) {
      if (error instanceof EngramError && error.code === 'shutting_down') return;
      this.#log.warn({ cluster, swim, err: error }, 'no seed answered; going on alone and trying again for ever');
    }
    this.#meet();
    const formation = this.formation();
    if (formation.state === 'forming') this.#log.info({ cluster, reason: formation.reason }, 'this node belongs to no cluster yet');
  }

  async leave(limitMs: number): Promise<void> {
    const signal = AbortSignal.timeout(limitMs);
    // Before the goodbye: whoever takes over is told by this node what it has.
    await this.#replicated.leave(Math.min(limitMs / 2, handOverMs));
    const deregistered = this.#deregister(Math.min(limitMs, deregisterMs));
    try {
      const { confirmed } = await this.#swim.leave({ signal });
      this.#log.info({ cluster: this.cluster, confirmed }, 'left the cluster');
    } catch (error) {
      this.#log.warn({ cluster: this.cluster, err: error }, 'left the cluster without a confirmation; the others will notice');
    }
    await deregistered;
    await this.close();
  }

  async close(): Promise<void> {
    this.#formation.stop();
    await Promise.all([this.#swim.close(), this.#discovery?.stop(), this.#peers.flush()]);
  }

  /** Tells the others what this node serves and what it belongs to. */
  async #publish(): Promise<void> {
    if (this.#services === undefined) return;
    const { clusterId } = this.formation();
    const expect = this.#config.bootstrap_expect;
    const { storageId, zone, rack } = this.#replicated.card;
    await this.#swim.setMetadata({
      ...this.#services, storageId,
      ...(zone !== '' && { zone }),
      ...(rack !== '' && { rack }),
      ...(clusterId !== undefined ? { clusterId } : expect !== undefined && { expect }),
    });
  }

  async #register(): Promise<void> {
    const { clusterId } = this.formation();
    await this.#discovery?.register({
      cluster: this.cluster, nodeId: this.#swim.name, swim: this.address,
      ...(this.#services && { http: this.#services.http }), ...(clusterId !== undefined && { clusterId }),
    });
  }

  async #deregister(limitMs: number): Promise<void> {
    if (!this.#discovery) return;
    const late = new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), limitMs).unref());
    const failures = await Promise.race([this.#discovery.deregister(), late]);
    if (failures === undefined || failures.length > 0) this.#log.warn({ failures }, 'not every source of discovery let this node go; they forget it by themselves');
  }

  /** Tells formation and replication who is there, and keeps it for the next start. */
  #meet(): void {
    const others = this.#swim.members.all.filter(({ name }) => name !== this.#swim.name);
    // A suspect may still deny it; taking over from it would be rash.
    this.#replicated.members(others.map(({ name, state, metadata }) => {
      const card = metadata && cardOf(name, metadata);
      return { id: name, alive: state === 'alive' || state === 'suspect', ...(card && { card }) };
    }));
    const isGone = ({ state }: SwimMember<NodeMetadata>): number => Number(state === 'dead' || state === 'left');
    // Those that left are kept as well: when all nodes are stopped, each goes with a goodbye.
    this.#peers.keep(others.toSorted((a, b) => isGone(a) - isGone(b)).map(({ address }) => address));
    const peers = others.filter(({ state }) => state === 'alive');
    this.#formation.peers(peers.map(({ name, metadata }) => ({
      id: name,
      ...(metadata?.clusterId !== undefined && { clusterId: metadata.clusterId }),
      ...(metadata?.expect !== undefined && { expect: metadata.expect }),
    })));
  }

  async #replicate(clusterId: ClusterId, founded: boolean): Promise<void> {
    try {
      await this.#replicated.belongTo(clusterId, founded);
    } catch (error) {
      this.#trouble = `this node cannot take part in replication: ${(error as Error).message}`;
      this.#log.error({ clusterId, err: error }, this.#trouble);
    }
  }

  #belong(clusterId: ClusterId, how: JoinedHow, founded: boolean): void {
    void this.#replicate(clusterId, founded);
    this.#swim.setClusterId(clusterId).then(
      () => this.#publish(),
      (error: unknown) => {
        this.#trouble = `this node agreed to belong to cluster ${clusterId}, but took part in another one; restart it`;
        this.#log.error({ clusterId, err: error }, this.#trouble);
      },
    ).catch((error: unknown) => this.#log.warn({ err: error }, 'the others were not told which cluster this node belongs to'));
    this.#log.info({ cluster: this.cluster, clusterId, how }, how === 'joined' ? 'joined cluster' : 'formed a cluster and joined cluster');
    this.#append('formed', this.#nodeOf(this.#swim.self), `belongs to cluster ${clusterId}`);
    void this.#register();
  }

  #listen(): void {
    const swim = this.#swim;
    swim.on('change', (change) => this.#changed(change));
    swim.on('isolated', () => this.#ownChange('isolated', 'no other node is alive as far as this one knows; it keeps looking'));
    swim.on('rejoined', () => this.#ownChange('rejoined', 'other nodes are there again'));
    swim.on('refuted', ({ by, incarnation }) => this.#log.info({ by, incarnation }, 'another node took this one for dead; it was told otherwise'));
    swim.on('superseded', ({ epoch, address }) => {
      this.#trouble = `another process runs as ${swim.name} at ${address} since epoch ${epoch}, so this one is silent in the cluster; stop one of them and give each node its own node.id`;
      this.#log.error({ epoch, address }, this.#trouble);
    });
    swim.on('failed', ({ error }) => {
      this.#trouble = 'membership stopped because of a defect, so other nodes take this one for dead; restart the node';
      this.#log.error({ err: error }, this.#trouble);
    });
    swim.on('rejected', ({ reason, meaning, from, count }) => {
      if (reason === 'other-cluster-id') return this.#meetForeign(from);
      this.#log.warn({ reason, from, count }, `packets were dropped: ${meaning}`);
    });
    swim.on('cluster-id', ({ clusterId }) => this.#formation.learned(parseClusterId(clusterId)));
    swim.on('message', ({ from, bytes }) => void this.#formation.received(from, bytes));
    swim.on('seed-failed', ({ seed, reason }) => this.#log.warn({ seed, reason }, 'a seed cannot be resolved; it is tried again'));
    swim.on('epoch-not-kept', ({ epoch, error }) => this.#log.error({ epoch, err: error }, 'the epoch could not be written to the data directory; check its disk'));
  }

  /** Two clusters of one name: an address that was reused, or one cluster that was formed on two nodes. */
  #meetForeign(from: string): void {
    const now = this.#wallClockMs();
    if (this.#metForeignAtMs !== undefined && Math.abs(now - this.#metForeignAtMs) < foreignEveryMs) return;
    this.#metForeignAtMs = now;
    const { clusterId } = this.formation();
    const detail = [
      `a node at ${from} belongs to another cluster that is also called ${this.cluster}, not to ${clusterId}; nothing of it is taken in.`,
      'If they were to be one cluster, export the memories of one of the two, empty its data directories and start its nodes again: they join the other.',
      'Otherwise give each cluster a name of its own, and each node the seeds of its own cluster',
    ].join(' ');
    this.#log.error({ cluster: this.cluster, clusterId, from }, detail);
    this.#append('foreign-cluster', this.#nodeOf(this.#swim.self), detail);
  }

  #changed({ type, member }: MemberChange<NodeMetadata>): void {
    if (type === 'forgotten') this.#changedAtMs.delete(member.name);
    else this.#changedAtMs.set(member.name, this.#wallClockMs());
    const node = this.#nodeOf(member);
    if (!node.self && type !== 'updated') {
      const details = { peer: node.id, address: node.address, epoch: node.epoch, incarnation: node.incarnation };
      if (type === 'suspect' || type === 'dead') this.#log.warn(details, `a node is ${type}`);
      else this.#log.info(details, changeWords[type]);
    }
    this.#append(type, node);
    this.#meet();
  }

  /** Of a node that stays away while others are started anew, membership never hears; the roster knows that it belongs. */
  #unseen(): readonly ClusterNode[] {
    const deadSinceMs = this.#startedAtMs + unseenMs;
    if (this.#wallClockMs() < deadSinceMs) return [];
    const roster = this.#replicated.map()?.roster ?? [];
    return roster.filter(({ id }) => this.#swim.members.get(id) === undefined).map(({ id }) => ({ id, state: 'dead', epoch: 0, incarnation: 0, changedAtMs: deadSinceMs, self: false }));
  }

  #ownChange(type: 'isolated' | 'rejoined', message: string): void {
    this.#log.warn({ cluster: this.cluster }, message);
    this.#append(type, this.#nodeOf(this.#swim.self));
  }

  #append(type: ClusterEventType, node: ClusterNode, detail?: string): void {
    this.events.append({ type, node, atMs: this.#wallClockMs(), ...(detail !== undefined && { detail }) });
  }

  #nodeOf({ name, state, address, epoch, incarnation, metadata }: SwimMember<NodeMetadata>): ClusterNode {
    return {
      id: name,
      state,
      address,
      ...(metadata === undefined ? {} : { services: { http: metadata.http, grpc: metadata.grpc, version: metadata.version } }),
      epoch,
      incarnation,
      changedAtMs: this.#changedAtMs.get(name) ?? this.#startedAtMs,
      self: name === this.#swim.name,
    };
  }
}

/** An epoch is the second of a start, unless the clock was set back since an earlier one. */
function startedAt(epoch: number): string {
  const at = new Date(epoch * 1_000);
  return Number.isNaN(at.getTime()) ? `in epoch ${epoch}` : `at ${at.toISOString().replace('.000Z', 'Z')}`;
}

const changeWords = {
  joined: 'a node joined',
  restarted: 'a node was restarted',
  recovered: 'a suspect is alive after all',
  left: 'a node left',
  forgotten: 'a node that was gone for long is forgotten',
} as const;

function swimOptions({ config, nodeId, dataDirectory }: SwimMembershipOptions, clusterId: ClusterId | undefined, seeds: AsyncIterable<readonly string[]> | undefined): CreateSwimOptions<NodeMetadata> {
  const { name, advertise, swim } = config;
  const [key, ...otherKeys] = swim.keys;
  return {
    cluster: name,
    ...(clusterId !== undefined && { clusterId }),
    name: nodeId,
    bind: formatAddress(swim.bind),
    ...(advertise === undefined ? {} : { advertise: formatAddress(advertise) }),
    ...(seeds && { seeds }),
    preset: swim.preset,
    protocol: protocolOptions(swim),
    metadataCodec: nodeMetadata,
    ...(key === undefined ? { security: 'none' } : { keyring: new Keyring(key, ...otherKeys) }),
    dataDirectory,
  };
}

function seedsOf(discovery: Discovery | undefined, known: readonly string[]): AsyncIterable<readonly string[]> | undefined {
  return known.length === 0 ? discovery?.seeds() : withKnownPeers(known, discovery?.seeds(), knownAloneAfterMs);
}

/** Only what is set: the preset decides the rest. */
function protocolOptions(swim: Config['cluster']['swim']): SwimOptions {
  const options = {
    periodMs: swim.period_ms,
    timeoutMs: swim.timeout_ms,
    indirectProbes: swim.indirect_probes,
    suspicionMult: swim.suspicion_multiplier,
    gossipMs: swim.gossip_interval_ms,
    syncMs: swim.sync_interval_ms,
  };
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

/** What went wrong at the start, told in the keys of the configuration. */
function inOurKeys(cause: unknown, { swim }: Config['cluster']): unknown {
  if (!(cause instanceof EngramError)) return cause;
  const bind = formatAddress(swim.bind);
  switch (cause.code) {
    case 'address_in_use':
      return new EngramError('address_in_use', `SWIM cannot listen on ${bind}: another process does already.`, { hint: 'Stop that process, or choose another address with cluster.swim.bind or --swim-port.', cause });
    case 'invalid_argument':
    case 'invalid_options':
      return new EngramError('invalid_config', `SWIM cannot start on ${bind}: ${cause.message}.`, { hint: 'Correct cluster.swim, cluster.advertise or the seeds; `engram config check` shows where each value comes from.', cause });
    default:
      return cause;
  }
}
