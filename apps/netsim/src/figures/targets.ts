import { quantile, shown, total } from '../statistics.js';
import { idleSizes, presets } from './experiments.js';
import type { Measurement } from './journal.js';
import type { SliceLengths } from './slices.js';

/** `open`: nothing speaks against it, but too little was measured to claim it. */
export type Standing = 'met' | 'missed' | 'open';

export interface Finding {
  /** What was counted, with its unit: runs, deaths, node-hours. */
  readonly n: string;
  readonly result: string;
  readonly standing: Standing;
}

/** One line of the table: what membership has to reach, and how the measurements speak to it. */
export interface Target {
  readonly name: string;
  readonly setting: string;
  readonly aim: string;
  readonly experiments: readonly string[];
  /** Of the runs of its experiments, in their order; each has at least one. */
  judge(...runs: readonly (readonly Measurement[])[]): Finding;
}

const allAimS = { p50: 2, p99: 3 };
const firstAimS = { 8: 5, 32: 7, 100: 9, 1_000: 13 } as const;
const spreadAimS = { 100: 1, 1_000: 2 } as const;
const calmAims = [
  { percent: 0, most: { deaths: 0, hours: 1e6 }, aim: '0 in 10⁶ node-hours' },
  { percent: 5, most: { deaths: 0, hours: 1e5 }, aim: '0 in 10⁵ node-hours' },
  { percent: 10, most: { deaths: 1, hours: 1e5 }, aim: '≤ 1 in 10⁵ node-hours' },
] as const;

export const targets: readonly Target[] = [
  ...([8, 32, 100, 1_000] as const).map((nodes): Target => ({
    name: `kill-first-lan-${nodes}`, setting: `kill → first observer, \`lan\`, N = ${nodes}`, aim: `p50 ≤ ${firstAimS[nodes]} s, p99 ≤ 1.5 × p50`, experiments: [`kill-lan-${nodes}`],
    judge: (runs = []) => {
      const times = secondsOf(runs, 'killToFirstMs');
      const [p50, p99] = [quantile(times, 0.5), quantile(times, 0.99)];
      return { n: `${times.length} deaths`, result: `${quantiles(times)} (${shown(p99 / p50)} × p50)`, standing: tailMet(p50 <= firstAimS[nodes] && p99 <= 1.5 * p50, times) };
    },
  })),
  ...[8, 32].flatMap((nodes) => [allObservers(`kill-fast-${nodes}`, nodes, ''), allObservers(`kill-fast-${nodes}-loss-5`, nodes, ', 5 % loss')]),
  ...([100, 1_000] as const).map((nodes): Target => ({
    name: `spread-lan-${nodes}`, setting: `first observer → 99 % of members, \`lan\`, N = ${nodes}`, aim: `≤ ${spreadAimS[nodes]} s`, experiments: [`kill-lan-${nodes}`],
    judge: (runs = []) => {
      const times = secondsOf(runs, 'firstTo99PercentMs');
      return { n: `${times.length} deaths`, result: quantiles(times), standing: tailMet(quantile(times, 0.99) <= spreadAimS[nodes], times) };
    },
  })),
  ...calmAims.map(({ percent, most, aim }): Target => ({
    name: `false-deaths-loss-${percent}`, setting: `false deaths, nothing wrong but ${percent} % loss, \`lan\`, N = 32`, aim, experiments: [`calm-loss-${percent}`],
    judge: (runs = []) => rate(total(valuesOf(runs, 'falselyDead')), nodeHours(runs), most),
  })),
  {
    name: 'stall-lifeguard', setting: 'a tenth of 50 members stalls 0.1 to 10 s, `fast`: healthy members taken for dead, Lifeguard on against off, same seeds', aim: '≥ 50 × fewer', experiments: ['stall-on', 'stall-off'],
    judge: (on = [], off = []) => {
      const seeds = new Set(on.map(({ seed }) => seed));
      const both = off.filter(({ seed }) => seeds.has(seed));
      const paired = new Set(both.map(({ seed }) => seed));
      const [few, many] = [on.filter(({ seed }) => paired.has(seed)), both].map((runs) => total(valuesOf(runs, 'falselyDead'))) as [number, number];
      // None seen says fewer than three, with 95 % confidence.
      const ratio = many / (few === 0 ? 3 : few);
      return { n: `${both.length} pairs of runs`, result: `${few} on, ${many} off: ${few === 0 ? 'more than ' : ''}${shown(ratio)} × fewer`, standing: ratio >= 50 ? 'met' : few === 0 ? 'open' : 'missed' };
    },
  },
  ...[8, 32, 100].map((nodes): Target => ({
    name: `split-heals-lan-${nodes}`, setting: `partition heals → every view right, \`lan\`, N = ${nodes}`, aim: '≤ 60 s', experiments: [`split-lan-${nodes}`],
    judge: (runs = []) => {
      const times = secondsOf(runs, 'healMs');
      return { n: `${times.length} splits`, result: `${quantiles(times)}, most ${shown(quantile(times, 1))} s`, standing: met(quantile(times, 1) <= 60) };
    },
  })),
  ...[32, 100, 1_000].map((nodes): Target => ({
    name: `mass-restart-lan-${nodes}`, setting: `all lose power and start again → every view right, \`lan\`, N = ${nodes}`, aim: '≤ 15 s, 0 resurrections', experiments: [`restart-lan-${nodes}`],
    judge: (runs = []) => {
      const times = secondsOf(runs, 'healMs');
      const revived = total(runs.map(({ violations }) => violations['no-resurrection'] ?? 0));
      return { n: `${runs.length} runs`, result: `${quantiles(times)}, most ${shown(quantile(times, 1))} s; resurrections ${none(revived, runs.length, 'run')}`, standing: met(quantile(times, 1) <= 15 && revived === 0) };
    },
  })),
  ...presets.flatMap((preset) => idleSizes.map((nodes): Target => ({
    name: `idle-${preset}-${nodes}`, setting: `idle traffic with headers, \`${preset}\`, N = ${nodes}`, aim: '≤ 350 B/s/node', experiments: [`idle-${preset}-${nodes}`],
    judge: (runs = []) => {
      const rates = valuesOf(runs, 'calmBytesPerSecond');
      return { n: `${rates.length} runs`, result: `${(total(rates) / rates.length).toFixed(0)} B/s/node`, standing: met(quantile(rates, 1) <= 350) };
    },
  }))),
  {
    name: 'slice', setting: 'one synchronous slice, `lan`, N = 1000 in one process, joining and one death', aim: '≤ 2 ms', experiments: ['kill-lan-1000'],
    judge: (runs = []) => {
      const slices = runs.flatMap(({ slices }) => slices ?? []);
      const longest = slices.reduce((a, b) => (b.processor.maxMs > a.processor.maxMs ? b : a));
      const told = (lengths: readonly SliceLengths[]): string => `p99.9 ${shown(Math.max(...lengths.map(({ p999Ms }) => p999Ms)))} ms, max ${shown(Math.max(...lengths.map(({ maxMs }) => maxMs)))} ms, ${total(lengths.map(({ over2Ms }) => over2Ms))} over 2 ms`;
      return {
        n: `${total(slices.map(({ turns }) => turns))} turns in ${slices.length} runs`,
        result: `processor time ${told(slices.map(({ processor }) => processor))} (longest: ${longest.longest}); by the clock ${told(slices.map(({ wall }) => wall))}`,
        // The clock also counts what other processes take of the machine; a machine of one's own shows no difference.
        standing: met(longest.processor.maxMs <= 2),
      };
    },
  },
  {
    name: 'speed', setting: '100 members for 60 s of the world, `lan`', aim: '< 10 s of wall time', experiments: ['speed'],
    judge: (runs = []) => {
      const wall = runs.map(({ wallMs }) => wallMs / 1_000);
      return { n: `${runs.length} runs`, result: `p50 ${shown(quantile(wall, 0.5))} s, most ${shown(quantile(wall, 1))} s`, standing: met(quantile(wall, 1) < 10) };
    },
  },
];

