import { plusMs, type Instant, type NodeId } from '@engram/kernel';
import { encodeMessage } from './codec.js';
import type { LoggedEntry } from './messages.js';
import type { Lsn } from '../lsn.js';
import type { Position } from './lineage.js';
import type { Shared } from './shared.js';
import type { GoodbyeReason, WireMessage } from './wire.js';

/** Another node, whether connected or not, and how it is being served. */
export interface Peer {
  readonly node: NodeId;
  /** False once the table has no word of it any more: then its stream is not opened again. */
  wanted: boolean;
  stream: number | undefined;
  /** Known once it has said hello; until then nothing else is said to it. */
  storage: string | undefined;
  connecting: boolean;
  retryAt: Instant | undefined;
  backoffMs: number;
  heardAt: Instant;
  lagHigh: boolean;
  /** Entries and bytes that it was sent and has not acknowledged. */
  inFlightEntries: number;
  inFlightBytes: number;
  /** Live partitions that have something to ship, in the order of their turns. */
  readonly ready: Set<number>;
  /** Partitions that are served from the log. */
  readonly logging: Set<number>;
  /** Partitions that wait for a snapshot. */
  readonly snapshots: Set<number>;
  pass: LogPass | undefined;
  snapshot: SnapshotSend | undefined;
}

/** A walk through the log on behalf of all partitions of the peer that need it. */
export interface LogPass {
  /** The read under way. */
  id: number | undefined;
  at: Lsn;
  end: boolean;
  buffer: readonly LoggedEntry[];
  taken: number;
  /** Where each partition stood when the pass began: one that did not move finds nothing in the log. */
  readonly began: Map<number, number>;
}

/** A snapshot on its way to the peer, one chunk at a time. */
export interface SnapshotSend {
  readonly id: number;
  readonly partition: number;
  readonly epoch: number;
  readonly at: Position;
  cursor: string;
  chunks: number;
  checksum: number;
  state: 'reading' | 'throttled' | 'unacknowledged' | 'ending';
  chunk: { readonly bytes: Uint8Array; readonly next: string } | undefined;
  sendAt: Instant;
}

/**
 * The streams to other nodes: one for each pair, opened by the node whose id sorts first, opened again for ever. The other
 * one opens it too when it has waited long, since the first may not know of it. A newer stream replaces an older one.
 */
export class Peers {
  readonly #shared: Shared;
  readonly #peers = new Map<NodeId, Peer>();
  readonly #byStream = new Map<number, Peer>();
  /** Accepted and not yet introduced. */
  readonly #strangers = new Map<number, Instant>();
  /** Called when a stream is over, whatever the reason, after its peer has none any more. */
  readonly #lost: (peer: Peer, stream: number) => void;

  constructor(shared: Shared, lost: (peer: Peer, stream: number) => void) {
    this.#shared = shared;
    this.#lost = lost;
  }

  get all(): Iterable<Peer> {
    return this.#peers.values();
  }

  get(node: NodeId): Peer | undefined {
    return this.#peers.get(node);
  }

  byStream(stream: number): Peer | undefined {
    return this.#byStream.get(stream);
  }

  /** From now on there is to be a stream to it. */
  want(node: NodeId, now: Instant): Peer | undefined {
    const { self, options } = this.#shared;
    if (node === self.nodeId) return undefined;
    let peer = this.#peers.get(node);
    if (peer === undefined) {
      peer = {
        node, wanted: true, stream: undefined, storage: undefined, connecting: false, retryAt: this.#dials(node) ? now : plusMs(now, options.peerTimeoutMs), backoffMs: options.reconnectMinMs, heardAt: now, lagHigh: false,
        inFlightEntries: 0, inFlightBytes: 0, ready: new Set(), logging: new Set(), snapshots: new Set(), pass: undefined, snapshot: undefined,
      };
      this.#peers.set(node, peer);
    }
    peer.wanted = true;
    return peer;
  }

