import { ManualClock } from '@engram/kernel';
import { expect, test } from 'vitest';
import type { Address } from '../core/index.js';
import { RejectionLog, type RejectedEvent } from './rejection-log.js';

const from = '10.0.0.9:1' as Address;

test('a flood is counted in full and told of once a second, each reason for itself', () => {
  const clock = new ManualClock();
  const told: RejectedEvent[] = [];
  const log = new RejectionLog(clock, (event) => told.push(event));
  for (let i = 0; i < 1_000; i++) log.add('unknown-key', from);
  log.add('malformed', from);
  clock.advance(1_000);
  log.add('unknown-key', from);
  expect(told.map(({ reason, count }) => [reason, count])).toEqual([['unknown-key', 1], ['malformed', 1], ['unknown-key', 1_000]]);
  expect(told[0]?.meaning).toMatch(/not in the keyring/);
});
