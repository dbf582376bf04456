import type { SpaceId } from '@engram/kernel';
import { DEFAULT_PARTITIONS, partitionOf } from '@engram/placement';

/** Names of spaces come from clients, so what is remembered about them has a bound. */
export const rememberedSpacesMax = 65_536;

/**
 * The partition of each space, remembered. It never changes and hashing the name takes longer than most of what a store
 * does, about a tenth of its processor time; when the memory is full it starts afresh.
 */
export class SpacePartitions {
  readonly #known = new Map<SpaceId, number>();
  readonly #partitions: number;

  /** @param partitions of the cluster; fixed once it is formed */
  constructor(partitions: number = DEFAULT_PARTITIONS) {
    this.#partitions = partitions;
  }

  get size(): number {
    return this.#known.size;
  }

  of(space: SpaceId): number {
    const known = this.#known.get(space);
    if (known !== undefined) return known;
    const partition = partitionOf(space, this.#partitions);
    if (this.#known.size >= rememberedSpacesMax) this.#known.clear();
    this.#known.set(space, partition);
    return partition;
  }
}
