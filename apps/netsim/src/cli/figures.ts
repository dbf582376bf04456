import { simulateSwim } from '@engram/swim/testing';
import { planOf, type PlanChoices } from '../plan.js';
import { scenarioNamed } from '../scenarios/index.js';
import { quantile, Samples, shown, total } from '../statistics.js';
import { runAll } from '../worker-pool.js';
import { exitCodes, print, type Cli } from './cli.js';
import { Progress } from './progress.js';
import type { SeedRange } from './values.js';

export interface FiguresOptions {
  readonly seeds: SeedRange;
  readonly jobs: number;
  readonly only?: string;
}

/** One line of the table: a scenario in one size, and what of its measurements is told. */
interface Row {
  readonly name: string;
  readonly scenario: string;
  readonly choices: Omit<PlanChoices, 'seed'>;
  readonly tells: readonly (readonly [sample: string, unit: string, what: 'p50, p99' | 'sum' | 'mean'])[];
}

const kill = [
  ['killToFirstMs', 'ms kill → first observer', 'p50, p99'],
  ['killToAllMs', 'ms kill → all observers', 'p50, p99'],
  ['firstTo99PercentMs', 'ms first observer → 99 %', 'p50, p99'],
  ['calmBytesPerSecond', 'bytes/s/node idle, headers included', 'mean'],
  ['falseDeaths', 'false deaths', 'sum'],
] as const;
const heal = [['healMs', 'ms until all views are right', 'p50, p99']] as const;
const lifeguard = [['falseDeaths', 'false deaths of healthy members', 'sum'], ['excusedDeaths', 'deaths of those that froze', 'sum']] as const;

const rows: readonly Row[] = [
  ...[8, 32, 100].map((nodes): Row => ({ name: `kill, lan, N = ${nodes}`, scenario: 'kill-one', choices: { nodes, preset: 'lan' }, tells: kill })),
  ...[8, 32].map((nodes): Row => ({ name: `kill, fast, N = ${nodes}`, scenario: 'kill-one', choices: { nodes, preset: 'fast' }, tells: kill })),
  ...[8, 32].map((nodes): Row => ({ name: `partition heals, lan, N = ${nodes}`, scenario: 'clean-split', choices: { nodes, preset: 'lan' }, tells: heal })),
  ...[8, 32].map((nodes): Row => ({ name: `mass restart, lan, N = ${nodes}`, scenario: 'mass-restart', choices: { nodes, preset: 'lan' }, tells: heal })),
  { name: 'a tenth stalls, Lifeguard on, fast, N = 50', scenario: 'slow-node', choices: { nodes: 50 }, tells: lifeguard },
  { name: 'a tenth stalls, Lifeguard off, fast, N = 50', scenario: 'slow-node', choices: { nodes: 50, lifeguard: false }, tells: lifeguard },
];

const speedRow = 'speed, lan, N = 100';

/** Measures row after row and prints a table for docs/benchmarks.md. Violations are counted in it, not judged. */
export async function figures(cli: Cli, { seeds, jobs, only = '' }: FiguresOptions): Promise<number> {
  const chosen = rows.filter(({ name }) => name.includes(only));
  const plans = chosen.map((row) => Array.from({ length: seeds.to - seeds.from + 1 }, (_, i) => planOf(scenarioNamed(row.scenario), { ...row.choices, seed: String(seeds.from + i) })));
  const progress = new Progress(cli, plans.flat().length);
  print(cli.stdout, `seeds ${seeds.from}..${seeds.to}\n\n| | | |\n|---|---|---|`);
  for (const [i, row] of chosen.entries()) {
    const samples = new Samples();
    let notPassed = 0;
    await runAll(plans[i] ?? [], { jobs, script: cli.script, execArgv: cli.execArgv }, (report) => {
      samples.add(report.samples);
      if (report.verdict !== 'passed') notPassed++;
      progress.step(row.name);
    });
    for (const [sample, unit, what] of row.tells) print(cli.stdout, `| ${row.name} | ${unit} | ${told(samples.of(sample), what)} |`);
    if (notPassed > 0) print(cli.stdout, `| ${row.name} | runs that did not pass | ${notPassed} |`);
  }
  progress.stop();
  if (speedRow.includes(only)) print(cli.stdout, `| ${speedRow} | s of wall time for 60 s of the world | ${wallSecondsOfHundred(cli).toFixed(2)} |`);
  return exitCodes.passed;
}

function told(values: readonly number[], what: 'p50, p99' | 'sum' | 'mean'): string {
  switch (what) {
    case 'sum':      return `${total(values)} in ${values.length} runs`;
    case 'mean':     return shown(total(values) / values.length);
    case 'p50, p99': return values.length === 0 ? 'nothing measured' : `p50 ${shown(quantile(values, 0.5))}, p99 ${shown(quantile(values, 0.99))} (${values.length} measured)`;
  }
}

function wallSecondsOfHundred(cli: Cli): number {
  const began = cli.now();
  simulateSwim({ nodes: 100, seed: 1, preset: 'lan' }).run({ untilMs: 60_000 });
  return (cli.now() - began) / 1_000;
}
