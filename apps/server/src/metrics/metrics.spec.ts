import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { errorCodes, type ErrorCode } from '@engram/kernel';
import type { SwimMetrics } from '@engram/swim';
import { expect, test } from 'vitest';
import { metricDefinitions, operations, renderMetricsReference, ServerMetrics, type MetricDefinition } from './index.js';
import type { EngineStatus } from '../engine/index.js';

const status = {
  health: { status: 'healthy', reasons: [] },
  memories: 12,
  spaces: 3,
  log: { state: 'full', bytes: 4096, segments: 2, queuedBytes: 7 },
  store: { bytes: 8192 },
  appliedLsn: 40,
  durableAppliedLsn: 25,
} as unknown as EngineStatus;

function lines(text: string, name: string): string[] {
  return text.split('\n').filter((line) => line === name || line.startsWith(`${name} `) || line.startsWith(`${name}{`));
}

test('every metric of the table is exported with its help and type before anything has happened', async () => {
  const text = await new ServerMetrics('1.2.3').render();
  for (const [name, { type, help }] of Object.entries<MetricDefinition>(metricDefinitions)) {
    expect(text).toContain(`# HELP ${name} ${help}`);
    expect(text).toContain(`# TYPE ${name} ${type}`);
  }
  expect(lines(text, 'engram_build_info')).toEqual(['engram_build_info{version="1.2.3"} 1']);
});

test('a node without an engine is not up', async () => {
  expect(lines(await new ServerMetrics('1.2.3').render(), 'engram_up')).toEqual(['engram_up 0']);
});

test('gauges say what the node is at the moment of the scrape', async () => {
  const metrics = new ServerMetrics('1.2.3');
  metrics.observe({ status: () => status });
  metrics.observe({ pendingStores: () => 5 });
  const text = await metrics.render();
  expect(lines(text, 'engram_up')).toEqual(['engram_up 1']);
  expect(lines(text, 'engram_memories')).toEqual(['engram_memories 12']);
  expect(lines(text, 'engram_store_unflushed_operations')).toEqual(['engram_store_unflushed_operations 15']);
  expect(lines(text, 'engram_store_pending_operations')).toEqual(['engram_store_pending_operations 5']);
  expect(lines(text, 'engram_wal_state')).toEqual([
    'engram_wal_state{state="accepting"} 0',
    'engram_wal_state{state="full"} 1',
    'engram_wal_state{state="failed"} 0',
    'engram_wal_state{state="closed"} 0',
  ]);
});

test('a node that has failed is not up', async () => {
  const metrics = new ServerMetrics('1.2.3');
  metrics.observe({ status: () => ({ ...status, health: { status: 'failed', reasons: ['the disk'] } }) });
  expect(lines(await metrics.render(), 'engram_up')).toEqual(['engram_up 0']);
});

const swim: SwimMetrics = {
  members: { alive: 2, suspect: 1, dead: 3, left: 4 },
  viewVersion: 9,
  healthScore: 5,
  isolated: true,
  probes: { acked: 10, 'acked-by-relay': 2, 'acked-by-stream': 1, failed: 3 },
  rttSeconds: { buckets: [{ le: 0.001, count: 4 }, { le: 5, count: 10 }], count: 10, sum: 0.75 },
  suspicions: 6,
  deathsDeclared: 1,
  refutations: 2,
  syncs: 7,
  stalls: 8,
  queued: { news: 0, broadcasts: 0 },
  datagrams: { packetsIn: 20, packetsOut: 21, bytesIn: 2_000, bytesOut: 2_100, sendErrors: { ENETUNREACH: 2, 'send-queue-full': 1 } },
  streams: { streamsIn: 1, streamsOut: 1, bytesIn: 300, bytesOut: 310, open: 0 },
  rejected: { malformed: 0, 'other-cluster': 11 },
  resyncs: 0,
};

