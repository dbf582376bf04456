import fc from 'fast-check';
import { expect, test } from 'vitest';
import { framed, FrameReader } from './frame-reader.js';

const frameBytesMax = 300;
const frame = fc.uint8Array({ maxLength: frameBytesMax });

test('frames come out as they went in, however the bytes are cut up on the way', () => {
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 10 }), fc.infiniteStream(fc.integer({ min: 1, max: 400 })), (frames, sizes) => {
      const bytes = frames.flatMap((one) => [...framed(one)]);
      const reader = new FrameReader(frameBytesMax);
      const seen: Uint8Array[] = [];
      for (let at = 0; at < bytes.length; ) {
        const size = sizes.next().value as number;
        const read = reader.read(Uint8Array.from(bytes.slice(at, at + size)));
        if (read.kind === 'frames') seen.push(...read.frames);
        at += size;
      }
      expect(seen.map((one) => [...one])).toEqual(frames.map((one) => [...one]));
      expect(reader.held).toBe(0);
    }),
    { numRuns: 300 },
  );
});

test('a length beyond the limit is refused from its four bytes', () => {
  fc.assert(
    fc.property(fc.integer({ min: frameBytesMax + 1, max: 2 ** 32 - 1 }), (length) => {
      const prefix = new Uint8Array(4);
      new DataView(prefix.buffer).setUint32(0, length);
      expect(new FrameReader(frameBytesMax).read(prefix)).toEqual({ kind: 'too-large', bytes: length });
    }),
  );
});

test('what precedes the first frame is taken off first, and the rest is kept', () => {
  const reader = new FrameReader(frameBytesMax);
  expect(reader.readExactly(Uint8Array.of(1, 2), 4)).toBeUndefined();
  expect(reader.readExactly(Uint8Array.of(3, 4, 0, 0), 4)).toEqual(Uint8Array.of(1, 2, 3, 4));
  expect(reader.read(Uint8Array.of(0, 1, 9))).toEqual({ kind: 'frames', frames: [Uint8Array.of(9)] });
});
