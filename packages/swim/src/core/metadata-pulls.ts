import { plusMs, type Instant, type NodeId } from '@engram/kernel';
import { isReachable } from './claims.js';
import { encodeMessage } from './codec.js';
import { Deadlines } from './deadlines.js';
import type { Identity } from './member.js';
import { isMetadataOf } from './metadata.js';
import type { StreamId } from './messages.js';
import type { OpenStreams } from './open-streams.js';
import type { PacketWriter } from './packet-writer.js';
import type { Roster } from './roster.js';
import type { SwimContext } from './swim-context.js';
import type { WireMessage } from './wire.js';

const metadataPullsMax = 8;

/** Metadata too large for the news is fetched from its owner, by the hash that the news carried. */
export class MetadataPulls {
  readonly #context: SwimContext;
  readonly #roster: Roster;
  readonly #writer: PacketWriter;
  readonly #streams: OpenStreams;
  readonly #wanted = new Deadlines<NodeId>();

  constructor(context: SwimContext, roster: Roster, writer: PacketWriter, streams: OpenStreams) {
    this.#context = context;
    this.#roster = roster;
    this.#writer = writer;
    this.#streams = streams;
  }

  get nextDeadline(): Instant | undefined { return this.#wanted.next; }

  /** Everybody hears of new metadata at once; spread over some time, the owner can serve them all. */
  soon(id: NodeId, now: Instant): void {
    this.#wanted.set(id, plusMs(now, this.#context.random.float() * this.#context.options.gossipMs * Math.max(1, this.#roster.living / 16)));
  }

  due(now: Instant): void {
    for (const id of this.#wanted.due(now)) this.#pull(id, now);
  }

  delete(id: NodeId): void {
    this.#wanted.delete(id);
  }

  clear(): void {
    this.#wanted.clear();
  }

  /** The owner's answer. A newer version than we know of comes with its own news; only what was announced is taken. */
  pulled(id: NodeId, from: Identity, { epoch, version, bytes }: Extract<WireMessage, { kind: 'metadata' }>): void {
    const record = this.#roster.get(id);
    const isWanted = record?.metadataHash && from.id === id && epoch === record.member.epoch && version === record.member.metadata.version;
    if (!isWanted || !isMetadataOf(bytes, record.metadataHash)) return;
    this.#wanted.delete(id);
    this.#roster.put('member-updated', { ...record, member: { ...record.member, metadata: { version, bytesLength: bytes.length, bytes } }, metadataHash: undefined });
  }

  /** Ours, to somebody who asks for it. */
  serve(stream: StreamId, pull: { readonly epoch: number; readonly version: number }): void {
    const { epoch, metadata } = this.#roster.self.member;
    const has = pull.epoch === epoch && pull.version <= metadata.version && metadata.bytes;
    if (!has) return this.#context.emit({ kind: 'close-stream', stream });
    this.#writer.sendFrame(stream, [encodeMessage({ kind: 'metadata', epoch, version: metadata.version, bytes: metadata.bytes })]);
  }

  #pull(id: NodeId, now: Instant): void {
    const record = this.#roster.get(id);
    if (!record?.metadataHash || !isReachable(record.member)) return;
    this.#wanted.set(id, plusMs(now, (2 + 4 * this.#context.random.float()) * this.#context.options.periodMs));
    if (this.#streams.count('metadata') >= metadataPullsMax) return;
    const pull = encodeMessage({ kind: 'metadata-pull', epoch: record.member.epoch, version: record.member.metadata.version });
    this.#streams.open({ purpose: 'metadata', to: record.member.address, id }, [pull], now);
  }
}
