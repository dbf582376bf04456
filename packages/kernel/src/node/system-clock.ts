import { randomBytes } from 'node:crypto';
import { instant, msBetween, Random, type Clock, type Instant } from '../index.js';

/** Node runs a timer with a longer delay at once; a wake further away is reached in several steps. */
const timerMsMax = 2 ** 31 - 1;

/** The machine's monotonic clock. Its origin is the start of the process; setting the time of day does not move it. */
export const systemClock: Clock = {
  now: () => instant(Math.floor(performance.now() * 1_000)),

  schedule(at: Instant, run: () => void): () => void {
    let timer: NodeJS.Timeout;
    const arm = (): void => {
      const ms = Math.ceil(msBetween(systemClock.now(), at));
      timer = setTimeout(onTimer, Math.min(Math.max(ms, 0), timerMsMax));
    };
    // Timers count whole milliseconds from the start of the loop's turn and may fire a little early.
    const onTimer = (): void => (systemClock.now() < at ? arm() : run());
    arm();
    return () => clearTimeout(timer);
  },
};

/** Whole milliseconds since 1970, as the machine believes. May jump either way: feed it to a `HybridClock`. */
export function wallClockMs(): number {
  return Date.now();
}

/** A stream with a seed that nobody knows, from the operating system's entropy. Not for secrets. */
export function systemRandom(): Random {
  return Random.fromSeed(randomBytes(8).readBigUInt64LE());
}
