import { open, readdir, readFile, rename, mkdir, unlink } from 'node:fs/promises';

/** An open file. Offsets and lengths in bytes. */
export interface LogFile {
  /** May write fewer bytes than asked for; answers how many. */
  write(bytes: Uint8Array, offset: number): Promise<number>;
  /** May read fewer bytes than there is room for, none at the end; answers how many. */
  read(bytes: Uint8Array, offset: number): Promise<number>;
  /** Data and the length are on the disk afterwards. */
  dataSync(): Promise<void>;
  /** Cuts the file to that length, or extends it with zeros. */
  truncate(bytes: number): Promise<void>;
  /** Syncs nothing. */
  close(): Promise<void>;
}

/** What the log asks of a file system: a port, so that tests can have one that fails where they want it to. */
export interface LogFileSystem {
  /** With those above it; fine when it exists. */
  makeDirectory(path: string): Promise<void>;
  /** Names, without the path, in no order. */
  list(directory: string): Promise<readonly string[]>;
  /** All bytes of a file. */
  readWhole(path: string): Promise<Uint8Array>;
  /** Fails when the file exists. */
  create(path: string): Promise<LogFile>;
  /** For reading too. Fails when there is no such file. */
  openForWriting(path: string): Promise<LogFile>;
  /** Fails when there is no such file. */
  openForReading(path: string): Promise<LogFile>;
  /** Replaces what bears the new name. */
  rename(from: string, to: string): Promise<void>;
  /** Fails when there is no such file. */
  remove(path: string): Promise<void>;
  /** Names created, renamed and removed in the directory are on the disk afterwards. */
  syncDirectory(path: string): Promise<void>;
}

/** The machine's own. */
export const nodeFileSystem: LogFileSystem = {
  makeDirectory: async (path) => void (await mkdir(path, { recursive: true, mode: 0o700 })),
  list: (directory) => readdir(directory),
  readWhole: (path) => readFile(path),
  create: (path) => openFile(path, 'wx+'),
  openForWriting: (path) => openFile(path, 'r+'),
  openForReading: (path) => openFile(path, 'r'),
  rename: (from, to) => rename(from, to),
  remove: (path) => unlink(path),
  async syncDirectory(path) {
    const directory = await open(path, 'r');
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  },
};

async function openFile(path: string, flags: string): Promise<LogFile> {
  const handle = await open(path, flags, 0o600);
  return {
    write: async (bytes, offset) => (await handle.write(bytes, 0, bytes.length, offset)).bytesWritten,
    read: async (bytes, offset) => (await handle.read(bytes, 0, bytes.length, offset)).bytesRead,
    dataSync: () => handle.datasync(),
    truncate: (bytes) => handle.truncate(bytes),
    close: () => handle.close(),
  };
}

/** Writes all of `bytes`, however little the file system takes at a time. */
export async function writeFully(file: LogFile, bytes: Uint8Array, offset: number): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    const more = await file.write(bytes.subarray(written), offset + written);
    if (more <= 0) throw new Error('the file system wrote nothing and gave no reason');
    written += more;
  }
}

/** Creates `path` so that after a crash it is either absent or whole: written and synced beside it, then renamed. */
export async function createWhole(fileSystem: LogFileSystem, directory: string, path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}${TEMPORARY_SUFFIX}`;
  await fileSystem.remove(temporary).catch(ignoreMissing);
  try {
    await withFile(await fileSystem.create(temporary), async (file) => {
      await writeFully(file, bytes, 0);
      await file.dataSync();
    });
    await fileSystem.rename(temporary, path);
  } catch (error) {
    // Best effort: a leftover is harmless, and the error that matters is the one already in hand.
    await fileSystem.remove(temporary).catch(() => undefined);
    throw error;
  }
  try {
    await fileSystem.syncDirectory(directory);
  } catch (error) {
    // The file is there under its name, though perhaps not for good: never to be taken for a disk that had no room.
    throw new Error(`syncing the directory after creating a file failed: ${String(error)}`, { cause: error });
  }
}

/** Ends the name of a file that was not finished; it holds nothing that anybody was promised. */
export const TEMPORARY_SUFFIX = '.new';

export async function withFile<Result>(file: LogFile, use: (file: LogFile) => Promise<Result>): Promise<Result> {
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

/** The code of a system error, such as `ENOSPC`; undefined for any other. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

export function isNoSpace(error: unknown): boolean {
  const code = systemCode(error);
  return code === 'ENOSPC' || code === 'EDQUOT';
}

export function ignoreMissing(error: unknown): void {
  if (systemCode(error) !== 'ENOENT') throw error;
}
