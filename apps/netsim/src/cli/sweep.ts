import type { SwimPreset } from '@engram/swim/core';
import { commandOf, planOf } from '../plan.js';
import type { RunReport, Verdict } from '../run-plan.js';
import { scenarioNamed, scenarios } from '../scenarios/index.js';
import type { Scenario } from '../scenario.js';
import { Samples } from '../statistics.js';
import { runAll } from '../worker-pool.js';
import { exitCodes, print, type Cli } from './cli.js';
import { Progress } from './progress.js';
import { shownSample } from './show-report.js';
import type { SeedRange } from './values.js';

export interface SweepOptions {
  /** A name, or `all`. */
  readonly scenario: string;
  readonly seeds: SeedRange;
  readonly jobs: number;
  readonly nodes?: number;
  readonly preset?: SwimPreset;
  readonly lifeguard: boolean;
}

interface Tally {
  readonly verdicts: Record<Verdict, number>;
  readonly samples: Samples;
}

/** How many runs that did not pass are listed with all they violated. */
const listedMax = 20;

export async function sweep(cli: Cli, options: SweepOptions): Promise<number> {
  const chosen = options.scenario === 'all' ? scenarios : [scenarioNamed(options.scenario)];
  const plans = chosen.flatMap((scenario) => seedsOf(options.seeds).map((seed) => planOf(scenario, { ...options, seed })));
  const tallies = new Map(chosen.map(({ name }) => [name, { verdicts: { passed: 0, failed: 0, void: 0 }, samples: new Samples() } satisfies Tally]));
  const notPassed: RunReport[] = [];
  const progress = new Progress(cli, plans.length);
  const began = cli.now();
  try {
    await runAll(plans.map((plan) => ({ plan })), { jobs: options.jobs, script: cli.script, execArgv: cli.execArgv }, ({ report }) => {
      const tally = tallies.get(report.plan.scenario) as Tally;
      tally.verdicts[report.verdict]++;
      tally.samples.add(report.samples);
      if (report.verdict !== 'passed') notPassed.push(report);
      progress.step(`${notPassed.length} not passed`);
    });
  } finally {
    progress.stop();
  }
  showTallies(cli, chosen, tallies);
  showNotPassed(cli, notPassed);
  print(cli.stdout, summary(plans.length, notPassed, (cli.now() - began) / 1_000));
  return notPassed.some(({ verdict }) => verdict === 'failed') ? exitCodes.failed : notPassed.length > 0 ? exitCodes.void : exitCodes.passed;
}

function seedsOf({ from, to }: SeedRange): string[] {
  return Array.from({ length: to - from + 1 }, (_, i) => String(from + i));
}

function showTallies(cli: Cli, chosen: readonly Scenario[], tallies: ReadonlyMap<string, Tally>): void {
  for (const { name } of chosen) {
    const { verdicts, samples } = tallies.get(name) as Tally;
    print(cli.stdout, `${name}: ${verdicts.passed} passed, ${verdicts.failed} failed, ${verdicts.void} void`);
    for (const sample of samples.names()) print(cli.stdout, shownSample(sample, samples.of(sample)));
  }
}

function showNotPassed(cli: Cli, reports: readonly RunReport[]): void {
  const ordered = [...reports].sort((a, b) => a.plan.scenario.localeCompare(b.plan.scenario) || Number(a.plan.seed) - Number(b.plan.seed));
  for (const { plan, verdict, checks, voidBecause } of ordered.slice(0, listedMax)) {
    print(cli.stdout, `\n${verdict.toUpperCase()}  ${commandOf(plan)}`);
    for (const { checker, violations } of checks) if (violations.length > 0) print(cli.stdout, `  ${checker}: ${violations[0]}${violations.length > 1 ? ` (and ${violations.length - 1} more)` : ''}`);
    for (const reason of voidBecause) print(cli.stdout, `  ${reason}`);
  }
  for (const { plan, verdict } of ordered.slice(listedMax)) print(cli.stdout, `${verdict.toUpperCase()}  ${commandOf(plan)}`);
}

/** None of n says: fewer than 3/n, with 95 % confidence. */
function summary(runs: number, notPassed: readonly RunReport[], wallS: number): string {
  const took = `${runs} runs in ${wallS.toFixed(1)} s`;
  return notPassed.length === 0 ? `\nPASSED: ${took}, no violation, so fewer than ${(3 / runs).toPrecision(2)} per run (95 %)` : `\n${notPassed.length} of ${took} did not pass`;
}
