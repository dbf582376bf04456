import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Driver, instant, msBetween, plusMs, type Core, type Instant, type Wake } from '../index.js';
import { systemClock, systemRandom, wallClockMs } from './system-clock.js';

/** Asks for one wake a moment away, then for none. */
class OneWake implements Core<never, { readonly wokenAt: Instant }> {
  constructor(readonly due: Instant) {}
  #woken = false;

  handle(_event: Wake, now: Instant) {
    this.#woken = true;
    return [{ wokenAt: now }];
  }

  nextWake() {
    return this.#woken ? undefined : this.due;
  }
}

test('a driver on the machine clock wakes its core, and not before the instant asked for', async () => {
  const core = new OneWake(plusMs(systemClock.now(), 3));
  const { wokenAt } = await new Promise<{ wokenAt: Instant }>((woken) => new Driver(core, systemClock, woken));
  expect(wokenAt).toBeGreaterThanOrEqual(core.due);
});

test('the machine clock never goes back', () => {
  const readings = Array.from({ length: 1_000 }, () => systemClock.now());
  expect(readings).toEqual(readings.toSorted((a, b) => a - b));
});

test('an instant gone by still runs, but not before schedule has returned', async () => {
  let returned = false;
  const seen = await new Promise<boolean>((ran) => {
    systemClock.schedule(instant(0), () => ran(returned));
    returned = true;
  });
  expect(seen).toBe(true);
});

describe('with the timers of the machine moved by hand', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test('a cancelled call never runs', () => {
    const run = vi.fn();
    systemClock.schedule(plusMs(systemClock.now(), 10), run)();
    vi.advanceTimersByTime(1_000);
    expect(run).not.toHaveBeenCalled();
    expect(vi.getTimerCount()).toBe(0);
  });

  test('a wake further away than one timer reaches comes at its instant, not at once', () => {
    const sixtyDaysMs = 60 * 86_400_000;
    const start = systemClock.now();
    const ranAfterMs: number[] = [];
    systemClock.schedule(plusMs(start, sixtyDaysMs), () => ranAfterMs.push(msBetween(start, systemClock.now())));
    vi.advanceTimersByTime(sixtyDaysMs - 1);
    expect(ranAfterMs).toEqual([]);
    vi.advanceTimersByTime(2);
    expect(ranAfterMs).toHaveLength(1);
    expect(ranAfterMs[0]).toBeGreaterThanOrEqual(sixtyDaysMs);
  });

  test('a wake in several steps can be cancelled between them', () => {
    const run = vi.fn();
    const cancel = systemClock.schedule(plusMs(systemClock.now(), 60 * 86_400_000), run);
    vi.advanceTimersByTime(40 * 86_400_000);
    cancel();
    vi.advanceTimersByTime(40 * 86_400_000);
    expect(run).not.toHaveBeenCalled();
  });
});

test('the wall clock gives whole milliseconds that a hybrid clock accepts', () => {
  expect(Number.isSafeInteger(wallClockMs())).toBe(true);
  // Later than the day this was written, so an uninitialised or differently scaled clock would be noticed.
  expect(wallClockMs()).toBeGreaterThan(1_600_000_000_000);
});

test('two system streams are not the same', () => {
  expect(systemRandom().bytes(16)).not.toEqual(systemRandom().bytes(16));
});
