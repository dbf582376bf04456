import { describe, expect, test } from 'vitest';
import { EngramError } from './errors.js';
import { Random } from './random.js';

const firstFour = (random: Random) => Array.from({ length: 4 }, () => random.uint32());

describe('seeds', () => {
  test('a seed gives the same stream in every release', () => {
    expect(firstFour(Random.fromSeed(7))).toEqual([1032268140, 5070649, 2568600986, 2843729992]);
  });

  test('a number, a bigint and the text of it are one seed', () => {
    expect(firstFour(Random.fromSeed(7n))).toEqual(firstFour(Random.fromSeed(7)));
    expect(firstFour(Random.fromSeed('7'))).toEqual(firstFour(Random.fromSeed(7)));
  });

  test('different seeds give different streams', () => {
    const streams = new Set(Array.from({ length: 1_000 }, (_, seed) => firstFour(Random.fromSeed(seed)).join()));
    expect(streams.size).toBe(1_000);
  });

  test.each([1.5, NaN, Infinity, 2 ** 53])('the number %s is refused as a seed', (seed) => {
    expect(() => Random.fromSeed(seed)).toThrow(EngramError);
  });
});

describe('forks', () => {
  test('a fork has its own stream, the same in every release', () => {
    expect(firstFour(Random.fromSeed(7).fork('swim'))).toEqual([38345447, 3605244092, 438773930, 3308590584]);
  });

  test('a draw added in the parent or in one fork never shifts another', () => {
    const quiet = Random.fromSeed('laws');
    const expected = { parent: firstFour(quiet), swim: firstFour(quiet.fork('swim')) };

    const busy = Random.fromSeed('laws');
    busy.fork('gossip').bytes(100);
    busy.fork('swim').uint32();
    const parent = firstFour(busy);
    busy.uint32();
    expect({ parent, swim: firstFour(busy.fork('swim')) }).toEqual(expected);
  });

  test('a path of labels is not the same as one label spelt like the path', () => {
    const root = Random.fromSeed(1);
    const streams = [root, root.fork('a'), root.fork('a').fork('b'), root.fork('b').fork('a'), root.fork('ab'), root.fork('a/b'), root.fork('')].map((random) => firstFour(random).join());
    expect(new Set(streams).size).toBe(streams.length);
  });
});

describe('draws', () => {
  test.each([0, -1, 1.5, NaN, 2 ** 53])('below(%s) is refused', (n) => {
    expect(() => Random.fromSeed(1).below(n)).toThrow(/safe integer from 1 on/);
  });

  test('below(1) is always 0', () => {
    expect(Random.fromSeed(1).below(1)).toBe(0);
  });

  test('a probability of 0 never and of 1 always happens, for the price of the same draws', () => {
    const random = Random.fromSeed(3);
    const outcomes = Array.from({ length: 1_000 }, () => [random.chance(0), random.chance(1)]);
    expect(outcomes.every(([never, always]) => !never && always)).toBe(true);

    const [a, b] = [Random.fromSeed(4), Random.fromSeed(4)];
    a.chance(0);
    b.chance(0.7);
    expect(a.uint32()).toBe(b.uint32());
  });

  test.each([-0.1, 1.1, NaN])('%s is no probability', (p) => {
    expect(() => Random.fromSeed(1).chance(p)).toThrow(/\[0, 1\]/);
  });

  test('picking from nothing is refused', () => {
    expect(() => Random.fromSeed(1).pick([])).toThrow(/at least one element/);
  });

  test('shuffling leaves the given array as it was', () => {
    const xs = Object.freeze([1, 2, 3, 4, 5]);
    expect(Random.fromSeed(1).shuffle(xs).toSorted()).toEqual([...xs]);
  });

  test('bytes are the little-endian words of the stream, cut to length', () => {
    const word = Random.fromSeed(7).uint32();
    expect([...Random.fromSeed(7).bytes(5)].slice(0, 4)).toEqual([word & 255, (word >>> 8) & 255, (word >>> 16) & 255, word >>> 24]);
    expect(Random.fromSeed(7).bytes(0)).toEqual(new Uint8Array(0));
    expect(() => Random.fromSeed(7).bytes(-1)).toThrow(EngramError);
  });
});
