import { EngramError } from './errors.js';
import { shown } from './shown.js';

/**
 * States what must hold; throws an `EngramError` with code `assertion_failed` when it does not. Assertions stay on in
 * production: stopping at a broken invariant is cheaper than acknowledging a write on top of it.
 */
export function assert(condition: unknown, message: string, details?: object): asserts condition {
  if (!condition) throw new EngramError('assertion_failed', message, { details: { ...details } });
}

/** The default branch of an exhaustive `switch`: a type error when a case is missing, an `assertion_failed` at run time. */
export function unreachable(value: never): never {
  throw new EngramError('assertion_failed', `no case handles ${shown(value)}`);
}
