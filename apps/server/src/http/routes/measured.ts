import type { Operation } from '../../metrics/index.js';
import type { RouteContext } from '../context.js';

/** From here on an operation is worth a line in a log that shows details. */
const SLOW_SECONDS = 1;

/**
 * Runs the work of a handler; when it succeeds it is counted and timed. Failures are counted where errors are answered,
 * because most of them never reach a handler.
 */
export async function measured<Result>({ metrics, log }: RouteContext, operation: Operation, work: () => Result | Promise<Result>): Promise<Result> {
  const started = performance.now();
  const result = await work();
  const seconds = (performance.now() - started) / 1_000;
  metrics.succeeded(operation, seconds);
  if (seconds >= SLOW_SECONDS) log.debug({ operation, seconds }, 'a slow operation');
  return result;
}
