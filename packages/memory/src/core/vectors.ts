import { EngramError } from '@engram/kernel';
import { grown } from './growable.js';

/** 1 MiB of components, or one vector when that is more. */
const pageComponents = 262_144;
const noSlot = -1;

/**
 * The vectors of one space, of one dimension, each scaled to length 1 when it comes in, so that cosine is a plain dot
 * product. They lie one after the other in pages of 1 MiB, of which the first grows to that size by doubling from a single
 * vector; a freed slot is used again.
 */
export class Vectors {
  #dimension: number | undefined;
  #perPage = 0;
  #pages: Float32Array[] = [];
  /** Per ordinal: its slot plus one, so that 0 means none. */
  #slotPlusOne = new Uint32Array(0);
  readonly #freeSlots: number[] = [];
  #slots = 0;
  #size = 0;

  /** Set by the first vector, open again once the last is removed. */
  get dimension(): number | undefined {
    return this.#dimension;
  }

  get size(): number {
    return this.#size;
  }

  /** Throws EngramError `embedding_dimension_mismatch` when a vector of this length does not fit the ones held. */
  checkDimension(embedding: Float32Array): void {
    if (this.#dimension === undefined || this.#dimension === embedding.length) return;
    throw new EngramError(
      'embedding_dimension_mismatch',
      `embedding has ${embedding.length} dimensions; the vectors of this space have ${this.#dimension}`,
      {
        hint: 'Use the model the space was begun with, or another space for the new one.',
        details: { expected: this.#dimension, given: embedding.length },
      },
    );
  }

  add(ordinal: number, embedding: Float32Array): void {
    this.checkDimension(embedding);
    if (this.#dimension === undefined) this.#begin(embedding.length);
    const slot = this.#freeSlots.pop() ?? this.#slots++;
    const page = this.#pageFor(slot, embedding.length);
    writeNormalised(embedding, page, (slot % this.#perPage) * embedding.length);
    this.#slotPlusOne = grown(this.#slotPlusOne, ordinal + 1);
    this.#slotPlusOne[ordinal] = slot + 1;
    this.#size++;
  }

  /** Does nothing for a memory without a vector. */
  remove(ordinal: number): void {
    const slot = (this.#slotPlusOne[ordinal] ?? 0) - 1;
    if (slot === noSlot) return;
    this.#slotPlusOne[ordinal] = 0;
    this.#size--;
    if (this.#size === 0) this.#reset();
    else this.#freeSlots.push(slot);
  }

  has(ordinal: number): boolean {
    return (this.#slotPlusOne[ordinal] ?? 0) !== 0;
  }

  /** Cosine of a memory that has a vector with a normalised cue, -1 to 1 up to rounding. */
  cosine(ordinal: number, cue: Float32Array): number {
    const slot = this.#slotPlusOne[ordinal]! - 1;
    return dot(this.#pages[Math.floor(slot / this.#perPage)]!, (slot % this.#perPage) * cue.length, cue);
  }

  get bytes(): number {
    return this.#pages.reduce((sum, page) => sum + page.byteLength, 0) + this.#slotPlusOne.byteLength;
  }

  /** The page a slot lies in, which is begun or grown when the slot is past its end. */
  #pageFor(slot: number, dimension: number): Float32Array {
    const number = Math.floor(slot / this.#perPage);
    const page = this.#pages[number];
    const slotsNeeded = (slot % this.#perPage) + 1;
    if (page !== undefined && page.length >= slotsNeeded * dimension) return page;
    const slots = number > 0 ? this.#perPage : Math.min(this.#perPage, Math.max(slotsNeeded, 2 * ((page?.length ?? 0) / dimension)));
    const bigger = new Float32Array(slots * dimension);
    if (page !== undefined) bigger.set(page);
    return (this.#pages[number] = bigger);
  }

  #begin(dimension: number): void {
    this.#dimension = dimension;
    this.#perPage = Math.max(1, Math.floor(pageComponents / dimension));
  }

  #reset(): void {
    this.#dimension = undefined;
    this.#pages = [];
    this.#freeSlots.length = 0;
    this.#slots = 0;
  }
}

export function normalised(embedding: Float32Array): Float32Array {
  const result = new Float32Array(embedding.length);
  writeNormalised(embedding, result, 0);
  return result;
}

/** Divides by the largest component first, so that neither huge nor tiny vectors overflow on the way. */
function writeNormalised(embedding: Float32Array, target: Float32Array, at: number): void {
  let largest = 0;
  for (let i = 0; i < embedding.length; i++) largest = Math.max(largest, Math.abs(embedding[i]!));
  let squares = 0;
  for (let i = 0; i < embedding.length; i++) squares += (embedding[i]! / largest) ** 2;
  const length = Math.sqrt(squares);
  for (let i = 0; i < embedding.length; i++) target[at + i] = embedding[i]! / largest / length;
}

/** Four running sums in a fixed order: quick, and the same bits wherever the vector lies. */
function dot(page: Float32Array, at: number, cue: Float32Array): number {
  const dimension = cue.length;
  const whole = dimension - (dimension % 4);
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  for (let i = 0; i < whole; i += 4) {
    s0 += page[at + i]! * cue[i]!;
    s1 += page[at + i + 1]! * cue[i + 1]!;
    s2 += page[at + i + 2]! * cue[i + 2]!;
    s3 += page[at + i + 3]! * cue[i + 3]!;
  }
  let sum = s0 + s1 + (s2 + s3);
  for (let i = whole; i < dimension; i++) sum += page[at + i]! * cue[i]!;
  return sum;
}
