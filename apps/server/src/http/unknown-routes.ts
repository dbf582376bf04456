import { EngramError, shown } from '@engram/kernel';
import type { HttpServer } from './context.js';

interface KnownPath {
  readonly pattern: RegExp;
  readonly methods: Set<string>;
}

/**
 * Answers what no route answers: 405 with `Allow` where the path exists, `OPTIONS` with the same list, 404 elsewhere.
 * Runs before the body is read, so that nobody's upload to a wrong address is taken in first. Must be called before
 * the routes are added.
 */
export function answerUnknownRoutes(server: HttpServer): void {
  const paths = new Map<string, KnownPath>();
  server.addHook('onRoute', ({ method, url, schema }) => {
    if (url.includes('*') || schema?.hide === true) return;
    const known = paths.get(url) ?? { pattern: patternOf(url), methods: new Set(['OPTIONS']) };
    for (const name of [method].flat()) known.methods.add(name);
    paths.set(url, known);
  });
  server.addHook('onRequest', (request, reply, done) => {
    if (!request.is404) return done();
    const path = request.url.split('?', 1)[0] ?? '';
    const allow = [...new Set([...paths.values()].filter(({ pattern }) => pattern.test(path)).flatMap(({ methods }) => [...methods]))].sort();
    if (request.method === 'OPTIONS' && (allow.length > 0 || path === '*')) {
      reply.code(204).header('allow', (allow.length > 0 ? allow : ['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'DELETE']).join(', ')).send();
      return;
    }
    const text = shown(path);
    if (allow.length > 0) {
      return done(new EngramError('method_not_allowed', `${request.method} is not possible on ${text}`, { hint: `Use one of ${allow.join(', ')}.`, details: { allow } }));
    }
    done(new EngramError('route_not_found', `there is nothing at ${text}`));
  });
  // The hook above has answered by the time this would run; the framework wants a handler all the same.
  server.setNotFoundHandler((request) => {
    throw new EngramError('route_not_found', `there is nothing at ${shown(request.url)}`);
  });
}

function patternOf(url: string): RegExp {
  const segments = url.split('/').map((segment) => (segment.startsWith(':') ? '[^/]*' : segment.replace(/[^A-Za-z0-9_-]/g, '\\$&')));
  return new RegExp(`^${segments.join('/')}$`);
}
