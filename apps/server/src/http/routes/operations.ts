import type { MapVerb, Verb } from '@engram/cluster';
import { EngramError, parseNodeId, parseSpaceId, type NodeId } from '@engram/kernel';
import type { ClusterMap } from '@engram/placement';
import { Type } from 'typebox';
import type { HttpServer, RouteContext } from '../context.js';
import { dutyFields, rebalancePlanFields, rebalanceStartedFields, rebalanceStatusFields, repairFields, replicationConfigFields } from '../operation-fields.js';
import * as schemas from '../operation-schemas.js';
import { refuseOtherSites } from '../other-sites.js';
import { ref } from '../schemas.js';
import { routesOf } from './routes-of.js';

const tags = ['Operations'];
const errors = ['not_ready', 'node_not_found', 'precondition_failed', 'unavailable', 'overloaded'] as const;
const NodeParams = Type.Object({ id: Type.String() });
const anyNode = 'Any node may be asked; a majority of the voters agrees on it. Asked again it changes nothing more.';

/** What operators ask of a cluster: through any of its nodes, answered at once, followed by asking again. */
export function operationRoutes(server: HttpServer, context: RouteContext): void {
  nodeOperations(server, context);
  moveOperations(server, context);
  replicationOperations(server, context);
}

/** @throws EngramError `not_ready`, `invalid_argument` on a node that runs alone */
function mapOf({ placement, membership }: RouteContext): ClusterMap {
  const map = placement.map();
  if (map) return map;
  if (membership.mode === 'single') throw new EngramError('invalid_argument', 'this node runs alone, so there is no cluster to look at or change', { hint: 'Ask a node of a cluster.' });
  throw new EngramError('not_ready', 'this node does not know the map of the cluster yet', { hint: 'GET /api/v1/cluster/health says what it waits for.' });
}

function nodeOperations(server: HttpServer, context: RouteContext): void {
  const { operator, engine } = context;
  const duties = (node: NodeId) => {
    const fields = dutyFields(context, mapOf(context), node, engine.nodeId);
    if (!fields) throw new EngramError('node_not_found', `the cluster has no node ${node}`, { hint: 'GET /api/v1/cluster/nodes lists those it has.', details: { node } });
    return fields;
  };

  const verb = (name: 'drain' | 'undrain' | 'decommission', summary: string, description: string, verbOf: (node: NodeId, force: boolean) => MapVerb): void => {
    for (const [url, operationId] of routesOf(`nodes/:id/${name}`, `${name}Node`)) {
      server.post(
        url,
        {
          config: { errors },
          schema: {
            operationId, tags, summary, description: `${description} ${anyNode}`, params: NodeParams,
            ...(name === 'decommission' && { querystring: Type.Object({ force: Type.Optional(Type.Boolean({ description: 'Also when fewer nodes are left than there should be copies.' })) }) }),
            response: { 202: ref(schemas.NodeDuties) },
          },
        },
        async (request, reply) => {
          refuseOtherSites(request);
          mapOf(context);
          const node = parseNodeId(request.params.id);
          await operator.operate(verbOf(node, (request.query as { force?: boolean }).force === true));
          reply.code(202);
          return duties(node);
        },
      );
    }
  };
  verb('drain', 'Move primaries away from a node', 'Its copies stay. For an upgrade, or a look at the machine; it lasts over restarts, until the node is undrained.', (node) => ({ kind: 'drain', node }));
  verb('undrain', 'Take a drain back', 'Also a decommission, while the node is in the roster.', (node) => ({ kind: 'undrain', node }));
  verb('decommission', 'Take a node out of the cluster for good', 'What it holds moves to the others first. Refused when too few nodes would be left for the copies that are wanted.', (node, force) => ({ kind: 'decommission', node, force }));

  for (const name of ['drain', 'decommission'] as const) {
    for (const [url, operationId] of routesOf(`nodes/:id/${name}/status`, `${name}Status`)) {
      server.get(url, { config: { errors: ['not_ready', 'node_not_found'] }, schema: { operationId, tags, summary: `How far a ${name} is`, params: NodeParams, response: { 200: ref(schemas.NodeDuties) } } }, ({ params }) => duties(parseNodeId(params.id)));
    }
  }

  for (const [url, operationId] of routesOf('nodes/:id/shutdown', 'shutdownNode')) {
    server.post(
      url,
      { config: { errors: ['node_not_found'] }, schema: { operationId, tags, summary: 'Stop a node', description: 'Only the node itself stops; another one says where that is reached.', params: NodeParams, response: { 202: Type.Object({ status: Type.Literal('shutting_down'), node: Type.String() }, { description: 'It will stop.' }) } } },
      (request, reply) => {
        refuseOtherSites(request);
        const node = parseNodeId(request.params.id);
        if (node !== engine.nodeId) throw notHere(context, node);
        reply.raw.once('close', context.onShutdownRequested);
        reply.code(202);
        return { status: 'shutting_down' as const, node };
      },
    );
  }
}

