import { EngramError } from '@engram/kernel';
import { SimFailure, type SimWorld, type SimWorldOptions } from '@engram/kernel/sim';
import type { SwimOptions } from '@engram/swim/core';
import { simulateSwim, type SimulatedSwim } from '@engram/swim/testing';
import { seconds } from './checkers/checker.js';
import { checkers } from './checkers/index.js';
import { flawNamed } from './flaws/index.js';
import type { Plan } from './plan.js';
import { scenarioNamed } from './scenarios/index.js';
import { countFaults, Truth } from './truth.js';

export type Verdict = 'passed' | 'failed' | 'void';

export interface CheckResult {
  readonly checker: string;
  readonly violations: readonly string[];
}

export interface RunReport {
  readonly plan: Plan;
  readonly verdict: Verdict;
  readonly hash: string;
  readonly checks: readonly CheckResult[];
  /** Why the run has shown nothing. */
  readonly voidBecause: readonly string[];
  /** Measurements by name, the unit last. */
  readonly samples: Readonly<Record<string, readonly number[]>>;
  readonly counts: RunCounts;
}

export interface RunCounts {
  readonly events: number;
  readonly virtualMs: number;
  readonly datagrams: number;
  readonly dropped: number;
  readonly faults: number;
  readonly probes: number;
  readonly suspicions: number;
  readonly deaths: number;
  readonly refutations: number;
}

/** Before Lifeguard: period and timeout do not stretch, suspicions last the shortest time, stalls of one's own go unnoticed. */
export const lifeguardOff: SwimOptions = { healthScoreMax: 0, suspicionMaxMult: 1, stallMs: 1_000_000_000, stallGraceMs: 0 };

/** A run in which fewer probes than these ended, per node, has shown nothing. */
const probesPerNodeLeast = 10;

/** Runs the plan to its end. What a core or an invariant throws becomes a violation: it is what we look for. `watch` may listen. */
export function runPlan(plan: Plan, worldOptions: Omit<SimWorldOptions, 'seed' | 'link'> = {}, watch: (cluster: SimulatedSwim) => void = () => undefined): { readonly report: RunReport; readonly world: SimWorld } {
  const { cluster, conclude } = prepared(plan, worldOptions);
  watch(cluster);
  let crash: SimFailure | undefined;
  try {
    cluster.run({ untilMs: plan.endMs });
  } catch (error) {
    if (!(error instanceof SimFailure)) throw error;
    crash = error;
  }
  return { report: conclude(crash), world: cluster.world };
}

function prepared(plan: Plan, worldOptions: Omit<SimWorldOptions, 'seed' | 'link'>): { cluster: SimulatedSwim; conclude: (crash: SimFailure | undefined) => RunReport } {
  const flaw = plan.flaw === undefined ? undefined : flawNamed(plan.flaw);
  const cluster = simulateSwim({
    nodes: plan.names, spares: plan.spares, seed: plan.seed, preset: plan.preset, link: plan.link, world: worldOptions,
    clusterOf: flaw?.clusterOf ?? ((name) => plan.clusterOf[name] ?? 'test'),
    swim: { ...(plan.lifeguard ? {} : lifeguardOff), ...flaw?.swim },
    ...(flaw?.sabotage && { sabotageOf: flaw.sabotage }),
  });
  const setting = { plan, cluster, truth: new Truth(plan) };
  const watching = checkers.map((make) => make(setting));
  const seen = { probes: 0, suspicions: 0, deaths: 0, refutations: 0 };
  cluster.onEffect((effect) => {
    switch (effect.effect.kind) {
      case 'probe-finished': seen.probes++; break;
      case 'member-suspect': seen.suspicions++; break;
      case 'member-dead':    seen.deaths++; break;
      case 'refuted':        seen.refutations++; break;
      default:
    }
    for (const checker of watching) checker.see?.(effect);
  });
  cluster.apply(plan.schedule);
  const conclude = (crash: SimFailure | undefined): RunReport => {
    const totals = cluster.world.network.totals();
    const counts = {
      events: cluster.world.events, virtualMs: cluster.world.nowMs, datagrams: totals.sent,
      dropped: Object.values(totals.dropped).reduce((sum, count) => sum + count, 0), faults: countFaults(plan.schedule), ...seen,
    };
    const findings = crash ? [] : watching.map((checker) => ({ checker: checker.name, ...checker.conclude() }));
    const checks = crash ? [{ checker: 'no-crash', violations: [`${seconds(cluster.world.nowMs)}: ${crash.message}`] }] : findings.map(({ checker, violations }) => ({ checker, violations }));
    const voidBecause = reasonsForVoid(plan, counts);
    const failed = checks.some(({ violations }) => violations.length > 0);
    return {
      plan, checks, counts, voidBecause, hash: cluster.world.hash(),
      verdict: failed ? 'failed' : voidBecause.length > 0 ? 'void' : 'passed',
      samples: Object.assign({}, ...findings.map(({ samples }) => samples ?? {})) as RunReport['samples'],
    };
  };
  return { cluster, conclude };
}

function reasonsForVoid(plan: Plan, counts: RunCounts): readonly string[] {
  const { least } = scenarioNamed(plan.scenario);
  const wanted = [
    ['faults', counts.faults, least.faults],
    ['dropped datagrams', counts.dropped, least.drops],
    ['probes', counts.probes, probesPerNodeLeast * plan.names.length],
  ] as const;
  return wanted.filter(([, got, want]) => got < want).map(([what, got, want]) => `only ${got} ${what} where ${want} are the least`);
}

/** Checks a plan that came from a file, as far as running it would not. Throws `invalid_argument`. */
export function checkPlan(plan: Plan): Plan {
  scenarioNamed(plan.scenario);
  if (plan.flaw !== undefined) flawNamed(plan.flaw);
  if (!(plan.endMs > 0 && plan.endMs <= endMsMax)) throw new EngramError('invalid_argument', `a run ends between 0 and ${endMsMax} ms, not at ${plan.endMs}`);
  return plan;
}

const endMsMax = 24 * 3_600_000;
