import type { FaultAction } from '@engram/kernel/sim';
import { calmMs, type Scenario } from '../scenario.js';

export const massRestart: Scenario = {
  name: 'mass-restart',
  summary: 'All processes are killed within a second and started again within another, wall clocks wrong on some; then all but one leave and return.',
  nodes: 8,
  nodesLeast: 3,
  preset: 'fast',
  schedule(names, random) {
    const schedule: FaultAction[] = [];
    for (const node of names) {
      schedule.push({ atMs: calmMs + random.below(1_000), kind: 'kill', node });
      if (random.chance(0.4)) schedule.push({ atMs: calmMs + 1_000, kind: 'jump-wall-clock', node, byMs: random.below(7_200_000) - 3_600_000 });
      schedule.push({ atMs: calmMs + 1_500 + random.below(1_000), kind: 'restart', node });
    }
    for (const node of random.shuffle(names).slice(1)) {
      schedule.push({ atMs: calmMs + 60_000 + random.below(2_000), kind: 'stop', node });
      schedule.push({ atMs: calmMs + 75_000 + random.below(2_000), kind: 'restart', node });
    }
    return schedule;
  },
  least: { faults: 5, drops: 1 },
};
