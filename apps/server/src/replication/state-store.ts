/** What a node must not forget about the cluster: what it promised, and which disk it is. */
import { EngramError, hlcZero, type NodeId, type Random } from '@engram/kernel';
import { lsn, openWriteAheadLog, type LogEntry, type LogFileSystem, type Lsn, type WriteAheadLog } from '@engram/replication';
import type { CopyRecord } from '@engram/replication/core';
import { damaged, decodeCopyRecord, encodeCopyRecord, rebuildHint } from './copy-record-codec.js';

/**
 * A small durable map: each put is one entry of a log of its own, the last one of a key counts. The log brings what this
 * needs and lmdb has not: a checksum on everything, a crash told from damage, one sync for all puts of a turn. Everything
 * is held in memory too; it is a few hundred bytes per partition and the register's value.
 *
 * ```text
 * storage_id        26 characters, drawn when the directory was made
 * acceptor          the register's acceptor, its own bytes
 * log_first         where this storage's entries begin in the write-ahead log
 * copy/<partition>  a copy record
 * ```
 */
export interface StateStore {
  /** Of this disk. A lost directory comes back with another one, so that nobody takes it for the disk that made promises. */
  readonly storageId: string;
  /** The directory was new. */
  readonly fresh: boolean;
  acceptor(): Uint8Array | undefined;
  /** Resolves once durable. Rejects as the write-ahead log does; the same put may be tried again. */
  putAcceptor(bytes: Uint8Array): Promise<void>;
  copyRecords(): CopyRecord[];
  /** Resolves once durable, at once when the very same is there. Puts of one turn share a sync. */
  putCopyRecord(record: CopyRecord): Promise<void>;
  /** Entries of the write-ahead log before it were written under another storage id, or by a node alone. */
  logFirst(): Lsn | undefined;
  putLogFirst(first: Lsn): Promise<void>;
  close(): Promise<void>;
}

export interface StateStoreOptions {
  /** The log is written anew once it has grown beyond one segment of this size. @default 20 MiB */
  readonly segmentBytes?: number;
  /** For tests. @default the machine's */
  readonly fileSystem?: LogFileSystem;
}

/**
 * Opens the store in `directory`, or makes it. A damaged record is never taken for an absent one.
 *
 * @throws EngramError `store_damaged` naming the file or record. Leaves everything as it was.
 */
export async function openStateStore(directory: string, random: Random, options: StateStoreOptions = {}): Promise<StateStore> {
  const segmentBytesMax = options.segmentBytes ?? 20 * MIB;
  const log = await openWriteAheadLog({
    directory,
    segmentBytesMax,
    entryBytesMax: Math.floor(segmentBytesMax * 0.8),
    groupBytesMax: Math.floor(segmentBytesMax * 0.9),
    retainBytes: 0,
    layOutBytes: 64 * 1024,
    ...(options.fileSystem && { fileSystem: options.fileSystem }),
  }).catch((cause: unknown) => {
    throw cause instanceof EngramError && cause.code === 'log_damaged' ? named(directory, cause) : cause;
  });
  try {
    const values = new Map<string, Uint8Array>();
    for await (const { entry } of log.read(log.recovery.firstLsn)) {
      const { key, value } = decodePut(entry.payload, directory);
      values.set(key, value);
    }
    const store = new LoggedStateStore(log, values, Math.floor(segmentBytesMax / 2));
    await store.open(directory, random);
    return store;
  } catch (error) {
    await log.close();
    throw error;
  }
}

const MIB = 1024 * 1024;
const storageIdCharacters = 26;
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';
const copyKey = (partition: number): string => `copy/${partition}`;

class LoggedStateStore implements StateStore {
  storageId = '';
  fresh = false;
  readonly #log: WriteAheadLog;
  /** What was asked for last; a put that failed is here too, as it may be durable nevertheless. */
  readonly #values: Map<string, Uint8Array>;
  readonly #durable = new WeakSet<Uint8Array>();
  readonly #appendBytes: number;
  #seq = 0;
  #bytesSinceRewrite = 0;
  #rewriting: Promise<void> | undefined;

  constructor(log: WriteAheadLog, values: Map<string, Uint8Array>, appendBytes: number) {
    this.#log = log;
    this.#values = values;
    this.#appendBytes = appendBytes;
    for (const value of values.values()) this.#durable.add(value);
  }

