/**
 * The core of the cluster, at work in this process: its messages by gRPC, its promises and entries on this disk.
 *
 * ```text
 * engine ──journal──▶ ClusterNode ──▶ log and store of this node (ReplicationPerformer)
 * membership ───────▶     │      ◀──▶ other nodes (PeerLinks)
 * formation ────────▶     └─────────▶ the map: who leads what (Router)
 * ```
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { ClusterNode, type ClusterEffect, type ClusterEvent, type FoundingPolicies, type NodeCard, type SeenNode, type Verb, type VerbAnswer } from '@engram/cluster';
import { Driver, EngramError, type ClusterId, type NodeId, type Random, type SpaceId } from '@engram/kernel';
import { systemClock } from '@engram/kernel/node';
import { clusterMapCodec, decodeAcceptorState, type AcceptorState, type ClusterMap, type MapChange, type MapContent, type PlacementStrategy } from '@engram/placement';
import { defaultReplicationOptions, type PeerLag, type ReplicationEffect, type ReplicationEvent, type ReplicationOptions, type ReplicationStatus, type SessionToken, type WriteRefusal } from '@engram/replication/core';
import type { AckLevel, Durability, Journal, JournalParts, JournalWrite } from '../engine/index.js';
import { PeerLinks, type PeerLog } from '../peers/index.js';
import { MoveWatch } from './move-watch.js';
import type { ClusterOperator } from './operator.js';
import { belongsTo } from './cluster-file.js';
import type { PlacementView } from './placement-view.js';
import { openStateStore, rebuildHint, ReplicatedJournal, ReplicationPerformer, startOf, type StateStore } from '../replication/index.js';

export interface ReplicatedNodeOptions {
  readonly nodeId: NodeId;
  readonly dataDirectory: string;
  readonly random: Random;
  readonly log: PeerLog & { error(details: object, message: string): void };
  readonly founding: FoundingPolicies;
  readonly replication: ReplicationOptions;
  readonly ack: AckLevel;
  readonly connectionPoolSize: number;
  readonly maxMessageBytes: number;
  /** Where it stands and how much it takes. */
  readonly zone: string;
  readonly rack: string;
  readonly partitionOf: (space: SpaceId) => number;
  readonly onMapChanged: (map: ClusterMap, changes: readonly MapChange[]) => void;
  readonly onLeaseChanged: (held: boolean) => void;
  readonly onLagChanged: (lag: PeerLag, isHigh: boolean) => void;
}

/** What there is once the node belongs to a cluster. */
interface Running {
  readonly core: ClusterNode;
  readonly driver: Driver<ClusterEvent, ClusterEffect>;
  readonly performer: ReplicationPerformer;
  readonly journal: ReplicatedJournal;
}

/** The journal of this node before and after it belongs to a cluster. Replication begins when it does. */
export class ReplicatedNode implements Journal, PlacementView, ClusterOperator {
  readonly moves = new MoveWatch();
  readonly links: PeerLinks;
  readonly #parts: JournalParts;
  readonly #options: ReplicatedNodeOptions;
  readonly #state: StateStore;
  #running: Running | undefined;
  #clusterId: ClusterId | undefined;
  #card: NodeCard;
  /** As membership has them, which is newer than the roster. */
  #seen: readonly SeenNode[] = [];
  #cards: ReadonlyMap<NodeId, NodeCard> = new Map();
  #failure: string | undefined;
  #batchEntries: number;
  #lastVerb = 0;
  /** As many as the core lets wait, and those it answers at once. */
  readonly #verbs = new Map<number, (answer: VerbAnswer) => void>();
  #readyToLeave: () => void = () => undefined;

  /** @throws EngramError `store_damaged`. Nothing stays open then. */
  static async open(parts: JournalParts, options: ReplicatedNodeOptions): Promise<ReplicatedNode> {
    const { dataDirectory, random } = options;
    if (parts.log.recovery.nextLsn > 1) await checkPromises(dataDirectory);
    return new ReplicatedNode(parts, await openStateStore(join(dataDirectory, promisesIn), random.fork('storage')), options);
  }

