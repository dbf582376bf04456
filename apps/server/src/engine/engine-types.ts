/** What the engine takes and gives. */
import type { EngramError, MemoryId, NodeId, Random } from '@engram/kernel';
import type { ackLevels, Backlog, Memory, MemoryStoreOptions, StoreStatus } from '@engram/memory';
import type { LogStatus, WalOptions } from '@engram/replication';
import type { SessionToken } from '@engram/replication/core';
import type { JournalFactory } from './journal.js';

export type AckLevel = (typeof ackLevels)[number];

/** What an answer says about how safe a write is. A node alone has one copy and only the level `local`. */
export interface Durability {
  readonly requested: AckLevel;
  readonly reached: AckLevel;
  readonly copies: number;
  /** With it any copy can tell whether it has the write. Absent on a node alone, which always has. */
  readonly token?: SessionToken;
}

export interface WriteOptions {
  /** @default what the space's policy says, then what the journal does */
  readonly ack?: AckLevel;
  /** 1 to 255 printable ASCII characters; the same key with the same draft within 24 h stores once. */
  readonly idempotencyKey?: string;
}

export interface StoreResult {
  readonly outcome: 'stored' | 'already-stored';
  readonly memory: Memory;
  readonly durability: Durability;
}

export type BatchResult = StoreResult | { readonly outcome: 'refused'; readonly error: EngramError };

export interface ListRequest {
  readonly tag?: string;
  readonly limit: number;
  /** Exclusive: the last id of the page before. */
  readonly after?: MemoryId;
}

export interface EngineOptions {
  readonly dataDirectory: string;
  /** Kept from the first start on. Made up when neither given nor on disk. */
  readonly nodeId?: NodeId;
  readonly version: string;
  readonly random: Random;
  readonly wallClockMs: () => number;
  readonly wal?: Omit<WalOptions, 'directory' | 'knownDurableLsn'>;
  readonly memory?: Omit<MemoryStoreOptions, 'directory'>;
  /** How long a recall may take that names no time itself. @default 5000 */
  readonly recallTimeoutMs?: number;
  /** How often the store is flushed so that the log can be cut. @default 5000 */
  readonly checkpointEveryMs?: number;
  readonly log?: EngineLog;
  /** How many partitions spaces are spread over. @default 1024 */
  readonly partitions?: number;
  /** How writes become durable. @default in this node's log alone */
  readonly journal?: JournalFactory;
}

/** The part of a pino logger that the engine uses. */
export interface EngineLog {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}

export interface EngineStatus {
  readonly nodeId: NodeId;
  readonly version: string;
  readonly dataDirectory: string;
  readonly startedAtMs: number;
  readonly uptimeMs: number;
  readonly health: EngineHealth;
  readonly memories: number;
  readonly spaces: number;
  readonly log: LogStatus;
  readonly store: StoreStatus & {
    /** Bytes of the memories as encoded. */
    readonly bytes: number;
    /** Applied and readable, but not yet committed; the log has it. */
    readonly backlog: Backlog;
  };
  readonly appliedLsn: number;
  readonly durableAppliedLsn: number;
}

export interface EngineHealth {
  readonly status: 'healthy' | 'degraded' | 'failed';
  readonly reasons: readonly string[];
}
