import { plusMs, unreachable, type Core, type Instant, type NodeId, type Random, type Wake } from '@engram/kernel';
import { compareBallots, type Ballot } from './ballot.js';
import { resolveProposerOptions, type ProposerOptions, type ResolvedProposerOptions } from './proposer-options.js';
import { everyVoter, isQuorum, sameVoters, voterChangeProblem, voterKey, type Electorate, type Voter } from './quorum.js';
import type { Accepted, RegisterReply, RegisterRequest, RegisterState } from './register-messages.js';

/** Chosen by whoever asks; comes back with the outcome. */
export type RequestId = string | number;

/** What happens to a proposer. */
export type ProposerEvent<V> =
  /**
   * Put `value` in place of version `expectedVersion`. With `voters`, they vote from then on; they may differ from the
   * present ones by one added or one removed.
   */
  | { readonly kind: 'change'; readonly request: RequestId; readonly expectedVersion: number; readonly value: V; readonly voters?: readonly Voter[]; readonly timeoutMs?: number }
  /** What is the value? Linearizable: whatever was complete before the question is in the answer. */
  | { readonly kind: 'read'; readonly request: RequestId; readonly timeoutMs?: number }
  | { readonly kind: 'reply-received'; readonly from: NodeId; readonly reply: RegisterReply<V> }
  /** Somebody trustworthy says who votes, so that a proposer that knows nobody alive can find the voters again. */
  | { readonly kind: 'voters-heard'; readonly voters: readonly Voter[]; readonly votersVersion: number };

/** What a proposer wants done. */
export type ProposerEffect<V> =
  | { readonly kind: 'send'; readonly to: NodeId; readonly request: RegisterRequest<V> }
  /** A change was made, as `state`, or a read answered by it. */
  | { readonly kind: 'completed'; readonly request: RequestId; readonly state: RegisterState<V> }
  | { readonly kind: 'refused'; readonly request: RequestId; readonly refusal: ChangeRefusal<V> };

/** Why a change was not made, or is not known to have been. */
export type ChangeRefusal<V> =
  /** Nothing was changed: the register is, at some moment of this request it was, at `current`. */
  | { readonly kind: 'version-mismatch'; readonly current: RegisterState<V> }
  /** Nothing was changed: those voters cannot follow the present ones. `problem` continues a sentence. */
  | { readonly kind: 'bad-voters'; readonly problem: string; readonly current: RegisterState<V> }
  /** Nothing was changed: no quorum of voters answered in time. */
  | { readonly kind: 'unavailable' }
  /** Nothing was changed: too many requests wait already. */
  | { readonly kind: 'overloaded' }
  /** It may have been made, or may still be. Read, and look. `current`, where known, has overtaken it. */
  | { readonly kind: 'indeterminate'; readonly current: RegisterState<V> | undefined };

/** The voters that a proposer begins with, from a state it has stored or a member it has asked. */
export interface KnownVoters extends Electorate {
  /** 0 when nobody knows. Too low only costs a round. */
  readonly votersVersion: number;
}

type Outcome<V> = { readonly kind: 'completed' } | { readonly kind: 'refused'; readonly refusal: ChangeRefusal<V> };

interface Operation<V> {
  readonly request: RequestId;
  /** Undefined for a read. */
  readonly change: { readonly expectedVersion: number; readonly value: V; readonly voters: readonly Voter[] | undefined; readonly name: string } | undefined;
  readonly deadline: Instant;
  /** A voter may have accepted the change, so it can no longer be said that nothing happened. */
  proposed: boolean;
  lostRounds: number;
}

/** What is being asked of the voters. */
interface Round<V> {
  readonly phase: 'read' | 'prepare' | 'accept';
  readonly ballot: Ballot;
  readonly timeoutAt: Instant;
  readonly asked: Set<string>;
  readonly answers: Map<string, Accepted<V> | undefined>;
  /** Of the accept phase: the state, and what its acceptance means for the operation; undefined when the operation then begins anew. */
  readonly proposal: { readonly state: RegisterState<V>; readonly outcome: Outcome<V> | undefined } | undefined;
}

/**
 * Makes changes of the register and reads it, one request after another (CASPaxos: Rystsov 2018, section 2). A change
 * takes two rounds: `prepare` at a quorum, which shows the latest state, then `accept` at a quorum. A read takes one
 * when a quorum has accepted one and the same attempt; otherwise it finishes what it found, as a change would.
 *
 * Where we differ from the paper is who votes. Voters are part of the state, and a state that changes them asks for a
 * majority of the old *and* of the new ones, as the joint consensus of Raft does (Ongaro 2014, section 4.3). Two rules
 * make that safe, and REGISTER.md proves it: a round counts only when it has a quorum of the very state it
 * found, and nothing is built on a change of voters before that change is known to be chosen. So every settled state
 * has a chosen change behind it, and whoever asks former voters learns of it from at least one of them.
 */
