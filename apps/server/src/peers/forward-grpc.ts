import { EngramError, type ClusterId, type ErrorCode, type NodeId } from '@engram/kernel';
import {
  decodeMessage,
  encodeMessage,
  errorDetailKey,
  introduction,
  MemoryDefinition,
  methodPath,
  sessionHeader,
  statusToError,
  type MethodDefinition,
} from '@engram/rpc';
import { connectivityState, status, type Client, type Metadata, type ServiceError } from '@grpc/grpc-js';
import { CircuitBreaker, type CircuitBreakerOptions } from './circuit-breaker.js';
import { addressUnknown, clientGone, notReached, requireAdmitted, tooLate } from './forward-failures.js';
import { ForwardLanes } from './forward-lanes.js';
import { forwardedByHeader } from './forwarded.js';
import type { PeerChannels } from './peer-channels.js';

/** Calls of one request and one answer. A stream is not passed on as one: its batches belong to several nodes. */
type UnaryMethods = Omit<typeof MemoryDefinition.methods, 'storeStream'>;
export type ForwardableMethod = keyof UnaryMethods;
type RequestOf<Method extends ForwardableMethod> = UnaryMethods[Method]['requestType'] extends { decode(...args: never[]): infer Request } ? Request : never;
type ResponseOf<Method extends ForwardableMethod> = UnaryMethods[Method]['responseType'] extends { decode(...args: never[]): infer Response } ? Response : never;

export interface GrpcForwarderOptions {
  readonly self: NodeId;
  readonly clusterId: () => ClusterId | undefined;
  /** The connections between nodes: `links.channels`. */
  readonly channels: PeerChannels;
  /** How long a connection may take to come about, in milliseconds. @default 500 */
  readonly connectTimeoutMs?: number;
  readonly breaker?: CircuitBreakerOptions;
}

/** What is known of the call of the client. */
export interface ForwardedCall {
  /** Reads a key of its metadata: `context.header`. */
  readonly header: (name: string) => string | undefined;
  /** How long the whole may take, in milliseconds. */
  readonly deadlineMs: number;
  /** Id of the request in the logs of this node, so that those of the other one can be joined. */
  readonly requestId?: string;
  /** Whether doing it twice is as good as once. @default for get, list and recall, and with an idempotency key */
  readonly idempotent?: boolean;
  readonly signal?: AbortSignal;
  /** Told the session token that the answer to a write came with. */
  readonly onSession?: (token: string) => void;
}

const passedKeys = ['authorization', 'traceparent', 'tracestate', 'x-engram-consistency', sessionHeader];
const reads: ReadonlySet<ForwardableMethod> = new Set(['get', 'list', 'recall'] as const);
/** What shares a stream with others, because a call of its own costs several times as much. Its answers are small. */
const together: ReadonlySet<ForwardableMethod> = new Set(['store', 'forget'] as const);
/** Larger requests go by themselves, so that small ones do not wait behind them. */
const togetherBytesMax = 64 * 1024;
/** How long a connection may take to come about, unless told otherwise. */
const connectTimeoutMsDefault = 500;
const sameBytes = (bytes: Buffer): Buffer => bytes;

interface Terms extends ForwardedCall {
  readonly safe: boolean;
  readonly idempotent: boolean;
}

/** Passes calls of the Memory service on to the node that can answer them. */
export class GrpcForwarder {
  readonly #options: GrpcForwarderOptions;
  readonly #breakers = new Map<NodeId, CircuitBreaker>();
  readonly #lanes: ForwardLanes;

  constructor(options: GrpcForwarderOptions) {
    this.#options = options;
    const { self: nodeId, clusterId, channels, connectTimeoutMs = connectTimeoutMsDefault } = options;
    const self = () => {
      const cluster = clusterId();
      return cluster === undefined ? undefined : { nodeId, clusterId: cluster };
    };
    this.#lanes = new ForwardLanes({ self, channels, connectTimeoutMs });
  }

  /** Lets writes under way be answered for a while; call it before the connections are closed. */
  close(): Promise<void> {
    return this.#lanes.close();
  }

