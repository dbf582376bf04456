import { checkDeterminism } from '@engram/kernel/sim';
import { describe, expect, test } from 'vitest';
import { planOf } from '../plan.js';
import { runPlan } from '../run-plan.js';
import { scenarios } from './index.js';

/** Few, and the same every time; `netsim sweep` runs thousands. */
const seeds = ['1', '2', '3', '4', '5'];

describe.each(scenarios)('$name', (scenario) => {
  test.each(seeds)('passes every check with seed %s', (seed) => {
    const { report } = runPlan(planOf(scenario, { seed }));
    expect(report.checks.flatMap(({ checker, violations }) => violations.map((violation) => `${checker}: ${violation}`))).toEqual([]);
    expect(report).toMatchObject({ verdict: 'passed', voidBecause: [] });
  });

  test('goes the same way twice, draw by draw', () => {
    const report = checkDeterminism('7', (world) => runPlan(planOf(scenario, { seed: String(world.seed) }), world).world);
    expect(report).toMatchObject({ same: true });
  }, 20_000);

  test('is plain data that differs from seed to seed', () => {
    const schedules = seeds.map((seed) => planOf(scenario, { seed }).schedule);
    expect(JSON.parse(JSON.stringify(schedules))).toEqual(schedules);
    expect(new Set(schedules.map((schedule) => JSON.stringify(schedule))).size).toBeGreaterThan(1);
  });
});

test('a transcript reads as a story', () => {
  const plan = planOf(scenarios[0] as (typeof scenarios)[number], { seed: '3' });
  const victim = (plan.schedule[0] as { node: string }).node;
  const { world } = runPlan(plan, { transcript: { kinds: ['life', 'fault', 'trace'] } });
  const told = world.transcript.lines().filter((line) => line.includes(victim)).map((line) => line.trim().split(/ s +/)[1] ?? '');
  expect(told).toEqual(expect.arrayContaining([
    expect.stringMatching(new RegExp(`^${victim} +boots, life 1`)),
    expect.stringMatching(new RegExp(`^${victim} +is killed`)),
    expect.stringMatching(new RegExp(`^n\\d +member-suspect ${victim} epoch \\d+ incarnation 0`)),
    expect.stringMatching(new RegExp(`^n\\d +member-dead ${victim} epoch \\d+ incarnation 0`)),
  ]));
});
