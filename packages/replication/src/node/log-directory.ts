import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { EngramError } from '@engram/kernel';
import {
  CLEAN_MARK_FILE, decodeCleanMark, LogRecovery, parseSegmentFileName,
  type CleanMark, type Checksum, type LogDamage, type Lsn, type RecoveryOutcome,
} from '../core/index.js';
import { ignoreMissing, isNoSpace, TEMPORARY_SUFFIX, type LogFileSystem } from './file-system.js';

/** Present while a salvage is being carried out; see `salvage.ts`. */
export const SALVAGE_PLAN_FILE = 'salvage-plan.json';

/** Ends the name of a segment that a salvage wrote and did not install yet. Without a plan it means nothing. */
export const SALVAGED_SUFFIX = '.salvaged';

export const checksum: Checksum = (bytes, seed) => crc32(bytes, seed);

/** What lies in the directory of a log. */
export interface LogDirectory {
  /** Oldest first. */
  readonly segments: readonly { readonly lsn: Lsn; readonly file: string }[];
  /** What the mark of an orderly close says; undefined when there is none or it cannot be read. */
  readonly cleanMark: CleanMark | undefined;
  readonly cleanMarkPresent: boolean;
  /** A salvage began and did not finish. */
  readonly salvageUnfinished: boolean;
  /** Unfinished files of ours, to be removed. */
  readonly leftovers: readonly string[];
  /** Files that are not ours, left alone. */
  readonly strays: readonly string[];
}

/** Lists and sorts; changes nothing. Throws what the file system throws, wrapped as `log_failed`. */
export async function listLogDirectory(fileSystem: LogFileSystem, directory: string): Promise<LogDirectory> {
  const names = [...(await attempt(`listing ${directory}`, fileSystem.list(directory)))].sort();
  const segments: { lsn: Lsn; file: string }[] = [];
  const leftovers: string[] = [];
  const strays: string[] = [];
  let cleanMark: CleanMark | undefined;
  for (const file of names) {
    const segment = parseSegmentFileName(file);
    if (segment !== undefined) segments.push({ lsn: segment, file });
    else if (file === CLEAN_MARK_FILE) cleanMark = decodeCleanMark(await attempt(`reading ${file}`, fileSystem.readWhole(join(directory, file))), checksum);
    else if (isLeftover(file)) leftovers.push(file);
    else if (file !== SALVAGE_PLAN_FILE && !file.startsWith('damaged-')) strays.push(file);
  }
  return { segments, cleanMark, cleanMarkPresent: names.includes(CLEAN_MARK_FILE), salvageUnfinished: names.includes(SALVAGE_PLAN_FILE), leftovers, strays };
}

/** Reads the segments one at a time and lets the core decide. Changes nothing. */
export async function recoverDirectory(
  fileSystem: LogFileSystem, directory: string, listed: LogDirectory, knownDurableLsn: Lsn | undefined,
): Promise<RecoveryOutcome> {
  const recovery = new LogRecovery(checksum, { cleanMark: listed.cleanMark, knownDurableLsn });
  for (const { lsn, file } of listed.segments) {
    const path = join(directory, file);
    const bytes = await attempt(`reading ${path}`, fileSystem.readWhole(path));
    if (!recovery.segment(lsn, bytes)) break;
  }
  return recovery.finish();
}

export async function removeLeftovers(fileSystem: LogFileSystem, directory: string, listed: LogDirectory): Promise<void> {
  for (const file of listed.leftovers) await fileSystem.remove(join(directory, file)).catch(ignoreMissing);
  if (listed.leftovers.length > 0) await fileSystem.syncDirectory(directory);
}

/** The refusal to start on damage: where it is, what it concerns, and the command that salvages. */
export function damagedError(directory: string, damage: LogDamage): EngramError {
  const file = join(directory, damage.file);
  const upTo = damage.lastLsn === undefined ? 'onwards' : `to ${damage.lastLsn}`;
  return new EngramError('log_damaged', `${file} is damaged at byte ${damage.offset}: ${damage.reason}. Entries from ${damage.firstLsn} ${upTo} cannot be read there.`, {
    hint: SALVAGE_HINT,
    details: { ...damage, file, directory },
  });
}

const SALVAGE_HINT = 'Nothing was changed. Restore the file from a copy, or run `engram wal-salvage --data-dir <dir>`: it keeps every entry that can be read, moves the damaged files aside, and lists what is lost.';

/** Gives a failing file system a code and says what was being done. */
export async function attempt<Result>(doing: string, work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof EngramError) throw error;
    const message = error instanceof Error ? error.message : String(error);
    throw new EngramError(codeFor(error), `${doing} failed: ${message}`, { cause: error });
  }
}

function codeFor(error: unknown): 'disk_full' | 'log_failed' {
  return isNoSpace(error) ? 'disk_full' : 'log_failed';
}

function isLeftover(file: string): boolean {
  const name = [TEMPORARY_SUFFIX, SALVAGED_SUFFIX].filter((suffix) => file.endsWith(suffix)).map((suffix) => file.slice(0, -suffix.length))[0];
  return name !== undefined && (name === CLEAN_MARK_FILE || name === SALVAGE_PLAN_FILE || parseSegmentFileName(name) !== undefined);
}
