import { assert } from '@engram/kernel';
import { grown } from './growable.js';
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
  /** Per term: address of its newest slice, 0 while it has none. */
  #tail = new Uint32Array(64);
  /** Per term: how many memories hold it. */
  #count = new Uint32Array(64);

  constructor(slices: Slices) {
    this.#slices = slices;
  }

  /** Exact number of memories that hold the term now. */
  count(term: number): number {
    return this.#count[term] ?? 0;
  }

  append(term: number, posting: number): void {
    this.#tail = grown(this.#tail, term + 1);
    this.#count = grown(this.#count, term + 1);
    const count = this.#count[term]!;
    const { fill, capacity, sliceClass } = tailShape(count);
    let tail = this.#tail[term]!;
    if (count === 0 || fill === capacity) {
      const next = this.#slices.allocate(count === 0 ? 1 : Math.min(sliceClass + 1, largestClass));
      this.#slices.pageOf(next)[offsetOf(next)] = tail;
      this.#tail[term] = tail = next;
      this.#slices.pageOf(tail)[offsetOf(tail) + 1] = posting;
    } else {
      this.#slices.pageOf(tail)[offsetOf(tail) + 1 + fill] = posting;
    }
    this.#count[term] = count + 1;
  }

  /** Takes the memory out of the term's postings, in time proportional to their number. */
  remove(term: number, ordinal: number): void {
    const count = this.#count[term]!;
    const tail = this.#tail[term]!;
    const { fill, sliceClass } = tailShape(count);
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
    this.#count[term] = count - 1;
    if (fill > 1) return;
    this.#tail[term] = this.#slices.pageOf(tail)[offsetOf(tail)]!;
    this.#slices.free(tail, sliceClass);
  }

  /** Hands out the term's postings in runs: `words[from]` up to but not including `words[to]`. */
  eachRun(term: number, visit: (words: Uint32Array, from: number, to: number) => void): void {
    let left = this.count(term);
    let address = this.#tail[term] ?? 0;
    while (left > 0) {
      const { fill } = tailShape(left);
      const words = this.#slices.pageOf(address);
      const offset = offsetOf(address);
      visit(words, offset + 1, offset + 1 + fill);
      address = words[offset]!;
      left -= fill;
    }
  }

  get bytes(): number {
    return this.#tail.byteLength + this.#count.byteLength;
  }
}

/** What a chain of `count` postings says about its newest slice: its class, what it can hold and what it holds. */
function tailShape(count: number): { sliceClass: number; capacity: number; fill: number } {
  let sliceClass = 1;
  let fill = count;
  for (let capacity = 1; fill > capacity; capacity = 2 ** sliceClass - 1) {
    fill -= capacity;
    if (sliceClass < largestClass) sliceClass++;
  }
  return { sliceClass, capacity: 2 ** sliceClass - 1, fill };
}