  /**
   * Answers as the other node does, or throws the error it answers with. What is tried again, and what is thrown when
   * the node cannot be asked, is as with HTTP.
   *
   * @throws EngramError as the other node; `unavailable` or `deadline_exceeded`, with `details.indeterminate` when a write
   *   may have happened; `not_ready` while this node belongs to no cluster.
   */
  async forward<Method extends ForwardableMethod>(to: NodeId, name: Method, request: RequestOf<Method>, call: ForwardedCall): Promise<ResponseOf<Method>> {
    const clusterId = this.#options.clusterId();
    if (clusterId === undefined) throw new EngramError('not_ready', 'This node belongs to no cluster yet.');
    const before = call.header(forwardedByHeader);
    if (before !== undefined) {
      throw new EngramError('unavailable', `The call was passed on by ${before} already, and is not passed on again to ${to}.`, {
        hint: 'The nodes do not agree yet on who holds what. Try again in a moment.',
        details: { node: to },
      });
    }
    const method = MemoryDefinition.methods[name] as unknown as MethodDefinition<RequestOf<Method>, ResponseOf<Method>>;
    const bytes = encodeMessage(method.requestType, request, `the request of ${method.name}`);
    const terms: Terms = {
      ...call,
      safe: reads.has(name),
      idempotent: call.idempotent ?? (reads.has(name) || (request as { idempotencyKey?: string }).idempotencyKey !== undefined),
    };
    const answer =
      together.has(name) && bytes.byteLength <= togetherBytesMax
        ? await this.#tryTogether(to, method.name, bytes, terms)
        : await this.#tryTwice(to, method.name, bytes, this.#metadata(clusterId, call), terms);
    return decodeMessage(method.responseType, answer, `the answer of ${method.name}`);
  }

  /** On the stream that all writes for this node share. */
  async #tryTogether(to: NodeId, method: string, request: Buffer, { safe, idempotent, deadlineMs, signal, header, requestId, onSession }: Terms): Promise<Uint8Array> {
    const endsAtMs = performance.now() + deadlineMs;
    const breaker = this.#breaker(to);
    requireAdmitted(breaker, to);
    const metadata = new Map(passed(header, requestId));
    let written = false;
    for (let tries = 1; ; tries += 1) {
      const sender = this.#lanes.to(to);
      if (sender === undefined) throw addressUnknown(to);
      const outcome = await sender.call({ method, request, metadata, timeoutMs: endsAtMs - performance.now(), ...(signal && { signal }) });
      if (sender.connected) breaker.succeeded();
      if (outcome.kind === 'answered') {
        const session = outcome.metadata.get(sessionHeader);
        if (session !== undefined) onSession?.(session);
        return outcome.response;
      }
      if (outcome.kind === 'refused') throw outcome.error;
      written ||= outcome.written;
      const failed = { to, written, safe, cause: outcome.kind === 'lost' ? outcome.end.error ?? outcome.end.reason : undefined };
      if (outcome.kind !== 'lost') throw outcome.kind === 'gone' ? clientGone(failed) : tooLate(failed, deadlineMs);
      const { error } = outcome.end;
      if (!written && error !== undefined && !lostOnTheWay.has(error.code)) throw error;
      if (!sender.connected) breaker.failed(performance.now());
      if (tries > 1 || (written && !idempotent) || breaker.state(performance.now()) === 'open') throw notReached(failed);
    }
  }

  async #tryTwice(to: NodeId, method: string, bytes: Buffer, metadata: Metadata, call: Terms): Promise<Buffer> {
    const { safe, idempotent, deadlineMs, signal } = call;
    const deadlineAtMs = Date.now() + deadlineMs;
    const breaker = this.#breaker(to);
    requireAdmitted(breaker, to);
    let written = false;
    for (let tries = 1; ; tries += 1) {
      const lease = this.#options.channels.acquire(to, 'forward');
      if (lease === undefined) throw addressUnknown(to);
      let outcome: 'done' | 'not-connected' = 'done';
      try {
        if (!(await this.#connected(lease.client, deadlineAtMs))) {
          outcome = 'not-connected';
          const failed = { to, written, safe, cause: 'no connection came about' };
          if (signal?.aborted === true) throw clientGone(failed);
          breaker.failed(performance.now());
          if (Date.now() >= deadlineAtMs) throw tooLate(failed, deadlineMs);
          if (tries > 1 || breaker.state(performance.now()) === 'open') throw notReached(failed);
          continue;
        }
        breaker.succeeded();
        written = true;
        return await unary(lease.client, method, bytes, metadata, deadlineAtMs, call);
      } catch (cause) {
        if (!isTransportFailure(cause)) throw statusToError(cause);
        const failed = { to, written, safe, cause };
        if (signal?.aborted === true) throw clientGone(failed);
        if (cause.code === status.DEADLINE_EXCEEDED) throw tooLate(failed, deadlineMs);
        if (tries > 1 || !idempotent) throw notReached(failed);
      } finally {
        lease.release(outcome);
      }
    }
  }

  /**
   * A call is made only on a connection that stands: then a call that fails may have been heard, and one never made was
   * not. A connection that is refused is not waited for, because whoever calls may have somebody else to ask.
   */
  #connected(client: Client, deadlineAtMs: number): Promise<boolean> {
    const { connectTimeoutMs = connectTimeoutMsDefault } = this.#options;
    const untilMs = Math.min(deadlineAtMs, Date.now() + connectTimeoutMs);
    const channel = client.getChannel();
    return new Promise((resolve) => {
      const look = (): void => {
        const state = channel.getConnectivityState(true);
        if (state === connectivityState.READY) resolve(true);
        else if (state === connectivityState.TRANSIENT_FAILURE || state === connectivityState.SHUTDOWN || Date.now() >= untilMs) resolve(false);
        else channel.watchConnectivityState(state, untilMs, look);
      };
      look();
    });
  }

  #metadata(clusterId: ClusterId, { header, requestId }: ForwardedCall): Metadata {
    const metadata = introduction({ clusterId, nodeId: this.#options.self });
    for (const [key, value] of passed(header, requestId)) metadata.set(key, value);
    metadata.set(forwardedByHeader, this.#options.self);
    return metadata;
  }

  #breaker(to: NodeId): CircuitBreaker {
    const breaker = this.#breakers.get(to) ?? new CircuitBreaker(this.#options.breaker);
    this.#breakers.set(to, breaker);
    return breaker;
  }
}

