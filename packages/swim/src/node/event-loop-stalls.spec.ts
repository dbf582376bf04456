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
  /** A wake that is due in `inMs`, and before it the loop stands still for `stoodMs`. */
  const stallBeforeWake = (stoodMs: number, inMs: number) => {
    watched.schedule(plusMs(clock.now(), inMs), () => told.push('wake'));
    delay.max = Math.max(delay.max, stoodMs * 1e6);
    clock.advance(inMs);
  };
  /** A wake that is due `lateMs` before the clock gets round to it. */
  const wakeLateBy = (lateMs: number) => {
    clock.advance(1_000);
    const cancel = watched.schedule(plusMs(clock.now(), -lateMs), () => told.push('wake'));
    clock.advance(0);
    return cancel;
  };
  return { clock, watched, stalls, told, delay, poll, wakeLateBy, stallBeforeWake, turns };
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
  const { told, poll, stallBeforeWake } = world();
  stallBeforeWake(330, 1_000);
  poll(0);
  poll(0);
  expect(told).toEqual(['stalled 300', 'wake', 'drained']);
});

test('a stall before anything was due, as when a process loads its modules, is nobody\'s', () => {
  const { told, delay, stallBeforeWake, turns } = world();
  delay.max = 900e6;
  stallBeforeWake(0, 1_000);
  expect([told, turns.length]).toEqual([['wake'], 0]);
});

test('a stall is told once, though Node measures it a little later than the wake shows it', () => {
  const { told, poll, stallBeforeWake, wakeLateBy } = world();
  wakeLateBy(200);
  stallBeforeWake(250, 0);
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
