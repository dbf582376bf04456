import { monthNames } from './english.js';

/** A stretch of time a text names: `[fromMs, untilMs)`, UTC. */
export interface NamedRange {
  readonly fromMs: number;
  readonly untilMs: number;
}

export const dateLimits = {
  /** Ranges taken from one text. */
  rangesMax: 32,
  /** Characters of the text that are read for dates. */
  textCharactersMax: 4_096,
} as const;

const dayMs = 86_400_000;
const month = monthNames.join('|');
const day = '(\\d{1,2})(?:st|nd|rd|th)?';
const year = '((?:19|20)\\d{2})';

/** Ways to write a date, the most exact first; what one has read the next no longer sees. */
const patterns: readonly { readonly written: RegExp; readonly fields: readonly ('year' | 'month' | 'day')[] }[] = [
  { written: new RegExp(`\\b${year}-(\\d{2})-(\\d{2})\\b`, 'gi'), fields: ['year', 'month', 'day'] },
  { written: new RegExp(`\\b${day} (?:of )?(${month})\\b(?:,? ${year}\\b)?`, 'gi'), fields: ['day', 'month', 'year'] },
  { written: new RegExp(`\\b(${month}) ${day}\\b(?:,? ${year}\\b)?`, 'gi'), fields: ['month', 'day', 'year'] },
  { written: new RegExp(`\\b(${month}),? (?:of )?${year}\\b`, 'gi'), fields: ['month', 'year'] },
  { written: new RegExp(`\\b(?:in|during|since|early|mid|late|last|this) (${month})\\b`, 'gi'), fields: ['month'] },
  { written: new RegExp(`\\b(?:in|during|since) ${year}\\b`, 'gi'), fields: ['year'] },
];

/**
 * The stretches of time a cue's text names: a day, a month or a year, as English or ISO 8601 writes them. A date
 * without a year means that date in every year between `firstMs` and `lastMs`, the span of the memories held. Relative
 * dates ("yesterday") are left alone: they depend on who asks when, which a recall does not know.
 */
export function namedRanges(text: string, firstMs: number, lastMs: number): NamedRange[] {
  let unread = text.slice(0, dateLimits.textCharactersMax);
  const ranges: NamedRange[] = [];
  for (const { written, fields } of patterns) {
    unread = unread.replace(written, (...found: unknown[]) => {
      const read: Partial<Record<'year' | 'month' | 'day', number>> = {};
      fields.forEach((field, i) => {
        const value = found[i + 1];
        if (typeof value === 'string') read[field] = field === 'month' ? monthNumber(value) : Number(value);
      });
      const years = read.year === undefined ? yearsBetween(firstMs, lastMs) : [read.year];
      for (const y of years) ranges.push(...rangeOf(y, read.month, read.day));
      return ' ';
    });
  }
  return ranges.slice(0, dateLimits.rangesMax);
}

/** 1 in and within a day before the range (clocks differ by time zone), falling by half with each gap after it, else 0. */
export function fitOf(range: NamedRange, whenMs: number, gapMs: number): number {
  if (whenMs < range.fromMs - dayMs) return 0;
  const after = whenMs - range.untilMs;
  if (after < 0) return 1;
  return after > reachOf(gapMs) ? 0 : 1 / (1 + after / gapMs);
}

/** How long after a range something may have been told and still fit: ten gaps, where one eleventh is left. */
export function reachOf(gapMs: number): number {
  return 10 * gapMs;
}

/** Nothing for a date no calendar has. */
function rangeOf(y: number, m: number | undefined, d: number | undefined): NamedRange[] {
  if (m === undefined) return [{ fromMs: Date.UTC(y, 0), untilMs: Date.UTC(y + 1, 0) }];
  if (m < 1 || m > 12) return [];
  if (d === undefined) return [{ fromMs: Date.UTC(y, m - 1), untilMs: Date.UTC(y, m) }];
  const fromMs = Date.UTC(y, m - 1, d);
  const untilMs = fromMs + dayMs;
  return d < 1 || untilMs > Date.UTC(y, m) ? [] : [{ fromMs, untilMs }];
}

function monthNumber(written: string): number {
  const named = monthNames.indexOf(written.toLowerCase());
  return named === -1 ? Number(written) : named + 1;
}

/** The years touched by the span, latest first, at most `rangesMax`. */
function yearsBetween(firstMs: number, lastMs: number): number[] {
  const years: number[] = [];
  for (let y = yearOf(lastMs); y >= yearOf(firstMs) && years.length < dateLimits.rangesMax; y--) years.push(y);
  return years;
}

/** Mean Gregorian year; a day's error at a year's edge only adds a year without memories. */
function yearOf(ms: number): number {
  return 1970 + Math.floor(ms / (365.2425 * dayMs));
}
