import { writeFileSync } from 'node:fs';
import type { SwimPreset } from '@engram/swim/core';
import { flawNamed } from '../flaws/index.js';
import { commandOf, planOf, type Plan } from '../plan.js';
import { parseRecord, recordOf } from '../record.js';
import { reportPage } from '../report/page.js';
import { storyOf, type Story } from '../report/story.js';
import { runPlan, type RunReport } from '../run-plan.js';
import { scenarioNamed } from '../scenarios/index.js';
import { exitCodes, print, type Cli } from './cli.js';
import { textOf } from './files.js';
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
  /** Where the drawn page goes. */
  readonly report?: string;
}

export function run(cli: Cli, options: RunOptions): number {
  if (options.flaw !== undefined) flawNamed(options.flaw);
  const plan = planOf(scenarioNamed(options.scenario), options);
  const report = runAndShow(cli, plan, commandOf(plan), options);
  if (options.save !== undefined) writeFileSync(options.save, recordOf(report));
  return exitCodes[report.verdict];
}

/** Runs what the file says, schedule and all, and holds the trace hash against the one recorded. */
export function replay(cli: Cli, file: string, options: ShowOptions): number {
  const record = parseRecord(textOf(file), file);
  const report = runAndShow(cli, record.plan, `netsim replay ${file}`, options);
  if (report.hash !== record.hash) {
    print(cli.stderr, `The replay went another way: trace hash ${report.hash}, recorded ${record.hash} by version ${record.version}. The code or the file has changed since.`);
    return exitCodes.failed;
  }
  print(cli.stdout, 'The same run as recorded.');
  return exitCodes[report.verdict];
}

export type ShowOptions = Pick<RunOptions, 'transcript' | 'report'>;

const transcriptLinesMax = 100_000;

/** `again` is the command that runs it once more. */
function runAndShow(cli: Cli, plan: Plan, again: string, { transcript = false, report: page }: ShowOptions): RunReport {
  const began = cli.now();
  let story: Story | undefined;
  const worldOptions = transcript ? { transcript: { linesMax: transcriptLinesMax, kinds: ['life', 'fault', 'trace'] } as const } : {};
  const { report, world } = runPlan(plan, worldOptions, (cluster) => {
    if (page !== undefined) story = storyOf(cluster);
  });
  const wallMs = cli.now() - began;
  if (transcript) {
    if (world.transcript.forgotten > 0) print(cli.stdout, `… ${world.transcript.forgotten} earlier lines`);
    for (const line of world.transcript.lines()) print(cli.stdout, line);
    print(cli.stdout, '');
  }
  print(cli.stdout, shownReport(report, wallMs, again));
  if (page !== undefined && story) writeFileSync(page, reportPage(report, story, again));
  return report;
}
