import { assert, plusMs, unreachable, type Core, type Instant, type NodeId, type Wake } from '@engram/kernel';
import { contentOf, copiesOf, type ClusterMap, type ClusterPolicies, type MapContent, type PartitionPlacement } from './cluster-map.js';
import type { LeaseReply, LeaseRequest } from './lease-messages.js';
import { isMajority, voterKey, type Voter } from './quorum.js';

/** How far a copy has come: entries are ordered by epoch, then by number. */
export interface CopyProgress {
  readonly partition: number;
  readonly epoch: number;
  readonly seq: number;
}

/** What happens to a promotion. */
export type PromotionEvent =
  | { readonly kind: 'started' }
  | { readonly kind: 'lease-answered'; readonly from: Voter; readonly reply: LeaseReply }
  /** A copy has fenced itself: it accepts nothing of an epoch below the one asked for, and has come this far. */
  | { readonly kind: 'sealed'; readonly from: NodeId; readonly progress: readonly CopyProgress[] }
  /** The `change` was made, or refused because the map is another one by now: it decides anew from that. */
  | { readonly kind: 'changed'; readonly map: ClusterMap }
  | { readonly kind: 'change-refused'; readonly map: ClusterMap };

/** What a promotion wants done. */
export type PromotionEffect =
  | { readonly kind: 'inquire'; readonly to: Voter; readonly request: LeaseRequest }
  /**
   * Ask a copy to accept nothing of an epoch below `epoch` any more, durably, and to say how far it has come. A primary that is
   * alive after all, and whose copies refuse it therefore, opens that epoch for itself by a change of the map.
   */
  | { readonly kind: 'seal'; readonly to: NodeId; readonly partitions: readonly { readonly partition: number; readonly epoch: number }[] }
  | { readonly kind: 'change'; readonly expectedEpoch: number; readonly content: MapContent }
  /** Done. Partitions in `waiting` have too few copies in reach; start again when more are. */
  | { readonly kind: 'ended'; readonly promoted: readonly number[]; readonly provisional: readonly number[]; readonly waiting: readonly number[] }
  /** The node holds its lease, as far as a majority of voters can tell within the time: it is alive, or they are not in reach. */
  | { readonly kind: 'given-up'; readonly reason: 'lease-still-runs' };

/** How long a promotion waits, and for what. */
export interface PromotionOptions {
  /** How long copies may take to seal, once more cannot change the choice it goes on at once. @default 300 */
  readonly sealTimeoutMs?: number;
  /** How often voters are asked again whether the lease has run out, at the latest. @default 250 */
  readonly inquireMs?: number;
  /** How long to wait for the lease to run out. @default 10_000 */
  readonly leaseTimeoutMs?: number;
}

/** What becomes of one partition whose primary is gone. */
export type PromotionChoice =
  | { readonly kind: 'promote'; readonly placement: PartitionPlacement }
  /** So many copies have answered and so many are needed. */
  | { readonly kind: 'wait'; readonly have: number; readonly need: number };

/**
 * Who takes a partition over: of the copies that answered, the one that has come furthest, by epoch and then by number;
 * of equals, the first in the order of `placement`. A quorum acknowledgement is durable at a majority of copies, so a
 * majority of them holds it, and its furthest one does. With fewer the policy decides: `majority` waits, `available`
 * promotes the best there is and marks it provisional.
 *
 * @param progress of the copies that have sealed, by node
 * @param mapEpoch of the map that the choice will be part of
 * @param isSettled whether the leases of those deposed earlier have certainly run out, so that they need not be named again
 */
