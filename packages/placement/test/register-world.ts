import { Driver, parseNodeId, plusMs, type NodeId, type Random } from '@engram/kernel';
import { applyFaults, randomFaultSchedule, SimWorld, type FaultAction, type LinkOptions, type SimEnv } from '@engram/kernel/sim';
import {
  Acceptor, ballotZero, decodeAcceptorState, decodeRegisterMessage, encodeAcceptorState, encodeRegisterMessage, firstState, isMajority, isQuorum, Proposer, voterKey,
  type Accepted, type AcceptorEffect, type AcceptorState, type ChangeRefusal, type Electorate, type KnownVoters, type ProposerEffect, type ProposerEvent, type RegisterState, type ValueCodec, type Voter,
} from '../src/core/index.js';
import { registerViolation, type RegisterOperation } from './register-checker.js';

/** Bugs to plant: the checker must find each of them. */
export const registerBugs = ['forget-promises', 'skip-the-durable-write', 'voters-known-at-birth', 'half-is-enough', 'read-locally', 'vote-from-amnesia'] as const;
export type RegisterBug = (typeof registerBugs)[number];

export interface RegisterRun {
  /** Why the run is wrong; undefined when it is right. */
  readonly violation: string | undefined;
  readonly operations: readonly RegisterOperation[];
  /** Of changes and reads with a certain outcome. */
  readonly answered: number;
  readonly changes: number;
  readonly voterChanges: number;
  readonly unknown: number;
  /** Whether anything was answered again within the quiet end. */
  readonly recovered: boolean;
  /** Whether enough voters still have the disk that they vote with: then it must have been possible. */
  readonly quorumLeft: boolean;
  readonly hash: string;
}

const nodeIds = ['n1', 'n2', 'n3', 'n4', 'n5'].map(parseNodeId);
const firstVoters: readonly Voter[] = nodeIds.slice(0, 3).map((id) => ({ id, storageId: `first-${id}` }));
const firstValue = 'first';
const busyMs = 6_000;
const endMs = 9_000;

const text: ValueCodec<string> = {
  encode: (value) => new TextEncoder().encode(value),
  decode: (bytes) => new TextDecoder().decode(bytes),
};

/**
 * Five nodes, each an acceptor, a proposer and a client, under faults drawn from the seed: loss, doubling and reordering
 * of packets, partitions, pauses, deaths with the disk kept, half written or lost, and voters that change meanwhile.
 */
export function runRegister(seed: number, bug?: RegisterBug): RegisterRun {
  const world = new SimWorld({ seed, link: linkOf(seed) });
  const history = new History();
  const climate = climateOf(seed);
  for (const id of nodeIds) world.addNode(id, (env) => new RegisterNode(env, world, history, climate, bug));
  applyFaults(world, scheduleOf(world.random('nemesis'), climate));
  world.run({ untilMs: endMs });
  const { operations } = history;
  const answered = operations.filter(({ answer }) => answer !== undefined && answer.result !== 'unknown').length;
  const made = operations.filter(({ write, answer }) => write !== undefined && answer?.result === 'ok');
  return {
    violation: registerViolation(operations, firstValue),
    operations,
    answered,
    changes: made.length,
    voterChanges: made.filter(({ write }) => write?.value.endsWith('v')).length,
    unknown: operations.filter(({ answer }) => answer === undefined || answer.result === 'unknown').length,
    recovered: operations.some(({ answer }) => answer?.result === 'ok' && answer.at >= history.quietTick),
    quorumLeft: hasQuorum(nodeIds.map((id) => world.node<RegisterNode>(id).process).filter((node) => node !== undefined)),
    hash: world.hash(),
  };
}

/** Whether the nodes that live can make up a quorum of every state that a proposer might find with them. */
function hasQuorum(nodes: readonly RegisterNode[]): boolean {
  const keys = new Set(nodes.map(({ id, storageId }) => voterKey({ id, storageId })));
  return nodes.every(({ accepted }) => accepted === undefined || isQuorum(accepted.state, keys));
}

