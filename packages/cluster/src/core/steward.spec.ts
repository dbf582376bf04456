import { describe, expect, test } from 'vitest';
import { checkMap, type ClusterMap } from '@engram/placement/core';
import { cardOf, mapOf, node, placed, rosterNode, voter } from '../../test/maps.js';
import { enrolled, nextMoves, nextVoters, orphanMakers, stewardOf, votersWanted } from './steward.js';

const everybody = (): boolean => true;
const without = (...names: string[]) => (id: string): boolean => !names.includes(id);
const abc = placed('a', ['b', 'c']);

describe('the steward', () => {
  test('is the lowest voter that is alive', () => {
    const map = mapOf(['c', 'a', 'b'], [abc]);
    expect(stewardOf(map, everybody)).toBe('a');
    expect(stewardOf(map, without('a'))).toBe('b');
    expect(stewardOf(map, () => false)).toBeUndefined();
  });

  test('is never a node that does not vote', () => {
    expect(stewardOf(mapOf(['a', 'b', 'c'], [abc], { voters: [voter('b')] }), everybody)).toBe('b');
  });
});

describe('voters', () => {
  test('are an odd number, five at most', () => {
    expect([1, 2, 3, 4, 5, 100].map(votersWanted)).toEqual([1, 1, 3, 3, 5, 5]);
  });

  test('are added one at a time, the lowest that is alive first', () => {
    const map = mapOf(['a', 'b', 'c'], [abc], { voters: [voter('c')] });
    expect(nextVoters(map, everybody)).toEqual([voter('c'), voter('a')]);
    expect(nextVoters(map, without('a'))).toEqual([voter('c'), voter('b')]);
    expect(nextVoters(map, () => false)).toBeUndefined();
  });

  test('are left alone when there are enough of them, dead or not', () => {
    expect(nextVoters(mapOf(['a', 'b', 'c', 'd'], [abc]), without('a', 'b'))).toBeUndefined();
  });

  test('on a disk that the roster does not have any more are removed before others are added', () => {
    const map = mapOf(['a', 'b', 'c'], [abc], { voters: [voter('a'), voter('b', 'lost'), voter('c')] });
    expect(nextVoters(map, everybody)).toEqual([voter('a'), voter('c')]);
    expect(nextVoters({ ...map, voters: [voter('a'), voter('c')] }, everybody)).toEqual([voter('a'), voter('c'), voter('b')]);
  });

  test('that drain or leave are not chosen', () => {
    const map = mapOf(['a', 'b', 'c'], [abc], { voters: [voter('a')], roster: [rosterNode('a'), rosterNode('b', { state: 'draining' }), rosterNode('c'), rosterNode('d')] });
    expect(nextVoters(map, everybody)).toEqual([voter('a'), voter('c')]);
  });

  test('that are decommissioned give their place to another before they go', () => {
      const inState = (map: ClusterMap, name: string): ClusterMap => ({ ...map, roster: map.roster.map((each) => (each.id === name ? { ...each, state: 'decommissioning' } : each)) });
      const [three, four] = [mapOf(['a', 'b', 'c'], [abc]), mapOf(['a', 'b', 'c', 'd'], [abc])];
    const leaving = inState(four, 'c');
    const added = nextVoters(leaving, () => true)!;
    expect(added.map(({ id }) => id)).toEqual(['a', 'b', 'c', 'd']);
    expect(nextVoters({ ...leaving, voters: added }, () => true)?.map(({ id }) => id)).toEqual(['a', 'b', 'd']);
    // Nobody else is there to take it.
    const small = inState(three, 'c');
    expect(nextVoters(small, () => true)?.map(({ id }) => id)).toEqual(['a', 'b']);
    expect(nextVoters({ ...small, voters: [voter('a'), voter('b')] }, (id) => id !== 'a')?.map(({ id }) => id)).toEqual(['b']);
    expect(nextVoters({ ...three, roster: [rosterNode('a'), rosterNode('b', { state: 'draining' }), rosterNode('c')] }, () => true)).toBeUndefined();
  });

});

