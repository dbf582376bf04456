/** What single keys cannot say: which values do not go together. */
import { isLoopback, isUnspecified, formatAddress, type Address } from './address.js';
import type { Config } from './schema.js';
import { formatDuration, formatSize } from './sizes.js';

/** Says what is wrong, or returns undefined. The problem is reported at `key`; `needs` are the other keys it looks at. */
export interface Check {
  readonly key: string;
  readonly needs?: readonly string[];
  readonly complaint: (config: Config) => Complaint | undefined;
}

export interface Complaint {
  readonly reason: string;
  readonly suggestion?: string;
  /** @default 'refuse' */
  readonly as?: 'refuse' | 'warn';
}

export const checks: readonly Check[] = [
  {
    key: 'server.grpc_bind',
    needs: ['server.http_bind'],
    complaint: ({ server }) => overlap(server.grpc_bind, server.http_bind, 'server.http_bind'),
  },
  {
    key: 'cluster.swim.bind',
    needs: ['cluster.enabled', 'server.http_bind', 'server.grpc_bind'],
    complaint: ({ cluster, server }) =>
      !cluster.enabled ? undefined : (overlap(cluster.swim.bind, server.http_bind, 'server.http_bind') ?? overlap(cluster.swim.bind, server.grpc_bind, 'server.grpc_bind')),
  },
  exposure('server.http_bind', (config) => config.server.http_bind),
  exposure('server.grpc_bind', (config) => config.server.grpc_bind),
  {
    key: 'server.request_timeout_ms',
    needs: ['server.headers_timeout_ms'],
    complaint: ({ server }) =>
      server.request_timeout_ms >= server.headers_timeout_ms ? undefined : { reason: `must be at least server.headers_timeout_ms (${formatDuration(server.headers_timeout_ms)}), which is a part of it` },
  },
  {
    key: 'limits.batch_body_bytes',
    needs: ['limits.body_bytes'],
    complaint: ({ limits }) => (limits.batch_body_bytes >= limits.body_bytes ? undefined : { reason: `must be at least limits.body_bytes (${formatSize(limits.body_bytes)}), or a batch could carry less than a single store` }),
  },
  {
    key: 'limits.store_bytes_in_flight',
    needs: ['limits.body_bytes', 'limits.batch_body_bytes'],
    complaint: ({ limits }) => {
      const largest = Math.max(limits.body_bytes, limits.batch_body_bytes);
      return limits.store_bytes_in_flight >= largest ? undefined : { reason: `must hold at least one body of the largest size (${formatSize(largest)}), or that body could never be stored` };
    },
  },
  {
    key: 'network.max_message_size',
    complaint: ({ network }) =>
      network.max_message_size > contentBytesMax ? undefined : { as: 'warn', reason: `holds no memory of the longest content (${formatSize(contentBytesMax)}): those can be stored over HTTP but not over gRPC` },
  },
  {
    key: 'wal.queue_bytes',
    needs: ['wal.group_bytes'],
    complaint: ({ wal }) => (wal.queue_bytes >= wal.group_bytes ? undefined : { reason: `must be at least wal.group_bytes (${formatSize(wal.group_bytes)}), or a full group could never form` }),
  },
  {
    key: 'wal.segment_bytes',
    needs: ['wal.group_bytes'],
    complaint: ({ wal }) =>
      wal.segment_bytes >= wal.group_bytes + segmentHeaderBytesMax ? undefined : { reason: `must be larger than wal.group_bytes (${formatSize(wal.group_bytes)}) by at least ${formatSize(segmentHeaderBytesMax)}, because a group lies in one segment` },
  },
  {
    key: 'wal.checkpoint_every_ms',
    needs: ['memory.flush_every_ms'],
    complaint: ({ wal, memory }) =>
      wal.checkpoint_every_ms >= memory.flush_every_ms ? undefined : { reason: `must be at least memory.flush_every_ms (${formatDuration(memory.flush_every_ms)}): a checkpoint records what was flushed` },
  },
  {
    key: 'cluster.enabled',
    complaint: ({ cluster }) =>
      cluster.enabled ? { as: 'warn', reason: 'makes nodes see each other and nothing more yet: each stores its data alone, nothing is replicated, and a memory stored on one node is not found on another' } : undefined,
  },
  swimExposure(),
  {
    key: 'cluster.advertise',
    complaint: ({ cluster: { advertise } }) =>
      advertise === undefined || (!isUnspecified(advertise.host) && advertise.port !== 0) ? undefined : { reason: 'must be an address that other nodes can call, with its real host and port' },
  },
  {
    key: 'cluster.advertise',
    needs: ['cluster.enabled', 'cluster.swim.bind'],
    complaint: ({ cluster: { enabled, advertise, swim } }) =>
      enabled && advertise === undefined && isUnspecified(swim.bind.host)
        ? { reason: `is needed, because cluster.swim.bind (${formatAddress(swim.bind)}) stands for every network and other nodes must be told one address`, suggestion: 'Set it to an address of this node that the others can call.' }
        : undefined,
  },
  {
    key: 'cluster.swim.timeout_ms',
    needs: ['cluster.swim.period_ms', 'cluster.swim.preset'],
    complaint: ({ cluster: { swim } }) => {
      const preset = presetTimes[swim.preset];
      const [timeoutMs, periodMs] = [swim.timeout_ms ?? preset.timeoutMs, swim.period_ms ?? preset.periodMs];
      return timeoutMs < periodMs
        ? undefined
        : { reason: `must be less than the period (${formatDuration(periodMs)}; the timeout is ${formatDuration(timeoutMs)}), so that others can still be asked before it ends` };
    },
  },
  {
    key: 'cluster.swim.keys',
    complaint: ({ cluster: { swim } }) =>
      swim.keys.every((key) => /^[A-Za-z0-9+/]{43}=$/.test(key)) ? undefined : { reason: 'must be Base64 of 32 bytes each', suggestion: 'Make one with `openssl rand -base64 32`.' },
  },
  {
    key: 'cluster.replication.ack',
    needs: ['cluster.replication.factor'],
    complaint: ({ cluster: { replication } }) =>
      replication.factor === 0 && replication.ack === 'replica' ? { reason: 'asks for a replica, but cluster.replication.factor is 0', suggestion: 'Use "local", or a factor of at least 1.' } : undefined,
  },
  needsWhen('cluster.placement.rack', (config) => config.cluster.placement.strategy === 'rack_aware', (config) => config.cluster.placement.rack, 'cluster.placement.strategy is "rack_aware"', ['cluster.placement.strategy']),
  needsWhen('cluster.placement.zone', (config) => config.cluster.placement.strategy === 'zone_aware', (config) => config.cluster.placement.zone, 'cluster.placement.strategy is "zone_aware"', ['cluster.placement.strategy']),
  neededBySource('static', 'cluster.discovery.static.seeds', (config) => config.cluster.discovery.static.seeds),
  neededBySource('dns', 'cluster.discovery.dns.name', (config) => config.cluster.discovery.dns.name),
  neededBySource('consul', 'cluster.discovery.consul.address', (config) => config.cluster.discovery.consul.address),
  neededBySource('etcd', 'cluster.discovery.etcd.endpoints', (config) => config.cluster.discovery.etcd.endpoints),
  neededBySource('aws', 'cluster.discovery.aws.tag_value', (config) => config.cluster.discovery.aws.tag_value),
  {
    key: 'cluster.discovery.sources',
    complaint: ({ cluster: { discovery } }) => (new Set(discovery.sources).size === discovery.sources.length ? undefined : { reason: 'names a source twice' }),
  },
  {
    key: 'cluster.discovery.sources',
    needs: ['cluster.enabled'],
    complaint: ({ cluster: { enabled, discovery } }) => {
      const missing = enabled ? discovery.sources.filter((source) => source !== 'static') : [];
      if (missing.length === 0) return undefined;
      return { reason: `names ${missing.map((source) => `"${source}"`).join(', ')}, which ${missing.length === 1 ? 'is' : 'are'} not available yet`, suggestion: 'Use "static" and name a few nodes in cluster.discovery.static.seeds.' };
    },
  },
];

