import { OptionsError, type NodeId } from '@engram/kernel';
import type { ClusterPolicies, PartitionPlacement, PlacementStrategy, RosterNode } from './cluster-map.js';
import { fairShares } from './fair-shares.js';

/** What a plan is to keep apart, and how even it has to be. */
export interface BalanceOptions {
  /** @default 'zone_aware' */
  readonly strategy?: PlacementStrategy;
  /** `preferred`: copies share a zone when there are too few zones. `hard`: then there are fewer copies instead. @default 'preferred' */
  readonly spread?: 'preferred' | 'hard';
  /** How far from its fair share a node may be, as a fraction, before anything moves for balance alone. Half of it is where moving stops. @default 0.1 */
  readonly tolerance?: number;
}

/** Where a plan puts one partition; its epoch and marks come with the moves that lead there. */
export interface TargetPlacement {
  readonly primary: NodeId;
  readonly replicas: readonly NodeId[];
}

/** A table, and how even it is. */
export interface PlacementPlan {
  readonly table: readonly TargetPlacement[];
  /** The largest share of a node over its fair one, less 1; by load, of all copies. 0.2 is a fifth too much. */
  readonly imbalance: number;
  readonly imbalanceBefore: number;
  /** What no plan can go below: partitions are whole. */
  readonly floor: number;
  /** The same as `imbalance`, of primaries alone. */
  readonly primaryImbalance: number;
  /** Partitions with fewer copies than the policy wants, because there are too few nodes, or zones where those are `hard`. */
  readonly underReplicated: readonly number[];
}

interface Resolved {
  readonly strategy: PlacementStrategy;
  readonly spread: 'preferred' | 'hard';
  readonly tolerance: number;
}

/**
 * A table for these nodes that moves as little as it can: copies on nodes that left or are decommissioning go elsewhere,
 * missing ones are added where there is most room, and only when a node is further from its fair share than the
 * tolerance do others move, from the fullest to the emptiest. Draining nodes keep their copies and are primary of none.
 * The same input gives the same plan.
 *
 * @param current what stands; its table may be of placements or of an earlier plan
 * @param loads how heavy each partition is, in any unit; without it all count alike
 */
export function planPlacement(
  current: { readonly roster: readonly RosterNode[]; readonly policies: Pick<ClusterPolicies, 'factor'>; readonly table: readonly (TargetPlacement | undefined)[] },
  loads?: readonly number[],
  options: BalanceOptions = {},
): PlacementPlan {
  const planner = new Planner(current.roster, current.policies.factor + 1, current.table, loads, resolve(options));
  return planner.plan();
}

/** The table that a new cluster begins with: every partition placed, in epoch 1. */
export function firstTable(roster: readonly RosterNode[], partitions: number, policies: Pick<ClusterPolicies, 'factor'>, options: BalanceOptions = {}): PartitionPlacement[] {
  const { table } = planPlacement({ roster, policies, table: new Array<undefined>(partitions).fill(undefined) }, undefined, options);
  return table.map((target) => ({ epoch: 1, ...target }));
}

/** What it takes to get from one table to another. */
export interface MovePreview {
  /** Copies that travel; without `from` one is added, and read from the primary. */
  readonly copies: readonly { readonly partition: number; readonly from: NodeId | undefined; readonly to: NodeId; readonly load: number }[];
  /** Primaries that change to a node that holds a copy, before or after such a move. No data travels for it. */
  readonly primaries: readonly { readonly partition: number; readonly from: NodeId; readonly to: NodeId }[];
  /** The load of all copies that travel, in the unit of `loads`. */
  readonly load: number;
}

/** The moves from `current` to `target`, in the order of partitions. */
export function previewMoves(current: readonly TargetPlacement[], target: readonly TargetPlacement[], loads?: readonly number[]): MovePreview {
  const copies: MovePreview['copies'][number][] = [];
  const primaries: MovePreview['primaries'][number][] = [];
  for (const [partition, to] of target.entries()) {
    const from = current[partition];
    if (from === undefined) continue;
    const load = loads?.[partition] ?? 1;
    const { added, removed } = difference(from, to);
    for (const [i, node] of added.entries()) copies.push({ partition, from: removed[i], to: node, load });
    if (from.primary !== to.primary) primaries.push({ partition, from: from.primary, to: to.primary });
  }
  return { copies, primaries, load: copies.reduce((sum, move) => sum + move.load, 0) };
}

