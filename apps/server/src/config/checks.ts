/** What single keys cannot say: which values do not go together. */
import { isLoopback, isUnspecified, type Address } from './address.js';
import { overlap, type Check } from './check.js';
import { clusterChecks } from './cluster-checks.js';
import type { Config } from './schema.js';
import { formatDuration, formatSize } from './sizes.js';

export const checks: readonly Check[] = [
  {
    key: 'server.grpc_bind',
    needs: ['server.http_bind'],
    complaint: ({ server }) => overlap(server.grpc_bind, server.http_bind, 'server.http_bind'),
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
  ...clusterChecks,
];

/** The longest content of a memory: a promise of the interface, not a setting. Written out so that reading a configuration does not load the engine. */
const contentBytesMax = 1_048_576;

/** More than the header of a segment takes. */
const segmentHeaderBytesMax = 4_096;

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
