import { expect, test } from 'vitest';
import { LocalHealth, stallWeight } from './local-health.js';

test('a well node keeps its pace', () => {
  expect(new LocalHealth(8).stretch(1_000)).toBe(1_000);
});

test('the score stays between 0 and its most, and says when it changed', () => {
  const health = new LocalHealth(8);
  expect([health.adjust(-1), health.adjust(5), health.adjust(5), health.adjust(1)]).toEqual([false, true, true, false]);
  expect([health.score, health.stretch(100)]).toEqual([8, 900]);
});

test('a most of 0 turns local health off', () => {
  const health = new LocalHealth(0);
  health.adjust(+3);
  expect(health.stretch(1_000)).toBe(1_000);
});

test('a stall weighs by the probe timeouts it spans, up to four', () => {
  expect([10, 500, 501, 2_000, 60_000].map((ms) => stallWeight(ms, 500))).toEqual([1, 1, 2, 4, 4]);
});
