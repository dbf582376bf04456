import { calmMs, type Scenario } from '../scenario.js';

export const congestion: Scenario = {
  name: 'congestion',
  summary: 'A lossy network becomes slow and narrow for everybody, a third of all datagrams lost at its worst, and one member dies meanwhile.',
  nodes: 8,
  nodesLeast: 4,
  preset: 'fast',
  link: { loss: 0.02, duplicate: 0.01, reorder: 0.02 },
  schedule(names, random) {
    const victim = random.pick(names);
    return [
      { atMs: calmMs, kind: 'disturb', from: '*', to: '*', link: { loss: 0.05, duplicate: 0.02, reorder: 0.05 } },
      { atMs: calmMs + 40_000, kind: 'disturb', from: '*', to: '*', link: { loss: 0.15, bytesPerSecond: 20_000, queueBytesMax: 4_096, delay: { minMs: 1, medianMs: 20, p99Ms: 150, maxMs: 400 } } },
      { atMs: calmMs + 60_000 + random.below(5_000), kind: 'kill', node: victim },
      { atMs: calmMs + 80_000, kind: 'disturb', from: '*', to: '*', link: { loss: 0.33, bytesPerSecond: 10_000 } },
      { atMs: calmMs + 100_000, kind: 'heal' },
    ];
  },
  least: { faults: 4, drops: 500 },
};
