import { assert, OptionsError, parseClusterId, plusMs, unreachable, type ClusterId, type Core, type Instant, type NodeId, type Random, type Wake } from '@engram/kernel';
import { declineReasons, type Accepted, type Ballot, type DeclineReason, type FormationEffect, type FormationEvent, type FormationMessage, type FormationRecord, type FormingPeer, type JoinedHow, type RequestId } from './formation-messages.js';

/** What a node brings to forming. */
export interface FormationOptions {
  readonly self: NodeId;
  /** What the node persisted earlier; empty at its first start. */
  readonly record: FormationRecord;
  /** How many nodes, this one included, must have met before they form a cluster by themselves. Absent: an operator says when. */
  readonly expect?: number;
  /** It stored memories while it ran alone. Forming a cluster around them is for an operator to decide. */
  readonly holdsMemories?: boolean;
  /** How often what was not answered is asked again. @default 500 */
  readonly repeatMs?: number;
  /** How long the others give the node with the lowest id before one of them tries; up to twice as long. @default 5_000 */
  readonly patienceMs?: number;
}

/** Where a node stands. */
export interface FormationStatus {
  /** `forming`: the node belongs to no cluster yet. It never goes back from `joined`. */
  readonly state: 'forming' | 'joined';
  readonly clusterId?: ClusterId;
  /** What it is waiting for, for people; empty when joined. */
  readonly reason: string;
}

/** A ballot of ours. */
interface Proposal {
  readonly ballot: Ballot;
  readonly promised: Set<NodeId>;
  /** Of what those that promised had accepted before, that of the highest ballot. */
  earlier: Accepted | undefined;
  /** What the others are asked to accept, once enough have promised. */
  value: ClusterId | undefined;
  readonly accepted: Set<NodeId>;
  readonly declined: Map<NodeId, DeclineReason>;
}

const expectMax = 1_000;

/**
 * How a node comes to belong to a cluster: it was told to form one, it met as many others as it expects, or it heard of
 * one. Finding nobody is never a reason to form one, and whoever belongs to a cluster belongs to it for ever.
 *
 * Those that expect each other agree on the id by single-decree Paxos (Lamport, Paxos Made Simple, 2001, section 2), with
 * one change: who the acceptors are is not known beforehand, so a quorum is any `expect` nodes. Two quorums have a node
 * in common while more than half of all nodes are expected; below that, two clusters can come to be, and membership
 * keeps them apart.
 */
export class FormationCore implements Core<FormationEvent, FormationEffect> {
  readonly #self: NodeId;
  readonly #expect: number | undefined;
  readonly #holdsMemories: boolean;
  readonly #repeatMs: number;
  readonly #patienceMs: number;
  readonly #random: Random;

  #record: FormationRecord;
  /** What is on its way to the disk, and what to do once it is there. One at a time. */
  #writing: { readonly record: FormationRecord; readonly then: () => void; readonly failed: (reason: string) => void } | undefined;
  #effects: FormationEffect[] = [];
  #peers = new Map<NodeId, FormingPeer>();
  /** Heard from another node, and not durable yet. */
  #learned: ClusterId | undefined;
  #proposal: Proposal | undefined;
  #roundSeen = 0;
  /** When the next thing is to be done about the proposal, or about there being none. */
  #actAt: Instant | undefined;
  #diskTrouble: string | undefined;

  constructor(random: Random, options: FormationOptions) {
    const { self, record, expect, holdsMemories = false, repeatMs = 500, patienceMs = 5_000 } = options;
    if (expect !== undefined && (!Number.isInteger(expect) || expect < 1 || expect > expectMax)) throw new OptionsError('expect', `must be a whole number from 1 to ${expectMax}, not ${expect}`);
    if (!(repeatMs > 0)) throw new OptionsError('repeatMs', `must be above 0, not ${repeatMs}`);
    if (!(patienceMs >= repeatMs)) throw new OptionsError('patienceMs', `must not be below repeatMs, not ${patienceMs}`);
    this.#random = random;
    this.#self = self;
    this.#record = record;
    this.#expect = holdsMemories ? undefined : expect;
    this.#holdsMemories = holdsMemories && expect !== undefined;
    this.#repeatMs = repeatMs;
    this.#patienceMs = patienceMs;
  }

