import { EngramError, parseClusterId, parseNodeId } from '@engram/kernel';
import { applyFaults, SimWorld, type FaultAction, type KillKind, type LinkOptions, type RunResult, type SimNode, type SimNodeOptions, type SimWorldOptions } from '@engram/kernel/sim';
import { swimPresets, type Address, type MemberChange, type SwimOptions, type SwimPreset } from '../core/index.js';
import type { Sabotage } from './sabotage.js';
import { SimulatedNode, type StateView } from './simulated-node.js';
import { SimulatedProcess, type SeenEffect } from './simulated-process.js';

/** Who is in the cluster, what the network is like, and the seed. */
export interface SimulateSwimOptions {
  /** How many, called n0, n1, …; or their names. */
  readonly nodes: number | readonly string[];
  /** All that happens follows from it. */
  readonly seed: number | bigint | string;
  /** @default 'fast' */
  readonly preset?: SwimPreset;
  /** Laid over the preset. */
  readonly swim?: SwimOptions;
  /** What all links are like. @default a local network without faults */
  readonly link?: LinkOptions;
  /** How many of the first nodes of its cluster everybody is given as seeds. @default 3 */
  readonly seeds?: number;
  /** Node i starts at i times this. @default 10 */
  readonly startEveryMs?: number;
  /** Machines without a process until `restart` gives them one. */
  readonly spares?: readonly string[];
  /** The cluster that a node belongs to. @default 'test' for all */
  readonly clusterOf?: (name: string) => string;
  /** What a node calls itself: two may be given one id. Views by name then tell of whoever holds it. @default its name */
  readonly idOf?: (name: string) => string;
  /** The id of its cluster that a node is given at its first start. @default none */
  readonly clusterIdOf?: (name: string) => string | undefined;
  /** What a node says about itself from the start. @default nothing */
  readonly metadataOf?: (name: string) => Uint8Array | undefined;
  /** Its machine: address, clock offset, drift, sizes. */
  readonly machineOf?: (name: string) => SimNodeOptions;
  /** A bug to plant into a life of a node. */
  readonly sabotageOf?: (name: string, life: number) => Sabotage | undefined;
  /** Further options of the world: transcript, record, buggify. */
  readonly world?: Omit<SimWorldOptions, 'seed' | 'link'>;
}

/** One of these; the first limit that is reached ends the run. */
export interface RunFor {
  /** Up to this moment of the world. */
  readonly untilMs?: number;
  /** For so long from now. */
  readonly forMs?: number;
  /** Asked every 10 ms of virtual time. */
  readonly until?: (cluster: SimulatedSwim) => boolean;
}

/** Starts a cluster in a simulated world; nothing happens before it is run. Throws EngramError or OptionsError on bad options. */
export function simulateSwim(options: SimulateSwimOptions): SimulatedSwim {
  return new SimulatedSwim(options);
}

const defaultCluster = 'test';
/** A run until something happens ends at the latest here: an hour of the world. */
const runMsMax = 3_600_000;
const stepMs = 10;

/** A cluster in a simulated world: run it, break it, look at its views. Times are milliseconds of virtual time. */
export class SimulatedSwim {
  readonly world: SimWorld;
  readonly nodes: readonly SimulatedNode[];
  /** Changes of views on all nodes, in order. */
  readonly changes: (SeenEffect & { readonly effect: MemberChange })[] = [];
  readonly #byName = new Map<string, SimulatedNode>();
  readonly #machines: SimNode<SimulatedProcess>[];
  readonly #options: SimulateSwimOptions;
  readonly #listeners: ((seen: SeenEffect) => void)[] = [];
  readonly #startedByMs: number;

  constructor(options: SimulateSwimOptions) {
    const names = typeof options.nodes === 'number' ? numbered(options.nodes) : options.nodes;
    if (names.length === 0) throw new EngramError('invalid_argument', 'a cluster has at least one node', { hint: 'Give a number from 1 on, or names.' });
    this.#options = options;
    this.world = new SimWorld({ ...options.world, seed: options.seed, ...(options.link && { link: options.link }) });
    const everyMs = options.startEveryMs ?? 10;
    this.#startedByMs = (names.length - 1) * everyMs;
    // A spare would start by itself only after the longest run.
    this.#machines = [...names.map((name, i) => this.#add(name, i * everyMs)), ...(options.spares ?? []).map((name) => this.#add(name, Number.MAX_SAFE_INTEGER / 2_000))];
    this.nodes = this.#machines.map((machine) => new SimulatedNode(machine.id, machine));
    for (const node of this.nodes) this.#byName.set(node.name, node);
  }

  /** By name, or by its place among the nodes. Throws `invalid_argument` when there is none. */
  node(which: string | number): SimulatedNode {
    const node = typeof which === 'number' ? this.nodes[which] : this.#byName.get(which);
    if (!node) throw new EngramError('invalid_argument', `there is no node ${which}`, { hint: `There are ${this.nodes.map(({ name }) => name).join(', ')}.` });
    return node;
  }

  /** How each running node holds each other. */
  get views(): Readonly<Record<string, StateView>> {
    return Object.fromEntries(this.running.map((node) => [node.name, node.view]));
  }

  get running(): readonly SimulatedNode[] {
    return this.nodes.filter(({ alive }) => alive);
  }

  // ── What goes wrong ──────────────────────────────────────────────────────────────────────────────────────────────

