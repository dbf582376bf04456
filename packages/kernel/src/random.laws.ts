import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Random } from './random.js';

describe('ranges', () => {
  test('below(n) is a whole number in [0, n), for small and for very large n', () => {
    fc.assert(
      fc.property(fc.integer(), fc.oneof(fc.integer({ min: 1, max: 100 }), fc.maxSafeInteger().filter((n) => n >= 1)), (seed, n) => {
        const drawn = Random.fromSeed(seed).below(n);
        expect(Number.isSafeInteger(drawn) && drawn >= 0 && drawn < n).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  test('float is in [0, 1) and uint32 in [0, 2^32)', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const random = Random.fromSeed(seed);
        const [float, word] = [random.float(), random.uint32()];
        expect(float >= 0 && float < 1).toBe(true);
        expect(Number.isInteger(word) && word >= 0 && word < 2 ** 32).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });

  test('a shuffle is a permutation', () => {
    fc.assert(
      fc.property(fc.integer(), fc.array(fc.integer()), (seed, xs) => {
        const numerically = (a: number, b: number) => a - b;
        expect(Random.fromSeed(seed).shuffle(xs).toSorted(numerically)).toEqual(xs.toSorted(numerically));
      }),
      { numRuns: 500 },
    );
  });
});

describe('forks', () => {
  test('a fork depends on the seed and its labels, whatever was drawn or forked before', () => {
    const action = fc.oneof(fc.constant('draw'), fc.string({ maxLength: 5 }));
    fc.assert(
      fc.property(fc.integer(), fc.string(), fc.array(action, { maxLength: 20 }), (seed, label, actions) => {
        const busy = Random.fromSeed(seed);
        for (const step of actions) (step === 'draw' ? busy : busy.fork(step)).uint32();
        expect(busy.fork(label).bytes(16)).toEqual(Random.fromSeed(seed).fork(label).bytes(16));
      }),
      { numRuns: 500 },
    );
  });
});

// The seeds are fixed, so these hold for ever or never did; five deviations leave room without hiding a bias.
describe('uniformity', () => {
  test.each([2, 3, 10, 97])('below(%i) gives each result about equally often', (n) => {
    const counts = tally(n, 60_000, Random.fromSeed(`below ${n}`), (random) => random.below(n));
    expectEven(counts, 60_000);
  });

  test('below(n) has no bias where taking the remainder would have a large one', () => {
    // With n at three quarters of the range, a bare remainder would hit the lower third twice as often as the rest.
    const n = 3 * 2 ** 30;
    const thirds = tally(3, 30_000, Random.fromSeed('three quarters'), (random) => Math.floor(random.below(n) / 2 ** 30));
    expectEven(thirds, 30_000);
  });

  test('the 53-bit range has no such bias either', () => {
    const n = 3 * 2 ** 51;
    const thirds = tally(3, 30_000, Random.fromSeed('wide'), (random) => Math.floor(random.below(n) / 2 ** 51));
    expectEven(thirds, 30_000);
  });

  test('each bit of a word is set about half the time', () => {
    const random = Random.fromSeed('bits');
    const counts = new Array<number>(32).fill(0);
    for (let i = 0; i < 20_000; i++) {
      const word = random.uint32();
      for (let bit = 0; bit < 32; bit++) counts[bit]! += (word >>> bit) & 1;
    }
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(5 * Math.sqrt(20_000 / 4));
  });

  test('each order of three is about equally likely', () => {
    const orders = ['012', '021', '102', '120', '201', '210'];
    const counts = tally(6, 30_000, Random.fromSeed('orders'), (random) => orders.indexOf(random.shuffle([0, 1, 2]).join('')));
    expectEven(counts, 30_000);
  });

  test('sibling forks do not move together', () => {
    const root = Random.fromSeed('siblings');
    const [a, b] = [root.fork('node-1'), root.fork('node-2')];
    const equal = tally(2, 20_000, a, () => Number((a.uint32() & 1) === (b.uint32() & 1)));
    expectEven(equal, 20_000);
  });
});

function tally(buckets: number, draws: number, random: Random, draw: (random: Random) => number): number[] {
  const counts = new Array<number>(buckets).fill(0);
  for (let i = 0; i < draws; i++) counts[draw(random)]! += 1;
  return counts;
}

function expectEven(counts: readonly number[], draws: number): void {
  const p = 1 / counts.length;
  const deviation = Math.sqrt(draws * p * (1 - p));
  for (const count of counts) expect(Math.abs(count - draws * p)).toBeLessThan(5 * deviation);
}
