import { Driver, instant, parseNodeId, plusMs, type Clock, type Instant, type NodeId, type Random } from '@engram/kernel';
import { applyFaults, randomFaultSchedule, SimWorld, type FaultAction, type SimEnv } from '@engram/kernel/sim';
import { isMajority, LeaseGranter, LeaseHolder, voterKey, type LeaseGranterEffect, type LeaseGranterEvent, type LeaseHolderEffect, type LeaseHolderEvent, type LeaseReply, type LeaseRequest, type PartitionPlacement, type Voter } from '../src/core/index.js';

/** Bugs to plant: each must be found. */
export const leaseBugs = ['wall-clock', 'count-from-the-answer', 'no-margin-for-drift', 'forget-grants', 'act-without-waiting', 'forget-who-was-deposed'] as const;
export type LeaseBug = (typeof leaseBugs)[number];

export interface LeaseRun {
  /** Two nodes acknowledged for one partition at overlapping times, or in one epoch; undefined when none did. */
  readonly violation: string | undefined;
  readonly acknowledged: number;
  readonly promotions: number;
  /** Of promotions, those whose new primary acknowledged at least once. */
  readonly effective: number;
  readonly hash: string;
}

const nodeIds = ['n1', 'n2', 'n3', 'n4', 'n5'].map(parseNodeId);
const voters: readonly Voter[] = nodeIds.slice(0, 3).map((id) => ({ id, storageId: `disk-${id}` }));
const busyMs = 20_000;
const endMs = 26_000;
/** Clocks of this world are bad: three in a hundred either way, which shows within one lease what good clocks show in weeks. */
const driftPpm = 30_000;

/**
 * One partition and five nodes that take it from one another, now because its primary's lease has run out and now out of
 * impatience, under pauses, deaths, cuts and clocks that drift and jump. The register is replaced by an oracle with the
 * property that matters: a new map is in force once a majority of voters has accepted it, durably.
 */
export function runLease(seed: number, bug?: LeaseBug): LeaseRun {
  const world = new SimWorld({ seed, link: { loss: 0.02 * (seed % 5), duplicate: 0.05, delay: { minMs: 0.2, medianMs: 2 + 8 * (seed % 3), p99Ms: 100, maxMs: 900 } } });
  const oracle = new Oracle(world);
  for (const id of nodeIds) {
    world.addNode(id, (env) => new LeaseNode(env, oracle, bug), { driftPpm: world.random('clocks').below(2 * driftPpm + 1) - driftPpm });
  }
  const judge = new Judge();
  world.onTrace(({ what, node, details }) => void (what === 'acknowledged' && judge.hear(node, details[0] as number)));
  applyFaults(world, scheduleOf(world.random('nemesis')));
  world.run({ untilMs: endMs });
  return { violation: judge.violation, acknowledged: judge.acknowledged, promotions: oracle.epoch - 1, effective: judge.epochs.size, hash: world.hash() };
}

function scheduleOf(random: Random): readonly FaultAction[] {
  const schedule = randomFaultSchedule(random, { nodes: nodeIds, fromMs: 300, untilMs: busyMs, everyMs: 350, lastsMsMax: 3_000, downMax: 3, kinds: ['kill', 'pause', 'pause', 'partition', 'block', 'disturb', 'jump-wall-clock', 'drift'] });
  return [...blinks(random), ...schedule].map((action) => {
    if (action.kind === 'disturb') return { ...action, link: { ...action.link, corrupt: 0 } };
    return action.kind === 'drift' ? { ...action, ppm: random.below(2 * driftPpm + 1) - driftPpm } : action;
  });
}

/** Voters that are gone for some milliseconds only, and have forgotten what they granted. */
function blinks(random: Random): FaultAction[] {
  const actions: FaultAction[] = [];
  for (let atMs = 500; atMs < busyMs; atMs += 50 + random.below(1_000)) {
    const node = random.pick(voters).id;
    actions.push({ atMs, kind: 'kill', node }, { atMs: atMs + 1 + random.below(40), kind: 'restart', node });
  }
  return actions;
}

