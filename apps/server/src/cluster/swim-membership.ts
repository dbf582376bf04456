/** Membership by SWIM: starts the node's part in the protocol, keeps what it tells, and says goodbye at the end. */
import { EngramError, type NodeId } from '@engram/kernel';
import { createSwim, Keyring, type CreateSwimOptions, type MemberChange, type SwimMember, type SwimMetrics, type SwimNode, type SwimOptions } from '@engram/swim';
import { formatAddress, type Config } from '../config/index.js';
import { nodeServices, type ClusterNode, type NodeServices } from './cluster-node.js';
import { EventLog } from './event-log.js';
import type { ClusterEvent, ClusterEventType, ClusterPart } from './membership.js';

export interface SwimMembershipOptions {
  readonly config: Config['cluster'];
  readonly nodeId: NodeId;
  /** Where the epoch is kept, in a file `swim-epoch`. */
  readonly dataDirectory: string;
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
  try {
    return new SwimMembership(await createSwim(swimOptions(options)), options);
  } catch (cause) {
    throw inOurKeys(cause, options.config);
  }
}

class SwimMembership implements ClusterPart {
  readonly mode = 'distributed';
  readonly cluster: string;
  readonly address: string;
  readonly events: EventLog<ClusterEvent>;
  readonly #swim: SwimNode<NodeServices>;
  readonly #wallClockMs: () => number;
  readonly #log: MembershipLog;
  readonly #startedAtMs: number;
  /** When each member last changed; those it does not hold are as they were at the start. */
  readonly #changedAtMs = new Map<string, number>();
  #trouble: string | undefined;

  constructor(swim: SwimNode<NodeServices>, { wallClockMs, log }: SwimMembershipOptions) {
    this.#swim = swim;
    this.#wallClockMs = wallClockMs;
    this.#log = log;
    this.#startedAtMs = wallClockMs();
    this.cluster = swim.cluster;
    this.address = swim.address;
    this.events = new EventLog(String(swim.self.epoch));
    this.#listen();
  }

  nodes(): readonly ClusterNode[] {
    const nodes = this.#swim.members.all.map((member) => this.#nodeOf(member));
    return nodes.sort((a, b) => Number(b.self) - Number(a.self) || (a.id < b.id ? -1 : 1));
  }

  node(id: NodeId): ClusterNode | undefined {
    const member = this.#swim.members.get(id);
    return member && this.#nodeOf(member);
  }

  metrics(): SwimMetrics {
    return this.#swim.metrics();
  }

  trouble(): string | undefined {
    return this.#trouble;
  }

  /**
   * Resolves once the seeds have answered or not. When none did the node carries on, because it may be the first of its
   * cluster, and goes on trying for ever.
   */
  async join(services: NodeServices): Promise<void> {
    try {
      await this.#swim.setMetadata(services);
      const { contacted, failed } = await this.#swim.join();
      this.#log.info({ cluster: this.cluster, swim: this.address, contacted, failed }, contacted.length > 0 ? 'joined the cluster' : 'waiting for other nodes: no seeds are configured');
    } catch (error) {
      if (error instanceof EngramError && error.code === 'shutting_down') return;
      this.#log.warn({ cluster: this.cluster, swim: this.address, err: error }, 'no seed answered; going on alone and trying again for ever');
    }
  }

  async leave(limitMs: number): Promise<void> {
    try {
      const { confirmed } = await this.#swim.leave({ signal: AbortSignal.timeout(limitMs) });
      this.#log.info({ cluster: this.cluster, confirmed }, 'left the cluster');
    } catch (error) {
      this.#log.warn({ cluster: this.cluster, err: error }, 'left the cluster without a confirmation; the others will notice');
    }
    await this.close();
  }

  close(): Promise<void> {
    return this.#swim.close();
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
    swim.on('rejected', ({ reason, meaning, from, count }) => this.#log.warn({ reason, from, count }, `packets were dropped: ${meaning}`));
    swim.on('seed-failed', ({ seed, reason }) => this.#log.warn({ seed, reason }, 'a seed cannot be resolved; it is tried again'));
    swim.on('epoch-not-kept', ({ epoch, error }) => this.#log.error({ epoch, err: error }, 'the epoch could not be written to the data directory; check its disk'));
  }

  #changed({ type, member }: MemberChange<NodeServices>): void {
    if (type === 'forgotten') this.#changedAtMs.delete(member.name);
    else this.#changedAtMs.set(member.name, this.#wallClockMs());
    const node = this.#nodeOf(member);
    if (!node.self && type !== 'updated') {
      const details = { peer: node.id, address: node.address, epoch: node.epoch, incarnation: node.incarnation };
      if (type === 'suspect' || type === 'dead') this.#log.warn(details, `a node is ${type}`);
      else this.#log.info(details, changeWords[type]);
    }
    this.#append(type, node);
  }

  #ownChange(type: 'isolated' | 'rejoined', message: string): void {
    this.#log.warn({ cluster: this.cluster }, message);
    this.#append(type, this.#nodeOf(this.#swim.self));
  }

  #append(type: ClusterEventType, node: ClusterNode): void {
    this.events.append({ type, node, atMs: this.#wallClockMs() });
  }

  #nodeOf({ name, state, address, epoch, incarnation, metadata }: SwimMember<NodeServices>): ClusterNode {
    return {
      id: name,
      state,
      address,
      ...(metadata === undefined ? {} : { services: metadata }),
      epoch,
      incarnation,
      changedAtMs: this.#changedAtMs.get(name) ?? this.#startedAtMs,
      self: name === this.#swim.name,
    };
  }
}

const changeWords = {
  joined: 'a node joined',
  restarted: 'a node was restarted',
  recovered: 'a suspect is alive after all',
  left: 'a node left',
  forgotten: 'a node that was gone for long is forgotten',
} as const;

function swimOptions({ config, nodeId, dataDirectory }: SwimMembershipOptions): CreateSwimOptions<NodeServices> {
  const { name, advertise, discovery, swim } = config;
  const [key, ...otherKeys] = swim.keys;
  return {
    cluster: name,
    name: nodeId,
    bind: formatAddress(swim.bind),
    ...(advertise === undefined ? {} : { advertise: formatAddress(advertise) }),
    seeds: discovery.static.seeds.map(formatAddress),
    preset: swim.preset,
    protocol: protocolOptions(swim),
    metadataCodec: nodeServices,
    ...(key === undefined ? { security: 'none' } : { keyring: new Keyring(key, ...otherKeys) }),
    dataDirectory,
  };
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
