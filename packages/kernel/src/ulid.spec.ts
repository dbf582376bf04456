import { describe, expect, test } from 'vitest';
import { isMemoryId } from './ids.js';
import { Random } from './random.js';
import { UlidFactory } from './ulid.js';

const timeOf = (id: string) => id.slice(0, 10);

/** A random source whose every draw is the largest possible, so that the first id of a millisecond is the last one. */
const exhausted = { below: (n: number) => n - 1 } as unknown as Random;

function factory(seed = 1): UlidFactory {
  return new UlidFactory(Random.fromSeed(seed));
}

test('an id is 26 characters of Crockford base 32 and a valid memory id', () => {
  const id = factory().next(1_700_000_000_000);
  expect(id).toMatch(/^[0-7][0-9A-HJKMNP-TV-Z]{25}$/);
  expect(isMemoryId(id)).toBe(true);
});

test.each([
  [0, '0000000000'],
  [1_469_918_176_385, '01ARYZ6S41'],
  [2 ** 48 - 1, '7ZZZZZZZZZ'],
])('the first ten characters are the milliseconds: %i is %s', (wallMs, time) => {
  expect(timeOf(factory().next(wallMs))).toBe(time);
});

test('equal seeds and clocks give equal ids, other seeds give others', () => {
  expect(factory(7).next(5)).toBe(factory(7).next(5));
  expect(factory(7).next(5)).not.toBe(factory(8).next(5));
});

test('within a millisecond the random part counts up by one', () => {
  const ids = new UlidFactory({ below: () => 30 } as unknown as Random);
  expect([ids.next(0), ids.next(0), ids.next(0)].map((id) => id.slice(10))).toEqual(['0000000Y0000000Y', '0000000Y0000000Z', '0000000Y00000010']);
});

test('counting up carries from the lower half into the upper one', () => {
  const halves = [4, 2 ** 40 - 1];
  const ids = new UlidFactory({ below: () => halves.shift() } as unknown as Random);
  expect([ids.next(0), ids.next(0)].map((id) => id.slice(10))).toEqual(['00000004ZZZZZZZZ', '0000000500000000']);
});

test('when the wall clock goes back the time of the last id is kept', () => {
  const ids = factory();
  const before = ids.next(1_000_000);
  const after = ids.next(1);
  expect(timeOf(after)).toBe(timeOf(before));
  expect(after > before).toBe(true);
});

test('a random part that is used up moves the time on by one millisecond', () => {
  const ids = new UlidFactory(exhausted);
  expect([ids.next(41), ids.next(41)].map(timeOf)).toEqual(['0000000019', '000000001A']);
});

describe('bounds', () => {
  test.each([-1, 0.5, NaN, 2 ** 48])('%s milliseconds are refused', (wallMs) => {
    expect(() => factory().next(wallMs)).toThrow(/whole milliseconds/);
  });

  test('the last id of the last millisecond has none after it', () => {
    const ids = new UlidFactory(exhausted);
    ids.next(2 ** 48 - 1);
    expect(() => ids.next(2 ** 48 - 1)).toThrow(/year 10889/);
  });
});
