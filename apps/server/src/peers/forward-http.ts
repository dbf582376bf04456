import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import { EngramError, OptionsError, type ClusterId, type NodeId } from '@engram/kernel';
import { Pool, type Dispatcher } from 'undici';
import { CircuitBreaker, type CircuitBreakerOptions } from './circuit-breaker.js';
import { addressUnknown, clientGone, notReached, requireAdmitted, tooLate } from './forward-failures.js';
import { answerHeaders, forwardedByHeader, requestHeaders } from './forwarded.js';

export interface HttpForwarderOptions {
  readonly self: NodeId;
  readonly clusterId: () => ClusterId | undefined;
  /** `host:port` of the HTTP port of a node; undefined when it is not known. */
  readonly addressOf: (node: NodeId) => string | undefined;
  /** Connections to each peer, and so requests at work there at the same time: `network.connection_pool_size`. */
  readonly poolSize: number;
  /** How long a connection may take to come about, in milliseconds. @default 500 */
  readonly connectTimeoutMs?: number;
  /** Requests that may be at work or wait for a connection, for each peer. @default 1024 */
  readonly waitingMax?: number;
  readonly breaker?: CircuitBreakerOptions;
}

/** A request of a client, as it came. */
export interface ForwardedRequest {
  readonly method: string;
  /** Path and query, as the client sent them. */
  readonly path: string;
  /** Those that mean something to the other node are passed on. */
  readonly headers: IncomingHttpHeaders;
  /** Passed on as they are. Bytes may be sent a second time when the first try got nowhere; a stream cannot. */
  readonly body?: Uint8Array | Readable | undefined;
  /** How long the whole may take, in milliseconds, the answer included. */
  readonly deadlineMs: number;
  /**
   * Whether doing it twice is as good as once.
   * @default for GET and HEAD, and with the header Idempotency-Key
   */
  readonly idempotent?: boolean;
  /** Aborts when nobody waits for the answer any more. */
  readonly signal?: AbortSignal;
}

/** The answer of the other node, as it came. The body must be read to its end or destroyed. */
export interface ForwardedAnswer {
  readonly status: number;
  /** Without those that are about the connection, and with `x-engram-served-by`. */
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly body: Readable;
}

export interface HttpForwarderStats {
  readonly peer: NodeId;
  readonly breaker: 'closed' | 'open' | 'half-open';
  readonly waiting: number;
}

interface Peer {
  pool: Dispatcher;
  address: string;
  readonly breaker: CircuitBreaker;
  waiting: number;
}

/** One try; undici hands it from the call to the connection that takes it up. */
interface Try {
  written: boolean;
}

/** Passes requests of clients on to the node that can answer them, over a few connections to each, which are kept. */
export class HttpForwarder {
  readonly #options: HttpForwarderOptions;
  readonly #peers = new Map<NodeId, Peer>();
  #closed = false;

  constructor(options: HttpForwarderOptions) {
    for (const [name, value = 1] of [['poolSize', options.poolSize], ['connectTimeoutMs', options.connectTimeoutMs], ['waitingMax', options.waitingMax]] as const) {
      if (!Number.isSafeInteger(value) || value < 1) throw new OptionsError(name, 'must be a positive whole number');
    }
    this.#options = options;
  }

