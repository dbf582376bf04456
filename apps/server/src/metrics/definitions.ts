import type { ErrorCode } from '@engram/kernel';

/** What a client can ask of the server. The only values of the label `operation`, so their number is bounded. */
export const operations = ['store', 'store_batch', 'get', 'list', 'forget', 'recall', 'spaces', 'set_space_policy'] as const;
export type Operation = (typeof operations)[number];

export const batchOutcomes = ['stored', 'already_stored', 'refused'] as const;
export type BatchOutcome = (typeof batchOutcomes)[number];

export const walStates = ['accepting', 'full', 'failed', 'closed'] as const;

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
} as const satisfies Readonly<Record<string, MetricDefinition>>;

export type MetricName = keyof typeof metricDefinitions;
