/** When a request that failed is tried again, and how long to wait before. */
import { EngramError, OptionsError, type Random } from '@engram/kernel';

export interface RetryOptions {
  /** How often a request is tried in all. More helps a client over a failover that it waits for; each try may wait. @default 3 */
  readonly triesMax?: number;
  /** The longest pause before the second try, in milliseconds; doubled with each further one. @default 100 */
  readonly backoffMs?: number;
  /** What doubling stops at, in milliseconds. @default 1000 */
  readonly backoffMaxMs?: number;
}

export function resolveRetryOptions(options: RetryOptions = {}): Required<RetryOptions> {
  const resolved = { triesMax: 3, backoffMs: 100, backoffMaxMs: 1_000, ...options };
  if (!Number.isSafeInteger(resolved.triesMax) || resolved.triesMax < 1) throw new OptionsError('triesMax', 'must be a positive whole number');
  if (!(resolved.backoffMs > 0)) throw new OptionsError('backoffMs', 'must be positive');
  if (!(resolved.backoffMaxMs >= resolved.backoffMs)) throw new OptionsError('backoffMaxMs', 'must not be less than backoffMs');
  return resolved;
}

/**
 * Milliseconds before the next try: anything from 0 to a bound that doubles ("full jitter", M. Brooker, Exponential
 * Backoff And Jitter, AWS Architecture Blog, 2015), so that many who failed at one moment do not come back at one.
 *
 * @param tries How often it was tried already, from 1 on.
 */
export function pauseMs(tries: number, random: Random, { backoffMs, backoffMaxMs }: Required<RetryOptions>): number {
  return random.float() * Math.min(backoffMaxMs, backoffMs * 2 ** (tries - 1));
}

/**
 * Whether trying again can help and can do no harm. A write that may have happened is tried again only when doing it
 * twice is as good as once.
 *
 * @param forwarded Whether another node gave this error, or was to be asked; then that this one is stopping means little.
 */
export function mayTryAgain(error: unknown, repeatable: boolean, forwarded: boolean): boolean {
  if (!(error instanceof EngramError)) return false;
  if (error.details['indeterminate'] === true && !repeatable) return false;
  switch (error.code) {
    case 'not_primary':
    case 'unavailable':   return true;
    case 'shutting_down':
    case 'not_ready':     return forwarded;
    default:              return false;
  }
}

/** Whether a read may be answered by another copy instead: whatever became of the call, it changed nothing. */
export function mayAskAnother(error: unknown): boolean {
  return error instanceof EngramError && (error.code === 'unavailable' || error.code === 'deadline_exceeded' || error.code === 'shutting_down' || error.code === 'not_ready' || error.code === 'overloaded' || error.code === 'copy_behind');
}
