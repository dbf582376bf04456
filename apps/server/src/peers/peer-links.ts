import { EngramError, OptionsError, type ClusterId, type NodeId } from '@engram/kernel';
import { answerForwarded, callPeer, peerHeaders, peerProtocolVersion, toFrameService, type CallAnswerer, type FrameChannel, type FrameListener, type FrameStream, type FrameStreamOptions, type FrameStreamStats, type PeerIdentity } from '@engram/rpc';
import type { Server } from '@grpc/grpc-js';
import { ControlLink, type ControlLinkStats } from './control-link.js';
import { forwardedByHeader } from './forwarded.js';
import { PeerChannels, type ChannelLease } from './peer-channels.js';

/** A pino logger, or anything with these methods. */
export interface PeerLog {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
}

/** When things are given up, all in milliseconds. The defaults suit nodes that renew a lease of 2 s. */
export interface PeerTimings {
  /** How long a peer may take to answer a call, connecting included. @default 1500 */
  readonly handshakeMs: number;
  /** How long an accepted stream may be silent; the caller breaks the silence four times as often. @default 2000 */
  readonly silenceMs: number;
  /** How often a connection in use is asked whether its other end lives. @default 500 */
  readonly keepaliveMs: number;
  /** How long the answer may take. @default 1400 */
  readonly keepaliveTimeoutMs: number;
  /** After this long without a message, the control stream to a peer is closed. @default 60000 */
  readonly idleMs: number;
  /** How often idle streams and changed addresses are looked for. @default 1000 */
  readonly sweepMs: number;
  /** Longest pause after the first failure to reach a peer; it doubles with each. The pause is drawn evenly below it. @default 50 */
  readonly backoffMs: number;
  /** @default 2000 */
  readonly backoffMaxMs: number;
  /** A control stream that ends sooner counts as a failure. @default 1000 */
  readonly stableMs: number;
  /** How long frames that wait may still take to leave when a stream is closed. @default 1000 */
  readonly closeGraceMs: number;
}

const defaultTimings: PeerTimings = {
  handshakeMs: 1_500,
  silenceMs: 2_000,
  keepaliveMs: 500,
  keepaliveTimeoutMs: 1_400,
  idleMs: 60_000,
  sweepMs: 1_000,
  backoffMs: 50,
  backoffMaxMs: 2_000,
  stableMs: 1_000,
  closeGraceMs: 1_000,
};

export interface PeerLinksOptions {
  readonly self: NodeId;
  /** Undefined while this node belongs to no cluster: it then calls nobody, and asks who calls to try again later. */
  readonly clusterId: () => ClusterId | undefined;
  /** `host:port` of the gRPC port of a node; undefined when it is not known. */
  readonly addressOf: (node: NodeId) => string | undefined;
  /** Connections to each peer: `network.connection_pool_size`. */
  readonly poolSize: number;
  /** Largest message either way: `network.max_message_size`. */
  readonly maxMessageBytes: number;
  readonly log: PeerLog;
  /** A whole message from another node, or from this one to itself. Some may be missing. */
  readonly onControl: (from: NodeId, bytes: Uint8Array) => void;
  /** Told of streams of replication. None is called from within `openStream` or `send`, but `closed` may be. */
  readonly replication: {
    /** Answers `openStream`: this number stands for the stream from now on. */
    opened(peer: NodeId, stream: number): void;
    /** Answers `openStream` too. */
    failed(peer: NodeId): void;
    /** Another node has opened a stream. */
    accepted(stream: number, peer: NodeId): void;
    /** One frame, whole, in order. */
    received(stream: number, bytes: Uint8Array): void;
    /** Once for every stream that was opened or accepted, whoever closed it; nothing follows. */
    closed(stream: number): void;
  };
  /** How many bytes may wait on a stream of replication before it is given up. @default 16 MiB */
  readonly replicationOutboxBytes?: number;
  /** How many bytes of control messages may wait for a peer before the oldest are dropped. @default 1 MiB */
  readonly controlOutboxBytes?: number;
  readonly timings?: Partial<PeerTimings>;
  /** Draws the pauses between tries, in [0, 1). @default Math.random */
  readonly random?: () => number;
}

