import { assert } from './assert.js';
import { EngramError } from './errors.js';
import { shown } from './shown.js';

declare const instantBrand: unique symbol;

/**
 * A point on a monotonic axis, in whole microseconds since an origin that the clock chooses. Instants of one clock
 * compare with `<`; they say nothing about the time of day and mean nothing to another process.
 */
export type Instant = number & { readonly [instantBrand]: true };

/** The longest duration that `parseDuration` accepts: a hundred years of 365.25 days, in milliseconds. */
export const durationMsMax = 3_155_760_000_000;

/**
 * @param us whole microseconds since the origin of the clock
 * @throws EngramError `assertion_failed` for anything but a safe integer from 0 on
 */
export function instant(us: number): Instant {
  assert(Number.isSafeInteger(us) && us >= 0, `an instant is a whole number of microseconds from 0 on, not ${us}`);
  return us as Instant;
}

/** `t` moved by `ms` milliseconds, to the nearest microsecond. `ms` may be fractional or negative. */
export function plusMs(t: Instant, ms: number): Instant {
  return instant(t + Math.round(ms * 1_000));
}

/** Milliseconds from `a` to `b`: positive when `b` is later, exact to the microsecond. */
export function msBetween(a: Instant, b: Instant): number {
  return (b - a) / 1_000;
}

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Whole digits, at most three decimals, one unit. Three decimals keep the arithmetic below exact. */
const durationPattern = /^(\d{1,13})(?:\.(\d{1,3}))?(ms|s|m|h|d)$/;

/**
 * A duration in whole milliseconds, from `"250ms"`, `"30s"`, `"1.5m"`, `"24h"`, `"7d"`, or from a number that already
 * is one. Throws `invalid_argument` for anything else: a bare `"500"` does not say its unit, a duration is never
 * negative, never finer than a millisecond and never longer than `durationMsMax`.
 */
export function parseDuration(text: string | number): number {
  const ms = typeof text === 'number' ? text : durationTextMs(text);
  if (Number.isInteger(ms) && ms >= 0 && ms <= durationMsMax) return ms;
  const rule = 'a duration is a whole number of milliseconds up to 100 years, written like "250ms", "30s", "5m", "24h" or "7d"';
  throw new EngramError('invalid_argument', `${rule}; got ${shown(text)}`, {
    hint: 'Write a number followed by its unit: ms, s, m, h or d.',
  });
}

/** NaN when the text is no duration; fractional when it is finer than a millisecond. */
function durationTextMs(text: unknown): number {
  const match = typeof text === 'string' ? durationPattern.exec(text) : null;
  if (match === null) return NaN;
  const [, whole = '', decimals = '', unit = ''] = match;
  const thousandths = Number(whole) * 1_000 + Number(decimals.padEnd(3, '0'));
  return (thousandths * (unitMs[unit] ?? NaN)) / 1_000;
}
