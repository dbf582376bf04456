import { EngramError } from '@engram/kernel';
import { experiments, seedsFor, type Experiment } from '../figures/experiments.js';
import { codeMark, Journal, measurementOf, type Measurement } from '../figures/journal.js';
import { targets, type Target } from '../figures/targets.js';
import { grouped } from '../statistics.js';
import { runAll, type Task } from '../worker-pool.js';
import { exitCodes, print, type Cli } from './cli.js';
import { Progress } from './progress.js';
import type { SeedRange } from './values.js';

export interface FiguresOptions {
  readonly seeds: SeedRange;
  readonly jobs: number;
  readonly rows?: readonly string[];
  readonly budgetMinutes?: number;
  readonly out?: string;
}

interface FigureTask extends Task {
  readonly experiment: string;
}

/** Measures what the targets need and prints a table for docs/benchmarks.md. It tells what was missed and judges nothing. */
export async function figures(cli: Cli, { seeds, jobs, rows, budgetMinutes = Infinity, out }: FiguresOptions): Promise<number> {
  const chosen = targetsNamed(rows);
  const needed = new Set(chosen.flatMap((target) => target.experiments));
  const journal = new Journal(codeMark(), out);
  if (journal.foreign > 0) print(cli.stderr, `${journal.foreign} measurements of other code in ${out} are left alone`);
  const runs = runsOf(experiments.filter(({ name }) => needed.has(name)), seeds).filter(({ experiment, seed }) => !journal.has(experiment.name, seed));
  const progress = new Progress(cli, runs.length);
  const endMs = cli.now() + budgetMinutes * 60_000;
  try {
    await runAll(tasksUntil(runs, () => cli.now() >= endMs), { jobs: Math.min(jobs, Math.max(1, runs.length)), script: cli.script, execArgv: cli.execArgv }, (outcome, { experiment }) => {
      journal.add(measurementOf(experiment, journal.code, outcome));
      progress.step(experiment);
    });
  } finally {
    progress.stop();
  }
  showTable(cli, chosen, journal);
  showViolations(cli, journal.all.filter(({ experiment }) => needed.has(experiment)));
  return exitCodes.passed;
}

/** Rows of that name, or else all that have it in theirs: `lan-100` shall not mean `lan-1000` where it is a name itself. */
function targetsNamed(names: readonly string[] | undefined): readonly Target[] {
  if (!names) return targets;
  const found = names.map((wanted) => {
    const exact = targets.filter(({ name }) => name === wanted);
    return exact.length > 0 ? exact : targets.filter(({ name }) => name.includes(wanted));
  });
  const unknown = found.findIndex((rows) => rows.length === 0);
  if (unknown >= 0) throw new EngramError('invalid_argument', `no row has ${names[unknown]} in its name`, { hint: `Rows: ${targets.map(({ name }) => name).join(', ')}.` });
  return targets.filter((target) => found.flat().includes(target));
}

interface PlannedRun {
  readonly experiment: Experiment;
  readonly seed: string;
  /** How much of its experiment is done by then, from 0 to 1. */
  readonly along: number;
}

/** All experiments advance together, so that one cut short has something to say about each target; what costs most comes last. */
function runsOf(chosen: readonly Experiment[], seeds: SeedRange): readonly PlannedRun[] {
  return chosen
    .flatMap((experiment) => {
      const own = seedsFor(experiment, seeds);
      return own.map((seed, i) => ({ experiment, seed, along: i / own.length }));
    })
    .sort((a, b) => a.along - b.along || b.experiment.share - a.experiment.share);
}

function* tasksUntil(runs: readonly PlannedRun[], isOver: () => boolean): Generator<FigureTask> {
  for (const { experiment, seed } of runs) {
    if (isOver()) return;
    yield { experiment: experiment.name, plan: experiment.plan(seed), timed: experiment.timed ?? false };
  }
}

function showTable(cli: Cli, chosen: readonly Target[], journal: Journal): void {
  print(cli.stdout, `code ${journal.code}\n\n| setting | n | result | aim | |\n|---|---|---|---|---|`);
  const byExperiment = grouped(journal.all, ({ experiment }) => experiment);
  for (const target of chosen) {
    const runs = target.experiments.map((name) => byExperiment.get(name) ?? []);
    if (runs.some((all) => all.length === 0)) print(cli.stdout, `| ${target.setting} | 0 | not measured | ${target.aim} | |`);
    else {
      const { n, result, standing } = target.judge(...runs);
      print(cli.stdout, `| ${target.setting} | ${n} | ${result} | ${target.aim} | ${standing} |`);
    }
  }
}

/** What checkers found besides: a figure out of runs that went wrong is worth less. */
function showViolations(cli: Cli, all: readonly Measurement[]): void {
  const wrong = all.filter(({ violations }) => Object.keys(violations).length > 0);
  if (wrong.length === 0) return print(cli.stdout, `\nNo checker found a violation in ${all.length} runs.`);
  print(cli.stdout, `\n${wrong.length} of ${all.length} runs violated something:`);
  for (const [experiment, runs] of grouped(wrong, (run) => run.experiment)) {
    const checkers = new Set(runs.flatMap(({ violations }) => Object.keys(violations)));
    const shownSeeds = runs.slice(0, seedsShown).map(({ seed }) => seed).join(', ');
    print(cli.stdout, `- ${experiment}: ${[...checkers].join(', ')} with ${runs.length} seeds: ${shownSeeds}${runs.length > seedsShown ? ', …' : ''}`);
  }
}

const seedsShown = 8;
