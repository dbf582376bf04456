import { assert, EngramError, type NodeId } from '@engram/kernel';
import type { Client } from '@grpc/grpc-js';
import { decodeMessage, encodeMessage } from './codec.js';
import { detailToError, statusToError } from './error-detail.js';
import { callPeer } from './frame-service.js';
import type { FrameStream, FrameStreamOptions, StreamEnd } from './frame-stream.js';
import { ForwardedAnswers, ForwardedCalls, type ForwardedCall } from './gen/engram/v1/peer.js';
import { Parcels } from './parcels.js';
import type { PeerIdentity } from './peer-identity.js';

/** One call of the service Memory, for another node. */
export interface SentCall {
  /** As the contract names it. */
  readonly method: string;
  readonly request: Uint8Array;
  readonly metadata: ReadonlyMap<string, string>;
  /** How long its answer is waited for, in milliseconds. */
  readonly timeoutMs: number;
  /** Aborts when nobody waits for the answer any more. What was sent is done all the same. */
  readonly signal?: AbortSignal;
}

/** What became of a call. `written`: the other node may have heard it. */
export type CallOutcome =
  | { readonly kind: 'answered'; readonly response: Uint8Array; readonly metadata: ReadonlyMap<string, string> }
  /** The other node says why not. */
  | { readonly kind: 'refused'; readonly error: EngramError }
  | { readonly kind: 'late' | 'gone'; readonly written: boolean }
  /** The stream has ended. */
  | { readonly kind: 'lost'; readonly written: boolean; readonly end: StreamEnd };

/** Whom to call, as whom, and how much may wait. */
export interface CallSenderOptions {
  readonly self: PeerIdentity;
  readonly peer: NodeId;
  readonly stream?: FrameStreamOptions;
  /** Calls that may wait for their answers; further ones are refused as overloaded. @default 1024 */
  readonly callsMax?: number;
  /** The same for the bytes of their requests. @default 8 MiB */
  readonly bytesMax?: number;
  /** It takes no calls any more: the stream is over, or the other node is stopping. Called once. */
  readonly onOver: (connected: boolean) => void;
}

interface Waiting {
  readonly call: ForwardedCall;
  written: boolean;
  settle(outcome: CallOutcome): void;
}

/** A header of a message in a message, and the fields beside the request. */
const callBytesBeside = 64;

/** Calls another node over one stream, many at a time. Calls made within one turn of the event loop leave together. */
export class CallSender {
  readonly #options: CallSenderOptions;
  readonly #stream: FrameStream;
  readonly #waiting = new Map<number, Waiting>();
  readonly #parcels: Parcels<Waiting>;
  #waitingBytes = 0;
  #made = 0;
  #connected = false;
  #over = false;

  /** Connects when needed. */
  constructor(client: Client, options: CallSenderOptions) {
    this.#options = options;
    const { self, peer, stream } = options;
    this.#parcels = new Parcels(({ call }) => call.request.byteLength + callBytesBeside, (calls) => this.#send(calls), () => this.#stream.open);
    this.#stream = callPeer(client, { channel: 'forwarding', self, peer, ...(stream && { stream }) }, {
      opened: () => {
        this.#connected = true;
        this.#parcels.flush();
      },
      received: (payload) => this.#received(payload),
      closed: (end) => this.#closed(end),
    });
  }

  /** Whether a call that is made now goes to a node that has answered before. */
  get connected(): boolean {
    return this.#connected;
  }

  /** Calls that wait for their answers. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Never rejects: what can go wrong on the way is an outcome. */
  call({ method, request, metadata, timeoutMs, signal }: SentCall): Promise<CallOutcome> {
    assert(!this.#over, 'a sender that is over is not called');
    const { callsMax = 1_024, bytesMax = 8 * 1024 * 1024, peer } = this.#options;
    if (this.#waiting.size >= callsMax || this.#waitingBytes >= bytesMax) {
      const error = new EngramError('overloaded', `${this.#waiting.size} requests wait for ${peer}, and no more may; nothing of this one was done.`, { details: { node: peer } });
      return Promise.resolve({ kind: 'refused', error });
    }
    this.#made += 1;
    const id = this.#made;
    return new Promise((resolve) => {
      const timer = setTimeout(() => waiting.settle({ kind: 'late', written: waiting.written }), Math.max(0, Math.ceil(timeoutMs)));
      const gone = (): void => waiting.settle({ kind: 'gone', written: waiting.written });
      const waiting: Waiting = {
        call: { id, method, request, timeoutMs: Math.min(Math.max(1, Math.ceil(timeoutMs)), 0xffff_ffff), metadata: metadata as Map<string, string> },
        written: false,
        settle: (outcome) => {
          clearTimeout(timer);
          signal?.removeEventListener('abort', gone);
          if (this.#waiting.delete(id)) this.#waitingBytes -= request.byteLength;
          resolve(outcome);
          if (this.#over && this.#waiting.size === 0) this.#stream.close('every call was answered');
        },
      };
      this.#waiting.set(id, waiting);
      this.#waitingBytes += request.byteLength;
      if (signal?.aborted === true) return gone();
      signal?.addEventListener('abort', gone, { once: true });
      this.#parcels.add(waiting);
    });
  }

  /** Takes no more calls; those under way are answered first. */
  close(reason: string): void {
    this.#retire();
    if (this.#waiting.size === 0) this.#stream.close(reason);
  }

  /** Resolves once the stream is over and nothing of it waits. */
  get flushed(): Promise<void> {
    return this.#stream.flushed;
  }

  /** Only on an open stream: a call that fails before the nodes know each other was surely not heard. */
  #send(calls: readonly Waiting[]): void {
    const leaving = calls.filter(({ call }) => this.#waiting.has(call.id));
    if (leaving.length === 0) return;
    for (const waiting of leaving) waiting.written = true;
    const outcome = this.#stream.send(encodeMessage(ForwardedCalls, { calls: leaving.map(({ call }) => call) }, 'calls for another node'));
    if (outcome !== 'too-large') return;
    for (const waiting of leaving) waiting.written = false;
    if (leaving.length > 1) for (const waiting of leaving) this.#send([waiting]);
    else leaving[0]!.settle({ kind: 'refused', error: new EngramError('payload_too_large', 'The request is larger than a message between nodes may be.', { hint: 'Raise network.max_message_size on every node.' }) });
  }

  #received(payload: Uint8Array): void {
    let message: ForwardedAnswers;
    try {
      message = decodeMessage(ForwardedAnswers, payload, 'answers of another node');
    } catch (error) {
      return this.#stream.fail(statusToError(error));
    }
    for (const { id, result, metadata } of message.answers) {
      // Whoever does not wait any more is not told.
      const waiting = this.#waiting.get(id);
      if (result === undefined) continue;
      waiting?.settle(result.$case === 'response' ? { kind: 'answered', response: result.value, metadata } : { kind: 'refused', error: detailToError(result.value) });
    }
    if (message.stopping) this.close('the other node is stopping');
  }

  #retire(): void {
    if (this.#over) return;
    this.#over = true;
    this.#options.onOver(this.#connected);
  }

  #closed(end: StreamEnd): void {
    this.#retire();
    for (const waiting of [...this.#waiting.values()]) waiting.settle({ kind: 'lost', written: waiting.written, end });
  }
}