function notHere({ membership, engine }: RouteContext, node: NodeId): EngramError {
  const known = membership.node(node);
  if (known === undefined) return new EngramError('node_not_found', `this node knows of no node ${node}`, { details: { node } });
  const { http } = known.services ?? {};
  return new EngramError('invalid_argument', `this is ${engine.nodeId}, and only ${node} itself can be told to stop ${node}`, { hint: http === undefined ? 'Ask that node.' : `POST http://${http}/api/v1/shutdown.` });
}

function moveOperations(server: HttpServer, context: RouteContext): void {
  const { operator } = context;

  for (const [url, operationId] of routesOf('rebalance', 'rebalance')) {
    server.post(
      url,
      {
        config: { errors },
        schema: {
          operationId, tags, summary: 'Move copies and primaries to where they belong, now',
          description: 'It happens by itself some seconds after nodes came or went; this does not wait. With `dry_run` it says what would be moved, and nothing is. Asked while it goes on, it changes nothing.',
          querystring: Type.Object({ dry_run: Type.Optional(Type.Boolean()) }),
          response: { 200: ref(schemas.RebalancePlan), 202: ref(schemas.RebalanceStarted) },
        },
      },
      async (request, reply) => {
        refuseOtherSites(request);
        const map = mapOf(context);
        if (request.query.dry_run === true) return rebalancePlanFields(map, operator) as never;
        if (map.movesPaused) throw new EngramError('precondition_failed', 'moves are paused in this cluster', { hint: 'POST /api/v1/cluster/rebalance/resume first.' });
        await operator.operate({ kind: 'plan-moves' });
        reply.code(202);
        return rebalanceStartedFields(map, operator) as never;
      },
    );
  }

  for (const [url, operationId] of routesOf('rebalance/status', 'rebalanceStatus')) {
    server.get(url, { schema: { operationId, tags, summary: 'How far copies and primaries are from where they belong', response: { 200: ref(schemas.RebalanceStatus) } } }, () => rebalanceStatusFields(context, context.placement.map()));
  }

  for (const [url, operationId] of routesOf('rebalance/retry', 'retryRebalance')) {
    server.post(
      url,
      { config: { errors }, schema: { operationId, tags, summary: 'Look again at what did not get through', description: 'Nothing is forgotten: what is not where it belongs is planned anew every second. This does not wait for calm.', response: { 202: ref(schemas.RebalanceStatus) } } },
      async (request, reply) => {
        refuseOtherSites(request);
        mapOf(context);
        await operator.operate({ kind: 'plan-moves' });
        reply.code(202);
        return rebalanceStatusFields(context, mapOf(context));
      },
    );
  }

  const pausing = { pause: { verb: { kind: 'pause-moves' }, status: 'paused' }, resume: { verb: { kind: 'resume-moves' }, status: 'resumed' } } as const satisfies Record<string, { readonly verb: Verb; readonly status: string }>;
  for (const [name, { verb, status }] of Object.entries(pausing)) {
    for (const [url, operationId] of routesOf(`rebalance/${name}`, `${name}Rebalance`)) {
      server.post(
        url,
        { config: { errors }, schema: { operationId, tags, summary: name === 'pause' ? 'Send no copy on its way any more' : 'Let moves go on', description: `For the whole cluster, over restarts. What is under way arrives; draining goes on, decommissioning waits. ${anyNode}`, response: { 202: ref(schemas.MovesPaused) } } },
        async (request, reply) => {
          refuseOtherSites(request);
          mapOf(context);
          const { changed } = await operator.operate(verb);
          reply.code(202);
          return { status, changed };
        },
      );
    }
  }
}

