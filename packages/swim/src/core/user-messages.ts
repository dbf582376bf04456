import type { Instant, NodeId } from '@engram/kernel';
import { isReachable } from './claims.js';
import { encodeMessage, isTopic, topicBytesMax } from './codec.js';
import type { Address, Identity } from './member.js';
import type { StreamId, SwimEvent } from './messages.js';
import { tooLarge } from './metadata.js';
import type { News } from './news.js';
import type { OpenStreams } from './open-streams.js';
import type { PacketWriter } from './packet-writer.js';
import { RecentIds } from './recent-ids.js';
import type { Roster } from './roster.js';
import type { SwimContext } from './swim-context.js';
import type { BroadcastMessage, WireMessage } from './wire.js';

type UserMessage = Extract<WireMessage, { kind: 'message' }>;

/** What the application says to everybody or to one, through us. */
export class UserMessages {
  readonly #context: SwimContext;
  readonly #roster: Roster;
  readonly #news: News;
  readonly #writer: PacketWriter;
  readonly #streams: OpenStreams;
  readonly #self: NodeId;
  /** So that each broadcast is delivered once. */
  readonly #heard: RecentIds;

  constructor(context: SwimContext, self: NodeId, roster: Roster, news: News, writer: PacketWriter, streams: OpenStreams) {
    this.#context = context;
    this.#self = self;
    this.#roster = roster;
    this.#news = news;
    this.#writer = writer;
    this.#streams = streams;
    this.#heard = new RecentIds(context.options.broadcastsRememberedMax);
  }

  broadcast({ request, topic, bytes }: Extract<SwimEvent, { kind: 'broadcast' }>, now: Instant): void {
    const context = this.#context;
    const { broadcastBytesMax, broadcastsMax } = context.options;
    if (context.phase !== 'joined') return context.refuse(request, 'not_ready', 'join before broadcasting');
    if (!isTopic(topic)) return context.refuse(request, 'invalid_argument', `a topic has 1 to ${topicBytesMax} bytes of UTF-8`);
    if (bytes.length > broadcastBytesMax) return context.refuse(request, 'payload_too_large', tooLarge('a broadcast', bytes.length, broadcastBytesMax));
    if (this.#news.broadcastsQueued >= broadcastsMax) return context.refuse(request, 'overloaded', `${broadcastsMax} broadcasts are still on their way`);
    const message: BroadcastMessage = { kind: 'broadcast', origin: this.#self, high: context.random.uint32(), low: context.random.uint32(), topic, bytes };
    this.#heard.add(keyOf(message));
    this.#news.broadcast(keyOf(message), encodeMessage(message), now);
    context.complete(request);
  }

  /** Delivered, and passed on. */
  hearBroadcast(message: BroadcastMessage, now: Instant): void {
    const key = keyOf(message);
    if (!this.#heard.add(key)) return;
    this.#context.emit({ kind: 'broadcast-received', from: message.origin, topic: message.topic, bytes: message.bytes });
    const encoded = encodeMessage(message);
    // One that would never fit our packets would ride for ever.
    if (encoded.length > this.#writer.room) return;
    if (this.#news.broadcastsQueued >= this.#context.options.broadcastsMax) this.#news.dropMostTravelledBroadcast();
    this.#news.broadcast(key, encoded, now);
  }

  send({ request, to, bytes, reliable }: Extract<SwimEvent, { kind: 'send-message' }>, now: Instant): void {
    const context = this.#context;
    const record = this.#roster.get(to);
    if (context.phase !== 'joined') return context.refuse(request, 'not_ready', 'join before sending');
    if (!record || !isReachable(record.member)) return context.refuse(request, 'unavailable', `${to} is not among the living`);
    const message = encodeMessage({ kind: 'message', target: to, epoch: record.member.epoch, bytes });
    const bytesMax = reliable ? context.options.messageBytesMax : this.#writer.room - (message.length - bytes.length);
    if (bytes.length > bytesMax) return context.refuse(request, 'payload_too_large', tooLarge('a message', bytes.length, bytesMax));
    if (reliable) {
      if (!this.#streams.open({ purpose: 'message', to: record.member.address, request }, [message], now)) context.refuse(request, 'overloaded', 'too many streams are open');
      return;
    }
    this.#writer.send(record.member.address, [message]);
    context.complete(request);
  }

  /**
   * A message of one datagram, unless it was meant for another, or for an earlier life under our id. Who sends it may know
   * us only as we were before we restarted: such a datagram is lost, as datagrams are.
   */
  hearDatagram(sender: Identity, { target, epoch, bytes }: UserMessage, from: Address): void {
    const { member } = this.#roster.self;
    if (target !== member.id || epoch !== member.epoch) return this.#context.reject('misdirected', from);
    this.#deliver(sender, bytes, false);
  }

  /** A message on a stream, which is confirmed. A stream cannot be replayed, so it may be for an earlier life. */
  hearFrame(stream: StreamId, sender: Identity, { target, bytes }: UserMessage, from: Address): void {
    if (target !== this.#self) {
      this.#context.reject('misdirected', from);
      return this.#context.emit({ kind: 'close-stream', stream });
    }
    this.#deliver(sender, bytes, true);
    this.#writer.sendFrame(stream, [encodeMessage({ kind: 'received' })]);
  }

  #deliver(from: Identity, bytes: Uint8Array, reliable: boolean): void {
    this.#context.emit({ kind: 'message-received', from: from.id, bytes, reliable });
  }
}

function keyOf({ origin, high, low }: BroadcastMessage): string {
  return `${origin}/${high}/${low}`;
}
