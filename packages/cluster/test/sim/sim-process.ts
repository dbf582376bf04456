import { crc32 } from 'node:zlib';
import { Driver, hash64, hlcOf, parseNodeId, plusMs, utf8Encode, type ClusterId, type Hlc, type Instant, type NodeId } from '@engram/kernel';
import type { SimEnv, SimProcess } from '@engram/kernel/sim';
import { clusterMapCodec, decodeAcceptorState, type AcceptorState, type MapContent } from '@engram/placement/core';
import type { ReplicationEffect, ReplicationEvent } from '@engram/replication/core';
import { ClusterNode, decodeFormationMessage, encodeFormationMessage, FormationCore, type ClusterEffect, type Verb, type ClusterEvent, type ClusterNodeOptions, type FormationEffect, type FormationEvent, type FormationRecord, type NodeCard } from '../../src/core/index.js';
import { SimDisk, type DiskHabits } from './sim-disk.js';
import { SimMembers } from './sim-members.js';
import { SimStreams } from './sim-streams.js';

/** What a process does wrong because a bug was planted. */
export interface ProcessDefects {
  readonly forgetsAcceptor?: boolean;
}

export interface ProcessSetting {
  readonly others: readonly NodeId[];
  readonly expect: number | undefined;
  readonly zone?: string;
  readonly node: ClusterNodeOptions;
  readonly disk: DiskHabits;
  readonly defects?: ProcessDefects;
  readonly watch?: (process: ClusterProcess, effect: ClusterEffect) => void;
  /** What the acceptor has accepted is durable. */
  readonly accepted?: (process: ClusterProcess, bytes: Uint8Array) => void;
  readonly appliedAgain?: (process: ClusterProcess, id: string) => unknown;
}

const channels = { greeting: 1, formation: 2, control: 3 } as const;
const decoder = new TextDecoder();

/** One life of a node: formation, the cluster node, a disk, streams, and somebody who says who is alive. */
export class ClusterProcess implements SimProcess {
  readonly id: NodeId;
  readonly disk: SimDisk;
  readonly formation: FormationCore;
  readonly node: ClusterNode;
  readonly members: SimMembers;
  readonly streams: SimStreams;
  readonly #env: SimEnv;
  readonly #setting: ProcessSetting;
  readonly #forming: Driver<FormationEvent, FormationEffect>;
  readonly #driver: Driver<ClusterEvent, ClusterEffect>;
  readonly #snapshots = new Map<number, { readonly ids: readonly string[] }>();
  #hlcMs = 1;
  controlBytes = 0;
  controlMessages = 0;

