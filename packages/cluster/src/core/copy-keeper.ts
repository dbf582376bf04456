import { msBetween, plusMs, type Instant, type NodeId } from '@engram/kernel';
import { contentOf, copiesOf, type ClusterMap, type MapContent, type PartitionPlacement } from '@engram/placement/core';
import { comparePositions, type AckLevel, type Position } from '@engram/replication/core';

/** What the keeper asks of the node around it. */
export interface KeeperPorts {
  leads(partition: number): boolean;
  /** There, with the disk of the roster. */
  isAlive(node: NodeId): boolean;
  /** Back with another disk than the roster's, and not only for a moment. */
  hasOtherDisk(node: NodeId): boolean;
  storageOf(node: NodeId): string | undefined;
  /** Takes copies and primaries: neither drained nor decommissioned. */
  isActive(node: NodeId): boolean;
  /** To be decommissioned. */
  isLeavingForGood(node: NodeId): boolean;
  /** Whether any other node takes copies of that, or will again. */
  hasHeirBeside(placement: PartitionPlacement): boolean;
  /** Whether leases of those deposed earlier have run out, so that they need not be named again. */
  isSettled(deposed: NonNullable<PartitionPlacement['deposed']>): boolean;
  /** Answered by `confirmed` with the same number. */
  confirm(request: number, partition: number, level: AckLevel): void;
  /** Answered by `fenced`, for each node that can be reached. */
  fence(partition: number, epoch: number, nodes: readonly NodeId[]): void;
}

/** A primary's place on its way to another copy. */
interface Handover {
  readonly epoch: number;
  readonly to: NodeId | undefined;
  readonly until: Instant;
  /** When those that have said nothing are asked once more: the first question may have found no connection. */
  askAgainAt: Instant | undefined;
  readonly answers: Map<NodeId, Position>;
}

const handoverMs = 500;
const askAgainMs = 150;
/** How long a copy that is to leave may still offer what only it has. A tail is offered at every heartbeat. */
const partingMs = 2_000;
/** How long a copy may be on its way to a node that is not there. */
const patienceMs = 10_000;
const confirmRetryMs = 1_500;
/** How long after a hand-over the next one of that partition is begun unasked: while one lasts nobody takes writes. */
const handoverPauseMs = 2_000;
/** Confirmations and hand-overs under way at once. Who leaves hands over everything at once: the fewer changes of the map, the sooner it is done. */
const underWayMax = 64;

/**
 * What a primary sees to for the copies of its own partitions. The set of copies changes by one at a time, and only by the
 * primary that leads, once a quorum of the present set has confirmed all there is in the present epoch: so the majorities
 * before and after each change share a copy that has everything acknowledged (Ongaro 2014, section 4.1).
 *
 * ```text
 * {P B A} ─▶ moving A→D: D learns ─▶ learner-ready ─▶ {P B D A} ─▶ confirmed by all ─▶ {P B D}
 * {P B A} ─▶ A is back with an empty disk ─▶ {P B} ─▶ A enrols anew ─▶ moving →A: A learns ─▶ {P B A}
 * P ─▶ B   all copies fence themselves, P's own first of all ─▶ the furthest of the others is primary in the next epoch
 * ```
 *
 * With one copy too many, the last one named leaves; the primary instead, when it is drained or decommissioned.
 */
export class CopyKeeper {
  readonly #self: NodeId;
  readonly #ports: KeeperPorts;
  readonly #ready = new Map<number, { readonly epoch: number; readonly node: NodeId; readonly storage: string }>();
  readonly #asked = new Map<number, { readonly partition: number; readonly epoch: number; readonly level: AckLevel; readonly at: Instant }>();
  readonly #confirmed = new Map<number, { readonly epoch: number; readonly level: AckLevel; readonly at: Instant }>();
  readonly #handovers = new Map<number, Handover>();
  /** Those of them whose successor is known. */
  readonly #decided = new Set<number>();
  /** When each was last handed over, or tried to be. */
  readonly #handedOverAt = new Map<number, Instant>();
  /** Since when a copy is on its way to somebody who is not there. */
  readonly #absent = new Map<number, { readonly epoch: number; readonly since: Instant }>();
  #nextRequest = -1;

