import { calmMs, type Scenario } from '../scenario.js';

export const addressReuse: Scenario = {
  name: 'address-reuse',
  summary: 'Two members die. A newcomer starts at the address of one, a node of another cluster at that of the other; then both dead return elsewhere.',
  nodes: 6,
  nodesLeast: 5,
  preset: 'fast',
  spares: ['heir', 'stranger', 'strangers-friend'],
  clusterOf: { stranger: 'billing', 'strangers-friend': 'billing' },
  schedule(names, random) {
    const [a, b] = random.shuffle(names) as [string, string];
    const returnMs = calmMs + 40_000 + random.below(10_000);
    return [
      { atMs: calmMs, kind: 'kill', node: a },
      { atMs: calmMs + 500, kind: 'kill', node: b },
      // Before and after the deaths are known, as the seed has it.
      { atMs: calmMs + 1_000, kind: 'move-address', address: `${a}:7946`, to: 'heir' },
      { atMs: calmMs + 1_000, kind: 'move-address', address: `${b}:7946`, to: 'stranger' },
      { atMs: calmMs + 1_500 + random.below(10_000), kind: 'restart', node: 'heir' },
      { atMs: calmMs + 1_500 + random.below(10_000), kind: 'restart', node: 'stranger' },
      { atMs: calmMs + 12_000, kind: 'restart', node: 'strangers-friend' },
      { atMs: returnMs, kind: 'move-address', address: `${a}-new:7946`, to: a },
      { atMs: returnMs, kind: 'move-address', address: `${b}-new:7946`, to: b },
      { atMs: returnMs + 1_000, kind: 'restart', node: a },
      { atMs: returnMs + 1_000, kind: 'restart', node: b },
    ];
  },
  least: { faults: 4, drops: 5 },
};
