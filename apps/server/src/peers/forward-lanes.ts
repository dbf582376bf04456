import type { NodeId } from '@engram/kernel';
import { CallSender, type FrameStreamOptions, type PeerIdentity } from '@engram/rpc';
import type { PeerChannels } from './peer-channels.js';

export interface ForwardLanesOptions {
  /** Undefined while this node belongs to no cluster. */
  readonly self: () => PeerIdentity | undefined;
  /** The connections between nodes: `links.channels`. */
  readonly channels: PeerChannels;
  /** How long a connection may take to come about, and the other node to say who it is, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** A stream is closed when nothing was sent on it for so long, or for twice as long, in milliseconds. @default 30000 */
  readonly idleMs?: number;
}

interface Lane {
  readonly sender: CallSender;
  readonly address: string;
  used: boolean;
}

/** The streams on which writes are passed on: one to each node, opened when needed and kept while it is used. */
export class ForwardLanes {
  readonly #options: ForwardLanesOptions;
  readonly #lanes = new Map<NodeId, Lane>();
  readonly #flushing = new Set<Promise<void>>();
  readonly #sweeper: NodeJS.Timeout;

  constructor(options: ForwardLanesOptions) {
    this.#options = options;
    this.#sweeper = setInterval(() => this.#closeIdle(), options.idleMs ?? 30_000);
    this.#sweeper.unref();
  }

  /** Undefined when the address of the node is not known, or this node belongs to no cluster. */
  to(peer: NodeId): CallSender | undefined {
    const address = this.#options.channels.addressOf(peer);
    const known = this.#lanes.get(peer);
    if (known !== undefined && known.address === address) {
      known.used = true;
      return known.sender;
    }
    known?.sender.close('the peer has another address');
    return this.#open(peer);
  }

  /** Calls under way are answered first, for as long as `graceMs`. */
  async close(graceMs = 1_000): Promise<void> {
    clearInterval(this.#sweeper);
    for (const { sender } of this.#lanes.values()) sender.close('the node is stopping');
    const late = new Promise<void>((resolve) => setTimeout(resolve, graceMs).unref());
    await Promise.race([Promise.all(this.#flushing), late]);
  }

  #open(peer: NodeId): CallSender | undefined {
    const { self, channels, connectTimeoutMs } = this.#options;
    const identity = self();
    const lease = identity === undefined ? undefined : channels.acquire(peer, 'forward');
    if (identity === undefined || lease === undefined) return undefined;
    const stream: FrameStreamOptions = { frameBytesMax: channels.maxMessageBytes, handshakeMs: connectTimeoutMs };
    const sender = new CallSender(lease.client, {
      self: identity,
      peer,
      stream,
      onOver: () => {
        if (this.#lanes.get(peer)?.sender === sender) this.#lanes.delete(peer);
      },
    });
    this.#lanes.set(peer, { sender, address: lease.address, used: true });
    const flushed = sender.flushed.then(() => {
      lease.release(sender.connected ? 'done' : 'not-connected');
      this.#flushing.delete(flushed);
    });
    this.#flushing.add(flushed);
    return sender;
  }

  #closeIdle(): void {
    for (const lane of [...this.#lanes.values()]) {
      if (!lane.used && lane.sender.waiting === 0) lane.sender.close('idle');
      lane.used = false;
    }
  }
}
