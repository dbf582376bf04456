import { assert, EngramError, type MemoryId } from '@engram/kernel';
import type { Cue, RecallOptions, RecallResult } from './cue.js';
import type { Memory } from './memory.js';
import type { RecallTuning } from './options.js';

/**
 * Everything needed to recall from one space, in memory. What a recall answers depends only on the set of memories it
 * holds: not on the order they came in, on what came and went in between, or on restarts.
 */
export class SpaceIndex {
  readonly #memories = new Map<MemoryId, Memory>();

  constructor(_tuning: RecallTuning = {}) {}

  /** How many memories are held. */
  get size(): number {
    return this.#memories.size;
  }

  /** The dimension of the vectors held; undefined while no memory held has one. */
  get dimension(): number | undefined {
    for (const memory of this.#memories.values()) if (memory.embedding) return memory.embedding.length;
    return undefined;
  }

  has(id: MemoryId): boolean {
    return this.#memories.has(id);
  }

  /**
   * Throws EngramError `embedding_dimension_mismatch` when a vector of this length cannot join or be compared. A writer
   * asks before it logs, so a logged memory can always be added.
   */
  checkDimension(embedding: Float32Array | undefined): void {
    if (embedding !== undefined && this.dimension !== undefined && this.dimension !== embedding.length) {
      throw new EngramError('embedding_dimension_mismatch', `embedding has ${embedding.length} dimensions; this space holds vectors of ${this.dimension}`);
    }
  }

  /**
   * Takes in a memory that passed `checkMemory` and whose id is not held. Keeps no reference to it.
   * Throws `embedding_dimension_mismatch` and leaves the index unchanged.
   */
  add(memory: Memory): void {
    assert(!this.has(memory.id), 'a memory is added to an index once', { id: memory.id });
    this.checkDimension(memory.embedding);
    this.#memories.set(memory.id, memory);
  }

  /** Forgets a memory; false when it was not held. */
  remove(id: MemoryId): boolean {
    return this.#memories.delete(id);
  }

  /**
   * Throws EngramError `invalid_argument` for a cue or options that break their rules, `embedding_dimension_mismatch`
   * for a vector of another dimension.
   */
  recall(_cue: Cue, _options: RecallOptions): RecallResult {
    return { hits: [], confidence: 0 };
  }
}
