import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HybridClock, hlcCounter, hlcOf, hlcPhysicalMs, type Hlc } from './hybrid-clock.js';

const maxOffsetMs = 500;

/** Close together, so that equal milliseconds and full counters happen, or anywhere at all. */
const wallMs = fc.oneof(fc.integer({ min: 1_000, max: 1_005 }), fc.integer({ min: 0, max: 2 ** 47 }));
const counter = fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 65_530, max: 65_535 }));
const stamp = fc.tuple(wallMs, counter).map(([ms, count]) => hlcOf(ms, count));

type Step = { readonly kind: 'tick'; readonly wallMs: number } | { readonly kind: 'observe'; readonly remote: Hlc; readonly wallMs: number } | { readonly kind: 'restart' };

const steps = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('tick' as const), wallMs }),
    fc.record({ kind: fc.constant('observe' as const), remote: stamp, wallMs }),
    // A remote close to the wall clock, so that many observations pass the guard.
    fc.tuple(wallMs, fc.integer({ min: 0, max: maxOffsetMs }), counter).map(([wall, ahead, count]) => ({ kind: 'observe' as const, remote: hlcOf(wall + ahead, count), wallMs: wall })),
    fc.constant({ kind: 'restart' as const }),
  ),
  { minLength: 1, maxLength: 60 },
);

test('a tick lies after every earlier tick and every accepted stamp, under any wall clock and across restarts', () => {
  fc.assert(
    fc.property(steps, (script) => {
      let clock = new HybridClock({ maxOffsetMs });
      let highest = -1n;
      for (const step of script) {
        highest = perform(step);
        expect(clock.highWater() >= highest).toBe(true);
      }

      function perform(step: Step): bigint {
        switch (step.kind) {
          case 'tick': {
            const ticked = clock.tick(step.wallMs);
            expect(ticked > highest).toBe(true);
            expect(hlcPhysicalMs(ticked)).toBeGreaterThanOrEqual(step.wallMs);
            return ticked;
          }
          case 'observe': {
            const accepted = clock.observe(step.remote, step.wallMs).kind === 'observed';
            return accepted && step.remote > highest ? step.remote : highest;
          }
          case 'restart':
            clock = new HybridClock({ maxOffsetMs, highWater: clock.highWater() });
            return highest;
        }
      }
    }),
    { numRuns: 2_000 },
  );
});

test('a stamp is refused exactly when it lies beyond the guard, and then the clock does not move', () => {
  fc.assert(
    fc.property(stamp, wallMs, stamp, (highWater, wall, remote) => {
      const clock = new HybridClock({ highWater, maxOffsetMs });
      const offsetMs = hlcPhysicalMs(remote) - wall;
      const outcome = clock.observe(remote, wall);
      if (offsetMs > maxOffsetMs) {
        expect(outcome).toEqual({ kind: 'too-far-ahead', offsetMs });
        expect(clock.highWater()).toBe(highWater);
      } else {
        expect(outcome).toEqual({ kind: 'observed' });
        expect(clock.highWater()).toBe(remote > highWater ? remote : highWater);
      }
    }),
    { numRuns: 2_000 },
  );
});

test('stamps order by milliseconds, then by counter, and both parts survive', () => {
  fc.assert(
    fc.property(wallMs, counter, wallMs, counter, (ms1, count1, ms2, count2) => {
      const [a, b] = [hlcOf(ms1, count1), hlcOf(ms2, count2)];
      expect(a < b).toBe(ms1 < ms2 || (ms1 === ms2 && count1 < count2));
      expect([hlcPhysicalMs(a), hlcCounter(a)]).toEqual([ms1, count1]);
    }),
    { numRuns: 2_000 },
  );
});

test('a message between two nodes always carries its cause before its effect', () => {
  const message = fc.record({ from: fc.integer({ min: 0, max: 2 }), to: fc.integer({ min: 0, max: 2 }), skewsMs: fc.tuple(...[0, 1, 2].map(() => fc.integer({ min: -200, max: 200 }))) });
  fc.assert(
    fc.property(fc.array(message, { maxLength: 40 }), (messages) => {
      const nodes = [0, 1, 2].map(() => new HybridClock({ maxOffsetMs }));
      messages.forEach(({ from, to, skewsMs }, i) => {
        const wall = (node: number) => 1_000_000 + i + (skewsMs[node] ?? 0);
        const sent = nodes[from]!.tick(wall(from));
        expect(nodes[to]!.observe(sent, wall(to)).kind).toBe('observed');
        expect(nodes[to]!.tick(wall(to)) > sent).toBe(true);
      });
    }),
    { numRuns: 500 },
  );
});
