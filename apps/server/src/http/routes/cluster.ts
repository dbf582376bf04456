import { EngramError, parseNodeId } from '@engram/kernel';
import type { FastifyReply } from 'fastify';
import { Type } from 'typebox';
import type { HttpServer, RouteContext } from '../context.js';
import { clusterEventFields, clusterHealthFields, discoveryHealthFields, membersFields, nodeDetailFields, nodeFields } from '../cluster-fields.js';
import * as schemas from '../cluster-schemas.js';
import { EventStream } from '../event-stream.js';
import { refuseOtherSites } from '../other-sites.js';
import { ref } from '../schemas.js';
import { routesOf } from './routes-of.js';

const tags = ['Cluster'];
const alone = 'A node that runs alone answers as a cluster of itself, with `mode` `single`.';

export function clusterRoutes(server: HttpServer, { membership, effectiveConfig, engine, placement }: RouteContext): void {
  for (const [url, operationId] of routesOf('members', 'clusterMembers')) {
    server.get(url, { schema: { operationId, tags, summary: 'Who is in the cluster', description: alone, response: { 200: ref(schemas.ClusterMembers) } } }, () => membersFields(membership));
  }

  for (const [url, operationId] of routesOf('nodes', 'clusterNodes')) {
    server.get(url, { schema: { operationId, tags, summary: 'The members as a bare array', description: alone, response: { 200: ref(schemas.ClusterNodes) } } }, () => membership.nodes().map(nodeFields));
  }

  for (const [url, operationId] of routesOf('health', 'clusterHealth')) {
    server.get(
      url,
      {
        schema: {
          operationId,
          tags,
          summary: 'How the cluster is, as this node sees it',
          description: `Always 200: the cluster’s health is in the answer, the node’s own at \`/health\`. ${alone}`,
          response: { 200: ref(schemas.ClusterHealth) },
        },
      },
      () => clusterHealthFields(membership),
    );
  }

  server.get(
    '/api/v1/cluster/nodes/:id',
    {
      config: { errors: ['node_not_found'] },
      schema: { operationId: 'clusterNode', tags, summary: 'One node', params: Type.Object({ id: Type.String() }), response: { 200: ref(schemas.ClusterNodeDetail) } },
    },
    ({ params: { id } }) => {
      const node = membership.node(parseNodeId(id));
      if (node === undefined) throw new EngramError('node_not_found', `this node knows of no node ${id}`, { details: { node: id } });
      return nodeDetailFields(node, placement, engine.spaces());
    },
  );

  for (const [url, operationId] of routesOf('initialize', 'clusterInitialize')) {
    server.post(
      url,
      {
        config: { errors: ['not_ready'] },
        schema: {
          operationId,
          tags,
          summary: 'Form a cluster, once',
          description: 'With this node as its first; the others join it. A node that belongs to a cluster already answers with that one and changes nothing, so it is safe to repeat on the same node. Never ask two nodes: they would form two clusters that refuse each other.',
          response: { 200: ref(schemas.ClusterInitialized) },
        },
      },
      async (request) => {
        refuseOtherSites(request);
        refuseBody(request.body);
        const { clusterId, created } = await membership.initialize();
        return { cluster: membership.cluster ?? '', cluster_id: clusterId, created };
      },
    );
  }

  for (const [url, operationId] of routesOf('discovery/health', 'discoveryHealth')) {
    server.get(url, { schema: { operationId, tags, summary: 'Where first peers come from', response: { 200: ref(schemas.DiscoveryHealth) } } }, () => discoveryHealthFields(membership.discoveryHealth()));
  }

  for (const [url, operationId] of routesOf('config', 'clusterConfig')) {
    server.get(url, { schema: { operationId, tags, summary: 'The configuration in force on this node', response: { 200: ref(schemas.EffectiveConfig) } } }, () => ({
      values: effectiveConfig().map(({ path, value, written, source }) => ({ key: path, ...(value !== undefined && { value }), written, source })),
    }));
  }

  eventRoute(server, membership);
}

/** Whoever names a cluster in the body would believe that it is called so. */
function refuseBody(body: unknown): void {
  if (body === undefined || (typeof body === 'object' && body !== null && !Array.isArray(body) && Object.keys(body).length === 0)) return;
  throw new EngramError('invalid_argument', 'forming a cluster takes no body, so what it asks for would not happen', {
    hint: 'Send none. The cluster is called what `cluster.name` says on its nodes, and its id is made up.',
  });
}

function eventRoute(server: HttpServer, membership: RouteContext['membership']): void {
  const streams = new Set<EventStream>();
  // A stream that nobody ends would hold up the stop of the server.
  server.addHook('preClose', async () => {
    for (const stream of streams) stream.end();
  });

  server.get(
    '/api/v1/cluster/events',
    {
      exposeHeadRoute: false,
      config: { errors: ['overloaded'] },
      schema: {
        operationId: 'clusterEvents',
        tags,
        summary: 'Follow what happens in the cluster',
        description: [
          'Server-sent events. Each event is named by its type and carries a ClusterEvent. Whoever comes back with `Last-Event-ID` gets what it missed,',
          'as long as this node still has it (the latest 1024 events since its start); everybody else first gets one event `members` with all members.',
          'A comment every 15 s keeps the connection. A reader that falls more than 1 MiB behind is cut off and may come back. A node that runs alone has no events and answers 400.',
        ].join(' '),
        headers: Type.Object({ 'last-event-id': Type.Optional(Type.String({ description: 'The id of the last event that was seen; browsers send it by themselves.' })) }),
        response: { 200: { description: 'The events, without end.', content: { 'text/event-stream': { schema: Type.String() } } } },
      },
    },
    (request, reply) => {
      const { events } = membership;
      if (events === undefined) {
        throw new EngramError('invalid_argument', 'this node runs alone, so nothing happens to its cluster', { hint: 'Ask a node of a cluster, or start this one with --seed or cluster.enabled = true.' });
      }
      const lastId = request.headers['last-event-id'];
      // Between here and the first line nothing else runs, so no event falls in between.
      const reading = events.read(lastId, ({ id, event }) => stream.send(id, event.type, clusterEventFields(event)));
      const stream = new EventStream({ onEnd: () => (reading.stop(), void streams.delete(stream)) });
      streams.add(stream);
      if (reading.missed === undefined) stream.send(reading.latestId, 'members', membersFields(membership));
      else for (const { id, event } of reading.missed) stream.send(id, event.type, clusterEventFields(event));
      return (reply as FastifyReply).type('text/event-stream').header('cache-control', 'no-store').header('x-accel-buffering', 'no').send(stream.readable) as never;
    },
  );
}
