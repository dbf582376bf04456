import { EngramError, shown } from '@engram/kernel';

const rfc3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(\.\d{1,9})?(?:[Zz]|([+-])(\d\d):(\d\d))$/;
const firstMs = Date.parse('0001-01-01T00:00:00.000Z');
const lastMs = Date.parse('9999-12-31T23:59:59.999Z');

/**
 * An RFC 3339 time as milliseconds since 1970 UTC. Finer fractions are cut; a leap second counts as the second after it.
 *
 * @throws EngramError `invalid_argument` naming `field` for anything else, a day or an hour that does not exist included.
 */
export function parseWhen(field: string, text: string): number {
  const match = rfc3339.exec(text);
  if (match === null) throw refused(field, text);
  const [, year, month, day, hour, minute, second, fraction = '.0', sign, offsetHour = '0', offsetMinute = '0'] = match;
  const dayMs = startOfDay(Number(year), Number(month), Number(day));
  const inRange = Number(hour) <= 23 && Number(minute) <= 59 && Number(second) <= 60 && Number(offsetHour) <= 23 && Number(offsetMinute) <= 59;
  if (Number.isNaN(dayMs) || !inRange) throw refused(field, text);
  const offsetMs = (Number(offsetHour) * 60 + Number(offsetMinute)) * 60_000 * (sign === '-' ? -1 : 1);
  const clockMs = ((Number(hour) * 60 + Number(minute)) * 60 + Number(second)) * 1_000 + Number(fraction.slice(1, 4).padEnd(3, '0'));
  const ms = dayMs + clockMs - offsetMs;
  // An offset can push the first or the last day out of the years that four digits can write again.
  if (ms < firstMs || ms > lastMs) throw refused(field, text);
  return ms;
}

let formattedMs = NaN;
let formattedText = '';

/** The same instant as RFC 3339 text in UTC with milliseconds. Asked for one instant over and over while a batch is answered. */
export function formatWhen(ms: number): string {
  if (ms === formattedMs) return formattedText;
  formattedText = new Date(ms).toISOString();
  formattedMs = ms;
  return formattedText;
}

/** Milliseconds since 1970 at which the day begins in UTC; NaN when the month has no such day. */
function startOfDay(year: number, month: number, day: number): number {
  const date = new Date(0);
  // `Date.UTC` would take the years 0 to 99 for 1900 to 1999.
  date.setUTCFullYear(year, month - 1, day);
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day ? date.getTime() : NaN;
}

function refused(field: string, text: string): EngramError {
  return new EngramError('invalid_argument', `${field} must be a time as RFC 3339 writes it; got ${shown(text)}`, {
    hint: 'Write it like 2025-11-01T09:30:00Z or 2025-11-01T10:30:00.250+01:00.',
    details: { field },
  });
}
