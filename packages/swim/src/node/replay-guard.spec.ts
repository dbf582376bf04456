import { expect, test } from 'vitest';
import { ReplayGuard } from './replay-guard.js';

test('counters of different senders have nothing to do with each other', () => {
  const guard = new ReplayGuard(10);
  expect([guard.accept('a', 1), guard.accept('b', 1), guard.accept('a', 1)]).toEqual([true, true, false]);
});

test('senders are capped; the one not heard of for longest is forgotten', () => {
  const guard = new ReplayGuard(2);
  guard.accept('a', 1);
  guard.accept('b', 1);
  guard.accept('a', 2);
  guard.accept('c', 1);
  expect(guard.senders).toBe(2);
  expect(guard.accept('a', 2)).toBe(false);
  expect(guard.accept('b', 1)).toBe(true);
});
