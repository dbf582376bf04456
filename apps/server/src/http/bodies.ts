import type { FastifyRequest } from 'fastify';
import type { HttpServer } from './context.js';
import { parseJson } from './json-body.js';

/** The content types a body may have. Everything else is answered 415 before a byte of it is read. */
export function readBodies(server: HttpServer): void {
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request: FastifyRequest, body: Buffer, done) => {
    try {
      // No body is not the same as bad JSON: routes without a body accept it, the others say that they need one.
      done(null, body.length === 0 ? undefined : parseJson(body));
    } catch (error) {
      done(error as Error);
    }
  });
}