  constructor(self: NodeId, ports: KeeperPorts) {
    this.#self = self;
    this.#ports = ports;
  }

  get held(): number {
    return Math.max(this.#ready.size, this.#asked.size, this.#confirmed.size, this.#handovers.size, this.#handedOverAt.size, this.#absent.size);
  }

  isHandingOver(partition: number): boolean {
    return this.#handovers.has(partition);
  }

  get handingOver(): number {
    return this.#handovers.size;
  }

  /** Whether the successors of all that is being handed over are known. */
  get isDecided(): boolean {
    return this.#decided.size === this.#handovers.size;
  }

  learnerReady(partition: number, epoch: number, node: NodeId, storage: string): void {
    this.#ready.set(partition, { epoch, node, storage });
  }

  confirmed(request: number, reached: boolean, now: Instant): void {
    const asked = this.#asked.get(request);
    this.#asked.delete(request);
    if (asked && reached) this.#confirmed.set(asked.partition, { epoch: asked.epoch, level: asked.level, at: now });
  }

  /** Begins to give the primary's place away: to `to`, or to whoever has come furthest. At most 64 at once. */
  handOver(map: ClusterMap, partition: number, to: NodeId | undefined, now: Instant): void {
    if (this.#handovers.size < underWayMax) this.#beginHandOver(map, partition, to, plusMs(now, handoverMs), now);
  }

  /** Gives every primary's place away, each to whichever copy has come furthest. Called again and again until `until`. */
  handAllOver(map: ClusterMap, until: Instant, now: Instant): void {
    for (const [partition, placement] of map.table.entries()) {
      const handover = this.#handovers.get(partition);
      if (handover) this.#askAgain(partition, placement, handover, now);
      else this.#beginHandOver(map, partition, undefined, until, now);
    }
  }

  #beginHandOver(map: ClusterMap, partition: number, to: NodeId | undefined, until: Instant, now: Instant): void {
    const placement = map.table[partition];
    if (!placement || placement.primary !== this.#self || this.#handovers.has(partition)) return;
    if (!placement.replicas.some((id) => this.#ports.isAlive(id)) || (to !== undefined && !placement.replicas.includes(to)) || !this.#ports.leads(partition)) return;
    const epoch = placement.epoch + 1;
    this.#handovers.set(partition, { epoch, to, until, askAgainAt: plusMs(now, askAgainMs), answers: new Map() });
    this.#handedOverAt.set(partition, now);
    this.#ports.fence(partition, epoch, copiesOf(placement));
  }

  /** Gives away what this node leads to others that take primaries, a few at a time. */
  drain(map: ClusterMap, now: Instant): void {
    for (const [partition, { primary, replicas }] of map.table.entries()) {
      if (primary !== this.#self || this.#wasHandedOver(partition, now)) continue;
      if (replicas.some((id) => this.#ports.isActive(id) && this.#ports.isAlive(id))) this.handOver(map, partition, undefined, now);
    }
  }

  #wasHandedOver(partition: number, now: Instant): boolean {
    const at = this.#handedOverAt.get(partition);
    return at !== undefined && msBetween(at, now) < handoverPauseMs;
  }

  /** A copy has fenced itself. True when that decides the last hand-over under way: one change of the map then serves all. */
  fenced(map: ClusterMap, partition: number, epoch: number, node: NodeId, position: Position): boolean {
    const handover = this.#handovers.get(partition);
    if (handover?.epoch !== epoch) return false;
    handover.answers.set(node, position);
    if (this.#successor(map.table[partition] as PartitionPlacement, handover) === undefined) return false;
    this.#decided.add(partition);
    return this.isDecided;
  }

  /** The map with all that is due in it; undefined when nothing is. */
  tend(map: ClusterMap, now: Instant): MapContent | undefined {
    this.#forget(map, now);
    const table = [...map.table];
    let changed = false;
    for (const [partition, placement] of map.table.entries()) {
      if (placement.primary !== this.#self) continue;
      const handover = this.#handovers.get(partition);
      if (handover) this.#askAgain(partition, placement, handover, now);
      const next = handover ? this.#successor(placement, handover) : this.#ports.leads(partition) ? this.#step(map, partition, placement, now) : undefined;
      if (!next) continue;
      table[partition] = { ...next, epoch: placement.epoch + 1 };
      changed = true;
    }
    return changed ? { ...contentOf(map), table } : undefined;
  }

  #askAgain(partition: number, placement: PartitionPlacement, handover: Handover, now: Instant): void {
    const { epoch, askAgainAt, answers } = handover;
    if (askAgainAt === undefined || now < askAgainAt) return;
    handover.askAgainAt = undefined;
    this.#ports.fence(partition, epoch, copiesOf(placement).filter((id) => !answers.has(id)));
  }

  #step(map: ClusterMap, partition: number, placement: PartitionPlacement, now: Instant): PartitionPlacement | undefined {
    const { moving, ...still } = placement;
    const { replicas } = placement;
    const lost = replicas.find((id) => this.#ports.hasOtherDisk(id));
    if (lost !== undefined) return this.#without(lost, this.#isQuorumThere(placement) ? 'quorum' : 'local', 0, partition, placement, now);
    // With a majority gone for good nothing can be confirmed by one; whoever leads has all that was acknowledged at it.
    const abandoned = this.#isQuorumThere(placement) ? undefined : replicas.find((id) => this.#ports.isLeavingForGood(id) && !this.#ports.isAlive(id));
    if (abandoned !== undefined) return this.#without(abandoned, 'local', 0, partition, placement, now);
    const isTooMany = replicas.length > map.policies.factor;
    // A primary that is to go hands over instead.
    const leaver = isTooMany ? (this.#ports.isActive(this.#self) ? replicas.at(-1) : undefined) : moving ? undefined : this.#ports.hasHeirBeside(placement) ? undefined : replicas.find((id) => this.#ports.isLeavingForGood(id));
    if (leaver !== undefined) return this.#without(leaver, replicas.every((id) => this.#ports.isAlive(id)) ? 'all' : 'quorum', this.#ports.isAlive(leaver) ? partingMs : 0, partition, placement, now);
    if (!moving) return placement.provisional ? this.#settled(partition, placement, now) : undefined;
    const { from, to } = moving;
    const ready = this.#ready.get(partition);
    if (ready?.epoch === placement.epoch && ready.node === to && ready.storage === this.#ports.storageOf(to)) {
      if (!this.#isConfirmed(partition, placement, 'quorum', 0, now)) return undefined;
      const parts = from !== undefined && replicas.includes(from);
      return { ...still, replicas: [...(from === this.#self ? [to] : []), ...replicas.filter((id) => id !== from), ...(from === this.#self ? [] : [to]), ...(parts ? [from] : [])] };
    }
    return this.#isGivenUp(partition, placement, to, now) ? still : undefined;
  }

  /** Without one of the copies, once everything has reached the level some time ago. */
  #without(gone: NodeId, level: AckLevel, agoMs: number, partition: number, placement: PartitionPlacement, now: Instant): PartitionPlacement | undefined {
    if (!this.#isConfirmed(partition, placement, level, agoMs, now)) return undefined;
    return { ...placement, replicas: placement.replicas.filter((id) => id !== gone), ...this.#moving(placement.moving, gone) };
  }

  /** Promoted without a majority, and all copies are back and have had the time to offer what only they had. */
  #settled(partition: number, placement: PartitionPlacement, now: Instant): PartitionPlacement | undefined {
    if (!placement.replicas.every((id) => this.#ports.isAlive(id)) || !this.#isConfirmed(partition, placement, 'all', partingMs, now)) return undefined;
    const { provisional: _, ...rest } = placement;
    return rest;
  }

  #isQuorumThere({ replicas }: PartitionPlacement): boolean {
    const there = 1 + replicas.filter((id) => this.#ports.isAlive(id)).length;
    return 2 * there > replicas.length + 1;
  }

  /** A mark does not name what is no copy any more. */
  #moving(moving: PartitionPlacement['moving'], gone: NodeId): { readonly moving?: NonNullable<PartitionPlacement['moving']> } {
    return moving?.from === gone ? { moving: { from: undefined, to: moving.to } } : {};
  }

  #isGivenUp(partition: number, { epoch }: PartitionPlacement, to: NodeId, now: Instant): boolean {
    if (this.#ports.isAlive(to)) {
      this.#absent.delete(partition);
      return false;
    }
    const absent = this.#absent.get(partition);
    if (absent?.epoch === epoch) return msBetween(absent.since, now) > patienceMs;
    this.#absent.set(partition, { epoch, since: now });
    return false;
  }

  /** Whether everything there is has reached the level in this epoch, some time ago. Asks for it when not. */
  #isConfirmed(partition: number, { epoch }: PartitionPlacement, level: AckLevel, agoMs: number, now: Instant): boolean {
    const confirmed = this.#confirmed.get(partition);
    if (confirmed?.epoch === epoch && (confirmed.level === level || confirmed.level === 'all')) return msBetween(confirmed.at, now) >= agoMs;
    const isAsked = [...this.#asked.values()].some((asked) => asked.partition === partition && asked.epoch === epoch && asked.level === level);
    if (isAsked || this.#asked.size >= underWayMax) return false;
    const request = this.#nextRequest--;
    this.#asked.set(request, { partition, epoch, level, at: now });
    this.#ports.confirm(request, partition, level);
    return false;
  }

  /**
   * Who takes the place, once enough copies have fenced themselves: as in a promotion, a majority of them without the one
   * that goes, or one that has all that it has.
   */
  #successor(placement: PartitionPlacement, { epoch, to, answers }: Handover): PartitionPlacement | undefined {
    const own = answers.get(this.#self);
    if (!own || epoch !== placement.epoch + 1) return undefined;
    const copies = copiesOf(placement);
    const others = placement.replicas.flatMap((id) => { const position = answers.get(id); return position && this.#ports.isAlive(id) ? [{ id, position }] : []; });
    const furthest = others.reduce<Position | undefined>((most, { position }) => (most && comparePositions(most, position) >= 0 ? most : position), undefined);
    if (!furthest || (2 * others.length <= copies.length && comparePositions(furthest, own) < 0)) return undefined;
    // All are waited for as long as nobody has everything; who has is as good as any other that is wanted.
    const isWanted = (id: NodeId): boolean => (to === undefined ? this.#ports.isActive(id) : id === to);
    const isAwaited = placement.replicas.some((id) => isWanted(id) && this.#ports.isAlive(id) && !answers.has(id));
    const able = others.filter(({ position }) => comparePositions(position, furthest) === 0).map(({ id }) => id);
    const wanted = able.find(isWanted);
    const isComplete = others.length === placement.replicas.length || (comparePositions(furthest, own) >= 0 && (wanted !== undefined || !isAwaited));
    const primary = wanted ?? able[0];
    if (!isComplete || primary === undefined) return undefined;
    const { deposed, ...rest } = placement;
    return { ...rest, primary, replicas: copies.filter((id) => id !== primary), ...(deposed && !this.#ports.isSettled(deposed) && { deposed }) };
  }

  /** What is of an earlier epoch, or took too long. */
  #forget(map: ClusterMap, now: Instant): void {
    const isPast = (partition: number, epoch: number): boolean => map.table[partition]?.epoch !== epoch || map.table[partition]?.primary !== this.#self;
    for (const [partition, { epoch }] of this.#ready) if (isPast(partition, epoch)) this.#ready.delete(partition);
    for (const [partition, { epoch }] of this.#confirmed) if (isPast(partition, epoch)) this.#confirmed.delete(partition);
    for (const [partition, { epoch }] of this.#absent) if (isPast(partition, epoch)) this.#absent.delete(partition);
    for (const [partition, { epoch, until }] of this.#handovers) {
      if (!isPast(partition, epoch - 1) && now < until) continue;
      this.#handovers.delete(partition);
      this.#decided.delete(partition);
    }
    for (const partition of this.#handedOverAt.keys()) if (!this.#wasHandedOver(partition, now)) this.#handedOverAt.delete(partition);
    for (const [request, { at }] of this.#asked) if (msBetween(at, now) > confirmRetryMs) this.#asked.delete(request);
  }
}
