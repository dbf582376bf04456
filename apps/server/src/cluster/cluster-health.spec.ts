import type { MemberState } from '@engram/swim';
import { expect, test } from 'vitest';
import { clusterHealth } from './cluster-health.js';

const members = (counts: Partial<Record<MemberState, number>>): MemberState[] =>
  (['alive', 'suspect', 'dead', 'left'] as const).flatMap((state) => Array.from({ length: counts[state] ?? 0 }, () => state));

test.each([
  [{ alive: 1 }, 'healthy'],
  [{ alive: 4, dead: 1 }, 'healthy'],
  [{ alive: 79, dead: 21 }, 'degraded'],
  [{ alive: 2, dead: 1 }, 'degraded'],
  [{ alive: 1, dead: 1 }, 'degraded'],
  [{ alive: 49, dead: 51 }, 'critical'],
  [{ alive: 1, dead: 2 }, 'critical'],
  [{ suspect: 3 }, 'critical'],
  [{}, 'healthy'],
] as const)('of %o is %s', (counts, status) => {
  expect(clusterHealth(members(counts)).status).toBe(status);
});

test('a suspect is not alive, and whoever left counts with the dead', () => {
  expect(clusterHealth(members({ alive: 5, suspect: 2, dead: 1, left: 3 }))).toEqual({
    status: 'critical', totalNodes: 11, aliveNodes: 5, suspectNodes: 2, deadNodes: 4,
  });
});
