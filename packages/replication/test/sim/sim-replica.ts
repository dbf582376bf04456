import { crc32 } from 'node:zlib';
import { Driver, hlcOf, plusMs, type ClusterId, type Hlc, type Instant, type NodeId } from '@engram/kernel';
import type { SimEnv, SimStream } from '@engram/kernel/sim';
import { decodeMessage, encodeMessage, lsn, plus, readPayload, ReplicationCore, type CopyRecord, type LogEntry, type LoggedEntry, type Lsn, type ReplicationEffect, type ReplicationEvent, type ReplicationOptions } from '../../src/core/index.js';

/** How the machine around a core misbehaves, on purpose or because a bug is planted. */
export interface Machine {
  readonly options: ReplicationOptions;
  /** Milliseconds that a sync of this disk takes at most. */
  readonly diskMs: number;
  /** Chance that an entry is damaged on the wire, per message. */
  readonly corrupt: number;
  /** Chance that the disk is full, per append. */
  readonly full: number;
  /** Entries that the log keeps at most when nobody must have them. Infinity: it is never cut. */
  readonly keepEntries: number;
  /** Says durable before it is. */
  readonly earlyDurable?: boolean;
  readonly checksum?: (bytes: Uint8Array, seed: number) => number;
}

export interface Watch {
  effect(node: NodeId, process: SimReplica, effect: ReplicationEffect): void;
  violation(what: string): void;
  appliedAgain(node: NodeId, id: string): void;
}

const text = new TextDecoder();
const bytesOf = (what: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(what));
const pad = (position: number): string => String(position).padStart(12, '0');

/** One life of a node: a core, a log, records and a store on a simulated disk, and streams of length-prefixed frames. */
export class SimReplica {
  readonly core: ReplicationCore;
  readonly driver: Driver<ReplicationEvent, ReplicationEffect>;
  readonly storageId: string;
  /** Operations by partition. */
  readonly store = new Map<number, Set<string>>();
  /** The log as read back, from `first` on. */
  readonly log: LoggedEntry[] = [];
  first: number;
  readonly #env: SimEnv;
  readonly #machine: Machine;
  readonly #watch: Watch;
  readonly #node: NodeId;
  readonly #applied = new Set<string>();
  readonly #streams = new Map<number, { readonly stream: SimStream; readonly queue: Uint8Array[]; queued: number }>();
  readonly #snapshots = new Map<number, { readonly partition: number; readonly ids: readonly string[] }>();
  #nextStream = 1;
  #chunks = 0;
  #hlcMs = 1;
  /** Disk work is done in the order it was asked for. */
  #diskFreeAt = 0;

