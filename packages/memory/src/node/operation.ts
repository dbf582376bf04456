import type { MemoryId, SpaceId } from '@engram/kernel';
import type { Memory } from '../core/index.js';

/**
 * What the write-ahead log carries and the store applies, in log order. An operation is a decision already taken: by the
 * time it is logged it has been checked, so applying it cannot fail, and applying it twice changes nothing.
 */
export type Operation = StoreOperation | ForgetOperation | SetSpacePolicyOperation;

/** Adds a memory, whose id is new in its space. */
export interface StoreOperation {
  readonly kind: 'store';
  readonly memory: Memory;
  readonly idempotency?: IdempotencyMark;
}

/** Removes a memory for good: its id is never used again. */
export interface ForgetOperation {
  readonly kind: 'forget';
  readonly space: SpaceId;
  readonly id: MemoryId;
  /** When it was forgotten, milliseconds since 1970 UTC. */
  readonly atMs: number;
  readonly idempotency?: IdempotencyMark;
}

/** Replaces the policy of a space as a whole. */
export interface SetSpacePolicyOperation {
  readonly kind: 'set-space-policy';
  readonly space: SpaceId;
  readonly policy: SpacePolicy;
}

/** The operation also remembers under which request it was done, so that a retry of the request is recognised. */
export interface IdempotencyMark {
  readonly key: string;
  /** A digest of the request; the same key with another fingerprint is the caller's mistake. */
  readonly fingerprint: string;
  /** From this instant on (milliseconds since 1970 UTC) the key is forgotten. */
  readonly expiresAtMs: number;
}

/** How far a write can have come when it is acknowledged, from the weakest promise to the strongest. */
export const ackLevels = ['local', 'replica', 'quorum', 'all'] as const;
/** What a space can do on the side of a partition that has no majority. */
export const partitionPolicies = ['majority', 'available'] as const;

/** What a space wants otherwise than the cluster; a field left out means as the cluster. */
export interface SpacePolicy {
  /** How many copies must be durable before a write is acknowledged. */
  readonly ack?: (typeof ackLevels)[number];
  /** What a primary does without a lease: refuse writes, or accept them provisionally. */
  readonly partitionPolicy?: (typeof partitionPolicies)[number];
  /** Milliseconds a memory lives after it was stored. Carried by the format; `admit` refuses it until expiry exists. */
  readonly ttlMs?: number;
}

/** An operation with its place in the log. */
export interface LoggedOperation {
  /** Position in this node's log: 1, 2, 3 … */
  readonly lsn: number;
  /** Hybrid logical clock stamp: 48 bits of milliseconds, 16 bits of counter. */
  readonly hlc: bigint;
  readonly partition: number;
  readonly epoch: number;
  readonly seq: number;
  /** Undefined for an entry that is the log's own business: it only advances the position. */
  readonly operation: Operation | undefined;
}