function allObservers(experiment: string, nodes: number, loss: string): Target {
  return {
    name: `kill-all-fast-${nodes}${loss === '' ? '' : '-loss-5'}`, setting: `kill → all observers, \`fast\`, N = ${nodes}${loss}`, aim: 'p50 ≤ 2 s, p99 ≤ 3 s, 0 false deaths', experiments: [experiment],
    judge: (runs = []) => {
      const times = secondsOf(runs, 'killToAllMs');
      const dead = total(valuesOf(runs, 'falselyDead'));
      const fine = quantile(times, 0.5) <= allAimS.p50 && quantile(times, 0.99) <= allAimS.p99 && dead === 0;
      return { n: `${times.length} deaths`, result: `${quantiles(times)}; false deaths ${none(dead, runs.length, 'run')}`, standing: tailMet(fine, times) };
    },
  };
}

const met = (fine: boolean): Standing => (fine ? 'met' : 'missed');
/** The 99th percentile of fewer than a hundred values is their largest: it can miss an aim, but not show that it is met. */
const tailMet = (fine: boolean, values: readonly number[]): Standing => (fine && values.length < 100 ? 'open' : met(fine));
const valuesOf = (runs: readonly Measurement[], sample: string): number[] => runs.flatMap(({ samples }) => samples[sample] ?? []);
const secondsOf = (runs: readonly Measurement[], sample: string): number[] => valuesOf(runs, sample).map((ms) => ms / 1_000);
const quantiles = (values: readonly number[]): string => `p50 ${shown(quantile(values, 0.5))} s, p99 ${shown(quantile(values, 0.99))} s`;
const nodeHours = (runs: readonly Measurement[]): number => total(runs.map(({ nodes, virtualMs }) => (nodes * virtualMs) / 3_600_000));

/** A count, and what none of n says: fewer than 3/n, with 95 % confidence (the rule of three). */
function none(count: number, n: number, unit: string): string {
  return count === 0 ? `0 (< ${(3 / n).toPrecision(2)} per ${unit})` : String(count);
}

/** So many deaths at most in so many hours. Fewer hours can miss the aim, but not meet it. */
function rate(count: number, hours: number, most: { readonly deaths: number; readonly hours: number }): Finding {
  const standing = count > most.deaths * Math.max(1, hours / most.hours) ? 'missed' : hours < most.hours ? 'open' : 'met';
  return { n: `${hours.toFixed(0)} node-hours`, result: count === 0 ? none(count, hours, 'node-hour') : `${count}, ${(count / hours).toPrecision(2)} per node-hour`, standing };
}
