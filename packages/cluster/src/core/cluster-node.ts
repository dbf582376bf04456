import { assert, msBetween, plusMs, unreachable, wake, type ClusterId, type Core, type Instant, type NodeId, type Random, type Wake } from '@engram/kernel';
import {
  checkMap, clusterMapOf, contentOf, encodeAcceptorState, firstTable, LeaseGranter, LeaseHolder, mapChanges, Promotion, ballotZero, clusterMapCodec,
  type AcceptorState, type ClusterMap, type CopyProgress, type LeaseHolderEffect, type LeaseOptions, type LeaseRequest, type MapContent, type PartitionPlacement, type PromotionEffect, type RegisterState, type RosterNode, type Voter,
} from '@engram/placement/core';
import { ReplicationCore, type Checksum, type PartitionStatus, type ReplicationEffect, type ReplicationEvent, type ReplicationOptions, type ReplicationStart, type ReplicationStatus, type CountersSnapshot, type Lsn } from '@engram/replication/core';
import type { ClusterEffect, ClusterEvent, FoundingPolicies, NodeCard, SeenNode } from './cluster-messages.js';
import { decodeControl, encodeControl, type ControlMessage } from './control-codec.js';
import { RegisterSeat, type RegisterOutcome } from './register-seat.js';
import { enrolled, nextVoters, orphanMakers, stewardOf } from './steward.js';
import { entryOf, involves, storagesOf } from './table-entries.js';

/** What a node brings along from its disk, and what it says about itself. */
export interface ClusterNodeStart {
  readonly now: Instant;
  readonly card: NodeCard;
  readonly acceptor: AcceptorState<MapContent> | undefined;
  /** The map as it was last kept, to find the voters by. */
  readonly map?: RegisterState<MapContent>;
  /** True only when this disk is new. */
  readonly fresh: boolean;
  readonly replication: ReplicationStart;
}

export interface ClusterNodeOptions {
  readonly founding: FoundingPolicies;
  readonly lease?: LeaseOptions;
  readonly replication?: ReplicationOptions;
  /** How often the node looks whether something is to be done. @default 200 */
  readonly tickMs?: number;
  /** How long a founder waits for the nodes that are expected. @default 5_000 */
  readonly foundingWaitMs?: number;
}

/** What one copy was asked to promise, by partition, and what it has said. */
interface Seal {
  readonly epochs: ReadonlyMap<number, number>;
  readonly progress: Map<number, CopyProgress>;
}

/** A promotion under way, and its present round of seals. */
interface Takeover {
  readonly promotion: Promotion;
  readonly seals: Map<NodeId, Seal>;
}

/** How long after a takeover that did not get through, or a request that was refused, the same is tried again. */
const retryMs = 500;
/** How long a node that the map names may stay unheard of after this one has started, before it counts as gone. */
const unseenMs = 5_000;
/** How often a node that is not in the roster asks for the map: nobody sends it one unasked. */
const strangerMs = 1_000;

/**
 * One node of a cluster: register, leases, promotion and replication, wired together. Formation comes before it and
 * membership runs beside it; both only tell it what they know.
 *
 * ```text
 * joined ──▶ found the register, or ask others for the map ──▶ enrol in its roster
 * map ─────▶ leases (who may act)   ─▶ replication.lease
 *      ────▶ replication.table      (what I hold, what I lead)
 * members ─▶ a primary is gone ──▶ promotion ──▶ fence copies ──▶ change the map
 * ```
 */
export class ClusterNode implements Core<ClusterEvent, ClusterEffect> {
  readonly #id: NodeId;
  readonly #storageId: string;
  readonly #random: Random;
  readonly #checksum: Checksum;
  readonly #options: Required<ClusterNodeOptions>;
  readonly #start: ClusterNodeStart;
  readonly #seat: RegisterSeat;
  readonly #granter: LeaseGranter;
  readonly #holder: LeaseHolder;
  #replication: ReplicationCore | undefined;
  #card: NodeCard;
  #effects: ClusterEffect[] = [];

