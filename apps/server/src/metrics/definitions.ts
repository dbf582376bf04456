import type { ErrorCode } from '@engram/kernel';

/** What a client can ask of the server. The only values of the label `operation`, so their number is bounded. */
export const operations = ['store', 'store_batch', 'get', 'list', 'forget', 'recall', 'spaces', 'set_space_policy'] as const;
export type Operation = (typeof operations)[number];

export const batchOutcomes = ['stored', 'already_stored', 'refused'] as const;
export type BatchOutcome = (typeof batchOutcomes)[number];

/** Who answered a request: this node, the right one elsewhere, a copy in the place of its primary, or none. */
export const requestRoutes = ['here', 'forwarded', 'fallback', 'nobody'] as const;
export type RequestRoute = (typeof requestRoutes)[number];

export const walStates = ['accepting', 'full', 'failed', 'closed'] as const;

export const probeOutcomes = ['acked', 'acked_by_relay', 'acked_by_stream', 'failed'] as const;
export const directions = ['in', 'out'] as const;
export const transports = ['udp', 'tcp'] as const;

/** Type-only link: the values of the label `error_type` are the error codes, nothing else. */
export type ErrorType = ErrorCode;

export interface MetricDefinition {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  /** Each label with the values it can take, as the reference prints them. Never ids: those are without bound. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Upper bounds of a histogram's buckets. */
  readonly buckets?: readonly number[];
}

const sourceLabel = { source: 'static, dns, consul, etcd, kubernetes, aws, multicast' };
const operationLabel = { operation: operations.join(', ') };

/**
 * Every metric that Engram itself exports, once. The registry is built from this table, the reference is printed from
 * it, and dashboards and alerts are checked against it.
 */