function replicationOperations(server: HttpServer, context: RouteContext): void {
  const { operator, placement, engine } = context;

  for (const [url, operationId] of routesOf('spaces/:space/promote-replica', 'promoteReplica')) {
    server.post(
      url,
      {
        config: { errors },
        // No body is as good as an empty one.
        preValidation: (request, _reply, done) => {
          request.body ??= {};
          done();
        },
        schema: {
          operationId, tags, summary: 'Let another copy lead a space',
          description: 'The present primary hands over, and nothing acknowledged is lost: when the named copy is behind, one that is not leads instead. A primary that is gone is replaced without being asked for. Balance may move it again.',
          params: Type.Object({ space: Type.String() }), body: ref(schemas.PromoteReplica), response: { 202: ref(schemas.PromotionStarted) },
        },
      },
      async (request, reply) => {
        refuseOtherSites(request);
        const map = mapOf(context);
        const space = parseSpaceId(request.params.space);
        const { node, new_replica_node } = request.body as { node?: string; new_replica_node?: string };
        const named = node ?? new_replica_node;
        const partition = placement.partitionOf(space);
        const { changed } = await operator.operate({ kind: 'promote', partition, to: named === undefined ? undefined : parseNodeId(named) });
        reply.code(202);
        return { status: changed ? ('promoting' as const) : ('unchanged' as const), space_id: space, partition, primary_node: map.table[partition]!.primary };
      },
    );
  }

  for (const [url, operationId] of routesOf('replication/repair', 'repairReplication')) {
    server.post(
      url,
      { config: { errors }, schema: { operationId, tags, summary: 'Bring back copies that are missing, now', description: 'It happens by itself some seconds after a node is gone for good or another has come; this does not wait. A copy that is only behind catches up by itself.', response: { 202: ref(schemas.RepairStarted) } } },
      async (request, reply) => {
        refuseOtherSites(request);
        const map = mapOf(context);
        await operator.operate({ kind: 'plan-moves' });
        reply.code(202);
        return repairFields(context, map, engine.spaces());
      },
    );
  }

  for (const [url, operationId] of routesOf('replication/config', 'replicationConfig')) {
    server.get(url, { config: { errors: ['not_ready'] }, schema: { operationId, tags, summary: 'How this cluster replicates', response: { 200: ref(schemas.ReplicationConfig) } } }, () => replicationConfigFields(mapOf(context), operator));
    server.post(
      url,
      { config: { errors }, schema: { operationId: `set${operationId[0]!.toUpperCase()}${operationId.slice(1)}`, tags, summary: 'Change how this cluster replicates', description: `Copies are added or dropped as the factor says, without a pause in service. ${anyNode}`, body: ref(schemas.ReplicationConfigPatch), response: { 200: ref(schemas.ReplicationConfig) } } },
      async (request) => {
        refuseOtherSites(request);
        mapOf(context);
        const { factor, ack, partition_policy, strategy, batch_size } = request.body as { strategy?: 'random' | 'rack_aware' | 'zone_aware'; factor?: number; ack?: 'local' | 'replica' | 'quorum' | 'all'; partition_policy?: 'majority' | 'available'; batch_size?: number };
        const policies = { ...(factor !== undefined && { factor }), ...(ack !== undefined && { ack }), ...(partition_policy !== undefined && { partition: partition_policy }), ...(strategy !== undefined && { strategy }) };
        if (Object.keys(policies).length > 0) await operator.operate({ kind: 'set-policies', policies });
        if (batch_size !== undefined) operator.batchEntries = batch_size;
        return replicationConfigFields(mapOf(context), operator);
      },
    );
  }
}