  /** Ends its process without a word; with `power` what its disk had not synced is gone too. */
  kill(which: string | number, how?: KillKind): void { this.#machine(which).kill(how); }
  /** Starts its process again, with what its disk kept or without. */
  restart(which: string | number, options?: { readonly storage?: 'kept' | 'lost' }): void { this.#machine(which).restart(options); }
  /** It leaves in an orderly way and exits. */
  leave(which: string | number): void { this.#machine(which).stop(); }
  /** Nothing of its process runs for so long, as when the machine stalls. */
  pause(which: string | number, ms: number): void { this.#machine(which).pause(ms); }
  /** Nodes reach each other only within a group. Whoever is in no group is alone. */
  partition(...groups: readonly (readonly string[])[]): void { this.world.network.partition(groups); }
  /** Nothing passes from these to those; `*` is everybody. */
  block(from: readonly string[], to: readonly string[]): void { this.world.network.block(from, to); }
  /** Ends partitions, blocks and disturbances. */
  heal(): void { this.world.network.heal(); }
  /** Has all of it happen at its time. */
  apply(schedule: readonly FaultAction[]): void { applyFaults(this.world, schedule); }

  // ── What happens ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** Lets time pass. */
  run(limits: RunFor): RunResult {
    const { world } = this;
    const { until, forMs } = limits;
    const endMs = Math.min(limits.untilMs ?? Infinity, forMs === undefined ? Infinity : world.nowMs + forMs);
    if (!until) {
      if (endMs === Infinity) throw new EngramError('invalid_argument', 'a cluster never stops by itself', { hint: 'Give untilMs, forMs or until.' });
      return world.run({ untilMs: endMs });
    }
    const eventsBefore = world.events;
    const latestMs = Math.min(endMs, world.nowMs + runMsMax);
    while (!until(this) && world.nowMs < latestMs) world.run({ untilMs: Math.min(latestMs, world.nowMs + stepMs) });
    return { reason: until(this) ? 'until' : 'time', events: world.events - eventsBefore, atMs: world.nowMs };
  }

  /** True when all were started and each running node holds exactly the running ones of its cluster alive. */
  converged(): boolean {
    return this.disagreement() === undefined;
  }

  /** The first thing that keeps it from being converged, in words. */
  disagreement(): string | undefined {
    if (this.world.nowMs <= this.#startedByMs) return 'not all nodes were started yet';
    const { running } = this;
    const clusters = new Map<string, Set<string>>();
    for (const { name } of running) clusters.set(this.clusterOf(name), (clusters.get(this.clusterOf(name)) ?? new Set()).add(name));
    for (const node of running) {
      const expected = clusters.get(this.clusterOf(node.name)) as ReadonlySet<string>;
      for (const name of expected) {
        const state = node.member(name)?.state ?? 'unknown';
        if (state !== 'alive') return `${node.name} holds ${name} for ${state}, and it runs`;
      }
      const extra = node.members.find(({ id, state }) => state === 'alive' && !expected.has(id));
      if (extra) return `${node.name} holds ${extra.id} for alive, and it does not run`;
    }
    return undefined;
  }

  /** How long it took from now. Throws `deadline_exceeded` saying what is still missing. */
  runUntilConverged(options: { readonly withinMs?: number } = {}): number {
    const withinMs = options.withinMs ?? 60_000;
    const fromMs = this.world.nowMs;
    this.run({ forMs: withinMs, until: () => this.converged() });
    const missing = this.disagreement();
    if (missing !== undefined) throw new EngramError('deadline_exceeded', `not converged after ${withinMs} ms: ${missing} (seed ${this.world.seed})`);
    return this.world.nowMs - fromMs;
  }

  /** Hears what the cores want done, except what only carries bytes, from now on. */
  onEffect(listener: (seen: SeenEffect) => void): void {
    this.#listeners.push(listener);
  }

  /** The name of the cluster that a node belongs to. */
  clusterOf(name: string): string {
    return this.#options.clusterOf?.(name) ?? defaultCluster;
  }

  #add(name: string, startAtMs: number): SimNode<SimulatedProcess> {
    const options = this.#options;
    const cluster = parseClusterId(this.clusterOf(name));
    parseNodeId(name);
    return this.world.addNode(
      name,
      (env) => new SimulatedProcess(env, {
        cluster,
        id: parseNodeId(options.idOf?.(name) ?? name),
        clusterId: options.clusterIdOf?.(name),
        swim: { ...swimPresets[options.preset ?? 'fast'], ...options.swim },
        metadata: options.metadataOf?.(name),
        seeds: () => this.#seedsOf(name),
        sabotage: options.sabotageOf?.(name, env.life),
        onEffect: (effect, life) => this.#saw({ atMs: this.world.nowMs, node: name, life, effect }),
      }),
      // Always later than the constructor, so that everybody is there when the first one looks for seeds.
      { ...options.machineOf?.(name), startAtMs: startAtMs + 0.001 },
    );
  }

  /** Addresses that seeds had at the beginning: configuration does not follow a machine that is moved. */
  #seedsOf(name: string): readonly Address[] {
    const seeds = this.nodes.filter((seed) => this.clusterOf(seed.name) === this.clusterOf(name)).slice(0, this.#options.seeds ?? 3);
    return seeds.map((seed) => (this.#options.machineOf?.(seed.name).address ?? `${seed.name}:7946`) as Address);
  }

  #saw(seen: SeenEffect): void {
    if ('version' in seen.effect) this.changes.push(seen as SeenEffect & { readonly effect: MemberChange });
    for (const listener of this.#listeners) listener(seen);
  }

  #machine(which: string | number): SimNode<SimulatedProcess> {
    return this.#machines[this.nodes.indexOf(this.node(which))] as SimNode<SimulatedProcess>;
  }
}

function numbered(count: number): string[] {
  if (!Number.isSafeInteger(count) || count < 1 || count > 10_000) throw new EngramError('invalid_argument', `a cluster has 1 to 10000 nodes, not ${count}`);
  return Array.from({ length: count }, (_, i) => `n${i}`);
}
