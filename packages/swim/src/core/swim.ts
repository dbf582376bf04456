import { assert, EngramError, instant, isClusterId, isNodeId, msBetween, parseClusterId, plusMs, unreachable, type ClusterId, type Core, type Instant, type NodeId, type Random, type Wake } from '@engram/kernel';
import { ClusterIdentity } from './cluster-identity.js';
import { assemblePacket, clusterTagOf, decodePacket, encodeMessage, encodeSender, isTopic, packetOverhead, topicBytesMax, type DecodeLimits } from './codec.js';
import { Contacts } from './contacts.js';
import { Deadlines } from './deadlines.js';
import { bucketCount, bucketOf, compareClaims } from './digest.js';
import { LocalHealth, stallWeight } from './local-health.js';
import { epochMax, epochStepMax, incarnationMax, isAddress, noMetadata, type Address, type Identity, type Member, type MembershipView, type Metadata } from './member.js';
import { MemberTable, type MemberRecord } from './member-table.js';
import type { FailedContact, MemberChange, ProbeOutcome, RefusalCode, Rejection, RequestId, StreamId, SwimEffect, SwimEvent } from './messages.js';
import { checkMetadata, claimedMetadata, isMetadataOf, metadataHash, metadataOf, tooLarge } from './metadata.js';
import { resolveSwimOptions, type ResolvedSwimOptions, type SwimOptions } from './options.js';
import { RecentIds } from './recent-ids.js';
import { ridesFor, RideQueue } from './ride-queue.js';
import { ShuffledRounds } from './shuffled-rounds.js';
import { newStats, type SwimStats } from './stats.js';
import { StallGuard } from './stall-guard.js';
import { digestPage, exchangeFor } from './sync-plan.js';
import { Suspicion, suspicionTerms, type SuspicionTerms } from './suspicion.js';
import type { BroadcastMessage, Channel, Claim, DigestEntry, Packet, WireMessage } from './wire.js';

/** Who this node is, for the whole life of the process. */
export interface SwimSelf {
  /** Members of other clusters are turned away before a byte of theirs is parsed. */
  readonly cluster: ClusterId;
  /** When an earlier process has persisted it. Members of a cluster of the same name and another id are turned away as well. */
  readonly clusterId?: string;
  readonly id: NodeId;
  /** Where others reach this node. */
  readonly address: Address;
  /** Higher than in any earlier process of this id; the driver has persisted it. */
  readonly epoch: number;
  readonly metadata?: Uint8Array;
}

/** `idle` before the first join. `superseded` is for good. */
type Phase = 'idle' | 'joined' | 'leaving' | 'left' | 'superseded';

/** The one probe of the current period. */
interface Probe {
  readonly id: NodeId;
  readonly seq: number;
  readonly sentAt: Instant;
  /** When others are asked to help; undefined once they are. */
  askAt: Instant | undefined;
  readonly relays: Set<NodeId>;
  readonly nacks: Set<NodeId>;
}

/** A probe we carry out for another member. */
interface Relay {
  readonly requester: Address;
  readonly budget: number;
  readonly seq: number;
  readonly target: NodeId;
  nacked: boolean;
}

/** What a stream that we opened is for. */
type Conversation =
  | { readonly purpose: 'sync'; readonly to: Address; readonly joining: boolean; readonly round: number; more: boolean }
  | { readonly purpose: 'probe'; readonly to: Address; readonly seq: number }
  | { readonly purpose: 'verify'; readonly to: Address; readonly seq: number; readonly claim: Claim }
  | { readonly purpose: 'metadata'; readonly to: Address; readonly id: NodeId }
  | { readonly purpose: 'message'; readonly to: Address; readonly request: RequestId };

interface Joining {
  readonly request: RequestId;
  readonly waiting: Set<Address>;
  readonly contacted: Address[];
  readonly failed: FailedContact[];
}

interface Leaving {
  readonly request: RequestId;
  readonly endAt: Instant;
  tryAt: Instant;
  readonly confirmed: Set<NodeId>;
  readonly asked: Map<number, NodeId>;
}

/** Nacks are sent at this share of the timeout, so that they arrive within it (Lifeguard, section IV-A). */
const nackShare = 0.8;
/** One join contacts so many seeds, drawn anew each time; the rest of a long list is reached by perpetual contact. */
const seedsPerJoin = 16;
/** A death is known everywhere after this many rounds of gossip. */
const lateNewsGossips = 10;
const directAccusationsMax = 32;
const accusedMax = 1_024;
const metadataPullsMax = 8;
/** Datagrams of others may be larger than ours; no larger than this. */
const datagramAcceptedBytesMax = 8_192;

/**
 * SWIM (Das, Gupta, Motivala, 2002) with Lifeguard (Dadgar, Phillips, Currey, 2017) as a state machine: who is here,
 * who is alive.
 *
 * Four things are ours. Identities carry an epoch that grows with each start, so a restart beats every old rumour.
 * Whatever a packet says is a claim, and claims about a member are totally ordered, so all orders of arrival end in one
 * view. What a full sync calls dead is asked before it is believed, so two halves of a cluster that meet again do not
 * bury each other. And a suspicion is timed from the probe that went unanswered, which a few chosen others repeat at
 * once, so that a real death is confirmed while the shortest suspicion lasts.
 */
export class SwimCore implements Core<SwimEvent, SwimEffect> {
  readonly #options: ResolvedSwimOptions;
  readonly #limits: DecodeLimits;
  readonly #cluster: ClusterIdentity;
  readonly #random: Random;
  readonly #id: NodeId;
  readonly #address: Address;
  readonly #table: MemberTable;
  readonly #health: LocalHealth;
  readonly #probeRounds: ShuffledRounds;
  readonly #gossipRounds: ShuffledRounds;
  readonly #news = new RideQueue<NodeId>();
  readonly #broadcasts = new RideQueue<string>();
  readonly #heardBroadcasts: RecentIds;
  readonly #stats = newStats();

  #phase: Phase = 'idle';
  #self: Identity;
  /** `#self` as it begins every packet. */
  #sender: Uint8Array;
  #metadataHash: Uint8Array | undefined;
  #effects: SwimEffect[] = [];
  #version = 0;
  #view: MembershipView | undefined;
  #lastHandled = instant(0);

  #probe: Probe | undefined;
  #periodEndAt = instant(0);
  readonly #relays = new Map<number, Relay>();
  readonly #relayDeadlines = new Deadlines<number>();
  readonly #suspicions = new Map<NodeId, Suspicion>();
  readonly #suspicionDeadlines = new Deadlines<NodeId>();
  /** What others hold against members that we hold alive; it rides on our next probe of them. */
  readonly #accused = new Map<NodeId, Claim>();

  #gossipAt: Instant | undefined;
  #gossipedAt = instant(0);
  #syncAt = instant(0);
  #contactAt = instant(0);
  #strangerSyncAt = instant(0);
  /** When the last full sync of ours began. */
  #comparedAt = instant(0);

  readonly #contacts: Contacts;
  #isolated = false;

  readonly #conversations = new Map<StreamId, Conversation>();
  readonly #streamDeadlines = new Deadlines<StreamId>();
  readonly #pulls = new Deadlines<NodeId>();
  #nextStream = 1;

  #joining: Joining | undefined;
  #leaving: Leaving | undefined;
  /** The worst said about us that is not answered yet, and when we may answer. */
  #accusation: Claim | undefined;
  #refuteAt = instant(0);
  readonly #stalls: StallGuard;

