import type { Operation, ServerMetrics } from '../../metrics/index.js';

/**
 * Runs the work of a handler; when it succeeds it is counted and timed. Failures are counted where errors are answered,
 * because most of them never reach a handler.
 */
export async function measured<Result>(metrics: ServerMetrics, operation: Operation, work: () => Result | Promise<Result>): Promise<Result> {
  const started = performance.now();
  const result = await work();
  metrics.succeeded(operation, (performance.now() - started) / 1_000);
  return result;
}
