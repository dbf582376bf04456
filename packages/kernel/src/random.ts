import { assert } from './assert.js';
import { hash64 } from './hash.js';
import { xoshiro128StarStar, xoshiro128StateFrom, type Xoshiro128State } from './xoshiro128.js';

/** Hears every draw of a stream, and names who shall hear those of its forks. */
export interface DrawObserver {
  /** A word in [0, 2^32) was drawn. */
  drawn(word: number): void;
  /** A fork of that label was made; the answer hears its draws. */
  forked(label: string): DrawObserver;
}

/**
 * A deterministic stream of randomness. Equal seeds give equal streams on every machine and in every release, so a
 * failure replays from the seed it printed. It is not for secrets: whoever sees enough draws can predict the rest.
 *
 * `fork` gives an independent stream that depends on the seed and the labels on the way to it, and on nothing else: a
 * draw added in one place never shifts what another place draws.
 */
export class Random {
  readonly #key: bigint;
  readonly #state: Xoshiro128State;
  readonly #observer: DrawObserver | undefined;

  private constructor(key: bigint, observer?: DrawObserver) {
    this.#key = key;
    this.#state = xoshiro128StateFrom(key);
    this.#observer = observer;
  }

  /** Seeds are compared as text: `7`, `7n` and `'7'` are one seed, so a seed typed on a command line replays a test. */
  static fromSeed(seed: number | bigint | string): Random {
    assert(typeof seed !== 'number' || Number.isSafeInteger(seed), `a numeric seed is a safe integer, not ${seed}`);
    return new Random(hash64(String(seed)));
  }

  /** The stream of that label below this one. Forking twice with one label gives the same stream twice. */
  fork(label: string): Random {
    return new Random(hash64(label, this.#key), this.#observer?.forked(label));
  }

  /** The same stream from its start, with every draw of it and of its forks told to `observer`. Draws are not changed. */
  observed(observer: DrawObserver): Random {
    return new Random(this.#key, observer);
  }

  /** A whole number in [0, 2^32). */
  uint32(): number {
    const word = xoshiro128StarStar(this.#state);
    if (this.#observer !== undefined) this.#observer.drawn(word);
    return word;
  }

  /** A whole number in [0, n), each equally likely. `n` is a safe integer from 1 on. */
  below(n: number): number {
    assert(Number.isSafeInteger(n) && n >= 1, `below(n) wants a safe integer from 1 on, not ${n}`);
    return n <= 2 ** 32 ? this.#rejecting(n, 2 ** 32, () => this.uint32()) : this.#rejecting(n, 2 ** 53, () => this.#uint53());
  }

  /** A number in [0, 1) with 53 random bits. */
  float(): number {
    return this.#uint53() / 2 ** 53;
  }

  /** True with probability `p` in [0, 1]. Draws the same amount whatever `p` is, so tuning `p` shifts no later draw. */
  chance(p: number): boolean {
    assert(p >= 0 && p <= 1, `a probability lies in [0, 1], not ${p}`);
    return this.float() < p;
  }

  /** One element, each place equally likely. The array must not be empty. */
  pick<T>(xs: readonly T[]): T {
    assert(xs.length > 0, 'pick wants at least one element to choose from');
    return xs[this.below(xs.length)] as T;
  }

  /** A shuffled copy, each order equally likely (Fisher and Yates). */
  shuffle<T>(xs: readonly T[]): T[] {
    const shuffled = [...xs];
    for (let last = shuffled.length - 1; last > 0; last--) {
      const other = this.below(last + 1);
      [shuffled[last], shuffled[other]] = [shuffled[other] as T, shuffled[last] as T];
    }
    return shuffled;
  }

  /** `n` random bytes. */
  bytes(n: number): Uint8Array {
    assert(Number.isSafeInteger(n) && n >= 0, `bytes(n) wants a safe integer from 0 on, not ${n}`);
    const bytes = new Uint8Array(n);
    for (let at = 0; at < n; at += 4) {
      const word = this.uint32();
      for (let i = 0; i < 4 && at + i < n; i++) bytes[at + i] = word >>> (8 * i);
    }
    return bytes;
  }

  #uint53(): number {
    const high = this.uint32() >>> 5;
    const low = this.uint32() >>> 6;
    return high * 2 ** 26 + low;
  }

  /** Draws at or above the largest multiple of `n` are thrown away; keeping them would favour small results. */
  #rejecting(n: number, range: number, draw: () => number): number {
    const limit = range - (range % n);
    for (;;) {
      const drawn = draw();
      if (drawn < limit) return drawn % n;
    }
  }
}
