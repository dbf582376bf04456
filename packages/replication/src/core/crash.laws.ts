import fc from 'fast-check';
import { expect, test } from 'vitest';
import { runCrashTrial, type Planted, type Step } from '../../test/crash-trial.js';

const done: Step = { kind: 'disk', outcome: 'done' };
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('append' as const), entries: fc.integer({ min: 1, max: 4 }), payloadBytes: fc.integer({ min: 4, max: 400 }) }) },
  { weight: 14, arbitrary: fc.constant(done) },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: 'disk', outcome: 'no-space' }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('time' as const), ms: fc.integer({ min: 1, max: 150 }) }) },
  { weight: 3, arbitrary: fc.constant<Step>({ kind: 'checkpoint' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: 'crash' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: 'disk', outcome: 'other' }) },
);
const trials = fc.tuple(fc.array(step, { minLength: 5, maxLength: 150, size: 'max' }), fc.nat());

test('whatever fails and wherever the power goes, recovery brings back all that was acknowledged and nothing that was refused', { timeout: 30_000 }, () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(trials, ([steps, seed]) => {
      const result = runCrashTrial(steps, seed);
      for (const thing of result.seen) seen.add(thing);
      expect(result.violation).toBeUndefined();
    }),
    { numRuns: 500 },
  );
  // Guards against passing because nothing interesting ever happened.
  expect([...seen].sort()).toEqual(expect.arrayContaining([
    'acknowledge', 'crash', 'failed delete-segment', 'failed open-segment', 'failed sync', 'failed truncate', 'failed write',
    'reject disk_full', 'reject log_failed', 'retention-settled', 'state accepting', 'state failed', 'state full', 'torn tail',
  ]));
});

test.each<[Planted, RegExp]>([
  ['acknowledge before sync', /acknowledged entry \d+ is lost/],
  ['acknowledge after a failed sync', /acknowledged entry \d+ is lost/],
  ['ignore checksums', /was altered/],
  ['keep what a failed write left', /was refused and came back/],
])('the law finds a planted defect: %s', (planted, violation) => {
  const outcome = fc.check(
    fc.property(trials, ([steps, seed]) => {
      const result = runCrashTrial(steps, seed, planted);
      return result.violation === undefined || !violation.test(result.violation);
    }),
    { numRuns: 2_000, endOnFailure: true },
  );
  expect(outcome.failed, `nothing found in ${outcome.numRuns} runs`).toBe(true);
  expect(outcome.counterexample).not.toBeNull();
  expect(String(outcome.errorInstance)).toContain('Property failed by returning false');
});