/**
 * What a world is like. `rough`: some lose nothing, some a fifth of all packets. `hasty`: packets take longer than it takes
 * a node to die and be back, so what it forgot meanwhile shows. `restless`: voters change more often than values.
 */
type Climate = 'rough' | 'hasty' | 'restless';
const climates: readonly Climate[] = ['rough', 'hasty', 'restless'];

function climateOf(seed: number): Climate {
  return climates[seed % climates.length] as Climate;
}

function linkOf(seed: number): LinkOptions {
  const roughness = Math.floor(seed / climates.length) % 4;
  const link = { loss: 0.06 * roughness, duplicate: 0.05 * roughness, reorder: 0.1 * roughness, reorderMsMax: 60 };
  switch (climateOf(seed)) {
    case 'rough':    return link;
    case 'hasty':    return { ...link, delay: { minMs: 0.5, medianMs: 12, p99Ms: 70, maxMs: 120 } };
    case 'restless': return { ...link, loss: 0.1 + 0.08 * roughness };
  }
}

function scheduleOf(random: Random, climate: Climate): readonly FaultAction[] {
  const schedule = randomFaultSchedule(random, { nodes: nodeIds, fromMs: 200, untilMs: busyMs, everyMs: 300, lastsMsMax: 1_500, kinds: ['kill', 'kill', 'pause', 'partition', 'block', 'disturb'] });
  // Requests travel over a transport with checksums, so flipped bits are lost packets and nothing else.
  const faults = schedule.map((action) => (action.kind === 'disturb' ? { ...action, link: { ...action.link, corrupt: 0 } } : action));
  return climate === 'hasty' ? [...faults, ...blinks(random)] : faults;
}

/** Nodes that are gone for some milliseconds only, with what they had on disk. */
function blinks(random: Random): FaultAction[] {
  const actions: FaultAction[] = [];
  for (let atMs = 200; atMs < busyMs; atMs += 5 + random.below(90)) {
    const node = random.pick(nodeIds);
    actions.push({ atMs, kind: 'kill', node, how: random.chance(0.5) ? 'power' : 'process' });
    actions.push({ atMs: atMs + 1 + random.below(8), kind: 'restart', node });
  }
  return actions;
}

class History {
  readonly operations: RegisterOperation[] = [];
  quietTick = Infinity;
  #tick = 0;

  tick(): number {
    return ++this.#tick;
  }

  invoke(client: string, write: RegisterOperation['write']): RegisterOperation {
    const operation: RegisterOperation = { id: this.operations.length, client, invoked: this.tick(), write };
    this.operations.push(operation);
    return operation;
  }
}

class SabotagedProposer extends Proposer<string> {
  bug: RegisterBug | undefined;
  atBirth: readonly Voter[] | undefined;

  protected override isQuorum(electorate: Electorate, keys: ReadonlySet<string>): boolean {
    if (this.bug === 'voters-known-at-birth') return isMajority((this.atBirth ??= electorate.voters), keys);
    if (this.bug === 'half-is-enough') return 2 * electorate.voters.filter((voter) => keys.has(voterKey(voter))).length >= electorate.voters.length;
    return super.isQuorum(electorate, keys);
  }
}

/** One life of a node. */
class RegisterNode {
  readonly storageId: string;
  readonly #env: SimEnv;
  readonly #world: SimWorld;
  readonly #history: History;
  readonly #climate: Climate;
  readonly #bug: RegisterBug | undefined;
  readonly #acceptor: Acceptor<string>;
  readonly #acceptorDriver: Driver<Parameters<Acceptor<string>['handle']>[0], AcceptorEffect<string>>;
  readonly #proposerDriver: Driver<ProposerEvent<string>, ProposerEffect<string>>;
  readonly #proposer: SabotagedProposer;
  readonly #random: Random;
  #state: { version: number; voters: readonly Voter[] } = { version: 1, voters: firstVoters };
  #current: RegisterOperation | undefined;
  #requests = 0;