/** Keys that are checked but that nothing in this version reads yet. Setting one is worth a word, not a refusal. */
export function isInert(path: string): boolean {
  return inert.some((prefix) => path.startsWith(prefix));
}

const inert = [
  'consolidation.', 'network.connection_pool_size', 'cluster.bootstrap_expect', 'cluster.replication.', 'cluster.placement.', 'cluster.partition.', 'cluster.gossip.',
  ...['dns', 'consul', 'etcd', 'kubernetes', 'aws', 'multicast'].map((source) => `cluster.discovery.${source}.`),
];

/** Keys that only a node of a cluster reads. */
export function isOfCluster(path: string): boolean {
  return path.startsWith('cluster.') && path !== 'cluster.enabled' && !isInert(path);
}

/** The longest content of a memory: a promise of the interface, not a setting. Written out so that reading a configuration does not load the engine. */
const contentBytesMax = 1_048_576;

/** More than the header of a segment takes. */
const segmentHeaderBytesMax = 4_096;

const presetTimes = {
  fast: { periodMs: 250, timeoutMs: 120 },
  lan: { periodMs: 1_000, timeoutMs: 500 },
  wan: { periodMs: 5_000, timeoutMs: 3_000 },
} as const;

/** Loopback is the default; anything else without authentication has to be meant, and is said aloud even then. */
function exposure(key: 'server.http_bind' | 'server.grpc_bind', bindOf: (config: Config) => Address): Check {
  return {
    key,
    needs: ['server.auth_mode', 'server.allow_unauthenticated'],
    complaint: (config) => {
      if (config.server.auth_mode !== 'none' || isLoopback(bindOf(config).host)) return undefined;
      const reach = isUnspecified(bindOf(config).host) ? 'every network this machine is on' : 'other machines';
      if (config.server.allow_unauthenticated) return { as: 'warn', reason: `listens for ${reach} without authentication: everybody who reaches it may read, write and forget` };
      return {
        reason: `would listen for ${reach}, and server.auth_mode is "none": everybody who reaches it could read, write and forget`,
        suggestion: 'Bind to 127.0.0.1, or set server.allow_unauthenticated = true when something in front of it keeps strangers out.',
      };
    },
  };
}

