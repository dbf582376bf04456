/**
 * The HTTP face of a node. Routes say what they take and give by schema; everything they share is put together here:
 * how bodies are read, how requests are checked, how errors are answered, how much is let in at once.
 */
import { randomBytes } from 'node:crypto';
import { EngramError } from '@engram/kernel';
import { DEFAULT_PARTITIONS, partitionOf } from '@engram/placement';
import { sessionHeader } from '@engram/rpc';
import { fastify, LogController, type FastifyBaseLogger, type FastifyError, type FastifyReply, type FastifyRequest, type RawServerDefault } from 'fastify';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import { LoneMembership, noOperator, type ClusterOperator, type Membership, type PlacementView } from '../cluster/index.js';
import type { PrintableValue } from '../config/index.js';
import type { ServerMetrics } from '../metrics/index.js';
import { publishOpenApi } from '../openapi/openapi.js';
import { refuseTokens, type OperationsFor } from '../routing/index.js';
import { Admission } from './admission.js';
import { readBodies } from './bodies.js';
import { callerOf } from './caller.js';
import { clusterSchemas } from './cluster-schemas.js';
import { operationSchemas } from './operation-schemas.js';
import { placementSchemas } from './placement-schemas.js';
import type { HttpEngine, HttpServer, RouteContext } from './context.js';
import { answerClientError, errorResponse, knownError } from './errors.js';
import { resolveHttpLimits, type HttpLimits } from './limits.js';
import { lingerOnClose } from './linger.js';
import { batchRoutes } from './routes/batch.js';
import { clusterRoutes } from './routes/cluster.js';
import { memoryRoutes } from './routes/memory.js';
import { operationRoutes } from './routes/operations.js';
import { placementRoutes } from './routes/placement.js';
import { recallRoutes } from './routes/recall.js';
import { spaceRoutes } from './routes/spaces.js';
import { systemRoutes } from './routes/system.js';
import { sharedSchemas } from './schemas.js';
import { answerUnknownRoutes } from './unknown-routes.js';
import { requestValidators, validationError } from './validation.js';

export interface HttpServerOptions {
  readonly engine: HttpEngine;
  /** Who answers a request about memories. @default the engine */
  readonly operationsFor?: OperationsFor;
  /** @default a node that runs alone */
  readonly membership?: Membership;
  /** A pino logger, or anything with its methods. Requests are not logged one by one; what fails on our side is. */
  readonly log: FastifyBaseLogger;
  readonly metrics: ServerMetrics;
  readonly limits?: HttpLimits;
  /** Who holds what. @default this node, everything */
  readonly placement?: PlacementView;
  /** @default one that refuses everything: the node runs alone */
  readonly operator?: ClusterOperator;
  /** Every value in force, without secrets. @default none */
  readonly effectiveConfig?: () => readonly PrintableValue[];
  /** Called once the answer to `POST /api/v1/shutdown` has been written. */
  readonly onShutdownRequested: () => void;
}

/** Node refuses request lines and headers beyond 16 KiB, so no path parameter can be longer. */
const HEADER_BYTES_MAX = 16_384;

/** How often late requests are looked for; Node's own 30 s would let them stay beyond their time by as much. */
const LATE_CHECK_MS = 5_000;

const allSchemas = [...sharedSchemas, ...clusterSchemas, ...placementSchemas, ...operationSchemas];

/** A node that runs alone holds everything. */
const unplaced: PlacementView = { map: () => undefined, replication: () => undefined, partitionOf: (space) => partitionOf(space, DEFAULT_PARTITIONS), steward: () => undefined, failure: undefined, isRemoved: false };

