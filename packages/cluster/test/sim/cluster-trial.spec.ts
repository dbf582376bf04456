import { describe, expect, test } from 'vitest';
import { runTrial } from './cluster-trial.js';
import { noticed, plantedBugs } from './planted-bugs.js';

describe('a cluster under kills, cuts, pauses, lost disks, jumping clocks and nodes that join keeps every promise', () => {
  // Three and five nodes. Many more: npm run sweep.
  const seen = new Map<string, number>();

  test.each([1, 2, 3, 4, 5, 6, 7, 8])('seed %i', (seed) => {
    const report = runTrial({ seed });
    for (const [fact, value] of Object.entries(report.facts)) seen.set(fact, (seen.get(fact) ?? 0) + value);
    expect(report.violations).toEqual([]);
    expect(report.void).toBeUndefined();
  }, 60_000);

  test('and not because nothing ever happened', () => {
    const rare = ['acknowledged', 'indeterminate', 'refused not-primary', 'refused no-lease', 'primary-changed', 'voters-changed', 'stepped-down', 'node-joined', 'move-started', 'replicas-changed', 'tail-set-aside'];
    expect(rare.filter((what) => (seen.get(what) ?? 0) === 0)).toEqual([]);
  });
});

describe('the trial notices when', () => {
  test.each(plantedBugs.map((bug) => [bug.name, bug] as const))('%s', (_name, bug) => {
    expect(noticed(bug)).toMatch(bug.shows);
  }, 120_000);
});

test('one seed gives one history', () => {
  expect(runTrial({ seed: 3, forMs: 3_000 }).hash).toBe(runTrial({ seed: 3, forMs: 3_000 }).hash);
}, 60_000);
