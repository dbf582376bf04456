import { formatAddress, isLoopback, isUnspecified, type Address } from './address.js';
import type { Config } from './schema.js';

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

/** The complaint about two listeners that would take one port. Port 0 takes whatever is free. */
export function overlap(one: Address, other: Address, otherKey: string): Complaint | undefined {
  if (one.port === 0 || one.port !== other.port) return undefined;
  const sameHost = one.host === other.host || isUnspecified(one.host) || isUnspecified(other.host) || (isLoopback(one.host) && isLoopback(other.host));
  return sameHost ? { reason: `takes the same port as ${otherKey} (${formatAddress(other)})`, suggestion: 'Give each its own port.' } : undefined;
}

/** A key that has no value although another one asks for it. */
export function needsWhen(key: string, asked: (config: Config) => boolean, valueOf: (config: Config) => unknown, because: string, needs: readonly string[], otherwise: string): Check {
  return {
    key,
    needs,
    complaint: (config) => {
      const value = valueOf(config);
      const missing = value === undefined || (Array.isArray(value) && value.length === 0);
      return asked(config) && missing ? { reason: `is needed, because ${because}`, suggestion: `Set it, or ${otherwise}.` } : undefined;
    },
  };
}