/** Copies that one placement has and the other has not. */
export function difference(from: TargetPlacement, to: TargetPlacement): { readonly added: readonly NodeId[]; readonly removed: readonly NodeId[] } {
  const [was, is] = [[from.primary, ...from.replicas], [to.primary, ...to.replicas]];
  return { added: is.filter((id) => !was.includes(id)), removed: was.filter((id) => !is.includes(id)) };
}

function resolve(options: BalanceOptions): Resolved {
  const resolved = { strategy: 'zone_aware' as const, spread: 'preferred' as const, tolerance: 0.1, ...options };
  if (!(resolved.tolerance >= 0 && resolved.tolerance <= 1)) throw new OptionsError('tolerance', `must lie from 0 to 1, got ${resolved.tolerance}`);
  return resolved;
}

/** Nodes are numbers in here, their places in the roster; a plan of a thousand partitions takes milliseconds. */
class Planner {
  readonly #nodes: readonly RosterNode[];
  readonly #wanted: number;
  readonly #options: Resolved;
  /** The domain of failure of each node. */
  readonly #domain: readonly number[];
  readonly #takes: readonly boolean[];
  /** What each partition weighs. */
  readonly #weight: readonly number[];
  readonly #isUniform: boolean;
  /** The nodes of each partition. */
  readonly #copies: number[][];
  readonly #before: readonly (readonly number[])[];
  readonly #primary: number[];
  readonly #load: number[];
  readonly #primaryLoad: number[];
  readonly #fair: readonly number[];
  readonly #primaryFair: readonly number[];

