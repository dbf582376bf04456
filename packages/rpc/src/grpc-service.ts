import { EngramError, OptionsError, shown } from '@engram/kernel';
import { Metadata } from '@grpc/grpc-js';
import type {
  handleBidiStreamingCall,
  handleUnaryCall,
  MethodDefinition as GrpcMethodDefinition,
  ServerDuplexStream,
  ServerUnaryCall,
  ServiceDefinition,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { CallContext, type ServedCall } from './call-context.js';
import { decodeMessage, defaultMessageBytesMax, encodeMessage } from './codec.js';
import { methodPath, type MethodDefinition, type RequestOf, type ResponseOf, type ServiceContract } from './definition.js';
import { errorToStatus, type FailureContext } from './error-detail.js';
import { written } from './flow.js';
import { messageTaken } from './read-ahead.js';

/** One request, one answer. Whatever it throws becomes the status of the call. */
export type UnaryHandler<Request, Response> = (request: Request, call: CallContext) => Promise<Response> | Response;

/**
 * A conversation. The next request is read from the network only when the handler asks for it, and the handler goes
 * on only when there is room for another answer: an async generator that reads and yields is held back by a slow client
 * without a line of code for it. Give the server `limitReadAhead(1)` as an interceptor, or 16 messages wait in memory.
 */
export type StreamHandler<Request, Response> = (requests: AsyncIterable<Request>, call: CallContext) => AsyncIterable<Response>;

type HandlerOf<Method> = Method extends { readonly requestStream: true; readonly responseStream: true }
  ? StreamHandler<RequestOf<Method>, ResponseOf<Method>>
  : UnaryHandler<RequestOf<Method>, ResponseOf<Method>>;

/** A handler for every method of a contract. */
export type Handlers<Service extends ServiceContract> = {
  readonly [Name in keyof Service['methods']]: HandlerOf<Service['methods'][Name]>;
};

/** Bounds of a service, and who is told of its calls. */
export interface GrpcServiceOptions {
  /** Largest answer that is sent, in bytes; a larger one becomes `payload_too_large`. @default 4 MiB */
  readonly messageBytesMax?: number;
  /** Makes the id of a call that came without `x-request-id`. @default an empty id */
  readonly newRequestId?: () => string;
  /** Id of this node, for errors. */
  readonly node?: string;
  /** Told of the end of every call, for logs and metrics. `error` is absent when the call succeeded. */
  readonly onFinished?: (finished: FinishedCall) => void;
}

/** A call that has ended. */
export interface FinishedCall {
  /** Name of the method in the contract, `StoreStream`. */
  readonly method: string;
  readonly call: CallContext;
  /** Time from the arrival of the call to its end, in seconds. */
  readonly seconds: number;
  /** What the handler threw; absent when the call succeeded. */
  readonly error?: unknown;
}

/** What `server.addService` of grpc-js takes. */
export interface GrpcService {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
}

/** How a call of one request and one answer has ended. */
export type AnsweredCall =
  | { readonly outcome: 'answered'; readonly response: Buffer; readonly metadata: ReadonlyMap<string, string> | undefined }
  | { readonly outcome: 'failed'; readonly error: unknown; readonly context: FailureContext };

/** Answers a call that came by another way than one of grpc-js. Never rejects. */
export type CallAnswerer = (method: string, request: Buffer, call: ServedCall) => Promise<AnsweredCall>;

/**
 * The methods of a contract that have one request and one answer, served as {@link toGrpcService} does, for calls that
 * come by another way.
 */
export function toCallAnswerer<Service extends ServiceContract>(service: Service, handlers: Handlers<Service>, options: GrpcServiceOptions = {}): CallAnswerer {
  const unary = new Map(Object.entries(service.methods).flatMap(([name, method]) => (method.requestStream ? [] : [[method.name, { method, handler: handlers[name] as UnaryHandler<unknown, unknown> }] as const])));
  return async (name, request, call) => {
    const known = unary.get(name);
    if (known !== undefined) return answerUnary(known.method, known.handler, options, request, call);
    return { outcome: 'failed', error: new EngramError('invalid_argument', `${service.fullName} has no call ${shown(name)} of one request and one answer.`), context: options.node === undefined ? {} : { node: options.node } };
  };
}

/**
 * Joins a generated contract and its handlers into a service of grpc-js.
 *
 * Messages cross grpc-js as bytes and are decoded here, because what fails to decode inside grpc-js is answered
 * INTERNAL, while a malformed request is the caller's mistake.
 *
 * @throws OptionsError when a method streams in one direction only: such contracts have no handler type here.
 */
export function toGrpcService<Service extends ServiceContract>(
  service: Service,
  handlers: Handlers<Service>,
  options: GrpcServiceOptions = {},
): GrpcService {
  const definition: Record<string, GrpcMethodDefinition<Buffer, Buffer>> = {};
  const implementation: UntypedServiceImplementation = {};
  for (const [name, method] of Object.entries(service.methods)) {
    if (method.requestStream !== method.responseStream) {
      throw new OptionsError('service', `has ${method.name}, which streams in one direction only`);
    }
    definition[name] = {
      path: methodPath(service, method),
      requestStream: method.requestStream,
      responseStream: method.responseStream,
      requestSerialize: sameBytes,
      requestDeserialize: sameBytes,
      responseSerialize: sameBytes,
      responseDeserialize: sameBytes,
    };
    const handler = handlers[name];
    implementation[name] = method.requestStream
      ? serveStream(method, handler as StreamHandler<unknown, unknown>, options)
      : serveUnary(method, handler as UnaryHandler<unknown, unknown>, options);
  }
  return { definition, implementation };
}

const sameBytes = (bytes: Buffer): Buffer => bytes;

function serveUnary<Request, Response>(
  method: MethodDefinition<Request, Response>,
  handler: UnaryHandler<Request, Response>,
  options: GrpcServiceOptions,
): handleUnaryCall<Buffer, Buffer> {
  return (call: ServerUnaryCall<Buffer, Buffer>, callback) => {
    void answerUnary(method, handler, options, call.request, call).then((answered) => {
      if (answered.outcome === 'failed') return callback(errorToStatus(answered.error, answered.context));
      if (answered.metadata !== undefined) call.sendMetadata(metadataOf(answered.metadata));
      callback(null, answered.response);
    });
  };
}

function metadataOf(entries: ReadonlyMap<string, string>): Metadata {
  const metadata = new Metadata();
  for (const [key, value] of entries) metadata.set(key, value);
  return metadata;
}

async function answerUnary<Request, Response>(
  method: MethodDefinition<Request, Response>,
  handler: UnaryHandler<Request, Response>,
  options: GrpcServiceOptions,
  bytes: Buffer,
  call: ServedCall,
): Promise<AnsweredCall> {
  const context = new CallContext(call, options.newRequestId);
  const finished = () => ({ method: method.name, call: context, seconds: context.elapsedSeconds() });
  try {
    context.checkDeadline();
    const request = decodeMessage(method.requestType, bytes, `the request of ${method.name}`);
    const response = encodeAnswer(method, await handler(request, context), options);
    options.onFinished?.(finished());
    return { outcome: 'answered', response, metadata: context.answerMetadata };
  } catch (error) {
    options.onFinished?.({ ...finished(), error });
    return { outcome: 'failed', error, context: failureContext(context, options) };
  }
}

function serveStream<Request, Response>(
  method: MethodDefinition<Request, Response>,
  handler: StreamHandler<Request, Response>,
  options: GrpcServiceOptions,
): handleBidiStreamingCall<Buffer, Buffer> {
  return (call: ServerDuplexStream<Buffer, Buffer>) => {
    const context = new CallContext(call, options.newRequestId);
    // A call that ends early fails where it is read or written; without a listener the event alone would end the process.
    call.on('error', () => undefined);
    const converse = async (): Promise<void> => {
      context.checkDeadline();
      for await (const response of handler(decodeEach(method, call), context)) {
        await written(call, encodeAnswer(method, response, options));
        if (context.signal.aborted) throw clientGone();
      }
    };
    converse().then(
      () => {
        options.onFinished?.({ method: method.name, call: context, seconds: context.elapsedSeconds() });
        call.end();
      },
      (error: unknown) => {
        options.onFinished?.({ method: method.name, call: context, seconds: context.elapsedSeconds(), error });
        // This is how grpc-js takes the status of a stream: it sends what was written, then ends the call with it.
        if (!call.destroyed) call.emit('error', errorToStatus(error, failureContext(context, options)));
      },
    );
  };
}

async function* decodeEach<Request>(
  method: MethodDefinition<Request, unknown>,
  call: ServerDuplexStream<Buffer, Buffer>,
): AsyncGenerator<Request> {
  let number = 0;
  // Leaving the loop must not destroy the stream: the answer or the error still has to be written to it.
  const messages = call.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer>;
  for (;;) {
    const next = await messages.next();
    // grpc-js destroys the stream of a cancelled call, which looks like the client having said all. When the end of
    // the connection is seen before the cancellation it cannot be told from that, and nothing depends on it.
    if (call.cancelled) throw clientGone();
    if (next.done === true) return;
    messageTaken(call.metadata);
    number += 1;
    yield decodeMessage(method.requestType, next.value, `message ${number} of ${method.name}`);
  }
}

function clientGone(): EngramError {
  return new EngramError('unavailable', 'The client ended the call before it was answered, or its deadline passed.');
}

function encodeAnswer<Response>(
  method: MethodDefinition<unknown, Response>,
  response: Response,
  { messageBytesMax = defaultMessageBytesMax }: GrpcServiceOptions,
): Buffer {
  const bytes = encodeMessage(method.responseType, response, `the answer of ${method.name}`);
  if (bytes.byteLength > messageBytesMax) {
    throw new EngramError('payload_too_large', `The answer of ${method.name} takes ${bytes.byteLength} bytes, more than the ${messageBytesMax} a message may have.`, {
      hint: 'Ask for fewer memories at once with `limit`.',
      details: { bytes: bytes.byteLength, bytesMax: messageBytesMax },
    });
  }
  return bytes;
}

function failureContext(context: CallContext, { node }: GrpcServiceOptions): { requestId: string; node?: string } {
  return { requestId: context.requestId, ...(node === undefined ? {} : { node }) };
}
