import fc from 'fast-check';
import { expect, test } from 'vitest';
import { digest, identity, startPeer } from '../test/peers.js';

test('frames of any size arrive whole and in the order they were sent, both ways at once', async () => {
  const n2 = await startPeer();
  const frames = fc.array(fc.tuple(fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 60_000, max: 300_000 })), fc.integer({ min: 0, max: 255 })), { maxLength: 40 });
  const bytesOf = ([length, fill]: readonly [number, number]): Buffer => Buffer.alloc(length, fill);
  try {
    await fc.assert(
      fc.asyncProperty(frames, frames, async (there, back) => {
        const accepting = n2.accepted();
        const { stream, events } = n2.call(identity('n1'), 'n2');
        for (const frame of there) stream.send(bytesOf(frame));
        const accepted = await accepting;
        for (const frame of back) accepted.stream.send(bytesOf(frame));

        const arrived = [await accepted.events.frames(there.length), await events.frames(back.length)];
        stream.close('done');
        await accepted.events.closed_.promise;

        expect(arrived.map((side) => side.map(digest))).toEqual([there, back].map((side) => side.map(bytesOf).map(digest)));
      }),
      { numRuns: 25 },
    );
  } finally {
    n2.close();
  }
});