  constructor(env: SimEnv, machine: Machine, watch: Watch) {
    this.#env = env;
    this.#machine = machine;
    this.#watch = watch;
    this.#node = env.id as NodeId;
    const disk = env.storage;
    if (disk.get('storage-id') === undefined) disk.set('storage-id', bytesOf(`${env.id}/${env.life}`));
    disk.sync();
    this.storageId = JSON.parse(text.decode(disk.get('storage-id'))) as string;
    this.first = Number(JSON.parse(text.decode(disk.get('log-first') ?? bytesOf(1))));
    const records: CopyRecord[] = [];
    const stray: string[] = [];
    for (const key of disk.keys()) {
      const value = disk.get(key)!;
      if (key.startsWith('record/')) records.push(JSON.parse(text.decode(value)) as CopyRecord);
      if (key.startsWith('store/')) for (const [partition, ids] of JSON.parse(text.decode(value)) as [number, string[]][]) for (const id of ids) this.#operations(partition).add(id);
      if (!key.startsWith('log/')) continue;
      const at = Number(key.slice(4));
      // After a loss of power some of the last group may be missing: what stands behind a hole was never durable.
      if (at === this.first + this.log.length) this.log.push({ lsn: lsn(at), entry: decodeEntry(value) });
      else stray.push(key);
    }
    for (const key of stray) disk.delete(key);
    disk.sync();
    for (const { entry } of this.log) {
      const id = operationId(entry);
      if (id === undefined) continue;
      this.#operations(entry.partition).add(id);
      this.#applied.add(id);
    }
    const nextLsn = lsn(this.first + this.log.length);
    const identity = { clusterId: 'sim' as ClusterId, nodeId: this.#node, storageId: this.storageId };
    this.core = new ReplicationCore(identity, env.random.fork('replication'), machine.checksum ?? crc32, { records, entries: this.log, nextLsn }, machine.options);
    this.driver = new Driver(this.core, env.clock, (effect) => this.#perform(effect));
    env.streams.onAccept((stream) => {
      const id = this.#adopt(stream);
      this.driver.dispatch({ kind: 'stream-accepted', stream: id });
      return this.#handlers(id);
    });
    if (machine.keepEntries < Infinity) this.#checkpointLater();
  }

  get next(): Lsn {
    return lsn(this.first + this.log.length);
  }

  /** Bytes that wait because a connection takes no more for now. */
  get queuedBytes(): number {
    return [...this.#streams.values()].reduce((sum, { queued }) => sum + queued, 0);
  }

  get now(): Instant {
    return this.#env.clock.now();
  }

  stamp(): Hlc {
    this.#hlcMs++;
    return hlcOf(this.#hlcMs, 0);
  }

  #perform(effect: ReplicationEffect): void {
    this.#watch.effect(this.#node, this, effect);
    switch (effect.kind) {
      case 'append-log':     return this.#append(effect.id, effect.entries);
      case 'persist': {
        this.#env.storage.set(`record/${effect.record.partition}`, bytesOf(effect.record));
        return this.#afterSync(() => this.driver.dispatch({ kind: 'persisted', id: effect.id }));
      }
      case 'read-log':       return this.#read(effect);
      case 'apply': {
        for (const { partition, operation } of effect.entries) {
          if (operation === undefined) continue;
          const id = text.decode(operation);
          if (this.#applied.has(id)) this.#watch.appliedAgain(this.#node, id);
          this.#applied.add(id);
          this.#operations(partition).add(id);
        }
        return;
      }
      case 'open-stream':    return this.#connect(effect.peer);
      case 'send':           return this.#send(effect.stream, effect.bytes);
      case 'close-stream': {
        const open = this.#streams.get(effect.stream);
        this.#streams.delete(effect.stream);
        open?.stream.end();
        this.#env.clock.schedule(plusMs(this.#env.clock.now(), 50), () => open?.stream.open === true && open.stream.reset());
        return;
      }
      case 'open-snapshot':  return void this.#snapshots.set(effect.id, { partition: effect.partition, ids: [...this.#operations(effect.partition)].sort() });
      case 'read-snapshot': {
        const ids = this.#snapshots.get(effect.id)!.ids.filter((id) => id > effect.cursor);
        const some = ids.slice(0, Math.max(1, Math.floor(effect.bytesMax / 20)));
        const next = some.length < ids.length ? some.at(-1)! : '';
        return this.#later(() => this.driver.dispatch({ kind: 'snapshot-read', id: effect.id, bytes: bytesOf(some), next }));
      }
      case 'close-snapshot': return void this.#snapshots.delete(effect.id);
      case 'install-chunk': {
        const ids = JSON.parse(text.decode(effect.bytes)) as string[];
        for (const id of ids) this.#operations(effect.partition).add(id);
        this.#env.storage.set(`store/${pad(this.#env.life)}-${pad(this.#chunks++)}`, bytesOf([[effect.partition, ids]]));
        return this.#later(() => this.driver.dispatch({ kind: 'installed', id: effect.id }));
      }
      case 'finish-install': return this.#afterSync(() => this.driver.dispatch({ kind: 'installed', id: effect.id }));
      default:               return;
    }
  }

  #operations(partition: number): Set<string> {
    let operations = this.store.get(partition);
    if (operations === undefined) this.store.set(partition, (operations = new Set()));
    return operations;
  }

  #append(id: number, entries: readonly LogEntry[]): void {
    if (this.#env.random.chance(this.#machine.full)) return this.#later(() => this.driver.dispatch({ kind: 'append-failed', id, indeterminate: false, message: 'no room' }));
    const first = this.next;
    for (const [index, entry] of entries.entries()) {
      const at = plus(first, index);
      this.#env.storage.set(`log/${pad(at)}`, encodeEntry(entry));
      this.log.push({ lsn: at, entry });
    }
    if (this.#machine.earlyDurable === true) {
      this.#later(() => this.driver.dispatch({ kind: 'appended', id, first }));
      return void this.#env.clock.schedule(plusMs(this.#env.clock.now(), 400), () => this.#env.storage.sync());
    }
    this.#afterSync(() => this.driver.dispatch({ kind: 'appended', id, first }));
  }

  #read({ id, from, partitions, entriesMax }: Extract<ReplicationEffect, { kind: 'read-log' }>): void {
    this.#later(() => {
      const entries: LoggedEntry[] = [];
      let at = Math.max(from, this.first);
      for (; at < this.first + this.log.length && entries.length < entriesMax; at++) {
        const read = this.log[at - this.first]!;
        if (partitions.includes(read.entry.partition)) entries.push(read);
      }
      this.driver.dispatch({ kind: 'log-read', id, entries, next: lsn(at), end: at === this.first + this.log.length });
    });
  }

