import { EngramError } from '@engram/kernel';
import type { FastifyRequest } from 'fastify';

/** A page of another site can make a browser send a POST without a body to a port of this machine. It must change nothing. */
export function refuseOtherSites({ headers }: Pick<FastifyRequest, 'headers'>): void {
  const { origin, host } = headers;
  if (origin === undefined || origin.replace(/^https?:\/\//, '') === host) return;
  throw new EngramError('invalid_argument', 'a page of another site asked this node to change', {
    hint: 'Use the command line, or a client that sends no Origin header.',
  });
}