  /** The table names these nodes and no others. */
  keep(nodes: ReadonlySet<NodeId>): void {
    for (const peer of [...this.#peers.values()]) {
      peer.wanted = nodes.has(peer.node);
      if (!peer.wanted && peer.stream === undefined) this.#peers.delete(peer.node);
    }
  }

  /** Says it when the peer is there to hear it. */
  send(peer: Peer | undefined, message: WireMessage): void {
    if (peer?.stream !== undefined && peer.storage !== undefined) this.#sendOn(peer.stream, message);
  }

  /** To whoever is on this stream, if it still stands. */
  reply(stream: number, message: WireMessage): void {
    if (this.#byStream.has(stream)) this.#sendOn(stream, message);
  }

  opened(node: NodeId, stream: number, now: Instant): void {
    const peer = this.want(node, now);
    if (peer === undefined) return void this.#shared.effects.push({ kind: 'close-stream', stream, reason: 'a stream to ourselves' });
    peer.connecting = false;
    this.#assign(peer, stream, now);
    this.#hello(stream);
  }

  failed(node: NodeId, now: Instant): void {
    const peer = this.#peers.get(node);
    if (peer === undefined) return;
    peer.connecting = false;
    this.#retryLater(peer, now);
  }

  accepted(stream: number, now: Instant): void {
    this.#strangers.set(stream, now);
    this.#hello(stream);
  }

  /** The other end introduced itself. Returns the peer when it may stay. */
  greeted(stream: number, hello: Extract<WireMessage, { kind: 'hello' }>, now: Instant): Peer | undefined {
    const { self } = this.#shared;
    if (hello.clusterId !== self.clusterId) return this.refuse(stream, 'other-cluster', self.clusterId, hello.clusterId, now);
    if (hello.nodeId === self.nodeId) return this.refuse(stream, 'same-node', `${self.nodeId} on ${self.storageId}`, `${hello.nodeId} on ${hello.storageId}`, now);
    const expected = this.#byStream.get(stream);
    if (expected !== undefined && expected.node !== hello.nodeId) return this.refuse(stream, 'other-node', expected.node, hello.nodeId, now);
    const peer = this.want(hello.nodeId, now)!;
    if (this.#strangers.delete(stream)) this.#assign(peer, stream, now);
    peer.storage = hello.storageId;
    peer.backoffMs = this.#shared.options.reconnectMinMs;
    return peer;
  }

  /** Says why, closes, and reports it. */
  refuse(stream: number, reason: GoodbyeReason, ours: string, theirs: string, now: Instant): undefined {
    const node = this.#byStream.get(stream)?.node;
    this.#sendOn(stream, { kind: 'goodbye', reason, ours, theirs });
    this.#shared.effects.push({ kind: 'peer-refused', peer: node, reason, ours, theirs });
    this.drop(stream, reason, now);
  }

  isStranger(stream: number): boolean {
    return this.#strangers.has(stream);
  }

  /** The stream is over. */
  closed(stream: number, now: Instant): void {
    this.#strangers.delete(stream);
    const peer = this.#byStream.get(stream);
    if (peer === undefined) return;
    this.#byStream.delete(stream);
    peer.stream = undefined;
    peer.storage = undefined;
    if (peer.wanted) this.#retryLater(peer, now);
    else this.#peers.delete(peer.node);
    this.#lost(peer, stream);
  }

  /** Ends the stream from here. */
  drop(stream: number, reason: string, now: Instant): void {
    this.#shared.effects.push({ kind: 'close-stream', stream, reason });
    this.closed(stream, now);
  }

  /** Opens what is due to be opened; closes streams on which nothing was heard for too long. */
  tick(now: Instant): void {
    const { peerTimeoutMs } = this.#shared.options;
    const silent: number[] = [];
    for (const peer of this.#peers.values()) {
      if (peer.retryAt !== undefined && peer.retryAt <= now && peer.stream === undefined && !peer.connecting) {
        peer.connecting = true;
        peer.retryAt = undefined;
        this.#shared.effects.push({ kind: 'open-stream', peer: peer.node });
      }
      if (peer.stream !== undefined && plusMs(peer.heardAt, peerTimeoutMs) <= now) silent.push(peer.stream);
    }
    for (const [stream, since] of this.#strangers) if (plusMs(since, peerTimeoutMs) <= now) silent.push(stream);
    for (const stream of silent) this.drop(stream, `nothing was heard for ${peerTimeoutMs} ms`, now);
  }

  nextRetry(): Instant | undefined {
    let next: Instant | undefined;
    for (const { retryAt, stream, connecting } of this.#peers.values()) {
      if (retryAt !== undefined && stream === undefined && !connecting && (next === undefined || retryAt < next)) next = retryAt;
    }
    return next;
  }

  #assign(peer: Peer, stream: number, now: Instant): void {
    if (peer.stream !== undefined) this.drop(peer.stream, 'a newer stream of this peer', now);
    peer.stream = stream;
    peer.retryAt = undefined;
    peer.heardAt = now;
    this.#byStream.set(stream, peer);
  }

  #hello(stream: number): void {
    const { clusterId, nodeId, storageId } = this.#shared.self;
    this.#sendOn(stream, { kind: 'hello', clusterId, nodeId, storageId });
  }

  #retryLater(peer: Peer, now: Instant): void {
    const { reconnectMaxMs, peerTimeoutMs } = this.#shared.options;
    peer.retryAt = plusMs(now, peer.backoffMs * (0.5 + this.#shared.random.float() / 2) + (this.#dials(peer.node) ? 0 : peerTimeoutMs));
    peer.backoffMs = Math.min(peer.backoffMs * 2, reconnectMaxMs);
  }

  #sendOn(stream: number, message: WireMessage): void {
    this.#shared.effects.push({ kind: 'send', stream, bytes: encodeMessage(message) });
  }

  /** Whether it is upon us to open the stream of this pair. */
  #dials(node: NodeId): boolean {
    return this.#shared.self.nodeId < node;
  }
}