/** Builds the server; `listen` starts it, `close` lets requests under way finish and then stops. */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  const { engine, operationsFor, log, metrics, effectiveConfig = () => [], placement = unplaced, operator = noOperator, onShutdownRequested } = options;
  const membership = options.membership ?? new LoneMembership(engine.nodeId, engine.status().startedAtMs);
  const limits = resolveHttpLimits(options.limits);
  const admission = new Admission(limits.storesInFlightMax, limits.storeBytesInFlightMax);
  const nextRequestId = requestIds();
  const validators = requestValidators(allSchemas);

  const server: HttpServer = fastify<RawServerDefault>({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
    childLoggerFactory: (logger) => logger,
    genReqId: nextRequestId,
    bodyLimit: limits.bodyBytesMax,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    http: {
      headersTimeout: limits.headersTimeoutMs,
      maxHeaderSize: HEADER_BYTES_MAX,
      connectionsCheckingInterval: Math.min(LATE_CHECK_MS, limits.headersTimeoutMs),
      // Node would answer without a body; the hook below does it in the shape of every error.
      requireHostHeader: false,
    },
    // While it closes, requests on open connections still get the engine's own answer.
    return503OnClosing: false,
    routerOptions: { maxParamLength: HEADER_BYTES_MAX },
    schemaController: {
      compilersFactory: {
        // The framework offers its own collection of schemas for every scope; ours are the same in all of them.
        buildValidator: (() => ({ schema, httpPart }: { schema: object; httpPart?: string }) => validators.compile(schema, httpPart)) as never,
      },
    },
    schemaErrorFormatter: (errors, part) => validationError(errors, part),
    frameworkErrors: (error, request, reply) => answerError(error, request, reply),
    clientErrorHandler: (error, socket) => answerClientError(error, socket, nextRequestId()),
  }).withTypeProvider<TypeBoxTypeProvider>();

  server.server.maxConnections = limits.connectionsMax;
  server.server.maxRequestsPerSocket = 0;
  // Expectations other than 100-continue are ignored, as RFC 9110 allows, instead of answered with a bare 417.
  server.server.on('checkExpectation', (request, response) => server.routing(request, response));
  metrics.observe({ status: () => engine.status(), pendingStores: () => admission.requests, swim: () => membership.metrics(), discovery: () => membership.discoveryMetrics(), joined: () => membership.formation()?.state === 'joined', placement: () => placement });

  const answerError = (error: unknown, request: FastifyRequest, reply: FastifyReply): void => {
    const known = knownError(error) ?? unforeseen(error);
    const { operation } = request.routeOptions?.config ?? {};
    if (operation) metrics.failed(operation, known.code);
    const { status, headers, body } = errorResponse(known, request.id);
    const about = { requestId: request.id, method: request.method, url: request.url, code: known.code };
    // What may succeed later is an answer and no defect: while a cluster chooses a primary there are many of them.
    if (status >= 500 && !known.retryable) log.error({ err: error, ...about }, 'a request failed on our side');
    else log[status >= 500 ? 'warn' : 'debug'](about, known.message);
    // A body that nobody will read must not be taken for the next request; the client still gets to read the answer.
    // The framework closes after every bad body; one that was read to its end is no reason to.
    if (request.raw.complete) void reply.removeHeader('connection');
    else lingerOnClose(request.raw, reply.raw);
    void reply.code(status).headers(headers).type('application/json; charset=utf-8').serializer(JSON.stringify).send(body);
  };
  server.setErrorHandler<FastifyError>((error, request, reply) => answerError(error, request, reply));

  for (const schema of allSchemas) server.addSchema(schema);
  server.addHook('onRequest', (request, _reply, done) => done(hostFault(request)));
  answerUnknownRoutes(server);
  readBodies(server);
  publishOpenApi(server, engine.version);
  const memoryFor: RouteContext['memoryFor'] = (request) => {
    const caller = callerOf(request);
    if (operationsFor !== undefined) return operationsFor(caller);
    refuseTokens(caller.header(sessionHeader));
    return engine;
  };
  const context: RouteContext = { engine, memoryFor, membership, placement, operator, metrics, log, limits, admission, validators, effectiveConfig, onShutdownRequested };
  // In a plugin of its own, so that the routes are added once the document above is listening for them.
  server.register(async (scope: HttpServer) => {
    for (const routes of [memoryRoutes, batchRoutes, recallRoutes, spaceRoutes, clusterRoutes, placementRoutes, operationRoutes, systemRoutes]) routes(scope, context);
  });
  return server;
}

/** Distinct across restarts by its prefix, cheap by its counter. */
function requestIds(): () => string {
  const prefix = randomBytes(4).toString('hex');
  let count = 0;
  return () => `${prefix}-${(count++).toString(36)}`;
}

/** HTTP/1.1 wants a Host header (RFC 9112, section 3.2). */
function hostFault({ raw: { headers, httpVersionMinor } }: FastifyRequest): EngramError | undefined {
  if (headers.host !== undefined || httpVersionMinor === 0) return undefined;
  return new EngramError('invalid_argument', 'the request has no Host header', { hint: 'Send one, as HTTP/1.1 asks for.' });
}

function unforeseen(cause: unknown): EngramError {
  return new EngramError('internal', 'The server failed while it worked on this request.', {
    hint: 'The request id leads to the cause in the log of the server.',
    cause,
  });
}
