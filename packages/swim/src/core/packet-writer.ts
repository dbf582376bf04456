import type { NodeId } from '@engram/kernel';
import type { ClusterIdentity } from './cluster-identity.js';
import { assemblePacket, encodeMessage, encodeSender, packetOverhead } from './codec.js';
import type { Address, Identity } from './member.js';
import type { StreamId } from './messages.js';
import type { Roster } from './roster.js';
import type { SwimContext } from './swim-context.js';

/** What rides along where there is room; see news.ts. */
export interface Riding {
  take(room: number): readonly Uint8Array[];
}

/** Makes packets of ours: who says it, what, and news in the room that is left. */
export class PacketWriter {
  readonly #context: SwimContext;
  readonly #cluster: ClusterIdentity;
  readonly #roster: Roster;
  readonly #riding: Riding;
  /** Who we are, as it begins every packet. */
  #sender: Uint8Array;

  constructor(context: SwimContext, cluster: ClusterIdentity, roster: Roster, self: Identity, riding: Riding) {
    this.#context = context;
    this.#cluster = cluster;
    this.#roster = roster;
    this.#sender = encodeSender(self);
    this.#riding = riding;
  }

  speakAs(self: Identity): void {
    this.#sender = encodeSender(self);
  }

  /** Bytes for messages in one datagram of ours. */
  get room(): number {
    const { datagramBytesMax, datagramOverheadBytes } = this.#context.options;
    return datagramBytesMax - datagramOverheadBytes - packetOverhead(this.#sender);
  }

  /**
   * What an answer may take. An address that has answered us may be sent whole datagrams; any other no more bytes than
   * came from it.
   */
  budget(id: NodeId, from: Address, askedBytes: number): number {
    const isProven = this.#roster.table.isProven(id) && this.#roster.known(id).member.address === from;
    return isProven ? this.room + packetOverhead(this.#sender) : askedBytes;
  }

  ping(seq: number, target: NodeId): Uint8Array {
    return encodeMessage({ kind: 'ping', seq, target, view: this.#roster.table.fingerprint });
  }

  /** With as much news as fits behind. */
  sendWithNews(to: Address, messages: readonly Uint8Array[]): void {
    this.#send(to, [...messages, ...this.#riding.take(this.room - bytesOf(messages))]);
  }

  /** These alone, when there are any. */
  send(to: Address, messages: readonly Uint8Array[]): void {
    if (messages.length > 0) this.#send(to, messages);
  }

  /** The answer, then what is to come first of the rest, then news: all within the budget, or nothing at all. */
  answer(to: Address, answer: Uint8Array, first: readonly Uint8Array[], budget: number): void {
    const room = Math.min(this.room, budget - packetOverhead(this.#sender));
    if (answer.length > room) return this.#context.count('unproven');
    const messages = [answer];
    for (const message of first) if (bytesOf(messages) + message.length <= room) messages.push(message);
    this.#send(to, [...messages, ...this.#riding.take(room - bytesOf(messages))]);
  }

  sendFrame(stream: StreamId, messages: readonly Uint8Array[]): void {
    this.#context.emit({ kind: 'send-stream', stream, bytes: this.frame(messages) });
  }

  /** Every frame names our cluster in full. */
  frame(messages: readonly Uint8Array[]): Uint8Array {
    return this.#packet([...this.#cluster.introduction, ...messages]);
  }

  #send(to: Address, messages: readonly Uint8Array[]): void {
    this.#context.stats.datagramsSent++;
    this.#context.emit({ kind: 'send-datagram', to, bytes: this.#packet(messages) });
  }

  #packet(messages: readonly Uint8Array[]): Uint8Array {
    return assemblePacket(this.#cluster.header, this.#sender, messages);
  }
}

export function bytesOf(messages: readonly Uint8Array[]): number {
  return messages.reduce((sum, message) => sum + message.length, 0);
}
