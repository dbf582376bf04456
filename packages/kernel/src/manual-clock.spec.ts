import { expect, test } from 'vitest';
import { ManualClock } from './manual-clock.js';
import { instant, plusMs } from './time.js';

test('calls run in the order of their instants, and of their scheduling where those are equal', () => {
  const clock = new ManualClock();
  const ran: string[] = [];
  const note = (name: string) => () => ran.push(`${name}@${clock.now()}`);
  clock.schedule(instant(2_000), note('late'));
  clock.schedule(instant(1_000), note('first'));
  clock.schedule(instant(1_000), note('second'));
  clock.advance(5);
  expect(ran).toEqual(['first@1000', 'second@1000', 'late@2000']);
  expect(clock.now()).toBe(5_000);
});

test('a call that is not due yet waits, and runs exactly at its instant', () => {
  const clock = new ManualClock(instant(10_000));
  const ran: number[] = [];
  clock.schedule(plusMs(clock.now(), 1), () => ran.push(clock.now()));
  clock.advance(0.999);
  expect(ran).toEqual([]);
  clock.advance(0.001);
  expect(ran).toEqual([11_000]);
});

test('a cancelled call never runs, and cancelling again changes nothing', () => {
  const clock = new ManualClock();
  const ran: string[] = [];
  const cancel = clock.schedule(instant(1), () => ran.push('cancelled'));
  clock.schedule(instant(1), () => ran.push('kept'));
  cancel();
  cancel();
  expect(clock.pending).toBe(1);
  clock.advance(1);
  expect(ran).toEqual(['kept']);
});

test('a call scheduled by a call runs within the same advance when it is due', () => {
  const clock = new ManualClock();
  const ran: number[] = [];
  const again = () => {
    ran.push(clock.now());
    clock.schedule(plusMs(clock.now(), 2), again);
  };
  clock.schedule(instant(0), again);
  clock.advance(5);
  expect(ran).toEqual([0, 2_000, 4_000]);
});

test('an instant gone by runs late and never turns the clock back', () => {
  const clock = new ManualClock(instant(9_000));
  const ran: number[] = [];
  clock.schedule(instant(1_000), () => ran.push(clock.now()));
  clock.advance(0);
  expect(ran).toEqual([9_000]);
});

test('the clock refuses to go back', () => {
  expect(() => new ManualClock(instant(5_000)).advance(-1)).toThrow(/does not go back/);
});

test('a call that keeps rescheduling itself for the past is reported, not run for ever', () => {
  const clock = new ManualClock(instant(1));
  const spin = () => clock.schedule(instant(0), spin);
  spin();
  expect(() => clock.advance(1)).toThrow(/more than 1000000 calls/);
});
