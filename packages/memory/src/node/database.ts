import { mkdir, statfs } from 'node:fs/promises';
import { EngramError, type MemoryId, type SpaceId } from '@engram/kernel';
import { open as openLmdb, type Database as Table, type RootDatabase } from 'lmdb';
import { damaged, rebuildHint } from './memory-fields.js';
import type { Overlay, Position } from './overlay.js';
import { inspectDataFile } from './page-check.js';
import {
  appliedRecord, idempotencyRecord, partitionRecord, spaceRecord, tombstoneRecord,
  type AppliedRecord, type IdempotencyRecord, type SpaceRecord,
} from './record-codec.js';

/** Not readonly, because lmdb's own type for keys is not. */
type Key = [SpaceId, MemoryId];

/** Higher than every character an id may have, lower than nothing that follows it: the end of a space. */
const afterEveryId = '\x7f';
const beforeEveryId = '!';
const formatVersion = 1;

/**
 * The lmdb file: one table per kind of record, and one kind of write, a whole overlay in one transaction.
 *
 * Keys of memories and tombstones are `[space, id]` in lmdb's ordered encoding, which ends each element with a zero byte.
 * Ids hold no zero byte, so `abc` never runs into `abcd`, and the byte order within a space is the order of the ids. The
 * longest key is 64 + 128 characters and a few bytes; lmdb allows 1978.
 *
 * `overlappingSync` is off: a commit resolves only after the operating system reported data and meta page as synced, so
 * there is one moment at which a transaction becomes durable and nothing to await besides it.
 */
export class Database {
  readonly directory: string;
  readonly #root: RootDatabase;
  readonly #memories: Table<Uint8Array, Key>;
  readonly #tombstones: Table<Uint8Array, Key>;
  readonly #spaces: Table<Uint8Array, string>;
  /** By the lsn that brought the key: in the order of arrival, and whatever characters a key has. */
  readonly #idempotency: Table<Uint8Array, number>;
  readonly #state: Table<Uint8Array, string>;
  readonly #partitions: Table<Uint8Array, number>;

  private constructor(directory: string, root: RootDatabase) {
    this.directory = directory;
    this.#root = root;
    this.#memories = root.openDB<Uint8Array, Key>('memories', { encoding: 'binary' });
    this.#tombstones = root.openDB<Uint8Array, Key>('tombstones', { encoding: 'binary' });
    this.#spaces = root.openDB<Uint8Array, string>('spaces', { encoding: 'binary' });
    this.#idempotency = root.openDB<Uint8Array, number>('idempotency', { encoding: 'binary' });
    this.#state = root.openDB<Uint8Array, string>('state', { encoding: 'binary' });
    this.#partitions = root.openDB<Uint8Array, number>('partitions', { encoding: 'binary' });
  }

  /** Throws EngramError `store_damaged`, `disk_full` or `invalid_config`, always naming the directory. */
  static async open(directory: string): Promise<Database> {
    let root: RootDatabase | undefined;
    try {
      await mkdir(directory, { recursive: true });
      inspectDataFile(directory);
      // Event-turn batching would add writes of its own around ours, whose failures nobody could await.
      root = openLmdb({ path: directory, overlappingSync: false, eventTurnBatching: false, maxDbs: 8, encoding: 'binary' });
      const database = new Database(directory, root);
      database.#checkFormat();
      return database;
    } catch (error) {
      await root?.close();
      throw openFailure(error, directory);
    }
  }

  applied(): AppliedRecord {
    const bytes = this.#state.get('applied');
    return bytes === undefined ? { lsn: 0, hlc: 0n } : appliedRecord.decode(bytes);
  }

  memory(space: SpaceId, id: MemoryId): Uint8Array | undefined {
    return this.#memories.get([space, id]);
  }

  /** When the id was forgotten; undefined when it never was. */
  tombstone(space: SpaceId, id: MemoryId): number | undefined {
    const bytes = this.#tombstones.get([space, id]);
    return bytes === undefined ? undefined : tombstoneRecord.decode(bytes);
  }