export class Proposer<V> implements Core<ProposerEvent<V>, ProposerEffect<V>> {
  readonly #name: string;
  readonly #random: Random;
  readonly #options: ResolvedProposerOptions;
  #known: KnownVoters;
  /** Of the state that `#known` was read from, so that only a later one replaces it. */
  #knownBallot: Ballot | undefined;
  /** The highest version known to be chosen. Chosen versions are one line, so the number names the state. */
  #chosenVersion = 0;
  #highestRound = 0;
  #changes = 0;
  readonly #queue: Operation<V>[] = [];
  #round: Round<V> | undefined;
  #resumeAt: Instant | undefined;

  /**
   * @param self where the proposer lives; shows in ballots
   * @param random a stream that no other life of any proposer has: it makes ballots unique
   */
  constructor(self: NodeId, random: Random, known: KnownVoters, options: ProposerOptions = {}) {
    this.#name = `${self}.${hex(random.uint32())}${hex(random.uint32())}`;
    this.#random = random;
    this.#known = known;
    this.#options = resolveProposerOptions(options);
  }

  /** Who votes, as far as this proposer has seen. */
  get known(): KnownVoters {
    return this.#known;
  }

  /** Requests that have no outcome yet. */
  get pending(): number {
    return this.#queue.length;
  }

  handle(event: ProposerEvent<V> | Wake, now: Instant): readonly ProposerEffect<V>[] {
    switch (event.kind) {
      case 'change':         return this.#enqueue(event, now);
      case 'read':           return this.#enqueue(event, now);
      case 'reply-received': return this.#hear(event.from, event.reply, now);
      case 'voters-heard':   return this.#hearVoters(event.voters, event.votersVersion);
      case 'wake':           return this.#wake(now);
      default:               return unreachable(event);
    }
  }

  nextWake(): Instant | undefined {
    const first = this.#queue[0];
    if (first === undefined) return undefined;
    const next = this.#round?.timeoutAt ?? this.#resumeAt ?? first.deadline;
    return this.#queue.reduce((earliest, { deadline }) => (deadline < earliest ? deadline : earliest), next);
  }

  /** Whether these voters, by `voterKey`, are enough to choose. */
  // By itself so that tests can break it and see that it is noticed.
  protected isQuorum(electorate: Electorate, keys: ReadonlySet<string>): boolean {
    return isQuorum(electorate, keys);
  }

