import { writeFileSync } from 'node:fs';
import { parseRecord, recordOf } from '../record.js';
import { shrink, type Shrunk } from '../shrink.js';
import { exitCodes, print, type Cli } from './cli.js';
import { textOf } from './files.js';
import { Progress } from './progress.js';

export interface ShrinkCommandOptions {
  readonly checker?: string;
  readonly attempts: number;
  readonly out?: string;
}

/** Looks for a smaller run that fails the same way and writes it for `netsim replay`. */
export function shrinkFile(cli: Cli, file: string, { checker, attempts, out = `${file}.min.json` }: ShrinkCommandOptions): number {
  const { plan } = parseRecord(textOf(file), file);
  const progress = new Progress(cli, attempts);
  let found: Shrunk;
  try {
    found = shrink(plan, {
      attempts,
      ...(checker !== undefined && { checker }),
      onAttempt: ({ smallest }) => progress.step(`${smallest.schedule.length} actions, ${smallest.names.length} nodes`),
    });
  } finally {
    progress.stop();
  }
  const { report } = found;
  writeFileSync(out, recordOf(report));
  const size = (schedule: number, names: number): string => `${schedule} actions, ${names} nodes`;
  print(cli.stdout, `${found.checker}: from ${size(plan.schedule.length, plan.names.length)} to ${size(report.plan.schedule.length, report.plan.names.length)} in ${found.attempts} attempts${found.finished ? '' : '; there may be smaller ones, --attempts was reached'}`);
  for (const action of report.plan.schedule) print(cli.stdout, `  ${JSON.stringify(action)}`);
  for (const violation of report.checks.find((check) => check.checker === found.checker)?.violations.slice(0, 1) ?? []) print(cli.stdout, `  ${violation}`);
  print(cli.stdout, `again: netsim replay ${out}`);
  return exitCodes.passed;
}
