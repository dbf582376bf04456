import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { EngramError, errorCodes, type ErrorCode } from '@engram/kernel';
import type { Command } from 'commander';
import pRetry from 'p-retry';
import type { ApiClient } from './api-client.js';
import { exitCodes, print, type Cli } from './cli.js';
import { UsageError } from './failures.js';
import { chunkDrafts, splitLines, type Chunk } from './import-lines.js';
import { Progress } from './progress.js';
import { withClient, withRemoteOptions, type RemoteOptions } from './remote.js';
import { oneLine, readableBytes } from './tables.js';
import type { WireError } from './wire-types.js';

interface ImportOptions extends RemoteOptions {
  readonly space?: string;
}

/** Small enough that a chunk is answered in a fraction of a second, large enough that the disk syncs seldom. */
const chunkBounds = { lines: 512, bytes: 1_048_576 };

/** The longest line of the server; a longer one would only be refused there. */
const lineBytesMax = 4 * 1_048_576;

/** More than this many bad lines are counted, not printed. */
const badLinesShown = 100;

/** With their waits these take about half a minute together. */
const retries = 10;

interface Tally {
  lines: number;
  stored: number;
  alreadyStored: number;
  failed: number;
}

export function importCommand(program: Command, cli: Cli, exit: (code: number) => void): void {
  withRemoteOptions(program.command('import'))
    .description('store memories from a file of JSON Lines, one memory per line as `engram export` writes them; when they were stored is said anew')
    .argument('<file>', 'the file; - reads standard input')
    .option('-s, --space <space>', 'store every line in this space, whatever the line says')
    .addHelpText('after', '\nA line without an id gets one made from what it says. Importing a file again, or the rest of it after an\ninterruption, is therefore harmless: what is stored already is recognised. Bad lines are reported and left out.')
    .action((file: string, options: ImportOptions) => withClient(cli, options, async (client) => exit(await importFile(cli, client, file, options))));
}

/** Returns the exit code: 1 when any line could not be stored. Rejects when the rest could not be tried. */
export async function importFile(cli: Cli, client: ApiClient, file: string, { space, json }: ImportOptions): Promise<number> {
  const { source, total } = await open(cli, file);
  // A node that is not there is told at once, before any patience is spent on it.
  await client.status();
  const tally: Tally = { lines: 0, stored: 0, alreadyStored: 0, failed: 0 };
  const progress = new Progress(cli, { label: 'importing', total, format: readableBytes });
  try {
    for await (const chunk of chunkDrafts(splitLines(source, lineBytesMax), space, chunkBounds)) {
      await storeChunk(cli, client, chunk, tally);
      progress.update(chunk.end, describe(tally));
      cli.interrupted.throwIfAborted();
    }
  } catch (error) {
    progress.stop();
    print(cli.stderr, `stopped after ${describe(tally)}; import the file again to go on`);
    throw error;
  }
  progress.stop();
  if (tally.failed > badLinesShown) print(cli.stderr, `… and ${tally.failed - badLinesShown} more lines that failed`);
  print(cli.stdout, json === true ? JSON.stringify({ lines: tally.lines, stored: tally.stored, already_stored: tally.alreadyStored, failed: tally.failed }) : describe(tally));
  return tally.failed === 0 ? exitCodes.ok : exitCodes.failed;
}

async function open(cli: Cli, file: string): Promise<{ source: AsyncIterable<Buffer | string>; total: number | undefined }> {
  if (file === '-') return { source: cli.stdin, total: undefined };
  const found = await stat(file);
  if (found.isDirectory()) throw new UsageError(`${file} is a directory, not a file`, 'Name a file of JSON Lines, or - for standard input.');
  return { source: createReadStream(file, { highWaterMark: 262_144 }), total: found.isFile() ? found.size : undefined };
}

/** Stores a chunk, coming back for the lines that the node had no room for until none is left or patience runs out. */
async function storeChunk(cli: Cli, client: ApiClient, { drafts, bad }: Chunk, tally: Tally): Promise<void> {
  tally.lines += drafts.length + bad.length;
  const failures = new Map(bad.map(({ number, reason }) => [number, reason]));
  let open = drafts;
  const attempt = async (): Promise<void> => {
    if (open.length === 0) return;
    const results = await client.storeLines(open.map(({ json }) => json));
    const again: typeof open[number][] = [];
    let refusal: WireError | undefined;
    for (const { line, outcome, error } of results) {
      const draft = open[line - 1]!;
      if (outcome === 'stored') tally.stored += 1;
      else if (outcome === 'already_stored') tally.alreadyStored += 1;
      else if (error?.retryable === true) [refusal] = [error, again.push(draft)];
      else failures.set(draft.number, `${error?.message ?? 'was refused'} (${error?.code ?? 'internal'})`);
    }
    open = again;
    if (refusal !== undefined) throw retryableError(refusal);
  };
  try {
    await pRetry(attempt, {
      retries,
      minTimeout: 0,
      signal: cli.interrupted,
      shouldRetry: ({ error }) => error instanceof EngramError && error.retryable,
      onFailedAttempt: async ({ error, attemptNumber, retriesLeft }) => {
        if (retriesLeft > 0 && error instanceof EngramError && error.retryable) await cli.pause(waitMs(error, attemptNumber), cli.interrupted);
      },
    });
  } finally {
    for (const [number, reason] of [...failures].sort(([a], [b]) => a - b)) fail(cli, tally, number, reason);
  }
}

/** A node that says when to come back is believed, within reason; otherwise the waits double from about 200 ms to 5 s. */
function waitMs(error: EngramError, attempts: number): number {
  const asked = error.details['retryAfterMs'];
  if (typeof asked === 'number') return Math.min(asked, 10_000);
  return Math.min(5_000, 200 * 2 ** (attempts - 1)) * (0.75 + Math.random() / 2);
}

function retryableError({ code, message, hint, retry_after_ms }: WireError): EngramError {
  const known = Object.hasOwn(errorCodes, code) && errorCodes[code as ErrorCode].retryable ? (code as ErrorCode) : 'unavailable';
  return new EngramError(known, message, { ...(hint === undefined ? {} : { hint }), details: { ...(retry_after_ms === undefined ? {} : { retryAfterMs: retry_after_ms }) } });
}

function fail(cli: Cli, tally: Tally, number: number, reason: string): void {
  tally.failed += 1;
  if (tally.failed <= badLinesShown) print(cli.stderr, `line ${number}: ${oneLine(reason, 300)}`);
}

function describe({ lines, stored, alreadyStored, failed }: Tally): string {
  return `${lines} lines: ${stored} stored, ${alreadyStored} stored before, ${failed} failed`;
}
