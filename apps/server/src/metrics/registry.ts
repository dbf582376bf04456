import type { ErrorCode } from '@engram/kernel';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { BatchResult, EngineStatus } from '../engine/index.js';
import type { DiscoveryMetrics } from '@engram/discovery';
import type { SwimMetrics } from '@engram/swim';
import { balanceOf, type PlacementView } from '../cluster/index.js';
import { metricDefinitions, operations, requestRoutes, walStates, type BatchOutcome, type MetricDefinition, type MetricName, type Operation, type RequestRoute } from './definitions.js';

type NamesOf<Type extends MetricDefinition['type']> = { [Name in MetricName]: (typeof metricDefinitions)[Name]['type'] extends Type ? Name : never }[MetricName];

/** As the engine names what became of an item. */
type BatchResultOutcome = BatchResult['outcome'];

interface OperationSeries {
  readonly total: Counter.Internal;
  readonly seconds: Histogram.Internal<string>;
  readonly routes: Readonly<Record<RequestRoute, Counter.Internal>>;
}

/** What the registry reads whenever it is scraped. */
export interface MetricSources {
  readonly status: () => EngineStatus;
  readonly pendingStores: () => number;
  /** Undefined on a node that runs alone. */
  readonly swim: () => SwimMetrics | undefined;
  /** Undefined when nothing is asked. */
  readonly discovery: () => DiscoveryMetrics | undefined;
  readonly joined: () => boolean;
  readonly placement: () => PlacementView;
}

/**
 * Counts what the server does and reads what it is when it is scraped. HTTP and gRPC share one, so that an operation
 * has one name whichever way it came.
 */
export class ServerMetrics {
  readonly #registry = new Registry();
  readonly #counters = this.#create('counter', (options) => new Counter(options)) as Record<NamesOf<'counter'>, Counter>;
  readonly #gauges = this.#create('gauge', (options) => new Gauge(options)) as Record<NamesOf<'gauge'>, Gauge>;
  readonly #histograms = this.#create('histogram', (options) => new Histogram(options)) as Record<NamesOf<'histogram'>, Histogram>;
  readonly #byOperation: Readonly<Record<Operation, OperationSeries>>;
  #sources: Partial<MetricSources> = {};
  #swim: SwimMetrics | undefined;
  #discovery: DiscoveryMetrics | undefined;