/** What must hold: epochs of acknowledgements never go back, and each belongs to one node. */
class Judge {
  violation: string | undefined;
  acknowledged = 0;
  readonly epochs = new Map<number, string>();
  #highest = 0;

  hear(node: string, epoch: number): void {
    this.acknowledged += 1;
    const other = this.epochs.get(epoch);
    if (other !== undefined && other !== node) this.violation ??= `${other} and ${node} both acknowledged in epoch ${epoch}`;
    if (epoch < this.#highest) this.violation ??= `${node} acknowledged in epoch ${epoch} after ${this.epochs.get(this.#highest)} had in epoch ${this.#highest}`;
    this.epochs.set(epoch, node);
    this.#highest = Math.max(this.#highest, epoch);
  }
}

/** The map in force, and what each voter's disk has accepted of it. */
class Oracle {
  epoch = 1;
  placement: PartitionPlacement = { epoch: 1, primary: nodeIds[0] as NodeId, replicas: [] };
  readonly accepted = new Map<NodeId, number>();
  readonly #world: SimWorld;

  constructor(world: SimWorld) {
    this.#world = world;
  }

  /** Deposes whoever is primary, if the map is still the expected one and a majority of voters can be reached. */
  depose(expectedEpoch: number, to: NodeId, bug: LeaseBug | undefined): void {
    if (this.epoch !== expectedEpoch || this.placement.primary === to) return;
    const present = voters.filter(({ id }) => this.#world.node(id).alive && !this.#world.node(id).paused);
    const accepting = this.#world.random('oracle').shuffle(present).slice(0, 2);
    if (!isMajority(voters, new Set(accepting.map(voterKey)))) return;
    this.epoch += 1;
    const nodes = new Set([...(bug === 'forget-who-was-deposed' ? [] : (this.placement.deposed?.nodes ?? [])), this.placement.primary]);
    this.placement = { epoch: this.epoch, primary: to, replicas: [], deposed: { nodes: [...nodes], since: this.epoch } };
    for (const { id } of accepting) {
      this.accepted.set(id, this.epoch);
      this.#world.node<LeaseNode>(id).process?.accepted(this.epoch);
    }
  }
}

class SabotagedHolder extends LeaseHolder {
  bug: LeaseBug | undefined;

  protected override countsFrom(askedAt: Instant, heardAt: Instant): Instant {
    return this.bug === 'count-from-the-answer' ? heardAt : super.countsFrom(askedAt, heardAt);
  }
}

class LeaseNode {
  readonly #env: SimEnv;
  readonly #oracle: Oracle;
  readonly #bug: LeaseBug | undefined;
  readonly #id: NodeId;
  readonly #clock: Clock;
  readonly #holder: SabotagedHolder;
  readonly #holding: Driver<LeaseHolderEvent, LeaseHolderEffect>;
  readonly #granting: Driver<LeaseGranterEvent, LeaseGranterEffect>;
  readonly #random: Random;
  #mapEpoch = 0;
  #placement: PartitionPlacement | undefined;
  /** Voters that said that the lease of the primary has run out, in the present inquiry. */
  #runOut = new Set<string>();
  #inquiry = 0;

