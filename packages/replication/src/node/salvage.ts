import { join } from 'node:path';
import { EngramError } from '@engram/kernel';
import { systemRandom } from '@engram/kernel/node';
import { CLEAN_MARK_FILE, decodeSegmentHeader, lsn, LogSalvage, SEGMENT_HEADER_BYTES, type SalvageLoss } from '../core/index.js';
import { createWhole, ignoreMissing, nodeFileSystem, withFile, writeFully, type LogFileSystem } from './file-system.js';
import { attempt, checksum, damagedError, listLogDirectory, recoverDirectory, SALVAGE_PLAN_FILE, SALVAGED_SUFFIX, type LogDirectory } from './log-directory.js';
import { drawLogId } from './open-log.js';

/** How a damaged log is made to open again. */
export interface SalvageOptions {
  /** Report what would be done, and touch nothing. @default false */
  readonly dryRun?: boolean;
  /** As for `openWriteAheadLog`: no position up to it is ever given out again. @default 0 */
  readonly knownDurableLsn?: number;
  /** @default the machine's */
  readonly fileSystem?: LogFileSystem;
}

/** What was saved, what was lost, and where the originals are. */
export interface SalvageReport {
  /** False when the log opens as it is; nothing was done then. */
  readonly needed: boolean;
  readonly dryRun: boolean;
  /** An earlier salvage had been interrupted, and was finished first. */
  readonly resumed: boolean;
  readonly entriesKept: number;
  /** What could not be read, by file and offset, with the positions lost there. */
  readonly losses: readonly SalvageLoss[];
  /** Where the damaged originals went, unchanged. */
  readonly damagedDirectory?: string;
  readonly moved: readonly string[];
  readonly written: readonly string[];
}

/** Carried out by renaming only, so it can be carried out again from wherever it stopped. */
interface SalvagePlan {
  readonly damagedDirectory: string;
  readonly move: readonly string[];
  readonly install: readonly string[];
}

/**
 * Repairs a damaged log: keeps every entry that can be read, moves the damaged originals into `damaged-<n>` beside the
 * segments, deletes nothing, and reports exactly what is lost. Afterwards the log opens and reports the gaps. The log
 * must not be open meanwhile. Interrupted, it goes on when it is called again; until then the log refuses to open.
 */
export async function salvageLog(directory: string, options: SalvageOptions = {}): Promise<SalvageReport> {
  const { dryRun = false, fileSystem = nodeFileSystem } = options;
  const known = lsn(options.knownDurableLsn ?? 0);
  let listed = await listLogDirectory(fileSystem, directory);
  const resumed = listed.salvageUnfinished;
  if (resumed) {
    if (dryRun) throw new EngramError('log_damaged', `a salvage of ${directory} began and did not finish; a dry run cannot tell what it will leave`, { hint: 'Run the salvage without dry run: it goes on where it stopped.' });
    await carryOut(fileSystem, directory, await readPlan(fileSystem, directory));
    listed = await listLogDirectory(fileSystem, directory);
  }
  const found = await recoverDirectory(fileSystem, directory, listed, known);
  if (found.kind === 'recovered') return { needed: false, dryRun, resumed, entriesKept: found.entries, losses: [], moved: [], written: [] };

  const salvage = new LogSalvage(checksum, await commonLogId(fileSystem, directory, listed), drawLogId(systemRandom()), { cleanMark: listed.cleanMark, knownDurableLsn: known });
  const move: string[] = [];
  const install: string[] = [];
  const stage = async (file: string, bytes: Uint8Array): Promise<void> => {
    install.push(file);
    if (!dryRun) await attempt(`writing ${file}`, createStaged(fileSystem, join(directory, `${file}${SALVAGED_SUFFIX}`), bytes));
  };
  for (const segment of listed.segments) {
    const path = join(directory, segment.file);
    const replacement = salvage.segment(segment.lsn, await attempt(`reading ${path}`, fileSystem.readWhole(path)));
    if (replacement === undefined) continue;
    move.push(segment.file);
    for (const { file, bytes } of replacement) await stage(file, bytes);
  }
  const last = salvage.finish();
  if (last) await stage(last.file, last.bytes);
  // The mark speaks of a log that is no more.
  if (listed.cleanMarkPresent) move.push(CLEAN_MARK_FILE);

  const damagedDirectory = await unusedName(fileSystem, directory);
  if (!dryRun) {
    await attempt(`syncing ${directory}`, fileSystem.syncDirectory(directory));
    const plan: SalvagePlan = { damagedDirectory, move, install };
    await attempt('writing the salvage plan', createWhole(fileSystem, directory, join(directory, SALVAGE_PLAN_FILE), Buffer.from(JSON.stringify(plan))));
    await carryOut(fileSystem, directory, plan);
    const check = await recoverDirectory(fileSystem, directory, await listLogDirectory(fileSystem, directory), known);
    if (check.kind === 'damaged') throw damagedError(directory, check.damage);
  }
  const { entriesKept, losses } = salvage;
  return { needed: true, dryRun, resumed, entriesKept, losses, damagedDirectory: join(directory, damagedDirectory), moved: move, written: install };
}

