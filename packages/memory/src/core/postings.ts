import { assert } from '@engram/kernel';
import { grown, rowsAtFirst } from './growable.js';
import { offsetOf, type Slices } from './slices.js';

/** A posting is one word: the memory's ordinal in the upper 24 bits, the term's count there, up to 255, in the lower 8. */
export const ordinalsMax = 2 ** 24;
export const termCountMax = 255;

export function packPosting(ordinal: number, count: number): number {
  return ((ordinal << 8) | (count < termCountMax ? count : termCountMax)) >>> 0;
}

const largestClass = 12;

/**
 * For each term, the memories holding it. A term's postings lie in a chain of slices that double in size (2, 4, 8 …
 * 4096 words), so a rare term costs 8 bytes and a common one next to nothing beyond its postings. The first word of a
 * slice is the address of the one before. The order of postings carries no meaning: removing one moves the last into
 * its place.
 */
export class Postings {
  readonly #slices: Slices;
  /**
   * Two words per term, side by side because they are needed together: how many memories hold it, and the address of its
   * newest slice, 0 while it has none.
   */
  #heads = new Uint32Array(2 * rowsAtFirst);

  constructor(slices: Slices) {
    this.#slices = slices;
  }

  /** Exact number of memories that hold the term now. */
  count(term: number): number {
    return this.#heads[2 * term] ?? 0;
  }

  append(term: number, posting: number): void {
    const head = 2 * term;
    this.#heads = grown(this.#heads, head + 2);
    const heads = this.#heads;
    const count = heads[head]! + 1;
    const sliceClass = newestClass(count);
    const fill = newestFill(count, sliceClass);
    let tail = heads[head + 1]!;
    if (fill === 1) {
      const next = this.#slices.allocate(sliceClass);
      this.#slices.pageOf(next)[offsetOf(next)] = tail;
      heads[head + 1] = tail = next;
    }
    this.#slices.pageOf(tail)[offsetOf(tail) + fill] = posting;
    heads[head] = count;
  }

  /** Takes the memory out of the term's postings, in time proportional to their number. */
  remove(term: number, ordinal: number): void {
    const heads = this.#heads;
    const head = 2 * term;
    const count = heads[head] ?? 0;
    const tail = heads[head + 1] ?? 0;
    const sliceClass = newestClass(count);
    const fill = newestFill(count, sliceClass);
    const last = this.#slices.pageOf(tail)[offsetOf(tail) + fill]!;
    let replaced = false;
    this.eachRun(term, (words, from, to) => {
      for (let i = from; i < to && !replaced; i++) {
        if (words[i]! >>> 8 !== ordinal) continue;
        words[i] = last;
        replaced = true;
      }
    });
    assert(replaced, 'a memory is in the postings of every term it holds', { term, ordinal });
    heads[head] = count - 1;
    if (fill > 1) return;
    heads[head + 1] = this.#slices.pageOf(tail)[offsetOf(tail)]!;
    this.#slices.free(tail, sliceClass);
  }

  /** Hands out the term's postings in runs: `words[from]` up to but not including `words[to]`. */
  eachRun(term: number, visit: (words: Uint32Array, from: number, to: number) => void): void {
    let left = this.count(term);
    let address = this.#heads[2 * term + 1] ?? 0;
    while (left > 0) {
      const fill = newestFill(left, newestClass(left));
      const words = this.#slices.pageOf(address);
      const offset = offsetOf(address);
      visit(words, offset + 1, offset + 1 + fill);
      address = words[offset]!;
      left -= fill;
    }
  }

  get bytes(): number {
    return this.#heads.byteLength;
  }
}

/** How many postings the slices up to and including a class hold: the sum of 2^c − 1 over the classes. */
function heldThrough(sliceClass: number): number {
  return (1 << (sliceClass + 1)) - 2 - sliceClass;
}

const heldBelowLargest = heldThrough(largestClass - 1);

/** The class of the newest slice in a chain of `count` postings, 1 or more. */
function newestClass(count: number): number {
  if (count > heldBelowLargest) return largestClass;
  // The class is within two of the binary logarithm; start below it.
  let sliceClass = Math.max(1, 30 - Math.clz32(count));
  while (heldThrough(sliceClass) < count) sliceClass++;
  return sliceClass;
}

/** How many postings the newest slice of such a chain holds, 1 or more; all before it are full. */
function newestFill(count: number, sliceClass: number): number {
  if (sliceClass < largestClass) return count - heldThrough(sliceClass - 1);
  return ((count - heldBelowLargest - 1) % capacityOf(largestClass)) + 1;
}

/** The first word of a slice leads to the one before. */
function capacityOf(sliceClass: number): number {
  return (1 << sliceClass) - 1;
}
