import { plusMs, type Instant, type NodeId } from '@engram/kernel';
import type { ClusterMap } from '@engram/placement/core';
import { describe, expect, test } from 'vitest';
import { mapOf, node, placed } from '../../test/maps.js';
import { CopyKeeper } from './copy-keeper.js';

/** A keeper of node `a`, which leads all that it is primary of. */
class Bench {
  readonly asked: (readonly [string, ...unknown[]])[] = [];
  readonly dead = new Set<string>();
  readonly otherDisks = new Set<string>();
  readonly drained = new Set<string>();
  readonly leaving = new Set<string>();
  leads = true;
  now = 0 as Instant;
  readonly keeper = new CopyKeeper(node('a'), {
    leads: () => this.leads,
    isAlive: (id) => !this.dead.has(id) && !this.otherDisks.has(id),
    hasOtherDisk: (id) => this.otherDisks.has(id),
    storageOf: (id) => `${id}-disk`,
    isActive: (id) => !this.drained.has(id),
    isLeavingForGood: (id) => this.leaving.has(id),
    hasHeirBeside: () => false,
    isSettled: () => false,
    confirm: (request, partition, level) => this.asked.push(['confirm', request, partition, level]),
    fence: (partition, epoch, nodes) => this.asked.push(['fence', partition, epoch, ...nodes]),
  });

  tend(map: ClusterMap) {
    return this.keeper.tend(map, this.now)?.table[0];
  }

  confirmLast(): void {
    this.keeper.confirmed(this.asked.at(-1)?.[1] as number, true, this.now);
  }

  after(ms: number): void {
    this.now = plusMs(this.now, ms);
  }
}

const moving = { from: node('c'), to: node('d') };
const names = ['a', 'b', 'c', 'd'];

describe('a copy that moves', () => {
  test('counts once it has everything, and everything is confirmed in the present epoch', () => {
    const bench = new Bench();
    const map = mapOf(names, [placed('a', ['b', 'c'], { epoch: 5, moving })]);
    expect(bench.tend(map)).toBeUndefined();
    bench.keeper.learnerReady(0, 5, node('d'), 'd-disk');
    expect(bench.tend(map)).toBeUndefined();
    expect(bench.asked).toEqual([['confirm', -1, 0, 'quorum']]);
    bench.confirmLast();
    expect(bench.tend(map)).toEqual(placed('a', ['b', 'd', 'c'], { epoch: 6 }));
  });

  test('does not count on the word of another disk or of an earlier epoch', () => {
    const bench = new Bench();
    const map = mapOf(names, [placed('a', ['b', 'c'], { epoch: 5, moving })]);
    bench.keeper.learnerReady(0, 5, node('d'), 'another-disk');
    expect(bench.tend(map)).toBeUndefined();
    bench.keeper.learnerReady(0, 4, node('d'), 'd-disk');
    expect(bench.tend(map)).toBeUndefined();
    expect(bench.asked).toEqual([]);
  });

  test('takes the place of the last one named, after that one had time to offer what only it has', () => {
    const bench = new Bench();
    const map = mapOf(names, [placed('a', ['b', 'd', 'c'], { epoch: 6 })]);
    expect(bench.tend(map)).toBeUndefined();
    expect(bench.asked).toEqual([['confirm', -1, 0, 'all']]);
    bench.confirmLast();
    expect(bench.tend(map)).toBeUndefined();
    bench.after(2_000);
    expect(bench.tend(map)).toEqual(placed('a', ['b', 'd'], { epoch: 7 }));
  });

  test('does so at once when that one is dead, as long as a quorum has confirmed', () => {
    const bench = new Bench();
    bench.dead.add('c');
    const map = mapOf(names, [placed('a', ['b', 'd', 'c'], { epoch: 6 })]);
    bench.tend(map);
    expect(bench.asked).toEqual([['confirm', -1, 0, 'quorum']]);
    bench.confirmLast();
    expect(bench.tend(map)).toEqual(placed('a', ['b', 'd'], { epoch: 7 }));
  });

  test('is given up when nobody has been at its end for ten seconds', () => {
    const bench = new Bench();
    const map = mapOf(names, [placed('a', ['b', 'c'], { epoch: 5, moving })]);
    bench.dead.add('d');
    expect(bench.tend(map)).toBeUndefined();
    bench.after(10_001);
    expect(bench.tend(map)).toEqual(placed('a', ['b', 'c'], { epoch: 6 }));
  });

  test('is not touched by a primary that does not lead', () => {
    const bench = new Bench();
    bench.leads = false;
    bench.keeper.learnerReady(0, 5, node('d'), 'd-disk');
    expect(bench.tend(mapOf(names, [placed('a', ['b', 'c'], { epoch: 5, moving })]))).toBeUndefined();
    expect(bench.asked).toEqual([]);
  });
});

