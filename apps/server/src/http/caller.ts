import type { FastifyRequest } from 'fastify';
import type { Caller } from '../routing/index.js';

/** What a request says beside what it asks for. */
export function callerOf({ headers, id }: FastifyRequest): Caller {
  return {
    header(name) {
      const value = headers[name];
      return Array.isArray(value) ? value.join(', ') : value;
    },
    // HTTP has no deadline of its own; a client that goes away is noticed when the answer is written.
    remainingMs: () => Infinity,
    requestId: id,
  };
}
