import { expect, test } from 'vitest';
import { msFromTimestamp, timestampFromMs } from './timestamp.js';

test('a time before 1970 counts its nanos forward', () => {
  expect(timestampFromMs(-1)).toEqual({ seconds: -1n, nanos: 999_000_000 });
});

test('parts of a millisecond are dropped', () => {
  expect(msFromTimestamp({ seconds: 1n, nanos: 999_999 }, 'when')).toBe(1_000);
});

test.each([
  { seconds: 253_402_300_800n, nanos: 0 },
  { seconds: -62_135_596_801n, nanos: 0 },
  { seconds: 0n, nanos: -1 },
  { seconds: 0n, nanos: 1_000_000_000 },
])('a timestamp outside the format is refused by the name of its field (seconds $seconds, nanos $nanos)', (timestamp) => {
  expect(() => msFromTimestamp(timestamp, 'after')).toThrow(expect.objectContaining({ code: 'invalid_argument', message: expect.stringContaining('after') }));
});
