import { crc32 } from 'node:zlib';
import { hlcOf, instant, plusMs, Random, wake, type ClusterId, type Instant, type NodeId } from '@engram/kernel';
import { decodeMessage, emptyStart, lsn, plus, ReplicationCore, type AckLevel, type LoggedEntry, type PartitionEntry, type ReplicationEffect, type ReplicationEvent, type ReplicationOptions, type WireMessage } from '../src/core/index.js';

export const id = (name: string): NodeId => name as NodeId;
export const entryOf = (epoch: number, primary: string, names: readonly string[], partition = 7): PartitionEntry => ({
  partition, epoch, primary: id(primary), copies: names.map((name) => ({ node: id(name), storage: `disk-${name}` })),
});

interface Member {
  core: ReplicationCore;
  next: number;
  readonly log: LoggedEntry[];
  readonly applied: string[];
  readonly snapshots: Map<number, readonly string[]>;
  readonly effects: ReplicationEffect[];
}

export interface ClusterOptions {
  readonly cluster?: Readonly<Record<string, string>>;
  readonly options?: ReplicationOptions;
  /** False: logs keep nothing, for measuring. @default true */
  readonly keepLog?: boolean;
}

/**
 * Cores wired to each other in memory, with disks that answer at once, all by one hand-moved clock. `hold` keeps answers
 * and messages back, so that a test decides what happens between them.
 */
export class CoreCluster {
  readonly members = new Map<string, Member>();
  now: Instant = instant(1_000_000);
  /** Whether the effect is left undone. */
  hold: (name: string, effect: ReplicationEffect) => boolean = () => false;
  /** What becomes of a message on its way; undefined loses it. */
  onWire: (from: string, to: string, bytes: Uint8Array) => Uint8Array | undefined = (_from, _to, bytes) => bytes;
  /** Why the log of a node cannot be read; undefined when it can. */
  damaged: (name: string) => string | undefined = () => undefined;
  readonly #streams = new Map<number, { readonly from: string; readonly to: string; readonly other: number }>();
  readonly #queue: { readonly name: string; readonly event: ReplicationEvent }[] = [];
  readonly #options: ClusterOptions;
  #held: { readonly name: string; readonly effect: ReplicationEffect }[] = [];
  #nextStream = 1;
  #running = false;

