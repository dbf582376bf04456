import { EngramError, OptionsError } from '@engram/kernel';
import { Client, credentials, Metadata, type CallOptions, type ChannelCredentials, type ServiceError } from '@grpc/grpc-js';
import { decodeMessage, defaultMessageBytesMax, encodePartial, type PartialCodec } from './codec.js';
import { methodPath, type MethodDefinition } from './definition.js';
import { statusToError } from './error-detail.js';
import {
  MemoryDefinition,
  type DeepPartial,
  type ForgetRequest,
  type ForgetResponse,
  type GetRequest,
  type GetResponse,
  type ListRequest,
  type ListResponse,
  type RecallRequest,
  type RecallResponse,
  type StoreRequest,
  type StoreResponse,
  type StoreStreamResponse,
} from './gen/engram/v1/memory.js';
import { sessionHeader, SessionKeeper } from './session-token.js';
import { storeStream, type DraftBatch, type StoreStreamOptions } from './store-stream.js';

/** Which server, and the bounds of a call. */
export interface MemoryClientOptions {
  /** `host:port` of a node. */
  readonly address: string;
  /** How long a single call may take, in milliseconds; a stream has no deadline unless it is given one. @default 10000 */
  readonly deadlineMs?: number;
  /** Largest message either way, in bytes; keep it equal to the limit of the server. @default 4 MiB */
  readonly messageBytesMax?: number;
  /** Who the server must be. @default plain text, for loopback and trusted networks */
  readonly credentials?: ChannelCredentials;
  /** The `session` of another client: what that one has written is read through this one as well. @default nothing */
  readonly session?: string;
}

/** What differs for one call. */
export interface UnaryCallOptions {
  /** @default the deadline of the client */
  readonly deadlineMs?: number;
  /** Sent as `x-request-id`, so that the logs of both sides can be joined. */
  readonly requestId?: string;
}

/**
 * The Memory service of one node. Fields that a request leaves out have the default the contract states.
 *
 * Every method rejects with an `EngramError` whose code is the one the server gave; `unavailable` when no server
 * answered, `deadline_exceeded` when the time was up (a write may then have happened: retry it with the same
 * idempotency key), `payload_too_large` for a message over the limit of either end.
 *
 * What was stored and forgotten through a client is seen by all that is read through it afterwards, whichever node of a
 * cluster answers; a node that has not got it yet is waited for, and refuses with `unavailable` when that takes too long.
 */
export interface MemoryClient {
  /** Stores one memory; answers when it is as durable as was asked for. */
  store(request: DeepPartial<StoreRequest>, call?: UnaryCallOptions): Promise<StoreResponse>;
  /** Memories that answer a cue, best first. */
  recall(request: DeepPartial<RecallRequest>, call?: UnaryCallOptions): Promise<RecallResponse>;
  /** One memory by its id. Rejects with `memory_not_found` or `space_not_found`. */
  get(request: DeepPartial<GetRequest>, call?: UnaryCallOptions): Promise<GetResponse>;
  /** Removes one memory for good. Forgetting it again succeeds again. */
  forget(request: DeepPartial<ForgetRequest>, call?: UnaryCallOptions): Promise<ForgetResponse>;
  /** Memories of a space by id, a page at a time. */
  list(request: DeepPartial<ListRequest>, call?: UnaryCallOptions): Promise<ListResponse>;
  /**
   * Stores batch after batch on one stream and yields one answer per batch, in order. Batches are taken from the
   * source only as fast as answers are read, so a source of any length needs little memory. Leaving the loop early
   * ends the call; batches that were sent but not answered may or may not be stored.
   */
  storeStream(batches: Iterable<DraftBatch> | AsyncIterable<DraftBatch>, options?: StoreStreamOptions): AsyncGenerator<StoreStreamResponse, void>;
  /** Stands for all that was written through this client, to be given to another one; undefined while that is nothing. */
  readonly session: string | undefined;
  /** Lets go of the connection. Calls under way end by themselves; new ones fail with `unavailable`. */
  close(): void;
}

