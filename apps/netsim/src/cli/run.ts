import { readFileSync, writeFileSync } from 'node:fs';
import { EngramError } from '@engram/kernel';
import type { SwimPreset } from '@engram/swim/core';
import { flawNamed } from '../flaws/index.js';
import { planOf, type Plan } from '../plan.js';
import { parseRecord, recordOf } from '../record.js';
import { runPlan } from '../run-plan.js';
import { scenarioNamed } from '../scenarios/index.js';
import { exitCodes, print, type Cli } from './cli.js';
import { shownReport } from './show-report.js';

export interface RunOptions {
  readonly scenario: string;
  readonly seed: string;
  readonly nodes?: number;
  readonly preset?: SwimPreset;
  readonly lifeguard: boolean;
  readonly flaw?: string;
  readonly loss?: number;
  readonly transcript?: boolean;
  readonly save?: string;
}

export function run(cli: Cli, options: RunOptions): number {
  if (options.flaw !== undefined) flawNamed(options.flaw);
  const { report } = runAndShow(cli, planOf(scenarioNamed(options.scenario), options), options.transcript === true);
  if (options.save !== undefined) writeFileSync(options.save, recordOf(report));
  return exitCodes[report.verdict];
}

/** Runs what the file says, schedule and all, and holds the trace hash against the one recorded. */
export function replay(cli: Cli, file: string, options: { readonly transcript?: boolean }): number {
  const record = parseRecord(textOf(file), file);
  const { report } = runAndShow(cli, record.plan, options.transcript === true);
  if (report.hash !== record.hash) {
    print(cli.stderr, `The replay went another way: trace hash ${report.hash}, recorded ${record.hash} by version ${record.version}. The code or the file has changed since.`);
    return exitCodes.failed;
  }
  print(cli.stdout, 'The same run as recorded.');
  return exitCodes[report.verdict];
}

const transcriptLinesMax = 100_000;

function runAndShow(cli: Cli, plan: Plan, transcript: boolean): ReturnType<typeof runPlan> {
  const began = cli.now();
  const ran = runPlan(plan, transcript ? { transcript: { linesMax: transcriptLinesMax, kinds: ['life', 'fault', 'trace'] } } : {});
  const wallMs = cli.now() - began;
  if (transcript) {
    if (ran.world.transcript.forgotten > 0) print(cli.stdout, `… ${ran.world.transcript.forgotten} earlier lines`);
    for (const line of ran.world.transcript.lines()) print(cli.stdout, line);
    print(cli.stdout, '');
  }
  print(cli.stdout, shownReport(ran.report, wallMs));
  return ran;
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new EngramError('invalid_argument', `${file} cannot be read: ${(cause as NodeJS.ErrnoException).code ?? 'unknown reason'}`, { cause, hint: 'Give a file that `netsim run --save` has written.' });
  }
}
