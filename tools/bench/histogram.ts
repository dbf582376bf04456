import { build, type Histogram } from 'hdr-histogram-js';

/** How many latencies lay in `[fromMs, toMs)`. */
export interface Bucket {
  readonly fromMs: number;
  readonly toMs: number;
  readonly count: number;
}

export interface LatencySummary {
  readonly n: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Between the first and the last bucket that holds anything; a 1-2-5 scale. */
  readonly buckets: readonly Bucket[];
}

const LONGEST_MICROS = 600_000_000;

/** 10 µs, 20 µs, 50 µs, 100 µs … 10 minutes. */
const edgesMicros: readonly number[] = [0, ...[1, 2, 3, 4, 5, 6, 7, 8].flatMap((power) => [1, 2, 5].map((digit) => digit * 10 ** power))];

/** Latencies of one kind of request. Recording costs about 0.1 µs, so it does not slow the load down. */
export class LatencyHistogram {
  // Three significant digits: a percentile is at most 0.1 % off, and the maximum is kept exactly below.
  readonly #values: Histogram = build({ lowestDiscernibleValue: 1, highestTrackableValue: LONGEST_MICROS, numberOfSignificantValueDigits: 3 });
  readonly #counts = new Float64Array(edgesMicros.length);
  #maxMs = 0;

  record(ms: number): void {
    const micros = Math.min(LONGEST_MICROS, Math.max(1, Math.round(ms * 1_000)));
    this.#values.recordValue(micros);
    if (ms > this.#maxMs) this.#maxMs = ms;
    let bucket = edgesMicros.length - 1;
    while (edgesMicros[bucket]! > micros) bucket -= 1;
    this.#counts[bucket]! += 1;
  }

  summary(): LatencySummary {
    const buckets = edgesMicros.map((edge, index): Bucket => ({
      fromMs: edge / 1_000,
      toMs: (edgesMicros[index + 1] ?? Infinity) / 1_000,
      count: this.#counts[index]!,
    }));
    const first = buckets.findIndex(({ count }) => count > 0);
    const last = buckets.findLastIndex(({ count }) => count > 0);
    return {
      n: this.#values.totalCount,
      p50Ms: this.#values.getValueAtPercentile(50) / 1_000,
      p99Ms: this.#values.getValueAtPercentile(99) / 1_000,
      maxMs: this.#maxMs,
      buckets: first === -1 ? [] : buckets.slice(first, last + 1),
    };
  }
}

const BAR_WIDTH = 40;

/** One line per bucket. A bucket that holds anything shows at least a dot, so that a rare slow request is not invisible. */
export function renderBuckets(buckets: readonly Bucket[]): string[] {
  const total = buckets.reduce((sum, { count }) => sum + count, 0);
  const most = Math.max(...buckets.map(({ count }) => count), 1);
  const labels = buckets.map(({ fromMs, toMs }) => `${formatMs(fromMs)} – ${formatMs(toMs)}`);
  const width = Math.max(...labels.map((label) => label.length), 0);
  return buckets.map(({ count }, index) => {
    const bar = '█'.repeat(Math.round((count / most) * BAR_WIDTH)) || (count > 0 ? '·' : '');
    const share = total === 0 ? 0 : (count / total) * 100;
    return `${labels[index]!.padStart(width)}  ${bar.padEnd(BAR_WIDTH)} ${String(count).padStart(8)}  ${share.toFixed(2).padStart(6)} %`;
  });
}

/** Three significant digits at most, in the unit that reads best. */
export function formatMs(ms: number): string {
  if (!Number.isFinite(ms)) return '∞';
  if (ms >= 1_000) return `${trim(ms / 1_000)} s`;
  if (ms >= 1 || ms === 0) return `${trim(ms)} ms`;
  return `${trim(ms * 1_000)} µs`;
}

function trim(value: number): string {
  return String(Number(value.toPrecision(3)));
}
