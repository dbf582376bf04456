/**
 * The one schema of the configuration. A key is spelled in code as in the file (`config.server.http_bind`), so one
 * search finds the promise, its use and its documentation. What every key means stands here and nowhere else:
 * `docs/configuration.md` is printed from it.
 */
import { factorMax, labelLengthMax } from '@engram/placement';
import { defaultReplicationOptions } from '@engram/replication/core';
import { z } from 'zod';
import { discovery, discoveryTitles } from './discovery-schema.js';
import {
  address, boolean, choice, clusterId, directory, duration, optionalAddress, optionalDuration, optionalNodeId, optionalText,
  optionalWholeNumber, secretFile, size, texts, wholeNumber,
} from './values.js';

const node = z.object({
  id: optionalNodeId({ description: 'Name of this node. When it is not set, the first start makes one up and keeps it in the data directory. A data directory that already has a name refuses another.' }),
  data_dir: directory({ default: './data', description: 'Where the log and the store live. Made when it is missing; one running node at a time.' }),
});

const server = z.object({
  http_bind: address({ default: '127.0.0.1:7432', description: 'Where HTTP listens. Port 0 takes any free port.' }),
  grpc_bind: address({ default: '127.0.0.1:50051', description: 'Where gRPC listens. Port 0 takes any free port.' }),
  auth_mode: choice({ default: 'none', of: ['none'], because: 'this version authenticates nobody, so put a proxy that does in front of it', description: 'How callers prove who they are.' }),
  allow_unauthenticated: boolean({ default: false, description: 'Confirms that listening beyond loopback without authentication is meant, for HTTP, gRPC and, without keys, SWIM. Everybody who reaches the port may read, write and forget, or say who is in the cluster.' }),
  headers_timeout_ms: duration({ default: '20s', minMs: 100, maxMs: 600_000, description: 'How long a client may take to send its headers.' }),
  request_timeout_ms: duration({ default: '10m', minMs: 100, maxMs: 86_400_000, description: 'How long a client may take to send a whole request, streamed batches included.' }),
  keep_alive_timeout_ms: duration({ default: '72s', minMs: 1, maxMs: 3_600_000, description: 'How long an idle connection is kept. Longer than the idle time of a proxy in front, or it will meet closed connections.' }),
  shutdown_timeout_ms: duration({ default: '10s', minMs: 100, maxMs: 600_000, description: 'How long a graceful stop may take before the process leaves anyway. Nothing acknowledged is lost either way.' }),
});

const log = z.object({
  level: choice({ default: 'info', of: ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], description: 'The least severe message that is written.' }),
  format: choice({ default: 'auto', of: ['auto', 'json', 'pretty'], description: 'How it is written: `json` is one object per line, `pretty` is for eyes; `auto` is pretty on a terminal and JSON elsewhere.' }),
});

const wal = z.object({
  segment_bytes: size({ default: '64MiB', min: '6MiB', max: '1GiB', description: 'Size at which the write-ahead log starts a new file. Smaller files are given back to the disk sooner and need less memory in recovery, which reads one at a time.' }),
  group_bytes: size({ default: '8MiB', min: '5MiB', max: '256MiB', description: 'The most that one write and one fdatasync carry together. It bounds how long a store waits for the bytes of others.' }),
  queue_bytes: size({ default: '64MiB', min: '5MiB', max: '4GiB', description: 'The most that may wait for the disk. Beyond it stores are answered with 429 instead of filling the memory.' }),
  retain_bytes: size({ default: '128MiB', min: '0', max: '1TiB', description: 'How much of the log is kept after the store has it, for replicas that still have to catch up. Nothing on a single node depends on it.' }),
  checkpoint_every_ms: duration({ default: '5s', minMs: 100, maxMs: 3_600_000, description: 'How often the store is synced so that the log can be cut. Longer means less disk traffic and a longer recovery after a crash.' }),
});

const memory = z.object({
  max_memories: wholeNumber({ default: 5_000_000, min: 1, max: 1_000_000_000, description: 'How many memories the node holds. Beyond it stores are refused with `capacity_exhausted`; recall and forget go on.' }),
  flush_every_ms: duration({ default: '200ms', minMs: 1, maxMs: 60_000, description: 'How long applied operations may wait before they are written to the embedded store. They are visible and durable in the log already.' }),
  flush_at_operations: wholeNumber({ default: 4_096, min: 1, max: 1_000_000, description: 'How many applied operations are written at the latest, however short the wait was.' }),
});

