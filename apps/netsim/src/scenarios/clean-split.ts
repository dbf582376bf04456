import { calmMs, type Scenario } from '../scenario.js';

export const cleanSplit: Scenario = {
  name: 'clean-split',
  summary: 'The cluster falls into two, long enough for each to bury the other, and comes together again; twice, cut differently.',
  nodes: 5,
  nodesLeast: 3,
  preset: 'fast',
  schedule(names, random) {
    const less = Math.floor(names.length / 2);
    const [first, second] = [random.shuffle(names), random.shuffle(names)];
    return [
      { atMs: calmMs, kind: 'partition', groups: [first.slice(0, less), first.slice(less)] },
      { atMs: calmMs + 40_000, kind: 'heal' },
      { atMs: calmMs + 100_000, kind: 'partition', groups: [second.slice(less), second.slice(0, less)] },
      { atMs: calmMs + 105_000 + random.below(40_000), kind: 'heal' },
    ];
  },
  least: { faults: 2, drops: 50 },
};
