import type { MemoryId, SpaceId } from '@engram/kernel';
import { SpaceIndex, type Memory } from '../core/index.js';
import type { SpacePolicy } from './operation.js';
import type { SpaceRecord } from './record-codec.js';

/** A space in numbers. */
export interface SpaceSummary {
  readonly space: SpaceId;
  /** How many memories can be read. */
  readonly memories: number;
  /** How many ids were forgotten and can never be used again. */
  readonly forgotten: number;
  /** Bytes of the stored memories as encoded, without lmdb's own overhead. */
  readonly bytes: number;
  /** Length of the embeddings of this space, once a first one was stored. */
  readonly dimension?: number;
  readonly policy: SpacePolicy;
}

/** What the store keeps in RAM of one space: what a recall needs, and sums. Contents stay on disk. */
export class SpaceState {
  readonly #space: SpaceId;
  readonly #index = new SpaceIndex();
  #forgotten = 0;
  #bytes = 0;
  #dimension: number | undefined;
  #policy: SpacePolicy = {};

  constructor(space: SpaceId, record?: SpaceRecord) {
    this.#space = space;
    this.#policy = record?.policy ?? {};
    this.#dimension = record?.dimension;
  }

  get index(): SpaceIndex {
    return this.#index;
  }

  get memories(): number {
    return this.#index.size;
  }

  get forgotten(): number {
    return this.#forgotten;
  }

  get dimension(): number | undefined {
    return this.#dimension;
  }

  has(id: MemoryId): boolean {
    return this.#index.has(id);
  }

  /** Returns true when the record of the space changed: its first embedding fixes the dimension. */
  add(memory: Memory, bytes: number): boolean {
    const first = this.#dimension === undefined && memory.embedding !== undefined;
    if (first) this.#dimension = memory.embedding!.length;
    this.#index.add(this.#searchable(memory));
    this.#bytes += bytes;
    return first;
  }

  remove(id: MemoryId, bytes: number): void {
    if (this.#index.remove(id)) this.#bytes -= bytes;
  }

  noteForgotten(count = 1): void {
    this.#forgotten += count;
  }

  setPolicy(policy: SpacePolicy): void {
    this.#policy = policy;
  }

  record(): SpaceRecord {
    return { policy: this.#policy, dimension: this.#dimension };
  }

  summary(): SpaceSummary {
    return {
      space: this.#space,
      memories: this.#index.size,
      forgotten: this.#forgotten,
      bytes: this.#bytes,
      policy: this.#policy,
      ...(this.#dimension === undefined ? {} : { dimension: this.#dimension }),
    };
  }

  /**
   * `admit` keeps other dimensions out, yet two first embeddings in flight at once may both pass it. The log then decides
   * which came first; the other memory is kept whole and found by its words, only not by its vector.
   */
  #searchable(memory: Memory): Memory {
    if (memory.embedding === undefined || memory.embedding.length === this.#dimension) return memory;
    const { embedding: _other, ...rest } = memory;
    return rest;
  }
}
