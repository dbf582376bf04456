import { sessionHeader } from '@engram/rpc';
import type { MemoryOperations } from '../routing/index.js';

/** Says in a header what the client needs to read what it has just written. */
export function tellSession(reply: { header(name: string, value: string): unknown }, { session }: MemoryOperations): void {
  if (session !== undefined) reply.header(sessionHeader, session);
}
