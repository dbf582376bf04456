import { randomBytes } from 'node:crypto';
import { EngramError, OptionsError, type ErrorCode } from '@engram/kernel';
import { limitReadAhead, MemoryDefinition, toCallAnswerer, toGrpcService, type FinishedCall, type GrpcServiceOptions } from '@engram/rpc';
import { logVerbosity, Server, ServerCredentials, setLogVerbosity } from '@grpc/grpc-js';
import type { Operation } from '../metrics/definitions.js';
import type { ForwardedCalls } from '../peers/index.js';
import type { OperationsFor } from '../routing/index.js';
import { memoryService, type GrpcEngine, type GrpcMetrics } from './memory-service.js';

/** What the gRPC server accepts at most. */
export interface GrpcLimits {
  /** Largest message either way, in bytes. A larger request is refused before it is read. @default 4 MiB */
  readonly maxMessageBytes?: number;
  /** Most calls at the same time on one connection; a client queues the next one. @default 128 */
  readonly maxConcurrentStreams?: number;
  /** Most `StoreStream` calls at the same time on this node. Each holds two batches at work and one that waits. @default 64 */
  readonly maxStoreStreams?: number;
  /** How long a connection may be silent before the server asks whether the client is still there, in ms. @default 30000 */
  readonly keepaliveMs?: number;
  /** How long it waits for the reply before it closes the connection, in ms. @default 10000 */
  readonly keepaliveTimeoutMs?: number;
}

export interface GrpcServerOptions {
  /** `host:port`; port 0 takes any free one. */
  readonly bind: string;
  readonly engine: GrpcEngine;
  /** Who answers a call. @default the engine */
  readonly operationsFor?: OperationsFor;
  /** A pino logger, or anything with this method. Calls are not logged one by one; what fails on our side is. */
  readonly log: { error(details: object, message: string): void };
  readonly metrics?: GrpcMetrics;
  readonly limits?: GrpcLimits;
  /** Adds what other nodes call; what they pass on is answered as calls of clients are. */
  readonly addServices?: (server: Server, forwarded: ForwardedCalls) => void;
}

export interface GrpcServer {
  /** `host:port` with the port that was really taken. */
  readonly address: string;
  /**
   * Takes no new calls, ends streams between two batches, lets other calls finish; after `graceMs` closes the
   * connections that are left. Resolves when no connection is open.
   */
  close(graceMs: number): Promise<void>;
}

/** @throws EngramError `address_in_use` or `invalid_config`; OptionsError for a limit that is no positive whole number. */
export async function startGrpcServer(options: GrpcServerOptions): Promise<GrpcServer> {
  const { bind, engine, log, metrics } = options;
  const limits = resolveGrpcLimits(options.limits);
  const stopping = new AbortController();
  const handlers = memoryService({
    engine,
    operationsFor: options.operationsFor,
    metrics,
    messageBytesMax: limits.maxMessageBytes,
    storeStreamsMax: limits.maxStoreStreams,
    stopping: stopping.signal,
  });
  const serviceOptions: GrpcServiceOptions = {
    messageBytesMax: limits.maxMessageBytes,
    newRequestId: requestIds(),
    node: engine.nodeId,
    onFinished: (finished) => observe(finished, log, metrics),
  };
  const { definition, implementation } = toGrpcService(MemoryDefinition, handlers, serviceOptions);
  // grpc-js writes lines of its own to standard error, between the structured ones, about what it also reports as errors.
  if (process.env['GRPC_VERBOSITY'] === undefined) setLogVerbosity(logVerbosity.NONE);
  const server = new Server({
    'grpc.max_receive_message_length': limits.maxMessageBytes,
    'grpc.max_concurrent_streams': limits.maxConcurrentStreams,
    'grpc.keepalive_time_ms': limits.keepaliveMs,
    'grpc.keepalive_timeout_ms': limits.keepaliveTimeoutMs,
    // Two servers on one port would each get a part of the connections and none would say so.
    'grpc.so_reuseport': 0,
    // Two batches at work and one that waits for them keep the network, the processor and the disk busy.
    interceptors: [limitReadAhead(1)],
  });
  server.addService(definition, implementation);
  options.addServices?.(server, { answer: toCallAnswerer(MemoryDefinition, handlers, serviceOptions), stopping: stopping.signal });
  const port = await listen(server, bind);
  return {
    address: `${bind.slice(0, bind.lastIndexOf(':'))}:${port}`,
    close(graceMs) {
      stopping.abort();
      return shutDown(server, graceMs);
    },
  };
}

function resolveGrpcLimits(limits: GrpcLimits = {}): Required<GrpcLimits> {
  const resolved = {
    maxMessageBytes: 4 * 1024 * 1024,
    maxConcurrentStreams: 128,
    maxStoreStreams: 64,
    keepaliveMs: 30_000,
    keepaliveTimeoutMs: 10_000,
    ...limits,
  };
  for (const [name, value] of Object.entries(resolved)) {
    if (!Number.isSafeInteger(value) || value < 1) throw new OptionsError(name, 'must be a whole number of at least 1');
  }
  return resolved;
}

const operationOf: Readonly<Record<string, Operation>> = {
  Store: 'store',
  StoreStream: 'store_batch',
  Recall: 'recall',
  Get: 'get',
  Forget: 'forget',
  List: 'list',
};

/** Counts a call and logs what went wrong on our side, under the id that the client was told. */
function observe({ method, call, seconds, error }: FinishedCall, log: GrpcServerOptions['log'], metrics: GrpcMetrics | undefined): void {
  const operation = operationOf[method]!;
  if (error === undefined) {
    // Of a stream, each batch is an operation and was counted as it was answered.
    if (method !== 'StoreStream') metrics?.succeeded(operation, seconds);
    return;
  }
  const code: ErrorCode = error instanceof EngramError ? error.code : 'internal';
  metrics?.failed(operation, code);
  if (code === 'internal' || code === 'assertion_failed') {
    log.error({ err: error, method, requestId: call.requestId, peer: call.peer }, 'a gRPC call failed for a reason nobody foresaw');
  }
}

/** Ids that differ between runs of the server, too, so that they stay unique in a log that spans restarts. */
function requestIds(): () => string {
  const prefix = randomBytes(4).toString('hex');
  let count = 0;
  return () => `${prefix}-g${(count++).toString(36)}`;
}

async function listen(server: Server, bind: string): Promise<number> {
  try {
    return await new Promise<number>((resolve, reject) => {
      server.bindAsync(bind, ServerCredentials.createInsecure(), (error, port) => (error === null ? resolve(port) : reject(error)));
    });
  } catch (cause) {
    server.forceShutdown();
    const message = cause instanceof Error ? cause.message : String(cause);
    if (message.includes('EADDRINUSE')) {
      throw new EngramError('address_in_use', `gRPC cannot listen on ${bind}: another process does already.`, {
        hint: 'Stop that process, or choose another address with server.grpc_bind.',
        cause,
      });
    }
    throw new EngramError('invalid_config', `gRPC cannot listen on ${bind}: ${message}.`, {
      hint: 'Choose an address of this machine with server.grpc_bind.',
      cause,
    });
  }
}

function shutDown(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const force = setTimeout(() => server.forceShutdown(), graceMs);
    server.tryShutdown(() => {
      clearTimeout(force);
      resolve();
    });
  });
}
