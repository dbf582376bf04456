import { EngramError } from '@engram/kernel';
import type { Timestamp } from './gen/google/protobuf/timestamp.js';

/** First and last second a Timestamp may name: the years 1 to 9999. */
const secondsMin = -62_135_596_800n;
const secondsMax = 253_402_300_799n;

/** The Timestamp of a time in milliseconds since 1970. Times before 1970 keep their nanos non-negative. */
export function timestampFromMs(ms: number): Timestamp {
  const seconds = Math.floor(ms / 1_000);
  return { seconds: BigInt(seconds), nanos: Math.round(ms - seconds * 1_000) * 1_000_000 };
}

/**
 * The time in milliseconds since 1970, rounded down, of a Timestamp.
 *
 * @param field Name of the field, for the message.
 * @throws EngramError `invalid_argument` when seconds or nanos are outside what the format allows.
 */
export function msFromTimestamp(timestamp: Timestamp, field: string): number {
  const { seconds, nanos } = timestamp;
  if (seconds < secondsMin || seconds > secondsMax || nanos < 0 || nanos > 999_999_999) {
    throw new EngramError('invalid_argument', `${field} is not a time: seconds ${seconds}, nanos ${nanos}.`, {
      hint: 'Give seconds since 1970 within the years 1 to 9999, and nanos from 0 to 999999999.',
    });
  }
  return Number(seconds) * 1_000 + Math.floor(nanos / 1_000_000);
}
