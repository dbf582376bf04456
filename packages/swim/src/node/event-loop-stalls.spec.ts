import { ManualClock, plusMs } from '@engram/kernel';
import { expect, test } from 'vitest';
import { EventLoopStalls } from './event-loop-stalls.js';

function world() {
  const clock = new ManualClock();
  const told: string[] = [];
  const turns: (() => void)[] = [];
  const delay = { max: 0, enable: () => true, disable: () => true, reset: () => void (delay.max = 0) };
  const state = { received: 0 };
  const stalls = new EventLoopStalls(clock, {
    stallMs: 60,
    received: () => state.received,
    onStalled: (ms) => told.push(`stalled ${ms}`),
    onDrained: () => told.push('drained'),
    loopDelay: delay,
    afterPoll: (run) => turns.push(run),
  });
  const watched = stalls.clock;
  const poll = (received: number) => {
    state.received += received;
    turns.shift()?.();
  };
  /** A wake that is due `lateMs` before the clock gets round to it. */
  const wakeLateBy = (lateMs: number) => {
    clock.advance(1_000);
    const cancel = watched.schedule(plusMs(clock.now(), -lateMs), () => told.push('wake'));
    clock.advance(0);
    return cancel;
  };
  return { clock, watched, stalls, told, delay, poll, wakeLateBy, turns };
}

test('punctual wakes of a loop that runs say nothing', () => {
  const { told, wakeLateBy, turns } = world();
  wakeLateBy(5);
  expect([told, turns.length]).toEqual([['wake'], 0]);
});

test('after a late wake the sockets are read until turns bring nothing new', () => {
  const { told, poll, wakeLateBy, turns } = world();
  wakeLateBy(200);
  for (const received of [32, 32, 3, 0]) poll(received);
  expect(told).toEqual(['wake']);
  poll(0);
  expect([told, turns.length]).toEqual([['wake', 'drained'], 0]);
});

test('a stall that ended before the wake was due is told before the wake', () => {
  const { told, delay, poll, wakeLateBy } = world();
  delay.max = 330e6;
  wakeLateBy(0);
  poll(0);
  poll(0);
  expect(told).toEqual(['stalled 300', 'wake', 'drained']);
});

test('a stall is told once, though Node measures it a little later than the wake shows it', () => {
  const { told, delay, poll, wakeLateBy } = world();
  wakeLateBy(200);
  delay.max = 250e6;
  wakeLateBy(0);
  poll(0);
  poll(0);
  expect(told).toEqual(['wake', 'wake', 'drained']);
});

test('input that comes before an overdue wake finds the stall too', () => {
  const { clock, watched, stalls, told, poll } = world();
  const cancel = watched.schedule(plusMs(clock.now(), 5_000), () => told.push('wake'));
  stalls.beforeInput();
  cancel();
  clock.advance(5_200);
  stalls.beforeInput();
  poll(0);
  poll(0);
  expect(told).toEqual(['drained']);
});

test('a flood does not keep the sockets from counting as drained', () => {
  const { told, poll, wakeLateBy, turns } = world();
  wakeLateBy(200);
  for (let turn = 0; turn < 300; turn++) poll(32);
  expect([told, turns.length]).toEqual([['wake', 'drained'], 0]);
});

test('a wake that the news of the stall cancels does not run', () => {
  const clock = new ManualClock();
  const ran: string[] = [];
  const delay = { max: 500e6, enable: () => true, disable: () => true, reset: () => undefined };
  let cancel = (): void => undefined;
  const stalls = new EventLoopStalls(clock, { stallMs: 60, received: () => 0, onStalled: () => cancel(), onDrained: () => undefined, loopDelay: delay, afterPoll: () => undefined });
  cancel = stalls.clock.schedule(clock.now(), () => ran.push('wake'));
  clock.advance(1);
  expect(ran).toEqual([]);
});
