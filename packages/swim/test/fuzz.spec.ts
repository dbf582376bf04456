import { expect, test } from 'vitest';
import { fuzzCore, fuzzPlain, fuzzSealed, total } from './fuzz-trial.js';

/** The command in `fuzz.ts` runs the same with as many as one has time for. */
const count = 20_000;
const seed = '1';

test.each([['without keys', fuzzPlain], ['with keys', fuzzSealed]] as const)('malformed datagrams %s are each counted by reason, change nothing and keep nobody from talking', async (_what, trial) => {
  const report = await trial({ seed, count });
  expect(report.changes).toBe(0);
  expect(report.acked).toBeGreaterThan(0);
  expect(total(report.rejected)).toBe(report.hostile);
}, 60_000);

test('a core that believes inventions stays within its bounds', () => {
  const report = fuzzCore({ seed, count });
  expect(report.membersMost).toBeLessThanOrEqual(500);
  expect(report.broadcastsMost).toBeLessThanOrEqual(256);
  expect(report.accepted).toBeGreaterThan(1_000);
  expect(report.rejected).toBeGreaterThan(1_000);
});
