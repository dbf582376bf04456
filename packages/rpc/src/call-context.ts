import { performance } from 'node:perf_hooks';
import { EngramError } from '@engram/kernel';
import type { Deadline, Metadata } from '@grpc/grpc-js';

/** What a handler may know of the call it serves. */
export class CallContext {
  /** The `x-request-id` of the client when it is 1 to 128 printable characters, else an id made here. */
  readonly requestId: string;
  /** Address of the client. */
  readonly peer: string;
  /** Aborts when the client goes away and when the deadline of the call passes. */
  readonly signal: AbortSignal;
  readonly #metadata: Metadata;
  #answer: Map<string, string> | undefined;
  readonly #deadlineMs: number;
  readonly #startedAt = performance.now();

  constructor(call: ServedCall, newRequestId: () => string = () => '') {
    const aborted = new AbortController();
    if (call.cancelled) aborted.abort();
    call.once('cancelled', () => aborted.abort());
    this.signal = aborted.signal;
    this.peer = call.getPeer();
    this.#metadata = call.metadata;
    this.#deadlineMs = Number(call.getDeadline());
    const given = this.header('x-request-id');
    this.requestId = given !== undefined && /^[\x21-\x7e]{1,128}$/.test(given) ? given : newRequestId();
  }

  /** The first value of a metadata key; undefined when absent or binary. */
  header(name: string): string | undefined {
    const value = this.#metadata.get(name)[0];
    return typeof value === 'string' ? value : undefined;
  }

  /** The metadata that the answer begins with; undefined for none. */
  get answerMetadata(): ReadonlyMap<string, string> | undefined {
    return this.#answer;
  }

  /** Sends `value` under a key of metadata in front of the answer. Of a call with one answer only, and not when it fails. */
  answerWith(name: string, value: string): void {
    this.#answer ??= new Map();
    this.#answer.set(name, value);
  }

  /** Time until the deadline of the call, in milliseconds; negative after it, infinite without one. */
  remainingMs(): number {
    return this.#deadlineMs - Date.now();
  }

  /** Time since the call arrived, in seconds. */
  elapsedSeconds(): number {
    return (performance.now() - this.#startedAt) / 1_000;
  }

  /**
   * Work that nobody waits for any more must not begin.
   *
   * @throws EngramError `deadline_exceeded` after the deadline, `unavailable` when the client has gone.
   */
  checkDeadline(): void {
    if (this.remainingMs() <= 0) throw new EngramError('deadline_exceeded', 'The deadline of the call has passed; nothing was done.');
    if (this.signal.aborted) throw new EngramError('unavailable', 'The client cancelled the call; nothing was done.');
  }
}

/** The part of a grpc-js server call that is used here. */
export interface ServedCall {
  readonly cancelled: boolean;
  readonly metadata: Metadata;
  /** Address of whoever calls, or the id of the node that does. */
  getPeer(): string;
  /** When nobody waits for the answer any more: a date, or milliseconds since the epoch, infinite for never. */
  getDeadline(): Deadline;
  /** Tells when the caller is gone. */
  once(event: 'cancelled', listener: () => void): unknown;
}
