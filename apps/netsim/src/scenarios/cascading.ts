import type { FaultAction } from '@engram/kernel/sim';
import { calmMs, type Scenario } from '../scenario.js';

export const cascading: Scenario = {
  name: 'cascading',
  summary: 'Members die one after the other until only two are left, seeds included; then they return one by one, some without their disks.',
  nodes: 8,
  nodesLeast: 4,
  preset: 'fast',
  schedule(names, random) {
    const victims = random.shuffle(names).slice(2);
    const everyMs = 24_000 / victims.length;
    const schedule: FaultAction[] = [];
    for (const [i, node] of victims.entries()) {
      schedule.push({ atMs: calmMs + Math.round(i * everyMs) + random.below(500), kind: 'kill', node, how: random.chance(0.5) ? 'power' : 'process' });
      schedule.push({ atMs: calmMs + 60_000 + Math.round(i * everyMs) + random.below(500), kind: 'restart', node, storage: random.chance(0.3) ? 'lost' : 'kept' });
    }
    return schedule;
  },
  least: { faults: 2, drops: 20 },
};
