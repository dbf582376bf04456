import type { ErrorCode } from '@engram/kernel';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyBaseLogger, FastifyInstance, FastifyRequest, RawReplyDefaultExpression, RawRequestDefaultExpression, RawServerDefault } from 'fastify';
import type { ClusterOperator, Membership, PlacementView } from '../cluster/index.js';
import type { PrintableValue } from '../config/index.js';
import type { Engine } from '../engine/index.js';
import type { MemoryOperations } from '../routing/index.js';
import type { Operation, ServerMetrics } from '../metrics/index.js';
import type { Admission } from './admission.js';
import type { HttpLimits } from './limits.js';
import type { RequestValidators } from './validation.js';

/** The server as routes see it: schemas give the types of what arrives. */
export type HttpServer = FastifyInstance<RawServerDefault, RawRequestDefaultExpression, RawReplyDefaultExpression, FastifyBaseLogger, TypeBoxTypeProvider>;

/** The part of the engine that HTTP needs. */
export type HttpEngine = Pick<
  Engine,
  'nodeId' | 'version' | 'store' | 'storeBatch' | 'get' | 'list' | 'forget' | 'recall' | 'spaces' | 'space' | 'setSpacePolicy' | 'health' | 'ready' | 'status'
>;

/** What routes are given. */
export interface RouteContext {
  /** This node: what it is and how it is. */
  readonly engine: HttpEngine;
  /** The memory, for one request: of this node, or of the cluster behind it. */
  readonly memoryFor: (request: FastifyRequest) => MemoryOperations;
  readonly membership: Membership;
  readonly placement: PlacementView;
  /** What operators ask of the cluster. */
  readonly operator: ClusterOperator;
  readonly metrics: ServerMetrics;
  readonly log: FastifyBaseLogger;
  readonly limits: Required<HttpLimits>;
  readonly admission: Admission;
  readonly validators: RequestValidators;
  /** Every value in force, without secrets. */
  readonly effectiveConfig: () => readonly PrintableValue[];
  readonly onShutdownRequested: () => void;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Under which name the metrics count this route; routes without one are not counted. */
    readonly operation?: Operation;
    /** The errors this route can answer with beside those of every route, for the OpenAPI document. */
    readonly errors?: readonly ErrorCode[];
  }
}
