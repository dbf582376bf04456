import { EngramError, type NodeId } from '@engram/kernel';
import type { CircuitBreaker } from './circuit-breaker.js';

/** What is known of a try that failed. */
export interface FailedTry {
  readonly to: NodeId;
  /** Whether the request, or a part of it, may have reached the other node. */
  readonly written: boolean;
  /** Whether doing it twice is as good as once. */
  readonly safe: boolean;
  readonly cause?: unknown;
}

/** @throws EngramError `unavailable` while the peer is not to be tried. */
export function requireAdmitted(breaker: CircuitBreaker, to: NodeId): void {
  const nowMs = performance.now();
  if (breaker.admit(nowMs)) return;
  throw new EngramError('unavailable', `${to} could not be reached several times in a row and is not tried at the moment.`, {
    details: { node: to, retryAfterMs: Math.ceil(breaker.waitMs(nowMs)) },
  });
}

export function addressUnknown(to: NodeId): EngramError {
  return new EngramError('unavailable', `This node does not know the address of ${to}.`, { hint: 'Wait until the nodes have met; `engram members` shows whom this one knows.', details: { node: to } });
}

export function notReached(failed: FailedTry): EngramError {
  const { to, written, cause } = failed;
  return new EngramError('unavailable', `${to} ${written ? 'went away before it answered' : 'cannot be reached'}: ${textOf(cause)}.`, optionsOf(failed));
}

export function tooLate(failed: FailedTry, deadlineMs: number): EngramError {
  return new EngramError('deadline_exceeded', `${failed.to} did not answer within ${Math.round(deadlineMs)} ms.`, optionsOf(failed));
}

export function clientGone(failed: FailedTry): EngramError {
  return new EngramError('unavailable', 'The client has gone before the answer came.', optionsOf(failed));
}

/** A write of which nobody knows whether it happened is said to be one; a read is not, as nothing depends on it. */
function optionsOf({ to, written, safe, cause }: FailedTry): ConstructorParameters<typeof EngramError>[2] {
  const indeterminate = written && !safe;
  return {
    cause,
    ...(indeterminate ? { hint: 'The write may have happened. Send it again with the same idempotency key, or with the same memory id.' } : {}),
    details: { node: to, ...(indeterminate ? { indeterminate } : {}) },
  };
}

function textOf(cause: unknown): string {
  const text = cause instanceof Error ? cause.message || ('code' in cause ? String(cause.code) : cause.name) : String(cause);
  return text.replace(/\.$/, '');
}
