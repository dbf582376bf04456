import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { EpochFile } from './epoch-file.js';

let directory: string;
beforeEach(async () => void (directory = await mkdtemp(join(tmpdir(), 'swim-epoch-'))));
afterEach(() => rm(directory, { recursive: true }));

test('every start has a higher epoch, even when the clock was set back', async () => {
  expect(await new EpochFile(directory).next(1_000)).toBe(1_000);
  expect(await new EpochFile(directory).next(500)).toBe(1_001);
  expect(await new EpochFile(directory).next(2_000)).toBe(2_000);
});

test('an epoch that was raised while running counts at the next start', async () => {
  const file = new EpochFile(directory);
  await file.next(10);
  await Promise.all([file.raise(12), file.raise(11)]);
  expect(await readFile(join(directory, 'swim-epoch'), 'utf8')).toBe('12\n');
  expect(await new EpochFile(directory).next(1)).toBe(13);
});

test('the directory is made when it is missing, and nothing else is left in it', async () => {
  const deeper = join(directory, 'a', 'b');
  await new EpochFile(deeper).next(7);
  expect(await readdir(deeper)).toEqual(['swim-epoch']);
});

test.each(['', 'seven\n', '7', '-7\n', '9999999999999999\n'])('a file with %j in it is refused by name', async (text) => {
  await writeFile(join(directory, 'swim-epoch'), text);
  await expect(new EpochFile(directory).next(1)).rejects.toMatchObject({ code: 'store_damaged', message: expect.stringContaining('swim-epoch') });
});

test('a directory that cannot be one is refused', async () => {
  await writeFile(join(directory, 'file'), '');
  await expect(new EpochFile(join(directory, 'file', 'x')).next(1)).rejects.toMatchObject({ code: 'invalid_argument' });
});
