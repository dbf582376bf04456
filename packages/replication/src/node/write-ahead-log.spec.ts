import { appendFile, copyFile, mkdir, open, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { faultyFileSystem, systemError, type FileOperation } from '../../test/faulty-file-system.js';
import { entryOf } from '../../test/log-fixtures.js';
import { temporaryDirectory } from '../../test/temporary-directory.js';
import { lsn, type LogEntry, type Lsn } from '../core/index.js';
import { openWriteAheadLog, type WalOptions, type WriteAheadLog } from './write-ahead-log.js';

const small = { segmentBytesMax: 8_192, groupBytesMax: 4_096, entryBytesMax: 2_048, retainBytes: 0 } as const;
const first = '00000000000000000001.wal';

/** Opened without the sealing that a quiet log does by itself, so that what is on the disk is what the test wrote. */
async function opened(directory: string, options: Partial<WalOptions> = {}): Promise<WriteAheadLog> {
  const log = await openWriteAheadLog({ directory, ...small, sealAfterMs: 3_600_000, ...options });
  onTestFinished(() => log.close().catch(() => undefined));
  return log;
}

async function entriesIn(log: WriteAheadLog, from: Lsn = log.status().firstLsn): Promise<[number, LogEntry][]> {
  const read: [number, LogEntry][] = [];
  for await (const { lsn: position, entry } of log.read(from)) read.push([position, { ...entry, payload: entry.payload.slice() }]);
  return read;
}

const numbered = (from: number, to: number): [number, LogEntry][] => Array.from({ length: to - from + 1 }, (_, index) => [from + index, entryOf(from + index)]);

async function appendNumbered(log: WriteAheadLog, from: number, to: number): Promise<void> {
  for (let number = from; number <= to; number++) await log.append([entryOf(number)]);
}

/** Leaves the directory as a killed process would: the files as they are, and no orderly close. */
async function killedCopy(directory: string): Promise<string> {
  const copy = await temporaryDirectory();
  for (const file of await readdir(directory)) if ((await stat(join(directory, file))).isFile()) await copyFile(join(directory, file), join(copy, file));
  return copy;
}

describe('a log on real files', () => {
  test('gives back after reopening what was acknowledged before', async () => {
    const directory = join(await temporaryDirectory(), 'data', 'log');
    const log = await opened(directory);
    expect(await log.append([entryOf(1), entryOf(2)])).toEqual({ first: 1, last: 2 });
    expect(await log.append([entryOf(3)])).toEqual({ first: 3, last: 3 });
    await log.close();

    const again = await opened(directory);
    expect(again.recovery).toEqual({ firstLsn: 1, nextLsn: 4, segments: 1, entries: 3, hlcHighWater: entryOf(3).hlc, gaps: [], strays: [] });
    expect(await entriesIn(again)).toEqual(numbered(1, 3));
    expect(await again.append([entryOf(4)])).toEqual({ first: 4, last: 4 });
  });

  test('survives a kill at any moment with everything acknowledged until then', async () => {
    const directory = await temporaryDirectory();
    const log = await opened(directory);
    await appendNumbered(log, 1, 5);
    const copy = await opened(await killedCopy(directory));
    expect(await entriesIn(copy)).toEqual(numbered(1, 5));
    expect(copy.recovery.tornTail).toBeUndefined();
  });

  test('keeps concurrent appends apart, in the order they were made, and groups them', async () => {
    let syncs = 0;
    const log = await opened(await temporaryDirectory(), { onFsync: (seconds) => { syncs++; expect(seconds).toBeGreaterThanOrEqual(0); } });
    const results = await Promise.all(Array.from({ length: 300 }, (_, index) => log.append([entryOf(2 * index + 1), entryOf(2 * index + 2)])));
    expect(results).toEqual(Array.from({ length: 300 }, (_, index) => ({ first: 2 * index + 1, last: 2 * index + 2 })));
    expect(await entriesIn(log)).toEqual(numbered(1, 600));
    expect(syncs).toBeLessThan(60);
    expect(log.status()).toMatchObject({ state: 'accepting', nextLsn: 601, durableLsn: 600, queuedBytes: 0 });
  });

  test('goes over many segments, whose files end where the status says once it is closed', async () => {
    const directory = await temporaryDirectory();
    const log = await opened(directory);
    await Promise.all(Array.from({ length: 40 }, (_, index) => log.append([entryOf(index + 1, 900)])));
    await log.close();
    const { segments, bytes } = log.status();
    expect(segments).toBeGreaterThan(3);
    const files = (await readdir(directory)).filter((file) => file.endsWith('.wal')).sort();
    expect(files).toHaveLength(segments);
    expect((await Promise.all(files.map(async (file) => (await stat(join(directory, file))).size))).reduce((sum, size) => sum + size)).toBe(bytes);
    const again = await opened(directory);
    expect((await entriesIn(again)).map(([, { seq }]) => seq)).toEqual(Array.from({ length: 40 }, (_, index) => index + 1));
  });

  test('is read while it is appended to; the reader sees durable entries, whole and in order', async () => {
    const log = await opened(await temporaryDirectory());
    await appendNumbered(log, 1, 3);
    const writing = Promise.all(Array.from({ length: 200 }, (_, index) => log.append([entryOf(index + 4)])));
    let seen = 0;
    for await (const { lsn: position, entry } of log.read(lsn(1))) {
      expect(position).toBe(++seen);
      expect(position).toBeLessThanOrEqual(log.status().durableLsn);
      expect(entry).toEqual(entryOf(seen));
    }
    await writing;
    expect(seen).toBeGreaterThanOrEqual(3);
    expect((await entriesIn(log, lsn(101))).map(([position]) => position)).toEqual(Array.from({ length: 103 }, (_, index) => index + 101));
    expect(await entriesIn(log, lsn(999))).toEqual([]);
  });

  test('reads frames that are larger than what it reads at a time', async () => {
    const log = await opened(await temporaryDirectory(), { segmentBytesMax: 16_000_000, groupBytesMax: 8_000_000, entryBytesMax: 4_000_000 });
    const sizes = [3_000_000, 10, 1_048_576, 1_048_400, 3_999_999, 5];
    for (const [index, size] of sizes.entries()) await log.append([entryOf(index + 1, size)]);
    const read = await entriesIn(log);
    expect(read.map(([, entry]) => entry.payload.length)).toEqual(sizes);
    expect(read.every(([position, entry]) => Buffer.compare(entry.payload, entryOf(position, sizes[position - 1]).payload) === 0)).toBe(true);
  });

  test('closes after finishing what it accepted, once, and refuses what comes later', async () => {
    const directory = await temporaryDirectory();
    const log = await opened(directory);
    const pending = Array.from({ length: 50 }, (_, index) => log.append([entryOf(index + 1)]));
    const closing = log.close();
    const late = expect(log.append([entryOf(99)])).rejects.toMatchObject({ code: 'shutting_down', retryable: true });
    expect(await Promise.all(pending)).toHaveLength(50);
    await late;
    await closing;
    await log.close();
    await expect(log.append([entryOf(99)])).rejects.toMatchObject({ code: 'shutting_down' });
    expect(log.status()).toMatchObject({ state: 'closed', durableLsn: 50 });
    expect((await opened(directory)).recovery).toMatchObject({ entries: 50 });
  });

  test('seals itself when it falls quiet, so that even its last entry is protected', async () => {
    const directory = await temporaryDirectory();
    const log = await opened(directory, { sealAfterMs: 1 });
    await log.append([entryOf(1)]);
    const unsealed = log.status().bytes;
    await expect.poll(() => log.status().bytes).toBe(unsealed + 56);
    const copy = await killedCopy(directory);
    await flipByte(join(copy, first), 64 + 60);
    await expect(openWriteAheadLog({ directory: copy })).rejects.toMatchObject({ code: 'log_damaged' });
  });
});

describe('a checkpoint', () => {
  test('lets the covered segments go; what they held can no longer be read, and the reader is told so', async () => {
    const directory = await temporaryDirectory();
    const log = await opened(directory);
    for (let number = 1; number <= 40; number++) await log.append([entryOf(number, 900)]);
    const before = log.status().segments;
    await log.checkpoint(lsn(20));
    const { firstLsn, segments } = log.status();
    expect(segments).toBeLessThan(before);
    expect(firstLsn).toBeGreaterThan(1);
    expect(firstLsn).toBeLessThanOrEqual(21);
    expect((await readdir(directory)).filter((file) => file.endsWith('.wal'))).toHaveLength(segments);
    await expect(entriesIn(log, lsn(1))).rejects.toMatchObject({ code: 'invalid_argument', message: expect.stringContaining(`the oldest entry held is ${firstLsn}`) });
    expect((await entriesIn(log)).map(([position]) => position)).toEqual(Array.from({ length: 41 - firstLsn }, (_, index) => index + firstLsn));
    await log.checkpoint(lsn(40));
    expect(log.status().segments).toBe(1);
    await log.close();
    expect((await opened(directory)).recovery).toMatchObject({ nextLsn: 41, hlcHighWater: entryOf(40).hlc });
  });

  test('of what is not durable is refused', async () => {
    const log = await opened(await temporaryDirectory());
    await log.append([entryOf(1)]);
    await expect(log.checkpoint(lsn(2))).rejects.toMatchObject({ code: 'invalid_argument' });
    await expect(log.checkpoint(Number.NaN as Lsn)).rejects.toMatchObject({ code: 'invalid_argument' });
    await log.checkpoint(lsn(0));
  });

  test('that cannot delete says so, and the log goes on', async () => {
    const log = await opened(await temporaryDirectory(), { fileSystem: failing({ remove: /\.wal$/ }, 'EPERM') });
    for (let number = 1; number <= 20; number++) await log.append([entryOf(number, 900)]);
    await expect(log.checkpoint(lsn(20))).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('EPERM') });
    expect(await log.append([entryOf(21)])).toEqual({ first: 21, last: 21 });
  });
});

