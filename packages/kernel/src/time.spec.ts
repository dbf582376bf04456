import { describe, expect, test } from 'vitest';
import { EngramError } from './errors.js';
import { durationMsMax, instant, msBetween, parseDuration, plusMs } from './time.js';

describe('instants', () => {
  test('moving by milliseconds and measuring the distance agree to the microsecond', () => {
    const start = instant(1_000_000);
    expect(plusMs(start, 1.2345)).toBe(1_001_235);
    expect(msBetween(start, plusMs(start, 250))).toBe(250);
    expect(msBetween(plusMs(start, 0.001), start)).toBe(-0.001);
  });

  test.each([-1, 0.5, NaN, Infinity, 2 ** 53])('%s is no instant', (us) => {
    expect(() => instant(us)).toThrow(/whole number of microseconds/);
  });

  test('an instant never moves before the origin nor out of the exact range', () => {
    expect(() => plusMs(instant(0), -1)).toThrow(EngramError);
    expect(() => plusMs(instant(0), Infinity)).toThrow(EngramError);
  });
});

describe('durations', () => {
  test.each([
    ['250ms', 250],
    ['30s', 30_000],
    ['5m', 300_000],
    ['24h', 86_400_000],
    ['7d', 604_800_000],
    ['0s', 0],
    ['1.5s', 1_500],
    ['0.001s', 1],
    ['36525d', durationMsMax],
    [500, 500],
    [0, 0],
  ])('%s is %i milliseconds', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test.each(['', '500', 's', '5 s', ' 5s', '5s ', '-5s', '+5s', '1e3s', '5S', '5min', '1h30m', '.5s', '5.s', '0.5ms', '1.0001s', '36526d', '9'.repeat(400) + 's', '٣s', 'Infinity'])(
    'the text %j is refused',
    (text) => {
      expect(() => parseDuration(text)).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
    },
  );

  test.each([-1, 0.5, NaN, Infinity, durationMsMax + 1])('the number %s is refused', (ms) => {
    expect(() => parseDuration(ms)).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
  });

  test('what is neither text nor number is refused like any other bad value', () => {
    expect(() => parseDuration(null as unknown as string)).toThrow(/got null/);
    expect(() => parseDuration(['5s'] as unknown as string)).toThrow(/got an array of 1/);
  });

  test('the complaint shows the value and the hint says how to write one', () => {
    expect(() => parseDuration('5 minutes')).toThrow(
      expect.objectContaining({
        message: 'a duration is a whole number of milliseconds up to 100 years, written like "250ms", "30s", "5m", "24h" or "7d"; got "5 minutes"',
        hint: 'Write a number followed by its unit: ms, s, m, h or d.',
      }),
    );
  });
});