  constructor(env: SimEnv, setting: ProcessSetting) {
    this.#env = env;
    this.#setting = setting;
    this.id = parseNodeId(env.id);
    this.disk = new SimDisk(env, setting.disk);
    const card: NodeCard = { id: this.id, storageId: this.disk.storageId, addresses: { swim: env.address }, zone: setting.zone ?? '', rack: '', capacity: 1 };
    const record = JSON.parse(decoder.decode(this.disk.read('cluster') ?? utf8Encode('{}'))) as FormationRecord;
    const acceptor = setting.defects?.forgetsAcceptor === true && !this.disk.isNew ? undefined : this.#stored('acceptor');
    // What was written before the process died counts, whether it was told or not: the disk was synced when it was opened.
    const written = this.disk.read('acceptor');
    if (written && acceptor) setting.accepted?.(this, written);
    const map = this.#stored('map')?.accepted?.state;
    this.node = new ClusterNode(
      env.random.fork('node'), crc32,
      { now: env.clock.now(), card, acceptor, fresh: this.disk.isNew, ...(map && { map }), replication: { records: this.disk.records, entries: this.disk.log, nextLsn: this.disk.next } },
      setting.node,
    );
    this.#driver = new Driver(this.node, env.clock, (effect) => this.#perform(effect));
    this.streams = new SimStreams(env, (event) => this.replicate(event));
    this.formation = new FormationCore(env.random.fork('formation'), { self: this.id, record, ...(setting.expect !== undefined && { expect: setting.expect }) });
    this.#forming = new Driver(this.formation, env.clock, (effect) => this.#performForming(effect));
    if (this.formation.clusterId !== undefined) this.#belongTo(this.formation.clusterId, this.formation.founded);
    env.datagrams.onReceive((from, packet) => this.#received(parseNodeId(from.replace(':7946', '')), packet));
    this.members = new SimMembers(env, setting.others, () => ({ clusterId: this.formation.clusterId, expect: setting.expect, card }), (to, bytes) => this.#send(to, channels.greeting, bytes), () => this.#tellMembers());
    if (setting.disk.keepEntries < Infinity) this.#checkpointLater();
  }

  get now(): Instant {
    return this.#env.clock.now();
  }

  stamp(): Hlc {
    return hlcOf(++this.#hlcMs, 0);
  }

  replicate(event: ReplicationEvent): void {
    this.#driver.dispatch({ kind: 'replication', event });
  }

  /** As an operator would; answered by the effect `verb-answered` with the same number. */
  ask(request: number, verb: Verb): void {
    this.#driver.dispatch({ kind: 'verb-asked', request, verb });
  }

  /** As if it had come over the network. */
  hear(from: NodeId, bytes: Uint8Array): void {
    this.#driver.dispatch({ kind: 'control-received', from, bytes });
  }

  /** SIGTERM: says that it goes, hands over, goes. */
  stop(): void {
    this.members.leaving = true;
    this.#driver.dispatch({ kind: 'leaving' });
    // Whatever happens, the process ends: whoever sent SIGTERM sends SIGKILL next.
    this.#env.clock.schedule(plusMs(this.now, 2_000), () => this.#env.exit('stopped'));
  }

  #stored(name: string): AcceptorState<MapContent> | undefined {
    const bytes = this.disk.read(name);
    if (bytes === undefined) return undefined;
    const decoded = decodeAcceptorState(bytes, clusterMapCodec);
    if (decoded.kind === 'rejected') throw new Error(`${name} of ${this.#env.id} cannot be read: ${decoded.reason}`);
    return decoded.message;
  }

  #performForming(effect: FormationEffect): void {
    switch (effect.kind) {
      case 'persist': return this.disk.write('cluster', utf8Encode(JSON.stringify(effect.record)), () => this.#forming.dispatch({ kind: 'persisted' }));
      case 'send':    return this.#send(effect.to, channels.formation, encodeFormationMessage(effect.message));
      case 'joined':  return this.#belongTo(effect.clusterId, effect.founded);
      default:        return;
    }
  }

  #belongTo(clusterId: ClusterId, founded: boolean): void {
    this.#env.trace('joined', clusterId);
    this.#driver.dispatch({ kind: 'joined', clusterId, founded });
  }

  #perform(effect: ClusterEffect): void {
    this.#setting.watch?.(this, effect);
    switch (effect.kind) {
      case 'send-control':
        this.controlBytes += effect.bytes.length;
        this.controlMessages++;
        return this.#send(effect.to, channels.control, effect.bytes);
      case 'persist-acceptor': return this.disk.write('acceptor', effect.bytes, () => {
        this.#setting.accepted?.(this, effect.bytes);
        this.#driver.dispatch({ kind: 'acceptor-persisted' });
      });
      case 'keep-map':         return this.disk.write('map', effect.bytes);
      case 'replication':      return this.#performReplication(effect.effect);
      case 'map-changed':      return this.#env.trace('map', effect.map.epoch);
      case 'verb-answered':    return this.#env.trace('verb', effect.request, JSON.stringify(effect.answer));
      case 'lease-changed':    return this.#env.trace('lease', effect.held ? 1 : 0);
      case 'ready-to-leave':   return void this.#env.clock.schedule(plusMs(this.now, 50), () => this.#env.exit('stopped'));
      case 'notice':           return this.#env.trace(effect.what, JSON.stringify(effect.details));
    }
  }