  constructor(self: SwimSelf, random: Random, options: SwimOptions = {}) {
    this.#options = resolveSwimOptions(options);
    checkSelf(self);
    checkMetadata(self.metadata ?? new Uint8Array(0), this.#options);
    this.#limits = { datagramBytesMax: datagramAcceptedBytesMax, streamBytesMax: this.#options.streamBytesMax, metadataBytesMax: this.#options.metadataBytesMax };
    this.#cluster = new ClusterIdentity(self.cluster, self.clusterId);
    this.#random = random;
    this.#id = self.id;
    this.#address = self.address;
    this.#table = new MemberTable(self.id);
    this.#health = new LocalHealth(this.#options.healthScoreMax);
    this.#probeRounds = new ShuffledRounds(random.fork('probes'));
    this.#gossipRounds = new ShuffledRounds(random.fork('gossip'));
    this.#contacts = new Contacts(self.address, this.#options.addressesMax);
    this.#stalls = new StallGuard(this.#options.stallGraceMs);
    this.#heardBroadcasts = new RecentIds(this.#options.broadcastsRememberedMax);
    this.#self = { id: self.id, epoch: self.epoch, incarnation: 0 };
    this.#sender = encodeSender(this.#self);
    const metadata = self.metadata && self.metadata.length > 0 ? ownMetadata(1, self.metadata) : noMetadata;
    this.#metadataHash = metadata.bytes && metadataHash(metadata.bytes);
    this.#table.put({ member: { ...this.#self, address: self.address, state: 'alive', metadata }, by: undefined, since: instant(0), agedMs: 0, metadataHash: undefined });
  }

  /** All members as of the last change event. The same object until the next one. */
  view(): MembershipView {
    if (this.#view?.version !== this.#version) this.#view = { version: this.#version, members: this.#table.members() };
    return this.#view;
  }

  member(id: NodeId): Member | undefined { return this.#table.get(id)?.member; }
  self(): Member { return this.#selfRecord().member; }
  get phase(): Phase { return this.#phase; }
  get clusterId(): string | undefined { return this.#cluster.id; }
  get options(): ResolvedSwimOptions { return this.#options; }

  stats(): SwimStats {
    return { ...this.#stats, rejected: { ...this.#stats.rejected }, healthScore: this.#health.score, ...this.#table.counts, newsQueued: this.#news.size, broadcastsQueued: this.#broadcasts.size };
  }

  handle(event: SwimEvent | Wake, now: Instant): readonly SwimEffect[] {
    this.#effects = [];
    this.#noticeStall(now);
    this.#absorb(event, now);
    this.#noticeIsolation();
    this.#lastHandled = now;
    return this.#effects;
  }

  nextWake(): Instant | undefined {
    if (this.#phase !== 'joined' && this.#phase !== 'leaving') return undefined;
    if (this.#stalls.until !== undefined) return this.#stalls.until;
    return earliest(
      this.#probe?.askAt, this.#periodEndAt, this.#syncAt, this.#contactAt, this.#gossipAt,
      this.#suspicionDeadlines.next, this.#relayDeadlines.next, this.#streamDeadlines.next, this.#pulls.next,
      this.#accusation && this.#refuteAt, this.#leaving && this.#leaving.tryAt,
    );
  }

  #absorb(event: SwimEvent | Wake, now: Instant): void {
    switch (event.kind) {
      case 'wake':              return this.#onWake(now);
      case 'datagram-received': return this.#onDatagram(event.from, event.bytes, now);
      case 'stream-received':   return this.#onFrame(event.stream, event.from, event.bytes, now);
      case 'stream-closed':     return this.#streamOver(event.stream, event.reason, now);
      case 'join':              return this.#join(event.request, now);
      case 'leave':             return this.#leave(event.request, now);
      case 'seeds-resolved':    return this.#contacts.setSeeds(event.addresses);
      case 'set-metadata':      return this.#setMetadata(event.request, event.bytes, now);
      case 'broadcast':         return this.#broadcast(event.request, event.topic, event.bytes, now);
      case 'send-message':      return this.#sendMessage(event, now);
      case 'forget':            return this.#forgetOnDemand(event.request, event.id, now);
      case 'set-cluster-id':    return this.#setClusterId(event.request, event.clusterId, now);
      case 'loop-stalled':      return this.#stalled(event.ms, now);
      case 'inbound-drained':   return this.#judgeAgain(now);
      default:                  return unreachable(event);
    }
  }

  #onWake(now: Instant): void {
    if (this.#stalls.until !== undefined) {
      if (now < this.#stalls.until) return;
      this.#judgeAgain(now);
    }
    if (this.#phase !== 'joined' && this.#phase !== 'leaving') return;
    if (this.#probe?.askAt !== undefined && this.#probe.askAt <= now) this.#askForHelp(this.#probe, now);
    if (this.#periodEndAt <= now) this.#nextPeriod(now);
    for (const id of this.#suspicionDeadlines.due(now)) this.#declareDead(id, now);
    for (const seq of this.#relayDeadlines.due(now)) this.#relayDue(seq, now);
    for (const stream of this.#streamDeadlines.due(now)) this.#streamLate(stream, now);
    for (const id of this.#pulls.due(now)) this.#pullMetadata(id, now);
    if (this.#accusation && this.#refuteAt <= now) this.#refute(this.#accusation, now);
    if (this.#leaving && this.#leaving.tryAt <= now) this.#sayGoodbye(this.#leaving, now);
    if (this.#gossipAt !== undefined && this.#gossipAt <= now) this.#gossip(now);
    if (this.#syncAt <= now) this.#syncWithSomebody(now);
    if (this.#contactAt <= now) this.#contactTheMissing(now);
  }

  // ── Joining and leaving ──────────────────────────────────────────────────────────────────────────────────────────

  #join(request: RequestId, now: Instant): void {
    if (this.#phase === 'superseded') return this.#refuse(request, 'unavailable', `a newer process runs as ${this.#id}; start again with a higher epoch`);
    if (this.#phase === 'leaving') return this.#refuse(request, 'not_ready', 'the node is leaving; join once it has left');
    if (this.#joining) return this.#refuse(request, 'overloaded', 'the node is joining already');
    if (this.#phase !== 'joined') this.#start(now);
    const seeds = this.#random.shuffle(this.#contacts.seeds).slice(0, seedsPerJoin);
    this.#joining = { request, waiting: new Set(seeds), contacted: [], failed: [] };
    for (const seed of seeds) this.#sync(seed, true, 0, now);
    this.#endJoinWhenDone();
  }

  #start(now: Instant): void {
    const { periodMs, syncMs, contactMs } = this.#options;
    // Whoever was here before comes back under a higher incarnation, which beats its own goodbye.
    if (this.#phase === 'left') this.#become(nextIdentity(this.#self), now);
    this.#phase = 'joined';
    this.#probe = undefined;
    this.#periodEndAt = plusMs(now, this.#random.float() * periodMs);
    this.#syncAt = plusMs(now, (0.5 + this.#random.float()) * syncMs);
    this.#contactAt = plusMs(now, (0.5 + this.#random.float()) * contactMs);
    for (const id of this.#suspicions.keys()) this.#judgeAnew(id, now);
    this.#announce(now);
  }

  /** A suspicion from before we left begins again: its answer may have come while we did not listen. */
  #judgeAnew(id: NodeId, now: Instant): void {
    const suspicion = new Suspicion(this.#terms(), this.#known(id).by ?? this.#id, now);
    this.#suspicions.set(id, suspicion);
    this.#suspicionDeadlines.set(id, suspicion.deadline);
  }

  #contacted(address: Address, failure: string | undefined): void {
    if (!this.#joining?.waiting.delete(address)) return;
    if (failure === undefined) this.#joining.contacted.push(address);
    else this.#joining.failed.push({ address, reason: failure });
    this.#endJoinWhenDone();
  }

  #endJoinWhenDone(): void {
    if (!this.#joining || this.#joining.waiting.size > 0) return;
    const { request, contacted, failed } = this.#joining;
    this.#joining = undefined;
    this.#effects.push({ kind: 'join-finished', request, contacted, failed });
  }

  #leave(request: RequestId, now: Instant): void {
    if (this.#phase === 'leaving') return this.#refuse(request, 'overloaded', 'the node is leaving already');
    if (this.#phase !== 'joined') return void this.#effects.push({ kind: 'leave-finished', request, confirmed: 0 });
    this.#phase = 'leaving';
    this.#probe = undefined;
    this.#accusation = undefined;
    if (this.#joining) {
      const { request: joinRequest } = this.#joining;
      this.#joining = undefined;
      this.#refuse(joinRequest, 'shutting_down', 'the node was told to leave');
    }
    const { member } = this.#selfRecord();
    this.#put('member-left', { member: { ...member, state: 'left' }, by: undefined, since: now, agedMs: 0, metadataHash: undefined });
    this.#announce(now);
    this.#leaving = { request, endAt: plusMs(now, this.#options.leaveTimeoutMs), tryAt: now, confirmed: new Set(), asked: new Map() };
    this.#sayGoodbye(this.#leaving, now);
  }

  /** A ping that carries the goodbye: its ack proves that one more peer knows. */
  #sayGoodbye(leaving: Leaving, now: Instant): void {
    if (now >= leaving.endAt || leaving.confirmed.size >= this.#confirmationsPossible()) return this.#left(leaving);
    const missing = this.#confirmationsPossible() - leaving.confirmed.size;
    for (const id of this.#table.reachable.pick(missing, this.#random, (peer) => !leaving.confirmed.has(peer))) {
      const peer = this.#known(id).member;
      const seq = this.#random.uint32();
      leaving.asked.set(seq, id);
      this.#sendTo(peer.address, [this.#ping(seq, peer), this.#claimBytes(this.#id, now)]);
    }
    leaving.tryAt = min(leaving.endAt, plusMs(now, this.#options.timeoutMs));
  }

  #confirmationsPossible(): number {
    return Math.min(this.#options.leaveConfirmations, this.#table.reachable.size);
  }

  #goodbyeHeard(leaving: Leaving, seq: number, by: NodeId): void {
    if (leaving.asked.get(seq) !== by) return;
    leaving.confirmed.add(by);
    if (leaving.confirmed.size >= this.#confirmationsPossible()) this.#left(leaving);
  }

  #left({ request, confirmed }: Leaving): void {
    this.#effects.push({ kind: 'leave-finished', request, confirmed: confirmed.size });
    this.#silence('left', 'the node has left');
  }

  /** Ends everything under way; the view stays as it was last seen. */
  #silence(phase: 'left' | 'superseded', reason: string): void {
    this.#phase = phase;
    this.#leaving = undefined;
    this.#probe = undefined;
    this.#accusation = undefined;
    this.#gossipAt = undefined;
    this.#stalls.release(this.#lastHandled);
    this.#isolated = false;
    this.#news.clear();
    this.#broadcasts.clear();
    this.#relays.clear();
    this.#relayDeadlines.clear();
    this.#pulls.clear();
    this.#accused.clear();
    for (const [stream, conversation] of this.#conversations) {
      this.#effects.push({ kind: 'close-stream', stream });
      if (conversation.purpose === 'message') this.#refuse(conversation.request, 'shutting_down', reason);
    }
    this.#conversations.clear();
    this.#streamDeadlines.clear();
    this.#suspicionDeadlines.clear();
    if (this.#joining) this.#refuse(this.#joining.request, 'shutting_down', reason);
    this.#joining = undefined;
  }

  // ── Probing ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #nextPeriod(now: Instant): void {
    if (this.#probe) this.#probeFailed(this.#probe, now);
    this.#periodEndAt = plusMs(now, this.#health.stretch(this.#options.periodMs));
    const id = this.#phase === 'joined' ? this.#probeRounds.next() : undefined;
    if (id === undefined) return;
    const { member } = this.#known(id);
    const seq = this.#random.uint32();
    this.#probe = { id, seq, sentAt: now, askAt: plusMs(now, this.#health.stretch(this.#options.timeoutMs)), relays: new Set(), nacks: new Set() };
    this.#stats.probes++;
    this.#sendTo(member.address, [this.#ping(seq, member), ...this.#accusationOf(id, now)]);
  }

  /** No answer in time: others try, and so do we by stream. */
  #askForHelp(probe: Probe, now: Instant): void {
    probe.askAt = undefined;
    const { member } = this.#known(probe.id);
    const relays = this.#table.reachable.pick(this.#options.indirectProbes, this.#random, (id) => id !== probe.id && this.#known(id).member.state === 'alive');
    for (const id of relays) {
      probe.relays.add(id);
      this.#sendTo(this.#known(id).member.address, [encodeMessage({ kind: 'ping-req', seq: probe.seq, relay: id, target: probe.id })]);
    }
    if (this.#options.streamProbes) this.#converse({ purpose: 'probe', to: member.address, seq: probe.seq }, [this.#ping(probe.seq, member), ...this.#accusationOf(probe.id, now)], now);
  }

  #acked(seq: number, from: NodeId, outcome: Exclude<ProbeOutcome, 'failed'>, now: Instant): void {
    const probe = this.#probe;
    if (probe?.seq !== seq || (from !== probe.id && !probe.relays.has(from))) return;
    this.#probe = undefined;
    if (from === probe.id) {
      this.#table.prove(from);
      this.#accused.delete(from);
    }
    this.#feel(-1);
    this.#effects.push({ kind: 'probe-finished', member: probe.id, outcome: from === probe.id ? outcome : 'acked-by-relay', rttMs: msBetween(probe.sentAt, now) });
  }

  #probeFailed(probe: Probe, now: Instant): void {
    this.#probe = undefined;
    this.#stats.probesFailed++;
    this.#accused.delete(probe.id);
    // Relays that are silent too make us doubt ourselves; with nobody to ask, a failure speaks against us a little.
    this.#feel(probe.relays.size > 0 ? probe.relays.size - probe.nacks.size : 1);
    this.#effects.push({ kind: 'probe-finished', member: probe.id, outcome: 'failed', rttMs: msBetween(probe.sentAt, now) });
    const record = this.#table.get(probe.id);
    if (!record || !isReachable(record.member)) return;
    // Its silence began with the ping, unless it is we who were slow.
    const wasPunctual = msBetween(probe.sentAt, now) <= 1.1 * this.#options.periodMs;
    this.#suspect({ ...claimOf(record.member, 'suspect'), by: this.#id }, wasPunctual ? probe.sentAt : now, now);
  }

  #ping(seq: number, target: Member): Uint8Array {
    return encodeMessage({ kind: 'ping', seq, target: target.id, epoch: target.epoch, incarnation: target.incarnation, view: this.#table.fingerprint });
  }

  // ── Answering ────────────────────────────────────────────────────────────────────────────────────────────────────

  #onDatagram(from: Address, bytes: Uint8Array, now: Instant): void {
    const packet = this.#decode(from, bytes, 'datagram', now);
    if (!packet) return;
    const sender = packet.from;
    const introduction = clusterTagOf(bytes) === 0 ? this.#cluster.introduction : [];
    // Claims first: an answer then already carries what they led to, such as our refutation.
    for (const message of packet.messages) if (message.kind === 'claim') this.#hear(message, 'gossip', now);
    for (const message of packet.messages) {
      switch (message.kind) {
        case 'claim': case 'cluster-id': break;
        case 'ping':      this.#answerPing(message, sender, from, bytes.length, introduction, now); break;
        case 'ping-req':  this.#relay(message, sender, from, bytes.length, now); break;
        case 'ack':       this.#onAck(message.seq, message.stranger, sender, from, introduction, now); break;
        case 'nack':      if (this.#probe?.seq === message.seq && this.#probe.relays.has(sender.id)) this.#probe.nacks.add(sender.id); break;
        case 'broadcast': this.#hearBroadcast(message, now); break;
        case 'message':   this.#effects.push({ kind: 'message-received', from: sender.id, bytes: message.bytes, reliable: false }); break;
        default:          this.#reject('misplaced', from);
      }
    }
  }

  #decode(from: Address, bytes: Uint8Array, channel: Channel, now: Instant): Packet | undefined {
    const outcome = this.#phase === 'joined' || this.#phase === 'leaving'
      ? decodePacket(bytes, this.#cluster.header, channel, this.#limits)
      : { kind: 'rejected' as const, reason: 'not-joined' as const };
    if (outcome.kind === 'packet') return this.#ofOurCluster(outcome.packet, clusterTagOf(bytes), from, channel, now);
    this.#reject(outcome.reason, from);
    return undefined;
  }

  #ofOurCluster(packet: Packet, tag: number, from: Address, channel: Channel, now: Instant): Packet | undefined {
    const belonging = this.#cluster.belonging(tag, packet);
    switch (belonging) {
      case 'ours':    return packet;
      case 'learned': this.#clusterIdLearned(now); return packet;
      // Frames always name their cluster, so only a datagram can be one of ours.
      case 'unnamed': if (channel === 'datagram') return { from: packet.from, messages: packet.messages.filter(({ kind }) => kind === 'ping' || kind === 'ack') }; break;
      case 'other':   break;
      case 'false':   this.#reject('bad-message', from); return undefined;
      default:        return unreachable(belonging);
    }
    this.#reject('other-cluster-id', from);
    return undefined;
  }

  #setClusterId(request: RequestId, clusterId: string, now: Instant): void {
    const known = this.#cluster.id;
    if (!isClusterId(clusterId)) return this.#refuse(request, 'invalid_argument', 'the id of a cluster is 1 to 64 characters of A-Z a-z 0-9 . _ - and does not start with a dot');
    if (known !== undefined && known !== clusterId) return this.#refuse(request, 'id_conflict', `this node belongs to the cluster ${known} already, so it cannot belong to ${clusterId}`);
    if (known === undefined) {
      this.#cluster.set(clusterId);
      this.#passOnClusterId(now);
    }
    this.#complete(request);
  }

  #clusterIdLearned(now: Instant): void {
    this.#effects.push({ kind: 'cluster-id-learned', clusterId: this.#cluster.id as string });
    this.#passOnClusterId(now);
  }

  /** Members that know no id yet are told by gossip; whoever is missed is told when it answers or asks. */
  #passOnClusterId(now: Instant): void {
    if (this.#phase !== 'joined') return;
    for (const introduction of this.#cluster.introduction) this.#broadcasts.put('cluster-id', introduction);
    this.#gossipSoon(now);
  }

  #answerPing(ping: Extract<WireMessage, { kind: 'ping' }>, sender: Identity, from: Address, askedBytes: number, introduction: readonly Uint8Array[], now: Instant): void {
    if (ping.target !== this.#id) return this.#reject('misdirected', from);
    const ack = encodeMessage({ kind: 'ack', seq: ping.seq, stranger: this.#isStranger(sender) });
    this.#answer(from, [ack], [...introduction, ...this.#accusationOf(sender.id, now)], this.#budget(sender.id, from, askedBytes));
    if (ping.view !== this.#table.fingerprint) this.#compareEarly(sender.id, now);
  }

  /**
   * Somebody holds another view. While news is about, that is to be expected and full syncs come only a little more
   * often; once all is quiet, what differs is something that gossip has missed.
   */
  #compareEarly(id: NodeId, now: Instant): void {
    const { syncMs, periodMs } = this.#options;
    const spacingMs = this.#news.size > 0 ? syncMs / 5 : 2 * periodMs;
    if (now < plusMs(this.#comparedAt, spacingMs) || !this.#table.reachable.has(id) || this.#phase !== 'joined') return;
    this.#sync(this.#known(id).member.address, false, 0, now);
  }

  /** Whether it should compare its view with ours: we lack it as it is now, or know of a later start under its id. */
  #isStranger(sender: Identity): boolean {
    const record = this.#table.get(sender.id);
    if (!record || !isReachable(record.member) || record.member.epoch !== sender.epoch) return true;
    // Only its owner raises an incarnation, so whoever lags behind it is not the one we know.
    return record.member.incarnation > sender.incarnation;
  }

  /** An address that has answered us may be sent whole datagrams; any other no more bytes than came from it. */
  #budget(id: NodeId, from: Address, askedBytes: number): number {
    const proven = this.#table.isProven(id) && this.#known(id).member.address === from;
    return proven ? this.#room() + packetOverhead(this.#sender) : askedBytes;
  }

  #relay(request: Extract<WireMessage, { kind: 'ping-req' }>, sender: Identity, from: Address, askedBytes: number, now: Instant): void {
    if (request.relay !== this.#id) return this.#reject('misdirected', from);
    const target = this.#table.get(request.target);
    if (!target || request.target === this.#id || this.#relays.size >= this.#options.relaysMax) return;
    const seq = this.#random.uint32();
    this.#relays.set(seq, { requester: from, budget: this.#budget(sender.id, from, askedBytes), seq: request.seq, target: request.target, nacked: false });
    this.#relayDeadlines.set(seq, plusMs(now, nackShare * this.#options.timeoutMs));
    // Alone, so that nobody makes us send a member more than they sent us.
    this.#sendBare(target.member.address, [this.#ping(seq, target.member)]);
  }

  #relayDue(seq: number, now: Instant): void {
    const relay = this.#relays.get(seq);
    if (!relay) return;
    if (relay.nacked) return void this.#relays.delete(seq);
    relay.nacked = true;
    // A late answer is still worth passing on for a while.
    this.#relayDeadlines.set(seq, plusMs(now, this.#options.timeoutMs));
    this.#answer(relay.requester, [encodeMessage({ kind: 'nack', seq: relay.seq })], [], relay.budget);
  }

  #onAck(seq: number, stranger: boolean, sender: Identity, from: Address, introduction: readonly Uint8Array[], now: Instant): void {
    const relay = this.#relays.get(seq);
    if (relay && relay.target === sender.id) {
      this.#relays.delete(seq);
      this.#relayDeadlines.delete(seq);
      this.#table.prove(sender.id);
      return this.#answer(relay.requester, [encodeMessage({ kind: 'ack', seq: relay.seq, stranger: false })], [], relay.budget);
    }
    if (this.#leaving) return this.#goodbyeHeard(this.#leaving, seq, sender.id);
    const isAnswer = this.#probe?.seq === seq && this.#probe.id === sender.id;
    this.#acked(seq, sender.id, 'acked', now);
    if (isAnswer) this.#sendBare(from, introduction);
    if (isAnswer && (stranger || this.#isStranger(sender)) && this.#strangerSyncAt <= now) {
      this.#strangerSyncAt = plusMs(now, this.#options.periodMs);
      this.#sync(from, false, 0, now);
    }
  }

  // ── Claims ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The one gate through which the view changes because of what others say. */
  #hear(claim: Claim, via: 'gossip' | 'sync', now: Instant): void {
    if (claim.id === this.#id) return this.#hearOfSelf(claim, now);
    const known = this.#table.get(claim.id);
    if (claim.epoch > (known?.member.epoch ?? this.#self.epoch) + epochStepMax) return this.#count('implausible');
    if (!known) return this.#hearOfUnknown(claim, now);
    const order = compareClaims(claim, known.member);
    if (order === 'newer') return this.#believe(claim, known, via, now);
    if (claim.metadata && claim.epoch === known.member.epoch) this.#mergeMetadata(claim, known, now);
    if (order === 'same' && claim.state === 'suspect') return this.#confirm(claim, now);
    // Somebody lags behind: it spoke of the living, we know better.
    if (order === 'older' && claim.state !== 'dead' && claim.state !== 'left' && !isReachable(known.member)) this.#remind(claim.id, now);
  }

  #hearOfUnknown(claim: Claim, now: Instant): void {
    if (claim.ageS * 1_000 >= this.#retentionMs(claim.state)) return;
    if (!this.#makeRoom()) return this.#count('members-full');
    switch (claim.state) {
      case 'alive':
        return this.#admit(claim, undefined, now);
      case 'suspect':
        this.#admit({ ...claim, state: 'alive' }, undefined, now);
        return this.#suspect(claim, now, now);
      case 'dead': case 'left':
        // Kept although we never met it, so that no stale rumour introduces it to us as living.
        return this.#bury(claim, undefined, now);
      default:
        return unreachable(claim.state);
    }
  }

  #believe(claim: Claim, known: MemberRecord, via: 'gossip' | 'sync', now: Instant): void {
    switch (claim.state) {
      case 'alive':
        return this.#admit(claim, known, now);
      case 'suspect':
        if (!isReachable(known.member) || claim.epoch > known.member.epoch) this.#admit({ ...claim, state: 'alive' }, known, now);
        return this.#suspect(claim, now, now);
      case 'dead':
        return this.#isDoubtful(claim, known.member, via) ? this.#accuse(claim, known, now) : this.#bury(claim, known, now);
      case 'left':
        return this.#bury(claim, known, now);
      default:
        return unreachable(claim.state);
    }
  }

  /**
   * News of a death is everywhere within a second or a few. What comes later, or by a full sync, may be from the other
   * side of a cut that has just ended: somebody heard nobody, and speaks of what was the case over there.
   */
  #isDoubtful(claim: Claim, known: Member, via: 'gossip' | 'sync'): boolean {
    return isReachable(known) && (via === 'sync' || (known.state === 'alive' && claim.ageS * 1_000 >= lateNewsGossips * this.#options.gossipMs));
  }

  /** Alive under this identity, as far as the claim goes. */
  #admit(claim: Claim, known: MemberRecord | undefined, now: Instant): void {
    const before = known?.member;
    const sameLife = before?.epoch === claim.epoch;
    const metadata = claim.metadata && (!sameLife || claim.metadata.version > before.metadata.version) ? metadataOf(claim.metadata) : sameLife ? before.metadata : noMetadata;
    const hash = metadata.bytes ? undefined : (claim.metadata?.hash ?? known?.metadataHash);
    const member: Member = { id: claim.id, epoch: claim.epoch, incarnation: claim.incarnation, address: claim.address, state: 'alive', metadata };
    this.#endSuspicion(claim.id);
    this.#accused.delete(claim.id);
    this.#probeRounds.add(claim.id);
    this.#gossipRounds.add(claim.id);
    this.#put(admissionOf(before, member), { member, by: undefined, since: now, agedMs: 0, metadataHash: hash });
    if (hash) this.#pullSoon(claim.id, now);
    this.#spread(claim.id, now);
  }

  #mergeMetadata(claim: Claim, known: MemberRecord, now: Instant): void {
    const { metadata } = claim;
    if (!metadata || metadata.version <= known.member.metadata.version) return;
    this.#put('member-updated', { ...known, member: { ...known.member, metadata: metadataOf(metadata) }, metadataHash: metadata.hash });
    if (metadata.hash) this.#pullSoon(claim.id, now);
  }

  /** `since` is the last moment at which the suspect might have answered the accuser. */
  #suspect(claim: Claim, since: Instant, now: Instant): void {
    const known = this.#known(claim.id);
    const by = claim.by ?? this.#id;
    if (known.member.state === 'suspect' && compareClaims(claim, known.member) === 'same') return this.#confirm(claim, now);
    this.#stats.suspicions++;
    const terms = this.#terms();
    const suspicion = new Suspicion(terms, by, since);
    this.#suspicions.set(claim.id, suspicion);
    this.#suspicionDeadlines.set(claim.id, suspicion.deadline);
    const member: Member = { ...known.member, epoch: claim.epoch, incarnation: claim.incarnation, address: addressOf(claim, known.member), state: 'suspect' };
    this.#put('member-suspect', { ...known, member, by, since: now, agedMs: 0 });
    this.#spread(claim.id, now);
    this.#probeInTurnOrAtOnce(claim.id, terms);
  }

  #confirm(claim: Claim, now: Instant): void {
    const suspicion = this.#suspicions.get(claim.id);
    if (!suspicion || !claim.by || !suspicion.confirm(claim.by)) return;
    this.#suspicionDeadlines.set(claim.id, suspicion.deadline);
    this.#table.put({ ...this.#known(claim.id), by: claim.by });
    this.#spread(claim.id, now);
  }

  /** About twice as many members as are wanted for confirmation probe the suspect next; more would be a flood on it. */
  #probeInTurnOrAtOnce(id: NodeId, { confirmationsWanted }: SuspicionTerms): void {
    const share = (2 * (confirmationsWanted + 1)) / Math.max(1, this.#table.reachable.size);
    if (this.#random.chance(Math.min(1, share))) this.#probeRounds.urge(id);
  }

  #terms(): SuspicionTerms {
    const { periodMs, suspicionMult, suspicionMaxMult } = this.#options;
    return suspicionTerms(this.#members(), periodMs, suspicionMult, suspicionMaxMult);
  }

  #endSuspicion(id: NodeId): void {
    this.#suspicions.delete(id);
    this.#suspicionDeadlines.delete(id);
  }

  /**
   * A full sync calls dead whom we hold alive. Either we missed it, and then our own probe and those who know will tell;
   * or it is alive on our side of a partition that has just healed. It is told at once, and probed next.
   */
  #accuse(claim: Claim, known: MemberRecord, now: Instant): void {
    if (this.#accused.size < accusedMax) this.#accused.set(claim.id, claim);
    this.#probeRounds.urge(claim.id);
    if (this.#directAccusationsLeft <= 0) return;
    this.#directAccusationsLeft--;
    this.#sendBare(known.member.address, this.#accusationOf(claim.id, now));
  }

  /** How many more may be told within the frame at hand. */
  #directAccusationsLeft = 0;

  #bury(claim: Claim, known: MemberRecord | undefined, now: Instant): void {
    const { id, address, epoch, incarnation, state } = claim;
    this.#endSuspicion(id);
    this.#accused.delete(id);
    this.#pulls.delete(id);
    this.#probeRounds.remove(id);
    this.#gossipRounds.remove(id);
    if (this.#probe?.id === id) this.#probe = undefined;
    const metadata = known?.member.epoch === epoch ? known.member.metadata : noMetadata;
    const member: Member = { id, epoch, incarnation, address: known ? addressOf(claim, known.member) : address, state, metadata };
    this.#put(state === 'left' ? 'member-left' : 'member-dead', { member, by: claim.by, since: now, agedMs: claim.ageS * 1_000, metadataHash: undefined });
    // An old tombstone is history, not news; full syncs carry it to whoever lacks it.
    if (claim.ageS * 1_000 < this.#options.syncMs) this.#spread(id, now);
  }

  /** Its time to refute is over. */
  #declareDead(id: NodeId, now: Instant): void {
    const suspicion = this.#suspicions.get(id);
    const known = this.#table.get(id);
    if (!suspicion || known?.member.state !== 'suspect') return this.#endSuspicion(id);
    if (suspicion.deadline > now) return this.#suspicionDeadlines.set(id, suspicion.deadline);
    this.#stats.deaths++;
    this.#bury({ ...claimOf(known.member, 'dead'), by: this.#id }, known, now);
    // Should it be alive after all, it is the first to know.
    this.#sendBare(known.member.address, this.#accusationOf(id, now));
  }

  /** What stands against a member, to ride first on what we send it. */
  #accusationOf(id: NodeId, now: Instant): Uint8Array[] {
    const accusation = this.#accused.get(id);
    if (accusation) return [encodeMessage(accusation)];
    const record = this.#table.get(id);
    return !record || id === this.#id || record.member.state === 'alive' ? [] : [this.#claimBytes(id, now)];
  }

  // ── About ourselves ──────────────────────────────────────────────────────────────────────────────────────────────

  #hearOfSelf(claim: Claim, now: Instant): void {
    const { epoch, incarnation } = this.#self;
    if (claim.epoch > epoch + epochStepMax) return this.#count('implausible');
    if (claim.epoch < epoch || (claim.epoch === epoch && claim.incarnation < incarnation)) {
      // About an earlier life, or answered already; whoever still says it has not heard the answer.
      if (claim.state !== 'alive') this.#remind(this.#id, now);
      return;
    }
    const isLiving = claim.state === 'alive' || claim.state === 'suspect';
    if (isLiving && claim.address !== this.#address) return this.#verify(claim, now);
    if (compareClaims(claim, this.#selfRecord().member) !== 'newer') return;
    if (!this.#accusation || compareClaims(claim, this.#accusation) === 'newer') this.#accusation = claim;
    if (this.#refuteAt <= now) this.#refute(this.#accusation, now);
  }

  /** At most once in `gossipMs`, whatever is said, so a storm of accusations costs the cluster five small messages a second. */
  #refute(accusation: Claim, now: Instant): void {
    this.#accusation = undefined;
    if (compareClaims(accusation, this.#selfRecord().member) !== 'newer') return;
    this.#refuteAt = plusMs(now, this.#options.gossipMs);
    this.#stats.refutations++;
    if (accusation.state !== 'alive') this.#feel(+1);
    this.#become(nextIdentity(accusation), now);
    this.#effects.push({ kind: 'refuted', incarnation: this.#self.incarnation, by: accusation.by });
    this.#announce(now);
  }

  /** Somebody lives under our id elsewhere, or somebody says so. The address itself decides. */
  #verify(claim: Claim, now: Instant): void {
    for (const { purpose } of this.#conversations.values()) if (purpose === 'verify') return;
    const seq = this.#random.uint32();
    const ping = encodeMessage({ kind: 'ping', seq, target: this.#id, epoch: claim.epoch, incarnation: claim.incarnation, view: this.#table.fingerprint });
    this.#converse({ purpose: 'verify', to: claim.address, seq, claim }, [ping], now);
  }

  /** The later start wins; between equal starts the address decides, so that exactly one of two goes on. */
  #verified(claim: Claim, answer: Identity, now: Instant): void {
    const isOurs = answer.id === this.#id && answer.epoch >= claim.epoch;
    const isLater = answer.epoch > this.#self.epoch || (answer.epoch === this.#self.epoch && claim.address > this.#address);
    if (!isOurs || !isLater) return this.#outbid(claim, now);
    this.#effects.push({ kind: 'superseded', epoch: answer.epoch, address: claim.address });
    this.#silence('superseded', `a newer process runs as ${this.#id}`);
  }

  /** Nobody is there, or somebody who has to give way: our own claim must be the higher one. */
  #outbid(claim: Claim, now: Instant): void {
    if (this.#phase === 'joined' && compareClaims({ ...claim, state: 'dead' }, this.#selfRecord().member) === 'newer') this.#refute({ ...claim, state: 'dead' }, now);
  }

  #become(identity: Pick<Identity, 'epoch' | 'incarnation'>, now: Instant, metadata?: Metadata): void {
    const { member } = this.#selfRecord();
    if (identity.epoch !== member.epoch) this.#effects.push({ kind: 'persist-epoch', epoch: identity.epoch });
    const renewed: Member = { ...member, epoch: identity.epoch, incarnation: identity.incarnation, state: this.#phase === 'leaving' ? 'left' : 'alive', metadata: metadata ?? member.metadata };
    this.#self = { id: this.#id, epoch: renewed.epoch, incarnation: renewed.incarnation };
    this.#sender = encodeSender(this.#self);
    this.#put(admissionOf(member, renewed), { member: renewed, by: undefined, since: now, agedMs: 0, metadataHash: undefined });
  }

  #announce(now: Instant): void {
    this.#spread(this.#id, now);
  }

  #setMetadata(request: RequestId, bytes: Uint8Array, now: Instant): void {
    if (bytes.length > this.#options.metadataBytesMax) return this.#refuse(request, 'payload_too_large', tooLarge('metadata', bytes.length, this.#options.metadataBytesMax));
    const metadata = ownMetadata(this.self().metadata.version + 1, bytes);
    this.#metadataHash = metadataHash(bytes);
    this.#become(nextIdentity(this.#self), now, metadata);
    if (this.#phase === 'joined') this.#announce(now);
    this.#complete(request);
  }

  // ── News ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Puts what we hold of a member in front of the queue. What a joining node learns from its seeds is news to nobody. */
  #spread(id: NodeId, now: Instant): void {
    if (this.#phase !== 'joined' && this.#phase !== 'leaving') return;
    if (this.#quiet && id !== this.#id) return;
    this.#news.put(id, this.#claimBytes(id, now));
    this.#gossipSoon(now);
  }

  /** Spreads it again unless it is on its way: somebody's being behind must not keep old news ahead of fresh. */
  #remind(id: NodeId, now: Instant): void {
    if (!this.#news.has(id)) this.#spread(id, now);
  }

  /** True while the frame at hand answers our joining. */
  #quiet = false;

  #gossipSoon(now: Instant): void {
    // A tenth of an interval gathers what comes in one burst.
    this.#gossipAt ??= max(plusMs(now, this.#options.gossipMs / 10), plusMs(this.#gossipedAt, this.#options.gossipMs));
  }

  #gossip(now: Instant): void {
    this.#gossipedAt = now;
    const targets = new Set<NodeId>();
    for (let i = 0; i < Math.min(this.#options.gossipTo, this.#gossipRounds.size); i++) targets.add(this.#gossipRounds.next() as NodeId);
    for (const id of targets) {
      const riding = this.#riding(this.#room());
      if (riding.length > 0) this.#send(this.#known(id).member.address, riding);
    }
    const isMore = this.#news.size + this.#broadcasts.size > 0 && this.#table.reachable.size > 0;
    this.#gossipAt = isMore ? plusMs(now, this.#options.gossipMs) : undefined;
  }

  /** News of members first, yet broadcasts, when some wait, always have a quarter: neither starves the other. */
  #riding(room: number): Uint8Array[] {
    const rides = ridesFor(this.#members(), this.#options.retransmitMult);
    const news = this.#news.take(this.#broadcasts.size > 0 ? Math.floor(room * 0.75) : room, rides);
    // Full syncs repair news that was missed; nothing repairs a broadcast, so it rides twice as often.
    return [...news, ...this.#broadcasts.take(room - bytesOf(news), 2 * rides)];
  }

  #broadcast(request: RequestId, topic: string, bytes: Uint8Array, now: Instant): void {
    const { broadcastBytesMax, broadcastsMax } = this.#options;
    if (this.#phase !== 'joined') return this.#refuse(request, 'not_ready', 'join before broadcasting');
    if (!isTopic(topic)) return this.#refuse(request, 'invalid_argument', `a topic has 1 to ${topicBytesMax} bytes of UTF-8`);
    if (bytes.length > broadcastBytesMax) return this.#refuse(request, 'payload_too_large', tooLarge('a broadcast', bytes.length, broadcastBytesMax));
    if (this.#broadcasts.size >= broadcastsMax) return this.#refuse(request, 'overloaded', `${broadcastsMax} broadcasts are still on their way`);
    const message: BroadcastMessage = { kind: 'broadcast', origin: this.#id, high: this.#random.uint32(), low: this.#random.uint32(), topic, bytes };
    this.#heardBroadcasts.add(broadcastKey(message));
    this.#broadcasts.put(broadcastKey(message), encodeMessage(message));
    this.#gossipSoon(now);
    this.#complete(request);
  }

  #hearBroadcast(message: BroadcastMessage, now: Instant): void {
    const key = broadcastKey(message);
    if (!this.#heardBroadcasts.add(key)) return;
    this.#effects.push({ kind: 'broadcast-received', from: message.origin, topic: message.topic, bytes: message.bytes });
    const encoded = encodeMessage(message);
    // One that would never fit our packets would ride for ever.
    if (encoded.length > this.#room()) return;
    if (this.#broadcasts.size >= this.#options.broadcastsMax) this.#broadcasts.dropMostTravelled();
    this.#broadcasts.put(key, encoded);
    this.#gossipSoon(now);
  }

  #sendMessage({ request, to, bytes, reliable }: Extract<SwimEvent, { kind: 'send-message' }>, now: Instant): void {
    const record = this.#table.get(to);
    if (this.#phase !== 'joined') return this.#refuse(request, 'not_ready', 'join before sending');
    if (!record || !isReachable(record.member)) return this.#refuse(request, 'unavailable', `${to} is not among the living`);
    const message = encodeMessage({ kind: 'message', bytes });
    const bytesMax = reliable ? this.#options.messageBytesMax : this.#room() - 5;
    if (bytes.length > bytesMax) return this.#refuse(request, 'payload_too_large', tooLarge('a message', bytes.length, bytesMax));
    if (reliable) {
      if (!this.#converse({ purpose: 'message', to: record.member.address, request }, [message], now)) this.#refuse(request, 'overloaded', 'too many streams are open');
      return;
    }
    this.#send(record.member.address, [message]);
    this.#complete(request);
  }

  // ── Streams: full sync, metadata, messages ───────────────────────────────────────────────────────────────────────

  #syncWithSomebody(now: Instant): void {
    this.#syncAt = plusMs(now, (0.75 + this.#random.float() / 2) * this.#options.syncMs);
    this.#forgetTheOld(now);
    const [id] = this.#phase === 'joined' ? this.#table.reachable.pick(1, this.#random) : [];
    if (id !== undefined) this.#sync(this.#known(id).member.address, false, 0, now);
  }

  #sync(to: Address, joining: boolean, round: number, now: Instant): void {
    for (const other of this.#conversations.values()) {
      if (other.purpose !== 'sync' || other.to !== to) continue;
      return joining && !other.joining ? this.#contacted(to, 'a sync with it is under way already') : undefined;
    }
    this.#stats.syncs++;
    this.#comparedAt = now;
    const buckets = encodeMessage({ kind: 'sync-buckets', fingerprints: this.#table.fingerprints });
    const opened = this.#converse({ purpose: 'sync', to, joining, round, more: false }, [this.#claimBytes(this.#id, now), buckets], now);
    if (!opened && joining) this.#contacted(to, 'too many streams are open');
  }

  /** Opens a stream with one frame. False when as many as allowed are open. */
  #converse(conversation: Conversation, messages: readonly Uint8Array[], now: Instant): boolean {
    if (this.#conversations.size >= this.#options.streamsMax) return false;
    const stream = this.#nextStream++;
    this.#conversations.set(stream, conversation);
    this.#streamDeadlines.set(stream, plusMs(now, this.#options.streamTimeoutMs));
    this.#effects.push({ kind: 'open-stream', stream, to: conversation.to, bytes: this.#frame(messages) });
    return true;
  }

  #onFrame(stream: StreamId, from: Address, bytes: Uint8Array, now: Instant): void {
    const conversation = this.#conversations.get(stream);
    if (stream > 0 && !conversation) return;
    const rejections = this.#stats.rejectedTotal;
    const packet = this.#decode(from, bytes, 'stream', now);
    if (!packet) return this.#refuseFrame(stream, conversation, this.#stats.rejectedTotal > rejections ? this.#lastRejection : 'malformed', now);
    this.#quiet = conversation?.purpose === 'sync' && conversation.joining;
    this.#directAccusationsLeft = directAccusationsMax;
    for (const message of packet.messages) if (message.kind === 'claim') this.#hear(message, 'sync', now);
    if (conversation) this.#goOn(stream, conversation, packet, now);
    else this.#serve(stream, packet, from, now);
    this.#quiet = false;
  }

  #refuseFrame(stream: StreamId, conversation: Conversation | undefined, reason: Rejection, now: Instant): void {
    // The header alone tells a stranger whose cluster and version it has reached, so that its join fails for a stated reason.
    if (!conversation && (reason === 'other-cluster' || reason === 'other-cluster-id' || reason === 'other-version')) this.#effects.push({ kind: 'send-stream', stream, bytes: this.#cluster.header });
    this.#effects.push({ kind: 'close-stream', stream });
    if (conversation) this.#streamOver(stream, reason, now);
  }

  /** The answering side keeps nothing between frames. */
  #serve(stream: StreamId, packet: Packet, from: Address, now: Instant): void {
    for (const message of packet.messages) {
      switch (message.kind) {
        case 'claim': case 'cluster-id': break;
        case 'ping':          return this.#servePing(stream, message, packet.from, from, now);
        case 'message':
          this.#effects.push({ kind: 'message-received', from: packet.from.id, bytes: message.bytes, reliable: true });
          return this.#sendFrame(stream, [encodeMessage({ kind: 'received' })]);
        case 'sync-buckets':  return this.#serveDigest(stream, packet, message.fingerprints, now);
        // With our own claim once more: what we were just offered may have made us refute.
        case 'sync-wants':    return this.#sendFrame(stream, [...this.#entriesFor(message.ids, now), this.#claimBytes(this.#id, now), encodeMessage({ kind: 'sync-done' })]);
        case 'metadata-pull': return this.#serveMetadata(stream, message);
        default:
          this.#reject('misplaced', from);
          return void this.#effects.push({ kind: 'close-stream', stream });
      }
    }
  }

  #servePing(stream: StreamId, ping: Extract<WireMessage, { kind: 'ping' }>, sender: Identity, from: Address, now: Instant): void {
    if (ping.target !== this.#id) {
      this.#reject('misdirected', from);
      return void this.#effects.push({ kind: 'close-stream', stream });
    }
    this.#sendFrame(stream, [encodeMessage({ kind: 'ack', seq: ping.seq, stranger: this.#isStranger(sender) }), ...this.#accusationOf(sender.id, now)]);
  }

  #serveDigest(stream: StreamId, asking: Packet, fingerprints: readonly number[], now: Instant): void {
    const page = digestPage(this.#table, fingerprints, this.#random.below(bucketCount), this.#options.syncEntriesMax);
    this.#sendFrame(stream, [this.#claimBytes(this.#id, now), ...this.#namesake(asking, now), encodeMessage({ kind: 'sync-digest', ...page })]);
  }

  /** What we hold of somebody at another address under the id of who asks: two nodes were given one id. */
  #namesake({ from, messages }: Packet, now: Instant): Uint8Array[] {
    const said = messages.find((message): message is Claim => message.kind === 'claim' && message.id === from.id);
    const held = this.#table.get(from.id)?.member;
    return said && held && said.address !== held.address ? [this.#claimBytes(from.id, now)] : [];
  }

  #serveMetadata(stream: StreamId, pull: { readonly epoch: number; readonly version: number }): void {
    const { epoch, metadata } = this.self();
    const has = pull.epoch === epoch && pull.version <= metadata.version && metadata.bytes;
    if (!has) return void this.#effects.push({ kind: 'close-stream', stream });
    this.#sendFrame(stream, [encodeMessage({ kind: 'metadata', epoch, version: metadata.version, bytes: metadata.bytes })]);
  }

  /** One more frame on a stream that we opened. */
  #goOn(stream: StreamId, conversation: Conversation, packet: Packet, now: Instant): void {
    const messages = packet.messages.filter(({ kind }) => kind !== 'claim' && kind !== 'cluster-id');
    const message = messages[0];
    switch (conversation.purpose) {
      case 'sync':
        if (message?.kind === 'sync-digest') return this.#compareDigest(stream, conversation, packet.from, message, now);
        if (message?.kind === 'sync-done') return this.#syncDone(stream, conversation, now);
        break;
      case 'probe':
        this.#endStream(stream);
        if (message?.kind === 'ack' && message.seq === conversation.seq && packet.from.id === this.#probe?.id) this.#acked(conversation.seq, packet.from.id, 'acked-by-stream', now);
        return;
      case 'verify':
        this.#endStream(stream);
        return message?.kind === 'ack' && message.seq === conversation.seq ? this.#verified(conversation.claim, packet.from, now) : this.#outbid(conversation.claim, now);
      case 'metadata':
        this.#endStream(stream);
        if (message?.kind === 'metadata') this.#metadataPulled(conversation.id, packet.from, message);
        return;
      case 'message':
        this.#endStream(stream);
        return message?.kind === 'received' ? this.#complete(conversation.request) : this.#refuse(conversation.request, 'unavailable', 'the other side answered something else');
      default:
        return unreachable(conversation);
    }
    this.#effects.push({ kind: 'close-stream', stream });
    this.#streamOver(stream, 'an unexpected answer', now);
  }

  #compareDigest(stream: StreamId, conversation: Extract<Conversation, { purpose: 'sync' }>, peer: Identity, digest: Extract<WireMessage, { kind: 'sync-digest' }>, now: Instant): void {
    this.#contacts.answered(conversation.to, peer.id);
    conversation.more = digest.more;
    const own = digest.entries.find(({ id }) => id === this.#id);
    const askBack = own ? this.#compareSelf(own, peer.id, now) : [];
    const exchange = exchangeFor(this.#table, digest, this.#id);
    const wants = [...exchange.wants, ...askBack];
    const isBehindUs = own ? compareClaims(own, this.self()) === 'older' : digest.buckets.includes(bucketOf(this.#id));
    const offers = isBehindUs ? [this.#id, ...exchange.offers] : exchange.offers;
    if (wants.length + offers.length === 0) return this.#syncDone(stream, conversation, now);
    const frame = [...this.#entriesFor(offers, now), encodeMessage({ kind: 'sync-wants', ids: wants })];
    this.#sendFrame(stream, frame);
  }

  /** It holds something against us, and we answer; but somebody alive above us may be another node under our id: that takes the whole claim. */
  #compareSelf(own: DigestEntry, peer: NodeId, now: Instant): NodeId[] {
    if (compareClaims(own, this.self()) !== 'newer') return [];
    const isOver = own.state === 'dead' || own.state === 'left';
    if (!isOver && (own.state === 'alive' || own.epoch > this.#self.epoch)) return [this.#id];
    this.#hearOfSelf({ ...claimOf({ ...own, address: this.#address }, own.state), by: peer }, now);
    return [];
  }

  #syncDone(stream: StreamId, { to, joining, round, more }: Extract<Conversation, { purpose: 'sync' }>, now: Instant): void {
    this.#endStream(stream);
    // Each round settles at least one bucket, so this ends.
    if (more && round < bucketCount) return this.#sync(to, joining, round + 1, now);
    if (joining) this.#contacted(to, undefined);
  }

  /** Whole claims for the other side of a full sync. Of a suspect also what it said itself: the suspicion lacks metadata. */
  #entriesFor(ids: readonly NodeId[], now: Instant): Uint8Array[] {
    const claims: Uint8Array[] = [];
    // Twice what a step lists, because a whole bucket is listed even when it holds more.
    for (const id of ids.slice(0, 2 * this.#options.syncEntriesMax)) {
      const record = this.#table.get(id);
      if (!record) continue;
      if (record.member.state === 'suspect' && record.member.metadata.version > 0) claims.push(encodeMessage(this.#claim({ ...record, member: { ...record.member, state: 'alive' } }, now)));
      claims.push(this.#claimBytes(id, now));
    }
    return claims;
  }

  /** Everybody hears of new metadata at once; spread over some time, the owner can serve them all. */
  #pullSoon(id: NodeId, now: Instant): void {
    this.#pulls.set(id, plusMs(now, this.#random.float() * this.#options.gossipMs * Math.max(1, this.#members() / 16)));
  }

  #pullMetadata(id: NodeId, now: Instant): void {
    const record = this.#table.get(id);
    if (!record?.metadataHash || !isReachable(record.member)) return;
    this.#pulls.set(id, plusMs(now, (2 + 4 * this.#random.float()) * this.#options.periodMs));
    let pulling = 0;
    for (const { purpose } of this.#conversations.values()) if (purpose === 'metadata') pulling++;
    if (pulling >= metadataPullsMax) return;
    const pull = encodeMessage({ kind: 'metadata-pull', epoch: record.member.epoch, version: record.member.metadata.version });
    this.#converse({ purpose: 'metadata', to: record.member.address, id }, [pull], now);
  }

  #metadataPulled(id: NodeId, from: Identity, { epoch, version, bytes }: Extract<WireMessage, { kind: 'metadata' }>): void {
    const record = this.#table.get(id);
    const isWanted = record?.metadataHash && from.id === id && epoch === record.member.epoch && version === record.member.metadata.version;
    // A newer version than we know of comes with its own news; only what was announced is taken.
    if (!isWanted || !isMetadataOf(bytes, record.metadataHash)) return;
    this.#pulls.delete(id);
    this.#put('member-updated', { ...record, member: { ...record.member, metadata: { version, bytesLength: bytes.length, bytes } }, metadataHash: undefined });
  }

  #sendFrame(stream: StreamId, messages: readonly Uint8Array[]): void {
    this.#effects.push({ kind: 'send-stream', stream, bytes: this.#frame(messages) });
  }

  #endStream(stream: StreamId): void {
    if (!this.#conversations.delete(stream)) return;
    this.#streamDeadlines.delete(stream);
    this.#effects.push({ kind: 'close-stream', stream });
  }

  #streamLate(stream: StreamId, now: Instant): void {
    this.#effects.push({ kind: 'close-stream', stream });
    this.#streamOver(stream, `no answer within ${this.#options.streamTimeoutMs} ms`, now);
  }

  #streamOver(stream: StreamId, reason: string, now: Instant): void {
    const conversation = this.#conversations.get(stream);
    if (!conversation) return;
    this.#conversations.delete(stream);
    this.#streamDeadlines.delete(stream);
    switch (conversation.purpose) {
      case 'sync':     return conversation.joining ? this.#contacted(conversation.to, reason) : undefined;
      case 'verify':   return this.#outbid(conversation.claim, now);
      case 'message':  return this.#refuse(conversation.request, 'unavailable', `the message was not acknowledged: ${reason}`);
      // A probe has other ways, and metadata is pulled again later.
      case 'probe': case 'metadata': return;
      default:         return unreachable(conversation);
    }
  }

  // ── Never isolated for good ──────────────────────────────────────────────────────────────────────────────────────

  #contactTheMissing(now: Instant): void {
    const { contactMs } = this.#options;
    this.#contactAt = plusMs(now, (0.5 + this.#random.float()) * (this.#isolated ? contactMs / 2 : contactMs));
    if (this.#phase !== 'joined') return;
    if (this.#contacts.absentSeeds(this.#table).length > 0) this.#effects.push({ kind: 'resolve-seeds' });
    const address = this.#contacts.choose(this.#table, this.#random);
    if (address !== undefined) this.#sync(address, false, 0, now);
  }

  #noticeIsolation(): void {
    if (this.#phase !== 'joined') return;
    const alone = this.#table.reachable.size === 0;
    if (alone === this.#isolated) return;
    // Alone from the start with nobody to look for is no isolation.
    if (alone && (this.#joining || (this.#contacts.seeds.length === 0 && this.#table.tombstones.size === 0))) return;
    this.#isolated = alone;
    // What we concluded while we heard nobody says more about us than about them. It must not be the first thing that
    // they hear from us again: they would bury each other on our word.
    if (alone) this.#news.keepOnly(this.#id);
    this.#effects.push({ kind: alone ? 'isolated' : 'rejoined' });
  }

  // ── Forgetting ───────────────────────────────────────────────────────────────────────────────────────────────────

  #forgetTheOld(now: Instant): void {
    for (const id of this.#table.tombstones) {
      const record = this.#known(id);
      if (ageMs(record, now) >= this.#retentionMs(record.member.state)) this.#forget(id);
    }
  }

  #retentionMs(state: Member['state']): number {
    return state === 'left' ? this.#options.leftMs : state === 'dead' ? this.#options.deadMs : Infinity;
  }

  #forgetOnDemand(request: RequestId, id: NodeId, now: Instant): void {
    const record = this.#table.get(id);
    if (!record || id === this.#id || isReachable(record.member)) return this.#refuse(request, 'invalid_argument', `${id} is not a dead or left member`);
    // Remembered as having left, so that the full sync with those who still hold it dead does not bring it back.
    if (record.member.state === 'dead') this.#bury(claimOf(record.member, 'left'), record, now);
    this.#complete(request);
  }

  #forget(id: NodeId): void {
    const { member } = this.#known(id);
    this.#table.remove(id);
    this.#news.delete(id);
    this.#probeRounds.remove(id);
    this.#gossipRounds.remove(id);
    this.#endSuspicion(id);
    this.#accused.delete(id);
    this.#pulls.delete(id);
    if (this.#probe?.id === id) this.#probe = undefined;
    if (member.state === 'dead') this.#contacts.remember(member.address);
    this.#version++;
    this.#effects.push({ kind: 'member-forgotten', member, version: this.#version });
  }

  #makeRoom(): boolean {
    if (this.#table.size < this.#options.membersMax) return true;
    const evicted = this.#table.evictable();
    if (evicted === undefined) return false;
    this.#forget(evicted);
    return true;
  }

  // ── Our own slowness ─────────────────────────────────────────────────────────────────────────────────────────────

  /** Whatever comes, a wake that is long overdue says that we could not run. */
  #noticeStall(now: Instant): void {
    const due = this.nextWake();
    if (due === undefined) return;
    const lateMs = msBetween(max(due, this.#lastHandled), now);
    if (lateMs > this.#options.stallMs) this.#stalled(lateMs, now);
  }

  #stalled(ms: number, now: Instant): void {
    if (this.#phase !== 'joined' && this.#phase !== 'leaving') return;
    this.#stats.stalls++;
    this.#feel(stallWeight(ms, this.#options.timeoutMs));
    this.#stalls.stalled(ms, now);
  }

  /** What lay in the socket is heard. The time we could not hear in counts against nobody. */
  #judgeAgain(now: Instant): void {
    const lostMs = this.#stalls.release(now);
    if (lostMs === 0) return;
    for (const suspicion of this.#suspicions.values()) suspicion.postpone(lostMs);
    this.#suspicionDeadlines.postpone(lostMs);
    this.#relayDeadlines.postpone(lostMs);
    this.#streamDeadlines.postpone(lostMs);
    if (!this.#probe) return;
    const { timeoutMs, periodMs } = this.#options;
    if (this.#probe.askAt !== undefined) this.#probe.askAt = max(this.#probe.askAt, plusMs(now, this.#health.stretch(timeoutMs)));
    this.#periodEndAt = max(this.#periodEndAt, plusMs(now, this.#health.stretch(this.#probe.askAt === undefined ? periodMs - timeoutMs : periodMs)));
  }

  #feel(by: number): void {
    if (this.#health.adjust(by)) this.#effects.push({ kind: 'health-changed', score: this.#health.score });
  }

  // ── Small things ─────────────────────────────────────────────────────────────────────────────────────────────────

  #put(kind: MemberChange['kind'], record: MemberRecord): void {
    this.#table.put(record);
    this.#version++;
    this.#effects.push({ kind, member: record.member, version: this.#version });
  }

  #known(id: NodeId): MemberRecord {
    const record = this.#table.get(id);
    assert(record, 'only members that are in the table are probed, suspected or written to', { id });
    return record;
  }

  #selfRecord(): MemberRecord {
    return this.#known(this.#id);
  }

  /** Alive and suspect, ourselves included. */
  #members(): number {
    return this.#table.reachable.size + 1;
  }

  #claimBytes(id: NodeId, now: Instant): Uint8Array {
    return encodeMessage(this.#claim(this.#known(id), now));
  }

  #claim(record: MemberRecord, now: Instant): Claim {
    const { member, by, metadataHash: hash } = record;
    const isOver = member.state === 'dead' || member.state === 'left';
    return {
      ...claimOf(member, member.state),
      by,
      ageS: isOver ? Math.floor(ageMs(record, now) / 1_000) : 0,
      metadata: member.state === 'alive' ? claimedMetadata(member.metadata, this.#options.metadataInlineBytesMax, member.id === this.#id ? this.#metadataHash : hash) : undefined,
    };
  }

  /** Bytes for messages in one datagram of ours. */
  #room(): number {
    return this.#options.datagramBytesMax - this.#options.datagramOverheadBytes - packetOverhead(this.#sender);
  }

  /** With as much news as fits behind. */
  #sendTo(to: Address, messages: readonly Uint8Array[]): void {
    this.#send(to, [...messages, ...this.#riding(this.#room() - bytesOf(messages))]);
  }

  #sendBare(to: Address, messages: readonly Uint8Array[]): void {
    if (messages.length > 0) this.#send(to, messages);
  }

  /** The answer, then what is to come first of the rest, then news: all within the budget, or nothing at all. */
  #answer(to: Address, answer: readonly Uint8Array[], first: readonly Uint8Array[], budget: number): void {
    const room = Math.min(this.#room(), budget - packetOverhead(this.#sender));
    if (bytesOf(answer) > room) return this.#count('unproven');
    const messages = [...answer];
    for (const message of first) if (bytesOf(messages) + message.length <= room) messages.push(message);
    this.#send(to, [...messages, ...this.#riding(room - bytesOf(messages))]);
  }

  #send(to: Address, messages: readonly Uint8Array[]): void {
    this.#stats.datagramsSent++;
    this.#effects.push({ kind: 'send-datagram', to, bytes: this.#packet(messages) });
  }

  #packet(messages: readonly Uint8Array[]): Uint8Array {
    return assemblePacket(this.#cluster.header, this.#sender, messages);
  }

  #frame(messages: readonly Uint8Array[]): Uint8Array {
    return this.#packet([...this.#cluster.introduction, ...messages]);
  }

  #lastRejection: Rejection = 'malformed';

  #reject(reason: Rejection, from: Address): void {
    this.#count(reason);
    this.#lastRejection = reason;
    this.#effects.push({ kind: 'rejected', reason, from });
  }

  #count(reason: Rejection): void {
    this.#stats.rejected[reason]++;
    this.#stats.rejectedTotal++;
  }

  #complete(request: RequestId): void {
    this.#effects.push({ kind: 'request-completed', request });
  }

  #refuse(request: RequestId, code: RefusalCode, message: string): void {
    this.#effects.push({ kind: 'request-refused', request, code, message });
  }
}

/** Throws EngramError `invalid_argument`. Ids are checked where they are parsed. */
function checkSelf({ id, address, epoch, clusterId }: SwimSelf): void {
  assert(isNodeId(id), 'the id of a member is a node id', { id });
  if (!isAddress(address)) throw new EngramError('invalid_argument', 'the address of a member is 1 to 255 printable ASCII characters', { hint: 'Give the address as host:port.' });
  if (!Number.isInteger(epoch) || epoch < 1 || epoch > epochMax - epochStepMax) {
    throw new EngramError('invalid_argument', `an epoch is a whole number from 1 to ${epochMax - epochStepMax}, not ${epoch}`, { hint: 'Persist an epoch and raise it at each start; seconds since 1970 are a good floor.' });
  }
  if (clusterId !== undefined) parseClusterId(clusterId);
}

/** The least identity that beats this one. */
function nextIdentity({ epoch, incarnation }: Pick<Identity, 'epoch' | 'incarnation'>): Pick<Identity, 'epoch' | 'incarnation'> {
  return incarnation < incarnationMax ? { epoch, incarnation: incarnation + 1 } : { epoch: epoch + 1, incarnation: 0 };
}

function claimOf({ id, address, epoch, incarnation }: Pick<Member, 'id' | 'address' | 'epoch' | 'incarnation'>, state: Member['state']): Claim {
  return { kind: 'claim', id, address, epoch, incarnation, state, by: undefined, ageS: 0, metadata: undefined };
}

/** An address belongs to an identity: only a higher one may change it. */
function addressOf(claim: Claim, known: Member): Address {
  return claim.epoch === known.epoch && claim.incarnation === known.incarnation ? known.address : claim.address;
}

function admissionOf(before: Member | undefined, after: Member): MemberChange['kind'] {
  if (after.state === 'left') return 'member-left';
  if (!before || !isReachable(before)) return 'member-joined';
  if (before.epoch !== after.epoch) return 'member-restarted';
  return before.state === 'suspect' ? 'member-recovered' : 'member-updated';
}

function isReachable({ state }: Member): boolean {
  return state === 'alive' || state === 'suspect';
}

/** How long it has been in its state, for all we know: what it had been when we heard of it, and since. */
function ageMs({ since, agedMs }: MemberRecord, now: Instant): number {
  return agedMs + msBetween(since, now);
}

function ownMetadata(version: number, bytes: Uint8Array): Metadata {
  return { version, bytesLength: bytes.length, bytes: bytes.slice() };
}

function broadcastKey({ origin, high, low }: BroadcastMessage): string {
  return `${origin}/${high}/${low}`;
}

function bytesOf(messages: readonly Uint8Array[]): number {
  return messages.reduce((sum, message) => sum + message.length, 0);
}

function earliest(...instants: readonly (Instant | undefined)[]): Instant | undefined {
  let first: Instant | undefined;
  for (const at of instants) if (at !== undefined && (first === undefined || at < first)) first = at;
  return first;
}

const max = (a: Instant, b: Instant): Instant => (a > b ? a : b);
const min = (a: Instant, b: Instant): Instant => (a < b ? a : b);