describe('a failing disk', () => {
  test('whose sync fails ends acknowledging: pending appends are rejected as indeterminate, nothing is synced again', async () => {
    const directory = await temporaryDirectory();
    let armed = false;
    let syncs = 0;
    const states: string[] = [];
    const fileSystem = faultyFileSystem((operation) => {
      if (!armed || operation !== 'dataSync') return;
      syncs++;
      throw systemError('EIO');
    });
    const log = await opened(directory, { fileSystem, onStateChange: (state) => void states.push(state) });
    await log.append([entryOf(1)]);
    armed = true;
    await Promise.all([2, 3].map((number) => expect(log.append([entryOf(number)])).rejects.toMatchObject({ code: 'log_failed', details: { indeterminate: true } })));
    armed = false;
    await expect(log.append([entryOf(4)])).rejects.toMatchObject({ code: 'log_failed', details: { indeterminate: false } });
    expect(syncs).toBe(1);
    expect(log.status()).toMatchObject({ state: 'failed', durableLsn: 1, reason: expect.stringContaining('EIO') });
    expect(await entriesIn(log)).toEqual(numbered(1, 1));
    await log.close();
    expect(states).toEqual(['failed', 'closed']);
    expect(await readdir(directory)).toEqual([first]);
  });

  test('has what it recovers without proof written again, because a failed sync leaves pages that only look written', async () => {
    const directory = await temporaryDirectory();
    const log = await opened(directory);
    await appendNumbered(log, 1, 3);
    const copy = await killedCopy(directory);
    const operations: string[] = [];
    await opened(copy, { fileSystem: faultyFileSystem((operation) => void operations.push(operation)) });
    const from = operations.indexOf('openForWriting');
    expect(operations.slice(from, from + 4)).toEqual(['openForWriting', 'readWhole', 'write', 'dataSync']);
  });

  test('without room refuses, goes on being read, and takes appends again when there is room; nothing refused comes back', async () => {
    const directory = await temporaryDirectory();
    let fullNow = false;
    const states: string[] = [];
    const fileSystem = faultyFileSystem((operation) => {
      if (fullNow && operation === 'write') throw systemError('ENOSPC');
    });
    const log = await opened(directory, { fileSystem, fullProbeMs: 1, onStateChange: (state) => void states.push(state) });
    await log.append([entryOf(1)]);
    fullNow = true;
    await expect(log.append([entryOf(2)])).rejects.toMatchObject({ code: 'disk_full', retryable: true });
    await expect(log.append([entryOf(3)])).rejects.toMatchObject({ code: 'disk_full' });
    expect(log.status()).toMatchObject({ state: 'full', reason: expect.stringContaining('ENOSPC') });
    expect(await entriesIn(log)).toEqual(numbered(1, 1));
    fullNow = false;
    await expect.poll(() => log.status().state).toBe('accepting');
    expect(await log.append([entryOf(2)])).toEqual({ first: 2, last: 2 });
    expect(states).toEqual(['full', 'accepting']);
    const copy = await opened(await killedCopy(directory));
    expect(await entriesIn(copy)).toEqual(numbered(1, 2));
    expect(copy.recovery.tornTail).toBeUndefined();
  });

  test('that cannot make a new segment durable stops the log rather than leave one it does not know of', async () => {
    let armed = false;
    const fileSystem = faultyFileSystem((operation) => {
      if (armed && operation === 'syncDirectory') throw systemError('ENOSPC');
    });
    const log = await opened(await temporaryDirectory(), { fileSystem });
    armed = true;
    const outcome = await Promise.allSettled(Array.from({ length: 20 }, (_, index) => log.append([entryOf(index + 1, 900)])));
    expect(outcome.some(({ status }) => status === 'rejected')).toBe(true);
    expect(log.status().state).toBe('failed');
  });

  test('that writes only a few bytes at a time is written to until everything is there', async () => {
    const fileSystem = faultyFileSystem(() => undefined);
    const stingy = { ...fileSystem, openForWriting: async (path: string) => {
      const file = await fileSystem.openForWriting(path);
      return { ...file, write: (bytes: Uint8Array, offset: number) => file.write(bytes.subarray(0, 7), offset) };
    } };
    const log = await opened(await temporaryDirectory(), { fileSystem: stingy, layOutBytes: 100 });
    await appendNumbered(log, 1, 3);
    expect(await entriesIn(log)).toEqual(numbered(1, 3));
  });
});

