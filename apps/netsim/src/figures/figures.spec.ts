import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { SwimCore } from '@engram/swim/core';
import { runPlan } from '../run-plan.js';
import { experiments, seedsFor } from './experiments.js';
import { codeMark, Journal, measurementOf, type Measurement } from './journal.js';
import { timingSlices } from './slices.js';
import { targets, type Finding } from './targets.js';

const directory = mkdtempSync(join(tmpdir(), 'netsim-figures-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const experimentNamed = (name: string) => experiments.find((experiment) => experiment.name === name) as (typeof experiments)[number];

const measured = (seed: string, samples: Measurement['samples'], more: Partial<Measurement> = {}): Measurement =>
  ({ experiment: 'e', seed, code: 'c', nodes: 32, virtualMs: 3_600_000, wallMs: 1, samples, violations: {}, ...more });

const judge = (name: string, ...runs: (readonly Measurement[])[]): Finding => (targets.find((target) => target.name === name) as (typeof targets)[number]).judge(...runs);

describe('targets', () => {
  test('each looks at experiments that there are, and each experiment is looked at', () => {
    expect(new Set(targets.flatMap((target) => target.experiments))).toEqual(new Set(experiments.map(({ name }) => name)));
    expect(new Set(targets.map(({ name }) => name)).size).toBe(targets.length);
  });

  test('a long tail misses the aim though the median meets it', () => {
    const times = (most: number, rest: number, n = 100) => Array.from({ length: n }, (_, i) => measured(String(i), { killToFirstMs: [i < 2 ? most : rest] }));
    expect(judge('kill-first-lan-8', times(5_000, 4_000))).toEqual({ n: '100 deaths', result: 'p50 4 s, p99 5 s (1.25 × p50)', standing: 'met' });
    expect(judge('kill-first-lan-8', times(6_500, 4_000))).toMatchObject({ standing: 'missed' });
    expect(judge('kill-first-lan-8', times(5_500, 5_500))).toMatchObject({ standing: 'missed' });
  });

  test('of fewer than a hundred values the tail is not claimed to be met', () => {
    const times = (ms: number) => Array.from({ length: 99 }, (_, i) => measured(String(i), { killToFirstMs: [ms] }));
    expect([times(4_000), times(6_000)].map((runs) => judge('kill-first-lan-8', runs).standing)).toEqual(['open', 'missed']);
  });

  test('no death in too few hours is open and states its bound, one death misses, enough hours meet', () => {
    const hours = (runs: number, falselyDead: number) => Array.from({ length: runs }, (_, i) => measured(String(i), { falselyDead: [i === 0 ? falselyDead : 0] }, { nodes: 1_000, virtualMs: 36_000_000 }));
    expect(judge('false-deaths-loss-5', hours(3, 0))).toEqual({ n: '30000 node-hours', result: '0 (< 0.00010 per node-hour)', standing: 'open' });
    expect(judge('false-deaths-loss-5', hours(3, 1))).toEqual({ n: '30000 node-hours', result: '1, 0.000033 per node-hour', standing: 'missed' });
    expect(judge('false-deaths-loss-5', hours(10, 0))).toMatchObject({ standing: 'met' });
    // Where one is allowed, it neither misses the aim nor meets it early.
    expect(judge('false-deaths-loss-10', hours(3, 1))).toMatchObject({ standing: 'open' });
    expect(judge('false-deaths-loss-10', hours(3, 2))).toMatchObject({ standing: 'missed' });
    expect(judge('false-deaths-loss-10', hours(30, 3))).toMatchObject({ standing: 'met' });
  });

  test('Lifeguard on and off are held against each other on the same seeds only', () => {
    const runs = (counts: readonly number[]) => counts.map((count, i) => measured(String(i), { falselyDead: [count] }));
    expect(judge('stall-lifeguard', runs([1, 0]), runs([40, 20, 1_000]))).toEqual({ n: '2 pairs of runs', result: '1 on, 60 off: 60 × fewer', standing: 'met' });
    expect(judge('stall-lifeguard', runs([0]), runs([60]))).toMatchObject({ result: '0 on, 60 off: more than 20 × fewer', standing: 'open' });
    expect(judge('stall-lifeguard', runs([2]), runs([60]))).toMatchObject({ standing: 'missed' });
  });

  test('somebody revived misses the aim of a mass restart however quick it was', () => {
    const quick = [measured('1', { healMs: [2_000] })];
    expect(judge('mass-restart-lan-32', quick)).toMatchObject({ result: 'p50 2 s, p99 2 s, most 2 s; resurrections 0 (< 3.0 per run)', standing: 'met' });
    expect(judge('mass-restart-lan-32', [measured('1', { healMs: [2_000] }, { violations: { 'no-resurrection': 4 } })])).toMatchObject({ standing: 'missed' });
  });
});

test('large clusters take fewer of the seeds asked for, and at least one', () => {
  const counts = ['kill-lan-8', 'kill-lan-100', 'kill-lan-1000'].map((name) => seedsFor(experimentNamed(name), { from: 1, to: 40 }).length);
  expect(counts).toEqual([40, 8, 1]);
  expect(seedsFor(experimentNamed('kill-lan-1000'), { from: 5, to: 300 })).toEqual(['5', '6', '7']);
});

test('slices are judged by the processor time of the longest, whatever the machine did besides', () => {
  const slices = (maxMs: number) => ({ turns: 1_000, longest: 'wake', processor: { p999Ms: 0.5, maxMs, over2Ms: maxMs > 2 ? 1 : 0 }, wall: { p999Ms: 1, maxMs: 90, over2Ms: 3 } });
  const { result, standing } = judge('slice', [measured('1', {}, { slices: slices(1.5) })]);
  expect([result, standing]).toEqual(['processor time p99.9 0.50 ms, max 1.50 ms, 0 over 2 ms (longest: wake); by the clock p99.9 1 ms, max 90 ms, 3 over 2 ms', 'met']);
  expect(judge('slice', [measured('1', {}, { slices: slices(1.5) }), measured('2', {}, { slices: slices(2.5) })])).toMatchObject({ n: '2000 turns in 2 runs', standing: 'missed' });
});

describe('the journal', () => {
  const one = measured('1', { healMs: [1] });

  test('goes on where it ended, without the half of a line that a killed run left', () => {
    const file = join(directory, 'cut.jsonl');
    new Journal('c', file).add(one);
    appendFileSync(file, '{"experiment":"e","se');
    const again = new Journal('c', file);
    expect([again.all, again.has('e', '1'), again.has('e', '2')]).toEqual([[one], true, false]);
    again.add(measured('2', {}));
    expect(readFileSync(file, 'utf8').split('\n').length).toBe(3);
    expect(new Journal('c', file).all.length).toBe(2);
  });

  test('leaves measurements of other code alone', () => {
    const file = join(directory, 'other.jsonl');
    new Journal('c', file).add(one);
    const other = new Journal('d', file);
    expect([other.all, other.foreign, other.has('e', '1')]).toEqual([[], 1, false]);
  });

  test('refuses a file that is something else, naming the line', () => {
    const file = join(directory, 'else.jsonl');
    appendFileSync(file, 'hello\n');
    expect(() => new Journal('c', file)).toThrow(/line 1 of .*else\.jsonl is no measurement/);
  });

  test('code is known by what it does', () => {
    const mark = codeMark();
    expect(mark).toMatch(/^[0-9a-f]{24}$/);
    expect(codeMark()).toBe(mark);
  });
});

test('turns of the cores are timed while it lasts, and the run is the same', () => {
  const untimed = SwimCore.prototype.handle;
  const plan = experimentNamed('kill-fast-8').plan('1');
  const { result, slices } = timingSlices(() => runPlan(plan));
  expect(SwimCore.prototype.handle).toBe(untimed);
  expect(slices.turns).toBeGreaterThan(result.report.counts.probes);
  expect(slices.wall.maxMs).toBeGreaterThanOrEqual(slices.wall.p999Ms);
  expect(slices.processor.maxMs).toBeGreaterThan(0);
  expect(result.report.hash).toBe(runPlan(plan).report.hash);
  const { samples, violations } = measurementOf('kill-fast-8', 'c', { report: result.report, wallMs: 1.4, slices });
  expect(Object.keys(samples)).toEqual(expect.arrayContaining(['killToFirstMs', 'falselyDead', 'calmBytesPerSecond']));
  expect(violations).toEqual({});
});
