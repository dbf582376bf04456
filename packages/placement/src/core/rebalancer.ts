import { OptionsError, unreachable, type Core, type Instant, type NodeId, type Wake } from '@engram/kernel';
import { difference, type TargetPlacement } from './balancer.js';
import { contentOf, copiesOf, type ClusterMap, type MapContent, type PartitionPlacement } from './cluster-map.js';

/** What happens to a rebalancer. */
export type RebalancerEvent =
  /** The latest map: at the start, and whenever there is a later one, whoever made it. */
  | { readonly kind: 'map-learned'; readonly map: ClusterMap }
  /** The `change` asked for was not made; `map` is the latest. Nothing is lost: it is decided anew. */
  | { readonly kind: 'change-refused'; readonly map: ClusterMap }
  | { readonly kind: 'copied'; readonly partition: number; readonly to: NodeId }
  | { readonly kind: 'caught-up'; readonly partition: number; readonly to: NodeId }
  | { readonly kind: 'stepped-down'; readonly partition: number; readonly from: NodeId }
  | { readonly kind: 'failed'; readonly partition: number }
  | { readonly kind: 'paused' }
  | { readonly kind: 'resumed' };

/** What a rebalancer wants done. */
export type RebalancerEffect =
  /** Bring what the partition holds to `to`: log or snapshot, in chunks, throttled; resume where an earlier attempt ended. */
  | { readonly kind: 'copy'; readonly partition: number; readonly source: NodeId; readonly to: NodeId }
  /** Keep `to` in step with the primary; it is when the next entry that the primary acknowledges will be there as well. */
  | { readonly kind: 'catch-up'; readonly partition: number; readonly to: NodeId }
  /**
   * The primary gives its partition up: its own copy accepts nothing of an epoch below `epoch` any more, **durably**, so that
   * it cannot take up again after a restart; and once `to` has all it acknowledged, `stepped-down`. If the switch never
   * comes, it returns to office by a change of the map that opens `epoch` for itself.
   */
  | { readonly kind: 'step-down'; readonly partition: number; readonly from: NodeId; readonly to: NodeId; readonly epoch: number }
  | { readonly kind: 'change'; readonly expectedEpoch: number; readonly content: MapContent }
  /** The copy on `node` counts no more and may be deleted. Lost if the process dies first: a node that starts drops what the map no longer gives it. */
  | { readonly kind: 'drop'; readonly partition: number; readonly node: NodeId }
  | { readonly kind: 'done'; readonly failed: readonly number[] };

/** How many moves at once, and how often one is tried. */
export interface RebalancerOptions {
  /** Copies under way at once. @default 4 */
  readonly concurrent?: number;
  /** After how many failures a partition is left as it is. @default 3 */
  readonly attempts?: number;
}

/** How far the moves have come. */
export interface RebalanceProgress {
  /** Partitions that are not yet as planned, those under way included. */
  readonly left: number;
  readonly underWay: readonly number[];
  readonly failed: readonly number[];
  readonly paused: boolean;
}

type Stage = 'marking' | 'copying' | 'catching-up' | 'stepping-down' | 'switching';

interface Step {
  stage: Stage;
  readonly from: NodeId | undefined;
  readonly to: NodeId;
}

/**
 * Brings a cluster from the table it has to the one that was planned, a copy at a time and without a pause in service:
 *
 *     mark in the map -> copy -> catch up -> switch the epoch in the map -> drop the old copy
 *
 * Until the switch the old copies serve; after it the new ones do. The marks are in the map, so another node, or this
 * one after a restart, goes on from there. A primary steps down by itself before it is replaced, so nobody has to wait
 * for its lease. Switches that are due together go into one change of the map.
 */
export class Rebalancer implements Core<RebalancerEvent, RebalancerEffect> {
  readonly #target: readonly TargetPlacement[];
  readonly #options: Required<RebalancerOptions>;
  readonly #steps = new Map<number, Step>();
  readonly #failures = new Map<number, number>();
  #map: ClusterMap | undefined;
  #changing: Set<number> | undefined;
  #paused = false;
  #ended = false;