/** Each step looks first whether it was taken already: a new file may bear the name of one that was moved. */
async function carryOut(fileSystem: LogFileSystem, directory: string, plan: SalvagePlan): Promise<void> {
  const aside = join(directory, plan.damagedDirectory);
  await attempt(`creating ${aside}`, fileSystem.makeDirectory(aside));
  const movedBefore = await attempt(`listing ${aside}`, fileSystem.list(aside));
  for (const file of plan.move) {
    if (!movedBefore.includes(file)) await attempt(`moving ${file} aside`, fileSystem.rename(join(directory, file), join(aside, file)));
  }
  await attempt(`syncing ${aside}`, fileSystem.syncDirectory(aside));
  await attempt(`syncing ${directory}`, fileSystem.syncDirectory(directory));
  for (const file of plan.install) {
    await attempt(`installing ${file}`, fileSystem.rename(join(directory, `${file}${SALVAGED_SUFFIX}`), join(directory, file)).catch(ignoreMissing));
  }
  await attempt(`syncing ${directory}`, fileSystem.syncDirectory(directory));
  await attempt('removing the salvage plan', fileSystem.remove(join(directory, SALVAGE_PLAN_FILE)));
  await attempt(`syncing ${directory}`, fileSystem.syncDirectory(directory));
}

async function readPlan(fileSystem: LogFileSystem, directory: string): Promise<SalvagePlan> {
  const path = join(directory, SALVAGE_PLAN_FILE);
  const bytes = await attempt(`reading ${path}`, fileSystem.readWhole(path));
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8')) as SalvagePlan;
  } catch (error) {
    throw new EngramError('log_damaged', `${path} cannot be read`, { cause: error, hint: 'Restore the directory from a copy, or move the files it was to move by hand.' });
  }
}

async function createStaged(fileSystem: LogFileSystem, path: string, bytes: Uint8Array): Promise<void> {
  await fileSystem.remove(path).catch(ignoreMissing);
  await withFile(await fileSystem.create(path), async (file) => {
    await writeFully(file, bytes, 0);
    await file.dataSync();
  });
}

/** The log id that most sound headers agree on; a segment that strayed in from another log must not decide. */
async function commonLogId(fileSystem: LogFileSystem, directory: string, listed: LogDirectory): Promise<bigint | undefined> {
  const votes = new Map<bigint, number>();
  for (const { file } of listed.segments) {
    const head = new Uint8Array(SEGMENT_HEADER_BYTES);
    const path = join(directory, file);
    const length = await attempt(`reading ${path}`, fileSystem.openForReading(path).then((open) => withFile(open, () => open.read(head, 0))));
    const decoded = decodeSegmentHeader(head.subarray(0, length), checksum);
    if (decoded.kind === 'header') votes.set(decoded.header.logId, (votes.get(decoded.header.logId) ?? 0) + 1);
  }
  return [...votes].sort(([, a], [, b]) => b - a)[0]?.[0] ?? listed.cleanMark?.logId;
}

async function unusedName(fileSystem: LogFileSystem, directory: string): Promise<string> {
  const names = await attempt(`listing ${directory}`, fileSystem.list(directory));
  let number = 1;
  while (names.includes(`damaged-${number}`)) number++;
  return `damaged-${number}`;
}
