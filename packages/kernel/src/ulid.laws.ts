import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isMemoryId } from './ids.js';
import { Random } from './random.js';
import { UlidFactory } from './ulid.js';

/** A wall clock that stands still, runs and jumps either way. */
const wallClock = fc.array(fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 2 ** 40 })), { minLength: 2, maxLength: 50 });

test('each id sorts after the one before, under any wall clock', () => {
  fc.assert(
    fc.property(fc.integer(), wallClock, (seed, walls) => {
      const ids = new UlidFactory(Random.fromSeed(seed));
      const made = walls.map((wallMs) => ids.next(wallMs));
      expect(made).toEqual([...new Set(made)].sort());
      expect(made.every(isMemoryId)).toBe(true);
    }),
    { numRuns: 1_000 },
  );
});
