import { jsonSafe } from './json-safe.js';

/**
 * Every way Engram refuses. A code is a promise: clients branch on it, so a code is never renamed and never reused for
 * something else. `retryable` answers one question only: may the very same request succeed later, unchanged?
 * `hint` is what a person is told to do next when the thrower knows nothing more specific.
 */
export const errorCodes = {
  invalid_argument: {
    retryable: false,
    meaning: 'A value in the request breaks a rule that the message names.',
    hint: 'Correct the named value and send the request again.',
  },
  unknown_field: {
    retryable: false,
    meaning: 'The request carries a field that this operation does not know.',
    hint: 'Remove the field or correct its spelling.',
  },
  invalid_options: {
    retryable: false,
    meaning: 'An option given to a library is out of range or contradicts another option.',
    hint: 'Correct the named option where the library is constructed.',
  },
  invalid_config: {
    retryable: false,
    meaning: 'The configuration has an unknown key, a bad value or an impossible combination.',
    hint: 'Correct the named key; `engram config check` shows where each value comes from.',
  },
  space_not_found: {
    retryable: false,
    meaning: 'No memory was ever stored in the named space and no policy was set for it.',
    hint: 'Check the spelling of the space, or store a memory in it first.',
  },
  memory_not_found: {
    retryable: false,
    meaning: 'The space holds no memory with this id.',
    hint: 'Check the id and the space; ids are unique within one space only.',
  },
  node_not_found: {
    retryable: false,
    meaning: 'The cluster, as this node sees it, has no node of this id.',
    hint: 'List the nodes with GET /api/v1/cluster/nodes or `engram members`.',
  },
  route_not_found: {
    retryable: false,
    meaning: 'The server has nothing at this path.',
    hint: 'See /docs on the server for every path it answers.',
  },
  method_not_allowed: {
    retryable: false,
    meaning: 'The path exists but does not answer this HTTP method.',
    hint: 'Use one of the methods named in the Allow header.',
  },
  id_conflict: {
    retryable: false,
    meaning: 'A memory with this id and other content is already stored; memories are immutable.',
    hint: 'Store the new content under a new id.',
  },
  id_forgotten: {
    retryable: false,
    meaning: 'The memory with this id was forgotten; a forgotten id is never used again.',
    hint: 'Store the content under a new id.',
  },
  precondition_failed: {
    retryable: false,
    meaning: 'What was asked for would leave the cluster without something it needs; nothing was changed.',
    hint: 'The message says what is missing.',
  },
  idempotency_conflict: {
    retryable: false,
    meaning: 'This idempotency key was already used for a different request.',
    hint: 'Use a fresh key for every distinct request and the same key only to retry one.',
  },
  embedding_dimension_mismatch: {
    retryable: false,
    meaning: 'The embedding has another dimension than the first one stored in its space.',
    hint: 'Use the same embedding model for a whole space, or another space for another model.',
  },
  payload_too_large: {
    retryable: false,
    meaning: 'The request or one of its parts is larger than a stated limit.',
    hint: 'Send less at once, or split the content.',
  },
  unsupported_media_type: {
    retryable: false,
    meaning: 'The content type or encoding of the body is not one that the server reads.',
    hint: 'Send application/json, or application/x-ndjson where batches are streamed.',
  },
  overloaded: {
    retryable: true,
    meaning: 'More work is queued than the node accepts; nothing of this request was done.',
    hint: 'Retry after a short, growing and jittered delay.',
  },
  capacity_exhausted: {
    retryable: false,
    meaning: 'A configured ceiling, such as the number of memories, is reached.',
    hint: 'Raise the ceiling in the configuration, or forget what is no longer needed.',
  },
  disk_full: {
    retryable: true,
    meaning: 'The disk has no room left for the log or the store; reads go on.',
    hint: 'Free space on the data disk; writes resume by themselves.',
  },
  log_failed: {
    retryable: false,
    meaning: 'Writing or syncing the write-ahead log failed, so the node stopped acknowledging writes.',
    hint: 'Look at the disk and the system log, then restart the node; it recovers what is durable.',
  },
  log_damaged: {
    retryable: false,
    meaning: 'The write-ahead log holds damage that no crash explains.',
    hint: 'Keep a copy of the data directory, then run `engram wal-salvage` on it.',
  },
  store_damaged: {
    retryable: false,
    meaning: 'The embedded store holds data that cannot be read back or contradicts itself.',
    hint: 'Keep a copy of the data directory, then restore a backup or rebuild the store from the log.',
  },
  data_directory_locked: {
    retryable: false,
    meaning: 'Another process is using the data directory.',
    hint: 'Stop the other process, or start this one with another data directory.',
  },
  not_ready: {
    retryable: true,
    meaning: 'The node is still starting and cannot serve yet.',
    hint: 'Wait until /readyz answers 200.',
  },
  shutting_down: {
    retryable: true,
    meaning: 'The node is stopping and takes no new work.',
    hint: 'Retry on another node, or on this one once it is back.',
  },
  deadline_exceeded: {
    retryable: true,
    meaning: 'The work did not finish within the time it was given.',
    hint: 'Retry with the same idempotency key, or allow more time.',
  },
  unavailable: {
    retryable: true,
    meaning: 'What is needed to answer cannot be reached at the moment.',
    hint: 'Retry after a short, growing and jittered delay.',
  },
  not_primary: {
    retryable: true,
    meaning: 'Another node takes the writes of this space; nothing of this request was done.',
    hint: 'Send the request to the node that the details name, or let any node forward it.',
  },
  copy_behind: {
    retryable: true,
    meaning: 'The copy that was asked lacks what the session token of the request stands for.',
    hint: 'Retry after a short, growing and jittered delay; copies catch up by themselves.',
  },
  discovery_failed: {
    retryable: true,
    meaning: 'A source of discovery could not be asked, or gave an answer that cannot be understood.',
    hint: 'Check the address, the name and the credentials of the source; it is asked again by itself.',
  },
  address_in_use: {
    retryable: false,
    meaning: 'Another process is listening on the address this one wants to bind.',
    hint: 'Stop the other process, or choose another port.',
  },
  assertion_failed: {
    retryable: false,
    meaning: 'Something that must always hold did not; this is a defect in Engram or in its caller.',
    hint: 'Report it with the message, the details and the version.',
  },
  internal: {
    retryable: false,
    meaning: 'An error that Engram did not foresee.',
    hint: 'Report it with the message and the log around it.',
  },
} as const satisfies Record<string, { retryable: boolean; meaning: string; hint: string }>;

