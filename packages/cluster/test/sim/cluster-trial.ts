import type { NodeId, Random } from '@engram/kernel';
import { randomFaultSchedule, applyFaults, type FaultAction } from '@engram/kernel/sim';
import { clusterMapCodec, copiesOf, decodeAcceptorState, type ClusterMap, type MapContent, type RegisterState } from '@engram/placement/core';
import type { AckLevel, ReplicationEffect, ReplicationOptions } from '@engram/replication/core';
import { encodeControl, type ClusterEffect, type Verb } from '../../src/core/index.js';
import { ClusterWorld } from './cluster-world.js';
import { digestOf, RegisterHistory, recordRegister } from './register-history.js';
import type { ClusterProcess, ProcessDefects } from './sim-process.js';

export interface TrialDefects extends ProcessDefects {
  /** A node takes what it has accepted for what was chosen. */
  readonly learnsAccepted?: boolean;
}

export interface TrialOptions {
  readonly seed: number | string;
  readonly defects?: TrialDefects;
  readonly forMs?: number;
  /** Keeps the last so many lines of what happened. */
  readonly transcript?: number;
  /** Instead of a random one. */
  readonly faults?: readonly FaultAction[];
  readonly nodes?: number;
}

export interface TrialReport {
  readonly seed: number | string;
  readonly violations: readonly string[];
  /** Why the run says nothing, if it does. */
  readonly void: string | undefined;
  readonly facts: Readonly<Record<string, number>>;
  readonly lines: readonly string[];
  readonly hash: string;
}

interface Write {
  readonly id: string;
  readonly partition: number;
  readonly level: AckLevel;
  acknowledged: boolean;
}

const levels: readonly AckLevel[] = ['local', 'replica', 'quorum', 'quorum', 'quorum', 'all'];
const formMs = 30_000;
const healMs = 15_000;
/** Balance waits for calm, then moves copy by copy. */
const settleMs = 60_000;
/** Whatever was cut off has been taken up by then (ruling 22). */
const levelMs = 60_000;

/** A cluster under faults from a seed, then healed, then looked at. */
export class ClusterTrial {
  readonly #options: TrialOptions;
  readonly cluster: ClusterWorld;
  readonly #random: Random;
  readonly #history = new RegisterHistory();
  readonly #violations = new Set<string>();
  readonly #facts = new Map<string, number>();
  readonly #writes: Write[] = [];
  readonly #known = new Set<string>();
  /** Writes that whoever leads next must have. */
  readonly #kept = new Map<number, { readonly id: string; readonly epoch: number }[]>();
  readonly #acknowledgers = new Map<string, NodeId>();
  readonly #latest = new Map<number, { readonly epoch: number; readonly by: NodeId }>();
  readonly #places = new Map<string, string>();
  readonly #maps = new Map<number, string>();
  /** The latest version that each voter has accepted durably, be its disk lost later or not. */
  readonly #votes = new Map<string, number>();
  readonly #partitions: number;
  readonly #mayLoseDisks: boolean;
  readonly #joins: boolean;
  readonly #isOperated: boolean;
  #decommissioned = false;
  /** Nodes that have left the copies of something: what they come back to is shipped and applied anew. */
  readonly #retired = new Set<NodeId>();
  #disksLost = 0;
  #faults = 0;

