import { calmMs, type Scenario } from '../scenario.js';

export const calm: Scenario = {
  name: 'calm',
  summary: 'Nothing goes wrong for ten minutes: nobody may die, and idling costs what it may cost.',
  nodes: 8,
  nodesLeast: 3,
  preset: 'fast',
  // Nothing is there to be healed; it says where the watch ends.
  schedule: (_names, random) => [{ atMs: calmMs + 590_000 + random.below(10_000), kind: 'heal' }],
  least: { faults: 0, drops: 0 },
};