const limits = z.object({
  body_bytes: size({ default: '4MiB', min: '2MiB', max: '256MiB', description: 'The largest body of a request that carries one memory or one cue. Wider than the 1 MiB of content, because JSON may escape a byte into six.' }),
  line_bytes: size({ default: '4MiB', min: '2MiB', max: '256MiB', description: 'The longest line of a batch streamed as NDJSON. A longer one is refused and skipped; the stream goes on.' }),
  batch_body_bytes: size({ default: '32MiB', min: '2MiB', max: '1GiB', description: 'The largest body of a batch sent as one JSON array. The length of an NDJSON stream has no bound.' }),
  batch_items: wholeNumber({ default: 10_000, min: 1, max: 1_000_000, description: 'The most memories in a batch sent as one JSON array.' }),
  stores_in_flight: wholeNumber({ default: 10_000, min: 1, max: 1_000_000, description: 'The most store requests at work at the same time; the next one is answered with 429.' }),
  store_bytes_in_flight: size({ default: '256MiB', min: '2MiB', max: '64GiB', description: 'The most announced body bytes of store requests at work at the same time; beyond it the answer is 429.' }),
  connections: wholeNumber({ default: 10_000, min: 1, max: 1_000_000, description: 'The most open HTTP connections; the next one is closed at once.' }),
});

const query = z.object({
  timeout_ms: duration({ default: '5s', minMs: 1, maxMs: 600_000, description: 'Deadline of a recall that names none.' }),
});

const consolidation = z.object({
  interval_ms: duration({ default: '5m', minMs: 1_000, maxMs: 86_400_000, description: 'How often patterns are drawn from the memories of a space.' }),
});

const network = z.object({
  max_message_size: size({ default: '4MiB', min: '64KiB', max: '256MiB', description: 'The largest gRPC message that is sent or accepted.' }),
  connection_pool_size: wholeNumber({ default: 4, min: 1, max: 256, description: 'How many gRPC connections are kept open to each other node.' }),
});

