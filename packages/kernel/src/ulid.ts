import { assert } from './assert.js';
import type { MemoryId } from './ids.js';
import type { Random } from './random.js';

/** Crockford's base 32: no I, L, O or U, and in the order of ASCII, so that text order is numeric order. */
const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const halfEnd = 2 ** 40;
const timeMsEnd = 2 ** 48;

/**
 * Makes memory ids that sort by the time they were made: ULIDs, 48 bits of wall-clock milliseconds and 80 random bits.
 * Each id of one factory sorts after the one before, also within a millisecond (the random part counts up by one) and
 * when the wall clock goes back (the time of the last id is kept). Where the specification gives up because the random
 * part overflows, the time moves on by one millisecond instead.
 */
export class UlidFactory {
  readonly #random: Random;
  #timeMs = -1;
  /** The random part as two halves of 40 bits, which a number holds exactly. */
  #high = 0;
  #low = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /**
   * The next id, after all earlier ones of this factory.
   *
   * @param wallMs whole milliseconds since 1970, below 2^48
   */
  next(wallMs: number): MemoryId {
    assert(Number.isInteger(wallMs) && wallMs >= 0 && wallMs < timeMsEnd, `a ULID wants whole milliseconds in [0, 2^48), not ${wallMs}`);
    if (wallMs > this.#timeMs) this.#startMillisecond(wallMs);
    else this.#countUp();
    return (encode(this.#timeMs, 10) + encode(this.#high, 8) + encode(this.#low, 8)) as MemoryId;
  }

  #startMillisecond(timeMs: number): void {
    assert(timeMs < timeMsEnd, 'ULIDs end in the year 10889');
    this.#timeMs = timeMs;
    this.#high = this.#random.below(halfEnd);
    this.#low = this.#random.below(halfEnd);
  }

  #countUp(): void {
    this.#low += 1;
    if (this.#low < halfEnd) return;
    this.#low = 0;
    this.#high += 1;
    if (this.#high === halfEnd) this.#startMillisecond(this.#timeMs + 1);
  }
}

function encode(value: number, digits: number): string {
  let text = '';
  for (let rest = value; text.length < digits; rest = Math.floor(rest / 32)) {
    text = alphabet.charAt(rest % 32) + text;
  }
  return text;
}
