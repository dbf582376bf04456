import { assert, msBetween, plusMs, unreachable, wake, type ClusterId, type Core, type Instant, type NodeId, type Random, type Wake } from '@engram/kernel';
import {
  checkMap, clusterMapOf, contentOf, copiesOf, encodeAcceptorState, firstTable, LeaseGranter, LeaseHolder, mapChanges, ballotZero, clusterMapCodec,
  type AcceptorState, type ClusterMap, type LeaseHolderEffect, type LeaseOptions, type LeaseRequest, type MapContent, type PartitionPlacement, type RegisterState, type RosterNode, type Voter,
} from '@engram/placement/core';
import { ReplicationCore, type Checksum, type PartitionStatus, type ReplicationEffect, type ReplicationEvent, type ReplicationOptions, type ReplicationStart, type ReplicationStatus, type CountersSnapshot, type Lsn, type SessionToken } from '@engram/replication/core';
import type { ClusterEffect, ClusterEvent, FoundingPolicies, NodeCard, SeenNode } from './cluster-messages.js';
import { controlProblem, decodeControl, encodeControl, type ControlMessage } from './control-codec.js';
import { Neighbours } from './neighbours.js';
import { RegisterSeat, type RegisterOutcome } from './register-seat.js';
import { VerbQueue } from './verb-queue.js';
import { isRemoved, promotionRefusal, withoutDecommissioned, type Verb, type VerbAnswer } from './verbs.js';
import { enrolled, nextMoves, nextVoters, orphanMakers, stewardOf } from './steward.js';
import { entryOf, involves } from './table-entries.js';
import { CopyKeeper } from './copy-keeper.js';
import { Takeovers } from './takeovers.js';

/** What a node brings along from its disk, and what it says about itself. */
export interface ClusterNodeStart {
  readonly now: Instant;
  readonly card: NodeCard;
  /** What the disk holds, and surely holds: synced once it was read, because whoever wrote it may have died before that. */
  readonly acceptor: AcceptorState<MapContent> | undefined;
  /** The map as it was last kept, to find the voters by. */
  readonly map?: RegisterState<MapContent>;
  /** True only when this disk is new. */
  readonly fresh: boolean;
  readonly replication: ReplicationStart;
}

/** How a node of a cluster is paced, and what a new cluster is like. */
export interface ClusterNodeOptions {
  readonly founding: FoundingPolicies;
  readonly lease?: LeaseOptions;
  readonly replication?: ReplicationOptions;
  /** How often the node looks whether something is to be done. @default 200 */
  readonly tickMs?: number;
  /** For how long nobody must have come or gone before copies or primaries move for balance. @default 10_000 */
  readonly calmMs?: number;
  /** How long a founder waits for the nodes that are expected. @default 5_000 */
  readonly foundingWaitMs?: number;
}

