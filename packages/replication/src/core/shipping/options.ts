import { OptionsError } from '@engram/kernel';

/** How replication is paced and bounded. */
export interface ReplicationOptions {
  /** Entries in one message. Larger carries more per message, smaller is acknowledged sooner. @default 100 */
  readonly batchEntries?: number;
  /** Bytes in one message; an entry larger than it travels alone. @default 1_048_576 */
  readonly batchBytes?: number;
  /** Entries shipped to one peer and not yet acknowledged. It bounds what a slow replica makes this node hold. @default 4_096 */
  readonly windowEntries?: number;
  /** The same in bytes. @default 4_194_304 */
  readonly windowBytes?: number;
  /** Recent entries kept for replicas that keep up; those further behind are served from the log. One bound per node. @default 16_384 */
  readonly ringEntries?: number;
  /** The same in bytes. @default 16_777_216 */
  readonly ringBytes?: number;
  /** What may wait for this node's log, in bytes; beyond it writes are refused as `overloaded`. @default 16_777_216 */
  readonly queueBytes?: number;
  /** Entries of one append to the log. @default 4_096 */
  readonly appendEntries?: number;
  /** Bytes of one append to the log. @default 4_194_304 */
  readonly appendBytes?: number;
  /** Writes that wait for their level at once; beyond it they are refused as `overloaded`. @default 65_536 */
  readonly pendingMax?: number;
  /** How long a write waits for its level before it is answered as indeterminate. @default 1_000 */
  readonly ackTimeoutMs?: number;
  /** How often a quiet stream says that it is alive, and committed positions travel. @default 500 */
  readonly heartbeatMs?: number;
  /** A stream on which nothing arrived for so long is closed and opened anew. At least two heartbeats. @default 2_000 */
  readonly peerTimeoutMs?: number;
  /** The shortest wait before a stream is opened again; it doubles, with jitter. @default 100 */
  readonly reconnectMinMs?: number;
  /** The longest. @default 5_000 */
  readonly reconnectMaxMs?: number;
  /** `lag-high` from so many entries behind on; `lag-normal` below half. @default 10_000 */
  readonly lagHighEntries?: number;
  /** `lag-high` from so long behind on; `lag-normal` below half. @default 5_000 */
  readonly lagHighMs?: number;
  /** How fast snapshots leave this node. @default 33_554_432 */
  readonly snapshotBytesPerSecond?: number;
  /** Bytes of a chunk, as asked of the store. @default 262_144 */
  readonly snapshotChunkBytes?: number;
  /** Requests that wait for a position at once; beyond it they are told `stale`. @default 65_536 */
  readonly waitersMax?: number;
}

/** The options with every default filled in. */
export type ResolvedReplicationOptions = Required<ReplicationOptions>;

/** Every option at its default. */
export const defaultReplicationOptions: ResolvedReplicationOptions = Object.freeze({
  batchEntries: 100,
  batchBytes: 1024 * 1024,
  windowEntries: 4_096,
  windowBytes: 4 * 1024 * 1024,
  ringEntries: 16_384,
  ringBytes: 16 * 1024 * 1024,
  queueBytes: 16 * 1024 * 1024,
  appendEntries: 4_096,
  appendBytes: 4 * 1024 * 1024,
  pendingMax: 65_536,
  ackTimeoutMs: 1_000,
  heartbeatMs: 500,
  peerTimeoutMs: 2_000,
  reconnectMinMs: 100,
  reconnectMaxMs: 5_000,
  lagHighEntries: 10_000,
  lagHighMs: 5_000,
  snapshotBytesPerSecond: 32 * 1024 * 1024,
  snapshotChunkBytes: 256 * 1024,
  waitersMax: 65_536,
});

/** Fills in the defaults. @throws OptionsError naming the option that is out of range or contradicts another */
export function resolveReplicationOptions(options: ReplicationOptions = {}): ResolvedReplicationOptions {
  const resolved = { ...defaultReplicationOptions, ...options };
  for (const [name, value] of Object.entries(resolved)) {
    if (!(name in defaultReplicationOptions)) throw new OptionsError(name, 'is not an option of replication');
    if (!Number.isSafeInteger(value) || value < 1) throw new OptionsError(name, `must be a whole number from 1 on, not ${value}`);
  }
  if (resolved.batchBytes > 1024 * 1024) throw new OptionsError('batchBytes', 'must be at most 1 MiB, so that a message always fits what peers accept');
  if (resolved.snapshotChunkBytes > 1024 * 1024) throw new OptionsError('snapshotChunkBytes', 'must be at most 1 MiB, so that a message always fits what peers accept');
  if (resolved.windowEntries < resolved.batchEntries) throw new OptionsError('windowEntries', `must hold a batch, so at least ${resolved.batchEntries}`);
  if (resolved.peerTimeoutMs < 2 * resolved.heartbeatMs) throw new OptionsError('peerTimeoutMs', `must leave room for two heartbeats, so at least ${2 * resolved.heartbeatMs}`);
  if (resolved.reconnectMaxMs < resolved.reconnectMinMs) throw new OptionsError('reconnectMaxMs', `must not be below reconnectMinMs, ${resolved.reconnectMinMs}`);
  return resolved;
}
