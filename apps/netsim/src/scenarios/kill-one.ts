import { calmMs, type Scenario } from '../scenario.js';

export const killOne: Scenario = {
  name: 'kill-one',
  summary: 'One process is killed for good in a healthy network: how soon the first notices, and how soon all.',
  nodes: 8,
  nodesLeast: 3,
  preset: 'fast',
  schedule(names, random) {
    // Anywhere within a second, so that the kill does not always meet the same phase of the probing.
    return [{ atMs: calmMs + random.below(1_000), kind: 'kill', node: random.pick(names) }];
  },
  least: { faults: 1, drops: 1 },
};