  /**
   * Answers with whatever the other node answers, an error too. A request that did not get on the wire is tried once
   * more; one that did, only when it is idempotent.
   *
   * @throws EngramError `unavailable` when the node cannot be reached, `deadline_exceeded` when it takes too long, either
   *   with `details.indeterminate` when a write may have happened; `overloaded` when too many requests wait for it;
   *   `not_ready` while this node belongs to no cluster.
   */
  async forward(to: NodeId, request: ForwardedRequest): Promise<ForwardedAnswer> {
    const { self, waitingMax = 1_024 } = this.#options;
    const clusterId = this.#options.clusterId();
    if (clusterId === undefined) throw new EngramError('not_ready', 'This node belongs to no cluster yet.');
    if (this.#closed) throw new EngramError('shutting_down', 'The node is stopping.');
    if (request.headers[forwardedByHeader] !== undefined) {
      throw new EngramError('unavailable', `The request was passed on by ${String(request.headers[forwardedByHeader])} already, and is not passed on again to ${to}.`, {
        hint: 'The nodes do not agree yet on who holds what. Try again in a moment.',
        details: { node: to },
      });
    }
    const peer = this.#peer(to);
    if (peer.waiting >= waitingMax) {
      throw new EngramError('overloaded', `${peer.waiting} requests wait for ${to}, and no more may; nothing of this one was done.`, { details: { node: to } });
    }
    requireAdmitted(peer.breaker, to);
    peer.waiting += 1;
    try {
      return await this.#tryTwice(to, peer, request, requestHeaders(request.headers, self, clusterId));
    } finally {
      peer.waiting -= 1;
    }
  }

  stats(): readonly HttpForwarderStats[] {
    const nowMs = performance.now();
    return [...this.#peers].map(([peer, { breaker, waiting }]) => ({ peer, breaker: breaker.state(nowMs), waiting }));
  }

  /** Lets requests under way finish for a while, then ends them. */
  async close(graceMs = 1_000): Promise<void> {
    this.#closed = true;
    const pools = [...this.#peers.values()].map(({ pool }) => pool);
    this.#peers.clear();
    await Promise.all(
      pools.map(async (pool) => {
        const force = setTimeout(() => void pool.destroy(), graceMs);
        await pool.close().catch(() => undefined);
        clearTimeout(force);
      }),
    );
  }

  async #tryTwice(to: NodeId, peer: Peer, request: ForwardedRequest, headers: Record<string, string | string[]>): Promise<ForwardedAnswer> {
    const { method, body, deadlineMs, signal: client } = request;
    const safe = method === 'GET' || method === 'HEAD';
    const idempotent = request.idempotent ?? (safe || request.headers['idempotency-key'] !== undefined);
    const limit = new Limit(deadlineMs, client);
    let written = false;
    for (let tries = 1; ; tries += 1) {
      const thisTry: Try = { written: false };
      try {
        return await this.#once(to, peer, request, headers, thisTry, limit);
      } catch (cause) {
        written ||= thisTry.written;
        const failed = { to, written, safe, cause };
        if (limit.reached !== undefined) throw limit.reached === 'client' ? clientGone(failed) : tooLate(failed, deadlineMs);
        if (!thisTry.written) peer.breaker.failed(performance.now());
        const again = tries === 1 && (!written || idempotent) && !isStream(body) && peer.breaker.state(performance.now()) !== 'open';
        if (!again) {
          limit.lift();
          throw notReached(failed);
        }
      }
    }
  }

  async #once(to: NodeId, peer: Peer, { method, path, body }: ForwardedRequest, headers: Record<string, string | string[]>, thisTry: Try, limit: Limit): Promise<ForwardedAnswer> {
    const { signal } = limit;
    const answer = peer.pool.request<Try>({ method, path, headers, body: body ?? null, opaque: thisTry, signal, headersTimeout: 0, bodyTimeout: 0 });
    const { statusCode, headers: given, body: answered } = await unlessAborted(answer, signal);
    peer.breaker.succeeded();
    answered.once('close', () => limit.lift());
    return { status: statusCode, headers: answerHeaders(given, to), body: answered };
  }

  #peer(to: NodeId): Peer {
    const address = this.#options.addressOf(to);
    if (address === undefined) throw addressUnknown(to);
    const known = this.#peers.get(to);
    if (known?.address === address) return known;
    // Requests under way at the old address may still be answered; nobody waits for more than their deadline.
    known?.pool.close().catch(() => undefined);
    const peer = { pool: this.#connect(address), address, breaker: new CircuitBreaker(this.#options.breaker), waiting: 0 };
    this.#peers.set(to, peer);
    return peer;
  }

  #connect(address: string): Dispatcher {
    const { poolSize, connectTimeoutMs = 500 } = this.#options;
    return new Pool(`http://${address}`, { connections: poolSize, pipelining: 1, connect: { timeout: connectTimeoutMs } }).compose(noteWritten);
  }
}

/**
 * How long a request may last: until its deadline or until its client goes. Combined signals of the platform would do the
 * same, and cost as much as the whole request does.
 */
class Limit {
  reached: 'deadline' | 'client' | undefined;
  readonly #controller = new AbortController();
  readonly #client: AbortSignal | undefined;
  readonly #timer: NodeJS.Timeout;

  constructor(ms: number, client: AbortSignal | undefined) {
    this.#client = client;
    this.#timer = setTimeout(() => this.#end('deadline'), Math.max(0, ms));
    if (client?.aborted === true) this.#end('client');
    else client?.addEventListener('abort', this.#clientGone, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The request is over. */
  lift(): void {
    clearTimeout(this.#timer);
    this.#client?.removeEventListener('abort', this.#clientGone);
  }

  readonly #clientGone = (): void => this.#end('client');

  #end(by: 'deadline' | 'client'): void {
    this.reached ??= by;
    this.lift();
    this.#controller.abort();
  }
}

/** undici calls `onRequestStart` when a request has its connection and is about to be written, and not before. */
const noteWritten: Dispatcher.DispatcherComposeInterceptor = (dispatch) => (options, handler) =>
  dispatch(options, {
    onRequestStart(controller, context) {
      (options as Dispatcher.RequestOptions<Try>).opaque!.written = true;
      handler.onRequestStart?.(controller, context);
    },
    onRequestUpgrade: (...args) => handler.onRequestUpgrade?.(...args),
    onResponseStart: (...args) => handler.onResponseStart?.(...args),
    onResponseData: (...args) => handler.onResponseData?.(...args),
    onResponseEnd: (...args) => handler.onResponseEnd?.(...args),
    onResponseError: (...args) => handler.onResponseError?.(...args),
  });

/** undici looks at the signal of a request only once the request has a connection, for which it may wait long. */
function unlessAborted(answer: Promise<Dispatcher.ResponseData<Try>>, signal: AbortSignal): Promise<Dispatcher.ResponseData<Try>> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      reject(signal.reason as Error);
      answer.then(
        ({ body }) => body.destroy(),
        () => undefined,
      );
    };
    if (signal.aborted) {
      abort();
      return;
    }
    signal.addEventListener('abort', abort, { once: true });
    answer.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

function isStream(body: Uint8Array | Readable | undefined): boolean {
  return body !== undefined && !(body instanceof Uint8Array);
}
