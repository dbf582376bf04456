import { assert, EngramError, OptionsError } from '@engram/kernel';
import { decodeMessage, defaultMessageBytesMax } from './codec.js';
import { statusToError } from './error-detail.js';
import { encodeFrame } from './encode-frame.js';
import { PeerFrame } from './gen/engram/v1/peer.js';
import { Outbox } from './outbox.js';

/** How a stream of frames is bounded, and when it is taken for dead. */
export interface FrameStreamOptions {
  /** Largest frame either way, in bytes; the limit of a gRPC message. @default 4 MiB */
  readonly frameBytesMax?: number;
  /**
   * How many bytes of frames may wait for the network. Less loses streams to a short pause of the peer, more holds more
   * memory for each. A single frame always finds room. @default 16 MiB
   */
  readonly outboxBytesMax?: number;
  /**
   * What happens when they are more: `close` ends the stream, for a conversation that must have no gaps;
   * `drop-oldest` makes room, for messages that are better lost than late. @default 'close'
   */
  readonly overflow?: 'close' | 'drop-oldest';
  /** How long the node that is called may take to introduce itself, connecting included, in milliseconds. @default 2000 */
  readonly handshakeMs?: number;
  /**
   * After so long without a frame, in milliseconds, the node that was called takes the stream for dead; the caller sends
   * an empty frame four times as often when it has nothing to say. Both ends need about the same. @default 2000
   */
  readonly silenceMs?: number;
  /** After a close, how long frames that wait may still take to leave, in milliseconds. @default 1000 */
  readonly closeGraceMs?: number;
}

/** Fills in the defaults. @throws OptionsError naming what is out of range */
export function resolveFrameStreamOptions(options: FrameStreamOptions = {}): Required<FrameStreamOptions> {
  const resolved = {
    frameBytesMax: defaultMessageBytesMax,
    outboxBytesMax: 16 * 1024 * 1024,
    overflow: 'close' as const,
    handshakeMs: 2_000,
    silenceMs: 2_000,
    closeGraceMs: 1_000,
    ...options,
  };
  for (const [name, value] of Object.entries(resolved)) {
    if (typeof value === 'number' && (!Number.isSafeInteger(value) || value < 1)) throw new OptionsError(name, 'must be a positive whole number');
  }
  return resolved;
}

/** Why a stream is over. */
export interface StreamEnd {
  /**
   * Whose doing it was: ours by `close`, the peer's, or a failure of either or between. To the node that was called, a
   * caller that cancels or loses its connection looks like one that has said all it had to say.
   */
  readonly by: 'us' | 'peer' | 'failure';
  readonly reason: string;
  /** What failed; `invalid_argument` when one of the nodes refused the other for good. */
  readonly error?: EngramError;
}

/**
 * Told of what happens on a stream, in this order: `opened` at most once, `received` and `writable` any number of times,
 * `closed` once and last. Nothing of it is called from within a method of the stream, but for `closed`.
 */
export interface FrameListener {
  /** The nodes know each other: the other end is the one that was called, or this one has told the caller who it is. */
  opened?(): void;
  /** One frame, whole. The bytes are the listener's to keep. */
  received(payload: Uint8Array): void;
  /** After a `send` that answered `full`: the network keeps up again. */
  writable?(): void;
  /** Once and last, whoever ended it. */
  closed(end: StreamEnd): void;
}

/**
 * What became of a frame. `sent`: on its way, more may follow. `full`: it waits, and more would pile up until `writable`.
 * `overflowed`: there was no room; the stream is closed, or older frames were dropped for this one. `too-large`:
 * refused, nothing changed. `closed`: the stream is over.
 */
export type SendOutcome = 'sent' | 'full' | 'overflowed' | 'too-large' | 'closed';

/** The part of a stream of messages that is used here; both ends of a grpc-js call have it. */
export interface MessageDuplex {
  /** A whole message has arrived. */
  on(event: 'data', listener: (message: Buffer) => void): unknown;
  /** The other side sends no more, or the call is over. */
  on(event: 'end' | 'close', listener: () => void): unknown;
  /** The call has failed. */
  on(event: 'error', listener: (error: Error) => void): unknown;
  /** Whether more may follow at once. */
  write(message: Buffer, written: () => void): boolean;
  /** No more messages are handed over for now. */
  pause(): unknown;
  /** They are again. */
  resume(): unknown;
  /** Whether they are held back. */
  isPaused(): boolean;
}

/** What differs between the two ends of a call. */
export interface CallEnd {
  readonly role: 'caller' | 'called';
  readonly duplex: MessageDuplex;
  /** A message was taken from the duplex. */
  taken(): void;
  /** Ends our half after what was written. */
  end(reason: string): void;
  /** Ends the call without waiting for anything. */
  abort(error: EngramError): void;
}

/** What has passed over a stream, and what waits. */
export interface FrameStreamStats {
  readonly framesSent: number;
  readonly framesReceived: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly framesDropped: number;
  /** Bytes that wait here or in the buffers of the call. */
  readonly waitingBytes: number;
}

