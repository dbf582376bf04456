import type { FaultAction } from '@engram/kernel/sim';
import { calmMs, type Scenario } from '../scenario.js';

export const powerCut: Scenario = {
  name: 'power-cut',
  summary: 'All machines lose power at one moment and are back within three seconds, some with wrong wall clocks: everybody must find everybody again.',
  nodes: 8,
  nodesLeast: 3,
  preset: 'fast',
  schedule(names, random) {
    const schedule: FaultAction[] = [];
    for (const node of names) {
      schedule.push({ atMs: calmMs, kind: 'kill', node, how: 'power' });
      if (random.chance(0.2)) schedule.push({ atMs: calmMs + 500, kind: 'jump-wall-clock', node, byMs: random.below(7_200_000) - 3_600_000 });
      schedule.push({ atMs: calmMs + 1_000 + random.below(2_000), kind: 'restart', node });
    }
    return schedule;
  },
  least: { faults: 3, drops: 0 },
};
