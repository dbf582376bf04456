import type { HttpServer, RouteContext } from '../context.js';
import { balanceFields, lagFields, partitionFields, placedSpaceFields, replicationFields } from '../placement-fields.js';
import * as schemas from '../placement-schemas.js';
import { ref } from '../schemas.js';
import { routesOf } from './routes-of.js';

const tags = ['Placement'];

/** Who holds what. A node that runs alone answers for itself. */
export function placementRoutes(server: HttpServer, { engine, membership, placement }: RouteContext): void {
  const get = (name: string, operationId: string, summary: string, schema: object, answer: () => unknown): void => {
    for (const [url, id] of routesOf(name, operationId)) {
      server.get(url, { schema: { operationId: id, tags, summary, response: { 200: schema } } }, answer as never);
    }
  };
  get('spaces', 'clusterSpaces', 'Where the spaces of this node live', ref(schemas.PlacedSpaces), () => ({ spaces: engine.spaces().map((summary) => placedSpaceFields(placement, engine.nodeId, summary)) }));
  get('partitions', 'clusterPartitions', 'Where every partition lives', ref(schemas.Partitions), () => (placement.map()?.table ?? []).map(partitionFields));
  get('balance', 'clusterBalance', 'How evenly copies are spread', ref(schemas.Balance), () => balanceFields(placement, engine.nodeId));
  get('replication/status', 'replicationStatus', 'How replication is, as this node sees it', ref(schemas.ReplicationStatus), () => replicationFields(placement, membership.mode === 'single'));
  get('replication/lag', 'replicationLag', 'How far other nodes are behind this one', ref(schemas.ReplicationLag), () => lagFields(placement));
}
