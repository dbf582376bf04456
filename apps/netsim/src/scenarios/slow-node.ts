import type { FaultAction } from '@engram/kernel/sim';
import { calmMs, type Scenario } from '../scenario.js';

export const slowNode: Scenario = {
  name: 'slow-node',
  summary: 'A tenth of the members freeze again and again for 0.1 to 10 seconds, as by garbage collection or a busy host; nobody who is well may die of it.',
  nodes: 10,
  nodesLeast: 4,
  preset: 'fast',
  schedule(names, random) {
    const schedule: FaultAction[] = [];
    for (const node of random.shuffle(names).slice(0, Math.max(1, Math.round(names.length / 10)))) {
      for (let atMs = calmMs; atMs < calmMs + 120_000; ) {
        // As likely short as long: each tenfold of the range equally, as in the Lifeguard paper. Between two stalls there
        // may be time for a look at the timers and none for answers, which is when the slow accuse the quick.
        const forMs = Math.round(100 * 100 ** random.float());
        schedule.push({ atMs, kind: 'pause', node, forMs });
        atMs += forMs + 0.25 * 64_000 ** random.float();
      }
    }
    return schedule;
  },
  least: { faults: 8, drops: 0 },
};
