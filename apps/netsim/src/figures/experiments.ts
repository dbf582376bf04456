import type { FaultAction } from '@engram/kernel/sim';
import type { SwimPreset } from '@engram/swim/core';
import { planOf, timesOf, type Plan, type PlanChoices } from '../plan.js';
import { scenarioNamed } from '../scenarios/index.js';

/** One setting that is run with many seeds. Several targets may look at the same runs. */
export interface Experiment {
  readonly name: string;
  /** With how many of the seeds asked for: a large cluster costs minutes where a small one costs a moment. */
  readonly share: number;
  /** Also times each turn of a core. */
  readonly timed?: true;
  plan(seed: string): Plan;
}

function experiment(name: string, share: number, scenario: string, choices: Omit<PlanChoices, 'seed'>, change: (plan: Plan) => Plan = (plan) => plan): Experiment {
  return { name, share, plan: (seed) => change(planOf(scenarioNamed(scenario), { ...choices, seed })) };
}

/** Ends the calm at this moment: long enough for all to have joined by half of it, and for two rounds of full syncs. */
function idleUntil(ms: number): (plan: Plan) => Plan {
  return (plan) => {
    const schedule: FaultAction[] = [{ atMs: ms, kind: 'heal' }];
    return { ...plan, schedule, ...timesOf(schedule, plan.preset), endMs: ms + 1_000 };
  };
}

const idleMs = { fast: 60_000, lan: 120_000, wan: 300_000 } as const satisfies Record<SwimPreset, number>;
export const idleSizes = [8, 32, 100, 1_000] as const;
export const presets = ['fast', 'lan', 'wan'] as const satisfies readonly SwimPreset[];

/** Shares by size, so that a row of 1000 members takes about as long as one of 8. */
const shareOf = (nodes: number): number => (nodes <= 32 ? 1 : nodes <= 100 ? 0.2 : 0.01);

export const experiments: readonly Experiment[] = [
  ...[8, 32, 100].map((nodes) => experiment(`kill-lan-${nodes}`, shareOf(nodes), 'kill-one', { nodes, preset: 'lan' })),
  { ...experiment('kill-lan-1000', shareOf(1_000), 'kill-one', { nodes: 1_000, preset: 'lan' }), timed: true },
  ...[8, 32].map((nodes) => experiment(`kill-fast-${nodes}`, 1, 'kill-one', { nodes, preset: 'fast' })),
  ...[8, 32].map((nodes) => experiment(`kill-fast-${nodes}-loss-5`, 1, 'kill-one', { nodes, preset: 'fast', loss: 0.05 })),
  ...[0, 5, 10].map((percent) => experiment(`calm-loss-${percent}`, 0.1, 'calm', { nodes: 32, preset: 'lan', loss: percent / 100 })),
  ...[true, false].map((lifeguard) => experiment(`stall-${lifeguard ? 'on' : 'off'}`, 0.1, 'slow-node', { nodes: 50, lifeguard })),
  ...[8, 32].map((nodes) => experiment(`split-lan-${nodes}`, 0.5, 'clean-split', { nodes, preset: 'lan' })),
  experiment('split-lan-100', 0.02, 'clean-split', { nodes: 100, preset: 'lan' }),
  ...[32, 100, 1_000].map((nodes) => experiment(`restart-lan-${nodes}`, nodes === 1_000 ? 0.004 : shareOf(nodes), 'power-cut', { nodes, preset: 'lan' })),
  ...presets.flatMap((preset) => idleSizes.map((nodes) => experiment(`idle-${preset}-${nodes}`, nodes === 1_000 ? 0.001 : 0.02, 'calm', { nodes, preset }, idleUntil(idleMs[preset])))),
  experiment('speed', 0.01, 'calm', { nodes: 100, preset: 'lan' }, (plan) => ({ ...idleUntil(60_000)(plan), endMs: 60_000 })),
];

/** Seeds of an experiment: the first ones of those asked for, at least one. */
export function seedsFor({ share }: Experiment, { from, to }: { readonly from: number; readonly to: number }): readonly string[] {
  const count = Math.max(1, Math.ceil((to - from + 1) * share));
  return Array.from({ length: count }, (_, i) => String(from + i));
}