/** Who answers what other nodes pass on. */
export interface ForwardedCalls {
  readonly answer: CallAnswerer;
  /** Aborts when this node stops. */
  readonly stopping: AbortSignal;
}

export interface ReplicationStreamStats extends FrameStreamStats {
  readonly stream: number;
  readonly peer: NodeId;
  readonly role: 'opened' | 'accepted';
}

export interface PeerLinksStats {
  readonly control: readonly ControlLinkStats[];
  readonly streams: readonly ReplicationStreamStats[];
  /** Calls of other nodes that are open now, control and replication. */
  readonly acceptedCalls: number;
  /** Calls that were refused before a frame of them was handled. */
  readonly refusedCalls: number;
  readonly connections: number;
}

/** A peer needs one call of each kind; another may come while the connection of the one before is not yet known to be lost. */
const callsOfPeerMax = 4;
const acceptedCallsMax = 1_024;
/** A peer that is refused tries again and again; it is said in the log at most so often. */
const refusalsToLog = 20;

interface ReplicationStream {
  readonly peer: NodeId;
  readonly role: 'opened' | 'accepted';
  readonly frames: FrameStream;
  readonly address: string | undefined;
}

/**
 * Carries bytes between this node and the others, on the gRPC port, without knowing what they mean: control messages,
 * which may be lost, and streams of replication, which have no gaps until they end.
 */
export class PeerLinks {
  readonly channels: PeerChannels;
  readonly #options: PeerLinksOptions;
  readonly #timings: PeerTimings;
  readonly #control = new Map<NodeId, ControlLink>();
  readonly #streams = new Map<number, ReplicationStream>();
  /** Streams that are being opened, so that closing ends them too. */
  readonly #opening = new Set<FrameStream>();
  readonly #accepted: Readonly<Record<FrameChannel, Map<NodeId, Set<FrameStream>>>> = { replication: new Map(), register: new Map(), forwarding: new Map() };
  readonly #sweeper: NodeJS.Timeout;
  /** How often in a row no stream could be opened to a peer. There are as many as there are nodes. */
  readonly #refusals = new Map<NodeId, number>();
  #acceptedCalls = 0;
  #refusedCalls = 0;
  #streamsMade = 0;
  #closed = false;

