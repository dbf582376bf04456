import { plusMs, type NodeId, type Random } from '@engram/kernel';
import type { SimNode, SimWorld } from '@engram/kernel/sim';
import { comparePositions, holdersOf, isMajority, type CopyHolder, type PartitionEntry, type Position, type ReplicationEffect } from '../../src/core/index.js';
import type { SimReplica } from './sim-replica.js';

export interface AuthorityDefects {
  /** Promotes whoever answers first and asks nobody for a promise. */
  readonly skipFence?: boolean;
  /** Promotes without a new epoch. */
  readonly reuseEpoch?: boolean;
}

interface Promotion {
  readonly partition: number;
  readonly epoch: number;
  readonly startedMs: number;
  readonly answers: Map<NodeId, { readonly storage: string; readonly position: Position }>;
}

const leaseMs = 600;

/**
 * Stands in for placement's register, its leases and its promoter: one place that is always up, decides who leads by the
 * rules of ruling 10, and reaches the nodes that are on its side of a cut. Written down in the test because placement is
 * another package; its rules are what replication counts on.
 */
export class TableAuthority {
  readonly table = new Map<number, PartitionEntry>();
  /** Nodes that cannot be reached from here. */
  readonly cutOff = new Set<string>();
  readonly leaseUntilMs = new Map<NodeId, number>();
  promotions = 0;
  moves = 0;
  readonly #world: SimWorld;
  readonly #nodes: readonly SimNode<SimReplica>[];
  readonly #random: Random;
  readonly #defects: AuthorityDefects;
  readonly #pending = new Map<number, Promotion>();
  readonly #highest = new Map<number, number>();
  /** Nodes whose lease is not renewed until the entry that they cannot lead by has changed. */
  readonly #withheld = new Map<NodeId, PartitionEntry>();
  #moving: { readonly partition: number; readonly to: NodeId; readonly from: NodeId } | undefined;

  constructor(world: SimWorld, nodes: readonly SimNode<SimReplica>[], entries: readonly PartitionEntry[], defects: AuthorityDefects) {
    this.#world = world;
    this.#nodes = nodes;
    this.#random = world.random('authority');
    this.#defects = defects;
    for (const entry of entries) this.#set(entry);
    this.#tickLater();
  }

  reachable(node: SimNode<SimReplica>): boolean {
    return node.alive && !node.paused && !this.cutOff.has(node.id);
  }

  heard(node: NodeId, effect: ReplicationEffect): void {
    switch (effect.kind) {
      case 'copy-fenced':   return this.#fenced(effect);
      case 'learner-ready': return this.#ready(effect.partition, { node: effect.node, storage: effect.storage });
      case 'superseded':
      case 'cannot-lead': {
        this.#highest.set(effect.partition, Math.max(this.#highest.get(effect.partition) ?? 0, effect.promised));
        const entry = this.table.get(effect.partition)!;
        if (entry.primary === node) this.#withheld.set(node, entry);
        return;
      }
    }
  }

