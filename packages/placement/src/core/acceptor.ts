import { assert, unreachable, type Core, type Instant, type NodeId, type Wake } from '@engram/kernel';
import { ballotZero, compareBallots, type Ballot } from './ballot.js';
import type { Accepted, AcceptorState, RegisterRefusal, RegisterReply, RegisterRequest, RegisterState } from './register-messages.js';

/** What happens to a voter. */
export type AcceptorEvent<V> =
  | { readonly kind: 'request-received'; readonly from: NodeId; readonly request: RegisterRequest<V> }
  /** What the last `persist` asked for is durable. */
  | { readonly kind: 'persisted' }
  /** It is not, and nobody knows what is: the acceptor falls silent until its process starts again from what the disk holds. */
  | { readonly kind: 'persist-failed' };

/** What a voter wants done. */
export type AcceptorEffect<V> =
  /** Store this durably in place of what was stored, all or nothing, then say `persisted`. Never asked for twice at a time. */
  | { readonly kind: 'persist'; readonly state: AcceptorState<V> }
  | { readonly kind: 'send'; readonly to: NodeId; readonly reply: RegisterReply<V> };

/** Replies that wait for the disk. A proposer asks again, so what does not fit is dropped. */
const waitingMax = 1_024;

interface Waiting<V> {
  readonly to: NodeId;
  readonly reply: RegisterReply<V>;
}

/**
 * A voter of the register: promises, accepts, reads out (CASPaxos: Rystsov, "CASPaxos: Replicated State Machines without
 * logs", 2018, section 2). Nothing is answered before the state that it speaks of is durable, reads included: what
 * was accepted in memory only could still be lost after somebody had seen it. Requests that arrive while the disk is
 * busy share the next write.
 */
export class Acceptor<V> implements Core<AcceptorEvent<V>, AcceptorEffect<V>> {
  readonly #storageId: string;
  #state: AcceptorState<V>;
  /** What the disk holds, or will once the write under way ends. */
  #written: AcceptorState<V>;
  #writing = false;
  #failed = false;
  /** Replies about what is being written, and about what still has to be. */
  #underWay: Waiting<V>[] = [];
  #next: Waiting<V>[] = [];

  /**
   * @param storageId of the disk that `stored` comes from
   * @param stored what the last `persist` that became durable had; `firstState` when forming a register; undefined on an empty disk
   */
  constructor(storageId: string, stored: AcceptorState<V> | undefined) {
    this.#storageId = storageId;
    this.#state = stored ?? { promised: ballotZero, accepted: undefined };
    this.#written = this.#state;
  }

  /** What was accepted last, durable or not. For showing; never for answering a read. */
  get accepted(): Accepted<V> | undefined {
    return this.#state.accepted;
  }

  handle(event: AcceptorEvent<V> | Wake, _now: Instant): readonly AcceptorEffect<V>[] {
    switch (event.kind) {
      case 'request-received': return this.#answer(event.from, event.request);
      case 'persisted':        return this.#persisted();
      case 'persist-failed':   return this.#fallSilent();
      case 'wake':             return [];
      default:                 return unreachable(event);
    }
  }

  nextWake(): undefined {
    return undefined;
  }

  #answer(from: NodeId, request: RegisterRequest<V>): readonly AcceptorEffect<V>[] {
    if (this.#failed) return [];
    const waiting = { to: from, reply: this.#reply(request) };
    if (this.#next.length < waitingMax) this.#next.push(waiting);
    return this.#writing ? [] : this.#write();
  }

  #reply(request: RegisterRequest<V>): RegisterReply<V> {
    if (request.storageId !== this.#storageId) return this.#refusal(request.ballot, 'other-disk');
    const votersVersion = request.kind === 'accept' ? request.state.votersVersion : request.votersVersion;
    if (votersVersion < this.#votersVersion()) return this.#refusal(request.ballot, 'older-voters');
    switch (request.kind) {
      case 'prepare': return this.#promise(request.ballot);
      case 'accept':  return this.#accept(request.ballot, request.state);
      case 'read':    return { kind: 'readout', storageId: this.#storageId, ballot: request.ballot, accepted: this.#state.accepted };
      default:        return unreachable(request);
    }
  }

  #promise(ballot: Ballot): RegisterReply<V> {
    // The same ballot again is the same message again: the network doubles some.
    if (compareBallots(ballot, this.#state.promised) < 0) return this.#refusal(ballot, 'ballot');
    this.#state = { ...this.#state, promised: ballot };
    return { kind: 'promise', storageId: this.#storageId, ballot, accepted: this.#state.accepted };
  }

  #accept(ballot: Ballot, state: RegisterState<V>): RegisterReply<V> {
    if (compareBallots(ballot, this.#state.promised) < 0) return this.#refusal(ballot, 'ballot');
    this.#state = { promised: ballot, accepted: { ballot, state } };
    return { kind: 'accepted', storageId: this.#storageId, ballot };
  }

  /**
   * The newest voters that are certain to have been agreed. A state whose change of voters is settled is only ever
   * proposed after that change was chosen, so whoever still builds on older voters can be turned away.
   */
  #votersVersion(): number {
    const state = this.#state.accepted?.state;
    return state === undefined || state.previousVoters !== undefined ? 0 : state.votersVersion;
  }

  #refusal(ballot: Ballot, reason: RegisterRefusal): RegisterReply<V> {
    const { promised, accepted } = this.#state;
    return { kind: 'refused', storageId: this.#storageId, ballot, reason, promised, accepted: reason === 'older-voters' ? accepted : undefined };
  }

  /** Sends what is true of the disk already, or has the disk catch up first. */
  #write(): readonly AcceptorEffect<V>[] {
    this.#underWay = this.#next;
    this.#next = [];
    if (isSame(this.#state, this.#written)) return this.#release();
    this.#writing = true;
    this.#written = this.#state;
    return [{ kind: 'persist', state: this.#state }];
  }

  #persisted(): readonly AcceptorEffect<V>[] {
    if (this.#failed) return [];
    assert(this.#writing, 'the acceptor was told of a write that it did not ask for');
    this.#writing = false;
    const sends = this.#release();
    return this.#next.length === 0 ? sends : [...sends, ...this.#write()];
  }

  #release(): readonly AcceptorEffect<V>[] {
    const ready = this.#underWay;
    this.#underWay = [];
    return ready.map(({ to, reply }) => ({ kind: 'send', to, reply }));
  }

  #fallSilent(): readonly AcceptorEffect<V>[] {
    this.#failed = true;
    this.#underWay = [];
    this.#next = [];
    return [];
  }
}

function isSame<V>(a: AcceptorState<V>, b: AcceptorState<V>): boolean {
  if (compareBallots(a.promised, b.promised) !== 0) return false;
  // An accepted ballot has one state for ever, so equal ballots are equal states.
  if (a.accepted === undefined || b.accepted === undefined) return a.accepted === b.accepted;
  return compareBallots(a.accepted.ballot, b.accepted.ballot) === 0;
}