  private constructor(parts: JournalParts, state: StateStore, options: ReplicatedNodeOptions) {
    const { nodeId: id, zone, rack, log } = options;
    this.#parts = parts;
    this.#options = options;
    this.#state = state;
    this.#batchEntries = options.replication.batchEntries ?? defaultReplicationOptions.batchEntries;
    this.#card = { id, storageId: state.storageId, addresses: {}, zone, rack, capacity: 1 };
    this.links = new PeerLinks({
      self: id,
      clusterId: () => (this.#running ? this.#clusterId : undefined),
      addressOf: (node) => this.addressOf(node, 'grpc'),
      poolSize: options.connectionPoolSize,
      maxMessageBytes: options.maxMessageBytes,
      log,
      onControl: (from, bytes) => this.#dispatch({ kind: 'control-received', from, bytes }),
      replication: {
        opened: (peer, stream) => this.#replicate({ kind: 'stream-opened', peer, stream }),
        failed: (peer) => this.#replicate({ kind: 'stream-failed', peer }),
        accepted: (stream) => this.#replicate({ kind: 'stream-accepted', stream }),
        received: (stream, bytes) => this.#replicate({ kind: 'stream-received', stream, bytes }),
        closed: (stream) => this.#replicate({ kind: 'stream-closed', stream }),
      },
    });
  }

  /** Undefined before the node belongs to a cluster. */
  get core(): ClusterNode | undefined { return this.#running?.core; }
  map(): ClusterMap | undefined { return this.core?.map; }
  replication(): ReplicationStatus | undefined { return this.core?.replicationStatus(systemClock.now()); }
  partitionOf(space: SpaceId): number { return this.#options.partitionOf(space); }
  steward(): NodeId | undefined { return this.core?.steward; }
  /** Whether a write of this partition would be taken here now. */
  leads(partition: number): boolean { return this.core?.leads(partition, systemClock.now()) ?? false; }
  /** How many entries the copy here lacks of what its primary has told; undefined where there is none. */
  entriesLacking(partition: number): number | undefined {
    const status = this.core?.partition(partition);
    return status && Math.max(0, status.primarySeq - status.position.seq);
  }
  /** Whether this node has applied what a token stands for. */
  hasApplied(token: SessionToken): boolean { return this.core?.hasApplied(token) ?? false; }
  /** Whether it has, at the latest after `waitMs`. A node that stops meanwhile has not. */
  async awaitPosition(token: SessionToken, waitMs: number): Promise<boolean> {
    return (await this.#running?.journal.awaitPosition(token, waitMs).catch(() => undefined))?.fresh === true;
  }
  get card(): NodeCard { return this.#card; }
  /** Why this node cannot go on; undefined while it can. */
  get failure(): string | undefined { return this.#failure; }
  get isRemoved(): boolean { return this.core?.isRemoved ?? false; }

  /**
   * Replication begins. What a founder stored while it ran alone becomes the beginning of its copies; of everybody else
   * it stays out, because two nodes that ran alone have numbered their entries alike.
   *
   * @throws EngramError `store_damaged`, `log_damaged`
   */
  async belongTo(clusterId: ClusterId, founded: boolean): Promise<void> {
    if (this.#clusterId !== undefined) return;
    this.#clusterId = clusterId;
    const { founding, replication, random, dataDirectory, partitionOf, ack } = this.#options;
    const acceptor = readAcceptor(this.#state, join(dataDirectory, promisesIn));
    const { log, store } = this.#parts;
    const start = await startOf(log, this.#state, founded ? { adopt: store.applied } : {});
    const core = new ClusterNode(random.fork('cluster'), crc32, { now: systemClock.now(), card: this.#card, acceptor, fresh: this.#state.fresh, replication: start }, { founding, replication });
    const performer = new ReplicationPerformer(this.#parts, this.#state, this.links, (event) => this.#replicate(event), {
      partitionOf,
      onReport: (effect) => this.#report(effect),
      onFailed: (error) => this.#fail(error),
    });
    const view = {
      retainFrom: () => core.retainFrom() ?? { needed: log.status().nextLsn, mustKeep: log.status().nextLsn },
      records: () => core.replicationRecords(),
      writeRefusal: (partition: number) => (core.leads(partition, systemClock.now()) ? undefined : this.#writeRefusal(partition)),
    };
    const journal = new ReplicatedJournal(performer, view, log, { defaultLevel: ack });
    this.#running = { core, performer, journal, driver: new Driver(core, systemClock, (effect) => this.#perform(effect)) };
    this.#dispatch({ kind: 'joined', clusterId, founded });
    this.#dispatch({ kind: 'members', nodes: this.#seen });
  }

  serves(addresses: NodeCard['addresses']): void {
    this.#card = { ...this.#card, addresses };
    this.#dispatch({ kind: 'card-changed', card: this.#card });
  }

  members(nodes: readonly SeenNode[]): void {
    this.#seen = nodes;
    this.#cards = new Map(nodes.flatMap(({ id, card }) => (card ? [[id, card]] : [])));
    this.#dispatch({ kind: 'members', nodes });
  }

  /** Hands over what it leads and acknowledges nothing more as a primary. Resolves when that is done, or after `limitMs`. */
  async leave(limitMs: number): Promise<void> {
    if (!this.#running || this.#failure !== undefined) return;
    const handedOver = new Promise<void>((resolve) => (this.#readyToLeave = resolve));
    const late = new Promise<void>((resolve) => setTimeout(resolve, limitMs).unref());
    this.#dispatch({ kind: 'leaving' });
    await Promise.race([handedOver, late]);
  }

  /** Where a node of the roster, or one that membership tells of, is reached for a purpose. */
  addressOf(node: NodeId, purpose: 'grpc' | 'http'): string | undefined {
    return this.#cards.get(node)?.addresses[purpose] ?? this.map()?.roster.find(({ id }) => id === node)?.addresses[purpose];
  }

  // ── For operators ────────────────────────────────────────────────────────────────────────────────────────────────

  get strategy(): PlacementStrategy { return this.map()?.policies.strategy ?? this.#options.founding.strategy; }

  async operate(verb: Verb): Promise<{ readonly changed: boolean }> {
    if (!this.#running || this.#failure !== undefined) throw new EngramError('not_ready', this.#failure ?? 'This node belongs to no cluster yet.', { hint: 'GET /api/v1/cluster/health says what it waits for.' });
    const request = ++this.#lastVerb;
    const answered = new Promise<VerbAnswer>((resolve) => this.#verbs.set(request, resolve));
    this.#dispatch({ kind: 'verb-asked', request, verb });
    const answer = await answered;
    if (answer.kind === 'done') return answer;
    throw new EngramError(answer.code, answer.message, { hint: answer.hint });
  }

  writesUnderWay(): number { return this.#running?.performer.requests.size ?? 0; }

  get batchEntries(): number { return this.#batchEntries; }
  set batchEntries(entries: number) {
    this.#batchEntries = entries;
    this.#replicate({ kind: 'batch-entries', entries });
  }

  // ── As a journal ─────────────────────────────────────────────────────────────────────────────────────────────────

  readonly isShared = true;

  /** What the cluster has agreed on; before that, what this node is configured with. */
  get defaultLevel(): AckLevel { return this.map()?.policies.ack ?? this.#options.ack; }

  checkLevel(): void {}

  checkWritable(partition: number): void {
    this.#journal().checkWritable(partition);
  }

  write(writes: readonly JournalWrite[], level: AckLevel): Promise<Durability> {
    return this.#journal().write(writes, level);
  }

  confirm(partition: number, level: AckLevel): Promise<Durability> {
    return this.#journal().confirm(partition, level);
  }

  retainFrom(): Promise<number> | undefined {
    return this.#running?.journal.retainFrom();
  }

  trimmed(): void {
    this.#running?.journal.trimmed();
  }

  /** Finishes what is under way, then lets go of the other nodes. */
  async close(): Promise<void> {
    await this.#running?.journal.close();
    this.#running?.driver.stop();
    await this.links.close();
    await this.#state.close();
  }

  #writeRefusal(partition: number): WriteRefusal {
    const placement = this.map()?.table[partition];
    if (placement?.primary === this.#card.id) return { reason: 'no-lease', epoch: placement.epoch };
    return { reason: 'not-primary', primary: placement?.primary, epoch: placement?.epoch ?? 0 };
  }

  #journal(): ReplicatedJournal {
    if (this.#running) return this.#running.journal;
    throw new EngramError('not_ready', 'This node belongs to no cluster yet, so it takes no writes.', { hint: 'GET /api/v1/cluster/health says what it waits for.' });
  }

  #replicate(event: ReplicationEvent): void {
    this.#dispatch({ kind: 'replication', event });
  }

  #dispatch(event: ClusterEvent): void {
    if (this.#failure !== undefined || !this.#running) return;
    try {
      this.#running.driver.dispatch(event);
    } catch (error) {
      this.#fail(error);
    }
  }

  #perform(effect: ClusterEffect): void {
    switch (effect.kind) {
      case 'send-control':
        return this.links.sendControl(effect.to, effect.bytes);
      case 'persist-acceptor':
        this.#state.putAcceptor(effect.bytes).then(
          () => this.#dispatch({ kind: 'acceptor-persisted' }),
          (error: Error) => this.#dispatch({ kind: 'acceptor-persist-failed', reason: error.message }),
        );
        return;
      case 'keep-map':
        // A voter finds the others by its own vote, anybody else by asking whoever is alive.
        return;
      case 'replication':
        return this.#running?.performer.perform(effect.effect);
      case 'map-changed':
        this.#checkPartitions(effect.map);
        this.moves.learned(effect.changes, systemClock.now());
        return this.#options.onMapChanged(effect.map, effect.changes);
      case 'verb-answered':
        this.#verbs.get(effect.request)?.(effect.answer);
        return void this.#verbs.delete(effect.request);
      case 'ready-to-leave':
        return this.#readyToLeave();
      case 'lease-changed':
        return this.#options.onLeaseChanged(effect.held);
      case 'notice':
        return effect.level === 'warn' ? this.#options.log.warn(effect.details, effect.what) : this.#options.log.info(effect.details, effect.what);
    }
  }

  /** A node that spreads spaces otherwise than the others would look for them, and put them, where they are not. */
  #checkPartitions({ partitions }: ClusterMap): void {
    const ours = this.#options.founding.partitions;
    if (partitions !== ours) this.#fail(new EngramError('invalid_config', `cluster.placement.partitions is ${ours}, but the cluster was formed with ${partitions}: set it to that`));
  }

  #report(effect: ReplicationEffect): void {
    const { log } = this.#options;
    switch (effect.kind) {
      case 'lag-high':
      case 'lag-normal':     return this.#options.onLagChanged(effect, effect.kind === 'lag-high');
      case 'corrupt-entry':  return log.warn({ peer: effect.peer, partition: effect.partition, epoch: effect.epoch, seq: effect.seq }, 'an entry arrived damaged; it was refused and is asked for again');
      case 'log-unreadable': return log.warn({ peer: effect.peer, partitions: effect.partitions, reason: effect.reason }, 'the log of this node cannot be read where a copy lacks entries; the copy is given all of its memories instead');
      case 'peer-refused':   return log.warn({ peer: effect.peer, reason: effect.reason, ours: effect.ours, theirs: effect.theirs }, 'a node was refused as a partner of replication');
      case 'tail-set-aside': return log.warn({ partition: effect.partition, entries: effect.entries }, 'entries that the present primary does not have are set aside and offered to it');
      case 'tail-taken-up':  return log.info({ partition: effect.partition, from: effect.from, entries: effect.entries }, 'took up entries that a deposed primary had not shipped');
      default:               return;
    }
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    const { message } = error as Error;
    this.#failure = error instanceof EngramError && error.code === 'invalid_config' ? `this node takes no writes: ${message}` : `replication stopped because of a defect, so this node takes no writes; restart it (${message})`;
    this.#running?.driver.stop();
    for (const answer of this.#verbs.values()) answer({ kind: 'refused', code: 'not_ready', message: this.#failure, hint: 'Ask another node of the cluster.' });
    this.#verbs.clear();
    this.#options.log.error({ err: error }, this.#failure);
    void this.#running?.performer.close(new EngramError('log_failed', this.#failure, { hint: 'Restart the node.' }));
  }
}

/** Where in the data directory the node keeps what it promised to others. */
const promisesIn = 'cluster';

/**
 * A node that lost what it promised would come back as a new disk, whose copies the others fill. Entries of its own log that
 * nobody else has would then show in its copies and in no other, so the two go together or not at all.
 *
 * @throws EngramError `store_damaged` when this node belongs to a cluster and has no promises any more. Nothing was made then.
 */
async function checkPromises(dataDirectory: string): Promise<void> {
  const cluster = await belongsTo(dataDirectory);
  const directory = join(dataDirectory, promisesIn);
  const files = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  if (cluster === undefined || files.length > 0) return;
  throw new EngramError('store_damaged', `This node belongs to cluster ${cluster} and its log has entries, but what it promised to that cluster is gone: there is nothing in ${directory}.`, { hint: rebuildHint, details: { directory } });
}

function readAcceptor(state: StateStore, directory: string): AcceptorState<MapContent> | undefined {
  const bytes = state.acceptor();
  if (bytes === undefined) return undefined;
  const decoded = decodeAcceptorState(bytes, clusterMapCodec);
  if (decoded.kind === 'decoded') return decoded.message;
  // To take it for an empty disk would be to vote from amnesia.
  throw new EngramError('store_damaged', `What this node voted on the cluster map cannot be read (${decoded.reason}) in ${directory}.`, {
    hint: `Start the release that wrote it. Otherwise: ${rebuildHint}`,
  });
}
