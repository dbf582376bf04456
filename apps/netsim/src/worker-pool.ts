import { fork, type ChildProcess } from 'node:child_process';
import { timingSlices, type SliceTimes } from './figures/slices.js';
import type { Plan } from './plan.js';
import { runPlan, type RunReport } from './run-plan.js';

/** The hidden command under which this program is a worker. */
export const workerCommand = 'worker';

export interface WorkerPoolOptions {
  readonly jobs: number;
  readonly script: string;
  readonly execArgv: readonly string[];
}

export interface Task {
  readonly plan: Plan;
  /** Also measures how long each turn of a core takes, which costs a little. @default false */
  readonly timed?: boolean;
}

/** What became of a task. Times are of the machine; all else follows from the plan. */
export interface Outcome {
  readonly report: RunReport;
  readonly wallMs: number;
  readonly slices?: SliceTimes;
}

/**
 * Runs tasks in `jobs` processes, or in this one when there is one job, and hands over the outcomes as they come, in no
 * particular order. Tasks are taken one at a time, so a generator may stop early. Rejects when a worker dies; the
 * others are ended first.
 */
export async function runAll<T extends Task>(tasks: Iterable<T>, options: WorkerPoolOptions, onOutcome: (outcome: Outcome, task: T) => void): Promise<void> {
  if (options.jobs <= 1) {
    for (const task of tasks) {
      onOutcome(perform(task), task);
      // A turn of the event loop, so that the progress bar and Ctrl-C get through.
      await new Promise((resolve) => setImmediate(resolve));
    }
    return;
  }
  const queue = tasks[Symbol.iterator]();
  const workers: ChildProcess[] = [];
  try {
    const fed: Promise<void>[] = [];
    for (let first = queue.next(); first.done !== true; first = queue.next()) {
      const worker = fork(options.script, [workerCommand], { execArgv: [...options.execArgv] });
      workers.push(worker);
      fed.push(feed(worker, first.value, queue, onOutcome));
      if (workers.length === options.jobs) break;
    }
    await Promise.all(fed);
  } finally {
    for (const worker of workers) worker.kill();
  }
}

function feed<T extends Task>(worker: ChildProcess, first: T, queue: Iterator<T>, onOutcome: (outcome: Outcome, task: T) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let task = first;
    const send = (): void => void worker.send({ plan: task.plan, timed: task.timed ?? false } satisfies Task);
    worker.on('message', (outcome: Outcome) => {
      onOutcome(outcome, task);
      const next = queue.next();
      if (next.done === true) return resolve();
      task = next.value;
      send();
    });
    worker.on('error', reject);
    worker.on('exit', (code, signal) => reject(new Error(`a worker process ended early: ${signal ?? `exit ${code}`}`)));
    send();
  });
}

function perform({ plan, timed = false }: Task): Outcome {
  const began = performance.now();
  const { result, slices } = timed ? timingSlices(() => runPlan(plan)) : { result: runPlan(plan), slices: undefined };
  return { report: result.report, wallMs: performance.now() - began, ...(slices && { slices }) };
}

/** The worker's side: one task in, one outcome out, until the parent goes away. */
export function work(): void {
  process.on('message', (task: Task) => {
    process.send?.(perform(task));
  });
  process.on('disconnect', () => process.exit());
}
