import { EngramError, Random } from '@engram/kernel';
import type { FaultAction, LinkOptions } from '@engram/kernel/sim';
import { swimPresets, type SwimPreset } from '@engram/swim/core';
import { paceOf, type Scenario } from './scenario.js';
import { scenarioNamed } from './scenarios/index.js';

/** Everything that determines a run, as plain data: two runs of one plan have one trace hash. */
export interface Plan {
  readonly scenario: string;
  readonly seed: string;
  readonly preset: SwimPreset;
  readonly names: readonly string[];
  readonly spares: readonly string[];
  /** Nodes that are not of the cluster `test`. */
  readonly clusterOf: Readonly<Record<string, string>>;
  readonly link: LinkOptions;
  readonly schedule: readonly FaultAction[];
  /** When the last fault is over. All views are right again `healMs` later. */
  readonly healedAtMs: number;
  readonly healMs: number;
  readonly endMs: number;
  readonly lifeguard: boolean;
  /** The bug that is planted, if any. */
  readonly flaw?: string;
}

export interface PlanChoices {
  readonly seed: string;
  readonly nodes?: number | undefined;
  readonly preset?: SwimPreset | undefined;
  /** False: local health and shrinking suspicions off, as before Lifeguard. @default true */
  readonly lifeguard?: boolean | undefined;
  readonly flaw?: string | undefined;
  /** Share of datagrams lost on every link throughout, instead of the scenario's. */
  readonly loss?: number | undefined;
}

/** Throws `invalid_argument` for numbers of nodes that the scenario cannot use. */
export function planOf(scenario: Scenario, choices: PlanChoices): Plan {
  const nodes = choices.nodes ?? scenario.nodes;
  if (!Number.isSafeInteger(nodes) || nodes < scenario.nodesLeast || nodes > nodesMax) {
    throw new EngramError('invalid_argument', `${scenario.name} runs with ${scenario.nodesLeast} to ${nodesMax} nodes, not ${nodes}`, { hint: 'Give another --nodes.' });
  }
  const preset = choices.preset ?? scenario.preset;
  if (!(preset in swimPresets)) throw new EngramError('invalid_argument', `there is no preset ${preset}`, { hint: `Presets: ${Object.keys(swimPresets).join(', ')}.` });
  const pace = paceOf[preset];
  const names = Array.from({ length: nodes }, (_, i) => `n${i}`);
  const random = Random.fromSeed(choices.seed).fork(`nemesis of ${scenario.name}`);
  const schedule = scenario.schedule(names, random).map((action) => stretched(action, pace)).sort((a, b) => a.atMs - b.atMs);
  return {
    scenario: scenario.name, seed: choices.seed, preset, names, spares: scenario.spares ?? [], clusterOf: scenario.clusterOf ?? {},
    link: { ...scenario.link, ...(choices.loss !== undefined && { loss: choices.loss }) }, schedule, ...timesOf(schedule, preset),
    lifeguard: choices.lifeguard ?? true, ...(choices.flaw !== undefined && { flaw: choices.flaw }),
  };
}

/** When all must be well again after the schedule, and when the run ends. */
export function timesOf(schedule: readonly FaultAction[], preset: SwimPreset): Pick<Plan, 'healedAtMs' | 'healMs' | 'endMs'> {
  const pace = paceOf[preset];
  const healedAtMs = schedule.reduce((latest, action) => Math.max(latest, action.atMs + (action.kind === 'pause' ? action.forMs : 0)), 0);
  // The aim is a minute whatever the preset, but wan contacts the missing less often than that.
  const healMs = Math.max(60_000, 15_000 * pace);
  return { healedAtMs, healMs, endMs: healedAtMs + healMs + 5_000 * pace };
}

const nodesMax = 1_000;

function stretched(action: FaultAction, pace: number): FaultAction {
  // Whole microseconds, the grain of virtual time.
  const atMs = Math.round(action.atMs * pace * 1_000) / 1_000;
  return action.kind === 'pause' ? { ...action, atMs, forMs: Math.round(action.forMs * pace) } : { ...action, atMs };
}

/** The command that runs the plan again. */
export function commandOf({ scenario, seed, names, preset, lifeguard, flaw, link }: Plan): string {
  const loss = link.loss === scenarioNamed(scenario).link?.loss ? '' : ` --loss ${link.loss ?? 0}`;
  return `netsim run --scenario ${scenario} --seed ${seed} --nodes ${names.length} --preset ${preset}${loss}${lifeguard ? '' : ' --no-lifeguard'}${flaw === undefined ? '' : ` --flaw ${flaw}`}`;
}