  constructor(target: readonly TargetPlacement[], options: RebalancerOptions = {}) {
    this.#target = target;
    this.#options = { concurrent: 4, attempts: 3, ...options };
    if (!(this.#options.concurrent >= 1)) throw new OptionsError('concurrent', `must be at least 1, got ${this.#options.concurrent}`);
  }

  get progress(): RebalanceProgress {
    const left = [...this.#target.keys()].filter((partition) => this.#nextStep(partition) !== undefined || this.#steps.has(partition));
    return { left: left.length, underWay: [...this.#steps.keys()], failed: this.#failed(), paused: this.#paused };
  }

  handle(event: RebalancerEvent | Wake, _now: Instant): readonly RebalancerEffect[] {
    switch (event.kind) {
      case 'map-learned':    return this.#learn(event.map, true);
      case 'change-refused': return this.#learn(event.map, false);
      case 'copied':         return this.#advance(event.partition, event.to, 'copying');
      case 'caught-up':      return this.#advance(event.partition, event.to, 'catching-up');
      case 'stepped-down':   return this.#advance(event.partition, undefined, 'stepping-down');
      case 'failed':         return this.#fail(event.partition);
      case 'paused':         return this.#pause();
      case 'resumed':        return this.#resume();
      case 'wake':           return [];
      default:               return unreachable(event);
    }
  }

  nextWake(): undefined {
    return undefined;
  }

  #learn(map: ClusterMap, mayBeOurs: boolean): readonly RebalancerEffect[] {
    if (this.#map !== undefined && map.epoch < this.#map.epoch) return [];
    // Only the version right after the one expected can be the change asked for; any later one says that it is decided.
    if (!mayBeOurs || (this.#map !== undefined && map.epoch > this.#map.epoch)) this.#changing = undefined;
    this.#map = map;
    const effects: RebalancerEffect[] = [];
    for (const [partition, step] of [...this.#steps]) effects.push(...this.#follow(partition, step));
    for (const [partition, { moving }] of map.table.entries()) if (moving !== undefined && !this.#steps.has(partition)) effects.push(...this.#takeUp(partition, moving.from, moving.to));
    return [...effects, ...this.#go()];
  }

  /** What the new map means for a step under way. */
  #follow(partition: number, step: Step): readonly RebalancerEffect[] {
    const placement = this.#placement(partition);
    const holds = copiesOf(placement).includes(step.to);
    if (step.stage === 'marking' && placement.moving?.to === step.to) return this.#takeUp(partition, step.from, step.to);
    if (step.stage === 'switching' && holds && (step.from === undefined ? placement.primary === step.to || placement.moving === undefined : !copiesOf(placement).includes(step.from))) {
      this.#steps.delete(partition);
      return step.from === undefined ? [] : [{ kind: 'drop', partition, node: step.from }];
    }
    // Somebody took the mark away: the plan is overtaken for this partition, and is looked at afresh.
    if (step.stage !== 'marking' && !holds && placement.moving?.to !== step.to) this.#steps.delete(partition);
    return [];
  }

  #takeUp(partition: number, from: NodeId | undefined, to: NodeId): readonly RebalancerEffect[] {
    this.#steps.set(partition, { stage: 'copying', from, to });
    return [{ kind: 'copy', partition, source: this.#placement(partition).primary, to }];
  }

  #advance(partition: number, to: NodeId | undefined, at: Stage): readonly RebalancerEffect[] {
    const step = this.#steps.get(partition);
    if (step === undefined || step.stage !== at || (to !== undefined && step.to !== to)) return [];
    if (at === 'copying') {
      step.stage = 'catching-up';
      return [{ kind: 'catch-up', partition, to: step.to }];
    }
    const { primary, epoch } = this.#placement(partition);
    if (at === 'catching-up' && step.from === primary) {
      step.stage = 'stepping-down';
      return [{ kind: 'step-down', partition, from: primary, to: step.to, epoch: epoch + 1 }];
    }
    step.stage = 'switching';
    return this.#go();
  }

  #fail(partition: number): readonly RebalancerEffect[] {
    const step = this.#steps.get(partition);
    if (step === undefined) return [];
    this.#steps.delete(partition);
    const failures = (this.#failures.get(partition) ?? 0) + 1;
    this.#failures.set(partition, failures);
    // The mark stays while it is tried again, and goes with the next change once it is not.
    if (failures < this.#options.attempts && this.#placement(partition).moving !== undefined) return this.#takeUp(partition, step.from, step.to);
    return this.#go();
  }

  #pause(): readonly RebalancerEffect[] {
    this.#paused = true;
    return [];
  }

  #resume(): readonly RebalancerEffect[] {
    this.#paused = false;
    return this.#go();
  }

  /** Starts what may start, and asks for one change with all that is due in the map. */
  #go(): readonly RebalancerEffect[] {
    if (this.#map === undefined || this.#changing !== undefined) return [];
    const effects: RebalancerEffect[] = [];
    for (let partition = 0; partition < this.#target.length && !this.#paused && this.#steps.size < this.#options.concurrent; partition++) {
      const next = this.#steps.has(partition) || this.#failed().includes(partition) ? undefined : this.#nextStep(partition);
      if (next === undefined) continue;
      this.#steps.set(partition, next);
      const { primary, epoch } = this.#placement(partition);
      if (next.stage === 'stepping-down') effects.push({ kind: 'step-down', partition, from: primary, to: next.to, epoch: epoch + 1 });
    }
    const table = [...this.#map.table];
    const due = new Set<number>();
    for (const [partition, step] of this.#steps) {
      if (step.stage !== 'marking' && step.stage !== 'switching') continue;
      table[partition] = step.stage === 'marking' ? { ...this.#placement(partition), moving: { from: step.from, to: step.to } } : this.#switched(partition, step);
      due.add(partition);
    }
    for (const partition of this.#failed()) {
      const { moving, ...rest } = this.#placement(partition);
      if (moving === undefined) continue;
      table[partition] = rest;
      due.add(partition);
    }
    if (due.size > 0) {
      this.#changing = due;
      return [...effects, { kind: 'change', expectedEpoch: this.#map.epoch, content: { ...contentOf(this.#map), table } }];
    }
    if (effects.length > 0 || this.#steps.size > 0 || this.#paused || this.#ended) return effects;
    this.#ended = true;
    return [{ kind: 'done', failed: this.#failed() }];
  }

  /** What to do first about a partition that is not as planned: copies before primaries, an added copy before one too many. */
  #nextStep(partition: number): Step | undefined {
    const target = this.#target[partition];
    if (target === undefined || this.#map === undefined) return undefined;
    const placement = this.#placement(partition);
    const { added, removed } = difference(placement, target);
    const [to] = added;
    // A replica goes before the primary does, so that the primary changes hands once at most.
    const from = removed.toSorted((a, b) => Number(a === placement.primary) - Number(b === placement.primary))[0];
    if (to !== undefined) return { stage: 'marking', from: removed.length >= added.length ? from : undefined, to };
    if (placement.primary !== target.primary) return { stage: 'stepping-down', from: undefined, to: target.primary };
    return from === undefined ? undefined : { stage: 'switching', from, to: target.primary };
  }

  #switched(partition: number, step: Step): PartitionPlacement {
    const { moving: _, deposed, provisional, ...placement } = this.#placement(partition);
    const target = this.#target[partition] as TargetPlacement;
    const kept = copiesOf(placement).filter((id) => id !== step.from && id !== step.to);
    const hands = step.from === placement.primary || (step.from === undefined && target.primary === step.to && copiesOf(placement).includes(step.to));
    const primary = hands ? step.to : placement.primary;
    const copies = [...new Set([...kept, step.to])].filter((id) => id !== primary);
    return { ...placement, epoch: placement.epoch + 1, primary, replicas: copies, ...(deposed && { deposed }), ...(provisional && { provisional }) };
  }

  #placement(partition: number): PartitionPlacement {
    return (this.#map as ClusterMap).table[partition] as PartitionPlacement;
  }

  #failed(): number[] {
    return [...this.#failures].filter(([, failures]) => failures >= this.#options.attempts).map(([partition]) => partition);
  }
}
