import type { ErrorCode } from '@engram/kernel';
import type { CleanMark } from './clean-mark.js';
import type { LogEntry } from './entry.js';
import type { Lsn } from './lsn.js';

/**
 * One call of `append`. `id` is the driver's name for it.
 */
export interface AppendCall {
  readonly id: number;
  readonly entries: readonly LogEntry[];
}

/**
 * What the disk answers and what users ask. One disk operation on the newest segment is under way at a time:
 *
 * ```text
 * append  -> write -> written -> sync -> synced  -> acknowledge
 *                  -> write-failed(no-space)     -> truncate -> truncated -> reject(disk_full), full
 *                  -> write-failed(other)        -> reject(log_failed), failed
 *                                     sync-failed -> reject(log_failed), failed
 * full:   wake    -> write(zeros) -> written     -> truncate -> truncated -> accepting
 * quiet:  wake    -> write(seal)  -> written     -> sync -> synced
 * rotate:            open-segment -> segment-opened -> write(old, "continued") -> sync -> write(new) …
 * ```
 */
export type LogEvent =
  | { readonly kind: 'append'; readonly calls: readonly AppendCall[] }
  | { readonly kind: 'segment-opened' }
  | { readonly kind: 'segment-open-failed'; readonly cause: DiskFault; readonly message: string }
  | { readonly kind: 'written' }
  | { readonly kind: 'write-failed'; readonly cause: DiskFault; readonly message: string }
  | { readonly kind: 'synced' }
  | { readonly kind: 'sync-failed'; readonly message: string }
  | { readonly kind: 'truncated' }
  | { readonly kind: 'truncate-failed'; readonly message: string }
  | { readonly kind: 'segment-deleted'; readonly segment: Lsn }
  | { readonly kind: 'segment-delete-failed'; readonly message: string }
  | { readonly kind: 'checkpoint'; readonly applied: Lsn }
  | { readonly kind: 'close' };

/** A full disk is expected and passes; whatever else a disk says is not. */
export type DiskFault = 'no-space' | 'other';

/** A segment is named by its first position. */
export type LogEffect =
  /** Create it durably, under its final name only once `header` is synced. Answer: segment-opened or segment-open-failed. */
  | { readonly kind: 'open-segment'; readonly segment: Lsn; readonly header: Uint8Array }
  /** All bytes or a failure. They stay as they are until the answer. Answer: written or write-failed. */
  | { readonly kind: 'write'; readonly segment: Lsn; readonly offset: number; readonly bytes: Uint8Array }
  /** Answer: synced or sync-failed. Never to be tried again. */
  | { readonly kind: 'sync'; readonly segment: Lsn }
  /** Cut to `bytes` and sync. Answer: truncated or truncate-failed. */
  | { readonly kind: 'truncate'; readonly segment: Lsn; readonly bytes: number }
  /** Durably. Answer: segment-deleted or segment-delete-failed. */
  | { readonly kind: 'delete-segment'; readonly segment: Lsn }
  | { readonly kind: 'acknowledge'; readonly id: number; readonly first: Lsn; readonly last: Lsn }
  | { readonly kind: 'reject'; readonly id: number; readonly refusal: Refusal }
  | { readonly kind: 'state-changed'; readonly state: LogState; readonly reason: string }
  /** Nothing more is to be deleted for the checkpoints so far, or `failure` says why it could not be. */
  | { readonly kind: 'retention-settled'; readonly failure?: string }
  /** The last effect. `mark` is absent when the log failed. */
  | { readonly kind: 'finish'; readonly mark?: CleanMark };

/** Why entries were not taken, or are not known to be durable. */
export interface Refusal {
  readonly code: Extract<ErrorCode, 'disk_full' | 'log_failed' | 'overloaded' | 'payload_too_large' | 'shutting_down' | 'invalid_argument'>;
  readonly message: string;
  /** The entries may come back after a restart all the same. */
  readonly indeterminate: boolean;
}

/** `full` passes when there is room again; `failed` lasts until the log is opened again. */
export type LogState = 'accepting' | 'full' | 'failed' | 'closed';