  constructor(env: SimEnv, world: SimWorld, history: History, climate: Climate, bug: RegisterBug | undefined) {
    this.#env = env;
    this.#world = world;
    this.#history = history;
    this.#climate = climate;
    this.#bug = bug;
    this.#random = env.random.fork('client');
    this.storageId = this.#openDisk();
    this.#acceptor = new Acceptor(this.storageId, this.#stored());
    this.#acceptorDriver = new Driver(this.#acceptor, env.clock, (effect) => this.#performAcceptor(effect));
    const proposer = (this.#proposer = new SabotagedProposer(env.id as NodeId, env.random.fork('proposer'), { voters: firstVoters, previousVoters: undefined, votersVersion: 0 }, { roundTimeoutMs: climate === 'hasty' ? 250 : 80, backoffMs: 10, backoffMsMax: 120 }));
    proposer.bug = bug;
    this.#proposerDriver = new Driver<ProposerEvent<string>, ProposerEffect<string>>(proposer, env.clock, (effect) => this.#performProposer(effect));
    env.datagrams.onReceive((from, bytes) => this.#receive(from, bytes));
    this.#think();
  }

  /** The id of this disk; a new one for an empty disk, but for the very first disks of the first voters. */
  #openDisk(): string {
    const { storage, id, life } = this.#env;
    const stored = storage.get('storage-id');
    if (stored !== undefined) return text.decode(stored) as string;
    const isFirst = firstVoters.some((voter) => voter.id === id) && (life === 1 || this.#bug === 'vote-from-amnesia');
    const storageId = isFirst ? `first-${id}` : `${id}-${this.#random.uint32()}`;
    if (isFirst && life === 1) storage.set('acceptor', encodeAcceptorState(firstState(firstValue, firstVoters), text));
    storage.set('storage-id', text.encode(storageId));
    storage.sync();
    return storageId;
  }

  #stored(): AcceptorState<string> | undefined {
    const bytes = this.#env.storage.get('acceptor');
    if (bytes === undefined) return undefined;
    const decoded = decodeAcceptorState(bytes, text);
    if (decoded.kind === 'rejected') throw new Error(`the stored state cannot be read: ${decoded.reason}`);
    const state = decoded.message;
    return this.#bug === 'forget-promises' ? { ...state, promised: state.accepted?.ballot ?? ballotZero } : state;
  }

  get id(): NodeId {
    return this.#env.id as NodeId;
  }

  get known(): KnownVoters {
    return this.#proposer.known;
  }

  get accepted(): Accepted<string> | undefined {
    return this.#acceptor.accepted;
  }

  #receive(from: string, bytes: Uint8Array): void {
    const decoded = decodeRegisterMessage(bytes, text);
    if (decoded.kind === 'rejected') throw new Error(`rejected as ${decoded.reason}`);
    const node = parseNodeId(from.split(':')[0] as string);
    if (decoded.message.to === 'acceptor') this.#acceptorDriver.dispatch({ kind: 'request-received', from: node, request: decoded.message.request });
    else this.#proposerDriver.dispatch({ kind: 'reply-received', from: node, reply: decoded.message.reply });
  }

  #performAcceptor(effect: AcceptorEffect<string>): void {
    if (effect.kind === 'send') return this.#send(effect.to, encodeRegisterMessage({ to: 'proposer', reply: effect.reply }, text));
    const { storage, clock } = this.#env;
    storage.set('acceptor', encodeAcceptorState(effect.state, text));
    const durable = (): void => this.#acceptorDriver.dispatch({ kind: 'persisted' });
    if (this.#bug === 'skip-the-durable-write') return durable();
    clock.schedule(plusMs(clock.now(), 0.2 + 6 * this.#random.float()), () => {
      storage.sync();
      durable();
    });
  }

  #performProposer(effect: ProposerEffect<string>): void {
    if (effect.kind === 'send') return this.#send(effect.to, encodeRegisterMessage({ to: 'acceptor', request: effect.request }, text));
    if (effect.request !== this.#requests) throw new Error('an answer to a request that is over');
    if (effect.kind === 'completed') this.#answer('ok', effect.state);
    else this.#answer(this.#resultOf(effect.refusal), 'current' in effect.refusal ? effect.refusal.current : undefined);
  }

