import type { NodeId, Random, SpaceId } from '@engram/kernel';
import { EngramError, OptionsError } from '@engram/kernel';
import { forwardedByHeader, type GrpcForwarder, type HttpForwarder } from '../peers/index.js';
import type { ServerMetrics } from '../metrics/index.js';
import type { Caller, MemoryOperations } from './operations.js';
import type { RetryOptions } from './retry.js';
import { RoutedOperations, type LocalEngine, type OperationsParts } from './routed-operations.js';
import { Router, type ClusterView } from './router.js';

export interface RoutedEngineOptions {
  readonly cluster: ClusterView;
  readonly partitionOf: (space: SpaceId) => number;
  readonly grpc: GrpcForwarder;
  readonly http: HttpForwarder;
  /** `host:port` at which clients reach a node, for those who want no forwarding. */
  readonly addressOf: (node: NodeId) => string | undefined;
  readonly metrics?: Pick<ServerMetrics, 'routed' | 'routeRetried'>;
  readonly random: Random;
  readonly retry?: RetryOptions;
  /** How long a request may take whose client named no time, in milliseconds. @default 5000 */
  readonly budgetMs?: number;
  /** How long a read waits for the copy here to have what the client's session token stands for, in milliseconds; 0 refuses at once. @default 1000 */
  readonly sessionWaitMs?: number;
  /** Items of one batch that are under way to one other node at the same time, at most. @default 64 */
  readonly batchInFlightMax?: number;
}

/**
 * The memory of the cluster behind one node: whichever node is asked, the one that can answer does.
 *
 * ```text
 * client ──▶ this node ──▶ the engine here                        (it is the primary, or any copy will do)
 *                     └──▶ primary ──▶ its engine, or 421          (passed on once, marked, never again)
 * ```
 *
 * A client may send `x-engram-no-forward: 1` to be told where to go instead, `x-engram-consistency: any` to read from any
 * copy, and in `x-engram-session` what it was given with its writes, to read them whoever answers.
 */
export class RoutedEngine {
  readonly #parts: OperationsParts;

  constructor(engine: LocalEngine, options: RoutedEngineOptions) {
    const { cluster, partitionOf, grpc, http, addressOf, metrics, random, retry = {}, budgetMs = 5_000, sessionWaitMs = 1_000, batchInFlightMax = 64 } = options;
    if (!(budgetMs > 0)) throw new OptionsError('budgetMs', 'must be positive');
    if (!(sessionWaitMs >= 0)) throw new OptionsError('sessionWaitMs', 'must not be negative');
    if (!Number.isSafeInteger(batchInFlightMax) || batchInFlightMax < 1) throw new OptionsError('batchInFlightMax', 'must be a positive whole number');
    const router = new Router({ self: engine.nodeId, cluster, partitionOf, addressOf, metrics, random, retry });
    this.#parts = { engine, router, grpc, http, budgetMs, sessionWaitMs, batchInFlightMax };
  }

  /**
   * The operations as they are for one request. Make them anew for each: the time that it may take counts from there.
   *
   * @throws EngramError `invalid_argument` for a request passed on by a node of another cluster; `not_ready` for one
   *   passed on before this node knows to which it belongs.
   */
  for(caller: Caller): MemoryOperations {
    if (caller.header(forwardedByHeader) !== undefined && this.#parts.router.cluster.clusterId() === undefined) {
      throw new EngramError('not_ready', 'This node belongs to no cluster yet.');
    }
    return new RoutedOperations(this.#parts, caller);
  }
}
