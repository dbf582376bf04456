/** The way of one request: decide who answers, ask, and when that fails decide anew with what was learnt. */
import { setTimeout as pause } from 'node:timers/promises';
import { EngramError, isNodeId, type NodeId, type Random, type SpaceId } from '@engram/kernel';
import { copiesOf, type ClusterMap } from '@engram/placement';
import type { Operation, ServerMetrics } from '../metrics/index.js';
import { mayAskAnother, mayTryAgain, pauseMs, resolveRetryOptions, type RetryOptions } from './retry.js';
import type { SessionView } from './client-session.js';
import { decide, type Consistency, type Route } from './route.js';

/** What the router must know of the cluster. Everything is asked anew for every decision. */
export interface ClusterView extends SessionView {
  /** Undefined while this node belongs to no cluster; then it answers for itself. */
  map(): ClusterMap | undefined;
  /** Whether another node is there, as membership sees it. */
  isAlive(node: NodeId): boolean;
  /** How many entries this node's copy of a partition is known to lack; undefined when nobody told it. */
  entriesLacking?(partition: number): number | undefined;
}

export interface RouterOptions {
  readonly self: NodeId;
  readonly cluster: ClusterView;
  readonly partitionOf: (space: SpaceId) => number;
  /** `host:port` at which clients reach a node, for those who want no forwarding. */
  readonly addressOf: (node: NodeId) => string | undefined;
  readonly metrics?: Pick<ServerMetrics, 'routed' | 'routeRetried'> | undefined;
  readonly random: Random;
  readonly retry?: RetryOptions;
}

/** A request on its way. `here` and `there` are called once for every try. */
export interface Work<Result> {
  readonly operation: Operation;
  readonly kind: 'write' | 'read';
  readonly space: SpaceId;
  readonly consistency: Consistency;
  /** Whether doing it twice is as good as once. */
  readonly repeatable: boolean;
  /** Whether another node may be asked. */
  readonly mayForward: boolean;
  /** How long the whole may take, in milliseconds. */
  readonly budgetMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Of a read: whether the copy here lacks what the client has written. @default never */
  readonly lags?: (() => boolean) | undefined;
  /** @param doubt Why the answer may miss the latest writes. */
  here(doubt: string | undefined): Result | Promise<Result>;
  there(node: NodeId, deadlineMs: number, doubt: string | undefined): Promise<Result>;
}

export class Router {
  readonly #options: RouterOptions;
  readonly #retry: Required<RetryOptions>;

  constructor(options: RouterOptions) {
    this.#options = options;
    this.#retry = resolveRetryOptions(options.retry);
  }

  get cluster(): ClusterView {
    return this.#options.cluster;
  }

  partitionOf(space: SpaceId): number {
    return this.#options.partitionOf(space);
  }