  *allMemories(): Iterable<{ space: SpaceId; id: MemoryId; bytes: Uint8Array }> {
    for (const { key: [space, id], value: bytes } of this.#memories.getRange({})) yield { space, id, bytes };
  }

  *memoriesOf(space: SpaceId, after: MemoryId | undefined): Iterable<{ id: MemoryId; bytes: Uint8Array }> {
    const start = [space, after ?? beforeEveryId] as unknown as Key;
    const end = [space, afterEveryId] as unknown as Key;
    for (const { key: [, id], value: bytes } of this.#memories.getRange({ start, end })) {
      if (id !== after) yield { id, bytes };
    }
  }

  *tombstonesOf(space: SpaceId, after: MemoryId | undefined): Iterable<{ id: MemoryId; atMs: number }> {
    const start = [space, after ?? beforeEveryId] as unknown as Key;
    const end = [space, afterEveryId] as unknown as Key;
    for (const { key: [, id], value: bytes } of this.#tombstones.getRange({ start, end })) {
      if (id !== after) yield { id, atMs: tombstoneRecord.decode(bytes) };
    }
  }

  *allTombstones(): Iterable<{ space: SpaceId }> {
    for (const [space] of this.#tombstones.getKeys({})) yield { space };
  }

  *allSpaces(): Iterable<{ space: SpaceId; record: SpaceRecord }> {
    for (const { key, value } of this.#spaces.getRange({})) yield { space: key as SpaceId, record: spaceRecord.decode(value, key) };
  }

  *allIdempotency(): Iterable<readonly [number, IdempotencyRecord]> {
    for (const { key, value } of this.#idempotency.getRange({})) yield [key, idempotencyRecord.decode(value)];
  }

  *allPartitions(): Iterable<readonly [number, Position]> {
    for (const { key, value } of this.#partitions.getRange({})) yield [key, partitionRecord.decode(value)];
  }

  /**
   * Writes the overlay and the position it reaches in one transaction; resolves once that is durable. Rejects with
   * EngramError `disk_full` (the same commit may succeed later) or `internal`; then nothing of it was written.
   */
  async commit(overlay: Overlay): Promise<void> {
    try {
      await this.#root.batch(() => this.#write(overlay));
    } catch (error) {
      throw await this.#commitFailure(error, overlay);
    }
    // Reads that follow must see the commit, not the snapshot an earlier read left open.
    this.#root.resetReadTxn();
  }

  /** An error met while reading, with the place where it was met. */
  named(error: unknown): EngramError {
    return openFailure(error, this.directory);
  }

  async close(): Promise<void> {
    await this.#root.close();
  }

  #write(overlay: Overlay): void {
    for (const [space, records] of overlay.memories) {
      for (const [id, record] of records) {
        const key: Key = [space, id];
        if (record.kind === 'memory') {
          void this.#memories.put(key, record.bytes);
        } else {
          void this.#memories.remove(key);
          void this.#tombstones.put(key, tombstoneRecord.encode(record.atMs));
        }
      }
    }
    for (const [space, record] of overlay.spaces) void this.#spaces.put(space, spaceRecord.encode(record));
    for (const [order, bytes] of overlay.idempotency) {
      if (bytes === undefined) void this.#idempotency.remove(order);
      else void this.#idempotency.put(order, bytes);
    }
    for (const [partition, position] of overlay.partitions) void this.#partitions.put(partition, partitionRecord.encode(position));
    void this.#state.put('applied', appliedRecord.encode(overlay));
  }

  #checkFormat(): void {
    const found = this.#state.get('format');
    if (found === undefined) {
      if (this.#memories.getKeysCount({ limit: 1 }) > 0) throw damaged('the store', 'has memories but no format mark');
      this.#state.putSync('format', Buffer.of(formatVersion));
    } else if (found[0] !== formatVersion) {
      throw damaged('the store', `is in format ${String(found[0])}; this release reads format ${formatVersion}`);
    }
  }

  async #commitFailure(error: unknown, overlay: Overlay): Promise<EngramError> {
    const cause = await underlying(error);
    const details = { directory: this.directory, code: codeOf(cause) };
    if (await this.#isFull(codeOf(cause), overlay.bytes)) {
      return new EngramError('disk_full', `the store in ${this.directory} cannot grow: its disk is full`, { cause, details });
    }
    return new EngramError('internal', `the store in ${this.directory} cannot be written: ${messageOf(cause)}`, {
      hint: 'Look at the disk and the system log. Nothing is lost while the log is kept: a restart replays it.',
      cause,
      details,
    });
  }

  /** lmdb reports a write that a full disk cut short as an input/output error, so the disk is asked as well. */
  async #isFull(code: unknown, bytes: number): Promise<boolean> {
    if (code === 'ENOSPC' || code === errno.ENOSPC || code === errno.EDQUOT || code === mapFull) return true;
    if (code !== errno.EIO) return false;
    const room = await statfs(this.directory).then(({ bavail, bsize }) => bavail * bsize, () => Infinity);
    return room < roomForCommit(bytes);
  }
}

const errno = { EIO: 5, ENOSPC: 28, EDQUOT: 122 } as const;
const mapFull = -30792;
/** Codes of lmdb that say the file is not what lmdb wrote: corrupted, page not found, version mismatch, invalid. */
const damageCodes: readonly unknown[] = [-30796, -30797, -30794, -30793];

/** A transaction rewrites the path to every page it touches: be generous, a disk this close to its end is full. */
function roomForCommit(bytes: number): number {
  return 4 * bytes + 1_048_576;
}

function openFailure(error: unknown, directory: string): EngramError {
  const details = { directory, code: codeOf(error) };
  const code = codeOf(error);
  if (error instanceof EngramError) {
    return new EngramError(error.code, `${error.message} (store in ${directory})`, { hint: error.hint, cause: error, details: { ...error.details, directory } });
  }
  if (damageCodes.includes(code)) {
    return new EngramError('store_damaged', `the store in ${directory} is damaged: ${messageOf(error)}`, { hint: rebuildHint, cause: error, details });
  }
  if (code === errno.ENOSPC || code === 'ENOSPC') {
    return new EngramError('disk_full', `the store in ${directory} cannot be opened: its disk is full`, { cause: error, details });
  }
  return new EngramError('invalid_config', `the store in ${directory} cannot be opened: ${messageOf(error)}`, {
    hint: 'Check that the directory exists on a local disk and that this user may read and write it.',
    cause: error,
    details,
  });
}

/** A failed commit of lmdb carries its reason as a promise beside it, which must be awaited or would count as unhandled. */
async function underlying(error: unknown): Promise<unknown> {
  const reason = (error as { commitError?: Promise<unknown> }).commitError;
  return reason === undefined ? error : await reason.then(() => error, (cause: unknown) => cause);
}

function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
