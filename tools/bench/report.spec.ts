import { expect, test } from 'vitest';
import type { Figure } from './figure.js';
import { renderFigure } from './report.js';

const figure: Figure = {
  name: 'store',
  title: 'Stores',
  bars: [
    {
      label: 'echo',
      perSecond: [19_000, 21_000, 20_000],
      latency: { n: 60_000, p50Ms: 3.2, p99Ms: 7.25, maxMs: 12, buckets: [{ fromMs: 2, toMs: 5, count: 60_000 }] },
      serverMicros: 35.14,
    },
    { label: 'engram', perSecond: [9_000, 11_000] },
  ],
  findings: [
    { label: 'engram ÷ echo', value: 0.5, unit: '×', range: [0.45, 0.55], aim: { atLeast: 0.5 } },
    { label: 'p99', value: 20.4, unit: 'ms', aim: { atMost: 20 } },
    { label: 'json', value: 312.4, unit: 'bytes' },
  ],
  noise: { baseline: 'echo', unit: 'per second', before: 19_000, after: 20_000, spread: 0.1 },
  notes: ['All were stored.'],
};

test('a figure prints its bars, its findings with their aims, its noise and its histograms', () => {
  expect(renderFigure(figure)).toEqual([
    '── store: Stores',
    '          per second          n        p50        p99        max server CPU',
    '  echo        20 000     60 000     3.2 ms    7.25 ms      12 ms    35.1 µs',
    '  engram      10 000',
    '  engram ÷ echo      0.50 ×  (rounds 0.45 × to 0.55 ×)  aim at least 0.50 ×: met',
    '  p99               20.4 ms  aim at most 20 ms: MISSED',
    '  json            312 bytes',
    '  noise: echo: 19 000 per second before, 20 000 after, spread 10 %',
    '  All were stored.',
    '',
    '  echo',
    `    2 ms – 5 ms  ${'█'.repeat(40)}    60000  100.00 %`,
  ]);
});

test('a figure without rates prints its findings alone', () => {
  const lines = renderFigure({ ...figure, bars: [] });
  expect(lines[1]).toContain('engram ÷ echo');
  expect(lines.at(-1)).toBe('  All were stored.');
});

test('a share of a core far below one per cent keeps its digits', () => {
  const [, line] = renderFigure({ ...figure, bars: [], findings: [{ label: 'idle', value: 0.0312, unit: '%', aim: { atMost: 0.1 } }] });
  expect(line).toBe('  idle     0.031 %  aim at most 0.100 %: met');
});