  /** Whether this node has a copy. A node that belongs to no cluster has whatever there is. */
  holds(partition: number): boolean {
    const map = this.cluster.map();
    const placement = map?.table[partition];
    return map === undefined || (placement !== undefined && copiesOf(placement).includes(this.#options.self));
  }

  decide(partition: number, operation: 'write' | 'read', consistency: Consistency, failed?: ReadonlySet<NodeId>, lags = false): Route {
    const { self, cluster } = this.#options;
    return decide({
      map: cluster.map(),
      joined: cluster.clusterId() !== undefined,
      self,
      partition,
      operation,
      consistency,
      leads: operation === 'read' && cluster.leads(partition),
      holds: this.holds(partition),
      lags,
      isAlive: (node) => failed?.has(node) !== true && cluster.isAlive(node),
    });
  }

  count(operation: Operation, route: Route, requests = 1): void {
    this.#options.metrics?.routed(operation, 'doubt' in route ? 'fallback' : route.kind === 'forward' ? 'forwarded' : route.kind, requests);
  }

  /**
   * @throws EngramError whatever the node that was asked last answered; `unavailable` when there is nobody to ask, with
   *   `retryAfterMs`; `not_primary`, naming the right node, when another one would have to be asked and may not be.
   */
  async run<Result>(work: Work<Result>): Promise<Result> {
    const partition = this.partitionOf(work.space);
    const endsAtMs = performance.now() + work.budgetMs;
    const failed = new Set<NodeId>();
    let told: NodeId | undefined;
    let behind: EngramError | undefined;
    for (let tries = 1; ; ) {
      const route: Route = told === undefined ? this.decide(partition, work.kind, work.consistency, failed, work.lags?.()) : { kind: 'forward', node: told };
      told = undefined;
      try {
        const result = await this.#follow(route, work, partition, endsAtMs);
        this.count(work.operation, route);
        return result;
      } catch (thrown) {
        // That those who were asked lack what the client has written says more than that nobody is left to ask.
        const error = route.kind === 'nobody' && behind !== undefined ? behind : thrown;
        if (route.kind === 'forward' && work.mayForward && work.kind === 'read' && mayAskAnother(error) && !this.#isLastWord(error, route.node, partition) && performance.now() < endsAtMs) {
          // Each time round one node fewer is left to ask, so this ends by itself.
          failed.add(route.node);
          if (isBehind(error)) behind = error;
          this.#options.metrics?.routeRetried();
          continue;
        }
        const waitMs = pauseMs(tries, this.#options.random, this.#retry);
        const again = work.mayForward && tries < this.#retry.triesMax && mayTryAgain(error, work.repeatable, route.kind === 'forward') && work.signal?.aborted !== true;
        if (!again || performance.now() + waitMs >= endsAtMs) {
          this.count(work.operation, route);
          throw error;
        }
        tries += 1;
        failed.clear();
        told = this.#toldNode(error, route);
        this.#options.metrics?.routeRetried();
        await pause(waitMs);
      }
    }
  }

  #follow<Result>(route: Route, work: Work<Result>, partition: number, endsAtMs: number): Result | Promise<Result> {
    switch (route.kind) {
      case 'here':
        return work.here(route.doubt);
      case 'forward': {
        if (!work.mayForward) throw this.#elsewhere(route.node, work.space, partition);
        const leftMs = Math.max(0, endsAtMs - performance.now());
        // A read that a copy here can answer as well must not spend all its time on a primary that is silent.
        return work.there(route.node, work.kind === 'read' && this.holds(partition) ? leftMs / 2 : leftMs, route.doubt);
      }
      case 'nobody':
        throw new EngramError('unavailable', `Nobody can ${work.kind === 'write' ? 'take writes of' : 'read'} space ${work.space} at the moment: ${route.reason}.`, {
          hint: 'Try again in a moment, on any node; nothing of this request was done. When it stays so, look at `engram members` for nodes that are gone.',
          details: { space: work.space, partition, retryAfterMs: route.retryAfterMs },
        });
    }
  }

  /** What the primary itself lacks is in no copy that counts, so asking further would only take the client's time. */
  #isLastWord(error: unknown, from: NodeId, partition: number): boolean {
    return isBehind(error) && this.cluster.map()?.table[partition]?.primary === from;
  }

  /** A node that refused may know a newer map than this one: the node that it names is asked next, if it belongs to the cluster. */
  #toldNode(error: unknown, route: Route): NodeId | undefined {
    if (!(error instanceof EngramError) || error.code !== 'not_primary') return undefined;
    const { self, cluster } = this.#options;
    const { node } = error.details;
    if (!isNodeId(node) || node === self || (route.kind === 'forward' && node === route.node)) return undefined;
    return cluster.map()?.roster.some(({ id }) => id === node) === true && cluster.isAlive(node) ? node : undefined;
  }

  #elsewhere(node: NodeId, space: SpaceId, partition: number): EngramError {
    const address = this.#options.addressOf(node);
    const where = address === undefined ? node : `${node} at ${address}`;
    return new EngramError('not_primary', `Space ${space} belongs to ${where}; this node was asked not to pass the request on, and did nothing.`, {
      hint: `Send the request to ${where}, or let any node pass it on.`,
      details: { node, space, ...(address === undefined ? {} : { address }), epoch: this.cluster.map()?.table[partition]?.epoch },
    });
  }
}

function isBehind(error: unknown): error is EngramError {
  return error instanceof EngramError && error.code === 'copy_behind';
}
