import { describe, expect, test } from 'vitest';
import { noticed, plantedBugs } from './planted-bugs.js';
import { runTrial } from './replication-trial.js';

describe('a cluster under kills, cuts, pauses, lost disks and slow ones keeps every promise', () => {
  // Three and five nodes, with and without moves, trimmed logs, lost disks and corrupt entries. Many more: npm run sweep.
  test.each([1, 2, 3, 5, 20, 37, 41, 47])('seed %i', (seed) => {
    expect(runTrial({ seed }).violations).toEqual([]);
  }, 30_000);
});

describe('the trial notices when', () => {
  test.each(plantedBugs.map((bug) => [bug.name, bug] as const))('%s', (_name, bug) => {
    expect(noticed(bug)).toMatch(bug.shows);
  }, 60_000);
});

test('one seed gives one history', () => {
  expect(runTrial({ seed: 4, forMs: 4_000 }).hash).toBe(runTrial({ seed: 4, forMs: 4_000 }).hash);
}, 30_000);
