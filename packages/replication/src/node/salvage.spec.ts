import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { faultyFileSystem, systemError } from '../../test/faulty-file-system.js';
import { entryOf, flipBit, logId, segmentOf } from '../../test/log-fixtures.js';
import { temporaryDirectory } from '../../test/temporary-directory.js';
import { checksum } from './log-directory.js';
import { encodeCleanMark, lsn, segmentFileName, UNKNOWN_LOSS_POSITIONS } from '../core/index.js';
import { salvageLog } from './salvage.js';
import { openWriteAheadLog, type WriteAheadLog } from './write-ahead-log.js';

const name = (first: number): string => segmentFileName(lsn(first));
const FRAME_BYTES = 88;
const H = 64;
/** Entries 1–3, 4–6 and 7–9 in three segments, each entry a group of its own. */
const segment = (first: number, end: 'continued' | 'seal'): Uint8Array =>
  segmentOf({ first, groups: [[entryOf(first)], [entryOf(first + 1)], [entryOf(first + 2)], end] });

async function logOf(files: Readonly<Record<string, Uint8Array>>): Promise<string> {
  const directory = await temporaryDirectory();
  for (const [file, bytes] of Object.entries(files)) await writeFile(join(directory, file), bytes);
  return directory;
}

const soundFiles = (): Record<string, Uint8Array> => ({ [name(1)]: segment(1, 'continued'), [name(4)]: segment(4, 'continued'), [name(7)]: segment(7, 'seal') });

async function opened(directory: string): Promise<WriteAheadLog> {
  const log = await openWriteAheadLog({ directory });
  onTestFinished(() => log.close());
  return log;
}

/** Opens the log and reads everything; every entry must be the one its position says. */
async function positionsIn(log: WriteAheadLog): Promise<number[]> {
  const positions: number[] = [];
  for await (const { lsn: position, entry } of log.read(log.status().firstLsn)) {
    expect(entry).toEqual(entryOf(position));
    positions.push(position);
  }
  return positions;
}

test('a log that opens is left alone', async () => {
  const directory = await logOf(soundFiles());
  expect(await salvageLog(directory)).toEqual({ needed: false, dryRun: false, resumed: false, entriesKept: 9, losses: [], moved: [], written: [] });
  expect(await readdir(directory)).toEqual(Object.keys(soundFiles()));
});

