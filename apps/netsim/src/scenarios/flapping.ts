import type { FaultAction } from '@engram/kernel/sim';
import { calmMs, type Scenario } from '../scenario.js';

export const flapping: Scenario = {
  name: 'flapping',
  summary: 'One member comes and goes: killed and started again and again, then its network is cut and joined again and again.',
  nodes: 8,
  nodesLeast: 3,
  preset: 'fast',
  schedule(names, random) {
    const flapper = random.pick(names);
    const others = names.filter((name) => name !== flapper);
    const schedule: FaultAction[] = [];
    let atMs = calmMs;
    for (let i = 0; i < 8; i++) {
      schedule.push({ atMs, kind: 'kill', node: flapper, how: random.chance(0.5) ? 'power' : 'process' });
      atMs += 500 + random.below(8_000);
      schedule.push({ atMs, kind: 'restart', node: flapper });
      atMs += 500 + random.below(4_000);
    }
    for (let i = 0; i < 8; i++) {
      schedule.push({ atMs, kind: 'partition', groups: [[flapper], others] });
      atMs += 500 + random.below(8_000);
      schedule.push({ atMs, kind: 'heal' });
      atMs += 500 + random.below(4_000);
    }
    return schedule;
  },
  least: { faults: 16, drops: 50 },
};