  #clusterId: ClusterId | undefined;
  #founds = false;
  #joinedAt: Instant | undefined;
  #seen = new Map<NodeId, SeenNode>();
  #state: RegisterState<MapContent> | undefined;
  #map: ClusterMap | undefined;
  #storages: ReadonlyMap<NodeId, string> = new Map();
  #tickAt: Instant;
  #leaving = false;
  /** Until when the lease runs, as replication was told. */
  #leaseTold: Instant | undefined;
  /** Partitions that we are primary of, and that leases of earlier primaries still keep us from. */
  readonly #heldBack = new Set<number>();
  /** Epochs that copies have promised beyond the one we lead in. */
  readonly #outbid = new Map<number, number>();
  readonly #takeovers = new Map<NodeId, Takeover>();
  readonly #takeoverAt = new Map<NodeId, Instant>();
  /** A change of the map of ours that has no outcome yet. One at a time keeps them from refusing each other. */
  #changing = false;
  #reading = false;
  #changeAt: Instant | undefined;
  #askedOthersAt: Instant | undefined;

  constructor(random: Random, checksum: Checksum, start: ClusterNodeStart, options: ClusterNodeOptions) {
    this.#id = start.card.id;
    this.#storageId = start.card.storageId;
    this.#card = start.card;
    this.#random = random;
    this.#checksum = checksum;
    this.#start = start;
    this.#options = { lease: {}, replication: {}, tickMs: 200, foundingWaitMs: 5_000, ...options };
    this.#seat = new RegisterSeat(this.#id, this.#storageId, start.acceptor, random.fork('register'), {
      send: (to, message) => this.#send(to, { kind: 'register', message }),
      persist: (bytes) => this.#effects.push({ kind: 'persist-acceptor', bytes }),
      accepted: (version) => void this.#granter.handle({ kind: 'map-accepted', mapEpoch: version }, start.now),
    });
    this.#granter = new LeaseGranter({ now: start.now, mapEpoch: this.#seat.acceptedVersion, fresh: start.fresh }, this.#options.lease);
    this.#holder = new LeaseHolder(this.#id, this.#options.lease);
    this.#tickAt = start.now;
    if (start.map) this.#seat.heardOf(start.map);
  }

  /** The newest map that was chosen and heard of here. */
  get map(): ClusterMap | undefined { return this.#map; }
  get clusterId(): ClusterId | undefined { return this.#clusterId; }
  holdsLease(now: Instant): boolean { return this.#holder.holdsLease(now); }
  /** Who sees to the map at the moment, as this node sees it. */
  get steward(): NodeId | undefined { return this.#map && stewardOf(this.#map, (id) => this.#isAlive(id)); }
  partition(partition: number): PartitionStatus | undefined { return this.#replication?.partition(partition); }
  replicationStatus(now: Instant): ReplicationStatus | undefined { return this.#replication?.status(now); }
  replicationCounters(): CountersSnapshot | undefined { return this.#replication?.counters(); }
  retainFrom(): { readonly needed: Lsn; readonly mustKeep: Lsn } | undefined { return this.#replication?.retainFrom(); }
  replicationRecords(): ReturnType<ReplicationCore['records']> { return this.#replication?.records() ?? []; }

  /** Whether a write of this partition would be taken by this node now. Ask at the very moment of acting. */
  leads(partition: number, now: Instant): boolean {
    const placement = this.#map?.table[partition];
    return placement !== undefined && !this.#leaving && this.#holder.mayAcknowledge(placement, now) && this.#replication?.partition(partition)?.role === 'primary';
  }

  handle(event: ClusterEvent | Wake, now: Instant): readonly ClusterEffect[] {
    this.#effects = [];
    this.#absorb(event, now);
    if (now >= this.#tickAt) {
      this.#tickAt = plusMs(now, this.#options.tickMs);
      this.#tick(now);
    }
    return this.#effects;
  }

  nextWake(): Instant | undefined {
    let next: Instant | undefined = this.#clusterId === undefined ? undefined : this.#tickAt;
    for (const at of [this.#seat.nextWake, this.#holder.nextWake(), this.#replication?.nextWake(), ...[...this.#takeovers.values()].map(({ promotion }) => promotion.nextWake())]) {
      if (at !== undefined && (next === undefined || at < next)) next = at;
    }
    return next;
  }

  #absorb(event: ClusterEvent | Wake, now: Instant): void {
    switch (event.kind) {
      case 'wake':                    return this.#wake(now);
      case 'joined':                  return this.#join(event.clusterId, event.founded, now);
      case 'members':                 return this.#meet(event.nodes, now);
      case 'card-changed':            this.#card = event.card; return;
      case 'control-received':        return this.#received(event.from, event.bytes, now);
      case 'acceptor-persisted':      return this.#seat.persisted(now);
      case 'acceptor-persist-failed': this.#notice('warn', 'this node cannot vote on the map any more until it is restarted', { reason: event.reason }); return this.#seat.persistFailed(now);
      case 'replication':             return this.#replicate(event.event, now);
      case 'leaving':                 return this.#leave(now);
      default:                        return unreachable(event);
    }
  }

  #wake(now: Instant): void {
    this.#seat.wake(wake, now);
    if ((this.#holder.nextWake() ?? Infinity) <= now) this.#lease(this.#holder.handle(wake, now), now);
    for (const [node, takeover] of this.#takeovers) {
      if ((takeover.promotion.nextWake() ?? Infinity) > now) continue;
      // Time is up for those that have not answered all; what they did answer counts.
      for (const [copy, { epochs, progress }] of takeover.seals) {
        if (progress.size > 0 && progress.size < epochs.size) this.#takeOver(node, takeover.promotion.handle({ kind: 'sealed', from: copy, progress: [...progress.values()] }, now), now);
      }
      this.#takeOver(node, takeover.promotion.handle(wake, now), now);
    }
    if (this.#replication && (this.#replication.nextWake() ?? Infinity) <= now) this.#perform(this.#replication.handle(wake, now), now);
  }

  // ── Belonging ────────────────────────────────────────────────────────────────────────────────────────────────────

  #join(clusterId: ClusterId, founded: boolean, now: Instant): void {
    assert(this.#clusterId === undefined || this.#clusterId === clusterId, 'a node belongs to one cluster for ever', { was: this.#clusterId, is: clusterId });
    if (this.#clusterId !== undefined) return;
    this.#clusterId = clusterId;
    this.#founds = founded && this.#start.acceptor === undefined;
    this.#joinedAt = now;
    this.#tickAt = now;
    this.#replication = new ReplicationCore({ clusterId, nodeId: this.#id, storageId: this.#storageId }, this.#random.fork('replication'), this.#checksum, this.#start.replication, this.#options.replication);
  }

  #meet(nodes: readonly SeenNode[], now: Instant): void {
    const before = this.#seen;
    this.#seen = new Map(nodes.map((node) => [node.id, node]));
    // Nobody waits for the next tick when somebody has come or gone.
    if (nodes.some(({ id, alive }) => before.get(id)?.alive !== alive)) this.#tickAt = now;
  }

  /** Whether it is there, with the disk that the roster has of it. */
  #isAlive(id: NodeId): boolean {
    if (id === this.#id) return !this.#leaving && this.#belongs();
    const seen = this.#seen.get(id);
    return seen?.alive === true && (seen.card === undefined || seen.card.storageId === this.#storages.get(id));
  }

  /** Whether what the map says of it has to be done by others. */
  #isGone(id: NodeId, now: Instant): boolean {
    if (id === this.#id) return false;
    // After everybody was started anew, a node that stays away is one that nobody has seen leave.
    if (!this.#seen.has(id)) return msBetween(this.#joinedAt as Instant, now) > unseenMs;
    return !this.#isAlive(id);
  }

  /** Whether the roster has this node, with this disk. */
  #belongs(): boolean {
    return this.#storages.get(this.#id) === this.#storageId;
  }

  /** Whatever time or the news of others may have made due. */
  #tick(now: Instant): void {
    if (this.#clusterId === undefined || this.#leaving) return;
    if (!this.#map) return this.#founds ? this.#found(now) : this.#askForMap(now);
    this.#letGo(now);
    if (!this.#belongs()) this.#askOthers(now);
    if (this.#changing || (this.#changeAt !== undefined && now < this.#changeAt)) return;
    const content = enrolled(this.#map, this.#card);
    if (content) return this.#change(content, undefined, now);
    const reopened = this.#reopened();
    if (reopened) return this.#change(reopened, undefined, now);
    if (this.steward !== this.#id) return;
    const voters = nextVoters(this.#map, (id) => this.#isAlive(id));
    if (voters) return this.#change(contentOf(this.#map), voters, now);
    this.#lookForOrphans(now);
  }

  /** Places everything on those that are there, once as many are as were expected, or have been waited for. */
  #found(now: Instant): void {
    if (this.#seat.isFounding) return;
    const { founding, foundingWaitMs } = this.#options;
    const cards = [this.#card, ...[...this.#seen.values()].flatMap(({ alive, card }) => (alive && card ? [card] : []))];
    if (cards.length < founding.expect && msBetween(this.#joinedAt as Instant, now) < foundingWaitMs) return;
    const roster: RosterNode[] = cards.map((card) => ({ ...card, state: 'active' as const })).sort((a, b) => (a.id < b.id ? -1 : 1));
    const { factor, ack, partition, partitions, strategy } = founding;
    const content: MapContent = { clusterId: this.#clusterId as ClusterId, policies: { factor, ack, partition }, roster, table: firstTable(roster, partitions, { factor }, { strategy }) };
    checkMap(content);
    this.#seat.found(content, (at) => this.#askRegister(at));
  }

  #askForMap(now: Instant): void {
    // A voter has it, or had it; others ask whoever is there, a few at a time.
    if (this.#seat.acceptedVersion > 0 || this.#start.map) this.#askRegister(now);
    this.#askOthers(now);
  }

  #askOthers(now: Instant): void {
    if (this.#askedOthersAt !== undefined && msBetween(this.#askedOthersAt, now) < (this.#map ? strangerMs : 0)) return;
    this.#askedOthersAt = now;
    const others = [...this.#seen.values()].filter(({ alive }) => alive).map(({ id }) => id);
    for (const id of this.#random.shuffle(others).slice(0, 3)) this.#send(id, { kind: 'map-request', epoch: this.#map?.epoch ?? 0 });
  }

  #askRegister(now: Instant): void {
    if (this.#reading) return;
    this.#reading = true;
    this.#seat.read((outcome, at) => {
      this.#reading = false;
      if (outcome.kind === 'completed') this.#learn(outcome.state, at);
    }, now);
  }

  // ── The map ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A state of the register that is known to be chosen. */
  #learn(state: RegisterState<MapContent>, now: Instant): void {
    if (this.#state && state.version <= this.#state.version) return;
    if (state.value.clusterId !== this.#clusterId) return this.#notice('warn', 'a map of another cluster was turned away', { theirs: state.value.clusterId, ours: this.#clusterId ?? '' });
    const before = this.#map;
    const map = clusterMapOf(state);
    this.#state = state;
    this.#map = map;
    this.#storages = storagesOf(map);
    this.#seat.heardOf(state);
    this.#effects.push({ kind: 'keep-map', bytes: encodeAcceptorState({ promised: ballotZero, accepted: { ballot: ballotZero, state } }, clusterMapCodec) });
    this.#effects.push({ kind: 'map-changed', map, changes: before ? mapChanges(before, map) : [] });
    // The table first: a lease that is granted under this map must not cover what was led under the one before.
    this.#tellTable(before, now);
    // With another disk than the roster has, nothing of what that one held may be acted for.
    if (this.#belongs()) this.#lease(this.#holder.handle({ kind: 'map-learned', mapEpoch: map.epoch, electorate: state }, now), now);
    this.#letGo(now);
  }

  /** Which partitions are of interest here, and where leases allow it. */
  #tellTable(before: ClusterMap | undefined, now: Instant): void {
    const map = this.#map as ClusterMap;
    const storagesChanged = before?.roster !== map.roster;
    const entries = [];
    for (const [partition, placement] of map.table.entries()) {
      const earlier = before?.table[partition];
      if (!involves(placement, this.#id) && !(earlier && involves(earlier, this.#id))) continue;
      if (earlier === placement && !storagesChanged) continue;
      if (this.#mustHoldBack(placement, now)) this.#heldBack.add(partition);
      else {
        this.#heldBack.delete(partition);
        entries.push(entryOf(map, partition, this.#storages));
      }
    }
    if (entries.length > 0) this.#replicate({ kind: 'table-changed', entries }, now);
  }

  /** A new primary begins when whoever was before it can no longer act. */
  #mustHoldBack({ primary, deposed }: PartitionPlacement, now: Instant): boolean {
    return primary === this.#id && deposed !== undefined && !deposed.nodes.every((node) => node === this.#id || this.#holder.hasRunOut(node, deposed.since, now));
  }

  #letGo(now: Instant): void {
    if (this.#heldBack.size === 0) return;
    const map = this.#map as ClusterMap;
    const free = [...this.#heldBack].filter((partition) => !this.#mustHoldBack(map.table[partition] as PartitionPlacement, now));
    for (const partition of free) this.#heldBack.delete(partition);
    if (free.length > 0) this.#replicate({ kind: 'table-changed', entries: free.map((partition) => entryOf(map, partition, this.#storages)) }, now);
  }

  #change(content: MapContent, voters: readonly Voter[] | undefined, now: Instant, then?: (outcome: RegisterOutcome, now: Instant) => void): void {
    this.#changing = true;
    this.#seat.change((this.#map as ClusterMap).epoch, content, voters, (outcome, at) => {
      this.#changing = false;
      this.#changed(outcome, at);
      then?.(outcome, at);
    }, now);
  }

  #changed(outcome: RegisterOutcome, now: Instant): void {
    if (outcome.kind === 'completed') {
      this.#changeAt = undefined;
      this.#learn(outcome.state, now);
      // Leases would spread it within a renewal; this is sooner.
      const message: ControlMessage = { kind: 'map', state: outcome.state };
      for (const { id } of outcome.state.value.roster) if (id !== this.#id) this.#send(id, message);
      return;
    }
    const { refusal } = outcome;
    this.#changeAt = plusMs(now, retryMs * (0.5 + this.#random.float()));
    if (refusal.kind === 'version-mismatch' || refusal.kind === 'bad-voters') this.#learn(refusal.current, now);
    else if (refusal.kind === 'indeterminate') this.#askRegister(now);
  }

  /** Copies have promised more than we lead in, so we lead anew above it; whoever began a promotion did not end it. */
  #reopened(): MapContent | undefined {
    const map = this.#map as ClusterMap;
    const table = [...map.table];
    for (const [partition, promised] of this.#outbid) {
      const placement = table[partition] as PartitionPlacement;
      this.#outbid.delete(partition);
      if (placement.primary === this.#id && placement.epoch <= promised) table[partition] = { ...placement, epoch: promised + 1 };
    }
    return table.every((placement, at) => placement === map.table[at]) ? undefined : { ...contentOf(map), table };
  }

  // ── Leases ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #lease(effects: readonly LeaseHolderEffect[], now: Instant): void {
    for (const effect of effects) {
      switch (effect.kind) {
        case 'send':         this.#askForLease(effect.to, effect.request, now); break;
        case 'lease-held':   this.#effects.push({ kind: 'lease-changed', held: true }); break;
        case 'lease-lost':   this.#effects.push({ kind: 'lease-changed', held: false }); break;
        case 'map-outdated': this.#askRegister(now); break;
        default:             unreachable(effect);
      }
    }
    const until = this.#holder.holdsLease(now) ? this.#holder.runsOutAt : now;
    if (until === undefined || until === this.#leaseTold || (until === now && this.#leaseTold !== undefined && this.#leaseTold <= now)) return;
    this.#leaseTold = until;
    this.#replicate({ kind: 'lease', validUntil: until }, now);
  }

  #askForLease(to: Voter, request: LeaseRequest, now: Instant): void {
    if (to.id !== this.#id) return this.#send(to.id, { kind: 'lease-request', request });
    for (const { reply } of this.#granter.handle({ kind: 'request-received', from: this.#id, request }, now)) this.#leaseAnswered({ id: this.#id, storageId: this.#storageId }, reply, now);
  }

  #leaseAnswered(from: Voter, reply: Extract<ControlMessage, { kind: 'lease-reply' }>['reply'], now: Instant): void {
    this.#lease(this.#holder.handle({ kind: 'reply-received', from, reply }, now), now);
    for (const [node, { promotion }] of this.#takeovers) this.#takeOver(node, promotion.handle({ kind: 'lease-answered', from, reply }, now), now);
    this.#letGo(now);
  }

  #leave(now: Instant): void {
    this.#leaving = true;
    this.#lease(this.#holder.handle({ kind: 'resigned' }, now), now);
  }

  // ── Taking over ──────────────────────────────────────────────────────────────────────────────────────────────────

  #lookForOrphans(now: Instant): void {
    const map = this.#map as ClusterMap;
    for (const node of orphanMakers(map, (id) => this.#isGone(id, now))) {
      const at = this.#takeoverAt.get(node);
      if (this.#takeovers.has(node) || (at !== undefined && now < at)) continue;
      const promotion = new Promotion(node, map, {}, (deposed) => deposed.nodes.every((each) => each === this.#id || this.#holder.hasRunOut(each, deposed.since, now)));
      this.#takeovers.set(node, { promotion, seals: new Map() });
      this.#notice('info', 'taking over from a node that is gone', { node });
      this.#takeOver(node, promotion.handle({ kind: 'started' }, now), now);
    }
  }

  #takeOver(node: NodeId, effects: readonly PromotionEffect[], now: Instant): void {
    // Seals come together; those of an earlier round are void, because its epochs may have been used up since.
    if (effects.some(({ kind }) => kind === 'seal')) this.#takeovers.get(node)?.seals.clear();
    for (const effect of effects) {
      switch (effect.kind) {
        case 'inquire':  this.#askForLease(effect.to, effect.request, now); break;
        case 'seal':     this.#seal(node, effect.to, effect.partitions, now); break;
        case 'change':   this.#changeFor(node, effect.expectedEpoch, effect.content, now); break;
        case 'ended':    this.#takenOver(node, effect, now); break;
        case 'given-up': this.#takeovers.delete(node); this.#takeoverAt.set(node, plusMs(now, retryMs)); break;
        default:         unreachable(effect);
      }
    }
  }

  #seal(node: NodeId, copy: NodeId, partitions: readonly { readonly partition: number; readonly epoch: number }[], now: Instant): void {
    this.#takeovers.get(node)?.seals.set(copy, { epochs: new Map(partitions.map(({ partition, epoch }) => [partition, epoch])), progress: new Map() });
    for (const { partition, epoch } of partitions) this.#replicate({ kind: 'fence-copies', partition, epoch, nodes: [copy] }, now);
  }

  #changeFor(node: NodeId, expectedEpoch: number, content: MapContent, now: Instant): void {
    this.#seat.change(expectedEpoch, content, undefined, (outcome, at) => {
      this.#changed(outcome, at);
      const promotion = this.#takeovers.get(node)?.promotion;
      if (!promotion || !this.#map) return;
      this.#takeOver(node, promotion.handle({ kind: outcome.kind === 'completed' ? 'changed' : 'change-refused', map: this.#map }, at), at);
    }, now);
  }

  #takenOver(node: NodeId, { promoted, provisional, waiting }: Extract<PromotionEffect, { kind: 'ended' }>, now: Instant): void {
    this.#takeovers.delete(node);
    this.#takeoverAt.set(node, plusMs(now, retryMs));
    this.#notice(waiting.length > 0 ? 'warn' : 'info', 'took over from a node that is gone', { node, promoted: promoted.length, provisional: provisional.length, waiting: waiting.length });
  }

  #fenced({ partition, epoch, node, storage, granted, position }: Extract<ReplicationEffect, { kind: 'copy-fenced' }>, now: Instant): void {
    // A disk that the map does not name has forgotten what it promised.
    if (!granted || this.#storages.get(node) !== storage) return;
    for (const [gone, { promotion, seals }] of this.#takeovers) {
      const seal = seals.get(node);
      if (seal?.epochs.get(partition) !== epoch) continue;
      seal.progress.set(partition, { partition, epoch: position.epoch, seq: position.seq });
      if (seal.progress.size === seal.epochs.size) this.#takeOver(gone, promotion.handle({ kind: 'sealed', from: node, progress: [...seal.progress.values()] }, now), now);
    }
  }

  // ── Replication ──────────────────────────────────────────────────────────────────────────────────────────────────

  #replicate(event: ReplicationEvent, now: Instant): void {
    if (this.#replication) return this.#perform(this.#replication.handle(event, now), now);
    if (event.kind === 'append' || event.kind === 'confirm') {
      this.#effects.push({ kind: 'replication', effect: { kind: 'refused', request: event.request, refusal: { reason: 'not-primary', primary: undefined, epoch: 0 } } });
    }
  }

  #perform(effects: readonly ReplicationEffect[], now: Instant): void {
    for (const effect of effects) {
      switch (effect.kind) {
        case 'copy-fenced':
          this.#fenced(effect, now);
          break;
        case 'superseded':
          this.#outbid.set(effect.partition, Math.max(effect.promised, this.#outbid.get(effect.partition) ?? 0));
          break;
        case 'cannot-lead':
          if (effect.reason === 'promised-higher') this.#outbid.set(effect.partition, Math.max(effect.promised, this.#outbid.get(effect.partition) ?? 0));
          break;
        default:
          this.#effects.push({ kind: 'replication', effect });
      }
    }
  }

  // ── Talking ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #received(from: NodeId, bytes: Uint8Array, now: Instant): void {
    const message = decodeControl(bytes);
    if (!message || this.#clusterId === undefined) return;
    switch (message.kind) {
      case 'register':
        return this.#seat.received(from, message.message, now);
      case 'lease-request':
        for (const { to, reply } of this.#granter.handle({ kind: 'request-received', from, request: message.request }, now)) this.#send(to, { kind: 'lease-reply', storageId: this.#storageId, reply });
        return;
      case 'lease-reply':
        return this.#leaseAnswered({ id: from, storageId: message.storageId }, message.reply, now);
      case 'map-request':
        if (this.#state && this.#state.version > message.epoch) this.#send(from, { kind: 'map', state: this.#state });
        return;
      case 'map':
        return this.#learn(message.state, now);
      default:
        return unreachable(message);
    }
  }

  #send(to: NodeId, message: ControlMessage): void {
    this.#effects.push({ kind: 'send-control', to, bytes: encodeControl(message) });
  }

  #notice(level: 'info' | 'warn', what: string, details: Readonly<Record<string, string | number>>): void {
    this.#effects.push({ kind: 'notice', level, what, details });
  }
}