  constructor(env: SimEnv, oracle: Oracle, bug: LeaseBug | undefined) {
    this.#env = env;
    this.#oracle = oracle;
    this.#bug = bug;
    this.#id = env.id as NodeId;
    this.#random = env.random.fork('node');
    this.#clock = bug === 'wall-clock' ? wallClock(env) : env.clock;
    const options = { durationMs: 1_000, renewMs: 250, driftPpm: bug === 'no-margin-for-drift' ? 0 : driftPpm };
    this.#holder = new SabotagedHolder(this.#id, options);
    this.#holder.bug = bug;
    this.#holding = new Driver<LeaseHolderEvent, LeaseHolderEffect>(this.#holder, this.#clock, (effect) => this.#performHolder(effect));
    const start = { now: this.#clock.now(), mapEpoch: oracle.accepted.get(this.#id) ?? 0, fresh: env.life === 1 || bug === 'forget-grants' };
    this.#granting = new Driver<LeaseGranterEvent, LeaseGranterEffect>(new LeaseGranter(start, options), this.#clock, ({ to, reply }) => this.#send(to, { reply }));
    env.datagrams.onReceive((from, bytes) => this.#receive(parseNodeId(from.split(':')[0] as string), JSON.parse(new TextDecoder().decode(bytes)) as Message));
    this.#every(15, () => this.#acknowledge());
    this.#every(1_500, () => this.#readMap());
    this.#every(700, () => this.#inquire());
    // Impatience: whoever is deposed may be alive and well, and must still be waited for.
    this.#every(6_000, () => void (this.#placement && oracle.depose(this.#mapEpoch, this.#id, bug)));
  }

  accepted(mapEpoch: number): void {
    this.#granting.dispatch({ kind: 'map-accepted', mapEpoch });
  }

  #acknowledge(): void {
    if (this.#placement === undefined) return;
    const now = this.#clock.now();
    const may = this.#bug === 'act-without-waiting' ? this.#placement.primary === this.#id && this.#holder.holdsLease(now) : this.#holder.mayAcknowledge(this.#placement, now);
    if (may) this.#env.trace('acknowledged', this.#placement.epoch);
  }

  #readMap(): void {
    const { epoch, placement } = this.#oracle;
    if (epoch === this.#mapEpoch) return;
    this.#mapEpoch = epoch;
    this.#placement = placement;
    this.#holding.dispatch({ kind: 'map-learned', mapEpoch: epoch, electorate: { voters, previousVoters: undefined } });
  }

  #inquire(): void {
    if (this.#placement === undefined || this.#placement.primary === this.#id) return;
    this.#inquiry += 1;
    this.#runOut = new Set();
    for (const { id } of voters) this.#send(id, { request: { kind: 'inquire', attempt: -this.#inquiry, node: this.#placement.primary } });
  }

  #receive(from: NodeId, message: Message): void {
    if ('request' in message) return this.#granting.dispatch({ kind: 'request-received', from, request: message.request });
    const { reply } = message;
    const voter = { id: from, storageId: `disk-${from}` };
    if (reply.kind !== 'state') return this.#holding.dispatch({ kind: 'reply-received', from: voter, reply });
    if (reply.attempt !== -this.#inquiry || reply.node !== this.#placement?.primary || reply.runsOutInMs > 0) return;
    this.#runOut.add(voterKey(voter));
    if (isMajority(voters, this.#runOut)) this.#oracle.depose(this.#mapEpoch, this.#id, this.#bug);
  }

  #performHolder(effect: LeaseHolderEffect): void {
    if (effect.kind === 'send') this.#send(effect.to.id, { request: effect.request });
    // Now and then a node is slow to read the map, even when told that it is outdated.
    else if (effect.kind === 'map-outdated' && this.#random.chance(0.15)) this.#clock.schedule(this.#clock.now(), () => this.#readMap());
  }

  #send(to: NodeId, message: Message): void {
    this.#env.datagrams.send(`${to}:7946`, new TextEncoder().encode(JSON.stringify(message)));
  }

  /** At random times, that long apart in the mean. */
  #every(meanMs: number, run: () => void): void {
    const { clock } = this.#env;
    clock.schedule(plusMs(clock.now(), 1 + 2 * meanMs * this.#random.float()), () => {
      run();
      this.#every(meanMs, run);
    });
  }
}

type Message = { readonly request: LeaseRequest } | { readonly reply: LeaseReply };

/** The planted bug: a clock that people set. It begins a day in, so that setting it back keeps it above 0. */
function wallClock(env: SimEnv): Clock {
  const origin = 1_700_000_000_000 - 86_400_000;
  const now = (): Instant => instant(Math.max(0, env.wallClockMs() - origin) * 1_000);
  return { now, schedule: (at, run) => env.clock.schedule(instant(env.clock.now() + Math.max(0, at - now())), run) };
}