test('a copy whose disk was lost is given up once all else is confirmed', () => {
  const bench = new Bench();
  bench.otherDisks.add('b');
  const map = mapOf(['a', 'b', 'c'], [placed('a', ['b', 'c'])]);
  expect(bench.tend(map)).toBeUndefined();
  bench.confirmLast();
  expect(bench.tend(map)).toEqual(placed('a', ['c'], { epoch: 2 }));
});

test('a confirmation counts for its own epoch only, and is asked for again when it does not come', () => {
  const bench = new Bench();
  bench.otherDisks.add('b');
  const at = (epoch: number) => mapOf(['a', 'b', 'c'], [placed('a', ['b', 'c'], { epoch })]);
  bench.tend(at(1));
  bench.confirmLast();
  expect(bench.tend(at(2))).toBeUndefined();
  expect(bench.asked).toHaveLength(2);
  bench.after(1_501);
  bench.tend(at(2));
  expect(bench.asked).toHaveLength(3);
});

describe('a primary that hands over', () => {
  const map = mapOf(['a', 'b', 'c'], [placed('a', ['b', 'c'], { epoch: 3 })]);
  const begun = (to?: NodeId): Bench => {
    const bench = new Bench();
    if (to === undefined) bench.keeper.handAllOver(map, plusMs(bench.now, 500), bench.now);
    else bench.keeper.handOver(map, 0, to, bench.now);
    expect(bench.asked).toEqual([['fence', 0, 4, 'a', 'b', 'c']]);
    return bench;
  };

  test('fences itself and the others, then names the one it was to be, when that has everything', () => {
    const bench = begun(node('c'));
    expect(bench.keeper.fenced(map, 0, 4, node('c'), { epoch: 3, seq: 9 })).toBe(false);
    expect(bench.keeper.fenced(map, 0, 4, node('a'), { epoch: 3, seq: 9 })).toBe(true);
    expect(bench.tend(map)).toEqual(placed('c', ['a', 'b'], { epoch: 4 }));
  });

  test('names the furthest of all others when none has everything', () => {
    const bench = begun(node('c'));
    bench.keeper.fenced(map, 0, 4, node('a'), { epoch: 3, seq: 9 });
    expect(bench.keeper.fenced(map, 0, 4, node('c'), { epoch: 3, seq: 7 })).toBe(false);
    expect(bench.keeper.fenced(map, 0, 4, node('b'), { epoch: 3, seq: 8 })).toBe(true);
    expect(bench.tend(map)?.primary).toBe('b');
  });

  test('never names anybody before it has fenced itself', () => {
    const bench = begun();
    bench.keeper.fenced(map, 0, 4, node('b'), { epoch: 3, seq: 9 });
    bench.keeper.fenced(map, 0, 4, node('c'), { epoch: 3, seq: 9 });
    expect(bench.tend(map)).toBeUndefined();
  });

  test('passes over answers for another epoch, and gives up after half a second', () => {
    const bench = begun(node('c'));
    expect(bench.keeper.fenced(map, 0, 3, node('a'), { epoch: 3, seq: 9 })).toBe(false);
    bench.after(500);
    expect(bench.tend(map)).toBeUndefined();
    expect(bench.keeper.handingOver).toBe(0);
  });

  test('hands over no more than so many at a time for balance, and everything at once when it leaves', () => {
    const bench = new Bench();
    const large = mapOf(['a', 'b', 'c'], Array.from({ length: 100 }, () => placed('a', ['b', 'c'])));
    for (let partition = 0; partition < 100; partition++) bench.keeper.handOver(large, partition, node('b'), bench.now);
    expect(bench.keeper.handingOver).toBe(64);
    bench.keeper.handAllOver(large, plusMs(bench.now, 500), bench.now);
    expect(bench.keeper.handingOver).toBe(100);
  });

  test('is done with all in one change of the map: it says so once, when the last successor is known', () => {
    const bench = new Bench();
    const both = mapOf(['a', 'b', 'c'], [placed('a', ['b', 'c'], { epoch: 3 }), placed('a', ['b', 'c'], { epoch: 3 })]);
    bench.keeper.handAllOver(both, plusMs(bench.now, 500), bench.now);
    const said = [0, 1].flatMap((partition) => ['a', 'b'].map((copy) => bench.keeper.fenced(both, partition, 4, node(copy), { epoch: 3, seq: 9 })));
    expect(said).toEqual([false, false, false, true]);
    expect(bench.keeper.tend(both, bench.now)?.table.map(({ primary }) => primary)).toEqual(['b', 'b']);
  });
});
