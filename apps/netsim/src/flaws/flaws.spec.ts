import { expect, test } from 'vitest';
import { checkers } from '../checkers/index.js';
import { planOf } from '../plan.js';
import { runPlan } from '../run-plan.js';
import { scenarioNamed } from '../scenarios/index.js';
import { Truth } from '../truth.js';
import { flaws } from './index.js';

/** Seeds with which no flawed node happens to be the one that is killed. */
const seeds = ['2', '3'];

test.each(flaws.flatMap((flaw) => seeds.map((seed) => ({ ...flaw, seed }))))('$name is found by $caughtBy in $scenario, seed $seed', ({ name, caughtBy, scenario, seed }) => {
  const { report } = runPlan(planOf(scenarioNamed(scenario), { seed, flaw: name }));
  expect(report.verdict).toBe('failed');
  expect(report.checks.filter(({ violations }) => violations.length > 0).map(({ checker }) => checker)).toContain(caughtBy);
});

test('every checker is proved by a flaw that it finds', () => {
  const plan = planOf(scenarioNamed('kill-one'), { seed: '1' });
  const world = { at: () => undefined };
  const names = checkers.map((make) => make({ plan, truth: new Truth(plan), cluster: { world } as never }).name);
  expect(new Set(flaws.map(({ caughtBy }) => caughtBy))).toEqual(new Set(names));
});

test('a core that throws is a violation, told with its moment', () => {
  const plan = planOf(scenarioNamed('kill-one'), { seed: '1' });
  const { report } = runPlan({ ...plan, schedule: [{ atMs: 500, kind: 'move-address', address: 'n1:7946', to: 'n2' }, { atMs: 600, kind: 'kill', node: 'n1' }, { atMs: 700, kind: 'restart', node: 'n1' }] });
  // It has no address any more, which no core accepts.
  expect(report).toMatchObject({ verdict: 'failed', checks: [{ checker: 'no-crash', violations: [expect.stringMatching(/address of a member/)] }] });
});
