import { assert } from './assert.js';
import type { Clock } from './driver.js';
import { instant, plusMs, type Instant } from './time.js';

interface Timer {
  readonly at: Instant;
  readonly run: () => void;
}

/** Calls run within one `advance` before it is taken for a loop: a core asking again and again for an instant gone by. */
const callsMax = 1_000_000;

/**
 * A clock that moves only when told to: for tests, examples and simulations. What is due runs inside `advance`, in the
 * order of its instants, and in the order of scheduling where instants are equal; `now()` shows each instant in turn.
 */
export class ManualClock implements Clock {
  #now: Instant;
  /** Ordered by instant; equal instants in the order they were scheduled. */
  readonly #timers: Timer[] = [];

  constructor(start: Instant = instant(0)) {
    this.#now = start;
  }

  now(): Instant {
    return this.#now;
  }

  schedule(at: Instant, run: () => void): () => void {
    const timer: Timer = { at, run };
    const later = this.#timers.findIndex((other) => other.at > at);
    this.#timers.splice(later === -1 ? this.#timers.length : later, 0, timer);
    return () => {
      const index = this.#timers.indexOf(timer);
      if (index !== -1) this.#timers.splice(index, 1);
    };
  }

  /** Moves on by `ms` milliseconds, running what becomes due on the way. */
  advance(ms: number): void {
    const target = plusMs(this.#now, ms);
    assert(target >= this.#now, `a clock does not go back; advance got ${ms} ms`);
    for (let calls = 0; ; calls++) {
      const timer = this.#timers[0];
      if (timer === undefined || timer.at > target) break;
      assert(calls < callsMax, `more than ${callsMax} calls fell due in one advance of ${ms} ms`);
      this.#timers.shift();
      // A call scheduled for an instant gone by runs late, never back in time.
      if (timer.at > this.#now) this.#now = timer.at;
      timer.run();
    }
    this.#now = target;
  }

  /** How many calls are waiting. */
  get pending(): number {
    return this.#timers.length;
  }
}
