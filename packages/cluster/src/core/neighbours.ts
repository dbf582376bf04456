import { msBetween, type Instant, type NodeId } from '@engram/kernel';
import type { ClusterMap, RosterNode } from '@engram/placement/core';
import type { NodeCard, SeenNode } from './cluster-messages.js';
import { storagesOf } from './table-entries.js';

/** How long a node that the map names may stay unheard of after this one has started, before it counts as gone. */
export const unseenMs = 5_000;
/** How long a node shows another disk before its copies are given up: two processes of one name would take turns. */
const otherDiskMs = 2_000;

/** All nodes as membership sees them and as the map has them: who is there, with which disk, and whether that has been calm. */
export class Neighbours {
  readonly #self: { readonly id: NodeId; readonly storageId: string };
  #seen: ReadonlyMap<NodeId, SeenNode> = new Map();
  #roster: ReadonlyMap<NodeId, RosterNode> = new Map();
  #storages: ReadonlyMap<NodeId, string> = new Map();
  /** Nodes that are there with another disk than the roster has, and since when. */
  readonly #otherDisks = new Map<NodeId, Instant>();
  #since: Instant;
  /** Since when nobody has come or gone; undefined once that is of no interest. */
  #calmSince: Instant | undefined;
  readonly #isLeaving: () => boolean;

  /** @param isLeaving whether others shall not count on this node any more */
  constructor(self: { readonly id: NodeId; readonly storageId: string }, isLeaving: () => boolean, now: Instant) {
    this.#self = self;
    this.#isLeaving = isLeaving;
    this.#since = now;
    this.#calmSince = now;
  }

  get size(): number { return this.#seen.size; }
  /** The disk of every node in the roster. */
  get storages(): ReadonlyMap<NodeId, string> { return this.#storages; }
  /** What those that are there say about themselves, as far as they have. */
  get cards(): readonly NodeCard[] { return [...this.#seen.values()].flatMap(({ alive, card }) => (alive && card ? [card] : [])); }
  /** Others that are there, whatever the roster has of them. */
  get others(): readonly NodeId[] { return [...this.#seen.values()].filter(({ alive }) => alive).map(({ id }) => id); }
  /** Whether the roster has this node, with this disk. */
  get belongs(): boolean { return this.#storages.get(this.#self.id) === this.#self.storageId; }

  /** From here on others are missed when they are not heard of. */
  joined(now: Instant): void {
    this.#since = now;
  }

  hasWaited(ms: number, now: Instant): boolean {
    return msBetween(this.#since, now) >= ms;
  }

  /** All others that membership knows of. True when somebody has come or gone. */
  meet(nodes: readonly SeenNode[], now: Instant): boolean {
    const before = this.#seen;
    this.#seen = new Map(nodes.map((node) => [node.id, node]));
    if (!nodes.some(({ id, alive }) => before.get(id)?.alive !== alive)) return false;
    this.#calmSince = now;
    return true;
  }

  learned(map: ClusterMap): void {
    this.#storages = storagesOf(map);
    this.#roster = new Map(map.roster.map((node) => [node.id, node]));
  }

  /** To be called now and then. */
  watchDisks(now: Instant): void {
    for (const { id, alive, card } of this.#seen.values()) {
      const known = this.#storages.get(id);
      if (alive && card && known !== undefined && card.storageId !== known) {
        if (!this.#otherDisks.has(id)) this.#otherDisks.set(id, now);
      } else this.#otherDisks.delete(id);
    }
  }

  /** Whether it is there, with the disk that the roster has of it. */
  isAlive(id: NodeId): boolean {
    if (id === this.#self.id) return !this.#isLeaving() && this.belongs;
    const seen = this.#seen.get(id);
    return seen?.alive === true && (seen.card === undefined || seen.card.storageId === this.#storages.get(id));
  }

  /** Whether what the map says of it has to be done by others. */
  isGone(id: NodeId, now: Instant): boolean {
    if (id === this.#self.id) return false;
    // After everybody was started anew, a node that stays away is one that nobody has seen leave.
    if (!this.#seen.has(id)) return msBetween(this.#since, now) > unseenMs;
    return !this.isAlive(id);
  }

  /** Back with another disk than the roster's, and not only for a moment. */
  hasOtherDisk(id: NodeId, now: Instant): boolean {
    return msBetween(this.#otherDisks.get(id) ?? now, now) > otherDiskMs;
  }

  /** Takes copies and primaries: neither drained nor decommissioned. */
  isActive(id: NodeId): boolean {
    return this.#roster.get(id)?.state === 'active';
  }

  isLeavingForGood(id: NodeId): boolean {
    return this.#roster.get(id)?.state === 'decommissioning';
  }

  /** Whether any node beside those takes copies, or will again. */
  hasHeirBeside(ids: readonly NodeId[]): boolean {
    return [...this.#roster.values()].some(({ id, state }) => state !== 'decommissioning' && !ids.includes(id));
  }

  /** Whether nobody has come or gone for so long, or nobody wants to wait for that. */
  isCalm(forMs: number, now: Instant): boolean {
    return this.#calmSince === undefined || msBetween(this.#calmSince, now) >= forMs;
  }

  /** As if everything had been calm for long. */
  calmDown(): void {
    this.#calmSince = undefined;
  }
}
