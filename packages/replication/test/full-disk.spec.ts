import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openWriteAheadLog } from '../src/index.js';
import { entryOf } from './log-fixtures.js';
import { temporaryDirectory } from './temporary-directory.js';

/** A file system of 2 MiB, or why there is none. */
function mountSmallDisk(directory: string): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'mounting a small disk needs Linux and root';
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', directory], { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    return `mounting a small disk failed: ${String(error)}`;
  }
}

test('on a disk that is really full appends are refused, reads go on, and after space returns all that was acknowledged is there', { timeout: 30_000 }, async (context) => {
  const disk = join(await temporaryDirectory(), 'disk');
  mkdirSync(disk);
  const reason = mountSmallDisk(disk);
  if (reason !== undefined) {
    console.log(`skipped: ${reason}`);
    return context.skip(reason);
  }
  onTestFinished(() => void execFileSync('umount', ['-l', disk]));

  const directory = join(disk, 'log');
  const ballast = join(disk, 'ballast');
  await writeFile(ballast, new Uint8Array(1_000_000));
  const options = { directory, segmentBytesMax: 300_000, groupBytesMax: 100_000, entryBytesMax: 50_000, retainBytes: 0, fullProbeMs: 20, fullProbeBytes: 200_000 };
  const states: string[] = [];
  const log = await openWriteAheadLog({ ...options, onStateChange: (state) => void states.push(state) });

  const acknowledged: number[] = [];
  let number = 0;
  const fill = async (): Promise<void> => {
    for (;;) {
      const calls = Array.from({ length: 4 }, () => ++number).map((sequence) => ({ sequence, done: log.append([entryOf(sequence, 9_000)]) }));
      const results = await Promise.allSettled(calls.map(({ done }) => done));
      results.forEach(({ status }, index) => status === 'fulfilled' && acknowledged.push(calls[index]!.sequence));
      const refused = results.find((result) => result.status === 'rejected');
      if (refused) return void expect(refused.reason).toMatchObject({ code: 'disk_full', retryable: true });
    }
  };
  const sequencesIn = async (opened: typeof log): Promise<number[]> => {
    const sequences: number[] = [];
    for await (const { entry } of opened.read(opened.status().firstLsn)) sequences.push(entry.seq);
    return sequences;
  };

  await fill();
  expect(acknowledged.length).toBeGreaterThan(50);
  expect(log.status().state).toBe('full');
  expect(await sequencesIn(log)).toEqual(acknowledged);
  await expect(log.append([entryOf(++number)])).rejects.toMatchObject({ code: 'disk_full' });

  await rm(ballast);
  await expect.poll(() => log.status().state, { timeout: 10_000 }).toBe('accepting');
  const before = acknowledged.length;
  await fill();
  expect(acknowledged.length).toBeGreaterThan(before + 50);
  expect(states).toEqual(['full', 'accepting', 'full']);

  // A checkpoint makes room as well: the log frees its own disk.
  await log.checkpoint(log.status().durableLsn);
  await expect.poll(() => log.status().state, { timeout: 10_000 }).toBe('accepting');
  acknowledged.splice(0, log.status().firstLsn - 1);
  await log.append([entryOf(++number, 9_000)]);
  acknowledged.push(number);
  await log.close();

  const again = await openWriteAheadLog(options);
  expect(await sequencesIn(again)).toEqual(acknowledged);
  expect(again.recovery.tornTail).toBeUndefined();
  await again.close();
});