describe('salvage keeps all but what cannot be read', () => {
  test('around one damaged entry in the middle, and moves the original aside unchanged', async () => {
    const damaged = flipBit(segment(4, 'continued'), (H + FRAME_BYTES + 60) * 8);
    const directory = await logOf({ ...soundFiles(), [name(4)]: damaged });
    expect(await salvageLog(directory)).toEqual({
      needed: true, dryRun: false, resumed: false, entriesKept: 8,
      losses: [{ file: name(4), offset: H + FRAME_BYTES, bytes: FRAME_BYTES, reason: 'a frame body with a wrong checksum', firstLsn: 5, lastLsn: 5 }],
      damagedDirectory: join(directory, 'damaged-1'), moved: [name(4)], written: [name(4), name(6)],
    });
    expect(new Uint8Array(await readFile(join(directory, 'damaged-1', name(4))))).toEqual(damaged);
    const log = await opened(directory);
    expect(log.recovery).toMatchObject({ gaps: [{ firstLsn: 5, lastLsn: 5 }], nextLsn: 10 });
    expect(await positionsIn(log)).toEqual([1, 2, 3, 4, 6, 7, 8, 9]);
    expect(await log.append([entryOf(10)])).toEqual({ first: 10, last: 10 });
  });

  test('with dry run says the same and touches nothing', async () => {
    const directory = await logOf({ ...soundFiles(), [name(4)]: flipBit(segment(4, 'continued'), (H + 60) * 8) });
    const before = await Promise.all((await readdir(directory)).map((file) => readFile(join(directory, file))));
    const planned = await salvageLog(directory, { dryRun: true });
    expect(planned).toMatchObject({ needed: true, dryRun: true, losses: [{ firstLsn: 4, lastLsn: 4 }] });
    expect(await Promise.all((await readdir(directory)).map((file) => readFile(join(directory, file))))).toEqual(before);
    expect(await salvageLog(directory)).toEqual({ ...planned, dryRun: false });
  });

  test('when the header of a segment is damaged: its entries are whole and stay', async () => {
    const directory = await logOf({ ...soundFiles(), [name(4)]: flipBit(segment(4, 'continued'), 30 * 8) });
    expect(await salvageLog(directory)).toMatchObject({ entriesKept: 9, losses: [{ file: name(4), offset: 0, bytes: H }] });
    expect(await positionsIn(await opened(directory))).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test('when the only header there is has lost one copy of its log id', async () => {
    const directory = await logOf({ [name(1)]: flipBit(segment(1, 'seal'), 16 * 8) });
    expect(await salvageLog(directory)).toMatchObject({ entriesKept: 3 });
    expect(await positionsIn(await opened(directory))).toEqual([1, 2, 3]);
  });

  test('when a segment in the middle is missing', async () => {
    const { [name(4)]: _missing, ...files } = soundFiles();
    const directory = await logOf(files);
    expect(await salvageLog(directory)).toMatchObject({ entriesKept: 6, losses: [{ file: name(4), offset: 0, bytes: 0, firstLsn: 4, lastLsn: 6 }], moved: [name(7)], written: [name(7)] });
    const log = await opened(directory);
    expect(await positionsIn(log)).toEqual([1, 2, 3, 7, 8, 9]);
    expect(log.recovery.gaps).toEqual([{ firstLsn: 4, lastLsn: 6 }]);
  });

  test('when the newest segment is missing and nothing says how long it was: positions jump far ahead', async () => {
    const { [name(7)]: _missing, ...files } = soundFiles();
    const directory = await logOf(files);
    const { losses } = await salvageLog(directory);
    expect(losses).toMatchObject([{ file: name(7), firstLsn: 7 }]);
    expect(losses[0]).not.toHaveProperty('lastLsn');
    const log = await opened(directory);
    expect(await positionsIn(log)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(log.status().nextLsn).toBe(6 + UNKNOWN_LOSS_POSITIONS + 1);
  });

  test('when the end is gone that an orderly close, or the store, proves to have been there', async () => {
    const cut = segment(7, 'seal').subarray(0, H + FRAME_BYTES);
    const byMark = await logOf({ ...soundFiles(), [name(7)]: cut, 'clean-shutdown': encodeCleanMark({ logId, nextLsn: lsn(10) }, checksum) });
    expect(await salvageLog(byMark)).toMatchObject({ entriesKept: 7, losses: [{ firstLsn: 8, lastLsn: 9 }], moved: ['clean-shutdown'], written: [name(10)] });
    expect((await opened(byMark)).status().nextLsn).toBe(10);

    const byStore = await logOf({ ...soundFiles(), [name(7)]: cut });
    expect(await salvageLog(byStore, { knownDurableLsn: 8 })).toMatchObject({ losses: [{ firstLsn: 8, lastLsn: 8 }], written: [name(9)] });
    expect(await positionsIn(await opened(byStore))).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  test('when everything is gone but the position the store knows', async () => {
    const directory = await temporaryDirectory();
    expect(await salvageLog(directory, { knownDurableLsn: 41 })).toMatchObject({ entriesKept: 0, losses: [{ firstLsn: 1, lastLsn: 41 }] });
    const log = await openWriteAheadLog({ directory, knownDurableLsn: 41 });
    expect(await log.append([entryOf(42)])).toEqual({ first: 42, last: 42 });
    await log.close();
  });

  test('beside a segment of another log, which goes aside whole', async () => {
    const foreign = segmentOf({ first: 4, logId: 5n, groups: [[entryOf(4)], [entryOf(5)], [entryOf(6)]] });
    const directory = await logOf({ ...soundFiles(), [name(4)]: foreign });
    expect(await salvageLog(directory)).toMatchObject({ entriesKept: 6 });
    expect(await positionsIn(await opened(directory))).toEqual([1, 2, 3, 7, 8, 9]);
  });

  test('twice: the gap of the first salvage is not lost again by the second', async () => {
    const directory = await logOf({ ...soundFiles(), [name(4)]: flipBit(segment(4, 'continued'), (H + FRAME_BYTES + 60) * 8) });
    await salvageLog(directory);
    const newest = await readFile(join(directory, name(7)));
    await writeFile(join(directory, name(7)), flipBit(newest, (H + 60) * 8));
    expect(await salvageLog(directory)).toMatchObject({ losses: [{ firstLsn: 7, lastLsn: 7 }], damagedDirectory: join(directory, 'damaged-2'), entriesKept: 7 });
    expect((await opened(directory)).recovery.gaps).toEqual([{ firstLsn: 5, lastLsn: 5 }, { firstLsn: 7, lastLsn: 7 }]);
  });
});

test('wherever salvage is interrupted, it goes on when called again, and until then the log opens unharmed or not at all', { timeout: 30_000 }, async () => {
  const damaged = (): Record<string, Uint8Array> => ({ ...soundFiles(), [name(4)]: flipBit(segment(4, 'continued'), (H + FRAME_BYTES + 60) * 8) });
  let interruptions = 0;
  for (let stopAt = 1; ; stopAt++) {
    const directory = await logOf(damaged());
    let operations = 0;
    const fileSystem = faultyFileSystem((operation) => {
      if (['list', 'readWhole', 'openForReading', 'read'].includes(operation)) return;
      if (++operations >= stopAt) throw systemError('EIO');
    });
    const finished = await salvageLog(directory, { fileSystem }).then(() => true, () => false);
    if (finished) break;
    interruptions++;
    const early = await openWriteAheadLog({ directory }).then((log) => log.close().then(() => 'opened'), (error: unknown) => (error as { code: string }).code);
    // The very last step, removing the plan's name durably, may already have left a log that opens.
    if (early === 'log_damaged') await salvageLog(directory);
    expect(await positionsIn(await opened(directory))).toEqual([1, 2, 3, 4, 6, 7, 8, 9]);
    expect(await readdir(join(directory, 'damaged-1'))).toEqual([name(4)]);
    await rm(directory, { recursive: true });
  }
  expect(interruptions).toBeGreaterThan(10);
});