  #resultOf(refusal: ChangeRefusal<string>): 'failed' | 'unknown' {
    return refusal.kind === 'indeterminate' ? 'unknown' : 'failed';
  }

  #send(to: NodeId, bytes: Uint8Array): void {
    this.#env.datagrams.send(`${to}:7946`, bytes);
  }

  #answer(result: 'ok' | 'failed' | 'unknown', state: RegisterState<string> | undefined): void {
    const operation = this.#current as RegisterOperation;
    operation.answer = { at: this.#history.tick(), result, seen: state && { version: state.version, value: state.value } };
    this.#env.trace('answer', operation.id, result, state?.version ?? 0);
    if (state !== undefined) this.#state = state;
    this.#think();
  }

  #think(): void {
    const { clock } = this.#env;
    // At the end they take turns rather than defeat each other: what is asked there is whether anything still works.
    const pauseMs = this.#world.nowMs > busyMs ? 400 : 120;
    clock.schedule(plusMs(clock.now(), 2 + pauseMs * this.#random.float()), () => this.#act());
  }

  #act(): void {
    if (this.#world.nowMs > busyMs) this.#hearVoters();
    if (this.#world.nowMs > busyMs + 500) this.#history.quietTick = Math.min(this.#history.quietTick, this.#history.tick());
    const request = ++this.#requests;
    const kind = this.#random.below(10);
    if (kind < 4) return this.#read(request);
    const voters = kind < (this.#climate === 'restless' ? 9 : 6) ? this.#otherVoters() : undefined;
    const expectedVersion = this.#state.version;
    const value = `${this.#env.id}.${this.#env.life}.${request}${voters ? 'v' : ''}`;
    this.#current = this.#history.invoke(this.#env.id, { expectedVersion, value });
    this.#proposerDriver.dispatch({ kind: 'change', request, expectedVersion, value, timeoutMs: 900, ...(voters && { voters }) });
  }

  /** What membership would gossip: a proposer that knows only voters that are gone finds the present ones. */
  #hearVoters(): void {
    const known = nodeIds.flatMap((id) => this.#world.node<RegisterNode>(id).process?.known ?? []);
    const latest = known.toSorted((a, b) => b.votersVersion - a.votersVersion)[0];
    if (latest !== undefined) this.#proposerDriver.dispatch({ kind: 'voters-heard', voters: latest.voters, votersVersion: latest.votersVersion });
  }

  #read(request: number): void {
    this.#current = this.#history.invoke(this.#env.id, undefined);
    const local = this.#bug === 'read-locally' ? this.#acceptor.accepted?.state : undefined;
    if (local !== undefined) return this.#answer('ok', local);
    this.#proposerDriver.dispatch({ kind: 'read', request, timeoutMs: 900 });
  }

  /** One added or one removed: first whoever lost the disk it voted with, then by chance, so that one to five vote. */
  #otherVoters(): readonly Voter[] {
    const { voters } = this.#state;
    const diskOf = (id: string): string | undefined => this.#world.node<RegisterNode>(id).process?.storageId;
    const gone = voters.find((voter) => (diskOf(voter.id) ?? voter.storageId) !== voter.storageId);
    if (gone !== undefined && voters.length > 1) return voters.filter((voter) => voter !== gone);
    const candidates = nodeIds.filter((id) => !voters.some((voter) => voter.id === id) && diskOf(id) !== undefined);
    const add = voters.length < 3 || (voters.length < 5 && this.#random.chance(0.5));
    if (!add) {
      const leaving = this.#random.pick(voters);
      return voters.filter((voter) => voter !== leaving);
    }
    if (candidates.length === 0) return voters;
    const id = this.#random.pick(candidates);
    return [...voters, { id, storageId: diskOf(id) as string }];
  }
}