  get clusterId(): ClusterId | undefined { return this.#record.clusterId; }
  /** Whether the id of the cluster is one that this node drew: there is one such node in a cluster. */
  get founded(): boolean { return this.#record.clusterId !== undefined && this.#record.clusterId === this.#record.drew; }

  /** Where the node stands, for people. */
  status(): FormationStatus {
    const { clusterId } = this.#record;
    return clusterId === undefined ? { state: 'forming', reason: this.#waitingFor() } : { state: 'joined', clusterId, reason: '' };
  }

  handle(event: FormationEvent | Wake, now: Instant): readonly FormationEffect[] {
    this.#effects = [];
    this.#absorb(event);
    this.#proceed(now);
    return this.#effects;
  }

  nextWake(): Instant | undefined {
    return this.#writing || this.#record.clusterId !== undefined ? undefined : this.#actAt;
  }

  #absorb(event: FormationEvent | Wake): void {
    switch (event.kind) {
      case 'wake':               return;
      case 'peers':              this.#peers = new Map(event.peers.map((peer) => [peer.id, peer])); return;
      case 'cluster-id-learned': this.#learned = event.clusterId; return;
      case 'message-received':   return this.#onMessage(event.from, event.message);
      case 'initialize':         return this.#initialize(event.request);
      case 'persisted':          return this.#onPersisted();
      case 'persist-failed':     return this.#onPersistFailed(event.reason);
      default:                   return unreachable(event);
    }
  }

  /** Whatever is to be done now, apart from answering. */
  #proceed(now: Instant): void {
    if (this.#writing || this.#record.clusterId !== undefined) return;
    if (this.#learned !== undefined) return this.#belongTo(this.#learned, 'joined');
    if (!this.#hasMetEnough()) return this.#giveUp();
    this.#actAt ??= this.#isFirst() ? now : plusMs(now, this.#patienceMs * (1 + this.#random.float()));
    if (now < this.#actAt) return;
    this.#actAt = plusMs(now, this.#repeatMs);
    if (this.#proposal) this.#ask(this.#proposal);
    else this.#propose();
  }

  #hasMetEnough(): boolean {
    // A cluster that exists is joined: membership is about to learn its id.
    if (this.#expect === undefined || [...this.#peers.values()].some(({ clusterId }) => clusterId !== undefined)) return false;
    return this.#candidates().length + 1 >= this.#expect;
  }

  /** Others that expect what we expect. */
  #candidates(): readonly NodeId[] {
    return [...this.#peers.values()].filter(({ clusterId, expect }) => clusterId === undefined && expect === this.#expect).map(({ id }) => id);
  }

  /** Everybody may propose at any time; it is only quieter when one does. */
  #isFirst(): boolean {
    return this.#candidates().every((id) => this.#self < id);
  }

  // ── Proposing ────────────────────────────────────────────────────────────────────────────────────────────────────

  #giveUp(): void {
    this.#proposal = undefined;
    this.#actAt = undefined;
  }

  #propose(): void {
    const ballot = { round: Math.max(this.#roundSeen, this.#record.promised?.round ?? 0) + 1, node: this.#self };
    const { accepted } = this.#record;
    this.#persist({ ...this.#record, promised: ballot }, () => {
      this.#proposal = { ballot, promised: new Set([this.#self]), earlier: accepted, value: undefined, accepted: new Set(), declined: new Map() };
      this.#ask(this.#proposal);
      this.#whenPromised(this.#proposal);
    });
  }

  /** Those that have not answered, anew. */
  #ask(proposal: Proposal): void {
    const { ballot, promised, accepted, value } = proposal;
    for (const id of this.#candidates()) {
      if (!promised.has(id)) this.#send(id, { kind: 'prepare', ballot, expect: this.#quorum() });
      else if (value !== undefined && !accepted.has(id)) this.#send(id, { kind: 'accept', ballot, clusterId: value });
    }
  }

  #onPromise(from: NodeId, ballot: Ballot, earlier: Accepted | undefined): void {
    const proposal = this.#proposal;
    if (!proposal || !isSame(proposal.ballot, ballot)) return;
    proposal.promised.add(from);
    proposal.declined.delete(from);
    if (earlier && (!proposal.earlier || isHigher(earlier.ballot, proposal.earlier.ballot))) proposal.earlier = earlier;
    this.#whenPromised(proposal);
  }

  #whenPromised(proposal: Proposal): void {
    if (this.#writing || proposal.value !== undefined || proposal.promised.size < this.#quorum()) return;
    // This node is one of the acceptors: since it asked, it may have promised somebody a higher ballot.
    if (this.#record.promised && isHigher(this.#record.promised, proposal.ballot)) return this.#onRefused(proposal.ballot, this.#record.promised);
    // What a lower ballot may have decided is proposed again. Only who is free to choose draws a new id.
    const drew = proposal.earlier ? this.#record.drew : newClusterId(this.#random);
    const clusterId = proposal.earlier?.clusterId ?? (drew as ClusterId);
    const { ballot } = proposal;
    this.#persist({ ...this.#record, promised: ballot, accepted: { ballot, clusterId }, ...(drew !== undefined && { drew }) }, () => {
      proposal.value = clusterId;
      proposal.accepted.add(this.#self);
      if (this.#proposal === proposal) this.#ask(proposal);
      this.#whenAccepted(proposal);
    });
  }

  #onAccepted(from: NodeId, ballot: Ballot): void {
    const proposal = this.#proposal;
    if (!proposal || !isSame(proposal.ballot, ballot) || proposal.value === undefined) return;
    proposal.accepted.add(from);
    this.#whenAccepted(proposal);
  }

  #whenAccepted({ value, accepted }: Proposal): void {
    if (this.#writing || value === undefined || accepted.size < this.#quorum()) return;
    this.#belongTo(value, 'bootstrapped');
  }

  /** Somebody is ahead of us. Whoever tries again waits a random time first, so that one of them gets through. */
  #onRefused(ballot: Ballot, promised: Ballot): void {
    this.#roundSeen = Math.max(this.#roundSeen, promised.round);
    if (!this.#proposal || !isSame(this.#proposal.ballot, ballot)) return;
    this.#proposal = undefined;
    this.#actAt = this.#actAt && plusMs(this.#actAt, this.#repeatMs * 4 * this.#random.float());
  }

  #quorum(): number {
    return this.#expect ?? Infinity;
  }