describe('opening', () => {
  test('cuts off a torn tail and reports it with file and offset', async () => {
    const directory = await temporaryDirectory();
    const log = await opened(directory, { layOutBytes: 0 });
    await appendNumbered(log, 1, 3);
    const copy = await killedCopy(directory);
    const size = (await stat(join(copy, first))).size;
    await appendFile(join(copy, first), new Uint8Array(100).fill(0x77));
    const recovered = await opened(copy);
    expect(recovered.recovery.tornTail).toEqual({ file: first, offset: size, bytesDropped: 100, reason: 'bytes that are no frame' });
    expect((await stat(join(copy, first))).size).toBe(size);
    expect(await entriesIn(recovered)).toEqual(numbered(1, 3));
  });

  test('takes the space that was laid out ahead for what it is, and writes on in it', async () => {
    const directory = await temporaryDirectory();
    const log = await opened(directory, { layOutBytes: 10_000 });
    await appendNumbered(log, 1, 3);
    const copy = await killedCopy(directory);
    expect((await stat(join(copy, first))).size).toBeGreaterThan(10_000);
    const recovered = await opened(copy);
    expect(recovered.recovery).not.toHaveProperty('tornTail');
    await appendNumbered(recovered, 4, 5);
    expect(await entriesIn(await opened(await killedCopy(copy)))).toEqual(numbered(1, 5));
  });

  test('refuses damage with file, offset, positions and the command that helps, and changes nothing', async () => {
    const directory = await temporaryDirectory();
    const log = await opened(directory);
    await appendNumbered(log, 1, 3);
    await log.close();
    await flipByte(join(directory, first), 64 + 60);
    const before = await readFile(join(directory, first));
    await expect(openWriteAheadLog({ directory, ...small })).rejects.toMatchObject({
      code: 'log_damaged',
      message: expect.stringMatching(/00000000000000000001\.wal is damaged at byte 64: a frame body with a wrong checksum\. Entries from 1 to 1/),
      hint: expect.stringContaining('engram wal-salvage --data-dir <dir>'),
      details: { offset: 64, firstLsn: 1, lastLsn: 1 },
    });
    expect(await readFile(join(directory, first))).toEqual(before);
    expect(await readdir(directory)).toContain('clean-shutdown');
  });

  test('refuses a log that lost its end after an orderly close, or before a position the store has applied', async () => {
    const directory = await temporaryDirectory();
    const log = await opened(directory);
    await appendNumbered(log, 1, 3);
    const killed = await killedCopy(directory);
    await log.close();
    await truncate(join(directory, first), 64);
    await expect(openWriteAheadLog({ directory })).rejects.toMatchObject({ code: 'log_damaged', details: { offset: 64, firstLsn: 1, lastLsn: 3 } });
    await truncate(join(killed, first), 64);
    await expect(openWriteAheadLog({ directory: killed, knownDurableLsn: 2 })).rejects.toMatchObject({ code: 'log_damaged', details: { firstLsn: 1, lastLsn: 2 } });
    await rm(join(killed, first));
    await expect(openWriteAheadLog({ directory: killed, knownDurableLsn: 2 })).rejects.toMatchObject({ code: 'log_damaged' });
  });

  test('leaves files of others alone and names them; removes its own unfinished ones', async () => {
    const directory = await temporaryDirectory();
    for (const file of ['notes.txt', '1.wal', `${first}.bak`]) await writeFile(join(directory, file), 'x');
    for (const file of [`${first}.new`, 'clean-shutdown.new', `${first}.salvaged`]) await writeFile(join(directory, file), 'x');
    await mkdir(join(directory, 'damaged-1'));
    const log = await opened(directory);
    expect(log.recovery.strays).toEqual([`${first}.bak`, '1.wal', 'notes.txt']);
    expect((await readdir(directory)).sort()).toEqual([first, `${first}.bak`, '1.wal', 'damaged-1', 'notes.txt']);
  });

  test('says what could not be done in a directory that cannot be used', async () => {
    const file = join(await temporaryDirectory(), 'file');
    await writeFile(file, '');
    await expect(openWriteAheadLog({ directory: file })).rejects.toMatchObject({ code: 'log_failed', message: expect.stringContaining(file) });
    const directory = await temporaryDirectory();
    await expect(openWriteAheadLog({ directory, fileSystem: failing({ list: /./ }, 'EACCES') })).rejects.toMatchObject({ code: 'log_failed', message: expect.stringContaining('EACCES') });
    await expect(openWriteAheadLog({ directory, fileSystem: failing({ create: /./ }, 'ENOSPC') })).rejects.toMatchObject({ code: 'disk_full' });
  });

  test('refuses options that contradict one another before it touches anything', async () => {
    const directory = join(await temporaryDirectory(), 'never');
    await expect(openWriteAheadLog({ directory, segmentBytesMax: 10 })).rejects.toMatchObject({ code: 'invalid_options' });
    await expect(stat(directory)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

test('damage that appears while the log is open is met by the reader, not passed on', async () => {
  const directory = await temporaryDirectory();
  const log = await opened(directory);
  await appendNumbered(log, 1, 3);
  await flipByte(join(directory, first), 64 + 60);
  await expect(entriesIn(log)).rejects.toMatchObject({ code: 'log_damaged', details: { offset: 64, firstLsn: 1 } });
});

function failing(operations: Partial<Record<FileOperation, RegExp>>, code: string) {
  return faultyFileSystem((operation, path) => {
    if (operations[operation]?.test(path)) throw systemError(code);
  });
}

async function flipByte(path: string, offset: number): Promise<void> {
  const file = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, offset);
  await file.write(Uint8Array.of((byte[0] ?? 0) ^ 1), 0, 1, offset);
  await file.close();
}