  /** A change of voters that may not be chosen yet is finished as it is, before anything is built on it. */
  #mayBuildOn(found: RegisterState<V>): boolean {
    return found.previousVoters === undefined || found.version <= this.#chosenVersion;
  }

  #enqueue(event: Extract<ProposerEvent<V>, { kind: 'change' | 'read' }>, now: Instant): readonly ProposerEffect<V>[] {
    const { request } = event;
    if (this.#queue.length > this.#options.waitingMax) return [{ kind: 'refused', request, refusal: { kind: 'overloaded' } }];
    const change = event.kind === 'read' ? undefined : { expectedVersion: event.expectedVersion, value: event.value, voters: event.voters, name: `${this.#name}#${++this.#changes}` };
    this.#queue.push({ request, change, deadline: plusMs(now, event.timeoutMs ?? this.#options.timeoutMs), proposed: false, lostRounds: 0 });
    return this.#queue.length === 1 ? this.#start(now) : [];
  }

  #wake(now: Instant): readonly ProposerEffect<V>[] {
    const effects = this.#expire(now);
    if (this.#queue.length === 0) return effects;
    if (this.#round !== undefined) return now < this.#round.timeoutAt ? effects : [...effects, ...this.#retreat(now)];
    return this.#resumeAt === undefined || now < this.#resumeAt ? effects : [...effects, ...this.#attempt(now)];
  }

  #expire(now: Instant): ProposerEffect<V>[] {
    const effects: ProposerEffect<V>[] = [];
    const first = this.#queue[0];
    const late = this.#queue.filter(({ deadline }) => deadline <= now);
    for (const operation of late) {
      this.#queue.splice(this.#queue.indexOf(operation), 1);
      effects.push({ kind: 'refused', request: operation.request, refusal: operation.proposed ? { kind: 'indeterminate', current: undefined } : { kind: 'unavailable' } });
    }
    if (first !== undefined && this.#queue[0] !== first) {
      this.#round = undefined;
      effects.push(...this.#start(now));
    }
    return effects;
  }

  /** The first in the queue has its turn. */
  #start(now: Instant): readonly ProposerEffect<V>[] {
    this.#round = undefined;
    this.#resumeAt = undefined;
    const operation = this.#queue[0];
    if (operation === undefined) return [];
    return operation.change === undefined ? this.#open('read', now) : this.#open('prepare', now);
  }

  #attempt(now: Instant): readonly ProposerEffect<V>[] {
    this.#resumeAt = undefined;
    return this.#open('prepare', now);
  }

  #open(phase: 'read' | 'prepare', now: Instant): readonly ProposerEffect<V>[] {
    this.#highestRound += 1;
    const ballot = { round: this.#highestRound, proposer: this.#name };
    this.#round = { phase, ballot, timeoutAt: plusMs(now, this.#options.roundTimeoutMs), asked: new Set(), answers: new Map(), proposal: undefined };
    return this.#ask(this.#round, this.#known);
  }

  /** Asks those of the electorate who were not asked in this round. */
  #ask(round: Round<V>, electorate: Electorate): ProposerEffect<V>[] {
    const effects: ProposerEffect<V>[] = [];
    for (const voter of everyVoter(electorate)) {
      const key = voterKey(voter);
      if (round.asked.has(key)) continue;
      round.asked.add(key);
      effects.push({ kind: 'send', to: voter.id, request: this.#requestOf(round, voter) });
    }
    return effects;
  }

  #requestOf({ phase, ballot, proposal }: Round<V>, { storageId }: Voter): RegisterRequest<V> {
    if (proposal !== undefined) return { kind: 'accept', storageId, ballot, state: proposal.state };
    return { kind: phase === 'read' ? 'read' : 'prepare', storageId, ballot, votersVersion: this.#known.votersVersion };
  }

  #hear(from: NodeId, reply: RegisterReply<V>, now: Instant): readonly ProposerEffect<V>[] {
    const round = this.#round;
    // What is late, doubled or meant for an earlier life.
    if (round === undefined || compareBallots(reply.ballot, round.ballot) !== 0) return [];
    const key = voterKey({ id: from, storageId: reply.storageId });
    if (reply.kind === 'refused') return this.#heedRefusal(reply, now);
    if (!round.asked.has(key) || round.answers.has(key)) return [];
    switch (reply.kind) {
      case 'readout':  return round.phase === 'read' ? this.#collectReadout(round, key, reply.accepted, now) : [];
      case 'promise':  return round.phase === 'prepare' ? this.#collectPromise(round, key, reply.accepted, now) : [];
      case 'accepted': return round.phase === 'accept' ? this.#collectAccepted(round, key, now) : [];
      default:         return unreachable(reply);
    }
  }

  #heedRefusal(reply: Extract<RegisterReply<V>, { kind: 'refused' }>, now: Instant): readonly ProposerEffect<V>[] {
    this.#highestRound = Math.max(this.#highestRound, reply.promised.round);
    switch (reply.reason) {
      // A voter that lost its disk is a voter that does not answer.
      case 'other-disk': return [];
      case 'ballot': return this.#retreat(now);
      case 'older-voters':
        if (reply.accepted !== undefined) this.#learn(reply.accepted);
        return this.#retreat(now);
      default: return unreachable(reply.reason);
    }
  }

  #collectReadout(round: Round<V>, key: string, accepted: Accepted<V> | undefined, now: Instant): readonly ProposerEffect<V>[] {
    round.answers.set(key, accepted);
    const latest = latestOf(round.answers.values());
    if (latest === undefined) return [];
    this.#learn(latest);
    // A quorum that accepted one and the same attempt has chosen it, and nothing later can have been chosen without it.
    if (this.isQuorum(latest.state, keysAt(round.answers, latest.ballot))) {
      this.#chosenVersion = Math.max(this.#chosenVersion, latest.state.version);
      return this.#finish({ kind: 'completed' }, latest.state, now);
    }
    const asks = this.#ask(round, latest.state);
    return asks.length === 0 && round.answers.size === round.asked.size ? this.#attempt(now) : asks;
  }

  #collectPromise(round: Round<V>, key: string, accepted: Accepted<V> | undefined, now: Instant): readonly ProposerEffect<V>[] {
    round.answers.set(key, accepted);
    const latest = latestOf(round.answers.values());
    // Empty disks only: this is no register, or not yet. The deadline says so in the end.
    if (latest === undefined) return [];
    this.#learn(latest);
    if (!this.isQuorum(latest.state, new Set(round.answers.keys()))) return this.#ask(round, latest.state);
    const operation = this.#queue[0];
    return operation === undefined ? [] : this.#propose(this.#proposalOf(operation, latest.state), now);
  }

  /** What to have accepted after `found`, and what that will mean. */
  #proposalOf(operation: Operation<V>, found: RegisterState<V>): NonNullable<Round<V>['proposal']> {
    if (!this.#mayBuildOn(found)) return { state: found, outcome: undefined };
    const current: RegisterState<V> = { ...found, previousVoters: undefined };
    const { change } = operation;
    // Whatever the answer tells of must be chosen first, or somebody might yet read what came before it.
    const tell = (outcome: Outcome<V>) => ({ state: current, outcome });
    const refuse = (refusal: ChangeRefusal<V>) => tell({ kind: 'refused', refusal });
    if (change === undefined || current.change === change.name) return tell({ kind: 'completed' });
    if (current.version !== change.expectedVersion) {
      // Our change may lie between the version it made and the one found. At its very version stands another's.
      const overtaken = operation.proposed && current.version > change.expectedVersion + 1;
      return refuse({ kind: overtaken ? 'indeterminate' : 'version-mismatch', current });
    }
    const voters = change.voters === undefined || sameVoters(change.voters, current.voters) ? undefined : change.voters;
    const problem = voters === undefined ? undefined : voterChangeProblem(current.voters, voters);
    if (problem !== undefined) return refuse({ kind: 'bad-voters', problem, current });
    const version = current.version + 1;
    const next = { version, value: change.value, change: change.name };
    operation.proposed = true;
    if (voters === undefined) return { state: { ...current, ...next }, outcome: { kind: 'completed' } };
    // Settled by another round before it counts as done: until then the old voters are needed.
    return { state: { ...next, voters, previousVoters: current.voters, votersVersion: version }, outcome: undefined };
  }

  #propose(proposal: NonNullable<Round<V>['proposal']>, now: Instant): readonly ProposerEffect<V>[] {
    const ballot = (this.#round as Round<V>).ballot;
    this.#round = { phase: 'accept', ballot, timeoutAt: plusMs(now, this.#options.roundTimeoutMs), asked: new Set(), answers: new Map(), proposal };
    return this.#ask(this.#round, proposal.state);
  }

  #collectAccepted(round: Round<V>, key: string, now: Instant): readonly ProposerEffect<V>[] {
    round.answers.set(key, undefined);
    const { state, outcome } = round.proposal as NonNullable<Round<V>['proposal']>;
    if (!this.isQuorum(state, new Set(round.answers.keys()))) return [];
    this.#chosenVersion = Math.max(this.#chosenVersion, state.version);
    this.#learn({ ballot: round.ballot, state });
    return outcome === undefined ? this.#attempt(now) : this.#finish(outcome, state, now);
  }

  #finish(outcome: Outcome<V>, state: RegisterState<V>, now: Instant): readonly ProposerEffect<V>[] {
    const { request } = this.#queue.shift() as Operation<V>;
    const effect: ProposerEffect<V> = outcome.kind === 'completed' ? { kind: 'completed', request, state } : { kind: 'refused', request, refusal: outcome.refusal };
    return [effect, ...this.#start(now)];
  }

  /** Gives the round up and pauses, at random, so that two proposers do not defeat each other for ever. */
  #retreat(now: Instant): readonly ProposerEffect<V>[] {
    const operation = this.#queue[0];
    this.#round = undefined;
    if (operation === undefined) return [];
    const ceiling = Math.min(this.#options.backoffMs * 2 ** Math.min(operation.lostRounds, 20), this.#options.backoffMsMax);
    operation.lostRounds += 1;
    this.#resumeAt = plusMs(now, ceiling * this.#random.float());
    return [];
  }

  #learn({ ballot, state }: Accepted<V>): void {
    this.#highestRound = Math.max(this.#highestRound, ballot.round);
    if (this.#knownBallot !== undefined && compareBallots(ballot, this.#knownBallot) <= 0) return;
    this.#knownBallot = ballot;
    const { voters, previousVoters, votersVersion } = state;
    this.#known = { voters, previousVoters, votersVersion };
  }

  #hearVoters(voters: readonly Voter[], votersVersion: number): readonly ProposerEffect<V>[] {
    if (votersVersion > this.#known.votersVersion) this.#known = { voters, previousVoters: undefined, votersVersion };
    return [];
  }
}

function latestOf<V>(answers: Iterable<Accepted<V> | undefined>): Accepted<V> | undefined {
  let latest: Accepted<V> | undefined;
  for (const accepted of answers) {
    if (accepted !== undefined && (latest === undefined || compareBallots(accepted.ballot, latest.ballot) > 0)) latest = accepted;
  }
  return latest;
}

function keysAt<V>(answers: ReadonlyMap<string, Accepted<V> | undefined>, ballot: Ballot): Set<string> {
  const keys = new Set<string>();
  for (const [key, accepted] of answers) if (accepted !== undefined && compareBallots(accepted.ballot, ballot) === 0) keys.add(key);
  return keys;
}

function hex(word: number): string {
  return word.toString(16).padStart(8, '0');
}
