import { dirname, join } from 'node:path';
import { EngramError, type Random } from '@engram/kernel';
import {
  CLEAN_MARK_FILE, encodeSegmentHeader, lsn, SEGMENT_HEADER_BYTES, segmentFileName,
  type LogStart, type Lsn, type RecoveredLog,
} from '../core/index.js';
import { createWhole, ignoreMissing, withFile, writeFully, type LogFileSystem } from './file-system.js';
import { attempt, checksum, damagedError, listLogDirectory, recoverDirectory, removeLeftovers } from './log-directory.js';

export interface OpenedLog {
  readonly start: LogStart;
  readonly recovered: RecoveredLog;
  readonly strays: readonly string[];
}

/**
 * Brings the directory into a state from which the log can go on, and says what was found. Nothing is changed before
 * recovery has read everything and found no damage. After that each step leaves a directory that recovery accepts, so a
 * crash in between is harmless.
 */
export async function prepareDirectory(
  fileSystem: LogFileSystem, directory: string, random: Random, knownDurableLsn: Lsn | undefined,
): Promise<OpenedLog> {
  await attempt(`creating ${directory}`, fileSystem.makeDirectory(directory));
  const listed = await listLogDirectory(fileSystem, directory);
  if (listed.salvageUnfinished) {
    throw new EngramError('log_damaged', `a salvage of ${directory} began and did not finish`, {
      hint: 'Run `engram wal-salvage --data-dir <dir>` again: it goes on where it stopped.',
      details: { directory },
    });
  }
  const recovered = await recoverDirectory(fileSystem, directory, listed, knownDurableLsn);
  if (recovered.kind === 'damaged') throw damagedError(directory, recovered.damage);
  return attempt(`preparing ${directory}`, (async () => {
    await removeLeftovers(fileSystem, directory, listed);
    await makeTailDurable(fileSystem, directory, recovered);
    if (listed.cleanMarkPresent) {
      await fileSystem.remove(join(directory, CLEAN_MARK_FILE)).catch(ignoreMissing);
      await fileSystem.syncDirectory(directory);
    }
    const start = recovered.logId === undefined
      ? await createLog(fileSystem, directory, random, recovered)
      : { ...recovered, logId: recovered.logId, sealed: recovered.unproven === undefined };
    return { start, recovered, strays: listed.strays };
  })());
}

/**
 * Cuts off the torn tail, and writes again what nothing proves to have been synced. The second matters after a failed
 * sync: Linux then marks the pages clean, so reading shows them and another sync alone would write nothing (Rebello et
 * al., "Can Applications Recover from fsync Failures?", ATC 2020).
 */
async function makeTailDurable(fileSystem: LogFileSystem, directory: string, recovered: RecoveredLog): Promise<void> {
  const newest = recovered.segments.at(-1);
  if (!newest || (!recovered.tornTail && !recovered.unproven)) return;
  const path = join(directory, segmentFileName(newest.firstLsn));
  await withFile(await fileSystem.openForWriting(path), async (file) => {
    if (recovered.tornTail) await file.truncate(newest.bytes);
    if (recovered.unproven) {
      const { offset } = recovered.unproven;
      const whole = await fileSystem.readWhole(path);
      await writeFully(file, whole.subarray(offset, newest.bytes), offset);
    }
    await file.dataSync();
  });
}

async function createLog(fileSystem: LogFileSystem, directory: string, random: Random, recovered: RecoveredLog): Promise<LogStart> {
  const logId = drawLogId(random);
  const firstLsn = lsn(1);
  const header = encodeSegmentHeader({ logId, firstLsn, precedingLsn: lsn(0), hlcHighWater: recovered.hlcHighWater }, checksum);
  await createWhole(fileSystem, directory, join(directory, segmentFileName(firstLsn)), header);
  // The directory itself may be as new as the file in it.
  await fileSystem.syncDirectory(dirname(directory));
  const segment = { firstLsn, lastLsn: lsn(0), bytes: SEGMENT_HEADER_BYTES };
  return { logId, segments: [segment], nextLsn: firstLsn, hlcHighWater: recovered.hlcHighWater, sealed: true };
}

/** Unguessable from outside, so that no payload can be made to look like a frame. */
export function drawLogId(random: Random): bigint {
  return (BigInt(random.uint32()) << 32n) | BigInt(random.uint32());
}
