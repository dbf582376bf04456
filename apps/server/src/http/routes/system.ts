import { Type } from 'typebox';
import type { HttpServer, RouteContext } from '../context.js';
import { refuseOtherSites } from '../other-sites.js';
import * as schemas from '../schemas.js';
import { healthFields, readinessOf, statusFields } from '../wire.js';

const { ref } = schemas;
const tags = ['System'];

export function systemRoutes(server: HttpServer, { engine, membership, placement, metrics, onShutdownRequested }: RouteContext): void {
  server.get(
    '/livez',
    { schema: { operationId: 'livez', tags, summary: 'Whether the process runs', response: { 200: Type.Object({ alive: Type.Boolean() }, { description: 'It runs.' }) } } },
    () => ({ alive: true }),
  );

  server.get(
    '/readyz',
    {
      schema: {
        operationId: 'readyz',
        tags,
        summary: 'Whether requests should be sent here',
        description: '503, with the reasons, while the node stops or has failed, and in a cluster before it belongs to one and knows from its map who holds what.',
        response: { 200: ref(schemas.Readiness), 503: ref(schemas.Readiness) },
      },
    },
    (_request, reply) => {
      const { ready, reasons } = readinessOf(engine.ready(), membership, placement);
      reply.code(ready ? 200 : 503);
      return { ready, reasons };
    },
  );

  for (const [url, operationId] of [['/health', 'health'], ['/api/v1/system/health', 'systemHealth']] as const) {
    server.get(
      url,
      {
        schema: {
          operationId,
          tags,
          summary: 'How the node is',
          description: '200 while it serves, degraded or not; 503 once it has failed.',
          response: { 200: ref(schemas.Health), 503: ref(schemas.Health) },
        },
      },
      (_request, reply) => {
        const health = healthFields(engine.status(), membership, placement);
        reply.code(health.status === 'failed' ? 503 : 200);
        return health;
      },
    );
  }

  server.get(
    '/api/v1/system/status',
    { schema: { operationId: 'systemStatus', tags, summary: 'What `engram status` shows', response: { 200: ref(schemas.SystemStatus) } } },
    () => statusFields(engine.status(), membership, placement),
  );

  server.get(
    '/metrics',
    {
      schema: {
        operationId: 'metrics',
        tags,
        summary: 'Metrics in the Prometheus text format',
        response: { 200: { description: 'The metrics; docs/metrics.md explains each.', content: { 'text/plain': { schema: Type.String() } } } },
      },
    },
    async (_request, reply) => {
      const text = await metrics.render();
      // The text is the answer as it stands: no schema rewrites it.
      return reply.type(metrics.contentType).serializer(String).send(text);
    },
  );

  server.post(
    '/api/v1/shutdown',
    {
      schema: {
        operationId: 'shutdown',
        tags,
        summary: 'Stop the node',
        description: 'Answers first; then requests under way are finished, the store is made durable and the process ends.',
        response: { 202: Type.Object({ status: Type.Literal('shutting_down'), node: Type.String() }, { description: 'It will stop.' }) },
      },
    },
    (request, reply) => {
      refuseOtherSites(request);
      reply.raw.once('close', onShutdownRequested);
      reply.code(202);
      return { status: 'shutting_down' as const, node: engine.nodeId };
    },
  );
}
