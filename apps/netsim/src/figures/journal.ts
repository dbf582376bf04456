import { appendFileSync, existsSync, readFileSync, truncateSync } from 'node:fs';
import { EngramError } from '@engram/kernel';
import { planOf, type PlanChoices } from '../plan.js';
import { runPlan } from '../run-plan.js';
import { scenarioNamed } from '../scenarios/index.js';
import type { Outcome } from '../worker-pool.js';
import type { SliceTimes } from './slices.js';

/** One run of an experiment: a line of the journal. */
export interface Measurement {
  readonly experiment: string;
  readonly seed: string;
  /** What the code does, as `codeMark` has it. */
  readonly code: string;
  readonly nodes: number;
  readonly virtualMs: number;
  readonly wallMs: number;
  readonly samples: Readonly<Record<string, readonly number[]>>;
  /** How many violations each checker found; those that found none are left out. */
  readonly violations: Readonly<Record<string, number>>;
  readonly slices?: SliceTimes;
}

/** Measured per node, too much to keep of large clusters and told by no target. */
const leftOut: ReadonlySet<string> = new Set(['bytesPerSecond', 'packetsPerSecond']);

export function measurementOf(experiment: string, code: string, { report, wallMs, slices }: Outcome): Measurement {
  return {
    experiment, seed: report.plan.seed, code, nodes: report.plan.names.length, virtualMs: report.counts.virtualMs, wallMs: Math.round(wallMs),
    samples: Object.fromEntries(Object.entries(report.samples).filter(([name]) => !leftOut.has(name))),
    violations: Object.fromEntries(report.checks.filter(({ violations }) => violations.length > 0).map(({ checker, violations }) => [checker, violations.length])),
    ...(slices && { slices }),
  };
}

/** Small runs that touch joins, suspicions, deaths, splits and restarts. Code that takes them all the same way measures the same. */
const markedBy: readonly (readonly [scenario: string, choices: Omit<PlanChoices, 'seed'>])[] = [['kill-one', { nodes: 6, loss: 0.2 }], ['clean-split', { nodes: 3 }], ['power-cut', { nodes: 4 }]];

/** Tells code that behaves otherwise: measurements of different code must not be put into one table. */
export function codeMark(): string {
  return markedBy.map(([scenario, choices]) => runPlan(planOf(scenarioNamed(scenario), { ...choices, seed: '1' })).report.hash.slice(0, 8)).join('');
}

/** Measurements in memory and, when there is a file, on disk from the moment they are made. */
export class Journal {
  readonly code: string;
  readonly all: Measurement[] = [];
  /** Lines of the file that were measured with other code. */
  readonly foreign: number = 0;
  readonly #file: string | undefined;
  readonly #done = new Set<string>();

  constructor(code: string, file: string | undefined) {
    this.code = code;
    this.#file = file;
    for (const measurement of file !== undefined && existsSync(file) ? linesOf(file) : []) {
      if (measurement.code === code) this.#take(measurement);
      else this.foreign++;
    }
  }

  has(experiment: string, seed: string): boolean {
    return this.#done.has(`${experiment} ${seed}`);
  }

  add(measurement: Measurement): void {
    this.#take(measurement);
    if (this.#file !== undefined) appendFileSync(this.#file, `${JSON.stringify(measurement)}\n`);
  }

  #take(measurement: Measurement): void {
    this.#done.add(`${measurement.experiment} ${measurement.seed}`);
    this.all.push(measurement);
  }
}

function linesOf(file: string): readonly Measurement[] {
  const text = readFileSync(file, 'utf8');
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  // A run that was killed may have left half a line. It goes, or the next one would be joined to it.
  if (whole.length < text.length) truncateSync(file, Buffer.byteLength(whole));
  return whole.split('\n').slice(0, -1).map((line, i) => {
    const measurement = parsed(line);
    if (!measurement) throw new EngramError('invalid_argument', `line ${i + 1} of ${file} is no measurement`, { hint: 'Give a file that `netsim figures --out` has written, or a new one.' });
    return measurement;
  });
}

function parsed(line: string): Measurement | undefined {
  try {
    const value = JSON.parse(line) as Partial<Measurement> | null;
    return typeof value?.experiment === 'string' && typeof value.seed === 'string' && typeof value.code === 'string' && typeof value.samples === 'object' ? (value as Measurement) : undefined;
  } catch {
    return undefined;
  }
}
