import { describe, expect, test } from 'vitest';
import { EngramError, OptionsError } from './errors.js';
import { HybridClock, hlcCounter, hlcFromBigInt, hlcOf, hlcPhysicalMs, hlcZero } from './hybrid-clock.js';

const noon = 1_700_000_000_000;
const counterMax = 2 ** 16 - 1;

describe('stamps', () => {
  test('a stamp is 48 bits of milliseconds above 16 bits of counter', () => {
    expect(hlcOf(1, 2)).toBe(0x1_0002n);
    expect(hlcOf(2 ** 48 - 1, counterMax)).toBe(2n ** 64n - 1n);
    expect(hlcZero).toBe(hlcOf(0, 0));
  });

  test('both parts can be read back', () => {
    const stamp = hlcOf(noon, 513);
    expect([hlcPhysicalMs(stamp), hlcCounter(stamp)]).toEqual([noon, 513]);
  });

  test.each([
    [-1, 0], [0.5, 0], [2 ** 48, 0], [NaN, 0], [0, -1], [0, 0.5], [0, 2 ** 16],
  ])('%s milliseconds with counter %s make no stamp', (ms, counter) => {
    expect(() => hlcOf(ms, counter)).toThrow(EngramError);
  });

  test('a stored stamp is taken back only within 64 bits', () => {
    expect(hlcFromBigInt(hlcOf(noon, 7))).toBe(hlcOf(noon, 7));
    expect(() => hlcFromBigInt(-1n)).toThrow(/unsigned 64-bit/);
    expect(() => hlcFromBigInt(2n ** 64n)).toThrow(/unsigned 64-bit/);
  });
});

describe('ticking', () => {
  test('the milliseconds follow the wall clock and the counter separates what falls into one', () => {
    const clock = new HybridClock();
    expect([clock.tick(noon), clock.tick(noon), clock.tick(noon + 1)]).toEqual([hlcOf(noon, 0), hlcOf(noon, 1), hlcOf(noon + 1, 0)]);
  });

  test('a wall clock that jumps back does not take the stamps with it', () => {
    const clock = new HybridClock();
    clock.tick(noon);
    expect(clock.tick(noon - 86_400_000)).toBe(hlcOf(noon, 1));
  });

  test('a full counter moves the milliseconds on', () => {
    const clock = new HybridClock({ highWater: hlcOf(noon, counterMax) });
    expect(clock.tick(noon)).toBe(hlcOf(noon + 1, 0));
  });

  test('after the last stamp of all there is none', () => {
    const clock = new HybridClock({ highWater: hlcOf(2 ** 48 - 1, counterMax) });
    expect(() => clock.tick(noon)).toThrow(/unsigned 64-bit/);
    expect(clock.highWater()).toBe(hlcOf(2 ** 48 - 1, counterMax));
  });

  test.each([-1, 0.5, NaN, 2 ** 48])('a wall clock that reads %s is refused', (wallMs) => {
    expect(() => new HybridClock().tick(wallMs)).toThrow(/whole milliseconds/);
  });
});

describe('observing', () => {
  test('the next stamp lies after the observed one', () => {
    const clock = new HybridClock();
    expect(clock.observe(hlcOf(noon + 100, 9), noon)).toEqual({ kind: 'observed' });
    expect(clock.tick(noon)).toBe(hlcOf(noon + 100, 10));
  });

  test('a stamp from the past changes nothing', () => {
    const clock = new HybridClock();
    clock.tick(noon);
    expect(clock.observe(hlcOf(noon - 5, 0), noon)).toEqual({ kind: 'observed' });
    expect(clock.highWater()).toBe(hlcOf(noon, 0));
  });

  test('a stamp further ahead than the guard allows is refused and moves nothing', () => {
    const clock = new HybridClock();
    clock.tick(noon);
    expect(clock.observe(hlcOf(noon + 501, 0), noon)).toEqual({ kind: 'too-far-ahead', offsetMs: 501 });
    expect(clock.tick(noon)).toBe(hlcOf(noon, 1));
  });

  test('a stamp exactly at the guard is accepted, and the guard can be set', () => {
    expect(new HybridClock().observe(hlcOf(noon + 500, 0), noon)).toEqual({ kind: 'observed' });
    expect(new HybridClock({ maxOffsetMs: 0 }).observe(hlcOf(noon + 1, 0), noon)).toEqual({ kind: 'too-far-ahead', offsetMs: 1 });
  });

  test.each([-1, NaN, Infinity])('a guard of %s is refused by name', (maxOffsetMs) => {
    expect(() => new HybridClock({ maxOffsetMs })).toThrow(OptionsError);
    expect(() => new HybridClock({ maxOffsetMs })).toThrow(/option maxOffsetMs/);
  });
});

describe('restarting', () => {
  test('a clock given its high water goes on after everything it issued or observed', () => {
    const first = new HybridClock();
    first.tick(noon);
    first.observe(hlcOf(noon + 300, 4), noon);
    const second = new HybridClock({ highWater: first.highWater() });
    expect(second.tick(noon - 1_000)).toBe(hlcOf(noon + 300, 5));
  });
});
