import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ReplayWindow, replayWindowSize } from './replay-window.js';

/** Walks with jumps of all sizes, so that windows slide a little, wrap around and are left behind altogether. */
const counters = fc
  .tuple(fc.integer({ min: 0, max: 2 ** 31 }), fc.array(fc.oneof(fc.integer({ min: -3, max: 3 }), fc.integer({ min: -1_100, max: 1_100 }), fc.integer({ min: -5_000, max: 5_000 })), { maxLength: 200 }))
  .map(([start, steps]) => {
    let at = start;
    return steps.map((step) => (at = Math.max(0, at + step)));
  });

test('a window answers as a list of everything seen would', () => {
  fc.assert(
    fc.property(counters, (sequence) => {
      const window = new ReplayWindow();
      const seen = new Set<number>();
      let newest = -1;
      for (const counter of sequence) {
        const fresh = !seen.has(counter) && counter > newest - replayWindowSize;
        expect(window.accept(counter)).toBe(fresh);
        if (fresh) seen.add(counter);
        newest = Math.max(newest, counter);
      }
    }),
    { numRuns: 500 },
  );
});

test('no counter is ever accepted twice', () => {
  fc.assert(
    fc.property(counters, (sequence) => {
      const window = new ReplayWindow();
      const accepted = [...sequence, ...sequence].filter((counter) => window.accept(counter));
      expect(new Set(accepted).size).toBe(accepted.length);
    }),
    { numRuns: 500 },
  );
});

test('counters in order are all accepted, up to the last there is', () => {
  const window = new ReplayWindow();
  for (let counter = 2 ** 32 - 5_000; counter < 2 ** 32; counter++) expect(window.accept(counter)).toBe(true);
  expect(window.accept(2 ** 32 - 1)).toBe(false);
});