const cluster = z.object({
  enabled: boolean({ default: false, description: 'Take part in a cluster: find other nodes, see who is alive, agree on who holds what, and keep copies of each other’s spaces.' }),
  name: clusterId({ default: 'engram', description: 'Nodes of differently named clusters never meet. Give each cluster its own, or a reused address may join two.' }),
  advertise: optionalAddress({ like: '10.0.0.5:7946', description: 'The SWIM address that other nodes are told, when it is not the bind address. Needed when SWIM listens on every network.' }),
  bootstrap_expect: optionalWholeNumber({ min: 1, max: 1_000, description: 'Form a cluster without being told to, once this many nodes have met, this one counted. Give all first nodes the same number, 1, 3 or 5. Without it an operator forms the cluster with `engram cluster init`. A node that belongs to a cluster already never forms another, and one that finds nobody waits.' }),
  join_timeout_ms: duration({ default: '5s', minMs: 100, maxMs: 600_000, description: 'How long one round of trying to join may take, all seeds together. Rounds are repeated, with growing pauses, until one succeeds.' }),
  discovery,
  swim: z.object({
    bind: address({ default: '127.0.0.1:7946', description: 'Where SWIM listens, UDP and TCP.' }),
    preset: choice({ default: 'lan', of: ['fast', 'lan', 'wan'], description: 'A set of timings that fit together; the keys below change single ones.' }),
    period_ms: optionalDuration({ minMs: 20, maxMs: 60_000, description: 'Time between two probes.' }),
    timeout_ms: optionalDuration({ minMs: 10, maxMs: 60_000, description: 'How long a probe waits before others are asked to try. Less than the period.' }),
    indirect_probes: optionalWholeNumber({ min: 0, max: 16, description: 'How many others are asked to try.' }),
    suspicion_multiplier: optionalWholeNumber({ min: 1, max: 32, description: 'How long a suspect may take to answer, in periods per tenfold of the cluster size.' }),
    gossip_interval_ms: optionalDuration({ minMs: 10, maxMs: 60_000, description: 'Time between two rounds of gossip besides probing.' }),
    sync_interval_ms: optionalDuration({ minMs: 1_000, maxMs: 3_600_000, description: 'Time between two full comparisons with another node.' }),
    keys: texts({ secret: true, description: 'Base64 keys of 32 bytes for AES-256-GCM; the first encrypts, all decrypt. Empty sends in the clear.' }),
    keys_file: secretFile({ of: 'keys', content: 'with one key per line' }),
  }),
  replication: z.object({
    factor: wholeNumber({ default: 2, min: 0, max: factorMax, description: 'Replicas of each space besides its primary, so one less than the copies. What a cluster is formed with; changed later by `replication/config`.' }),
    ack: choice({ default: 'quorum', of: ['local', 'replica', 'quorum', 'all'], description: 'How far a write has come when it is acknowledged, unless the request or the space says otherwise. A single node knows only `local`.' }),
    timeout_ms: duration({ default: '1s', minMs: 10, maxMs: 600_000, description: 'How long a write waits for that level before it is answered as indeterminate.' }),
    batch_size: wholeNumber({ default: 100, min: 1, max: defaultReplicationOptions.windowEntries, description: 'The most log entries in one replication message.' }),
    session_wait_ms: duration({ default: '1s', minMs: 0, maxMs: 60_000, description: 'How long a read that carries a session token waits on a copy for what the token stands for, before it is refused as `copy_behind`.' }),
  }),
  placement: z.object({
    partitions: wholeNumber({ default: 1_024, min: 1, max: 65_536, description: 'Fixed when a cluster is formed.' }),
    strategy: choice({ default: 'random', of: ['random', 'rack_aware', 'zone_aware'], description: 'What copies of one space are kept apart by. What a cluster is formed with; changed later by `replication/config`.' }),
    zone: optionalText({ lengthMax: labelLengthMax, description: 'The availability zone of this node.' }),
    rack: optionalText({ lengthMax: labelLengthMax, description: 'The rack of this node.' }),
  }),
  partition: z.object({
    policy: choice({ default: 'majority', of: ['majority', 'available'], description: 'What happens to partitions of which a majority of the copies is gone: they wait for it, or the best copy in reach leads them, marked as provisional. What a cluster is formed with; changed later by `replication/config`.' }),
  }),
  gossip: z.object({
    interval_ms: duration({ default: '5s', minMs: 100, maxMs: 3_600_000, description: 'How often copies compare themselves with one another.' }),
  }),
});

export const configSchema = z.object({ node, server, log, wal, memory, limits, query, consolidation, network, cluster });

/** Every key with its checked value: durations in milliseconds, sizes in bytes, addresses taken apart. */
export type Config = DeepReadonly<z.infer<typeof configSchema>>;

type DeepReadonly<T> = T extends string | number | boolean | undefined ? T : T extends readonly (infer E)[] ? readonly DeepReadonly<E>[] : { readonly [K in keyof T]: DeepReadonly<T[K]> };

/** What each table is for, in the order of the reference. */
export const tableTitles: Readonly<Record<string, string>> = {
  node: 'Who this node is and where its data lives.',
  server: 'What listens, for whom.',
  log: 'What the process writes about itself. Not to be confused with `[wal]`.',
  wal: 'The write-ahead log: what makes an acknowledged memory durable.',
  memory: 'The memory store.',
  limits: 'Bounds that protect the node from its callers.',
  query: 'Recalls.',
  consolidation: 'Patterns drawn from memories.',
  network: 'gRPC, for clients and between nodes.',
  cluster: 'More than one node. Nodes find each other, agree on who is alive and on who holds which space, and keep copies of it.',
  ...discoveryTitles,
  'cluster.swim': 'Who is here and who is alive. Keys without a value follow the preset.',
  'cluster.replication': 'Copies. `factor` and `ack` are those that a cluster is formed with.',
  'cluster.placement': 'Which node holds which space. `partitions` is fixed when the cluster is formed and must be the same on every node.',
  'cluster.partition': 'What happens when the network splits.',
  'cluster.gossip': 'How copies drift back together. No effect yet.',
};