/** A stream that ends with another error than these was refused by the other node, in its own words. */
const lostOnTheWay: ReadonlySet<ErrorCode> = new Set(['unavailable', 'deadline_exceeded', 'internal'] as const);

/** What of the metadata of the client is passed on. */
function* passed(header: ForwardedCall['header'], requestId: string | undefined): Generator<readonly [string, string]> {
  for (const key of passedKeys) {
    const value = header(key);
    if (value !== undefined) yield [key, value];
  }
  if (requestId !== undefined && requestId !== '') yield ['x-request-id', requestId];
}

function unary(client: Client, method: string, bytes: Buffer, metadata: Metadata, deadline: number, { signal, onSession }: ForwardedCall): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const path = methodPath(MemoryDefinition, { name: method });
    const cancel = (): void => call.cancel();
    const call = client.makeUnaryRequest(path, sameBytes, sameBytes, bytes, metadata, { deadline }, (failure, answer) => {
      signal?.removeEventListener('abort', cancel);
      if (failure !== null || answer === undefined) reject(failure);
      else resolve(answer);
    });
    if (onSession) {
      call.once('metadata', (answered: Metadata) => {
        const [token] = answered.get(sessionHeader);
        if (typeof token === 'string') onSession(token);
      });
    }
    if (signal?.aborted === true) cancel();
    else signal?.addEventListener('abort', cancel, { once: true });
  });
}

/** The other node says why it refuses in words of its own beside the status; what comes without them came from the way there. */
function isTransportFailure(failure: unknown): failure is ServiceError {
  if (typeof failure !== 'object' || failure === null || failure instanceof EngramError) return false;
  const { code, metadata } = failure as Partial<ServiceError>;
  if (metadata !== undefined && metadata.get(errorDetailKey).length > 0) return false;
  return code === status.UNAVAILABLE || code === status.DEADLINE_EXCEEDED || code === status.CANCELLED || code === status.INTERNAL;
}

