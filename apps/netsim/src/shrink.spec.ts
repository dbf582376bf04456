import { describe, expect, test } from 'vitest';
import { planOf, timesOf, type Plan } from './plan.js';
import { runPlan } from './run-plan.js';
import { scenarioNamed } from './scenarios/index.js';
import { shrink } from './shrink.js';

/** Deaf to what is said about themselves: a partition long enough for each side to bury the other never heals in the views. */
const failing = planOf(scenarioNamed('clean-split'), { seed: '2', nodes: 6, flaw: 'forgets-to-refute' });

/** The failing plan with troubles around it that have no part in the failure. */
const cluttered: Plan = (() => {
  const schedule = [
    ...failing.schedule,
    { atMs: 10_500, kind: 'drift', node: 'n1', ppm: 80 } as const,
    { atMs: 11_000, kind: 'pause', node: 'n2', forMs: 300 } as const,
    { atMs: 52_500, kind: 'kill', node: 'n5' } as const,
    { atMs: 70_000, kind: 'restart', node: 'n5' } as const,
  ].sort((a, b) => a.atMs - b.atMs);
  return { ...failing, link: { loss: 0.01 }, schedule, ...timesOf(schedule, failing.preset) };
})();

describe('shrinking a failing run', () => {
  const { report, checker, finished, attempts } = shrink(cluttered, { checker: 'views-heal' });

  test('leaves the one fault that matters, with what heals it, between as few nodes as it takes', () => {
    expect([checker, finished]).toEqual(['views-heal', true]);
    expect(report.plan.schedule.map(({ kind }) => kind)).toEqual(['partition', 'heal']);
    expect(report.plan.names.length).toBeLessThanOrEqual(3);
    expect(report.plan.link).toEqual({});
    expect(attempts).toBeLessThan(300);
  });

  test('gives a plan that fails the same way when it is run again', () => {
    const again = runPlan(report.plan).report;
    expect(again.hash).toBe(report.hash);
    expect(again.checks.find((check) => check.checker === 'views-heal')?.violations).not.toEqual([]);
  });

  test('stops where the attempts end and says that it may get smaller', () => {
    const kept: boolean[] = [];
    const cut = shrink(cluttered, { checker: 'views-heal', attempts: 3, onAttempt: (attempt) => kept.push(attempt.kept) });
    expect([cut.finished, cut.attempts, kept.length]).toEqual([false, 3, 3]);
    expect(cut.report.plan.schedule.length).toBeLessThanOrEqual(cluttered.schedule.length);
  });

  test('has nothing to do where nothing fails, or another checker does', () => {
    expect(() => shrink(planOf(scenarioNamed('kill-one'), { seed: '1' }))).toThrow(/nothing to shrink: no checker fails/);
    expect(() => shrink(failing, { checker: 'traffic' })).toThrow(/traffic does not fail in this run; .*views-heal.* does/);
  });
});

test('a failure that needs no fault at all is shrunk to none', () => {
  const { report } = shrink(planOf(scenarioNamed('kill-one'), { seed: '3', nodes: 4, flaw: 'says-everything-thrice' }));
  expect(report.plan.schedule).toEqual([]);
  expect(report.plan.names.length).toBe(2);
});

test('newcomers that make the failure stay, and those that do not go', () => {
  const { report } = shrink(planOf(scenarioNamed('address-reuse'), { seed: '2', flaw: 'cluster-unchecked' }), { checker: 'clusters-apart' });
  const kinds = report.plan.schedule.map(({ kind }) => kind);
  expect(kinds.length).toBeLessThan(5);
  expect(report.checks.find(({ checker }) => checker === 'clusters-apart')?.violations).not.toEqual([]);
});
