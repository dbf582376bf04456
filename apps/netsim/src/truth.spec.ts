import { expect, test } from 'vitest';
import { countFaults, Truth } from './truth.js';

test('a process is down from its kill to its restart, and a second kill changes nothing', () => {
  const truth = new Truth({ spares: ['x'], schedule: [{ atMs: 10, kind: 'kill', node: 'a' }, { atMs: 15, kind: 'kill', node: 'a' }, { atMs: 20, kind: 'restart', node: 'a' }] });
  expect([9, 10, 19, 20].map((atMs) => truth.isDown('a', atMs))).toEqual([false, true, true, false]);
  expect(truth.endings).toEqual([{ node: 'a', atMs: 10, how: 'kill', untilMs: 20 }]);
  expect(truth.isDown('x', 1_000)).toBe(true);
});

test('a partition cuts who shares no group, until the next one or until it is healed', () => {
  const truth = new Truth({ spares: [], schedule: [{ atMs: 10, kind: 'partition', groups: [['a', 'b'], ['c']] }, { atMs: 20, kind: 'partition', groups: [['a'], ['b', 'c']] }, { atMs: 30, kind: 'heal' }] });
  const cutAt = (atMs: number) => [truth.isCut('a', 'b', atMs, atMs), truth.isCut('b', 'c', atMs, atMs)];
  expect([5, 15, 25, 30].map(cutAt)).toEqual([[false, false], [false, true], [true, false], [false, false]]);
  expect(truth.isCut('a', 'b', 0, 20)).toBe(true);
});

test('a block in one direction cuts the pair, and mild loss troubles nobody', () => {
  const truth = new Truth({ spares: [], schedule: [
    { atMs: 10, kind: 'block', from: ['a'], to: ['*'] },
    { atMs: 10, kind: 'disturb', from: '*', to: 'b', link: { loss: 0.05, duplicate: 0.2 } },
    { atMs: 10, kind: 'disturb', from: '*', to: 'c', link: { loss: 0.06 } },
    { atMs: 10, kind: 'pause', node: 'd', forMs: 5 },
    { atMs: 20, kind: 'heal' },
  ] });
  expect([truth.isCut('b', 'a', 12, 12), truth.isCut('b', 'c', 12, 12), truth.isCut('a', 'b', 20, 30)]).toEqual([true, false, false]);
  expect(['b', 'c', 'd'].map((node) => truth.isTroubled(node, 14, 14))).toEqual([false, true, true]);
  expect(truth.isTroubled('d', 15, 19)).toBe(false);
});

test('what makes things right again is no fault', () => {
  expect(countFaults([{ atMs: 1, kind: 'kill', node: 'a' }, { atMs: 2, kind: 'restart', node: 'a' }, { atMs: 3, kind: 'heal' }])).toBe(1);
});
