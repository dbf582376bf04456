import type { Machine } from '../machine.js';
import { median } from '../ratio.js';
import type { Detection, Idle } from './cluster.js';

/** One cluster of one implementation, measured. */
export interface Row {
  readonly kind: 'engram' | 'serf';
  readonly profile: string;
  readonly nodes: number;
  readonly encrypted: boolean;
  readonly idle: Idle;
  /** Empty where nobody was killed. */
  readonly detections: readonly Detection[];
  readonly falseDeaths: number;
  /** Of the last minute, at the end of the idle time and after the kills: what others do on the machine shows in all figures. */
  readonly loadAverage: { readonly idle: number; readonly kills: number };
}

/** What `--json` prints. */
export interface MembershipReport {
  readonly format: 1;
  readonly machine: Machine;
  /** Of the Serf that was measured; undefined when there was none. */
  readonly serf?: string;
  readonly idleSeconds: number;
  readonly rows: readonly Row[];
  readonly notes: readonly string[];
}

/** Serf's profile that is nearest to a preset. */
export const serfProfiles: Readonly<Record<string, 'lan' | 'local'>> = { lan: 'lan', fast: 'local' };

export function renderMembership({ machine, serf, idleSeconds, rows, notes }: MembershipReport): string {
  return [
    `engram membership bench · ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.platform}, Node ${machine.node} · ${serf === undefined ? 'no serf' : `serf ${serf}`} · idle for ${idleSeconds} s`,
    '',
    ...table([
      ['', 'nodes', 'kills', 'first p50', 'max', 'all p50', 'max', 'idle B/s', 'metered', 'CPU', 'resident', 'false deaths', 'load idle, kills'],
      ...rows.map(rowCells),
    ]),
    '',
    ...ratios(rows),
    ...notes,
  ].join('\n');
}

function rowCells({ kind, profile, nodes, encrypted, idle, detections, falseDeaths, loadAverage }: Row): string[] {
  const first = detections.map(({ firstMs }) => firstMs);
  const all = detections.map(({ allMs }) => allMs);
  return [
    `${kind} ${profile}${encrypted ? ', encrypted' : ''}`,
    `${nodes}`,
    `${detections.length}`,
    ...[first, all].flatMap((times) => (times.length === 0 ? ['', ''] : [seconds(median(times)), seconds(Math.max(...times))])),
    idle.bytesPerSecond?.toFixed(0) ?? '',
    idle.meteredBytesPerSecond?.toFixed(0) ?? '',
    idle.processorPercent === undefined ? '' : `${idle.processorPercent.toFixed(2)} %`,
    `${Math.round(idle.residentBytes / 2 ** 20)} MiB`,
    `${falseDeaths}`,
    `${loadAverage.idle.toFixed(1)}, ${loadAverage.kills.toFixed(1)}`,
  ];
}

/** Each row of engram against the row of Serf with the same number of nodes, the nearest profile and the same secrecy. */
export function ratios(rows: readonly Row[]): string[] {
  return rows.flatMap((row) => {
    if (row.kind !== 'engram') return [];
    const other = rows.find(({ kind, profile, nodes, encrypted }) => kind === 'serf' && profile === serfProfiles[row.profile] && nodes === row.nodes && encrypted === row.encrypted);
    if (other === undefined) return [];
    const parts = [
      ratio('first observer p50', medianOf(row, 'firstMs'), medianOf(other, 'firstMs')),
      ratio('all observers p50', medianOf(row, 'allMs'), medianOf(other, 'allMs')),
      ratio('idle bytes', row.idle.bytesPerSecond, other.idle.bytesPerSecond),
      ratio('CPU', row.idle.processorPercent, other.idle.processorPercent),
      ratio('resident', row.idle.residentBytes, other.idle.residentBytes),
    ];
    return [`engram ${row.profile} ÷ serf ${other.profile}, ${row.nodes} nodes${row.encrypted ? ', encrypted' : ''}: ${parts.filter(Boolean).join(' · ')}`];
  });
}

function medianOf({ detections }: Row, field: keyof Detection): number | undefined {
  return detections.length === 0 ? undefined : median(detections.map((detection) => detection[field]));
}

function ratio(label: string, ours: number | undefined, theirs: number | undefined): string {
  return ours === undefined || theirs === undefined || theirs === 0 ? '' : `${label} ${(ours / theirs).toFixed(2)}`;
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(2)} s`;
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((cells) => cells[column]!.length)));
  return rows.map((cells) => cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))).join('  ').trimEnd());
}
