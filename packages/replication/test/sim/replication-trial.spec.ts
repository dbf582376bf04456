import { describe, expect, test } from 'vitest';
import { noticed, plantedBugs } from './planted-bugs.js';
import { runTrial } from './replication-trial.js';

describe('a cluster under kills, cuts, pauses, lost disks and slow ones keeps every promise', () => {
  // Three and five nodes, with and without moves, trimmed logs, lost disks and corrupt entries. Many more: npm run sweep.
  const seen = new Map<string, number>();

  test.each([1, 2, 3, 5, 20, 37, 41, 47])('seed %i', (seed) => {
    const { violations, facts } = runTrial({ seed });
    for (const [fact, value] of Object.entries(facts)) seen.set(fact, (seen.get(fact) ?? 0) + Number(value));
    expect(violations).toEqual([]);
  }, 30_000);

  test('and not because nothing ever happened', () => {
    const rare = [
      'acknowledged', 'indeterminate', 'refused', 'promotions', 'moves', 'disksLost', 'fresh', 'stale', 'superseded', 'stepped-down', 'cannot-lead', 'learner-ready',
      'corrupt-entry', 'tail-set-aside', 'tail-taken-up', 'open-snapshot', 'a copy is served from the log', 'a window is full', 'a snapshot goes on where it was cut off',
    ];
    expect(rare.filter((what) => (seen.get(what) ?? 0) === 0)).toEqual([]);
  });
});

describe('the trial notices when', () => {
  test.each(plantedBugs.map((bug) => [bug.name, bug] as const))('%s', (_name, bug) => {
    expect(noticed(bug)).toMatch(bug.shows);
  }, 60_000);
});

test('one seed gives one history', () => {
  expect(runTrial({ seed: 4, forMs: 4_000 }).hash).toBe(runTrial({ seed: 4, forMs: 4_000 }).hash);
}, 30_000);
