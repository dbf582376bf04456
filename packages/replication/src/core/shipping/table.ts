import type { NodeId } from '@engram/kernel';

/** How many durable copies a write wants before it is answered. */
export type AckLevel = 'local' | 'replica' | 'quorum' | 'all';

/** From the weakest promise to the strongest. */
export const ackLevels: readonly AckLevel[] = ['local', 'replica', 'quorum', 'all'];

/**
 * A node and the disk it had when the table named it. A node that comes back with another disk has forgotten what it
 * acknowledged and promised, so it is not this holder any more: it is filled like a newcomer and counts for nothing until
 * the table names its new storage.
 */
export interface CopyHolder {
  readonly node: NodeId;
  readonly storage: string;
}

/** Who holds a partition. Every change of it, of the copies too, comes with a higher epoch. */
export interface PartitionEntry {
  readonly partition: number;
  /** From 1 on. */
  readonly epoch: number;
  readonly primary: NodeId;
  /** All copies that count, the primary's among them (or among `next`, when the promotion fell into a move). */
  readonly copies: readonly CopyHolder[];
  /** The copies after a move that is under way; levels then need both sets. Name a node as learner first, so that writes never wait for a copy that is being filled. */
  readonly next?: readonly CopyHolder[];
  /** Are shipped everything and count for nothing. */
  readonly learners?: readonly CopyHolder[];
}

/** Everyone the primary ships to and itself, each node once. */
export function holdersOf(entry: PartitionEntry): readonly CopyHolder[] {
  const holders = new Map<NodeId, CopyHolder>();
  for (const holder of [...entry.copies, ...(entry.next ?? []), ...(entry.learners ?? [])]) {
    if (!holders.has(holder.node)) holders.set(holder.node, holder);
  }
  return [...holders.values()];
}

/** Whether this disk is one that counts. */
export function counts(entry: PartitionEntry, node: NodeId, storage: string): boolean {
  const isIt = (holder: CopyHolder): boolean => holder.node === node && holder.storage === storage;
  return entry.copies.some(isIt) || (entry.next?.some(isIt) ?? false);
}

/**
 * Whether the answers of these disks are a majority, of both sets while a move is under way. The promoter asks it of
 * `fenced` answers; the primary computes the same from positions.
 */
export function isMajority(entry: PartitionEntry, answered: readonly CopyHolder[]): boolean {
  const majorityOf = (copies: readonly CopyHolder[]): boolean =>
    copies.filter(({ node, storage }) => answered.some((one) => one.node === node && one.storage === storage)).length * 2 > copies.length;
  return majorityOf(entry.copies) && (entry.next === undefined || majorityOf(entry.next));
}

/**
 * The highest seq that has reached `level`, from what each holder has durably. `of` answers 0 for a holder that is not
 * there. The primary's own disk is one of the copies.
 */
export function reachedSeq(entry: PartitionEntry, level: AckLevel, of: (holder: CopyHolder) => number): number {
  const sets = entry.next === undefined ? [entry.copies] : [entry.copies, entry.next];
  switch (level) {
    case 'local':
      return of(sets.flat().find(({ node }) => node === entry.primary)!);
    case 'replica':
      return nthHighest(holdersOf({ ...entry, learners: [] }).map(of), 2);
    case 'quorum':
      return Math.min(...sets.map((copies) => nthHighest(copies.map(of), Math.floor(copies.length / 2) + 1)));
    case 'all':
      return Math.min(...sets.flat().map(of));
  }
}

function nthHighest(seqs: number[], n: number): number {
  return seqs.sort((a, b) => b - a)[n - 1] ?? 0;
}

/** What is wrong with an entry of the table, or undefined. */
export function entryComplaint(entry: PartitionEntry): string | undefined {
  if (!Number.isInteger(entry.partition) || entry.partition < 0 || entry.partition > 0xffff_ffff) return 'partition must be an unsigned 32-bit integer';
  if (!Number.isSafeInteger(entry.epoch) || entry.epoch < 1) return 'epoch must be a whole number from 1 on';
  if (![...entry.copies, ...(entry.next ?? [])].some(({ node }) => node === entry.primary)) return `the primary ${entry.primary} is not among the copies`;
  for (const set of [entry.copies, entry.next ?? [], entry.learners ?? []]) {
    if (set.length > copiesMax) return `at most ${copiesMax} copies`;
    if (new Set(set.map(({ node }) => node)).size !== set.length) return 'a node holds one copy at most';
  }
  return undefined;
}

/** Copies of one partition at most, in each set that the table names. */
export const copiesMax = 15;
