import { assert } from '@engram/kernel';

const pageBits = 16;
const pageWordsMax = 1 << pageBits;
const pageMask = pageWordsMax - 1;
/** Enough for a short memory or two: there may be a hundred thousand spaces, most of them tiny. */
const firstPageWords = 64;

/** Slices come in sizes 2^1 to 2^14 words; the class is the exponent. */
export const sliceClassMax = 14;

/**
 * A heap of 32-bit words handed out in slices of two-power sizes, never moved once handed out. Freed slices are kept per
 * size and reused first. Growing adds a page, the first of 256 bytes, each next one of twice the size up to 256 KiB: a
 * tiny heap takes little, a large one wastes little, and no addition ever copies what is there.
 * An address is `page << 16 | offset`; 0 is no address.
 */
export class Slices {
  readonly pages: Uint32Array[] = [new Uint32Array(firstPageWords)];
  #pageWords = firstPageWords;
  #words = firstPageWords;
  /** First free slice of each class; a free slice's first word is the address of the next. */
  readonly #free = new Uint32Array(sliceClassMax + 1);
  /** Next unused word of the last page. Starts past 0, which is no address. */
  #next = 2;

  /** A slice of two to the power of the class words with unspecified content. */
  allocate(sliceClass: number): number {
    assert(sliceClass >= 1 && sliceClass <= sliceClassMax, 'a slice class is from 1 to 14', { sliceClass });
    const reused = this.#free[sliceClass]!;
    if (reused !== 0) {
      this.#free[sliceClass] = this.pageOf(reused)[offsetOf(reused)]!;
      return reused;
    }
    const words = 1 << sliceClass;
    if (this.#next + words > this.#pageWords) this.#turnPage(words);
    const address = (this.pages.length - 1) * pageWordsMax + this.#next;
    this.#next += words;
    return address;
  }

  free(address: number, sliceClass: number): void {
    this.pageOf(address)[offsetOf(address)] = this.#free[sliceClass]!;
    this.#free[sliceClass] = address;
  }

  pageOf(address: number): Uint32Array {
    return this.pages[address >>> pageBits]!;
  }

  get bytes(): number {
    return this.#words * 4;
  }

  /**
   * What is left of the page becomes free slices, largest first, before a new page is begun. Pages double until they are
   * full-sized; one is larger than its turn when the slice it is begun for needs it.
   */
  #turnPage(wordsNeeded: number): void {
    const base = (this.pages.length - 1) * pageWordsMax;
    for (let sliceClass = sliceClassMax; sliceClass >= 1; sliceClass--) {
      while (this.#next + (1 << sliceClass) <= this.#pageWords) {
        this.free(base + this.#next, sliceClass);
        this.#next += 1 << sliceClass;
      }
    }
    assert(this.pages.length < 65_536, 'a space index addresses at most 16 GiB of postings');
    this.#pageWords = Math.min(pageWordsMax, Math.max(2 * this.#pageWords, wordsNeeded));
    this.pages.push(new Uint32Array(this.#pageWords));
    this.#words += this.#pageWords;
    this.#next = 0;
  }
}

export function offsetOf(address: number): number {
  return address & pageMask;
}

/** The smallest class whose slice holds this many words. */
export function sliceClassFor(words: number): number {
  let sliceClass = 1;
  while (1 << sliceClass < words) sliceClass++;
  return sliceClass;
}