  // ── Answering ────────────────────────────────────────────────────────────────────────────────────────────────────

  #onMessage(from: NodeId, message: FormationMessage): void {
    switch (message.kind) {
      case 'prepare':  return this.#answer(from, message.ballot, message.expect, { promised: message.ballot }, () => ({ kind: 'promise', ballot: message.ballot, ...(this.#record.accepted && { accepted: this.#record.accepted }) }));
      case 'accept':   return this.#answer(from, message.ballot, this.#expect, { promised: message.ballot, accepted: message }, () => ({ kind: 'accepted', ballot: message.ballot }));
      case 'promise':  return this.#onPromise(from, message.ballot, message.accepted);
      case 'accepted': return this.#onAccepted(from, message.ballot);
      case 'refuse':   return this.#onRefused(message.ballot, message.promised);
      case 'decline':  if (this.#proposal && isSame(this.#proposal.ballot, message.ballot)) this.#proposal.declined.set(from, message.reason); return;
      case 'decided':  if (this.#record.clusterId === undefined) this.#learned ??= message.clusterId; return;
      default:         return unreachable(message);
    }
  }

  /** An acceptor says yes to any ballot but a lower one, and only after it has written down that it did. */
  #answer(from: NodeId, ballot: Ballot, expect: number | undefined, change: FormationRecord, yes: () => FormationMessage): void {
    const { clusterId, promised } = this.#record;
    if (clusterId !== undefined) return this.#send(from, { kind: 'decided', clusterId });
    // What is being written decides the answer; the question is repeated.
    if (this.#writing) return;
    const reason = this.#reasonToDecline(expect);
    if (reason) return this.#send(from, { kind: 'decline', ballot, reason });
    if (promised && isHigher(promised, ballot)) return this.#send(from, { kind: 'refuse', ballot, promised });
    const accepted = change.accepted && { ballot, clusterId: change.accepted.clusterId };
    this.#persist({ ...this.#record, ...change, ...(accepted && { accepted }) }, () => this.#send(from, yes()));
  }

  #reasonToDecline(expect: number | undefined): DeclineReason | undefined {
    if (this.#holdsMemories) return 'holds-memories';
    if (this.#expect === undefined) return 'no-expectation';
    return this.#expect === expect ? undefined : 'other-expectation';
  }

  // ── Belonging ────────────────────────────────────────────────────────────────────────────────────────────────────

  #initialize(request: RequestId): void {
    const { clusterId, promised } = this.#record;
    if (clusterId !== undefined) return void this.#effects.push({ kind: 'request-completed', request, clusterId, created: false });
    if (this.#writing || this.#learned !== undefined) return this.#refuse(request, 'the node is just becoming part of a cluster', 'Look at the state of the cluster in a moment.');
    if (this.#expect !== undefined && promised) {
      return this.#refuse(request, `the ${this.#expect} nodes that are expected have begun to form a cluster, and may have formed it`, 'Start the nodes that are missing. If they are gone for good, start this one without cluster.bootstrap_expect and ask again.');
    }
    const created = newClusterId(this.#random);
    this.#record = { ...this.#record, drew: created };
    this.#belongTo(
      created, 'initialized',
      () => this.#effects.push({ kind: 'request-completed', request, clusterId: created, created: true }),
      (reason) => this.#refuse(request, `the cluster id cannot be kept: ${reason}`, 'Check the disk of the data directory.'),
    );
  }

  #belongTo(clusterId: ClusterId, how: JoinedHow, then: () => void = () => undefined, failed: (reason: string) => void = () => undefined): void {
    const founded = this.#record.drew === clusterId;
    this.#persist({ clusterId, ...(founded && { drew: clusterId }) }, () => {
      this.#effects.push({ kind: 'joined', clusterId, how, founded });
      this.#giveUp();
      then();
    }, failed);
  }

  #refuse(request: RequestId, reason: string, hint: string): void {
    this.#effects.push({ kind: 'request-refused', request, reason, hint });
  }

  // ── Keeping ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #persist(record: FormationRecord, then: () => void, failed: (reason: string) => void = () => undefined): void {
    assert(!this.#writing, 'one record is written at a time');
    this.#writing = { record, then, failed };
    this.#effects.push({ kind: 'persist', record });
  }

  #onPersisted(): void {
    const writing = this.#writing;
    assert(writing, 'only what was to be persisted is persisted');
    this.#writing = undefined;
    this.#diskTrouble = undefined;
    this.#record = writing.record;
    writing.then();
  }

  /** Nothing was said yet, so nothing is broken: the next repetition tries again. */
  #onPersistFailed(reason: string): void {
    const writing = this.#writing;
    assert(writing, 'only what was to be persisted can fail');
    this.#writing = undefined;
    this.#diskTrouble = reason;
    writing.failed(reason);
  }

  #send(to: NodeId, message: FormationMessage): void {
    this.#effects.push({ kind: 'send', to, message });
  }

  // ── Words ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #waitingFor(): string {
    if (this.#diskTrouble !== undefined) return `what it decides cannot be written to the data directory: ${this.#diskTrouble}`;
    if (this.#learned !== undefined) return `about to belong to cluster ${this.#learned}`;
    if (this.#holdsMemories) return 'it holds memories that it stored while it ran alone; join it to a cluster, or form one around it with `engram cluster init`';
    if (this.#expect === undefined) return 'waiting for a cluster to join; form one with `engram cluster init` on one node, once';
    const missing = this.#expect - this.#candidates().length - 1;
    const others = [...this.#peers.values()].filter(({ clusterId, expect }) => clusterId === undefined && expect !== this.#expect).map(({ id }) => id);
    if (missing > 0) {
      const apart = others.length === 0 ? '' : `; not counted, because of another bootstrap_expect: ${others.slice(0, 3).join(', ')}`;
      return `waiting for ${missing} more of the ${this.#expect} nodes that are expected${apart}`;
    }
    const [decliner] = this.#proposal?.declined ?? [];
    if (decliner) return `asked the others to form a cluster, but ${decliner[0]} ${declineReasons[decliner[1]]}`;
    return `agreeing with the ${this.#candidates().length} others that are expected`;
  }
}

const isSame = (a: Ballot, b: Ballot): boolean => a.round === b.round && a.node === b.node;
const isHigher = (a: Ballot, b: Ballot): boolean => a.round > b.round || (a.round === b.round && a.node > b.node);

const idAlphabet = '0123456789abcdefghjkmnpqrstvwxyz';

/** 26 characters of 5 random bits. */
function newClusterId(random: Random): ClusterId {
  return parseClusterId(Array.from({ length: 26 }, () => idAlphabet[random.below(32)]).join(''));
}
