import type { MemoryId } from '@engram/kernel';
import type { Cue, RecallOptions, RecallResult } from './cue.js';
import type { Memory } from './memory.js';
import { MemoryTable } from './memory-table.js';
import { resolveRecallTuning, type RecallTuning, type ResolvedRecallTuning } from './options.js';
import { recall } from './recall.js';

/**
 * Everything needed to recall from one space, in memory. What a recall answers depends only on the set of memories it
 * holds: not on the order they came in, on what came and went in between, or on restarts.
 */
export class SpaceIndex {
  readonly #table = new MemoryTable();
  readonly #tuning: ResolvedRecallTuning;

  /** Throws OptionsError for a tuning out of range. */
  constructor(tuning: RecallTuning = {}) {
    this.#tuning = resolveRecallTuning(tuning);
  }

  /** How many memories are held. */
  get size(): number {
    return this.#table.size;
  }

  /** The dimension of the vectors held; undefined while no memory held has one. */
  get dimension(): number | undefined {
    return this.#table.vectors.dimension;
  }

  /** Roughly what the index takes beside ids and distinct words, in bytes. */
  get bytes(): number {
    return this.#table.bytes;
  }

  /** Whether a memory of this id can be recalled. */
  has(id: MemoryId): boolean {
    return this.#table.has(id);
  }

  /**
   * Throws EngramError `embedding_dimension_mismatch` when a vector of this length cannot join or be compared. A writer
   * asks before it logs, so a logged memory can always be added.
   */
  checkDimension(embedding: Float32Array | undefined): void {
    if (embedding !== undefined) this.#table.vectors.checkDimension(embedding);
  }

  /**
   * Takes in a memory that passed `checkMemory` and whose id is not held. Keeps no reference to it.
   * Throws EngramError `embedding_dimension_mismatch`, or `capacity_exhausted` past 2^24 memories, and leaves the index
   * unchanged.
   */
  add(memory: Memory): void {
    this.#table.add(memory);
  }

  /** Forgets a memory; false when it was not held. */
  remove(id: MemoryId): boolean {
    return this.#table.remove(id);
  }

  /**
   * Throws EngramError `invalid_argument` for a cue or options that break their rules, `embedding_dimension_mismatch`
   * for a vector of another dimension.
   */
  recall(cue: Cue, options: RecallOptions): RecallResult {
    return recall(this.#table, this.#tuning, cue, options);
  }
}