export const metricDefinitions = {
  engram_up: { type: 'gauge', help: '1 while the node serves requests, 0 when it has failed and acknowledges no writes.' },
  engram_build_info: { type: 'gauge', help: 'Always 1; its label says which version runs.', labels: { version: 'the version of the server' } },

  engram_operations_total: { type: 'counter', help: 'Operations answered, whether they succeeded or not.', labels: operationLabel },
  engram_operation_errors_total: {
    type: 'counter',
    help: 'Operations answered with an error, by its code.',
    labels: { ...operationLabel, error_type: 'the error codes, such as invalid_argument' },
  },
  engram_memory_operation_duration_seconds: {
    type: 'histogram',
    help: 'Time from a checked request to its answer. For a store this includes the wait for the disk.',
    labels: operationLabel,
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  },
  engram_batch_items_total: { type: 'counter', help: 'Items of batches, by what became of them.', labels: { outcome: batchOutcomes.join(', ') } },
  engram_store_pending_operations: { type: 'gauge', help: 'Store requests at work over HTTP at this moment.' },

  engram_memories: { type: 'gauge', help: 'Memories held, all spaces together, forgotten ones not counted.' },
  engram_spaces: { type: 'gauge', help: 'Spaces held.' },
  engram_store_bytes: { type: 'gauge', help: 'Bytes of the memories held, as encoded, without the overhead of the embedded store.' },
  engram_store_unflushed_operations: { type: 'gauge', help: 'Log entries visible to reads that are not yet durable in the store; a restart applies them again from the log.' },

  engram_wal_fsync_seconds: {
    type: 'histogram',
    help: 'Time one fdatasync of the write-ahead log takes. One covers a group of stores.',
    buckets: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
  },
  engram_wal_bytes: { type: 'gauge', help: 'Bytes of the write-ahead log on disk.' },
  engram_wal_segments: { type: 'gauge', help: 'Files the write-ahead log consists of.' },
  engram_wal_queued_bytes: { type: 'gauge', help: 'Bytes that wait for the next fdatasync.' },
  engram_wal_state: { type: 'gauge', help: '1 for the state the write-ahead log is in, 0 for the others.', labels: { state: walStates.join(', ') } },

  engram_cluster_members_alive: { type: 'gauge', help: 'Other nodes that are alive, as this node sees them. 0 on a node that runs alone, as are all metrics of the cluster.' },
  engram_cluster_members_suspect: { type: 'gauge', help: 'Other nodes that have not answered lately.' },
  engram_cluster_members_dead: { type: 'gauge', help: 'Other nodes that are gone without a goodbye and not yet forgotten.' },
  engram_cluster_members_left: { type: 'gauge', help: 'Other nodes that said goodbye and are not yet forgotten.' },

  engram_cluster_joined: { type: 'gauge', help: '1 while this node belongs to a cluster, 0 while one has yet to be formed or found, and on a node that runs alone.' },

  engram_router_requests_total: {
    type: 'counter',
    help: 'Requests and items of batches, by who answered: this node, the primary elsewhere, a copy because the primary could not be asked, or nobody. 0 on a node that runs alone.',
    labels: { ...operationLabel, route: requestRoutes.join(', ') },
  },
  engram_router_retries_total: { type: 'counter', help: 'Times a request was tried again on another node or after a pause. Many of them mean a failover, or a node that is hard to reach.' },

  engram_cluster_epoch: { type: 'gauge', help: 'Version of the map that this node knows: it grows with every change of who holds what. 0 before there is one.' },
  engram_cluster_imbalance_ratio: { type: 'gauge', help: 'The largest share of copies on a node over the fair one, less 1: 0.2 is a fifth too much.' },
  engram_cluster_under_replicated_partitions: { type: 'gauge', help: 'Partitions with fewer copies than the cluster wants.' },
  engram_cluster_partitions: { type: 'gauge', help: 'Partitions of which this node holds a copy, by its role.', labels: { role: 'primary, replica' } },
  engram_replication_unshipped_entries: { type: 'gauge', help: 'Entries that this node has as a primary and a majority of copies has not: what is at stake if its disk were lost now.' },
  engram_replication_lagging_replicas: { type: 'gauge', help: 'Nodes that are further behind this one than is usual: 10 000 entries or 5 s. They count again as level below half of that.' },
  engram_replication_lag_entries: { type: 'gauge', help: 'Entries of partitions that this node leads, which another node has not acknowledged.', labels: { replica: 'the id of that node' } },
  engram_replication_lag_seconds: { type: 'histogram', help: 'How long the oldest of those entries has been waiting, seen whenever the metrics are read.', labels: { replica: 'the id of that node' }, buckets: [0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300] },

  engram_discovery_attempts_total: { type: 'counter', help: 'Times a source of discovery was asked.', labels: sourceLabel },
  engram_discovery_successes_total: { type: 'counter', help: 'Times it answered.', labels: sourceLabel },
  engram_discovery_duration_seconds: { type: 'histogram', help: 'Time a source took to answer or to fail.', labels: sourceLabel, buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] },
  engram_discovery_peers: { type: 'gauge', help: 'Endpoints in the last answer of a source.', labels: sourceLabel },

  engram_swim_probes_total: { type: 'counter', help: 'Probes of other nodes, by how they ended.', labels: { outcome: probeOutcomes.join(', ') } },
  engram_swim_probe_rtt_seconds: { type: 'histogram', help: 'Time from ping to acknowledgement of direct probes.', buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5] },
  engram_swim_suspicions_total: { type: 'counter', help: 'Suspicions that began, raised by this node or by others.' },
  engram_swim_deaths_declared_total: { type: 'counter', help: 'Other nodes that this node itself declared dead.' },
  engram_swim_refutations_total: { type: 'counter', help: 'Times this node was taken for dead or suspect and denied it. Many of them mean that it is slow or its network is.' },
  engram_swim_syncs_total: { type: 'counter', help: 'Full comparisons of the view with another node.' },
  engram_swim_stalls_total: { type: 'counter', help: 'Times the process could not run for long enough to matter to its probes.' },
  engram_swim_health_score: { type: 'gauge', help: '0 while this node keeps up; up to 8 when it is slow and stretches its own timeouts.' },
  engram_swim_isolated: { type: 'gauge', help: '1 while no other node is alive as far as this one knows, though some were.' },
  engram_swim_datagrams_total: { type: 'counter', help: 'Datagrams, by direction.', labels: { direction: directions.join(', ') } },
  engram_swim_bytes_total: { type: 'counter', help: 'Bytes of payload, by direction and transport. UDP and IP add 28 to each datagram on IPv4, 48 on IPv6.', labels: { direction: directions.join(', '), transport: transports.join(', ') } },
  engram_swim_send_errors_total: { type: 'counter', help: 'Datagrams that this machine did not send.' },
  engram_swim_rejected_total: { type: 'counter', help: 'Input that was dropped, by reason. `other_cluster`, `unknown_key` and `not_sealed` are usually a mistake in a configuration.', labels: { reason: 'the reasons of @engram/swim with underscores, such as malformed, other_cluster, unknown_key, replayed' } },
} as const satisfies Readonly<Record<string, MetricDefinition>>;

export type MetricName = keyof typeof metricDefinitions;
