import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Outbox } from './outbox.js';

test('it is a queue that knows how many bytes are in it', () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.nat(50)), { maxLength: 3_000, size: 'max' }), (steps) => {
      const outbox = new Outbox();
      const model: Buffer[] = [];
      for (const step of steps) {
        if (step === null) expect(outbox.shift()).toBe(model.shift());
        else {
          const frame = Buffer.alloc(step);
          outbox.push(frame);
          model.push(frame);
        }
      }
      expect([outbox.frames, outbox.bytes]).toEqual([model.length, model.reduce((sum, frame) => sum + frame.byteLength, 0)]);
      outbox.clear();
      expect([outbox.frames, outbox.bytes, outbox.shift()]).toEqual([0, 0, undefined]);
    }),
    { numRuns: 50 },
  );
});