  constructor(options: TrialOptions) {
    this.#options = options;
    const { seed, defects, transcript = 0 } = options;
    // Drawn from the world's own stream, so that a seed says everything.
    const dice = new ClusterWorld({ seed: `dice ${seed}`, nodes: 1 }).world.random('trial');
    const nodes = options.nodes ?? (dice.chance(0.5) ? 3 : 5);
    this.#partitions = 1 + dice.below(8);
    // With copies taken away on purpose, the one that is left may be on the disk that is lost.
    this.#isOperated = dice.chance(0.4);
    this.#mayLoseDisks = dice.chance(0.3) && !this.#isOperated;
    this.#joins = dice.chance(0.3);
    const small: ReplicationOptions = { batchEntries: 5 + dice.below(20), heartbeatMs: 100 + dice.below(400), batchBytes: 2_000, windowEntries: 25 + dice.below(30), windowBytes: 4_000, ringEntries: 5 + dice.below(60), ringBytes: 20_000, snapshotChunkBytes: 200, snapshotBytesPerSecond: 100_000 };
    this.cluster = new ClusterWorld({
      seed, nodes, partitions: this.#partitions, spare: this.#joins ? 1 : 0, calmMs: dice.pick([300, 1_000, 3_000, 10_000]),
      disk: { syncMs: dice.pick([0.5, 2, 20, 60]), keepEntries: dice.chance(0.5) ? Infinity : 20 + dice.below(100) },
      ...(dice.chance(0.7) && { replication: small }),
      ...(defects && { defects }),
      world: { link: { loss: dice.pick([0, 0.01, 0.05]), duplicate: 0.01 }, ...(transcript > 0 && { transcript: { linesMax: transcript, kinds: ['life', 'fault', 'trace'] as const } }) },
      watch: (process, effect) => this.#watch(process, effect),
      accepted: (process, bytes) => this.#accepted(process, bytes),
      appliedAgain: (process, id) => this.#retired.has(process.id) || this.#violation(`${process.id} applied ${id} twice`),
    });
    this.#random = this.cluster.world.random('trial');
  }