  constructor(version: string) {
    collectDefaultMetrics({ register: this.#registry });
    this.#gauges.engram_build_info.set({ version }, 1);
    this.#gauges.engram_up.set(0);
    // Resolving labels costs more than counting, so the hot ones are resolved once. It also makes every series start at 0.
    this.#byOperation = Object.fromEntries(
      operations.map((operation) => [
        operation,
        {
          total: this.#counters.engram_operations_total.labels(operation),
          seconds: this.#histograms.engram_memory_operation_duration_seconds.labels(operation),
          routes: Object.fromEntries(requestRoutes.map((route) => [route, this.#counters.engram_router_requests_total.labels(operation, route)])),
        },
      ]),
    ) as unknown as Readonly<Record<Operation, OperationSeries>>;
    for (const operation of operations) this.#counters.engram_operations_total.inc({ operation }, 0);
    readHistogram(this.#registry, 'engram_swim_probe_rtt_seconds', () => [{ labels: {}, histogram: this.#swim?.rttSeconds }]);
    readHistogram(this.#registry, 'engram_discovery_duration_seconds', () =>
      (this.#discovery?.sources ?? []).map(({ source, durationSeconds }) => ({ labels: { source }, histogram: durationSeconds })));
  }

  /** Where gauges come from; what is not given keeps its last value. */
  observe(sources: Partial<MetricSources>): void {
    this.#sources = { ...this.#sources, ...sources };
  }

  succeeded(operation: Operation, seconds: number): void {
    const { total, seconds: histogram } = this.#byOperation[operation];
    total.inc();
    histogram.observe(seconds);
  }

  /** Refused or failed. Not timed: a refusal is fast and would flatter the histogram. */
  failed(operation: Operation, errorType: ErrorCode): void {
    this.#byOperation[operation].total.inc();
    this.#counters.engram_operation_errors_total.inc({ operation, error_type: errorType });
  }

  /** Counts the items of a batch by outcome, together: resolving a label takes longer than checking an item. */
  batchItems(results: readonly { readonly outcome: BatchResultOutcome }[]): void {
    let stored = 0;
    let alreadyStored = 0;
    for (const { outcome } of results) {
      if (outcome === 'stored') stored += 1;
      else if (outcome === 'already-stored') alreadyStored += 1;
    }
    this.#countItems('stored', stored);
    this.#countItems('already_stored', alreadyStored);
    this.#countItems('refused', results.length - stored - alreadyStored);
  }

  /** Who answered, of so many requests or items. */
  routed(operation: Operation, route: RequestRoute, requests = 1): void {
    this.#byOperation[operation].routes[route].inc(requests);
  }

  routeRetried(): void {
    this.#counters.engram_router_retries_total.inc();
  }

  /** For the log's `onFsync`. */
  readonly walFsync = (seconds: number): void => {
    this.#histograms.engram_wal_fsync_seconds.observe(seconds);
  };

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Everything in the Prometheus text format. */
  async render(): Promise<string> {
    this.#read();
    return this.#registry.metrics();
  }

  #countItems(outcome: BatchOutcome, items: number): void {
    if (items > 0) this.#counters.engram_batch_items_total.inc({ outcome }, items);
  }

  #read(): void {
    const { status, pendingStores, swim, discovery, joined, placement } = this.#sources;
    const gauges = this.#gauges;
    this.#readSwim(swim?.());
    this.#readDiscovery(discovery?.());
    gauges.engram_cluster_joined.set(joined?.() ? 1 : 0);
    this.#readPlacement(placement?.());
    if (pendingStores) gauges.engram_store_pending_operations.set(pendingStores());
    if (!status) return;
    const { health, memories, spaces, log, store, appliedLsn, durableAppliedLsn } = status();
    gauges.engram_up.set(health.status === 'failed' ? 0 : 1);
    gauges.engram_memories.set(memories);
    gauges.engram_spaces.set(spaces);
    gauges.engram_store_bytes.set(store.bytes);
    gauges.engram_store_unflushed_operations.set(appliedLsn - durableAppliedLsn);
    gauges.engram_wal_bytes.set(log.bytes);
    gauges.engram_wal_segments.set(log.segments);
    gauges.engram_wal_queued_bytes.set(log.queuedBytes);
    for (const state of walStates) gauges.engram_wal_state.set({ state }, log.state === state ? 1 : 0);
  }

  #readSwim(swim: SwimMetrics | undefined): void {
    this.#swim = swim;
    if (swim === undefined) return;
    const { members, probes, datagrams, streams } = swim;
    const gauges = this.#gauges;
    const counters = this.#counters;
    gauges.engram_cluster_members_alive.set(members.alive);
    gauges.engram_cluster_members_suspect.set(members.suspect);
    gauges.engram_cluster_members_dead.set(members.dead);
    gauges.engram_cluster_members_left.set(members.left);
    gauges.engram_swim_health_score.set(swim.healthScore);
    gauges.engram_swim_isolated.set(swim.isolated ? 1 : 0);
    for (const [outcome, count] of Object.entries(probes)) setCounter(counters.engram_swim_probes_total, count, { outcome: snakeCase(outcome) });
    setCounter(counters.engram_swim_suspicions_total, swim.suspicions);
    setCounter(counters.engram_swim_deaths_declared_total, swim.deathsDeclared);
    setCounter(counters.engram_swim_refutations_total, swim.refutations);
    setCounter(counters.engram_swim_syncs_total, swim.syncs);
    setCounter(counters.engram_swim_stalls_total, swim.stalls);
    setCounter(counters.engram_swim_datagrams_total, datagrams.packetsIn, { direction: 'in' });
    setCounter(counters.engram_swim_datagrams_total, datagrams.packetsOut, { direction: 'out' });
    for (const [transport, { bytesIn, bytesOut }] of [['udp', datagrams], ['tcp', streams]] as const) {
      setCounter(counters.engram_swim_bytes_total, bytesIn, { direction: 'in', transport });
      setCounter(counters.engram_swim_bytes_total, bytesOut, { direction: 'out', transport });
    }
    setCounter(counters.engram_swim_send_errors_total, Object.values(datagrams.sendErrors).reduce((sum, count) => sum + count, 0));
    for (const [reason, count] of Object.entries(swim.rejected)) setCounter(counters.engram_swim_rejected_total, count, { reason: snakeCase(reason) });
  }

  #readDiscovery(discovery: DiscoveryMetrics | undefined): void {
    this.#discovery = discovery;
    for (const { source, attempts, successes, peers } of discovery?.sources ?? []) {
      setCounter(this.#counters.engram_discovery_attempts_total, attempts, { source });
      setCounter(this.#counters.engram_discovery_successes_total, successes, { source });
      this.#gauges.engram_discovery_peers.set({ source }, peers);
    }
  }

  #readPlacement(placement: PlacementView | undefined): void {
    const gauges = this.#gauges;
    const map = placement?.map();
    const status = placement?.replication();
    gauges.engram_cluster_epoch.set(map?.epoch ?? 0);
    if (map) {
      const { imbalance, underReplicated } = balanceOf(map);
      gauges.engram_cluster_imbalance_ratio.set(imbalance);
      gauges.engram_cluster_under_replicated_partitions.set(underReplicated.length);
    }
    if (!status) return;
    for (const role of ['primary', 'replica'] as const) gauges.engram_cluster_partitions.set({ role }, status.partitions.filter((partition) => partition.role === role).length);
    gauges.engram_replication_unshipped_entries.set(status.unshippedEntries);
    gauges.engram_replication_lagging_replicas.set(status.peers.filter(({ isLagging }) => isLagging).length);
    // A node that is gone from the roster takes its series with it.
    gauges.engram_replication_lag_entries.reset();
    for (const { peer, entries, seconds } of status.peers) {
      gauges.engram_replication_lag_entries.set({ replica: peer }, entries);
      this.#histograms.engram_replication_lag_seconds.observe({ replica: peer }, seconds);
    }
  }

  #create<M>(type: MetricDefinition['type'], make: (options: { name: string; help: string; labelNames: string[]; buckets: number[]; registers: Registry[] }) => M): Record<string, M> {
    const made: Record<string, M> = {};
    for (const [name, definition] of Object.entries<MetricDefinition>(metricDefinitions)) {
      if (definition.type !== type) continue;
      const { help, labels = {}, buckets = [] } = definition;
      made[name] = make({ name, help, labelNames: Object.keys(labels), buckets: [...buckets], registers: [this.#registry] });
    }
    return made;
  }
}

/** A counter that somebody else counts: it is only read here. */
function setCounter(counter: Counter, value: number, labels: Record<string, string> = {}): void {
  counter.remove(labels);
  counter.inc(labels, value);
}

/** A histogram as somebody else keeps it: counts up to and including each bound. */
interface KeptHistogram {
  readonly buckets: readonly { readonly le: number; readonly count: number }[];
  readonly count: number;
  readonly sum: number;
}

/** Puts histograms that somebody else fills, in the same buckets, in the place of ours; empty while there is nothing to read. */
function readHistogram(registry: Registry, name: NamesOf<'histogram'>, read: () => readonly { readonly labels: Record<string, string>; readonly histogram: KeptHistogram | undefined }[]): void {
  const { help, buckets: bounds } = metricDefinitions[name];
  const empty: KeptHistogram = { buckets: bounds.map((le) => ({ le, count: 0 })), count: 0, sum: 0 };
  const get = async (): Promise<object> => {
    const values = read().flatMap(({ labels, histogram }) => {
      const { buckets, count, sum } = histogram ?? empty;
      return [
        ...buckets.map(({ le, count: below }) => ({ labels: { ...labels, le }, value: below, metricName: `${name}_bucket` })),
        { labels: { ...labels, le: '+Inf' }, value: count, metricName: `${name}_bucket` },
        { labels, value: sum, metricName: `${name}_sum` },
        { labels, value: count, metricName: `${name}_count` },
      ];
    });
    return { name, help, type: 'histogram', values, aggregator: 'sum' };
  };
  registry.removeSingleMetric(name);
  registry.registerMetric({ name, get } as unknown as Histogram);
}

function snakeCase(text: string): string {
  return text.replaceAll('-', '_');
}
