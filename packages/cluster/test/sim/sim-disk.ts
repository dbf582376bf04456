import { plusMs, utf8Encode, type Hlc, type NodeId } from '@engram/kernel';
import type { SimEnv } from '@engram/kernel/sim';
import { lsn, plus, readPayload, type CopyRecord, type LogEntry, type LoggedEntry, type Lsn } from '@engram/replication/core';

/** How a disk behaves. */
export interface DiskHabits {
  /** Milliseconds that a sync takes at most. */
  readonly syncMs: number;
  /** Entries that the log keeps at most when nobody must have them. Infinity: it is never cut. */
  readonly keepEntries: number;
}

const decoder = new TextDecoder();
const textOf = (bytes: Uint8Array): string => decoder.decode(bytes);
const json = (value: unknown): Uint8Array => utf8Encode(JSON.stringify(value));
const padded = (position: number): string => String(position).padStart(12, '0');

/**
 * All that a node keeps: a log, a record for each copy, the operations that snapshots brought, and small files by name.
 * Work is done in the order it was asked for, each piece ends with a sync, and a loss of power takes what was not synced.
 */
export class SimDisk {
  readonly storageId: string;
  readonly isNew: boolean;
  /** The log as read back, from `first` on. */
  readonly log: LoggedEntry[] = [];
  first: number;
  readonly records: readonly CopyRecord[];
  /** Operations by partition, and all of them. */
  readonly store = new Map<number, Set<string>>();
  readonly applied = new Set<string>();
  readonly #env: SimEnv;
  readonly #habits: DiskHabits;
  #busyUntil = 0;
  #chunks = 0;

  constructor(env: SimEnv, habits: DiskHabits) {
    this.#env = env;
    this.#habits = habits;
    const { storage } = env;
    this.isNew = storage.get('storage-id') === undefined;
    if (this.isNew) storage.set('storage-id', utf8Encode(`${env.id}/${env.life}`));
    storage.sync();
    this.storageId = textOf(storage.get('storage-id') as Uint8Array);
    this.first = Number(textOf(storage.get('log-first') ?? utf8Encode('1')));
    const records: CopyRecord[] = [];
    const stray: string[] = [];
    for (const key of storage.keys()) {
      const bytes = storage.get(key) as Uint8Array;
      if (key.startsWith('record/')) records.push(JSON.parse(textOf(bytes)) as CopyRecord);
      if (key.startsWith('store/')) for (const [partition, ids] of JSON.parse(textOf(bytes)) as [number, string[]][]) for (const id of ids) this.operations(partition).add(id);
      if (!key.startsWith('log/')) continue;
      const at = Number(key.slice(4));
      // What stands behind a hole was never durable.
      if (at === this.first + this.log.length) this.log.push({ lsn: lsn(at), entry: decodeEntry(bytes) });
      else stray.push(key);
    }
    for (const key of stray) storage.delete(key);
    storage.sync();
    this.records = records;
    for (const { entry } of this.log) {
      const id = operationOf(entry);
      if (id === undefined) continue;
      this.operations(entry.partition).add(id);
      this.applied.add(id);
    }
  }

  get next(): Lsn {
    return lsn(this.first + this.log.length);
  }

  operations(partition: number): Set<string> {
    let operations = this.store.get(partition);
    if (operations === undefined) this.store.set(partition, (operations = new Set()));
    return operations;
  }

  read(name: string): Uint8Array | undefined {
    return this.#env.storage.get(`file/${name}`);
  }

  /** Durable when `then` is called; without it, some time or never. */
  write(name: string, bytes: Uint8Array, then?: () => void): void {
    this.#env.storage.set(`file/${name}`, bytes);
    if (then) this.afterSync(then);
  }

  writeRecord(record: CopyRecord, then: () => void): void {
    this.#env.storage.set(`record/${record.partition}`, json(record));
    this.afterSync(then);
  }

  append(entries: readonly LogEntry[], then: (first: Lsn) => void): void {
    const first = this.next;
    for (const [index, entry] of entries.entries()) {
      const at = plus(first, index);
      this.#env.storage.set(`log/${padded(at)}`, encodeEntry(entry));
      this.log.push({ lsn: at, entry });
    }
    this.afterSync(() => then(first));
  }

  install(partition: number, chunk: Uint8Array): void {
    const ids = JSON.parse(textOf(chunk)) as string[];
    for (const id of ids) this.operations(partition).add(id);
    this.#env.storage.set(`store/${padded(this.#env.life)}-${padded(this.#chunks++)}`, json([[partition, ids]]));
  }

  /** The store and the records are made durable, then the log is cut as far as it may be. True when it was. */
  checkpoint({ needed, mustKeep }: { readonly needed: Lsn; readonly mustKeep: Lsn }, records: readonly CopyRecord[]): boolean {
    const first = Math.min(mustKeep, Math.max(needed, this.next - this.#habits.keepEntries));
    if (!(first > this.first)) return false;
    const { storage } = this.#env;
    storage.set('store/checkpoint', json([...this.store].map(([partition, ids]) => [partition, [...ids]])));
    for (const record of records) storage.set(`record/${record.partition}`, json(record));
    storage.sync();
    storage.set('log-first', utf8Encode(String(first)));
    storage.sync();
    for (let at = this.first; at < first; at++) storage.delete(`log/${padded(at)}`);
    this.log.splice(0, first - this.first);
    this.first = first;
    return true;
  }

  /** Whatever reads takes a moment too. */
  later(run: () => void): void {
    this.#env.clock.schedule(plusMs(this.#env.clock.now(), 0.1 + this.#env.random.float()), run);
  }

  afterSync(run: () => void): void {
    const tookUs = Math.round((0.2 + this.#env.random.float() * this.#habits.syncMs) * 1_000);
    this.#busyUntil = Math.max(this.#busyUntil, this.#env.clock.now()) + tookUs;
    this.#env.clock.schedule(this.#busyUntil as ReturnType<typeof plusMs>, () => {
      this.#env.storage.sync();
      run();
    });
  }
}

/** The name of the operation in an entry; undefined for entries of the protocol. */
export function operationOf(entry: LogEntry): string | undefined {
  const payload = readPayload(entry.payload);
  return payload.kind === 'epoch-open' ? undefined : textOf(payload.operation);
}

function encodeEntry({ partition, epoch, seq, hlc, origin, payload }: LogEntry): Uint8Array {
  return json([partition, epoch, seq, String(hlc), origin, [...payload]]);
}

function decodeEntry(bytes: Uint8Array): LogEntry {
  const [partition, epoch, seq, hlc, origin, payload] = JSON.parse(textOf(bytes)) as [number, number, number, string, NodeId, number[]];
  return { partition, epoch, seq, hlc: BigInt(hlc) as Hlc, origin, payload: Uint8Array.from(payload) };
}