/** The name of one way of refusing, such as `disk_full`. Clients branch on it. */
export type ErrorCode = keyof typeof errorCodes;

/** What an error may carry besides its code and message. */
export interface EngramErrorOptions {
  /** What to do next, in one sentence. @default the hint of the code */
  readonly hint?: string;
  /** The error underneath, kept for logs; it does not travel in `toJSON`. */
  readonly cause?: unknown;
  /** Facts a program may want: offsets, ids, limits. @default {} */
  readonly details?: Readonly<Record<string, unknown>>;
}

/**
 * What Engram throws when the caller or the machine is at fault. The message says what happened, where and why; `hint`
 * says what to do next; `code` is what programs branch on. Outcomes that are expected are returned as data instead.
 */
export class EngramError extends Error {
  override readonly name: string = 'EngramError';
  readonly code: ErrorCode;
  readonly hint: string;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: EngramErrorOptions = {}) {
    // An absent cause must stay absent: `cause: undefined` would still show up as a property.
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.hint = options.hint ?? errorCodes[code].hint;
    this.retryable = errorCodes[code].retryable;
    this.details = options.details ?? {};
  }

  /** What may leave the process: no stack, no cause, and details that JSON can hold whatever was put into them. */
  toJSON(): { code: ErrorCode; message: string; hint: string; retryable: boolean; details: Record<string, unknown> } {
    const details = jsonSafe(this.details) as Record<string, unknown>;
    return { code: this.code, message: this.message, hint: this.hint, retryable: this.retryable, details };
  }
}

/** An option is out of range. The complaint continues the sentence "option X …": `must be at least 2`. */
export class OptionsError extends EngramError {
  override readonly name: string = 'OptionsError';

  constructor(option: string, complaint: string) {
    super('invalid_options', `option ${option} ${complaint}`, { details: { option } });
  }
}
