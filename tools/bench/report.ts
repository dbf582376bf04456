import type { Bar, Figure, Finding } from './figure.js';
import { formatMs, renderBuckets, type LatencySummary } from './histogram.js';
import type { Machine, Probe } from './machine.js';
import { median, meets, type Aim } from './ratio.js';

/** What `--json` prints. Times in milliseconds, rates per second; documented in docs/benchmarks.md. */
export interface Report {
  readonly format: 1;
  readonly quick: boolean;
  /** Where the memories came from. */
  readonly corpus: string;
  readonly machine: Machine;
  readonly before: Probe;
  readonly after: Probe;
  readonly figures: readonly Figure[];
}

export function renderReport(report: Report): string {
  const { machine, before, after, figures, quick, corpus } = report;
  return [
    `engram bench${quick ? ' --quick' : ''} · memories ${corpus} · ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.platform}, Node ${machine.node}`,
    '',
    ...figures.flatMap((figure) => [...renderFigure(figure), '']),
    'machine          before      after',
    row('load average', before.loadAverage.toFixed(1), after.loadAverage.toFixed(1)),
    row('fixed hashing', formatMs(before.hashingMs), formatMs(after.hashingMs)),
    row('fdatasync p50', formatMs(before.fdatasync.p50Ms), formatMs(after.fdatasync.p50Ms)),
    row('fdatasync p99', formatMs(before.fdatasync.p99Ms), formatMs(after.fdatasync.p99Ms)),
  ].join('\n');
}

export function renderFigure({ name, title, bars, findings, noise, notes }: Figure): string[] {
  return [
    `── ${name}: ${title}`,
    ...renderBars(bars),
    ...renderFindings(findings),
    `  noise: ${noise.baseline}: ${amount(noise.before)} ${noise.unit} before, ${amount(noise.after)} after, spread ${Math.round(noise.spread * 100)} %`,
    ...notes.map((note) => `  ${note}`),
    ...bars.flatMap(({ label, latency }) => (latency === undefined ? [] : ['', `  ${label}`, ...renderBuckets(latency.buckets).map((line) => `    ${line}`)])),
  ];
}

function renderBars(bars: readonly Bar[]): string[] {
  if (bars.length === 0) return [];
  const width = Math.max(...bars.map(({ label }) => label.length));
  return [
    `  ${''.padEnd(width)} ${['per second', 'n', 'p50', 'p99', 'max', 'server CPU'].map((head) => head.padStart(11)).join('')}`,
    ...bars.map(({ label, perSecond, latency, serverMicros }) => {
      const cells = [
        perSecond === undefined ? '' : amount(median(perSecond)),
        ...latencyCells(latency),
        serverMicros === undefined ? '' : `${serverMicros.toFixed(1)} µs`,
      ];
      return `  ${label.padEnd(width)} ${cells.map((cell) => cell.padStart(11)).join('')}`.trimEnd();
    }),
  ];
}

function latencyCells(latency: LatencySummary | undefined): string[] {
  if (latency === undefined) return ['', '', '', ''];
  return [amount(latency.n), formatMs(latency.p50Ms), formatMs(latency.p99Ms), formatMs(latency.maxMs)];
}

function renderFindings(findings: readonly Finding[]): string[] {
  const width = Math.max(...findings.map(({ label }) => label.length), 0);
  return findings.map(({ label, value, unit, range, aim }) => {
    const rounds = range === undefined ? '' : `  (rounds ${quantity(range[0], unit)} to ${quantity(range[1], unit)})`;
    return `  ${label.padEnd(width)}  ${quantity(value, unit).padStart(10)}${rounds}${aim === undefined ? '' : `  ${verdict(value, aim, unit)}`}`;
  });
}

function verdict(value: number, aim: Aim, unit: Finding['unit']): string {
  const wanted = 'atLeast' in aim ? `at least ${quantity(aim.atLeast, unit)}` : `at most ${quantity(aim.atMost, unit)}`;
  return `aim ${wanted}: ${meets(value, aim) ? 'met' : 'MISSED'}`;
}

function quantity(value: number, unit: Finding['unit']): string {
  switch (unit) {
    case '×':     return `${value < 10 ? value.toFixed(2) : amount(value)} ×`;
    case 'ms':    return formatMs(value);
    case 's':     return `${value.toFixed(2)} s`;
    case 'bytes': return `${amount(value)} bytes`;
    case '%':     return `${value.toFixed(Math.abs(value) < 1 ? 3 : Math.abs(value) < 10 ? 1 : 0)} %`;
  }
}

/** Whole numbers with thin groups of three; small ones keep two digits. */
function amount(value: number): string {
  if (Math.abs(value) < 100 && !Number.isInteger(value)) return value.toFixed(2);
  return String(Math.round(value)).replace(/\B(?=(\d{3})+(?!\d))/g, ' ');
}

function row(label: string, before: string, after: string): string {
  return `${label.padEnd(14)} ${before.padStart(8)}   ${after.padStart(8)}`;
}
