import { calmMs, type Scenario } from '../scenario.js';

export const asymmetric: Scenario = {
  name: 'asymmetric',
  summary: 'Links that pass in one direction only: between two, then to one member from everybody, then from one to everybody.',
  nodes: 8,
  nodesLeast: 4,
  preset: 'fast',
  schedule(names, random) {
    const [a, b, deaf, mute] = random.shuffle(names) as [string, string, string, string];
    return [
      { atMs: calmMs, kind: 'block', from: [a], to: [b] },
      { atMs: calmMs + 40_000, kind: 'heal' },
      { atMs: calmMs + 50_000, kind: 'block', from: ['*'], to: [deaf] },
      { atMs: calmMs + 80_000, kind: 'heal' },
      { atMs: calmMs + 120_000, kind: 'block', from: [mute], to: ['*'] },
      { atMs: calmMs + 150_000, kind: 'heal' },
    ];
  },
  least: { faults: 3, drops: 50 },
};