test('membership is read from where it is counted, peers without the node itself', async () => {
  const metrics = new ServerMetrics('1.2.3');
  metrics.observe({ swim: () => swim });
  await metrics.render();
  const text = await metrics.render();
  expect(['alive', 'suspect', 'dead', 'left'].map((state) => lines(text, `engram_cluster_members_${state}`)[0])).toEqual([
    'engram_cluster_members_alive 2',
    'engram_cluster_members_suspect 1',
    'engram_cluster_members_dead 3',
    'engram_cluster_members_left 4',
  ]);
  // Scraping twice counts nothing twice.
  expect(lines(text, 'engram_swim_probes_total')).toContain('engram_swim_probes_total{outcome="acked_by_relay"} 2');
  expect(lines(text, 'engram_swim_suspicions_total')).toEqual(['engram_swim_suspicions_total 6']);
  expect(lines(text, 'engram_swim_bytes_total')).toEqual([
    'engram_swim_bytes_total{direction="in",transport="udp"} 2000',
    'engram_swim_bytes_total{direction="out",transport="udp"} 2100',
    'engram_swim_bytes_total{direction="in",transport="tcp"} 300',
    'engram_swim_bytes_total{direction="out",transport="tcp"} 310',
  ]);
  expect(lines(text, 'engram_swim_rejected_total')).toEqual(['engram_swim_rejected_total{reason="malformed"} 0', 'engram_swim_rejected_total{reason="other_cluster"} 11']);
  expect(lines(text, 'engram_swim_send_errors_total')).toEqual(['engram_swim_send_errors_total 3']);
  expect(lines(text, 'engram_swim_isolated')).toEqual(['engram_swim_isolated 1']);
  expect(lines(text, 'engram_swim_probe_rtt_seconds_bucket')).toEqual([
    'engram_swim_probe_rtt_seconds_bucket{le="0.001"} 4',
    'engram_swim_probe_rtt_seconds_bucket{le="5"} 10',
    'engram_swim_probe_rtt_seconds_bucket{le="+Inf"} 10',
  ]);
  expect(lines(text, 'engram_swim_probe_rtt_seconds_sum')).toEqual(['engram_swim_probe_rtt_seconds_sum 0.75']);
});

test('a node that runs alone has no peers and has sent nothing', async () => {
  const metrics = new ServerMetrics('1.2.3');
  metrics.observe({ swim: () => undefined });
  const text = await metrics.render();
  expect(lines(text, 'engram_cluster_members_alive')).toEqual(['engram_cluster_members_alive 0']);
  expect(lines(text, 'engram_swim_probe_rtt_seconds_count')).toEqual(['engram_swim_probe_rtt_seconds_count 0']);
  expect(lines(text, 'engram_swim_bytes_total')).toEqual([]);
});

test('an operation is counted and timed, a refused one is counted twice: as an operation and as an error', async () => {
  const metrics = new ServerMetrics('1.2.3');
  metrics.succeeded('store', 0.0042);
  metrics.failed('store', 'id_conflict');
  metrics.batchItems([{ outcome: 'refused' }]);
  metrics.walFsync(0.0003);
  const text = await metrics.render();
  expect(lines(text, 'engram_operations_total')).toContain('engram_operations_total{operation="store"} 2');
  expect(lines(text, 'engram_operation_errors_total')).toEqual(['engram_operation_errors_total{operation="store",error_type="id_conflict"} 1']);
  expect(lines(text, 'engram_memory_operation_duration_seconds_bucket')).toContain(
    'engram_memory_operation_duration_seconds_bucket{le="0.005",operation="store"} 1',
  );
  expect(lines(text, 'engram_batch_items_total')).toEqual(['engram_batch_items_total{outcome="refused"} 1']);
  expect(lines(text, 'engram_wal_fsync_seconds_count')).toEqual(['engram_wal_fsync_seconds_count 1']);
});

test('the number of series stays bounded when every operation fails in every way', async () => {
  const metrics = new ServerMetrics('1.2.3');
  for (const operation of operations) {
    for (const code of Object.keys(errorCodes) as ErrorCode[]) metrics.failed(operation, code);
  }
  const series = lines(await metrics.render(), 'engram_operation_errors_total');
  expect(series).toHaveLength(operations.length * Object.keys(errorCodes).length);
});

test('names and units follow the conventions of Prometheus', () => {
  for (const [name, { type }] of Object.entries<MetricDefinition>(metricDefinitions)) {
    expect(name).toMatch(/^engram_[a-z_]+$/);
    expect(name.endsWith('_total')).toBe(type === 'counter');
    if (type === 'histogram') expect(name.endsWith('_seconds')).toBe(true);
  }
});

test('docs/metrics.md is what the table says (UPDATE=1 rewrites it)', () => {
  const path = fileURLToPath(new URL('../../../../docs/metrics.md', import.meta.url));
  if (process.env['UPDATE']) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, renderMetricsReference());
  }
  expect(readFileSync(path, 'utf8')).toBe(renderMetricsReference());
});
