import fc from 'fast-check';
import { expect, test } from 'vitest';
import { msFromTimestamp, timestampFromMs } from './timestamp.js';

test('milliseconds survive the way there and back, before and after 1970', () => {
  fc.assert(
    fc.property(fc.integer({ min: -62_135_596_800_000, max: 253_402_300_799_999 }), (ms) => {
      const timestamp = timestampFromMs(ms);
      expect(timestamp.nanos).toBeGreaterThanOrEqual(0);
      expect(msFromTimestamp(timestamp, 'when')).toBe(ms);
    }),
    { numRuns: 500 },
  );
});