const methods = MemoryDefinition.methods;

/**
 * Connects on first use.
 *
 * @throws OptionsError when the address is empty or a limit is not a positive whole number; EngramError
 *   `invalid_argument` when the session is no token.
 */
export function createMemoryClient(options: MemoryClientOptions): MemoryClient {
  const { address, deadlineMs = 10_000, messageBytesMax = defaultMessageBytesMax } = options;
  if (address === '') throw new OptionsError('address', 'must be host:port');
  requirePositive('deadlineMs', deadlineMs);
  requirePositive('messageBytesMax', messageBytesMax);
  const client = new Client(address, options.credentials ?? credentials.createInsecure(), {
    'grpc.max_receive_message_length': messageBytesMax,
    'grpc.max_send_message_length': messageBytesMax,
  });

  const session = new SessionKeeper(options.session);
  let closed = false;
  const requireOpen = (): void => {
    if (closed) throw new EngramError('unavailable', 'This client is closed.', { hint: 'Create another client.' });
  };

  const unary = async <Request, Response>(method: ClientMethod<Request, Response>, request: DeepPartial<Request>, call: UnaryCallOptions = {}, reads?: 'reads') => {
    requireOpen();
    const bytes = encodePartial(method.requestType, request, `the request of ${method.name}`);
    const answer = await new Promise<Buffer>((resolve, reject) => {
      const settle = (failure: ServiceError | null, value?: Buffer): void => {
        if (failure !== null || value === undefined) reject(statusToError(failure));
        else resolve(value);
      };
      const callOptions = deadlineIn(call.deadlineMs ?? deadlineMs);
      const metadata = headers(call.requestId, reads && session.token);
      const made = client.makeUnaryRequest(methodPath(MemoryDefinition, method), sameBytes, sameBytes, bytes, metadata, callOptions, settle);
      made.once('metadata', (answered) => session.wrote(textIn(answered, sessionHeader)));
    }).catch(rethrow);
    return decodeMessage(method.responseType, answer, `the answer of ${method.name}`);
  };

  return {
    store: (request, call) => unary(methods.store, request, call),
    recall: (request, call) => unary(methods.recall, request, call, 'reads'),
    get: (request, call) => unary(methods.get, request, call, 'reads'),
    forget: (request, call) => unary(methods.forget, request, call),
    list: (request, call) => unary(methods.list, request, call, 'reads'),
    async *storeStream(batches, stream = {}) {
      const open = () => {
        requireOpen();
        const path = methodPath(MemoryDefinition, methods.storeStream);
        return client.makeBidiStreamRequest(path, sameBytes, sameBytes, headers(stream.requestId), deadlineIn(stream.deadlineMs));
      };
      for await (const answer of storeStream(open, batches, stream)) {
        session.wrote(answer.session);
        yield answer;
      }
    },
    get session() {
      return session.token;
    },
    close() {
      closed = true;
      client.close();
    },
  };
}

type ClientMethod<Request, Response> = MethodDefinition<Request, Response> & { readonly requestType: PartialCodec<Request> };

const sameBytes = (bytes: Buffer): Buffer => bytes;

function headers(requestId: string | undefined, session?: string): Metadata {
  const metadata = new Metadata();
  if (requestId !== undefined) metadata.set('x-request-id', requestId);
  if (session !== undefined) metadata.set(sessionHeader, session);
  return metadata;
}

function textIn(metadata: Metadata, key: string): string | undefined {
  const [value] = metadata.get(key);
  return typeof value === 'string' ? value : undefined;
}

function deadlineIn(ms: number | undefined): CallOptions {
  return ms === undefined ? {} : { deadline: Date.now() + ms };
}

function rethrow(failure: unknown): never {
  throw statusToError(failure);
}

function requirePositive(option: string, value: number): void {
  if (!Number.isInteger(value) || value < 1) throw new OptionsError(option, 'must be a positive whole number');
}