  async open(directory: string, random: Random): Promise<void> {
    const known = this.#values.get('storage_id');
    if (known === undefined && this.#values.size > 0) throw damaged(`storage_id in ${directory}`, 'is missing while other records are there');
    this.fresh = known === undefined;
    if (known === undefined) {
      this.storageId = Array.from(random.bytes(storageIdCharacters), (byte) => alphabet[byte % alphabet.length]).join('');
      await this.#put('storage_id', Buffer.from(this.storageId));
    } else {
      this.storageId = Buffer.from(known).toString('latin1');
    }
    for (const [key, value] of this.#values) if (key.startsWith('copy/')) decodeCopyRecord(value, key);
  }

  acceptor(): Uint8Array | undefined {
    return this.#values.get('acceptor');
  }

  putAcceptor(bytes: Uint8Array): Promise<void> {
    return this.#put('acceptor', bytes);
  }

  copyRecords(): CopyRecord[] {
    return [...this.#values].filter(([key]) => key.startsWith('copy/')).map(([key, value]) => decodeCopyRecord(value, key));
  }

  putCopyRecord(record: CopyRecord): Promise<void> {
    return this.#put(copyKey(record.partition), encodeCopyRecord(record));
  }

  logFirst(): Lsn | undefined {
    const value = this.#values.get('log_first');
    return value && lsn(Number(Buffer.from(value).toString('latin1')));
  }

  putLogFirst(first: Lsn): Promise<void> {
    return this.#put('log_first', Buffer.from(String(first)));
  }

  async close(): Promise<void> {
    await this.#rewriting;
    await this.#log.close();
  }

  async #put(key: string, value: Uint8Array): Promise<void> {
    const last = this.#values.get(key);
    if (last !== undefined && this.#durable.has(last) && Buffer.compare(last, value) === 0) return;
    const kept = Uint8Array.from(value);
    this.#values.set(key, kept);
    await this.#append([[key, kept]]);
    this.#rewriting ??= this.#rewriteWhenLong().finally(() => (this.#rewriting = undefined));
  }

  async #append(puts: readonly (readonly [string, Uint8Array])[]): Promise<Lsn> {
    const entries = puts.map(([key, value]): LogEntry => ({ partition: 0, epoch: 1, seq: ++this.#seq, hlc: hlcZero, origin: writer, payload: encodePut(key, value) }));
    for (const { payload } of entries) this.#bytesSinceRewrite += payload.length;
    const { first } = await this.#log.append(entries);
    for (const [, value] of puts) this.#durable.add(value);
    return first;
  }

  /** Everything once more at the end of the log, then what stands before may go. Puts meanwhile stand behind it, so they win. */
  async #rewriteWhenLong(): Promise<void> {
    const live = [...this.#values.values()].reduce((sum, value) => sum + value.length, 0);
    if (this.#log.status().segments < 2 || this.#bytesSinceRewrite < 2 * live) return;
    this.#bytesSinceRewrite = 0;
    try {
      const firsts = await Promise.all(this.#parts().map((part) => this.#append(part)));
      await this.#log.checkpoint(lsn(firsts[0]! - 1));
    } catch {
      // Nothing is lost by a longer log; the next put tries again.
    }
  }

  #parts(): (readonly [string, Uint8Array])[][] {
    const parts: (readonly [string, Uint8Array])[][] = [[]];
    let bytes = 0;
    for (const put of this.#values) {
      bytes += put[0].length + put[1].length + 128;
      if (bytes > this.#appendBytes && parts.at(-1)!.length > 0) {
        parts.push([]);
        bytes = 0;
      }
      parts.at(-1)!.push(put);
    }
    return parts;
  }
}

/** Entries of a log name who wrote them; here nobody asks. */
const writer = 'state' as NodeId;
const putVersion = 1;

/** `version (1 byte) | length of the key (1 byte) | key | value` */
function encodePut(key: string, value: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.of(putVersion, key.length), Buffer.from(key, 'latin1'), value]);
}

function decodePut(payload: Uint8Array, directory: string): { readonly key: string; readonly value: Uint8Array } {
  const [version, keyLength = 0] = payload;
  if (version !== putVersion || payload.length < 2 + keyLength) throw damaged(`a record in ${directory}`, `is in version ${String(version)}; this release reads version ${putVersion}`);
  return { key: Buffer.from(payload.subarray(2, 2 + keyLength)).toString('latin1'), value: Uint8Array.from(payload.subarray(2 + keyLength)) };
}

function named(directory: string, cause: EngramError): EngramError {
  return new EngramError('store_damaged', `the cluster state in ${directory} is damaged: ${cause.message}`, { hint: rebuildHint, cause, details: { ...cause.details, directory } });
}
