import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { Address, StreamId } from '../core/index.js';
import type { Conversation, Conversations } from './conversation.js';
import { addressOf, canonicalHost } from './endpoint.js';
import { framed, FrameReader } from './frame-reader.js';
import type { SealRejection } from './seal.js';
import { bindError, codeOf } from './udp-transport.js';

/** Why a stream, or what came on it, was dropped by the transport. */
export type StreamRejection = SealRejection | 'frame-too-large' | 'streams-full' | 'stream-idle' | 'stream-late';

export interface TcpOptions {
  /** A literal to listen on. `::` listens on IPv4 too. */
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** The largest frame, before protection. */
  readonly frameBytesMax: number;
  readonly conversations: Conversations;
  /** Streams of others at one time. @default 128 */
  readonly inboundMax?: number;
  /** A stream of others that brings nothing for this long is ended. @default 10_000 */
  readonly idleMs?: number;
  /** No stream of others lasts longer than this, however busy. @default 60_000 */
  readonly lifetimeMs?: number;
  /** What a stream that we close may take to get its last bytes out. @default 2_000 */
  readonly lingerMs?: number;
  readonly onFrame: (stream: StreamId, from: Address, bytes: Uint8Array) => void;
  readonly onClosed: (stream: StreamId, reason: string) => void;
  readonly onRejected: (reason: StreamRejection, from: Address) => void;
}

/** Streams and their payload since the socket was bound; `open` is how many there are now. */
export interface TcpCounters {
  readonly streamsIn: number;
  readonly streamsOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly open: number;
}

/** Bytes of ours that the other side has not taken; a conversation is a few frames, each answered before the next. */
const unsentFramesMax = 4;

/** One connection, which carries one conversation and is then gone. */
interface Stream {
  readonly id: StreamId;
  readonly from: Address;
  readonly socket: Socket;
  readonly conversation: Conversation;
  readonly reader: FrameReader;
  /** True on the accepting side, and once the greeting is there on the opening side. */
  greeted: boolean;
  /** Frames that wait for the greeting. */
  readonly waiting: Uint8Array[];
  /** One whole frame was opened: with keys, the other side is one of us. */
  proven: boolean;
  /** The core has closed it, or was told that it is closed; either way it hears no more of it. */
  over: boolean;
  lifetime?: NodeJS.Timeout;
}

/**
 * Streams: every frame preceded by its length, every size capped before memory is taken. Streams that we open have
 * positive numbers, chosen by the core; those of others have negative ones, chosen here and never used twice.
 */
export class TcpTransport {
  readonly #options: Required<TcpOptions>;
  readonly #server: Server;
  readonly #streams = new Map<StreamId, Stream>();
  readonly #sockets = new Set<Socket>();
  readonly #counters = { streamsIn: 0, streamsOut: 0, bytesIn: 0, bytesOut: 0 };
  #nextInbound: StreamId = -1;
  #inbound = 0;
  #closed = false;

  /** Rejects with `address_in_use` or `invalid_argument`, both naming the address; nothing stays open then. */
  static async bind(options: TcpOptions): Promise<TcpTransport> {
    const transport = new TcpTransport(options);
    await transport.#listen();
    return transport;
  }