/** How much is handed to the call at once. It keeps the network busy; more would only wait where it cannot be dropped. */
const pipelineBytes = 256 * 1024;
/** How many ticks make the time after which silence is death. Ticks are counted, not time: a process that was
 * stopped for long sees one tick, and reads what has arrived meanwhile before the next. */
const ticksOfSilence = 4;
const sign = encodeFrame(new Uint8Array(0));

/** Frames over one bidirectional call, either end of it. Bounded: a peer that does not read costs `outboxBytesMax`. */
export class FrameStream {
  readonly #call: CallEnd;
  readonly #options: Required<FrameStreamOptions>;
  readonly #outbox = new Outbox();
  #listener: FrameListener;
  #state: 'opening' | 'open' | 'closed' = 'opening';
  #inFlightBytes = 0;
  #full = false;
  #ending = false;
  #wroteSinceTick = false;
  #silentTicks = 0;
  #ticker: NodeJS.Timeout;
  #deadline: NodeJS.Timeout | undefined;
  readonly #flushed: Promise<void>;
  #setFlushed: () => void = () => undefined;
  #framesSent = 0;
  #framesReceived = 0;
  #bytesSent = 0;
  #bytesReceived = 0;
  #framesDropped = 0;

  constructor(call: CallEnd, listener: FrameListener, options: FrameStreamOptions = {}) {
    this.#call = call;
    this.#listener = listener;
    this.#flushed = new Promise((resolve) => (this.#setFlushed = resolve));
    this.#options = resolveFrameStreamOptions(options);
    const { silenceMs, handshakeMs } = this.#options;
    this.#ticker = setInterval(() => this.#tick(), Math.ceil(silenceMs / ticksOfSilence));
    this.#ticker.unref();
    if (call.role === 'caller') {
      this.#deadline = setTimeout(() => this.fail(new EngramError('deadline_exceeded', `The other node did not introduce itself within ${handshakeMs} ms.`)), handshakeMs);
      this.#deadline.unref();
    }
    const { duplex } = call;
    duplex.on('data', (bytes: Buffer) => this.#read(bytes));
    duplex.on('end', () => {
      this.#finish({ by: 'peer', reason: 'the other node ended the stream' });
      this.#otherEndIsDone();
    });
    duplex.on('error', (error: unknown) => {
      const known = statusToError(error);
      this.#finish({ by: 'failure', reason: known.message, error: known });
      this.#otherEndIsDone();
    });
    duplex.on('close', () => {
      this.#finish(connectionLost());
      this.#ending = false;
      this.#otherEndIsDone();
    });
  }

  get open(): boolean {
    return this.#state === 'open';
  }

  get over(): boolean {
    return this.#state === 'closed';
  }

  /**
   * Resolves once the stream is over and nothing of it waits any more: it was given up or sent, and, on the side of the
   * caller, taken by the other end. Before that, the connection must stay.
   */
  get flushed(): Promise<void> {
    return this.#flushed;
  }

  /** Whether a frame that is sent now would go out without waiting behind others. */
  get writable(): boolean {
    return this.#state === 'open' && this.#outbox.frames === 0 && this.#inFlightBytes < pipelineBytes;
  }

  /** What has passed, and what waits. */
  stats(): FrameStreamStats {
    return {
      framesSent: this.#framesSent,
      framesReceived: this.#framesReceived,
      bytesSent: this.#bytesSent,
      bytesReceived: this.#bytesReceived,
      framesDropped: this.#framesDropped,
      waitingBytes: this.#outbox.bytes + this.#inFlightBytes,
    };
  }

  /** Sends one frame, which must not be empty. The bytes are copied. Before the stream is open, they wait. */
  send(payload: Uint8Array): SendOutcome {
    assert(payload.byteLength > 0, 'an empty frame is a sign of life, and no message');
    if (this.#state === 'closed') return 'closed';
    const frame = encodeFrame(payload);
    if (frame.byteLength > this.#options.frameBytesMax) return 'too-large';
    let overflowed = false;
    while (this.#outbox.frames > 0 && this.#outbox.bytes + frame.byteLength > this.#options.outboxBytesMax) {
      overflowed = true;
      if (this.#options.overflow === 'close') {
        this.fail(overflow(this.#outbox.bytes, this.#options.outboxBytesMax));
        return 'overflowed';
      }
      this.#outbox.shift();
      this.#framesDropped += 1;
    }
    this.#outbox.push(frame);
    this.#pump();
    if (overflowed) return 'overflowed';
    if (this.writable) return 'sent';
    this.#full = true;
    return 'full';
  }

  /** Reads nothing more until `resume`: flow control then holds the sender back. */
  pause(): void {
    this.#call.duplex.pause();
  }

  /** Hands frames over again after a pause. */
  resume(): void {
    this.#silentTicks = 0;
    this.#call.duplex.resume();
  }

  /** What was sent before still goes out, for as long as `closeGraceMs`; nothing is received any more. */
  close(reason: string): void {
    if (this.#state === 'closed') return;
    if (this.#state === 'opening') {
      this.#finish({ by: 'us', reason });
      this.#call.abort(new EngramError('unavailable', reason));
      return;
    }
    this.#deadline = setTimeout(() => this.#giveUp(reason), this.#options.closeGraceMs);
    this.#deadline.unref();
    this.#ending = true;
    this.#finish({ by: 'us', reason });
    this.#pump();
    this.#endWhenSent(reason);
  }

  /** Ends the stream at once, for a reason that is told to the other end when it was the one that called. */
  fail(error: EngramError): void {
    if (this.#state === 'closed') return;
    this.#finish({ by: 'failure', reason: error.message, error });
    this.#call.abort(error);
  }

  /** The nodes know each other. For who makes a stream of a call. */
  introduced(): void {
    if (this.#state !== 'opening') return;
    clearTimeout(this.#deadline);
    this.#state = 'open';
    this.#listener.opened?.();
    this.#pump();
  }

  #read(bytes: Buffer): void {
    this.#call.taken();
    if (this.#state !== 'open') return;
    this.#silentTicks = 0;
    let payload: Uint8Array;
    try {
      payload = decodeMessage(PeerFrame, bytes, 'a frame').payload;
    } catch (error) {
      this.fail(statusToError(error));
      return;
    }
    if (payload.byteLength === 0) return;
    this.#framesReceived += 1;
    this.#bytesReceived += payload.byteLength;
    this.#listener.received(payload);
  }

  #pump(): void {
    if (this.#state === 'opening' || (this.#state === 'closed' && !this.#ending)) return;
    while (this.#inFlightBytes < pipelineBytes) {
      const frame = this.#outbox.shift();
      if (frame === undefined) return;
      this.#framesSent += 1;
      this.#bytesSent += frame.byteLength;
      this.#write(frame);
    }
  }

  #write(frame: Buffer): void {
    this.#wroteSinceTick = true;
    this.#inFlightBytes += frame.byteLength;
    this.#call.duplex.write(frame, () => {
      this.#inFlightBytes -= frame.byteLength;
      this.#pump();
      if (this.#ending) this.#endWhenSent('');
      else if (this.#full && this.writable) {
        this.#full = false;
        this.#listener.writable?.();
      }
    });
  }

  #tick(): void {
    if (this.#state !== 'open') return;
    if (this.#call.role === 'caller') {
      if (!this.#wroteSinceTick && this.#inFlightBytes === 0) this.#write(sign);
      this.#wroteSinceTick = false;
      return;
    }
    if (this.#call.duplex.isPaused()) return;
    this.#silentTicks += 1;
    if (this.#silentTicks >= ticksOfSilence) this.fail(new EngramError('unavailable', `Nothing was heard of the other node for ${this.#options.silenceMs} ms.`));
  }

  /** Tells the listener, once, and keeps nothing that could call it again. */
  #finish(end: StreamEnd): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    clearInterval(this.#ticker);
    if (!this.#ending) {
      clearTimeout(this.#deadline);
      this.#dropWaiting();
      this.#setFlushed();
      // The other end has said all it had to say; a call that was accepted needs an answer to be over.
      if (end.by === 'peer') this.#call.end(end.reason);
    }
    const listener = this.#listener;
    this.#listener = deaf;
    // What still arrives has to be read for the end of the call to be seen.
    this.#call.duplex.resume();
    listener.closed(end);
  }

  #endWhenSent(reason: string): void {
    if (!this.#ending || this.#outbox.frames > 0 || this.#inFlightBytes > 0) return;
    this.#ending = false;
    // The deadline stays until the call is over: a peer that does not end its half must not keep it for ever.
    this.#call.end(reason);
    // What was written may still be on its way here; that it has arrived is known when the other end has ended too.
    if (this.#call.role === 'called') this.#setFlushed();
  }

  #dropWaiting(): void {
    this.#framesDropped += this.#outbox.frames;
    this.#outbox.clear();
  }

  #otherEndIsDone(): void {
    if (this.#ending) return;
    clearTimeout(this.#deadline);
    this.#setFlushed();
  }

  #giveUp(reason: string): void {
    this.#ending = false;
    this.#dropWaiting();
    this.#setFlushed();
    this.#call.abort(new EngramError('unavailable', reason));
  }
}

const deaf: FrameListener = { received: () => undefined, closed: () => undefined };

function connectionLost(): StreamEnd {
  const error = new EngramError('unavailable', 'The connection to the other node was lost.');
  return { by: 'failure', reason: error.message, error };
}

function overflow(bytes: number, bytesMax: number): EngramError {
  return new EngramError('overloaded', `The other node reads too slowly: ${bytes} bytes wait for it, and no more than ${bytesMax} may.`, { details: { bytes, bytesMax } });
}
