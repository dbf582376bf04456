import { EngramError, errorCodes } from '@engram/kernel';
import type { SourceFailure } from '../core/index.js';

/** What a source threw, as it is told to people. */
export function failureOf(source: string, error: unknown): SourceFailure {
  if (error instanceof EngramError) return { source, reason: error.message, hint: error.hint };
  return { source, reason: `${source} failed: ${error instanceof Error ? error.message : String(error)}`, hint: errorCodes.discovery_failed.hint };
}