describe('enrolling', () => {
  const map = mapOf(['a', 'b', 'c'], [abc]);

  test('leaves out a disk that was decommissioned, and takes another one of that name', () => {
    const without = { ...map, removed: [{ id: node('d'), storageId: 'd-disk' }] };
    expect(enrolled(without, cardOf('d'))).toBeUndefined();
    expect(enrolled(without, cardOf('d', 'new-disk'))?.roster.at(-1)?.storageId).toBe('new-disk');
  });

  test('adds a node that the roster does not have', () => {
    expect(enrolled(map, cardOf('d'))?.roster.map(({ id }) => id)).toEqual(['a', 'b', 'c', 'd']);
  });

  test('changes nothing for a node that stands there as it is', () => {
    expect(enrolled(map, cardOf('b'))).toBeUndefined();
  });

  test('takes over new addresses and keeps the state', () => {
    const draining = { ...map, roster: [rosterNode('a'), rosterNode('b', { state: 'draining' }), rosterNode('c')] };
    const moved = { ...cardOf('b'), addresses: { swim: 'elsewhere:7946' } };
    expect(enrolled(draining, moved)?.roster[1]).toEqual({ ...moved, state: 'draining' });
  });

  test('of another disk waits until nothing is expected of the one before', () => {
    const fresh = cardOf('c', 'new-disk');
    expect(enrolled(map, fresh)).toBeUndefined();
    expect(enrolled(mapOf(['a', 'b', 'c'], [placed('a', ['b'], { moving: { from: undefined, to: node('c') } })]), fresh)).toBeUndefined();
    expect(enrolled(mapOf(['a', 'b', 'c'], [placed('a', ['b'])]), fresh)?.roster[2]?.storageId).toBe('new-disk');
  });
});

describe('orphans', () => {
  test('are what nodes that are gone were primary of', () => {
    const map = mapOf(['a', 'b', 'c'], [abc, placed('b', ['a', 'c']), placed('b', ['c', 'a'])]);
    expect(orphanMakers(map, (id) => id !== 'a')).toEqual(['b']);
    expect(orphanMakers(map, (id) => id === 'c')).toEqual([]);
  });
});

describe('moves', () => {
  const table = Array.from({ length: 8 }, (_, i) => placed(['a', 'b', 'c'][i % 3] as string, ['a', 'b', 'c'].filter((name) => name !== ['a', 'b', 'c'][i % 3])));

  test('are none where everything is in balance', () => {
    expect(nextMoves(mapOf(['a', 'b', 'c'], table), everybody, 'random', 16)).toEqual({ content: undefined, handOvers: [] });
  });

  test('to a node that joined are marked in the map, so many at most, each in a new epoch', () => {
    const map = mapOf(['a', 'b', 'c', 'd'], table);
    const { content } = nextMoves(map, everybody, 'random', 3);
    const marked = content?.table.filter(({ moving }) => moving) ?? [];
    expect(marked.length).toBeGreaterThan(0);
    expect(marked.length).toBeLessThanOrEqual(3);
    expect(marked.every(({ moving, epoch, primary }) => moving?.to === 'd' && epoch === 2 && moving.from !== primary)).toBe(true);
    expect(() => checkMap(content as NonNullable<typeof content>)).not.toThrow();
  });

  test('do not begin while as many are under way, nor towards who is not there', () => {
    const map = mapOf(['a', 'b', 'c', 'd'], table);
    const { content } = nextMoves(map, everybody, 'random', 3);
    expect(nextMoves({ ...map, table: content?.table ?? [] }, everybody, 'random', 3).content).toBeUndefined();
    expect(nextMoves(map, without('d'), 'random', 3).content).toBeUndefined();
  });

  test('bring a missing copy to where there is none', () => {
    const { content } = nextMoves(mapOf(['a', 'b', 'c'], [placed('a', ['b'])]), everybody, 'random', 3);
    expect(content?.table[0]?.moving).toEqual({ from: undefined, to: 'c' });
  });

  test('of primaries are asked of them and not written into the map', () => {
    const all = Array.from({ length: 6 }, () => abc);
    const { content, handOvers } = nextMoves(mapOf(['a', 'b', 'c'], all), everybody, 'random', 16);
    expect(content).toBeUndefined();
    expect(handOvers.length).toBeGreaterThan(1);
    expect(handOvers.every(({ from, to }) => from === 'a' && to !== 'a')).toBe(true);
  });
});
