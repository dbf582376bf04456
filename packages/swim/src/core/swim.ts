import { instant, msBetween, plusMs, unreachable, type Core, type Instant, type NodeId, type Random, type Wake } from '@engram/kernel';
import { isReachable } from './claims.js';
import { ClusterIdentity } from './cluster-identity.js';
import { clusterTagOf, decodePacket, encodeMessage, type DecodeLimits } from './codec.js';
import { Contacts } from './contacts.js';
import { FullSync } from './full-sync.js';
import { Inquiry } from './inquiry.js';
import { earliest, later } from './instants.js';
import { Joining } from './joining.js';
import { Judgement, type Via } from './judgement.js';
import { Leaving } from './leaving.js';
import { stallWeight } from './local-health.js';
import { noMetadata, type Address, type Identity, type Member, type MembershipView } from './member.js';
import type { Rejection, RequestId, StreamId, SwimEffect, SwimEvent } from './messages.js';
import { checkMetadata, metadataHash, ownMetadata } from './metadata.js';
import { MetadataPulls } from './metadata-pulls.js';
import { News } from './news.js';
import { OpenStreams, type Conversation, type InquiryConversation } from './open-streams.js';
import { resolveSwimOptions, type ResolvedSwimOptions, type SwimOptions } from './options.js';
import { OwnLife } from './own-life.js';
import { PacketWriter } from './packet-writer.js';
import { Prober } from './prober.js';
import { Relays } from './relays.js';
import { Roster } from './roster.js';
import type { SwimStats } from './stats.js';
import { StallGuard } from './stall-guard.js';
import { Suspicions } from './suspicions.js';
import { SwimContext, type Phase } from './swim-context.js';
import { checkSelf, type SwimSelf } from './swim-self.js';
import { UserMessages } from './user-messages.js';
import type { Channel, Claim, Packet, WireMessage } from './wire.js';

/** One join contacts so many seeds, drawn anew each time; the rest of a long list is reached by perpetual contact. */
const seedsPerJoin = 16;
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
 *
 * Here is what happens when; each part does one thing:
 *
 *     prober            asks one member per period               relays         asks for others
 *     judgement         turns claims into the view               suspicions     time what it doubts
 *     own-life          what we are, and refute                  roster         the view itself
 *     news              what rides, and gossip                   packet-writer  how it is sent
 *     full-sync, metadata-pulls, user-messages                   on open-streams
 *     inquiry, joining, leaving, contacts                        cluster-identity, stall-guard
 */
export class SwimCore implements Core<SwimEvent, SwimEffect> {
  readonly #context: SwimContext;
  readonly #limits: DecodeLimits;
  readonly #cluster: ClusterIdentity;
  readonly #id: NodeId;
  readonly #roster: Roster;
  readonly #news: News;
  readonly #writer: PacketWriter;
  readonly #streams: OpenStreams;
  readonly #prober: Prober;
  readonly #relays: Relays;
  readonly #suspicions = new Suspicions();
  readonly #pulls: MetadataPulls;
  readonly #judgement: Judgement;
  readonly #own: OwnLife;
  readonly #inquiry: Inquiry;
  readonly #joining: Joining;
  readonly #contacts: Contacts;
  readonly #sync: FullSync;
  readonly #userMessages: UserMessages;
  readonly #stalls: StallGuard;

  #leaving: Leaving | undefined;
  #isolated = false;
  #syncAt = instant(0);
  #contactAt = instant(0);
  #lastHandled = instant(0);