  private constructor(options: TcpOptions) {
    this.#options = { inboundMax: 128, idleMs: 10_000, lifetimeMs: 60_000, lingerMs: 2_000, ...options };
    this.#server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Bytes so far. */
  get received(): number {
    return this.#counters.bytesIn;
  }

  /** Connects and sends one frame. `host` is a literal; `to` is how the core spells it. Failure comes back as closed. */
  open(id: StreamId, to: Address, host: string, port: number, frame: Uint8Array): void {
    if (this.#closed) return;
    this.#counters.streamsOut += 1;
    const socket = connect({ host, port, noDelay: true });
    const conversation = this.#options.conversations.open();
    const stream = this.#start(id, to, socket, conversation);
    stream.greeted = conversation.greetingBytes === 0;
    this.#write(stream, frame);
  }

  send(id: StreamId, frame: Uint8Array): void {
    const stream = this.#streams.get(id);
    if (stream) this.#write(stream, frame);
  }

  /** Ends the stream once what was sent before is out. Nothing of it is heard any more. */
  end(id: StreamId): void {
    const stream = this.#streams.get(id);
    if (!stream) return;
    this.#forget(stream);
    if (!stream.greeted) return void stream.socket.destroy();
    stream.socket.end();
    const { socket } = stream;
    const linger = setTimeout(() => socket.destroy(), this.#options.lingerMs);
    socket.once('close', () => clearTimeout(linger));
    // What still comes is thrown away; a socket that nobody reads would never see the end of the other side.
    socket.resume();
  }

  counters(): TcpCounters {
    return { ...this.#counters, open: this.#sockets.size };
  }

  /** Stops listening and cuts every stream off. The port is free when this resolves. */
  close(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#closed = true;
    for (const stream of this.#streams.values()) this.#forget(stream);
    for (const socket of this.#sockets) socket.destroy();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  async #listen(): Promise<void> {
    const { host, port } = this.#options;
    try {
      await new Promise<void>((resolve, reject) => {
        this.#server.once('error', reject);
        this.#server.listen({ host, port, ipv6Only: host !== '::' && host.includes(':'), exclusive: true }, () => {
          this.#server.off('error', reject);
          resolve();
        });
      });
    } catch (error) {
      this.#closed = true;
      throw bindError('TCP', addressOf(host, port), error);
    }
    // Accepting can fail when descriptors run out. The next connection tries again.
    this.#server.on('error', () => undefined);
  }

  #accept(socket: Socket): void {
    const from = addressOf(canonicalHost(socket.remoteAddress ?? '0.0.0.0'), socket.remotePort ?? 0);
    if (this.#closed || !this.#hasRoom()) {
      socket.destroy();
      return this.#options.onRejected('streams-full', from);
    }
    this.#counters.streamsIn += 1;
    this.#inbound += 1;
    const conversation = this.#options.conversations.accept();
    const stream = this.#start(this.#nextInbound--, from, socket, conversation);
    socket.setTimeout(this.#options.idleMs, () => this.#giveUp(stream, 'stream-idle'));
    stream.lifetime = setTimeout(() => this.#giveUp(stream, 'stream-late'), this.#options.lifetimeMs);
    if (conversation.greeting.length > 0) this.#put(stream, conversation.greeting);
  }

  /** When full, whoever has been silent for longest without proving anything makes room, so that silence cannot lock us up. */
  #hasRoom(): boolean {
    if (this.#inbound < this.#options.inboundMax) return true;
    for (const stream of this.#streams.values()) {
      if (stream.id > 0 || stream.proven) continue;
      this.#giveUp(stream, 'streams-full');
      return true;
    }
    return false;
  }

  #start(id: StreamId, from: Address, socket: Socket, conversation: Conversation): Stream {
    const { frameBytesMax, conversations } = this.#options;
    const reader = new FrameReader(frameBytesMax + conversations.overheadBytes);
    const stream: Stream = { id, from, socket, conversation, reader, greeted: true, waiting: [], proven: false, over: false };
    this.#streams.set(id, stream);
    this.#sockets.add(socket);
    let failure = 'ended by the other side';
    socket.on('error', (error) => (failure = codeOf(error)));
    socket.on('data', (bytes) => this.#read(stream, bytes));
    socket.on('end', () => this.#over(stream, failure));
    socket.on('close', () => {
      this.#sockets.delete(socket);
      this.#over(stream, failure);
    });
    return stream;
  }

  #read(stream: Stream, bytes: Uint8Array): void {
    this.#counters.bytesIn += bytes.length;
    if (stream.over) return;
    let rest: Uint8Array = bytes;
    if (!stream.greeted) {
      const greeting = stream.reader.readExactly(rest, stream.conversation.greetingBytes);
      if (!greeting) return;
      this.#greet(stream, greeting);
      rest = new Uint8Array(0);
    }
    const read = stream.reader.read(rest);
    if (read.kind === 'too-large') return this.#reject(stream, 'frame-too-large');
    for (const frame of read.frames) {
      const opened = stream.conversation.open(frame);
      if (opened.kind === 'rejected') return this.#reject(stream, opened.reason);
      stream.proven = true;
      this.#options.onFrame(stream.id, stream.from, opened.bytes);
      // Whoever hears a frame may close the stream.
      if (stream.over) return;
    }
  }

  #greet(stream: Stream, greeting: Uint8Array): void {
    stream.conversation.greeted(greeting);
    stream.greeted = true;
    for (const frame of stream.waiting.splice(0)) this.#write(stream, frame);
  }

  #write(stream: Stream, frame: Uint8Array): void {
    if (!stream.greeted) return void stream.waiting.push(frame);
    this.#put(stream, framed(stream.conversation.seal(frame)));
  }

  #put(stream: Stream, bytes: Uint8Array): void {
    if (stream.socket.destroyed) return;
    const unsentMax = unsentFramesMax * (this.#options.frameBytesMax + this.#options.conversations.overheadBytes);
    if (stream.socket.writableLength + bytes.length > unsentMax) return this.#cut(stream, 'the other side does not read');
    this.#counters.bytesOut += bytes.length;
    stream.socket.write(bytes);
  }

  /** Something came that no member of ours sends. */
  #reject(stream: Stream, reason: StreamRejection): void {
    this.#options.onRejected(reason, stream.from);
    this.#cut(stream, reason);
  }

  /** A stream of others that does not get anywhere. One that was used and then left open is no offence. */
  #giveUp(stream: Stream, reason: StreamRejection): void {
    if (!stream.proven) this.#options.onRejected(reason, stream.from);
    this.#cut(stream, reason);
  }

  #cut(stream: Stream, reason: string): void {
    stream.socket.destroy();
    this.#over(stream, reason);
  }

  #over(stream: Stream, reason: string): void {
    if (stream.over) return;
    this.#forget(stream);
    this.#options.onClosed(stream.id, reason);
  }

  #forget(stream: Stream): void {
    if (stream.over) return;
    stream.over = true;
    clearTimeout(stream.lifetime);
    this.#streams.delete(stream.id);
    if (stream.id < 0) this.#inbound -= 1;
  }
}