  constructor(names: readonly string[], options: ClusterOptions = {}) {
    this.#options = options;
    for (const name of names) this.members.set(name, { core: this.#core(name), next: 1, log: [], applied: [], snapshots: new Map(), effects: [] });
  }

  #core(name: string, storageId = `disk-${name}`): ReplicationCore {
    const clusterId = (this.#options.cluster?.[name] ?? 'test') as ClusterId;
    return new ReplicationCore({ clusterId, nodeId: id(name), storageId }, Random.fromSeed(name), crc32, emptyStart, this.#options.options);
  }

  /** The node comes back with a disk that holds nothing. */
  replace(name: string): void {
    this.members.set(name, { core: this.#core(name, `new-disk-${name}`), next: 1, log: [], applied: [], snapshots: new Map(), effects: [] });
  }

  lead(entry: PartitionEntry): void {
    for (const name of this.members.keys()) this.dispatch(name, { kind: 'table-changed', entries: [entry] });
    this.dispatch(entry.primary, { kind: 'lease', validUntil: plusMs(this.now, 60_000) });
  }

  append(name: string, request: number, text: string, level: AckLevel, partition = 7): void {
    this.dispatch(name, { kind: 'append', request, partition, level, entries: [{ hlc: hlcOf(request, 0), payload: new TextEncoder().encode(text) }] });
  }

  /** Does what was held back, and holds nothing back any more. */
  release(): void {
    this.hold = () => false;
    const held = this.#held;
    this.#held = [];
    for (const { name, effect } of held) this.#perform(name, this.members.get(name)!, effect);
    this.#run();
  }

  dispatch(name: string, event: ReplicationEvent): void {
    this.#queue.push({ name, event });
    this.#run();
  }

  /** Lets time pass in steps of 50 ms. */
  pass(ms: number): void {
    for (const end = plusMs(this.now, ms); this.now < end; ) {
      this.now = plusMs(this.now, 50);
      for (const name of this.members.keys()) this.#absorb(name, wake);
      this.#run();
    }
  }

  /** Effects of one kind since they were last asked for. */
  take<K extends ReplicationEffect['kind']>(name: string, kind: K): readonly Extract<ReplicationEffect, { kind: K }>[] {
    const { effects } = this.members.get(name)!;
    const taken = effects.filter((effect) => effect.kind === kind) as Extract<ReplicationEffect, { kind: K }>[];
    for (const one of taken) effects.splice(effects.indexOf(one), 1);
    return taken;
  }

  /** Drops what was noted of effects and applied entries. */
  forget(): void {
    for (const { effects, applied } of this.members.values()) {
      effects.length = 0;
      applied.length = 0;
    }
  }

  position(name: string, partition = 7): string {
    const { epoch, seq } = this.members.get(name)!.core.partition(partition)!.position;
    return `${epoch}/${seq}`;
  }

  /** Cuts the streams between two nodes. */
  cut(a: string, b: string): void {
    for (const [stream, { from, to }] of [...this.#streams]) {
      if (!(from === a && to === b) && !(from === b && to === a)) continue;
      this.#streams.delete(stream);
      this.dispatch(from, { kind: 'stream-closed', stream });
    }
  }

  #run(): void {
    if (this.#running) return;
    this.#running = true;
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) this.#absorb(next.name, next.event);
    this.#running = false;
  }

  #absorb(name: string, event: ReplicationEvent | typeof wake): void {
    const member = this.members.get(name)!;
    for (const effect of member.core.handle(event, this.now)) {
      member.effects.push(effect);
      if (this.hold(name, effect)) this.#held.push({ name, effect });
      else this.#perform(name, member, effect);
    }
  }

  #perform(name: string, member: Member, effect: ReplicationEffect): void {
    const answer = (event: ReplicationEvent): number => this.#queue.push({ name, event });
    switch (effect.kind) {
      case 'append-log': {
        const first = lsn(member.next);
        member.next += effect.entries.length;
        if (this.#options.keepLog !== false) for (const [index, entry] of effect.entries.entries()) member.log.push({ lsn: plus(first, index), entry });
        return void answer({ kind: 'appended', id: effect.id, first });
      }
      case 'persist':     return void answer({ kind: 'persisted', id: effect.id });
      case 'read-log': {
        const message = this.damaged(name);
        if (message !== undefined) return void answer({ kind: 'log-read-failed', id: effect.id, message });
        const entries = member.log.slice(Math.max(effect.from, 1) - 1).filter(({ entry }) => effect.partitions.includes(entry.partition)).slice(0, effect.entriesMax);
        const end = entries.length < effect.entriesMax;
        return void answer({ kind: 'log-read', id: effect.id, entries, next: end ? lsn(member.log.length + 1) : plus(entries.at(-1)!.lsn, 1), end });
      }
      case 'apply':
        for (const { operation } of effect.entries) if (operation !== undefined) member.applied.push(new TextDecoder().decode(operation));
        return;
      case 'open-snapshot':  return void member.snapshots.set(effect.id, [...member.applied].sort());
      case 'read-snapshot': {
        const [some = '', after] = member.snapshots.get(effect.id)!.filter((text) => text > effect.cursor);
        return void answer({ kind: 'snapshot-read', id: effect.id, bytes: new TextEncoder().encode(some), next: after === undefined ? '' : some });
      }
      case 'close-snapshot': return void member.snapshots.delete(effect.id);
      case 'install-chunk':
        member.applied.push(new TextDecoder().decode(effect.bytes));
        return void answer({ kind: 'installed', id: effect.id });
      case 'finish-install': return void answer({ kind: 'installed', id: effect.id });
      case 'open-stream': {
        if (!this.members.has(effect.peer)) return void answer({ kind: 'stream-failed', peer: effect.peer });
        const [mine, theirs] = [this.#nextStream++, this.#nextStream++];
        this.#streams.set(mine, { from: name, to: effect.peer, other: theirs });
        this.#streams.set(theirs, { from: effect.peer, to: name, other: mine });
        answer({ kind: 'stream-opened', peer: effect.peer, stream: mine });
        return void this.#queue.push({ name: effect.peer, event: { kind: 'stream-accepted', stream: theirs } });
      }
      case 'send': {
        const stream = this.#streams.get(effect.stream);
        const bytes = stream && this.onWire(name, stream.to, effect.bytes);
        if (stream && bytes) this.#queue.push({ name: stream.to, event: { kind: 'stream-received', stream: stream.other, bytes } });
        return;
      }
      case 'close-stream': {
        const stream = this.#streams.get(effect.stream);
        this.#streams.delete(effect.stream);
        if (stream && this.#streams.delete(stream.other)) this.#queue.push({ name: stream.to, event: { kind: 'stream-closed', stream: stream.other } });
        return;
      }
    }
  }
}

export function messageIn(bytes: Uint8Array): WireMessage {
  const outcome = decodeMessage(bytes);
  if (outcome.kind !== 'message') throw new Error(`not a message: ${JSON.stringify(outcome)}`);
  return outcome.message;
}
