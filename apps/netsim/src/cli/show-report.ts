import type { RunReport } from '../run-plan.js';
import { quantile, shown } from '../statistics.js';

/** A run for a person to read: what was run, what was checked, what was measured, and how to have it again. */
export function shownReport(report: RunReport, wallMs: number, again: string): string {
  const { plan, counts, checks, samples } = report;
  const speed = counts.virtualMs / Math.max(wallMs, 1);
  return [
    `scenario ${plan.scenario}, seed ${plan.seed}, ${plan.names.length} nodes, preset ${plan.preset}${plan.lifeguard ? '' : ', Lifeguard off'}${plan.flaw === undefined ? '' : `, flaw ${plan.flaw}`}`,
    `trace hash ${report.hash}`,
    `${(counts.virtualMs / 1_000).toFixed(1)} s of the world in ${(wallMs / 1_000).toFixed(2)} s, ${speed.toFixed(0)} times as fast; ${counts.events} events`,
    `${counts.faults} faults, ${counts.datagrams} datagrams, ${counts.dropped} of them dropped; ${counts.probes} probes, ${counts.suspicions} suspicions, ${counts.deaths} deaths, ${counts.refutations} refutations as seen by members`,
    '',
    ...checks.flatMap(({ checker, violations }) => [`${violations.length === 0 ? 'ok  ' : 'FAIL'}  ${checker}`, ...violations.map((violation) => `        ${violation}`)]),
    '',
    ...Object.entries(samples).filter(([, values]) => values.length > 0).map(([name, values]) => shownSample(name, values)),
    '',
    verdictLine(report),
    `again: ${again}`,
  ].join('\n');
}

export function shownSample(name: string, values: readonly number[]): string {
  const label = `  ${name.padEnd(22)}`;
  if (values.length === 1) return `${label}${shown(values[0] as number)}`;
  return `${label}p50 ${shown(quantile(values, 0.5))}  p99 ${shown(quantile(values, 0.99))}  most ${shown(quantile(values, 1))}  of ${values.length}`;
}

export function verdictLine({ verdict, voidBecause }: Pick<RunReport, 'verdict' | 'voidBecause'>): string {
  switch (verdict) {
    case 'passed': return 'PASSED';
    case 'failed': return 'FAILED';
    case 'void':   return `VOID: it has shown nothing: ${voidBecause.join('; ')}`;
  }
}
