import { expect, test } from 'vitest';
import { formatMs, LatencyHistogram, renderBuckets } from './histogram.js';

function histogramOf(latenciesMs: readonly number[]): LatencyHistogram {
  const histogram = new LatencyHistogram();
  for (const ms of latenciesMs) histogram.record(ms);
  return histogram;
}

test('percentiles come from every latency that was recorded', () => {
  const summary = histogramOf(Array.from({ length: 1_000 }, (_, index) => index + 1)).summary();
  expect(summary.n).toBe(1_000);
  expect(summary.p50Ms).toBeCloseTo(500, -1);
  expect(summary.p99Ms).toBeCloseTo(990, -1);
  expect(summary.maxMs).toBe(1_000);
});

test('one slow request in many shows in the maximum and not in the percentiles', () => {
  const summary = histogramOf([...Array.from({ length: 999 }, () => 1), 5_000]).summary();
  expect(summary).toMatchObject({ p50Ms: 1, p99Ms: 1, maxMs: 5_000 });
});

test('buckets hold every latency once, without empty ends, and include the empty ones between', () => {
  const { buckets } = histogramOf([1, 1.5, 7]).summary();
  expect(buckets).toEqual([
    { fromMs: 1, toMs: 2, count: 2 },
    { fromMs: 2, toMs: 5, count: 0 },
    { fromMs: 5, toMs: 10, count: 1 },
  ]);
});

test('a latency on the edge belongs to the bucket that begins there', () => {
  expect(histogramOf([2]).summary().buckets).toEqual([{ fromMs: 2, toMs: 5, count: 1 }]);
});

test('a histogram of nothing is empty', () => {
  expect(histogramOf([]).summary()).toEqual({ n: 0, p50Ms: 0, p99Ms: 0, maxMs: 0, buckets: [] });
  expect(renderBuckets([])).toEqual([]);
});

test('the longest bar is forty wide, and a rare latency is still seen', () => {
  const lines = renderBuckets([
    { fromMs: 1, toMs: 2, count: 10_000 },
    { fromMs: 2, toMs: 5, count: 5_000 },
    { fromMs: 5, toMs: 10, count: 0 },
    { fromMs: 10, toMs: 20, count: 1 },
  ]);
  expect(lines).toEqual([
    `  1 ms – 2 ms  ${'█'.repeat(40)}    10000   66.66 %`,
    `  2 ms – 5 ms  ${'█'.repeat(20).padEnd(40)}     5000   33.33 %`,
    ` 5 ms – 10 ms  ${' '.repeat(40)}        0    0.00 %`,
    `10 ms – 20 ms  ${'·'.padEnd(40)}        1    0.01 %`,
  ]);
});

test.each([
  [0, '0 ms'],
  [0.0123, '12.3 µs'],
  [1, '1 ms'],
  [12.345, '12.3 ms'],
  [4_321, '4.32 s'],
  [Infinity, '∞'],
])('%d ms reads as %s', (ms, text) => {
  expect(formatMs(ms)).toBe(text);
});