export function choosePrimary(
  placement: PartitionPlacement,
  progress: ReadonlyMap<NodeId, { readonly epoch: number; readonly seq: number }>,
  policy: ClusterPolicies['partition'],
  mapEpoch: number,
  isSettled: (deposed: NonNullable<PartitionPlacement['deposed']>) => boolean = () => false,
): PromotionChoice {
  const copies = copiesOf(placement);
  const answered = copies.filter((id) => progress.has(id));
  const need = Math.floor(copies.length / 2) + 1;
  const candidates = answered.filter((id) => id !== placement.primary);
  let furthest: NodeId | undefined;
  for (const id of candidates) if (furthest === undefined || isFurther(progress.get(id) as CopyProgress, progress.get(furthest) as CopyProgress)) furthest = id;
  const isClean = answered.length >= need;
  if (furthest === undefined || (!isClean && policy === 'majority')) return { kind: 'wait', have: answered.length, need };
  const { deposed: earlier, provisional: _, ...rest } = placement;
  const nodes = [...new Set([...(earlier === undefined || isSettled(earlier) ? [] : earlier.nodes), placement.primary])];
  const promoted: PartitionPlacement = {
    ...rest,
    epoch: placement.epoch + 1,
    primary: furthest,
    replicas: copies.filter((id) => id !== furthest),
    deposed: { nodes, since: mapEpoch },
    ...(isClean ? {} : { provisional: true as const }),
  };
  return { kind: 'promote', placement: promoted };
}

function isFurther(a: { readonly epoch: number; readonly seq: number }, b: { readonly epoch: number; readonly seq: number }): boolean {
  return a.epoch > b.epoch || (a.epoch === b.epoch && a.seq > b.seq);
}

/** Where a promotion stands; see `Promotion`. */
export type PromotionPhase = 'idle' | 'lease' | 'sealing' | 'changing' | 'over';

/**
 * Takes over from a node that seems dead, for all partitions of which it is primary:
 *
 *     lease      a majority of voters says that its lease has run out
 *     sealing    its copies fence themselves and say how far they have come
 *     changing   one change of the map opens a new epoch for each partition
 *
 * Waiting for the lease first keeps a node that is merely suspected in office. Safety does not rest on it: a new primary
 * acknowledges only when its own `LeaseHolder` agrees, whatever was done here, and by whomever at the same time.
 */
export class Promotion implements Core<PromotionEvent, PromotionEffect> {
  readonly #node: NodeId;
  readonly #options: Required<PromotionOptions>;
  readonly #isSettled: (deposed: NonNullable<PartitionPlacement['deposed']>) => boolean;
  #map: ClusterMap;
  #phase: PromotionPhase = 'idle';
  #attempt = 0;
  #nextAt: Instant | undefined;
  #giveUpAt: Instant | undefined;
  #runOut = new Set<string>();
  #progress = new Map<NodeId, ReadonlyMap<number, CopyProgress>>();
  #outcome: { promoted: number[]; provisional: number[]; waiting: number[] } = { promoted: [], provisional: [], waiting: [] };

  constructor(node: NodeId, map: ClusterMap, options: PromotionOptions = {}, isSettled: (deposed: NonNullable<PartitionPlacement['deposed']>) => boolean = () => false) {
    this.#node = node;
    this.#map = map;
    this.#options = { sealTimeoutMs: 300, inquireMs: 250, leaseTimeoutMs: 10_000, ...options };
    this.#isSettled = isSettled;
  }

  get phase(): PromotionPhase {
    return this.#phase;
  }

  handle(event: PromotionEvent | Wake, now: Instant): readonly PromotionEffect[] {
    switch (event.kind) {
      case 'started':        return this.#start(now);
      case 'lease-answered': return this.#weigh(event.from, event.reply, now);
      case 'sealed':         return this.#collect(event.from, event.progress, now);
      case 'changed':        return this.#phase === 'changing' ? this.#end() : [];
      case 'change-refused': return this.#phase === 'changing' ? this.#again(event.map, now) : [];
      case 'wake':           return this.#wake(now);
      default:               return unreachable(event);
    }
  }

  nextWake(): Instant | undefined {
    return this.#phase === 'lease' || this.#phase === 'sealing' ? this.#nextAt : undefined;
  }

  #start(now: Instant): readonly PromotionEffect[] {
    assert(this.#phase === 'idle', 'a promotion is started once');
    this.#giveUpAt = plusMs(now, this.#options.leaseTimeoutMs);
    return this.#inquire(now);
  }

