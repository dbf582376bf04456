/** Counters up to this far behind the newest are told apart; older ones count as seen. A multiple of 32. */
export const replayWindowSize = 1_024;

/**
 * Which of one sender's counters have been seen: the sliding window of RFC 4303, appendix A2, as a ring of bits. Each
 * counter is accepted at most once, in whatever order they come. Counters are whole numbers from 0 to 2^32 - 1.
 */
export class ReplayWindow {
  #newest = -1;
  /** The bit of counter `c` is bit `c mod size`; it speaks of `c` while `newest - size < c <= newest`. */
  readonly #seen = new Uint32Array(replayWindowSize / 32);

  /** True the first time, false for a repetition and for what lies behind the window. */
  accept(counter: number): boolean {
    if (counter > this.#newest) {
      this.#slideTo(counter);
    } else if (counter <= this.#newest - replayWindowSize || this.#has(counter)) {
      return false;
    }
    this.#mark(counter);
    return true;
  }

  #slideTo(counter: number): void {
    if (counter - this.#newest >= replayWindowSize) this.#seen.fill(0);
    else for (let skipped = this.#newest + 1; skipped < counter; skipped++) this.#unmark(skipped);
    this.#newest = counter;
  }

  #has(counter: number): boolean {
    return ((this.#word(counter) >>> (counter & 31)) & 1) === 1;
  }

  #mark(counter: number): void {
    this.#seen[wordOf(counter)] = this.#word(counter) | (1 << (counter & 31));
  }

  #unmark(counter: number): void {
    this.#seen[wordOf(counter)] = this.#word(counter) & ~(1 << (counter & 31));
  }

  #word(counter: number): number {
    return this.#seen[wordOf(counter)] ?? 0;
  }
}

function wordOf(counter: number): number {
  return (counter % replayWindowSize) >>> 5;
}