  /** Gives one copy of a partition to a node that has none: learner, then both sets, then the new one. */
  beginMove(): void {
    if (this.#moving !== undefined) return;
    const entry = this.#random.pick([...this.table.values()]);
    const outside = this.#nodes.filter(({ id }) => !holdersOf(entry).some(({ node }) => node === id));
    const from = entry.copies.filter(({ node }) => node !== entry.primary);
    const to = outside.length === 0 ? undefined : this.#random.pick(outside);
    if (to?.process === undefined || !this.reachable(to) || entry.next !== undefined || this.#pending.has(entry.partition)) return;
    this.#moving = { partition: entry.partition, to: to.id as NodeId, from: this.#random.pick(from).node };
    this.#set({ ...entry, epoch: this.#nextEpoch(entry.partition), learners: [{ node: to.id as NodeId, storage: to.process.storageId }] });
  }

  #tickLater(): void {
    this.#world.at(this.#world.nowMs + 100, () => {
      this.#tick();
      this.#tickLater();
    });
  }

  #tick(): void {
    for (const node of this.#nodes) {
      const id = node.id as NodeId;
      if (!this.reachable(node)) continue;
      // The table comes first: a lease covers what is known when it is handed over.
      node.process!.driver.dispatch({ kind: 'table-changed', entries: [...this.table.values()] });
      const withheld = this.#withheld.get(id);
      if (withheld !== undefined && this.table.get(withheld.partition) === withheld) continue;
      this.#withheld.delete(id);
      this.leaseUntilMs.set(id, this.#world.nowMs + leaseMs);
      const env = node.process!;
      env.driver.dispatch({ kind: 'lease', validUntil: plusMs(env.now, leaseMs) });
    }
    for (const entry of this.table.values()) this.#watch(entry);
  }

  #watch(entry: PartitionEntry): void {
    const pending = this.#pending.get(entry.partition);
    if (pending !== undefined && this.#world.nowMs - pending.startedMs < 500) return;
    this.#pending.delete(entry.partition);
    if ((this.leaseUntilMs.get(entry.primary) ?? leaseMs) > this.#world.nowMs) return;
    const promoters = this.#nodes.filter((node) => this.reachable(node));
    if (promoters.length === 0) return;
    const epoch = this.#nextEpoch(entry.partition);
    this.#pending.set(entry.partition, { partition: entry.partition, epoch, startedMs: this.#world.nowMs, answers: new Map() });
    if (this.#defects.skipFence === true) return this.#promoteAnyone(entry, epoch, promoters);
    this.#random.pick(promoters).process!.driver.dispatch({ kind: 'fence-copies', partition: entry.partition, epoch, nodes: holdersOf({ ...entry, learners: [] }).map(({ node }) => node) });
  }

  #fenced({ partition, epoch, node, storage, granted, promised, position }: Extract<ReplicationEffect, { kind: 'copy-fenced' }>): void {
    this.#highest.set(partition, Math.max(this.#highest.get(partition) ?? 0, promised));
    const pending = this.#pending.get(partition);
    if (!granted || pending?.epoch !== epoch) return;
    pending.answers.set(node, { storage, position });
    const entry = this.table.get(partition)!;
    const answered = [...pending.answers].map(([holder, { storage: disk }]) => ({ node: holder, storage: disk }));
    if (!isMajority(entry, answered)) return;
    const counting = holdersOf({ ...entry, learners: [] });
    const best = [...pending.answers].filter(([holder, { storage: disk }]) => counting.some((one) => one.node === holder && one.storage === disk)).sort(([, a], [, b]) => comparePositions(b.position, a.position))[0]!;
    this.#promote(entry, best[0], epoch);
  }

  #promoteAnyone(entry: PartitionEntry, epoch: number, promoters: readonly SimNode<SimReplica>[]): void {
    const holder = promoters.find(({ id }) => entry.copies.some(({ node }) => node === id));
    if (holder !== undefined) this.#promote(entry, holder.id as NodeId, epoch);
  }

  #promote(entry: PartitionEntry, primary: NodeId, epoch: number): void {
    this.#pending.delete(entry.partition);
    this.promotions++;
    this.leaseUntilMs.set(primary, Math.max(this.leaseUntilMs.get(primary) ?? 0, this.#world.nowMs + leaseMs));
    // A primary that stands outside the new set after a move could not be in both; the table keeps the sets as they are.
    this.#set({ ...entry, primary, epoch: this.#defects.reuseEpoch === true ? entry.epoch : epoch });
  }

  /** A disk that did not count has all that it needs to. */
  #ready(partition: number, holder: CopyHolder): void {
    const entry = this.table.get(partition)!;
    if (this.#pending.has(partition)) return;
    const renewed = (copies: readonly CopyHolder[]): readonly CopyHolder[] => copies.map((copy) => (copy.node === holder.node ? holder : copy));
    const inCopies = entry.copies.some(({ node, storage }) => node === holder.node && storage !== holder.storage);
    const inNext = entry.next?.some(({ node, storage }) => node === holder.node && storage !== holder.storage) ?? false;
    if (inCopies || inNext) return this.#set({ ...entry, epoch: this.#nextEpoch(partition), copies: renewed(entry.copies), ...(entry.next && { next: renewed(entry.next) }) });
    const moving = this.#moving;
    if (moving?.partition !== partition || moving.to !== holder.node || !entry.learners?.some(({ node }) => node === holder.node)) return;
    const { learners: _, ...rest } = entry;
    const next = [...entry.copies.filter(({ node }) => node !== moving.from), holder];
    if (!next.some(({ node }) => node === entry.primary)) return this.#giveUpMove(entry);
    this.#set({ ...rest, epoch: this.#nextEpoch(partition), next });
    this.#world.at(this.#world.nowMs + 1_500, () => this.#finishMove(partition));
  }

  /** The old set goes once the primary leads with both. */
  #finishMove(partition: number): void {
    const entry = this.table.get(partition)!;
    const primary = this.#nodes.find(({ id }) => id === entry.primary);
    const leads = primary?.process?.core.partition(partition);
    const settled = leads?.role === 'primary' && leads.epoch === entry.epoch && leads.committed > 0 && leads.committed === leads.position.seq;
    if (entry.next === undefined) return;
    if (!settled || this.#pending.has(partition)) return this.#world.at(this.#world.nowMs + 300, () => this.#finishMove(partition));
    const { next, ...rest } = entry;
    // Meanwhile someone was promoted who is not to stay: the move is taken back, which any majority of both sets allows.
    if (!next.some(({ node }) => node === entry.primary)) return this.#giveUpMove(rest);
    this.#set({ ...rest, epoch: this.#nextEpoch(partition), copies: next });
    this.moves++;
    this.#moving = undefined;
  }

  #giveUpMove(entry: PartitionEntry): void {
    const { learners: _, ...rest } = entry;
    this.#set({ ...rest, epoch: this.#nextEpoch(entry.partition) });
    this.#moving = undefined;
  }

  #nextEpoch(partition: number): number {
    return Math.max(this.#highest.get(partition) ?? 0, this.table.get(partition)?.epoch ?? 0, this.#pending.get(partition)?.epoch ?? 0) + 1;
  }

  #set(entry: PartitionEntry): void {
    this.table.set(entry.partition, entry);
    this.#highest.set(entry.partition, Math.max(this.#highest.get(entry.partition) ?? 0, entry.epoch));
  }
}
