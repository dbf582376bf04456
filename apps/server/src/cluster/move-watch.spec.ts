import { parseNodeId, type Instant } from '@engram/kernel';
import type { MapChange } from '@engram/placement';
import { expect, test } from 'vitest';
import { MoveWatch } from './move-watch.js';

const at = (seconds: number): Instant => (seconds * 1_000_000) as Instant;
const to = parseNodeId('n2');
const arrived = (count: number): MapChange[] => Array.from({ length: count }, (_, partition) => ({ kind: 'move-ended', partition, to, done: true }));

test('moves that follow each other within a minute are counted together, with their speed', () => {
  const watch = new MoveWatch();
  expect(watch.burst(at(0))).toEqual({ moved: 0, failed: 0, perSecond: undefined, idleMs: undefined });
  watch.learned([{ kind: 'move-started', partition: 0, from: undefined, to }], at(100));
  watch.learned(arrived(10), at(105));
  watch.learned([{ kind: 'primary-changed', partition: 1, epoch: 2, from: parseNodeId('n1'), to, provisional: false }, { kind: 'move-ended', partition: 2, to, done: false }], at(110));
  expect(watch.burst(at(111))).toEqual({ moved: 11, failed: 1, perSecond: 1, idleMs: 1_000 });
});

test('after a quiet minute the next move begins anew, and until then the last count stands without a speed', () => {
  const watch = new MoveWatch();
  watch.learned(arrived(4), at(0));
  expect(watch.burst(at(61))).toEqual({ moved: 4, failed: 0, perSecond: undefined, idleMs: 61_000 });
  watch.learned(arrived(1), at(62));
  expect(watch.burst(at(62))).toEqual({ moved: 1, failed: 0, perSecond: undefined, idleMs: 0 });
});

test('other news is none', () => {
  const watch = new MoveWatch();
  watch.learned([{ kind: 'moves-paused' }], at(5));
  expect(watch.burst(at(6)).idleMs).toBeUndefined();
});