  constructor(self: SwimSelf, random: Random, options: SwimOptions = {}) {
    const resolved = resolveSwimOptions(options);
    checkSelf(self);
    checkMetadata(self.metadata ?? new Uint8Array(0), resolved);
    const context = new SwimContext(resolved, random);
    const identity: Identity = { id: self.id, epoch: self.epoch, incarnation: 0 };
    this.#context = context;
    this.#limits = { datagramBytesMax: datagramAcceptedBytesMax, streamBytesMax: resolved.streamBytesMax, metadataBytesMax: resolved.metadataBytesMax };
    this.#id = self.id;
    this.#roster = rosterOf(context, self, identity);
    this.#contacts = new Contacts(self.address, resolved.addressesMax);
    this.#stalls = new StallGuard(resolved.stallGraceMs);
    this.#joining = new Joining(context);
    this.#news = new News(context, this.#roster, random.fork('gossip'));
    this.#cluster = new ClusterIdentity(self.cluster, self.clusterId, context, this.#news);
    this.#writer = new PacketWriter(context, this.#cluster, this.#roster, identity, this.#news);
    this.#streams = new OpenStreams(context, this.#writer);
    this.#inquiry = new Inquiry(context, this.#roster, this.#writer, this.#streams);
    this.#relays = new Relays(context, this.#roster, this.#writer);
    this.#pulls = new MetadataPulls(context, this.#roster, this.#writer, this.#streams);
    this.#prober = new Prober(context, this.#roster, this.#writer, this.#streams, random.fork('probes'), (id, now) => this.#judgement.accusationOf(id, now));
    this.#judgement = new Judgement({
      context, roster: this.#roster, news: this.#news, writer: this.#writer, suspicions: this.#suspicions, pulls: this.#pulls, prober: this.#prober,
      onForgotten: ({ state, address }) => { if (state === 'dead') this.#contacts.remember(address); },
    });
    this.#own = new OwnLife(context, this.#roster, this.#news, this.#writer, this.#streams);
    this.#sync = new FullSync({ context, roster: this.#roster, writer: this.#writer, streams: this.#streams, contacts: this.#contacts, joining: this.#joining, own: this.#own });
    this.#userMessages = new UserMessages(context, self.id, this.#roster, this.#news, this.#writer, this.#streams);
  }

  /** All members as of the last change event. The same object until the next one. */
  view(): MembershipView { return this.#roster.view(); }
  /** As it stands in the view; undefined when nobody of this id is known. */
  member(id: NodeId): Member | undefined { return this.#roster.get(id)?.member; }
  /** This node as it stands in its own view. */
  self(): Member { return this.#roster.self.member; }
  get phase(): Phase { return this.#context.phase; }
  get clusterId(): string | undefined { return this.#cluster.id; }
  get options(): ResolvedSwimOptions { return this.#context.options; }

  /** Counters since construction and how things stand, a snapshot. */
  stats(): SwimStats {
    const { stats, health } = this.#context;
    return { ...stats, rejected: { ...stats.rejected }, healthScore: health.score, ...this.#roster.table.counts, newsQueued: this.#news.claimsQueued, broadcastsQueued: this.#news.broadcastsQueued };
  }

  handle(event: SwimEvent | Wake, now: Instant): readonly SwimEffect[] {
    this.#noticeStall(now);
    this.#absorb(event, now);
    this.#noticeIsolation();
    this.#lastHandled = now;
    return this.#context.takeEffects();
  }

  nextWake(): Instant | undefined {
    if (!this.#context.isTakingPart) return this.#inquiry.isUnderWay ? earliest(this.#streams.nextDeadline, this.#inquiry.endAt) : undefined;
    if (this.#stalls.until !== undefined) return this.#stalls.until;
    return earliest(
      this.#prober.askAt, this.#prober.periodEndAt, this.#syncAt, this.#contactAt, this.#news.gossipAt,
      this.#suspicions.nextDeadline, this.#relays.nextDeadline, this.#streams.nextDeadline, this.#pulls.nextDeadline,
      this.#own.refuteAt, this.#leaving?.tryAt,
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
      case 'inquire':           return this.#inquire(event.request, now);
      case 'seeds-resolved':    return this.#contacts.setSeeds(event.addresses);
      case 'set-metadata':      return this.#own.setMetadata(event.request, event.bytes, now);
      case 'broadcast':         return this.#userMessages.broadcast(event, now);
      case 'send-message':      return this.#userMessages.send(event, now);
      case 'forget':            return this.#forgetOnDemand(event.request, event.id, now);
      case 'set-cluster-id':    return this.#cluster.setOnDemand(event.request, event.clusterId, now);
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
    if (!this.#context.isTakingPart) return this.#inquireOn(now);
    this.#prober.askForHelp(now);
    if (this.#prober.periodEndAt <= now) this.#nextPeriod(now);
    for (const id of this.#suspicions.due(now)) this.#judgement.declareDead(id, now);
    this.#relays.due(now);
    for (const stream of this.#streams.due(now)) this.#streamLate(stream, now);
    this.#pulls.due(now);
    this.#own.refuteWhenDue(now);
    if (this.#leaving && this.#leaving.tryAt <= now) this.#sayGoodbye(this.#leaving, now);
    if (this.#news.gossipAt !== undefined && this.#news.gossipAt <= now) this.#gossip(now);
    if (this.#syncAt <= now) this.#syncWithSomebody(now);
    if (this.#contactAt <= now) this.#contactTheMissing(now);
  }

  #nextPeriod(now: Instant): void {
    const unanswered = this.#prober.endPeriod(now);
    if (unanswered) this.#judgement.suspectUnanswered(unanswered.id, unanswered.since, now);
    this.#prober.beginPeriod(now);
  }

  #gossip(now: Instant): void {
    for (const id of this.#news.nextListeners(now)) this.#writer.send(this.#roster.known(id).member.address, this.#news.take(this.#writer.room));
    this.#news.planNextGossip(now);
  }

  #syncWithSomebody(now: Instant): void {
    const { options, phase, random } = this.#context;
    this.#syncAt = plusMs(now, (0.75 + random.float() / 2) * options.syncMs);
    this.#judgement.forgetTheOld(now);
    const [id] = phase === 'joined' && this.#sync.isDue(now) ? this.#roster.table.reachable.pick(1, random) : [];
    if (id !== undefined) this.#sync.begin(this.#roster.known(id).member.address, false, now);
  }

  // ── Joining and leaving ──────────────────────────────────────────────────────────────────────────────────────────

  #join(request: RequestId, now: Instant): void {
    const context = this.#context;
    if (context.phase === 'superseded') return context.refuse(request, 'unavailable', `a newer process runs as ${this.#id}; start again with a higher epoch`);
    if (context.phase === 'leaving') return context.refuse(request, 'not_ready', 'the node is leaving; join once it has left');
    if (this.#joining.isUnderWay) return context.refuse(request, 'overloaded', 'the node is joining already');
    this.#inquiry.abandon('not_ready', 'the node joins, which ends its inquiry');
    if (context.phase !== 'joined') this.#start(now);
    this.#joining.begin(request, this.#someSeeds(), (seed) => this.#sync.begin(seed, true, now));
  }

  #someSeeds(): readonly Address[] {
    return this.#context.random.shuffle(this.#contacts.seeds).slice(0, seedsPerJoin);
  }

  #inquire(request: RequestId, now: Instant): void {
    const context = this.#context;
    if (context.phase !== 'idle' && context.phase !== 'left') return context.refuse(request, 'not_ready', 'the node takes part, so its id is spoken for; inquire before joining');
    if (this.#inquiry.isUnderWay) return context.refuse(request, 'overloaded', 'the node is inquiring already');
    this.#inquiry.begin(request, this.#someSeeds(), now);
  }

  #inquireOn(now: Instant): void {
    for (const stream of this.#streams.due(now)) this.#streamLate(stream, now);
    this.#inquiry.endWhenDue(now);
  }

  #start(now: Instant): void {
    const { options: { syncMs, contactMs }, random } = this.#context;
    // Whoever was here before comes back under a higher incarnation, which beats its own goodbye.
    if (this.#context.phase === 'left') this.#own.rise(now);
    this.#context.phase = 'joined';
    this.#prober.start(now);
    this.#syncAt = plusMs(now, (0.5 + random.float()) * syncMs);
    this.#contactAt = plusMs(now, (0.5 + random.float()) * contactMs);
    this.#judgement.judgeAnew(now);
    this.#own.announce(now);
  }

  #leave(request: RequestId, now: Instant): void {
    const context = this.#context;
    if (context.phase === 'leaving') return context.refuse(request, 'overloaded', 'the node is leaving already');
    if (context.phase !== 'joined') return context.emit({ kind: 'leave-finished', request, confirmed: 0 });
    context.phase = 'leaving';
    this.#prober.cancel();
    this.#own.fallSilent();
    this.#joining.abandon('shutting_down', 'the node was told to leave');
    this.#roster.put('member-left', { member: { ...this.self(), state: 'left' }, by: undefined, since: now, agedMs: 0, metadataHash: undefined });
    this.#own.announce(now);
    this.#leaving = new Leaving(request, context, this.#roster, this.#writer, now);
    this.#sayGoodbye(this.#leaving, now);
  }

  #sayGoodbye(leaving: Leaving, now: Instant): void {
    if (leaving.isOver(now)) this.#left(leaving);
    else leaving.sayGoodbye(now);
  }

  #left({ request, confirmed }: Leaving): void {
    this.#context.emit({ kind: 'leave-finished', request, confirmed });
    this.#silence('left', 'the node has left');
  }

  /** Ends everything under way; the view stays as it was last seen. */
  #silence(phase: 'left' | 'superseded', reason: string): void {
    this.#context.phase = phase;
    this.#leaving = undefined;
    this.#isolated = false;
    this.#prober.cancel();
    this.#own.fallSilent();
    this.#stalls.release(this.#lastHandled);
    this.#news.clear();
    this.#relays.clear();
    this.#pulls.clear();
    this.#judgement.clear();
    for (const conversation of this.#streams.closeAll()) if (conversation.purpose === 'message') this.#context.refuse(conversation.request, 'shutting_down', reason);
    this.#suspicions.rest();
    this.#joining.abandon('shutting_down', reason);
  }

  // ── What is heard ────────────────────────────────────────────────────────────────────────────────────────────────

  #onDatagram(from: Address, bytes: Uint8Array, now: Instant): void {
    const packet = this.#decode(from, bytes, 'datagram', now);
    if (typeof packet === 'string') return;
    const sender = packet.from;
    const introduction = clusterTagOf(bytes) === 0 ? this.#cluster.introduction : [];
    // Claims first: an answer then already carries what they led to, such as our refutation.
    for (const message of packet.messages) if (message.kind === 'claim') this.#hear(message, 'gossip', now);
    for (const message of packet.messages) {
      switch (message.kind) {
        case 'claim': case 'cluster-id': break;
        case 'ping':      this.#answerPing(message, sender, from, bytes.length, introduction, now); break;
        case 'ping-req':  this.#relays.begin(message, sender, from, bytes.length, now); break;
        case 'ack':       this.#onAck(message, sender, from, introduction, now); break;
        case 'nack':      this.#prober.nacked(message.seq, sender.id); break;
        case 'broadcast': this.#userMessages.hearBroadcast(message, now); break;
        case 'message':   this.#userMessages.hearDatagram(sender, message, from); break;
        default:          this.#context.reject('misplaced', from);
      }
    }
  }

  /** The one gate through which the view changes because of what others say. */
  #hear(claim: Claim, via: Via, now: Instant): void {
    if (claim.id === this.#id) this.#own.hear(claim, now);
    else this.#judgement.hear(claim, via, now);
  }

  /** A packet that is meant for us, or why it is none; that is told already. */
  #decode(from: Address, bytes: Uint8Array, channel: Channel, now: Instant): Packet | Rejection {
    const outcome = this.#context.isTakingPart
      ? decodePacket(bytes, this.#cluster.header, channel, this.#limits)
      : { kind: 'rejected' as const, reason: 'not-joined' as const };
    const packet = outcome.kind === 'packet' ? this.#cluster.admit(outcome.packet, clusterTagOf(bytes), channel, now) : outcome.reason;
    if (typeof packet === 'string') this.#context.reject(packet, from);
    return packet;
  }

  #answerPing(ping: Extract<WireMessage, { kind: 'ping' }>, sender: Identity, from: Address, askedBytes: number, introduction: readonly Uint8Array[], now: Instant): void {
    if (ping.target !== this.#id) return this.#context.reject('misdirected', from);
    const ack = encodeMessage({ kind: 'ack', seq: ping.seq, stranger: this.#isStranger(sender) });
    this.#writer.answer(from, ack, [...introduction, ...this.#judgement.accusationOf(sender.id, now)], this.#writer.budget(sender.id, from, askedBytes));
    if (ping.view === this.#roster.table.fingerprint) this.#sync.agreed(now);
    else this.#sync.beginEarly(sender.id, this.#news.claimsQueued > 0, now);
  }

  /** Whether it should compare its view with ours: we lack it as it is now, or know of a later start under its id. */
  #isStranger(sender: Identity): boolean {
    const record = this.#roster.get(sender.id);
    if (!record || !isReachable(record.member) || record.member.epoch !== sender.epoch) return true;
    // Only its owner raises an incarnation, so whoever lags behind it is not the one we know.
    return record.member.incarnation > sender.incarnation;
  }

  #onAck({ seq, stranger }: Extract<WireMessage, { kind: 'ack' }>, sender: Identity, from: Address, introduction: readonly Uint8Array[], now: Instant): void {
    if (this.#relays.acked(seq, sender)) return;
    if (this.#leaving) return this.#goodbyeHeard(this.#leaving, seq, sender.id);
    const isAnswer = this.#prober.isAbout(seq, sender.id);
    this.#prober.acked(seq, sender.id, 'acked', now);
    if (!isAnswer) return;
    this.#judgement.acquit(sender.id);
    this.#writer.send(from, introduction);
    if (stranger || this.#isStranger(sender)) this.#sync.beginWithStranger(from, now);
  }

  #goodbyeHeard(leaving: Leaving, seq: number, by: NodeId): void {
    leaving.acked(seq, by);
    if (leaving.isConfirmed) this.#left(leaving);
  }

  // ── Streams ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #onFrame(stream: StreamId, from: Address, bytes: Uint8Array, now: Instant): void {
    const conversation = this.#streams.get(stream);
    if (stream > 0 && !conversation) return;
    if (conversation?.purpose === 'inquiry' || conversation?.purpose === 'namesake') return this.#answered(stream, conversation, from, bytes, now);
    const packet = this.#decode(from, bytes, 'stream', now);
    if (typeof packet === 'string') return this.#refuseFrame(stream, packet, now);
    this.#news.isQuiet = conversation?.purpose === 'sync' && conversation.joining;
    this.#judgement.beginFrame();
    for (const message of packet.messages) if (message.kind === 'claim') this.#hear(message, 'sync', now);
    if (conversation) this.#goOn(stream, conversation, packet, now);
    else this.#serve(stream, packet, from, now);
    this.#news.isQuiet = false;
    this.#judgement.endFrame();
  }

  /** Of what is said to a node that does not take part, nothing is taken in: neither members nor the id of their cluster. */
  #answered(stream: StreamId, conversation: InquiryConversation, from: Address, bytes: Uint8Array, now: Instant): void {
    const outcome = decodePacket(bytes, this.#cluster.header, 'stream', this.#limits);
    if (outcome.kind === 'packet') {
      this.#streams.end(stream);
      return this.#inquiry.heard(conversation, outcome.packet, now);
    }
    this.#context.reject(outcome.reason, from);
    this.#closeStream(stream);
    this.#streamOver(stream, outcome.reason, now);
  }

  #refuseFrame(stream: StreamId, reason: Rejection, now: Instant): void {
    // The header alone tells a stranger whose cluster and version it has reached, so that its join fails for a stated reason.
    const isStranger = reason === 'other-cluster' || reason === 'other-cluster-id' || reason === 'other-version';
    if (isStranger && !this.#streams.get(stream)) this.#context.emit({ kind: 'send-stream', stream, bytes: this.#cluster.header });
    this.#closeStream(stream);
    this.#streamOver(stream, reason, now);
  }

  /** The answering side keeps nothing between frames. */
  #serve(stream: StreamId, packet: Packet, from: Address, now: Instant): void {
    for (const message of packet.messages) {
      switch (message.kind) {
        case 'claim': case 'cluster-id': break;
        case 'ping':          return this.#servePing(stream, message, packet.from, from, now);
        case 'message':       return this.#userMessages.hearFrame(stream, packet.from, message, from);
        case 'sync-buckets':  return this.#sync.serveBuckets(stream, packet, message.fingerprints, now);
        case 'sync-wants':    return this.#sync.serveWants(stream, message.ids, now);
        case 'metadata-pull': return this.#pulls.serve(stream, message);
        default:
          this.#context.reject('misplaced', from);
          return this.#closeStream(stream);
      }
    }
  }

  #servePing(stream: StreamId, ping: Extract<WireMessage, { kind: 'ping' }>, sender: Identity, from: Address, now: Instant): void {
    if (ping.target === this.#id) return this.#writer.sendFrame(stream, [encodeMessage({ kind: 'ack', seq: ping.seq, stranger: this.#isStranger(sender) }), ...this.#judgement.accusationOf(sender.id, now)]);
    this.#context.reject('misdirected', from);
    this.#closeStream(stream);
  }

  /** One more frame on a stream that we opened. */
  #goOn(stream: StreamId, conversation: Conversation, { from, messages }: Packet, now: Instant): void {
    const message = messages.find(({ kind }) => kind !== 'claim' && kind !== 'cluster-id');
    switch (conversation.purpose) {
      case 'sync':
        if (message?.kind === 'sync-digest') return this.#sync.compare(stream, conversation, from, message, now);
        if (message?.kind === 'sync-done') return this.#sync.done(stream, conversation, from.id, now);
        this.#closeStream(stream);
        return this.#streamOver(stream, 'an unexpected answer', now);
      case 'probe':
        this.#streams.end(stream);
        if (message?.kind === 'ack' && message.seq === conversation.seq && this.#prober.isAbout(message.seq, from.id)) {
          this.#prober.acked(conversation.seq, from.id, 'acked-by-stream', now);
          this.#judgement.acquit(from.id);
        }
        return;
      case 'verify':
        this.#streams.end(stream);
        if (message?.kind === 'ack' && message.seq === conversation.seq && this.#own.isSupersededBy(conversation.claim, from)) return this.#superseded(from.epoch, conversation.to);
        return this.#own.outbid(conversation.claim, now);
      case 'metadata':
        this.#streams.end(stream);
        if (message?.kind === 'metadata') this.#pulls.pulled(conversation.id, from, message);
        return;
      case 'inquiry':
      case 'namesake':
        // Answered before anything is taken in.
        return;
      case 'message':
        this.#streams.end(stream);
        return message?.kind === 'received' ? this.#context.complete(conversation.request) : this.#context.refuse(conversation.request, 'unavailable', 'the other side answered something else');
      default:
        return unreachable(conversation);
    }
  }

  #superseded(epoch: number, address: Address): void {
    this.#context.emit({ kind: 'superseded', epoch, address });
    this.#silence('superseded', `a newer process runs as ${this.#id}`);
  }

  #closeStream(stream: StreamId): void {
    this.#context.emit({ kind: 'close-stream', stream });
  }

  #streamLate(stream: StreamId, now: Instant): void {
    this.#closeStream(stream);
    this.#streamOver(stream, `no answer within ${this.#context.options.streamTimeoutMs} ms`, now);
  }

  /** A stream that we opened came to nothing. */
  #streamOver(stream: StreamId, reason: string, now: Instant): void {
    const conversation = this.#streams.over(stream);
    switch (conversation?.purpose) {
      case undefined:  return;
      case 'sync':     return conversation.joining ? this.#joining.contacted(conversation.to, reason) : undefined;
      case 'verify':   return this.#own.outbid(conversation.claim, now);
      case 'message':  return this.#context.refuse(conversation.request, 'unavailable', `the message was not acknowledged: ${reason}`);
      case 'inquiry':
      case 'namesake': return this.#inquiry.over(conversation, reason);
      // A probe has other ways, and metadata is pulled again later.
      case 'probe': case 'metadata': return;
      default:         return unreachable(conversation);
    }
  }

  // ── Never isolated for good ──────────────────────────────────────────────────────────────────────────────────────

  #contactTheMissing(now: Instant): void {
    const { options: { contactMs }, phase, random } = this.#context;
    this.#contactAt = plusMs(now, (0.5 + random.float()) * (this.#isolated ? contactMs / 2 : contactMs));
    if (phase !== 'joined') return;
    if (this.#contacts.absentSeeds(this.#roster.table).length > 0) this.#context.emit({ kind: 'resolve-seeds' });
    const address = this.#contacts.choose(this.#roster.table, random);
    if (address !== undefined) this.#sync.begin(address, false, now);
  }

  #noticeIsolation(): void {
    if (this.#context.phase !== 'joined') return;
    const alone = this.#roster.table.reachable.size === 0;
    if (alone === this.#isolated) return;
    // Alone from the start with nobody to look for is no isolation.
    if (alone && (this.#joining.isUnderWay || (this.#contacts.absentSeeds(this.#roster.table).length === 0 && this.#roster.table.tombstones.size === 0))) return;
    this.#isolated = alone;
    // What we concluded while we heard nobody says more about us than about them. It must not be the first thing that
    // they hear from us again: they would bury each other on our word.
    if (alone) this.#news.keepOnly(this.#id);
    this.#context.emit({ kind: alone ? 'isolated' : 'rejoined' });
  }

  #forgetOnDemand(request: RequestId, id: NodeId, now: Instant): void {
    const record = this.#roster.get(id);
    if (!record || id === this.#id || isReachable(record.member)) return this.#context.refuse(request, 'invalid_argument', `${id} is not a dead or left member`);
    if (record.member.state === 'dead') this.#judgement.forgetDead(record, now);
    this.#context.complete(request);
  }

  // ── Our own slowness ─────────────────────────────────────────────────────────────────────────────────────────────

  /** Whatever comes, a wake that is long overdue says that we could not run. */
  #noticeStall(now: Instant): void {
    const due = this.nextWake();
    if (due === undefined) return;
    const lateMs = msBetween(later(due, this.#lastHandled), now);
    if (lateMs > this.#context.options.stallMs) this.#stalled(lateMs, now);
  }

  #stalled(ms: number, now: Instant): void {
    if (!this.#context.isTakingPart) return;
    this.#context.stats.stalls++;
    this.#context.feel(stallWeight(ms, this.#context.options.timeoutMs));
    this.#stalls.stalled(ms, now);
  }

  /** What lay in the socket is heard. The time we could not hear in counts against nobody. */
  #judgeAgain(now: Instant): void {
    const lostMs = this.#stalls.release(now);
    if (lostMs === 0) return;
    this.#suspicions.postpone(lostMs);
    this.#relays.postpone(lostMs);
    this.#streams.postpone(lostMs);
    this.#prober.giveTime(now);
  }
}

/** With ourselves in it. */
function rosterOf(context: SwimContext, { address, metadata }: SwimSelf, identity: Identity): Roster {
  const roster = new Roster(context, identity.id);
  const own = metadata && metadata.length > 0 ? ownMetadata(1, metadata) : noMetadata;
  roster.setOwnMetadataHash(own.bytes && metadataHash(own.bytes));
  roster.table.put({ member: { ...identity, address, state: 'alive', metadata: own }, by: undefined, since: instant(0), agedMs: 0, metadataHash: undefined });
  return roster;
}