  #wake(now: Instant): readonly PromotionEffect[] {
    if (this.#nextAt === undefined || now < this.#nextAt) return [];
    if (this.#phase === 'sealing') return this.#decide(now);
    if (this.#phase !== 'lease') return [];
    if (now < (this.#giveUpAt as Instant)) return this.#inquire(now);
    this.#phase = 'over';
    return [{ kind: 'given-up', reason: 'lease-still-runs' }];
  }

  #inquire(now: Instant): readonly PromotionEffect[] {
    this.#phase = 'lease';
    this.#attempt += 1;
    this.#runOut = new Set();
    this.#nextAt = plusMs(now, this.#options.inquireMs);
    const request: LeaseRequest = { kind: 'inquire', attempt: this.#attempt, node: this.#node };
    return this.#map.voters.map((to) => ({ kind: 'inquire', to, request }));
  }

  #weigh(from: Voter, reply: LeaseReply, now: Instant): readonly PromotionEffect[] {
    if (this.#phase !== 'lease' || reply.kind !== 'state' || reply.attempt !== this.#attempt || reply.node !== this.#node) return [];
    // Asked again when it may have run out, so that no second is lost between two rounds.
    if (reply.runsOutInMs > 0) {
      const again = plusMs(now, Math.max(1, reply.runsOutInMs));
      if (this.#nextAt === undefined || again < this.#nextAt) this.#nextAt = again;
      return [];
    }
    this.#runOut.add(voterKey(from));
    return isMajority(this.#map.voters, this.#runOut) ? this.#seal(now) : [];
  }

  #orphans(): number[] {
    return [...this.#map.table.keys()].filter((partition) => (this.#map.table[partition] as PartitionPlacement).primary === this.#node);
  }

  #seal(now: Instant): readonly PromotionEffect[] {
    this.#phase = 'sealing';
    this.#progress = new Map();
    this.#nextAt = plusMs(now, this.#options.sealTimeoutMs);
    const asked = new Map<NodeId, { partition: number; epoch: number }[]>();
    for (const partition of this.#orphans()) {
      const placement = this.#map.table[partition] as PartitionPlacement;
      for (const id of placement.replicas) asked.set(id, [...(asked.get(id) ?? []), { partition, epoch: placement.epoch + 1 }]);
    }
    if (asked.size === 0) return this.#decide(now);
    return [...asked].map(([to, partitions]) => ({ kind: 'seal', to, partitions }));
  }

  #collect(from: NodeId, progress: readonly CopyProgress[], now: Instant): readonly PromotionEffect[] {
    if (this.#phase !== 'sealing') return [];
    this.#progress.set(from, new Map(progress.map((each) => [each.partition, each])));
    const everybody = this.#orphans().every((partition) => (this.#map.table[partition] as PartitionPlacement).replicas.every((id) => this.#progress.get(id)?.has(partition)));
    return everybody ? this.#decide(now) : [];
  }

  #decide(_now: Instant): readonly PromotionEffect[] {
    const mapEpoch = this.#map.epoch + 1;
    const table = [...this.#map.table];
    this.#outcome = { promoted: [], provisional: [], waiting: [] };
    for (const partition of this.#orphans()) {
      const answers = new Map<NodeId, CopyProgress>();
      for (const [id, progress] of this.#progress) {
        const each = progress.get(partition);
        if (each !== undefined) answers.set(id, each);
      }
      const choice = choosePrimary(table[partition] as PartitionPlacement, answers, this.#map.policies.partition, mapEpoch, this.#isSettled);
      if (choice.kind === 'wait') this.#outcome.waiting.push(partition);
      else {
        table[partition] = choice.placement;
        this.#outcome.promoted.push(partition);
        if (choice.placement.provisional) this.#outcome.provisional.push(partition);
      }
    }
    if (this.#outcome.promoted.length === 0) return this.#end();
    this.#phase = 'changing';
    return [{ kind: 'change', expectedEpoch: this.#map.epoch, content: { ...contentOf(this.#map), table } }];
  }

  /** Somebody else changed the map: what is still orphaned in it is sealed for its epochs there. */
  #again(map: ClusterMap, now: Instant): readonly PromotionEffect[] {
    this.#map = map;
    if (this.#orphans().length > 0) return this.#seal(now);
    this.#outcome = { promoted: [], provisional: [], waiting: [] };
    return this.#end();
  }

  #end(): readonly PromotionEffect[] {
    this.#phase = 'over';
    return [{ kind: 'ended', ...this.#outcome }];
  }
}
