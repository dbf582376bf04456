import { expect, test } from 'vitest';
import { instant } from '@engram/kernel';
import { StallGuard } from './stall-guard.js';

test('without a stall there is no wait', () => {
  const guard = new StallGuard(100);
  expect([guard.until, guard.release(instant(5_000))]).toEqual([undefined, 0]);
});

test('the stall and the wait after it are lost time, once', () => {
  const guard = new StallGuard(100);
  guard.stalled(3_000, instant(1_000_000));
  expect(guard.until).toBe(1_100_000);
  expect([guard.release(instant(1_100_000)), guard.release(instant(1_100_000)), guard.until]).toEqual([3_100, 0, undefined]);
});

test('a second stall within the wait lengthens it and adds up', () => {
  const guard = new StallGuard(100);
  guard.stalled(1_000, instant(1_000_000));
  guard.stalled(500, instant(1_550_000));
  expect(guard.until).toBe(1_650_000);
  expect(guard.release(instant(1_650_000))).toBe(1_500 + 650);
});
