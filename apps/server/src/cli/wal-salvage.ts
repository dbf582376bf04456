import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import type { SalvageReport } from '@engram/replication';
import { print, type Cli } from './cli.js';
import { UsageError } from './failures.js';
import { readableBytes } from './tables.js';

interface SalvageCommandOptions {
  readonly dataDir: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

export function walSalvageCommand(program: Command, cli: Cli): void {
  program
    .command('wal-salvage')
    .description('keep what can be read of a damaged write-ahead log; moves the damaged files aside and deletes nothing')
    .requiredOption('-d, --data-dir <dir>', 'data directory of the node, which must be stopped')
    .option('--dry-run', 'say what would be done, and change nothing')
    .option('--json', 'print JSON for scripts')
    .action((options: SalvageCommandOptions) => salvage(cli, options));
}

export async function salvage(cli: Cli, { dataDir, dryRun, json }: SalvageCommandOptions): Promise<void> {
  const root = resolve(dataDir);
  if (!existsSync(join(root, 'wal'))) throw new UsageError(`${root} holds no write-ahead log`, 'Name the data directory of a node with --data-dir: the folder that has a folder `wal` in it.');
  // The libraries of the engine are loaded by the commands that need them, so that the others start quickly.
  const { salvageDataDirectory } = await import('./salvage-data-directory.js');
  const report = await salvageDataDirectory(root, { dryRun: dryRun === true });
  print(cli.stdout, json === true ? JSON.stringify(report) : describe(report));
}

function describe({ needed, dryRun, resumed, entriesKept, losses, damagedDirectory, moved }: SalvageReport): string {
  const finished = resumed ? ['An interrupted salvage was finished first.'] : [];
  if (!needed) return [...finished, `The log is good: ${entriesKept} entries. Nothing was changed.`].join('\n');
  const would = dryRun ? 'would be' : 'were';
  return [
    ...finished,
    `${entriesKept} entries can be read and ${would} kept.`,
    ...losses.map(({ file, offset, bytes, reason, firstLsn, lastLsn }) => `unreadable: ${file} at ${offset}, ${bytes === 0 ? 'the whole file' : readableBytes(bytes)}: ${reason}${lostEntries(firstLsn, lastLsn)}`),
    ...(moved.length === 0 ? [] : [`${moved.join(', ')} ${would} moved to ${damagedDirectory ?? 'a folder beside the log'}.`]),
    dryRun ? 'Nothing was changed. Run it without --dry-run to do it.' : 'Start the node again. Entries named above are lost unless the store had applied them before; the start says which.',
  ].join('\n');
}

function lostEntries(first: number | undefined, last: number | undefined): string {
  if (first === undefined) return ' (no entry)';
  if (last === undefined) return ` (entries from ${first} on)`;
  return first === last ? ` (entry ${first})` : ` (entries ${first} to ${last})`;
}
