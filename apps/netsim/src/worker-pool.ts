import { fork, type ChildProcess } from 'node:child_process';
import type { Plan } from './plan.js';
import { runPlan, type RunReport } from './run-plan.js';

/** The hidden command under which this program is a worker. */
export const workerCommand = 'worker';

export interface WorkerPoolOptions {
  readonly jobs: number;
  readonly script: string;
  readonly execArgv: readonly string[];
}

/**
 * Runs plans in `jobs` processes, or in this one when there is one job, and hands over the reports as they come, in no
 * particular order. Rejects when a worker dies; the others are ended first.
 */
export async function runAll(plans: readonly Plan[], options: WorkerPoolOptions, onReport: (report: RunReport) => void): Promise<void> {
  const jobs = Math.min(options.jobs, plans.length);
  if (jobs <= 1) {
    for (const plan of plans) {
      onReport(runPlan(plan).report);
      // A turn of the event loop, so that the progress bar and Ctrl-C get through.
      await new Promise((resolve) => setImmediate(resolve));
    }
    return;
  }
  const queue = plans.values();
  const workers = Array.from({ length: jobs }, () => fork(options.script, [workerCommand], { execArgv: [...options.execArgv] }));
  try {
    await Promise.all(workers.map((worker) => feed(worker, queue, onReport)));
  } finally {
    for (const worker of workers) worker.kill();
  }
}

function feed(worker: ChildProcess, queue: Iterator<Plan>, onReport: (report: RunReport) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const next = (): void => {
      const { value, done } = queue.next() as IteratorResult<Plan, undefined>;
      if (done === true) resolve();
      else worker.send(value);
    };
    worker.on('message', (report: RunReport) => {
      onReport(report);
      next();
    });
    worker.on('error', reject);
    worker.on('exit', (code, signal) => reject(new Error(`a worker process ended early: ${signal ?? `exit ${code}`}`)));
    next();
  });
}

/** The worker's side: one plan in, one report out, until the parent goes away. */
export function work(): void {
  process.on('message', (plan: Plan) => {
    process.send?.(runPlan(plan).report);
  });
  process.on('disconnect', () => process.exit());
}