  constructor(options: PeerLinksOptions) {
    this.#options = options;
    this.#timings = { ...defaultTimings, ...options.timings };
    for (const [name, value] of Object.entries(this.#timings)) {
      if (!(value > 0)) throw new OptionsError(`timings.${name}`, 'must be positive');
    }
    const { addressOf, poolSize, maxMessageBytes } = options;
    const { keepaliveMs, keepaliveTimeoutMs } = this.#timings;
    this.channels = new PeerChannels({ addressOf, poolSize, maxMessageBytes, keepaliveMs, keepaliveTimeoutMs });
    this.#sweeper = setInterval(() => this.checkAddresses(), this.#timings.sweepMs);
    this.#sweeper.unref();
  }

  /**
   * Answers calls of other nodes. The server should read ahead one message of each stream, and no more.
   *
   * @param forwarded Who answers what other nodes pass on; without it they are told that nobody does.
   */
  addService(server: Pick<Server, 'addService'>, forwarded?: ForwardedCalls): void {
    this.#addChannel(server, 'replication', (peer, frames) => this.#listener('accepted', peer, () => frames));
    this.#addChannel(server, 'register', (peer) => ({ received: (payload) => this.#options.onControl(peer, payload), closed: () => undefined }));
    if (forwarded !== undefined) this.#addChannel(server, 'forwarding', (peer, frames) => answerForwarded(frames, { ...forwarded, peer, metadata: this.#forwardedBy(peer) }));
  }

  /**
   * Sends a message that may be lost: it is when the peer cannot be reached, or cannot keep up. Never throws. A message to
   * this node itself arrives too, later than this call returns.
   */
  sendControl(to: NodeId, bytes: Uint8Array): void {
    if (this.#closed) return;
    if (to === this.#options.self) {
      queueMicrotask(() => {
        if (!this.#closed) this.#options.onControl(to, bytes);
      });
      return;
    }
    let link = this.#control.get(to);
    if (link === undefined) {
      link = new ControlLink({
        peer: to,
        self: () => this.#self(),
        channels: this.channels,
        stream: this.#streamOptions('register'),
        timings: this.#timings,
        log: this.#options.log,
        received: (payload) => this.#options.onControl(to, payload),
        random: this.#options.random ?? Math.random,
      });
      this.#control.set(to, link);
    }
    link.send(bytes);
  }

  /** Opens a stream of replication. Answer: `opened` or `failed`, later than this call returns. */
  openStream(peer: NodeId): void {
    const { replication } = this.#options;
    const self = this.#self();
    const lease = self === undefined || this.#closed ? undefined : this.channels.acquire(peer, 'replication');
    if (self === undefined || lease === undefined || peer === self.nodeId) {
      lease?.release('done');
      setImmediate(() => replication.failed(peer));
      return;
    }
    const { opened, ...rest } = this.#listener('opened', peer, () => frames, lease);
    const frames = callPeer(lease.client, { channel: 'replication', self, peer, stream: this.#streamOptions('replication') }, {
      ...rest,
      opened: () => {
        this.#opening.delete(frames);
        opened();
      },
    });
    this.#opening.add(frames);
  }

  /**
   * Sends a frame on a stream of replication; on one that is over, nothing happens. A stream on which too much waits, or
   * for which the frame is too large, is closed. Returns whether more can be sent without waiting behind it.
   */
  send(stream: number, bytes: Uint8Array): boolean {
    const known = this.#streams.get(stream);
    if (known === undefined) return false;
    const outcome = known.frames.send(bytes);
    if (outcome === 'too-large') {
      known.frames.fail(
        new EngramError('payload_too_large', `A frame of ${bytes.byteLength} bytes is more than the ${this.#options.maxMessageBytes} that a message between nodes may have.`, {
          hint: 'Raise network.max_message_size on every node.',
        }),
      );
    }
    return outcome === 'sent';
  }

  /** Closes a stream; what was sent before still goes out. On one that is over, nothing happens. */
  closeStream(stream: number, reason: string): void {
    this.#streams.get(stream)?.frames.close(reason);
  }

  /** Closes what leads to addresses that peers no longer have. Happens by itself now and then; call it to have it happen now. */
  checkAddresses(): void {
    const { addressOf } = this.#options;
    for (const [peer, link] of this.#control) if (link.tidy(addressOf(peer))) this.#control.delete(peer);
    for (const { peer, address, frames } of [...this.#streams.values()]) {
      const now = addressOf(peer);
      if (address !== undefined && now !== undefined && now !== address) frames.close('the peer has another address');
    }
    this.channels.tidy();
  }

  stats(): PeerLinksStats {
    return {
      control: [...this.#control.values()].map((link) => link.stats()),
      streams: [...this.#streams].map(([stream, { peer, role, frames }]) => ({ stream, peer, role, ...frames.stats() })),
      acceptedCalls: this.#acceptedCalls,
      refusedCalls: this.#refusedCalls,
      connections: this.channels.size,
    };
  }

  /** Closes every stream, after what was sent on it, and every connection. Further calls are refused as `shutting_down`. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#sweeper);
    const reason = 'the node is stopping';
    const flushed: (Promise<void> | undefined)[] = [...this.#control.values()].map((link) => link.close(reason));
    const streams = [...this.#opening, ...[...this.#streams.values()].map(({ frames }) => frames), ...this.#acceptedStreams()];
    for (const frames of streams) {
      frames.close(reason);
      flushed.push(frames.flushed);
    }
    await Promise.all(flushed);
    this.channels.close();
  }

  #self(): PeerIdentity | undefined {
    const clusterId = this.#options.clusterId();
    return clusterId === undefined ? undefined : { clusterId, nodeId: this.#options.self };
  }

  #streamOptions(channel: FrameChannel): FrameStreamOptions {
    const { maxMessageBytes, replicationOutboxBytes = 16 * 1024 * 1024, controlOutboxBytes = 1024 * 1024 } = this.#options;
    const { handshakeMs, silenceMs, closeGraceMs } = this.#timings;
    const common = { frameBytesMax: maxMessageBytes, handshakeMs, silenceMs, closeGraceMs };
    return channel === 'register'
      ? { ...common, outboxBytesMax: controlOutboxBytes, overflow: 'drop-oldest' }
      : { ...common, outboxBytesMax: replicationOutboxBytes, overflow: 'close' };
  }

  #addChannel(server: Pick<Server, 'addService'>, channel: FrameChannel, listenerOf: (peer: NodeId, frames: FrameStream) => FrameListener): void {
    const { definition, implementation } = toFrameService(channel, {
      self: () => this.#self(),
      accept: (peer, frames) => this.#accept(channel, peer, frames, () => listenerOf(peer, frames)),
      onRefused: (error, address) => this.#refused(error, address),
      stream: this.#streamOptions(channel),
    });
    server.addService(definition, implementation);
  }

  #accept(channel: FrameChannel, peer: NodeId, frames: FrameStream, listenerOf: () => FrameListener): FrameListener {
    if (this.#closed) throw new EngramError('shutting_down', 'The node is stopping.');
    const ofPeer = this.#accepted[channel].get(peer) ?? new Set();
    if (ofPeer.size >= callsOfPeerMax || this.#acceptedCalls >= acceptedCallsMax) {
      throw new EngramError('overloaded', `${peer} has ${ofPeer.size} calls open and all nodes together ${this.#acceptedCalls}; no more are taken.`, {
        hint: 'Check that no two processes use this node id.',
      });
    }
    const listener = listenerOf();
    this.#accepted[channel].set(peer, ofPeer.add(frames));
    this.#acceptedCalls += 1;
    return {
      ...listener,
      closed: (end) => {
        ofPeer.delete(frames);
        if (ofPeer.size === 0) this.#accepted[channel].delete(peer);
        this.#acceptedCalls -= 1;
        listener.closed(end);
      },
    };
  }

  /** The node that calls was asked who it is when the stream began, so its calls need not say so. */
  #forwardedBy(peer: NodeId): Readonly<Record<string, string>> {
    return { [forwardedByHeader]: peer, [peerHeaders.node]: peer, [peerHeaders.cluster]: this.#options.clusterId() ?? '', [peerHeaders.protocol]: String(peerProtocolVersion) };
  }

  /** A node that is gone is tried for ever; it is told the first, second, fourth, eighth … time. */
  #notOpened(peer: NodeId, reason: string): void {
    const times = (this.#refusals.get(peer) ?? 0) + 1;
    this.#refusals.set(peer, times);
    if (Number.isInteger(Math.log2(times))) this.#options.log.warn({ peer, reason, times }, 'no stream of replication could be opened');
  }

  #listener(role: 'opened' | 'accepted', peer: NodeId, frames: () => FrameStream, lease?: ChannelLease): Required<Pick<FrameListener, 'opened' | 'received' | 'closed'>> {
    const { replication, log } = this.#options;
    let stream: number | undefined;
    return {
      opened: () => {
        stream = this.#streamsMade += 1;
        this.#refusals.delete(peer);
        this.#streams.set(stream, { peer, role, frames: frames(), address: lease?.address });
        if (role === 'opened') replication.opened(peer, stream);
        else replication.accepted(stream, peer);
      },
      received: (payload) => replication.received(stream!, payload),
      closed: (end) => {
        this.#opening.delete(frames());
        lease?.release(stream === undefined ? 'not-connected' : 'done');
        if (end.by === 'failure') {
          if (stream !== undefined) log.warn({ peer, stream, reason: end.reason }, 'a stream of replication was lost');
          else this.#notOpened(peer, end.reason);
        }
        if (stream !== undefined) {
          this.#streams.delete(stream);
          replication.closed(stream);
        } else if (role === 'opened') replication.failed(peer);
      },
    };
  }

  *#acceptedStreams(): Iterable<FrameStream> {
    for (const peers of Object.values(this.#accepted)) for (const streams of peers.values()) yield* streams;
  }

  #refused(error: EngramError, address: string): void {
    this.#refusedCalls += 1;
    if (this.#refusedCalls <= refusalsToLog) this.#options.log.warn({ address, code: error.code, reason: error.message }, 'a call of another node was refused');
  }
}