  run(): TrialReport {
    const stopRecording = recordRegister(this.#history);
    try {
      this.#guarded(() => this.#live());
    } finally {
      stopRecording();
    }
    const wrong = this.#history.violation();
    if (wrong !== undefined) this.#violation(wrong);
    const { world } = this.cluster;
    const acknowledged = this.#writes.filter((write) => write.acknowledged).length;
    const facts = { ...Object.fromEntries(this.#facts), nodes: this.cluster.nodes.length, writes: this.#writes.length, acknowledged, faults: this.#faults, disksLost: this.#disksLost, events: world.events, maps: this.#maps.size, registerRequests: this.#history.size };
    const isVoid = acknowledged < 50 ? `only ${acknowledged} writes were acknowledged` : this.#faults < 3 ? 'hardly a fault' : undefined;
    return { seed: this.#options.seed, violations: [...this.#violations], void: isVoid, facts, lines: world.transcript.lines(), hash: world.hash() };
  }

  #live(): void {
    const { world } = this.cluster;
    const formed = this.cluster.runUntil(() => this.cluster.everyPartitionLeads && (!this.#mayLoseDisks || this.cluster.isSettled), formMs);
    if (!formed) return this.#violation(`no cluster after ${formMs} ms: ${this.#described()}`);
    const fromMs = Math.ceil(world.nowMs) + this.#random.below(1_500);
    const untilMs = fromMs + (this.#options.forMs ?? 12_000);
    const faults = this.#options.faults?.map((fault) => ({ ...fault, atMs: fault.atMs + fromMs })) ?? this.#nemesis(fromMs, untilMs);
    this.#faults = faults.filter(({ kind }) => kind !== 'heal' && kind !== 'restart').length;
    applyFaults(world, faults);
    if (this.#joins) world.at(fromMs + this.#random.below(8_000), () => this.cluster.join());
    if (this.#isOperated) this.#operate(untilMs);
    this.#workload(untilMs);
    this.#watchSizes();
    world.run({ untilMs });
    world.network.heal();
    // Whoever was told to stop may take its time.
    world.run({ untilMs: untilMs + 2_500 });
    for (const node of this.cluster.nodes) if (!node.alive) node.restart();
    this.#judge();
  }

  #guarded(run: () => void): void {
    try {
      run();
    } catch (error) {
      const cause = (error as { cause?: unknown }).cause;
      const why = cause instanceof Error ? ` (${cause.message} ${JSON.stringify((cause as { details?: object }).details ?? {})} ${cause.stack?.split('\n').slice(1, 6).join(' ')})` : '';
      this.#violation(`stopped: ${(error as Error).message}${why}`);
    }
  }

  #violation(what: string): void {
    if (this.#violations.size < 20) this.#violations.add(`${Math.round(this.cluster.world.nowMs)} ms: ${what}`);
  }

  #count(what: string): void {
    this.#facts.set(what, (this.#facts.get(what) ?? 0) + 1);
  }

  // ── What is done to it ───────────────────────────────────────────────────────────────────────────────────────────

  #nemesis(fromMs: number, untilMs: number): FaultAction[] {
    const nodes = this.cluster.nodes.map(({ id }) => id);
    const random = this.#random;
    const schedule = randomFaultSchedule(random.fork('faults'), { nodes, fromMs, untilMs, everyMs: random.pick([400, 900, 2_000]), lastsMsMax: random.pick([1_500, 4_000, 8_000]), downMax: random.chance(0.2) ? nodes.length : Math.ceil(nodes.length / 2) });
    let lost = 0;
    const kept: FaultAction[] = schedule.map((fault) => {
      if (fault.kind !== 'restart' || (fault.storage !== 'lost' && (!this.#mayLoseDisks || random.chance(0.5)))) return fault;
      // Two copies of three must never be lost together, whoever holds them.
      const mayLose = this.#mayLoseDisks && lost === 0;
      if (mayLose) lost++;
      return mayLose ? fault : { ...fault, storage: 'kept' };
    });
    this.#disksLost = lost;
    if (random.chance(0.3)) kept.push({ atMs: fromMs + random.below(untilMs - fromMs), kind: 'stop', node: random.pick(nodes) });
    if (random.chance(0.15)) {
      const atMs = fromMs + random.below(untilMs - fromMs);
      // The lights go out everywhere.
      for (const node of nodes) kept.push({ atMs, kind: 'kill', node, how: 'power' }, { atMs: atMs + 200 + random.below(2_000), kind: 'restart', node });
    }
    return kept.sort((a, b) => a.atMs - b.atMs);
  }

  /** Somebody drains, decommissions, pauses and promotes, through any node, whatever else happens. */
  #operate(untilMs: number): void {
    const { world, nodes } = this.cluster;
    const step = (): void => {
      if (world.nowMs > untilMs) return;
      const id = this.#random.pick(nodes).id as NodeId;
      const verb = this.#random.pick<Verb>([
        { kind: 'drain', node: id }, { kind: 'undrain', node: id }, { kind: 'decommission', node: id, force: this.#random.chance(0.3) },
        { kind: 'pause-moves' }, { kind: 'resume-moves' }, { kind: 'plan-moves' }, { kind: 'set-policies', policies: { factor: 1 + this.#random.below(3) } },
        { kind: 'promote', partition: this.#random.below(this.#partitions), to: this.#random.chance(0.5) ? id : undefined },
      ]);
      const { process, paused } = this.#random.pick(nodes);
      if (process && !paused) this.cluster.askLater(process, verb, (answer) => this.#count(`${verb.kind} ${answer.kind === 'done' ? (answer.changed ? 'changed' : 'so') : answer.code}`));
      world.at(world.nowMs + 200 + this.#random.below(2_500), step);
    };
    world.at(world.nowMs + this.#random.below(1_000), step);
  }

  /** What paused or drained at the end would never be done with otherwise. */
  #endOperations(): void {
    if (!this.#isOperated) return;
    const verbs: Verb[] = [{ kind: 'resume-moves' }, ...this.cluster.nodes.map(({ id }): Verb => ({ kind: 'undrain', node: id as NodeId }))];
    for (const verb of verbs) {
      // Who was started a moment ago may not know the map yet.
      const asked = this.cluster.alive.find(({ node, id, disk }) => node.map?.roster.some((known) => known.id === id && known.storageId === disk.storageId));
      const answer = asked && this.cluster.ask(asked, verb);
      const isOver = answer?.kind === 'done' || (answer?.kind === 'refused' && (answer.code === 'precondition_failed' || answer.code === 'node_not_found'));
      if (!isOver) this.#violation(`${verb.kind} after healing: ${JSON.stringify(answer)}`);
    }
  }

  #workload(untilMs: number): void {
    const { world } = this.cluster;
    const step = (): void => {
      if (world.nowMs > untilMs) return;
      const partition = this.#random.below(this.#partitions);
      const asked = this.#random.pick(this.cluster.nodes);
      // A client asks some node who is primary, and believes it; now and then it tries just anybody.
      const primary = asked.process?.node.map?.table[partition]?.primary;
      const node = primary !== undefined && this.#random.chance(0.9) ? world.node<ClusterProcess>(primary) : asked;
      if (node.process !== undefined && !node.paused) this.#write(node.process, partition);
      world.at(world.nowMs + 1 + this.#random.below(40), step);
    };
    for (let client = 0; client < 2; client++) world.at(world.nowMs + 1 + client, step);
  }

  #write(process: ClusterProcess, partition: number): void {
    const many = this.#random.chance(0.1) ? 1 + this.#random.below(20) : 1;
    const name = `w${this.#writes.length}`;
    const ids = Array.from({ length: many }, (_, index) => `${name}.${index}`);
    const write: Write = { id: ids.at(-1) as string, partition, level: this.#random.pick(levels), acknowledged: false };
    this.#writes.push(write);
    for (const id of ids) this.#known.add(id);
    let answered = false;
    this.cluster.append(process, partition, ids, write.level, (answer, by) => {
      if (answered) this.#violation(`${write.id} is answered twice`);
      answered = true;
      this.#count(answer.kind === 'refused' ? `refused ${answer.refusal.reason}` : answer.kind);
      if (answer.kind === 'acknowledged') this.#acknowledged(by, write, answer);
    });
  }

  // ── What is looked at while it runs ──────────────────────────────────────────────────────────────────────────────

  #acknowledged(by: ClusterProcess, write: Write, { token, durability }: Extract<ReplicationEffect, { kind: 'acknowledged' }>): void {
    const { partition } = write;
    write.acknowledged = true;
    const epoch = by.node.partition(partition)?.epoch ?? 0;
    const reign = `${partition}/${epoch}`;
    const owner = this.#acknowledgers.get(reign) ?? by.id;
    this.#acknowledgers.set(reign, owner);
    if (owner !== by.id) this.#violation(`${owner} and ${by.id} both acknowledge in partition/epoch ${reign}`);
    const latest = this.#latest.get(partition);
    if (latest && latest.epoch > epoch) this.#violation(`${by.id} acknowledges in epoch ${epoch} of partition ${partition} after ${latest.by} did in ${latest.epoch}`);
    else this.#latest.set(partition, { epoch, by: by.id });
    if (!by.node.holdsLease(by.now)) this.#violation(`${by.id} acknowledges ${write.id} without a lease`);
    if (durability.reached === undefined) this.#violation(`${write.id} is acknowledged with nothing reached`);
    const place = `${token.partition}/${token.epoch}/${token.seq}`;
    const other = this.#places.get(place);
    if (other !== undefined) this.#violation(`${other} and ${write.id} share the place ${place}`);
    this.#places.set(place, write.id);
    if (write.level === 'quorum' || write.level === 'all') this.#keep(partition).push({ id: write.id, epoch });
  }

  #watch(process: ClusterProcess, effect: ClusterEffect): void {
    switch (effect.kind) {
      case 'keep-map': {
        const decoded = decodeAcceptorState(effect.bytes, clusterMapCodec);
        const state = decoded.kind === 'decoded' ? decoded.message.accepted?.state : undefined;
        if (!state) return this.#violation(`${process.id} keeps a map that cannot be read`);
        const digest = digestOf(state);
        if ((this.#maps.get(state.version) ?? digest) !== digest) this.#violation(`version ${state.version} of the map has two values, as ${process.id} learned`);
        this.#maps.set(state.version, digest);
        return this.#mustBeChosen(process, state);
      }
      case 'map-changed':
        for (const change of effect.changes) {
          this.#count(change.kind);
          if (change.kind === 'node-removed') this.#decommissioned = true;
        }
        return;
      case 'persist-acceptor':
        return this.#options.defects?.learnsAccepted === true ? this.#learnAccepted(process, effect.bytes) : undefined;
      case 'replication':
        if (effect.effect.kind === 'tail-set-aside' && !holds(process.node.map, effect.effect.partition, process.id)) this.#retired.add(process.id);
        if (effect.effect.kind === 'leading') this.#leading(process, effect.effect.partition, effect.effect.epoch);
        this.#count(effect.effect.kind);
        return;
      default:
        return;
    }
  }

  /** Whatever a majority of copies had when it was acknowledged, the next primary has when it begins. */
  #leading(process: ClusterProcess, partition: number, epoch: number): void {
    const missing = this.#keep(partition).filter((write) => write.epoch < epoch && !process.disk.operations(partition).has(write.id));
    if (missing.length > 0) this.#violation(`${process.id} leads partition ${partition} in epoch ${epoch} without ${missing[0]?.id} of epoch ${missing[0]?.epoch}, ${missing.length} in all, acknowledged at quorum or all`);
  }

  #keep(partition: number): { readonly id: string; readonly epoch: number }[] {
    let kept = this.#kept.get(partition);
    if (kept === undefined) this.#kept.set(partition, (kept = []));
    return kept;
  }

  #accepted(process: ClusterProcess, bytes: Uint8Array): void {
    const decoded = decodeAcceptorState(bytes, clusterMapCodec);
    const version = decoded.kind === 'decoded' ? (decoded.message.accepted?.state.version ?? 0) : 0;
    const voter = `${process.id}/${process.disk.storageId}`;
    this.#votes.set(voter, Math.max(version, this.#votes.get(voter) ?? 0));
  }

  /** What a node takes for chosen is on the disks of a majority of those who vote on it, or something later is. */
  #mustBeChosen(process: ClusterProcess, { version, voters }: RegisterState<MapContent>): void {
    const have = voters.filter(({ id, storageId }) => (this.#votes.get(`${id}/${storageId}`) ?? 0) >= version);
    if (2 * have.length <= voters.length) this.#violation(`${process.id} takes version ${version} of the map for chosen, which ${have.length} of ${voters.length} voters have accepted`);
  }

  #learnAccepted(process: ClusterProcess, bytes: Uint8Array): void {
    const decoded = decodeAcceptorState(bytes, clusterMapCodec);
    const state = decoded.kind === 'decoded' ? decoded.message.accepted?.state : undefined;
    if (state) process.hear(process.id, encodeControl({ kind: 'map', state }));
  }

  #watchSizes(): void {
    const { world } = this.cluster;
    const check = (): void => {
      for (const process of this.cluster.alive) {
        const { seen, heldBack, outbid, takeovers, keeper, verbs, registerRequests } = process.node.held();
        const nodes = this.cluster.nodes.length;
        if (seen > nodes || keeper > 64 + this.#partitions || heldBack > this.#partitions || outbid > this.#partitions || takeovers > nodes || verbs > 16 || registerRequests > 64 + 1) this.#violation(`${process.id} holds too much: ${JSON.stringify(process.node.held())}`);
      }
      world.at(world.nowMs + 100, check);
    };
    check();
  }

  // ── What is left in the end ──────────────────────────────────────────────────────────────────────────────────────

  #judge(): void {
    if (!this.cluster.runUntil(() => this.cluster.everyPartitionLeads, healMs)) this.#violation(`not every partition leads ${healMs} ms after healing: ${this.#described()}`);
    for (let partition = 0; partition < this.#partitions; partition++) {
      if (!this.#isWritable(partition)) this.#violation(`partition ${partition} takes no write at quorum after healing: ${this.#described()}`);
    }
    this.#endOperations();
    if (!this.cluster.runUntil(() => this.cluster.isSettled, settleMs)) this.#violation(`not settled ${settleMs} ms after healing: ${this.#described()}`);
    if (!this.cluster.runUntil(() => this.cluster.isLevel, levelMs)) this.#violation(`copies are not level ${levelMs} ms after healing: ${this.#described()}`);
    const map = this.cluster.map;
    if (!map) return this.#violation('nobody has a map in the end');
    for (const [partition, placement] of map.table.entries()) {
      const stores = copiesOf(placement).map((id) => ({ id, operations: this.cluster.process(id)?.disk.operations(partition) ?? new Set<string>() }));
      const [first] = stores;
      for (const { id, operations } of stores) {
        for (const operation of operations) if (!this.#known.has(operation)) this.#violation(`${id} holds ${operation}, which nobody wrote`);
        const differ = [...operations].filter((one) => first?.operations.has(one) !== true).length + [...(first?.operations ?? [])].filter((one) => !operations.has(one)).length;
        if (differ > 0 && this.#disksLost === 0) this.#violation(`${id} and ${first?.id} differ in ${differ} operations of partition ${partition}`);
      }
      for (const write of this.#writes) {
        if (write.partition !== partition || !write.acknowledged) continue;
        // A disk that was taken out of the cluster may have had something to itself.
        const promised = (this.#disksLost === 0 && !this.#decommissioned) || write.level === 'quorum' || write.level === 'all';
        if (promised && !stores.every(({ operations }) => operations.has(write.id))) this.#violation(`${write.id}, acknowledged at ${write.level}, is lost`);
      }
    }
  }

  /** A client tries again for as long as copies may take to catch up. */
  #isWritable(partition: number): boolean {
    const until = this.cluster.world.nowMs + healMs;
    for (let attempt = 0; this.cluster.world.nowMs < until; attempt++) {
      const id = `last.${partition}.${attempt}`;
      this.#known.add(id);
      if (this.cluster.write(partition, id, 'quorum')?.kind === 'acknowledged') return true;
      this.cluster.runFor(50);
    }
    return false;
  }

  #described(): string {
    const map = this.cluster.map;
    const nodes = this.cluster.nodes.map(({ id, process, alive, paused }) => (process && alive ? `${id} map ${process.node.map?.epoch ?? '-'} lease ${process.node.holdsLease(process.now)} steward ${process.node.steward ?? '-'}${paused ? ' paused' : ''} ${JSON.stringify(process.node.held())}` : `${id} down`));
    const sick = (map?.table ?? []).flatMap((placement, partition) => {
      const states = copiesOf(placement).map((id) => { const s = this.cluster.process(id)?.node.partition(partition); return `${id}:${s?.role} at ${s?.position.epoch}/${s?.position.seq} epoch ${s?.epoch} promised ${s?.promised} aside ${s?.entriesSetAside}`; });
      return this.cluster.leads(partition) && !placement.moving && states.length === Math.min((map?.policies.factor ?? 0) + 1, map?.roster.length ?? 0) && new Set(states.map((state) => state.replace(/^.*? at (\S+) .*$/, '$1'))).size === 1 ? [] : [`${partition} ${JSON.stringify(placement)}: ${states.join(', ')}`];
    });
    return `map ${map?.epoch} roster ${map?.roster.map(({ id, storageId }) => `${id}=${storageId}`).join()} voters ${map?.voters.map(({ id, storageId }) => `${id}=${storageId}`).join()}; ${nodes.join('; ')}; ${sick.join(' | ')}`;
  }
}

function holds(map: ClusterMap | undefined, partition: number, node: NodeId): boolean {
  const placement = map?.table[partition];
  return placement !== undefined && copiesOf(placement).includes(node);
}

export function runTrial(options: TrialOptions): TrialReport {
  return new ClusterTrial(options).run();
}