  #performReplication(effect: ReplicationEffect): void {
    switch (effect.kind) {
      case 'append-log':     return this.disk.append(effect.entries, (first) => this.replicate({ kind: 'appended', id: effect.id, first }));
      case 'persist':        return this.disk.writeRecord(effect.record, () => this.replicate({ kind: 'persisted', id: effect.id }));
      case 'read-log':       return this.#readLog(effect);
      case 'apply':          return this.#apply(effect.entries);
      case 'open-stream':    return this.streams.connect(effect.peer);
      case 'send':           return this.streams.send(effect.stream, effect.bytes);
      case 'close-stream':   return this.streams.close(effect.stream);
      case 'open-snapshot':  return void this.#snapshots.set(effect.id, { ids: [...this.disk.operations(effect.partition)].sort() });
      case 'read-snapshot':  return this.#readSnapshot(effect);
      case 'close-snapshot': return void this.#snapshots.delete(effect.id);
      case 'install-chunk':
        this.disk.install(effect.partition, effect.bytes);
        return this.disk.later(() => this.replicate({ kind: 'installed', id: effect.id }));
      case 'finish-install': return this.disk.afterSync(() => this.replicate({ kind: 'installed', id: effect.id }));
      case 'leading':        return this.#env.trace('leading', effect.partition, effect.epoch);
      case 'stepped-down':   return this.#env.trace('stepped-down', effect.partition, effect.epoch, effect.promised);
      case 'tail-set-aside': return this.#env.trace('tail-set-aside', effect.partition, effect.entries, effect.to.seq);
      case 'superseded':     return this.#env.trace('superseded', effect.partition, effect.epoch, effect.promised);
      default:               return;
    }
  }

  #apply(entries: Extract<ReplicationEffect, { kind: 'apply' }>['entries']): void {
    for (const { partition, operation } of entries) {
      if (operation === undefined) continue;
      const id = decoder.decode(operation);
      if (this.disk.applied.has(id)) this.#setting.appliedAgain?.(this, id);
      this.disk.applied.add(id);
      this.disk.operations(partition).add(id);
    }
  }

  #readLog({ id, from, partitions, entriesMax }: Extract<ReplicationEffect, { kind: 'read-log' }>): void {
    const wanted = new Set(partitions);
    this.disk.later(() => {
      const { log, first } = this.disk;
      const entries = [];
      let at = Math.max(from, first);
      for (; at < first + log.length && entries.length < entriesMax; at++) {
        const read = log[at - first];
        if (read && wanted.has(read.entry.partition)) entries.push(read);
      }
      this.replicate({ kind: 'log-read', id, entries, next: at as typeof from, end: at === first + log.length });
    });
  }

  #readSnapshot({ id, cursor, bytesMax }: Extract<ReplicationEffect, { kind: 'read-snapshot' }>): void {
    const ids = (this.#snapshots.get(id)?.ids ?? []).filter((one) => one > cursor);
    const some = ids.slice(0, Math.max(1, Math.floor(bytesMax / 20)));
    const next = some.length < ids.length ? (some.at(-1) as string) : '';
    this.disk.later(() => this.replicate({ kind: 'snapshot-read', id, bytes: utf8Encode(JSON.stringify(some)), next }));
  }

  #checkpointLater(): void {
    this.#env.clock.schedule(plusMs(this.now, 700), () => {
      const retain = this.node.retainFrom();
      if (retain && this.disk.checkpoint(retain, this.node.replicationRecords())) this.replicate({ kind: 'log-trimmed', first: this.disk.first as typeof retain.needed });
      this.#checkpointLater();
    });
  }

  #tellMembers(): void {
    this.#forming.dispatch({ kind: 'peers', peers: this.members.peers() });
    this.#driver.dispatch({ kind: 'members', nodes: this.members.seen() });
  }

  /** Every packet carries a checksum, as those of a real transport do. */
  #send(to: NodeId, channel: number, bytes: Uint8Array): void {
    const packet = new Uint8Array(9 + bytes.length);
    packet[8] = channel;
    packet.set(bytes, 9);
    new DataView(packet.buffer).setBigUint64(0, hash64(packet.subarray(8)));
    this.#env.datagrams.send(`${to}:7946`, packet);
  }

  #received(from: NodeId, packet: Uint8Array): void {
    if (packet.length < 10 || new DataView(packet.buffer, packet.byteOffset).getBigUint64(0) !== hash64(packet.subarray(8))) return;
    const bytes = packet.slice(9);
    switch (packet[8]) {
      case channels.greeting:  return this.#greeted(from, bytes);
      case channels.control:   return this.#driver.dispatch({ kind: 'control-received', from, bytes });
      case channels.formation: {
        const message = decodeFormationMessage(bytes);
        if (message) this.#forming.dispatch({ kind: 'message-received', from, message });
      }
    }
  }

  #greeted(from: NodeId, bytes: Uint8Array): void {
    const clusterId = this.members.received(from, bytes);
    if (clusterId !== undefined && this.formation.clusterId === undefined) this.#forming.dispatch({ kind: 'cluster-id-learned', clusterId });
  }
}
