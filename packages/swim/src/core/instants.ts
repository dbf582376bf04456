import type { Instant } from '@engram/kernel';

export function earliest(...instants: readonly (Instant | undefined)[]): Instant | undefined {
  let first: Instant | undefined;
  for (const at of instants) if (at !== undefined && (first === undefined || at < first)) first = at;
  return first;
}

export const later = (a: Instant, b: Instant): Instant => (a > b ? a : b);
export const sooner = (a: Instant, b: Instant): Instant => (a < b ? a : b);