  #later(run: () => void): void {
    this.#env.clock.schedule(plusMs(this.#env.clock.now(), 0.1 + this.#env.random.float()), run);
  }

  #afterSync(run: () => void): void {
    const took = 0.2 + this.#env.random.float() * this.#machine.diskMs;
    this.#diskFreeAt = Math.max(this.#diskFreeAt, this.#env.clock.now()) + Math.round(took * 1_000);
    this.#env.clock.schedule(this.#diskFreeAt as ReturnType<typeof plusMs>, () => {
      this.#env.storage.sync();
      run();
    });
  }

  #checkpointLater(): void {
    this.#env.clock.schedule(plusMs(this.#env.clock.now(), 700), () => {
      this.#checkpoint();
      this.#checkpointLater();
    });
  }

  /** The store and the records are made durable, then the log is cut as far as it may be. */
  #checkpoint(): void {
    const { needed, mustKeep } = this.core.retainFrom();
    const first = Math.min(mustKeep, Math.max(needed, this.next - this.#machine.keepEntries));
    if (first <= this.first) return;
    const disk = this.#env.storage;
    disk.set('store/checkpoint', bytesOf([...this.store].map(([partition, ids]) => [partition, [...ids]])));
    for (const record of this.core.records()) disk.set(`record/${record.partition}`, bytesOf(record));
    disk.sync();
    disk.set('log-first', bytesOf(first));
    disk.sync();
    for (let at = this.first; at < first; at++) disk.delete(`log/${pad(at)}`);
    this.log.splice(0, first - this.first);
    this.first = first;
    this.driver.dispatch({ kind: 'log-trimmed', first: lsn(first) });
  }

  #connect(peer: NodeId): void {
    let id = 0;
    const stream = this.#env.streams.connect(`${peer}:7946`, this.#handlers(() => id, peer));
    id = this.#adopt(stream);
  }

  #adopt(stream: SimStream): number {
    const id = this.#nextStream++;
    this.#streams.set(id, { stream, queue: [], queued: 0 });
    return id;
  }

  #handlers(of: number | (() => number), dialled?: NodeId) {
    const id = (): number => (typeof of === 'number' ? of : of());
    let opened = dialled === undefined;
    let pending = new Uint8Array(0);
    return {
      onOpen: () => {
        opened = true;
        this.driver.dispatch({ kind: 'stream-opened', peer: dialled!, stream: id() });
      },
      onData: (bytes: Uint8Array) => {
        const whole = new Uint8Array(pending.length + bytes.length);
        whole.set(pending);
        whole.set(bytes, pending.length);
        let at = 0;
        for (; at + 4 <= whole.length; ) {
          const length = new DataView(whole.buffer).getUint32(at);
          if (at + 4 + length > whole.length) break;
          const message = whole.slice(at + 4, at + 4 + length);
          at += 4 + length;
          this.driver.dispatch({ kind: 'stream-received', stream: id(), bytes: message });
        }
        pending = whole.slice(at);
      },
      onDrain: () => this.#drain(id()),
      onEnd: () => this.#streams.get(id())?.stream.end(),
      onClosed: () => {
        this.#streams.delete(id());
        this.driver.dispatch({ kind: 'stream-closed', stream: id() });
        if (dialled !== undefined && !opened) this.driver.dispatch({ kind: 'stream-failed', peer: dialled });
      },
    };
  }

  #send(id: number, bytes: Uint8Array): void {
    const open = this.#streams.get(id);
    if (open === undefined) return;
    const message = this.#env.random.chance(this.#machine.corrupt) ? damaged(bytes, this.#env.random.below(1 << 30)) : bytes;
    const frame = new Uint8Array(4 + message.length);
    new DataView(frame.buffer).setUint32(0, message.length);
    frame.set(message, 4);
    open.queue.push(frame);
    open.queued += frame.length;
    this.#drain(id);
  }

  #drain(id: number): void {
    const open = this.#streams.get(id);
    while (open !== undefined && open.queue.length > 0 && open.stream.write(open.queue[0]!)) open.queued -= open.queue.shift()!.length;
  }
}

export function operationId(entry: LogEntry): string | undefined {
  const payload = readPayload(entry.payload);
  return payload.kind === 'epoch-open' ? undefined : text.decode(payload.operation);
}

/** One bit of one entry's payload is flipped; everything else travels under the transport's own checksums. */
function damaged(bytes: Uint8Array, dice: number): Uint8Array {
  const outcome = decodeMessage(bytes);
  if (outcome.kind !== 'message' || outcome.message.kind !== 'entries') return bytes;
  const group = outcome.message.groups[dice % outcome.message.groups.length]!;
  const entry = group.entries[dice % group.entries.length]!;
  const at = dice % entry.payload.length;
  entry.payload[at] = entry.payload[at]! ^ (1 << (dice % 8));
  return encodeMessage(outcome.message);
}

function encodeEntry({ partition, epoch, seq, hlc, origin, payload }: LogEntry): Uint8Array {
  return bytesOf([partition, epoch, seq, String(hlc), origin, [...payload]]);
}

function decodeEntry(bytes: Uint8Array): LogEntry {
  const [partition, epoch, seq, hlc, origin, payload] = JSON.parse(text.decode(bytes)) as [number, number, number, string, NodeId, number[]];
  return { partition, epoch, seq, hlc: BigInt(hlc) as Hlc, origin, payload: Uint8Array.from(payload) };
}