  constructor(roster: readonly RosterNode[], wanted: number, table: readonly (TargetPlacement | undefined)[], loads: readonly number[] | undefined, options: Resolved) {
    this.#nodes = roster;
    this.#wanted = wanted;
    this.#options = options;
    this.#domain = domainsOf(roster, options.strategy);
    this.#takes = roster.map(({ state }) => state === 'active');
    this.#weight = weightsOf(table.length, loads);
    this.#isUniform = this.#weight.every((weight) => weight === this.#weight[0]);
    const index = new Map(roster.map(({ id }, at) => [id, at]));
    const known = (ids: readonly NodeId[]): number[] => ids.map((id) => index.get(id)).filter((at) => at !== undefined);
    this.#before = table.map((placement) => (placement === undefined ? [] : known([placement.primary, ...placement.replicas])));
    this.#copies = this.#before.map((copies) => copies.filter((at) => roster[at]?.state !== 'decommissioning'));
    this.#primary = table.map((placement) => (placement === undefined ? -1 : (index.get(placement.primary) ?? -1)));
    this.#load = roster.map(() => 0);
    this.#primaryLoad = roster.map(() => 0);
    for (const [partition, copies] of this.#copies.entries()) for (const node of copies) this.#load[node]! += this.#weight[partition]!;
    const total = this.#weight.reduce((sum, weight) => sum + weight, 0);
    const capacities = roster.map(({ capacity }, at) => (this.#takes[at] ? capacity : 0));
    this.#fair = fairShares(capacities, this.#domain, total, Math.min(wanted, this.#takes.filter(Boolean).length));
    this.#primaryFair = fairShares(capacities, this.#domain, total, 1);
  }

  plan(): PlacementPlan {
    const imbalanceBefore = this.#imbalance(this.#load, this.#fair);
    this.#trim();
    const isRepair = this.#fill();
    this.#respread();
    this.#level(isRepair);
    this.#choosePrimaries();
    this.#levelPrimaries();
    const id = (at: number): NodeId => (this.#nodes[at] as RosterNode).id;
    return {
      table: this.#copies.map((copies, partition) => {
        const primary = this.#primary[partition] as number;
        return { primary: id(primary), replicas: copies.filter((at) => at !== primary).map(id) };
      }),
      imbalance: this.#imbalance(this.#load, this.#fair),
      imbalanceBefore,
      floor: this.#floor(),
      primaryImbalance: this.#imbalance(this.#primaryLoad, this.#primaryFair),
      underReplicated: [...this.#copies.keys()].filter((partition) => (this.#copies[partition] as number[]).length < this.#wanted),
    };
  }

  /** Copies beyond the wanted number go from where they share a domain, then from the fullest node; the primary's stays. */
  #trim(): void {
    for (const [partition, copies] of this.#copies.entries()) {
      while (copies.length > this.#wanted) {
        const candidates = copies.filter((at) => at !== this.#primary[partition] || copies.length === 1);
        this.#remove(partition, best(candidates, (at) => [-this.#sharing(copies, at), -this.#relative(at)]) as number);
      }
    }
  }

  /** The heaviest first, each copy where it shares no domain and there is most room. */
  #fill(): boolean {
    const order = [...this.#copies.keys()].filter((partition) => (this.#copies[partition] as number[]).length < this.#wanted).toSorted((a, b) => this.#weight[b]! - this.#weight[a]! || a - b);
    for (const partition of order) {
      const copies = this.#copies[partition] as number[];
      while (copies.length < this.#wanted) {
        const node = this.#roomiest(partition, copies);
        if (node === undefined) break;
        this.#add(partition, node);
      }
      // Nobody takes it who should: better with whoever is left than nowhere.
      if (copies.length === 0) this.#add(partition, this.#before[partition]?.[0] ?? 0);
    }
    return order.length > 0;
  }

  #roomiest(partition: number, copies: readonly number[]): number | undefined {
    const candidates: number[] = [];
    for (let node = 0; node < this.#nodes.length; node++) {
      if (!this.#takes[node] || copies.includes(node)) continue;
      if (this.#options.spread === 'hard' && this.#inDomain(copies, this.#domain[node] as number) > 0) continue;
      candidates.push(node);
    }
    return best(candidates, (node) => [this.#inDomain(copies, this.#domain[node] as number), (this.#load[node]! + this.#weight[partition]!) / this.#fair[node]!, scatter(partition, node)]);
  }

  /** Copies that share a domain move to one that has none, when there is one. */
  #respread(): void {
    for (const [partition, copies] of this.#copies.entries()) {
      for (const node of [...copies]) {
        if (this.#inDomain(copies, this.#domain[node] as number) < 2) continue;
        const free = this.#nodes.map((_, at) => at).filter((at) => this.#takes[at] && this.#inDomain(copies, this.#domain[at] as number) === 0);
        const to = best(free, (at) => [this.#relative(at), scatter(partition, at)]);
        if (to !== undefined) this.#move(partition, node, to);
      }
    }
  }

  /**
   * Moves for balance alone: first what the emptiest lack, then what the fullest have too much of. A plan that replaces
   * lost copies moves those alone; whether that left anything to be levelled is the question of the next plan.
   */
  #level(isRepair: boolean): void {
    const { tolerance } = this.#options;
    const off = (at: number): number => Math.abs(this.#relative(at) - 1);
    const takers = this.#takers();
    if (!takers.some((at) => off(at) > tolerance)) return;
    for (let moves = 0; moves < this.#copies.length * this.#wanted; moves++) {
      const byRoom = takers.toSorted((a, b) => this.#relative(a) - this.#relative(b));
      const empty = byRoom.filter((at) => this.#relative(at) < 1 - tolerance / 2);
      const full = byRoom.filter((at) => this.#relative(at) > 1 + tolerance / 2).reverse();
      const byLoad = byRoom.toReversed();
      const moved = empty.some((to) => byLoad.some((from) => this.#levelOnce(from, to, isRepair))) || full.some((from) => byRoom.some((to) => this.#levelOnce(from, to, isRepair)));
      if (!moved) return;
    }
  }

  /** Moves the partition that brings the two closest, if any does without copies sharing a domain that did not. */
  #levelOnce(from: number, to: number, isRepair: boolean): boolean {
    const gap = this.#relative(from);
    if (from === to || this.#relative(to) >= gap) return false;
    let chosen = -1;
    let least = gap - 1e-9;
    for (let partition = 0; partition < this.#copies.length; partition++) {
      const copies = this.#copies[partition] as number[];
      if (!copies.includes(from) || copies.includes(to)) continue;
      const isFree = !(this.#before[partition] as readonly number[]).includes(from);
      if (isRepair && !isFree) continue;
      const weight = this.#weight[partition]!;
      const worse = Math.max((this.#load[from]! - weight) / this.#fair[from]!, (this.#load[to]! + weight) / this.#fair[to]!);
      // What moves anyway in this plan moves first: it costs nothing more.
      const score = worse - (isFree ? 1e-6 : 0);
      if (score >= least || !this.#keepsSpread(copies, from, to)) continue;
      [chosen, least] = [partition, score];
      // Of equals the first will do, and there may be thousands.
      if (this.#isUniform && (isFree || !isRepair)) break;
    }
    if (chosen < 0) return false;
    this.#move(chosen, from, to);
    return true;
  }

  #keepsSpread(copies: readonly number[], from: number, to: number): boolean {
    const domain = this.#domain[to] as number;
    return domain === this.#domain[from] || this.#inDomain(copies, domain) < this.#inDomain(copies, this.#domain[from] as number);
  }

  /** Primaries stay where they are while they may; others go to the copy whose node has fewest. */
  #choosePrimaries(): void {
    const homeless: number[] = [];
    for (const [partition, copies] of this.#copies.entries()) {
      const primary = this.#primary[partition] as number;
      if (copies.includes(primary) && this.#takes[primary]) this.#primaryLoad[primary]! += this.#weight[partition]!;
      else homeless.push(partition);
    }
    for (const partition of homeless) {
      const copies = this.#copies[partition] as number[];
      const able = copies.filter((at) => this.#takes[at]);
      const primary = best(able.length > 0 ? able : copies, (at) => [able.length > 0 ? (this.#primaryLoad[at]! + this.#weight[partition]!) / this.#primaryFair[at]! : 0, scatter(partition, at)]) as number;
      this.#primary[partition] = primary;
      this.#primaryLoad[primary]! += this.#weight[partition]!;
    }
  }

  /** Hands primaries on, directly or through others, from whoever has most to whoever has few. */
  #levelPrimaries(): void {
    const relative = (at: number): number => this.#primaryLoad[at]! / this.#primaryFair[at]!;
    const takers = this.#takers();
    const { tolerance } = this.#options;
    if (!takers.some((at) => Math.abs(relative(at) - 1) > tolerance)) return;
    for (let moves = 0; moves < 2 * this.#copies.length; moves++) {
      const byLoad = takers.toSorted((a, b) => relative(b) - relative(a));
      const full = byLoad.filter((at) => relative(at) > 1 + tolerance / 2);
      const empty = byLoad.filter((at) => relative(at) < 1 - tolerance / 2).reverse();
      const byRoom = byLoad.toReversed();
      const hands = (from: number, to: number): boolean => from !== to && relative(from) > relative(to) && this.#handOn(from, to, relative);
      if (!full.some((from) => byRoom.some((to) => hands(from, to))) && !empty.some((to) => byLoad.some((from) => hands(from, to)))) return;
    }
  }

  /** A chain of partitions from one node to another, each handed to the next node, if that leaves the two more equal. */
  #handOn(from: number, to: number, relative: (at: number) => number): boolean {
    const cameBy = new Map<number, { readonly node: number; readonly partition: number }>();
    const queue = [from];
    for (let node = queue.shift(); node !== undefined && !cameBy.has(to); node = queue.shift()) {
      for (let partition = 0; partition < this.#copies.length && !cameBy.has(to); partition++) {
        if (this.#primary[partition] !== node) continue;
        for (const next of this.#copies[partition] as number[]) {
          if (next === from || cameBy.has(next) || !this.#takes[next]) continue;
          cameBy.set(next, { node, partition });
          queue.push(next);
        }
      }
    }
    const chain: { readonly partition: number; readonly node: number; readonly next: number }[] = [];
    for (let next = to; next !== from; ) {
      const step = cameBy.get(next);
      if (step === undefined) return false;
      chain.push({ ...step, next });
      next = step.node;
    }
    const gap = relative(from);
    for (const { partition, node, next } of chain) this.#hand(partition, node, next);
    if (Math.max(relative(from), relative(to), ...chain.map(({ next }) => (next === to ? 0 : relative(next) - 0.02))) < gap - 1e-9) return true;
    for (const { partition, node, next } of chain) this.#hand(partition, next, node);
    return false;
  }

  #hand(partition: number, from: number, to: number): void {
    this.#primary[partition] = to;
    this.#primaryLoad[from]! -= this.#weight[partition]!;
    this.#primaryLoad[to]! += this.#weight[partition]!;
  }

  #takers(): number[] {
    return [...this.#takes.keys()].filter((at) => this.#takes[at]);
  }

  #relative(at: number): number {
    return this.#fair[at]! > 0 ? this.#load[at]! / this.#fair[at]! : Infinity;
  }

  #imbalance(loads: readonly number[], fair: readonly number[]): number {
    const ratios = this.#takers().filter((at) => fair[at]! > 0).map((at) => loads[at]! / fair[at]!);
    return ratios.length === 0 ? 0 : Math.max(0, Math.max(...ratios) - 1);
  }

  /** Somebody has at least its fair share, in whole partitions; and somebody has the heaviest. */
  #floor(): number {
    const fair = this.#takers().map((at) => this.#fair[at]!).filter((share) => share > 0);
    if (fair.length === 0) return 0;
    const [lightest, heaviest] = [Math.min(...this.#weight), Math.max(...this.#weight)];
    const whole = lightest === heaviest ? Math.min(...fair.map((share) => (Math.ceil(share / heaviest - 1e-9) * heaviest) / share)) - 1 : 0;
    return Math.max(0, whole, heaviest / Math.max(...fair) - 1);
  }

  #inDomain(copies: readonly number[], domain: number): number {
    let count = 0;
    for (const at of copies) if (this.#domain[at] === domain) count++;
    return count;
  }

  #sharing(copies: readonly number[], at: number): number {
    return this.#inDomain(copies, this.#domain[at] as number);
  }

  #move(partition: number, from: number, to: number): void {
    this.#remove(partition, from);
    this.#add(partition, to);
  }

  #remove(partition: number, node: number): void {
    const copies = this.#copies[partition] as number[];
    copies.splice(copies.indexOf(node), 1);
    this.#load[node]! -= this.#weight[partition]!;
  }

  #add(partition: number, node: number): void {
    (this.#copies[partition] as number[]).push(node);
    this.#load[node]! += this.#weight[partition]!;
  }
}

function domainsOf(roster: readonly RosterNode[], strategy: PlacementStrategy): number[] {
  const numbers = new Map<string, number>();
  return roster.map(({ id, zone, rack }) => {
    const alone = `node ${id}`;
    const name = strategy === 'zone_aware' ? (zone === '' ? alone : `zone ${zone}`) : strategy === 'rack_aware' ? (rack === '' ? alone : `rack ${zone}/${rack}`) : alone;
    const number = numbers.get(name) ?? numbers.size;
    numbers.set(name, number);
    return number;
  });
}

/** A tenth of the mean is added to each, so that the many empty partitions of a young cluster are spread as well. */
function weightsOf(partitions: number, loads: readonly number[] | undefined): number[] {
  const given = Array.from({ length: partitions }, (_, at) => Math.max(0, loads?.[at] ?? 0));
  const mean = given.reduce((sum, load) => sum + load, 0) / Math.max(1, partitions);
  return mean === 0 ? given.map(() => 1) : given.map((load) => load / mean + 0.1);
}

/** The candidate with the least score, compared place by place. */
function best(candidates: readonly number[], score: (candidate: number) => readonly number[]): number | undefined {
  let winner: number | undefined;
  let least: readonly number[] = [];
  for (const candidate of candidates) {
    const scored = score(candidate);
    const at = scored.findIndex((value, place) => value !== least[place]);
    if (winner === undefined || (at >= 0 && (scored[at] as number) < (least[at] as number))) [winner, least] = [candidate, scored];
  }
  return winner;
}

/** Breaks ties differently for each partition, so that no two nodes share all they hold. */
function scatter(partition: number, node: number): number {
  let mixed = Math.imul(partition + 1, 0x9e3779b1) ^ Math.imul(node + 1, 0x85ebca77);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0xc2b2ae3d);
  return (mixed ^ (mixed >>> 13)) >>> 0;
}

