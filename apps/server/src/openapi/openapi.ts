import { errorCodes, type ErrorCode } from '@engram/kernel';
import { errorStatus } from '@engram/rpc';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifySchema, RouteOptions } from 'fastify';
import type { HttpServer } from '../http/context.js';
import { ErrorAnswer, ref } from '../http/schemas.js';

/** Any request can meet these, so no route lists them. */
const commonErrors: readonly ErrorCode[] = ['invalid_argument', 'unknown_field', 'internal'];

/**
 * Makes the OpenAPI document out of the schemas of the routes, serves it at `/api/v1/openapi.json` and shows it at
 * `/docs`, from files that come with the server. Must be called before the routes are added.
 */
export function publishOpenApi(server: HttpServer, version: string): void {
  server.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Engram',
        version,
        description: 'Memories over HTTP. Every error has the same shape; decide by its `code`, and show its `hint` to people.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: '/' }],
      tags: [
        { name: 'Memory', description: 'Store, read, list and forget.' },
        { name: 'Recall', description: 'Find what answers a cue.' },
        { name: 'Spaces', description: 'Memories live in spaces.' },
        { name: 'Cluster', description: 'Which nodes there are, and which are alive.' },
        { name: 'System', description: 'How the node is.' },
      ],
    },
    refResolver: { buildLocalReference: (json, _base, _fragment, index) => (typeof json['$id'] === 'string' ? json['$id'] : `schema-${index}`) },
    transform: ({ schema, url, route }) => ({ schema: withErrors(schema, route), url }),
  });
  server.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: true,
    // Off loopback the page is often served over plain HTTP, where browsers would ask for its parts by HTTPS and get nothing.
    transformStaticCSP: (policy) => policy.replace(/\s*upgrade-insecure-requests;?/, ''),
    // The default asks a server on the internet to validate the document.
    uiConfig: { validatorUrl: null as never, deepLinking: true },
  });
  server.register(async (scope) => {
    let document: string | undefined;
    scope.get(
      '/api/v1/openapi.json',
      { schema: { operationId: 'openapi', tags: ['System'], summary: 'This document', response: { 200: { type: 'object', description: 'An OpenAPI 3.1 document.', additionalProperties: true } } } },
      (_request, reply) => {
        document ??= JSON.stringify(server.swagger());
        void reply.type('application/json; charset=utf-8').serializer(String).send(document);
      },
    );
  });
}

/** Documents each error status of a route from the codes it names, by the one table of statuses. */
function withErrors(schema: FastifySchema, route: RouteOptions): FastifySchema {
  if (schema?.hide) return schema;
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of [...commonErrors, ...(route.config?.errors ?? [])]) {
    const { http } = errorStatus[code];
    byStatus.set(http, [...(byStatus.get(http) ?? []), code]);
  }
  const documented = [...byStatus].map(([status, codes]) => {
    const description = codes.map((code) => `\`${code}\`: ${errorCodes[code].meaning}`).join('\n\n');
    return [status, { description, content: { 'application/json': { schema: ref(ErrorAnswer) } } }] as const;
  });
  return { ...schema, response: { ...Object.fromEntries(documented), ...(schema?.response as object | undefined) } };
}