/** Whoever can send to the SWIM port of a node without keys can bury its peers and invent new ones. */
function swimExposure(): Check {
  return {
    key: 'cluster.swim.bind',
    needs: ['cluster.enabled', 'cluster.swim.keys', 'server.allow_unauthenticated'],
    complaint: ({ cluster: { enabled, swim }, server }) => {
      if (!enabled || swim.keys.length > 0 || isLoopback(swim.bind.host)) return undefined;
      const reach = isUnspecified(swim.bind.host) ? 'every network this machine is on' : 'other machines';
      if (server.allow_unauthenticated) return { as: 'warn', reason: `listens for ${reach} without keys: everybody who reaches it may say who is in the cluster` };
      return {
        reason: `would listen for ${reach} without keys: everybody who reaches it could say who is in the cluster`,
        suggestion: 'Give all nodes the same cluster.swim.keys (`openssl rand -base64 32` makes one), or set server.allow_unauthenticated = true when something in front of it keeps strangers out.',
      };
    },
  };
}

function overlap(one: Address, other: Address, otherKey: string): Complaint | undefined {
  if (one.port === 0 || one.port !== other.port) return undefined;
  const sameHost = one.host === other.host || isUnspecified(one.host) || isUnspecified(other.host) || (isLoopback(one.host) && isLoopback(other.host));
  return sameHost ? { reason: `takes the same port as ${otherKey} (${formatAddress(other)})`, suggestion: 'Give each its own port.' } : undefined;
}

function neededBySource(source: Config['cluster']['discovery']['sources'][number], key: string, valueOf: (config: Config) => unknown): Check {
  return needsWhen(key, (config) => config.cluster.discovery.sources.includes(source), valueOf, `cluster.discovery.sources names "${source}"`, ['cluster.discovery.sources']);
}

function needsWhen(key: string, asked: (config: Config) => boolean, valueOf: (config: Config) => unknown, because: string, needs: readonly string[]): Check {
  return {
    key,
    needs,
    complaint: (config) => {
      const value = valueOf(config);
      const missing = value === undefined || (Array.isArray(value) && value.length === 0);
      return asked(config) && missing ? { reason: `is needed, because ${because}` } : undefined;
    },
  };
}
