import type { NodeId } from '@engram/kernel';
import { callPeer, isRefusal, type FrameStream, type FrameStreamOptions, type PeerIdentity, type StreamEnd } from '@engram/rpc';
import type { PeerChannels } from './peer-channels.js';
import type { PeerLog, PeerTimings } from './peer-links.js';

export interface ControlLinkOptions {
  readonly peer: NodeId;
  readonly self: () => PeerIdentity | undefined;
  readonly channels: PeerChannels;
  readonly stream: FrameStreamOptions;
  readonly timings: PeerTimings;
  readonly log: PeerLog;
  readonly received: (payload: Uint8Array) => void;
  /** A number in [0, 1). */
  readonly random: () => number;
}

export interface ControlLinkStats {
  readonly peer: NodeId;
  /** `waiting`: the peer could not be reached, and what is sent is dropped until the next try. */
  readonly state: 'closed' | 'connecting' | 'open' | 'waiting';
  /** Tries in a row that failed. */
  readonly failures: number;
  readonly framesSent: number;
  readonly framesDropped: number;
  readonly waitingBytes: number;
}

/** This many tries in a row have to fail before it is said in the log: a restart of the peer is nothing to report. */
const failuresToReport = 3;

/**
 * The way to one peer for messages that may be lost.
 *
 * ```text
 * closed --send--> connecting --introduced--> open --idle or other address--> closed
 *                      |                       |
 *                      +--failed--> waiting <--+ lost soon after it was opened
 *                                      |
 *                      send after the pause: connecting
 * ```
 *
 * While it waits nothing is kept: what is sent much later than it was meant is not worth sending.
 */
export class ControlLink {
  readonly #options: ControlLinkOptions;
  #stream: FrameStream | undefined;
  #address: string | undefined;
  #openedAtMs: number | undefined;
  #usedAtMs: number;
  #failures = 0;
  #retryAtMs = 0;
  #reported: string | undefined;
  #framesSent = 0;
  #framesDropped = 0;

  constructor(options: ControlLinkOptions) {
    this.#options = options;
    this.#usedAtMs = performance.now();
  }

  /** Never throws. */
  send(payload: Uint8Array): void {
    const nowMs = performance.now();
    this.#usedAtMs = nowMs;
    if (this.#stream === undefined && nowMs >= this.#retryAtMs) this.#connect();
    const outcome = payload.byteLength === 0 ? 'too-large' : (this.#stream?.send(payload) ?? 'closed');
    if (outcome === 'closed' || outcome === 'too-large') this.#framesDropped += 1;
    if (outcome === 'too-large') {
      this.#options.log.warn({ peer: this.#options.peer, bytes: payload.byteLength }, 'a message to another node was dropped: it is empty or larger than network.max_message_size');
    }
  }

  /** Closes the stream when it was not used for long, or leads to where the peer no longer is. Whether nothing is left to keep. */
  tidy(address: string | undefined): boolean {
    // One that is still being opened has something to send.
    const idle = this.#stream?.open !== false && performance.now() - this.#usedAtMs > this.#options.timings.idleMs;
    if (idle) this.#stream?.close('idle');
    else if (address !== undefined && this.#stream !== undefined && address !== this.#address) {
      this.#stream.close('the peer has another address');
      this.#retryAtMs = 0;
    }
    return idle && this.#stream === undefined;
  }

  close(reason: string): Promise<void> | undefined {
    const stream = this.#stream;
    stream?.close(reason);
    return stream?.flushed;
  }

  stats(): ControlLinkStats {
    const now = this.#stream?.stats();
    return {
      peer: this.#options.peer,
      state: this.#stream === undefined ? (performance.now() < this.#retryAtMs ? 'waiting' : 'closed') : this.#stream.open ? 'open' : 'connecting',
      failures: this.#failures,
      framesSent: this.#framesSent + (now?.framesSent ?? 0),
      framesDropped: this.#framesDropped + (now?.framesDropped ?? 0),
      waitingBytes: now?.waitingBytes ?? 0,
    };
  }

  #connect(): void {
    const { peer, self, channels, stream: options } = this.#options;
    const identity = self();
    const lease = identity === undefined ? undefined : channels.acquire(peer, 'control');
    if (identity === undefined || lease === undefined) return;
    this.#address = lease.address;
    this.#openedAtMs = undefined;
    const stream = callPeer(lease.client, { channel: 'register', self: identity, peer, stream: options }, {
      opened: () => {
        this.#openedAtMs = performance.now();
        this.#opened();
      },
      received: this.#options.received,
      closed: (end) => {
        const { framesSent, framesDropped } = stream.stats();
        this.#framesSent += framesSent;
        this.#framesDropped += framesDropped;
        this.#stream = undefined;
        lease.release(this.#openedAtMs === undefined ? 'not-connected' : 'done');
        this.#ended(end);
      },
    });
    this.#stream = stream;
  }

  #opened(): void {
    const { peer, log } = this.#options;
    if (this.#reported !== undefined) log.info({ peer }, 'another node can be reached again');
    this.#reported = undefined;
  }

  /** A stream that ends as soon as it is open is no better than one that never opens: without a pause it would be opened for ever. */
  #ended(end: StreamEnd): void {
    const { timings, random } = this.#options;
    const nowMs = performance.now();
    const lasted = this.#openedAtMs !== undefined && nowMs - this.#openedAtMs >= timings.stableMs;
    if (end.by === 'us' || lasted) {
      this.#failures = 0;
      this.#retryAtMs = 0;
      return;
    }
    this.#failures += 1;
    const longestMs = isRefusal(end.error) ? timings.backoffMaxMs : Math.min(timings.backoffMaxMs, timings.backoffMs * 2 ** (this.#failures - 1));
    this.#retryAtMs = nowMs + random() * longestMs;
    this.#report(end);
  }

  /** Says it once for each reason, not with every try. */
  #report({ reason, error }: StreamEnd): void {
    const { peer, log } = this.#options;
    const refused = isRefusal(error);
    if (this.#reported === (refused ? reason : '') || (!refused && this.#failures < failuresToReport)) return;
    this.#reported = refused ? reason : '';
    log.warn({ peer, address: this.#address, reason, failures: this.#failures }, refused ? 'another node refuses this one, or is not the one it should be' : 'another node cannot be reached');
  }
}
