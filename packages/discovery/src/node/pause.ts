import { setTimeout } from 'node:timers/promises';

/** Waits, at most until the signal aborts. Never rejects: who waits looks at the signal anyway. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await setTimeout(ms, undefined, { signal });
  } catch {
    // Aborted, which is one way for the wait to be over.
  }
}