/** How long after a change that was refused the next one is asked for. */
const retryMs = 500;
/** The same after one that made no sense: only something else will make another of it. */
const invalidRetryMs = 5_000;
/** How often a node that is not in the roster asks for the map: nobody sends it one unasked. */
const strangerMs = 1_000;
/** How long the second half of a change of voters is waited for. Renewals ask again more often than that. */
const unsettledMs = 800;
/** Who sends what cannot be read does so again and again; it is said so often at most. */
const refusedEveryMs = 60_000;
/** How often the steward compares the table with what it should be. */
const planEveryMs = 1_000;
/** Copies on their way at once, in the whole cluster. */
const movesMax = 16;
/** How long a node that leaves goes on handing over. What is left then has to wait for its lease to run out. */
const leaveMs = 1_800;
/** How long it waits for all successors to be known, so that one change of the map names all of them. */
const gatherMs = 600;

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
  /** Of the event being handled. */
  #now: Instant;
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
  readonly #neighbours: Neighbours;
  #state: RegisterState<MapContent> | undefined;
  #map: ClusterMap | undefined;
  #tickAt: Instant;
  #leaving = false;
  /** Until when the lease runs, as replication was told. */
  #leaseTold: Instant | undefined;
  /** Partitions that we are primary of, and that leases of earlier primaries still keep us from. */
  readonly #heldBack = new Set<number>();
  /** Epochs that copies have promised beyond the one we lead in. */
  readonly #outbid = new Map<number, number>();
  readonly #takeovers: Takeovers;
  readonly #keeper: CopyKeeper;
  readonly #verbs: VerbQueue;
  #isRemoved = false;
  #plannedAt: Instant | undefined;
  #leaveUntil: Instant | undefined;
  /** A change of the map of ours that has no outcome yet. One at a time keeps them from refusing each other. */
  #changing = false;
  #reading = false;
  #changeAt: Instant | undefined;
  #askedOthersAt: Instant | undefined;
  #refusedAt: Instant | undefined;
  /** A change of voters that was heard of and is not settled. */
  #unsettled: { readonly version: number; readonly since: Instant } | undefined;

  constructor(random: Random, checksum: Checksum, start: ClusterNodeStart, options: ClusterNodeOptions) {
    this.#now = start.now;
    this.#id = start.card.id;
    this.#storageId = start.card.storageId;
    this.#card = start.card;
    this.#random = random;
    this.#checksum = checksum;
    this.#start = start;
    this.#options = { lease: {}, replication: {}, tickMs: 200, calmMs: 10_000, foundingWaitMs: 5_000, ...options };
    this.#seat = new RegisterSeat(this.#id, this.#storageId, start.acceptor, random.fork('register'), {
      send: (to, message) => this.#send(to, { kind: 'register', message }),
      persist: (bytes) => this.#effects.push({ kind: 'persist-acceptor', bytes }),
      accepted: (version) => void this.#granter.handle({ kind: 'map-accepted', mapEpoch: version }, start.now),
    });
    this.#granter = new LeaseGranter({ now: start.now, mapEpoch: this.#seat.acceptedVersion, fresh: start.fresh }, this.#options.lease);
    this.#holder = new LeaseHolder(this.#id, this.#options.lease);
    this.#tickAt = start.now;
    this.#neighbours = new Neighbours(start.card, () => this.#leaving, start.now);
    this.#takeovers = new Takeovers({
      inquire: (to, request, now) => this.#askForLease(to, request, now),
      fence: (copy, partition, epoch, now) => this.#replicate({ kind: 'fence-copies', partition, epoch, nodes: [copy] }, now),
      change: (expectedEpoch, content, then, now) => this.#seat.change(expectedEpoch, content, undefined, (outcome, at) => {
        this.#changed(outcome, at);
        then(outcome.kind === 'completed', this.#map as ClusterMap, at);
      }, now),
      isSettled: (deposed, now) => this.#isSettled(deposed, now),
      notice: (level, what, details) => this.#notice(level, what, details),
    });
    this.#keeper = new CopyKeeper(this.#id, {
      leads: (partition) => this.#mayLead(partition, this.#now),
      isAlive: (node) => this.#neighbours.isAlive(node),
      hasOtherDisk: (node) => this.#neighbours.hasOtherDisk(node, this.#now),
      storageOf: (node) => this.#neighbours.storages.get(node),
      isActive: (node) => this.#neighbours.isActive(node),
      isLeavingForGood: (node) => this.#neighbours.isLeavingForGood(node),
      hasHeirBeside: (placement) => this.#neighbours.hasHeirBeside(copiesOf(placement)),
      isSettled: (deposed) => this.#isSettled(deposed, this.#now),
      confirm: (request, partition, level) => this.#replicate({ kind: 'confirm', request, partition, level }, this.#now),
      fence: (partition, epoch, nodes) => this.#replicate({ kind: 'fence-copies', partition, epoch, nodes }, this.#now),
    });
    this.#verbs = new VerbQueue((request, answer) => this.#answerVerb(request, answer));
    if (start.map) this.#seat.heardOf(start.map);
  }

  /** The newest map that was chosen and heard of here. */
  get map(): ClusterMap | undefined { return this.#map; }
  get clusterId(): ClusterId | undefined { return this.#clusterId; }
  /** Whether a majority of voters lets this node act at this moment. */
  holdsLease(now: Instant): boolean { return this.#holder.holdsLease(now); }
  /** Who sees to the map at the moment, as this node sees it. */
  get steward(): NodeId | undefined { return this.#map && stewardOf(this.#map, (id) => this.#neighbours.isAlive(id)); }
  /** Whether this node was decommissioned. It answers for nothing any more, and may be stopped. */
  get isRemoved(): boolean { return this.#isRemoved; }
  /** How one partition is doing here; undefined where nothing is known of it. */
  partition(partition: number): PartitionStatus | undefined { return this.#replication?.partition(partition); }
  /** Whether this node has applied what a token stands for; replication's `await-position` waits for it. */
  hasApplied(token: SessionToken): boolean { return this.#replication?.hasApplied(token) === true; }
  /** How replication is doing here. Walks all partitions. */
  replicationStatus(now: Instant): ReplicationStatus | undefined { return this.#replication?.status(now); }
  /** Counts of replication since the start. */
  replicationCounters(): CountersSnapshot | undefined { return this.#replication?.counters(); }
  /** What the log is still needed for. */
  retainFrom(): { readonly needed: Lsn; readonly mustKeep: Lsn } | undefined { return this.#replication?.retainFrom(); }
  /** How much it keeps in memory besides replication; each is bounded by the partitions, the roster, or the queue of the register. */
  held(): Readonly<Record<'seen' | 'heldBack' | 'outbid' | 'takeovers' | 'keeper' | 'verbs' | 'registerRequests', number>> {
    return { seen: this.#neighbours.size, heldBack: this.#heldBack.size, outbid: this.#outbid.size, takeovers: this.#takeovers.held, keeper: this.#keeper.held, verbs: this.#verbs.held, registerRequests: this.#seat.pending };
  }
  /** The records of all copies, to be made durable before the log is cut. */
  replicationRecords(): ReturnType<ReplicationCore['records']> { return this.#replication?.records() ?? []; }

  /** Whether a write of this partition would be taken by this node now. Ask at the very moment of acting. */
  leads(partition: number, now: Instant): boolean {
    return !this.#leaving && this.#mayLead(partition, now);
  }

  handle(event: ClusterEvent | Wake, now: Instant): readonly ClusterEffect[] {
    this.#now = now;
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
    for (const at of [this.#seat.nextWake, this.#holder.nextWake(), this.#replication?.nextWake(), this.#takeovers.nextWake]) {
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
      case 'verb-asked':              return this.#verbAsked(event.request, event.verb, now);
      case 'leaving':                 return this.#leave(now);
      default:                        return unreachable(event);
    }
  }

  #wake(now: Instant): void {
    this.#seat.wake(wake, now);
    if ((this.#holder.nextWake() ?? Infinity) <= now) this.#lease(this.#holder.handle(wake, now), now);
    this.#takeovers.wake(now);
    if (this.#replication && (this.#replication.nextWake() ?? Infinity) <= now) this.#perform(this.#replication.handle(wake, now), now);
  }

  // ── Belonging ────────────────────────────────────────────────────────────────────────────────────────────────────

  #join(clusterId: ClusterId, founded: boolean, now: Instant): void {
    assert(this.#clusterId === undefined || this.#clusterId === clusterId, 'a node belongs to one cluster for ever', { was: this.#clusterId, is: clusterId });
    if (this.#clusterId !== undefined) return;
    this.#clusterId = clusterId;
    this.#founds = founded && this.#start.acceptor === undefined;
    this.#neighbours.joined(now);
    this.#tickAt = now;
    this.#replication = new ReplicationCore({ clusterId, nodeId: this.#id, storageId: this.#storageId }, this.#random.fork('replication'), this.#checksum, this.#start.replication, this.#options.replication);
  }

  #meet(nodes: readonly SeenNode[], now: Instant): void {
    // Nobody waits for the next tick when somebody has come or gone.
    if (this.#neighbours.meet(nodes, now)) this.#tickAt = now;
  }

  /** Whatever time or the news of others may have made due. */
  #tick(now: Instant): void {
    if (this.#clusterId === undefined) return;
    if (!this.#map) return this.#leaving ? undefined : this.#founds ? this.#found(now) : this.#askForMap(now);
    this.#letGo(now);
    if (this.#leaving) return this.#handAllOver(now);
    if (!this.#neighbours.belongs) this.#askOthers(now);
    this.#neighbours.watchDisks(now);
    this.#verbs.expire(now);
    if (this.#neighbours.belongs && !this.#neighbours.isActive(this.#id)) this.#keeper.drain(this.#map, now);
    if (this.#changing || (this.#changeAt !== undefined && now < this.#changeAt)) return;
    const asked = this.#verbs.next(this.#map);
    if (asked) return this.#change(asked, undefined, now, (outcome) => this.#verbs.settled(outcome));
    const mine = enrolled(this.#map, this.#card) ?? this.#reopened() ?? this.#keeper.tend(this.#map, now) ?? this.#farewell(this.#map, now);
    if (mine) return this.#change(mine, undefined, now);
    if (this.steward === this.#id) this.#steward(this.#map, now);
  }

  /** The map without this node, once it is decommissioned and others have all that it had. */
  #farewell(map: ClusterMap, now: Instant): MapContent | undefined {
    const removal = withoutDecommissioned(map, (id) => id === this.#id);
    const offers = removal && this.#replication?.status(now).partitions.some(({ entriesSetAside }) => entriesSetAside > 0);
    return offers ? undefined : removal;
  }

  /** What one node does for all. */
  #steward(map: ClusterMap, now: Instant): void {
    const voters = nextVoters(map, (id) => this.#neighbours.isAlive(id));
    if (voters) return this.#change(contentOf(map), voters, now);
    this.#takeovers.seek(orphanMakers(map, (id) => this.#neighbours.isGone(id, now)), map, now);
    // Who is there takes itself out, once it has nothing left that only it has.
    const removal = withoutDecommissioned(map, (id) => this.#neighbours.isGone(id, now));
    if (removal) return this.#change(removal, undefined, now);
    const { calmMs, founding: { strategy } } = this.#options;
    // Nobody waits for calm to let go who was told to.
    const isAsked = map.roster.some(({ state }) => state === 'decommissioning');
    if ((!isAsked && !this.#neighbours.isCalm(calmMs, now)) || (this.#plannedAt !== undefined && msBetween(this.#plannedAt, now) < planEveryMs)) return;
    this.#plannedAt = now;
    const { content, handOvers } = nextMoves(map, (id) => this.#neighbours.isAlive(id), map.policies.strategy ?? strategy, movesMax);
    for (const { partition, from, to } of handOvers) {
      if (from === this.#id) this.#keeper.handOver(map, partition, to, now);
      else this.#send(from, { kind: 'hand-over', partition, to });
    }
    if (content) this.#change(content, undefined, now);
  }

  /** Places everything on those that are there, once as many are as were expected, or have been waited for. */
  #found(now: Instant): void {
    if (this.#seat.isFounding) return;
    const { founding, foundingWaitMs } = this.#options;
    const cards = [this.#card, ...this.#neighbours.cards];
    if (cards.length < founding.expect && !this.#neighbours.hasWaited(foundingWaitMs, now)) return;
    const roster: RosterNode[] = cards.map((card) => ({ ...card, state: 'active' as const })).sort((a, b) => (a.id < b.id ? -1 : 1));
    const { factor, ack, partition, partitions, strategy } = founding;
    const content: MapContent = { clusterId: this.#clusterId as ClusterId, policies: { factor, ack, partition, strategy }, roster, table: firstTable(roster, partitions, { factor }, { strategy }) };
    checkMap(content);
    this.#seat.found(content, (at) => this.#askRegister(at));
  }

  #askForMap(now: Instant): void {
    // A voter has it, or had it; others ask whoever is there, a few at a time.
    if (this.#seat.knowsVoters) this.#askRegister(now);
    this.#askOthers(now);
  }

  #askOthers(now: Instant): void {
    if (this.#askedOthersAt !== undefined && msBetween(this.#askedOthersAt, now) < (this.#map ? strangerMs : 0)) return;
    this.#askedOthersAt = now;
    for (const id of this.#random.shuffle(this.#neighbours.others).slice(0, 3)) this.#send(id, { kind: 'map-request', epoch: this.#map?.epoch ?? 0 });
  }

  #askRegister(now: Instant): void {
    if (this.#reading || !this.#seat.knowsVoters) return;
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
    if (this.#isUnsettled(state, now)) return;
    const before = this.#map;
    const map = clusterMapOf(state);
    this.#state = state;
    this.#map = map;
    this.#neighbours.learned(map);
    if (!this.#isRemoved && isRemoved(map, this.#id, this.#storageId)) {
      this.#isRemoved = true;
      this.#notice('info', 'this node has left the cluster: it was decommissioned and can be stopped; with an empty data directory it joins as a new one', { node: this.#id });
    }
    this.#seat.heardOf(state);
    this.#effects.push({ kind: 'keep-map', bytes: encodeAcceptorState({ promised: ballotZero, accepted: { ballot: ballotZero, state } }, clusterMapCodec) });
    this.#effects.push({ kind: 'map-changed', map, changes: before ? mapChanges(before, map) : [] });
    // The table first: a lease that is granted under this map must not cover what was led under the one before.
    this.#tellTable(before, now);
    // With another disk than the roster has, nothing of what that one held may be acted for.
    if (this.#neighbours.belongs) this.#lease(this.#holder.handle({ kind: 'map-learned', mapEpoch: map.epoch, electorate: state }, now), now);
    this.#letGo(now);
    this.#takeovers.learned(map);
  }

  /**
   * A change of voters is chosen twice, the second time as settled, and one of the two is enough. Whoever learns the first
   * counts the voters as changed once more at the next map, and waits a whole lease before it succeeds anybody. So it waits
   * a moment for the second here, which comes unless whoever changed the voters has died meanwhile.
   */
  #isUnsettled({ version, previousVoters }: RegisterState<MapContent>, now: Instant): boolean {
    if (previousVoters === undefined || !this.#map) return false;
    if (this.#unsettled?.version !== version) this.#unsettled = { version, since: now };
    return msBetween(this.#unsettled.since, now) < unsettledMs;
  }

  /** Which partitions are of interest here, and where leases allow it. */
  #tellTable(before: ClusterMap | undefined, now: Instant): void {
    const map = this.#map as ClusterMap;
    const storagesChanged = before?.roster !== map.roster;
    const entries = [];
    for (const [partition, placement] of map.table.entries()) {
      const earlier = before?.table[partition];
      // Also what is held here and belongs elsewhere by now: it may be all there is of a write.
      if (!involves(placement, this.#id) && !(earlier && involves(earlier, this.#id)) && !this.#replication?.partition(partition)) continue;
      if (earlier === placement && !storagesChanged) continue;
      if (this.#mustHoldBack(placement, now)) this.#heldBack.add(partition);
      else {
        this.#heldBack.delete(partition);
        entries.push(entryOf(map, partition, this.#neighbours.storages));
      }
    }
    if (entries.length > 0) this.#replicate({ kind: 'table-changed', entries }, now);
  }

  /** A new primary begins when whoever was before it can no longer act. */
  #mustHoldBack({ primary, deposed }: PartitionPlacement, now: Instant): boolean {
    return primary === this.#id && deposed !== undefined && !this.#isSettled(deposed, now);
  }

  #isSettled({ nodes, since }: NonNullable<PartitionPlacement['deposed']>, now: Instant): boolean {
    return nodes.every((node) => node === this.#id || this.#holder.hasRunOut(node, since, now));
  }

  #mayLead(partition: number, now: Instant): boolean {
    const placement = this.#map?.table[partition];
    if (placement === undefined || !this.#holder.mayAcknowledge(placement, now)) return false;
    const copy = this.#replication?.partition(partition);
    return copy?.role === 'primary' && copy.epoch === placement.epoch;
  }

  #letGo(now: Instant): void {
    if (this.#heldBack.size === 0) return;
    const map = this.#map as ClusterMap;
    const free = [...this.#heldBack].filter((partition) => !this.#mustHoldBack(map.table[partition] as PartitionPlacement, now));
    for (const partition of free) this.#heldBack.delete(partition);
    if (free.length > 0) this.#replicate({ kind: 'table-changed', entries: free.map((partition) => entryOf(map, partition, this.#neighbours.storages)) }, now);
  }

  #change(content: MapContent, voters: readonly Voter[] | undefined, now: Instant, then: (outcome: RegisterOutcome) => void = () => undefined): void {
    this.#changing = true;
    this.#seat.change((this.#map as ClusterMap).epoch, content, voters, (outcome, at) => {
      this.#changing = false;
      then(outcome);
      this.#changed(outcome, at);
    }, now);
  }

  #changed(outcome: RegisterOutcome, now: Instant): void {
    if (outcome.kind === 'completed') {
      this.#changeAt = undefined;
      // What has become due meanwhile follows at once.
      this.#tickAt = now;
      const before = this.#map?.roster ?? [];
      this.#learn(outcome.state, now);
      // Leases would spread it within a renewal; this is sooner. Who has just been removed hears it too.
      const message: ControlMessage = { kind: 'map', state: outcome.state };
      for (const id of new Set([...before, ...outcome.state.value.roster].map((node) => node.id))) if (id !== this.#id) this.#send(id, message);
      return;
    }
    if (outcome.kind === 'invalid') {
      this.#changeAt = plusMs(now, invalidRetryMs);
      return this.#notice('warn', 'a change of the map was not asked for, because it contradicts itself', { problem: outcome.problem });
    }
    const { refusal } = outcome;
    this.#changeAt = plusMs(now, retryMs * (0.5 + this.#random.float()));
    // Who leaves has no time to lose.
    if (this.#leaving) this.#tickAt = now;
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
      if (placement.primary === this.#id && placement.epoch <= promised && !this.#keeper.isHandingOver(partition)) table[partition] = { ...placement, epoch: promised + 1 };
    }
    return table.every((placement, at) => placement === map.table[at]) ? undefined : { ...contentOf(map), table };
  }

  // ── What operators ask for ───────────────────────────────────────────────────────────────────────────────────────

  #verbAsked(request: number, verb: Verb, now: Instant): void {
    const map = this.#map;
    if (!map || !this.#neighbours.belongs || this.#leaving) {
      const message = this.#isRemoved ? 'this node was decommissioned' : this.#leaving ? 'this node is stopping' : 'this node has no place in the cluster yet';
      return this.#answerVerb(request, { kind: 'refused', code: 'not_ready', message, hint: 'Ask another node of the cluster.' });
    }
    switch (verb.kind) {
      case 'promote': {
        const refusal = promotionRefusal(map, verb.partition, verb.to, (id) => this.#neighbours.isAlive(id));
        const primary = map.table[verb.partition]?.primary;
        if (refusal || primary === verb.to || primary === undefined) return this.#answerVerb(request, refusal ?? { kind: 'done', changed: false });
        if (primary === this.#id) this.#keeper.handOver(map, verb.partition, verb.to, now);
        else this.#send(primary, { kind: 'hand-over', partition: verb.partition, to: verb.to });
        return this.#answerVerb(request, { kind: 'done', changed: true });
      }
      case 'plan-moves':
        if (this.steward === this.#id) this.#planNow(now);
        else if (this.steward !== undefined) this.#send(this.steward, { kind: 'plan-moves' });
        return this.#answerVerb(request, { kind: 'done', changed: true });
      default:
        this.#verbs.ask(request, verb, now);
        this.#tickAt = now;
    }
  }

  #answerVerb(request: number, answer: VerbAnswer): void {
    this.#effects.push({ kind: 'verb-answered', request, answer });
  }

  /** As if everything had been calm for long. */
  #planNow(now: Instant): void {
    this.#neighbours.calmDown();
    this.#plannedAt = undefined;
    this.#tickAt = now;
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
    this.#takeovers.leaseAnswered(from, reply, now);
    this.#letGo(now);
  }

  // ── Leaving ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #leave(now: Instant): void {
    if (this.#leaving) return;
    this.#leaving = true;
    this.#verbs.abandon();
    if (!this.#map) return void this.#effects.push({ kind: 'ready-to-leave' });
    this.#leaveUntil = plusMs(now, leaveMs);
    this.#tickAt = now;
  }

  /** Gives every primary's place away while it still can, so that nobody has to wait for its lease. */
  #handAllOver(now: Instant): void {
    const map = this.#map as ClusterMap;
    if (this.#leaveUntil === undefined) return;
    if (!this.#changing) {
      const content = this.#keeper.isDecided || now >= plusMs(this.#leaveUntil, gatherMs - leaveMs) ? this.#keeper.tend(map, now) : undefined;
      if (content) return this.#change(content, undefined, now);
      this.#keeper.handAllOver(map, this.#leaveUntil, now);
    }
    if ((this.#changing || this.#keeper.handingOver > 0) && now < this.#leaveUntil) return;
    this.#leaveUntil = undefined;
    this.#lease(this.#holder.handle({ kind: 'resigned' }, now), now);
    this.#effects.push({ kind: 'ready-to-leave' });
  }

  #fenced({ partition, epoch, node, storage, granted, position }: Extract<ReplicationEffect, { kind: 'copy-fenced' }>, now: Instant): void {
    // A disk that the map does not name has forgotten what it promised.
    if (!granted || !this.#map || this.#neighbours.storages.get(node) !== storage) return;
    this.#takeovers.fenced(partition, epoch, node, position, now);
    if (this.#keeper.fenced(this.#map, partition, epoch, node, position)) this.#tickAt = now;
  }

  // ── Replication ──────────────────────────────────────────────────────────────────────────────────────────────────

  #replicate(event: ReplicationEvent, now: Instant): void {
    if (this.#replication) return this.#perform(this.#replication.handle(event, now), now);
    // Whoever connects to a node that does not belong yet tries again soon; unanswered it would wait for a long time.
    if (event.kind === 'stream-accepted') this.#effects.push({ kind: 'replication', effect: { kind: 'close-stream', stream: event.stream, reason: 'this node belongs to no cluster yet' } });
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
        case 'learner-ready':
          this.#keeper.learnerReady(effect.partition, this.#replication?.partition(effect.partition)?.epoch ?? 0, effect.node, effect.storage);
          this.#tickAt = now;
          break;
        case 'acknowledged':
        case 'indeterminate':
        case 'refused':
          // Those below zero are the keeper's own.
          if (effect.request < 0) {
            this.#keeper.confirmed(effect.request, effect.kind === 'acknowledged', now);
            this.#tickAt = now;
            break;
          }
          this.#effects.push({ kind: 'replication', effect });
          break;
        default:
          this.#effects.push({ kind: 'replication', effect });
      }
    }
  }

  // ── Talking ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #received(from: NodeId, bytes: Uint8Array, now: Instant): void {
    const message = decodeControl(bytes);
    if (!message) return this.#refuse(from, bytes, now);
    if (this.#clusterId === undefined) return;
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
      case 'hand-over':
        if (this.#map) this.#keeper.handOver(this.#map, message.partition, message.to, now);
        return;
      case 'plan-moves':
        return this.#planNow(now);
      default:
        return unreachable(message);
    }
  }

  #refuse(from: NodeId, bytes: Uint8Array, now: Instant): void {
    if (this.#refusedAt !== undefined && msBetween(this.#refusedAt, now) < refusedEveryMs) return;
    this.#refusedAt = now;
    this.#notice('warn', 'a message of another node was refused', { from, reason: controlProblem(bytes) });
  }

  #send(to: NodeId, message: ControlMessage): void {
    this.#effects.push({ kind: 'send-control', to, bytes: encodeControl(message) });
  }

  #notice(level: 'info' | 'warn', what: string, details: Readonly<Record<string, string | number>>): void {
    this.#effects.push({ kind: 'notice', level, what, details });
  }
}
