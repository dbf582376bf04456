import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeFrame } from './encode-frame.js';
import { PeerFrame } from './gen/engram/v1/peer.js';

const lengths = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.constantFrom(127, 128, 16_383, 16_384, 2_097_151, 2_097_152), fc.integer({ min: 0, max: 3_000_000 }));

test('a frame is what the generated codec writes', () => {
  fc.assert(
    fc.property(lengths, fc.integer({ min: 0, max: 255 }), (length, fill) => {
      const payload = Buffer.alloc(length, fill);
      expect(encodeFrame(payload).equals(PeerFrame.encode({ payload }).finish())).toBe(true);
    }),
    { numRuns: 100 },
  );
});
