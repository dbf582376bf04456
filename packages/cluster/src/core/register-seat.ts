import { assert, type Instant, type NodeId, type Random, type Wake } from '@engram/kernel';
import { Acceptor, clusterMapCodec, encodeAcceptorState, firstState, mapProblem, Proposer, type AcceptorEffect, type AcceptorState, type ChangeRefusal, type MapContent, type ProposerEffect, type RegisterMessage, type RegisterState, type Voter } from '@engram/placement/core';

/** How a request of the register ended. */
export type RegisterOutcome = { readonly kind: 'completed'; readonly state: RegisterState<MapContent> } | { readonly kind: 'refused'; readonly refusal: ChangeRefusal<MapContent> }
  /** What was to be put there contradicts itself; nobody was asked. */
  | { readonly kind: 'invalid'; readonly problem: string };

/** What the seat wants done. Messages to this node itself never show: they are delivered here. */
export interface SeatPorts {
  send(to: NodeId, message: RegisterMessage<MapContent>): void;
  persist(bytes: Uint8Array): void;
  /** Before anybody hears that this node has accepted that version. */
  accepted(version: number): void;
}

/**
 * This node at the register: the vote it has, should it be a voter, and the proposer through which it reads and changes
 * the map. Whoever asks is told the outcome once.
 */
export class RegisterSeat {
  readonly #self: NodeId;
  readonly #storageId: string;
  readonly #random: Random;
  readonly #ports: SeatPorts;
  #acceptor: Acceptor<MapContent>;
  #proposer: Proposer<MapContent> | undefined;
  #nextRequest = 1;
  readonly #waiting = new Map<number, (outcome: RegisterOutcome, now: Instant) => void>();
  /** A first state on its way to the disk. */
  #founding: { readonly state: AcceptorState<MapContent>; readonly then: (now: Instant) => void } | undefined;
  /** Messages to ourselves, in order. */
  readonly #local: RegisterMessage<MapContent>[] = [];

  constructor(self: NodeId, storageId: string, stored: AcceptorState<MapContent> | undefined, random: Random, ports: SeatPorts) {
    this.#self = self;
    this.#storageId = storageId;
    this.#random = random;
    this.#ports = ports;
    this.#acceptor = new Acceptor(storageId, stored);
    const state = stored?.accepted?.state;
    if (state) this.heardOf(state);
  }

  /** What its vote was last given to; not known to be chosen. */
  get acceptedVersion(): number { return this.#acceptor.accepted?.state.version ?? 0; }
  /** Whether there is anybody to ask. A vote that was just given is no reason to: it was asked for by somebody who knows. */
  get knowsVoters(): boolean { return this.#proposer !== undefined; }
  get pending(): number { return this.#waiting.size; }
  get nextWake(): Instant | undefined { return this.#proposer?.nextWake(); }

  /** Begins a register, of which this node is the only voter at first. */
  found(content: MapContent, then: (now: Instant) => void): void {
    assert(this.#acceptor.accepted === undefined && !this.#founding, 'a register is begun once');
    const state = firstState(content, [{ id: this.#self, storageId: this.#storageId }]);
    this.#founding = { state, then };
    this.#ports.persist(encodeAcceptorState(state, clusterMapCodec));
  }

  get isFounding(): boolean { return this.#founding !== undefined; }

  /** Whoever votes is known from here on. */
  heardOf({ voters, previousVoters, votersVersion }: RegisterState<MapContent>): void {
    if (this.#proposer) this.#proposer.handle({ kind: 'voters-heard', voters, votersVersion }, 0 as Instant);
    else this.#proposer = new Proposer(this.#self, this.#random, { voters, previousVoters, votersVersion });
  }

  read(then: (outcome: RegisterOutcome, now: Instant) => void, now: Instant): void {
    const proposer = this.#known();
    const request = this.#await(then);
    this.#propose(proposer.handle({ kind: 'read', request }, now), now);
  }

  change(expectedVersion: number, value: MapContent, voters: readonly Voter[] | undefined, then: (outcome: RegisterOutcome, now: Instant) => void, now: Instant): void {
    // Voters store what they accept, and none of them could read this again.
    const problem = mapProblem(value);
    if (problem !== undefined) return then({ kind: 'invalid', problem }, now);
    const proposer = this.#known();
    const request = this.#await(then);
    this.#propose(proposer.handle({ kind: 'change', request, expectedVersion, value, ...(voters && { voters }) }, now), now);
  }

  received(from: NodeId, message: RegisterMessage<MapContent>, now: Instant): void {
    this.#deliver(from, message, now);
    this.#deliverLocal(now);
  }

  wake(event: Wake, now: Instant): void {
    if (this.#proposer && (this.#proposer.nextWake() ?? Infinity) <= now) this.#propose(this.#proposer.handle(event, now), now);
  }

  persisted(now: Instant): void {
    const founding = this.#founding;
    if (founding) {
      this.#founding = undefined;
      this.#acceptor = new Acceptor(this.#storageId, founding.state);
      if (founding.state.accepted) this.heardOf(founding.state.accepted.state);
      this.#ports.accepted(this.acceptedVersion);
      return founding.then(now);
    }
    this.#ports.accepted(this.acceptedVersion);
    this.#vote(this.#acceptor.handle({ kind: 'persisted' }, now));
    this.#deliverLocal(now);
  }

  persistFailed(now: Instant): void {
    if (this.#founding) this.#founding = undefined;
    else this.#acceptor.handle({ kind: 'persist-failed' }, now);
  }

  #known(): Proposer<MapContent> {
    assert(this.#proposer, 'the register is asked once its voters are known');
    return this.#proposer;
  }

  #await(then: (outcome: RegisterOutcome, now: Instant) => void): number {
    const request = this.#nextRequest++;
    this.#waiting.set(request, then);
    return request;
  }

  #deliver(from: NodeId, message: RegisterMessage<MapContent>, now: Instant): void {
    if (message.to === 'acceptor') this.#vote(this.#acceptor.handle({ kind: 'request-received', from, request: message.request }, now));
    else if (this.#proposer) this.#propose(this.#proposer.handle({ kind: 'reply-received', from, reply: message.reply }, now), now);
  }

  #vote(effects: readonly AcceptorEffect<MapContent>[]): void {
    for (const effect of effects) {
      if (effect.kind === 'persist') this.#ports.persist(encodeAcceptorState(effect.state, clusterMapCodec));
      else this.#send(effect.to, { to: 'proposer', reply: effect.reply });
    }
  }

  #propose(effects: readonly ProposerEffect<MapContent>[], now: Instant): void {
    for (const effect of effects) {
      if (effect.kind === 'send') {
        this.#send(effect.to, { to: 'acceptor', request: effect.request });
        continue;
      }
      const then = this.#waiting.get(effect.request as number);
      this.#waiting.delete(effect.request as number);
      then?.(effect.kind === 'completed' ? { kind: 'completed', state: effect.state } : { kind: 'refused', refusal: effect.refusal }, now);
    }
    this.#deliverLocal(now);
  }

  #send(to: NodeId, message: RegisterMessage<MapContent>): void {
    if (to === this.#self) this.#local.push(message);
    else this.#ports.send(to, message);
  }

  #deliverLocal(now: Instant): void {
    for (let message = this.#local.shift(); message; message = this.#local.shift()) this.#deliver(this.#self, message, now);
  }
}
