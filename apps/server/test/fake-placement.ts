import { parseClusterId, parseNodeId, type NodeId, type SpaceId } from '@engram/kernel';
import { DEFAULT_PARTITIONS, partitionOf, type ClusterMap, type PartitionPlacement } from '@engram/placement';
import type { PlacementView } from '../src/cluster/index.js';

/** The map of a cluster in which the first node is the primary of everything and nobody keeps copies. */
export function mapOf(clusterId: string, ids: readonly NodeId[]): ClusterMap {
  const [first] = ids as readonly [NodeId, ...NodeId[]];
  const placement: PartitionPlacement = { epoch: 1, primary: first, replicas: [] };
  return {
    clusterId: parseClusterId(clusterId), epoch: 1, partitions: DEFAULT_PARTITIONS, policies: { factor: 0, ack: 'local', partition: 'majority' }, voters: [{ id: first, storageId: first }],
    roster: ids.map((id) => ({ id, storageId: id, addresses: {}, zone: '', rack: '', capacity: 1, state: 'active' as const })),
    table: Array.from({ length: DEFAULT_PARTITIONS }, () => placement),
  };
}

/** Of a node that never has to wait for what was written elsewhere. */
export const hasEverything = { hasApplied: () => true, awaitPosition: () => Promise.resolve(true) };

/** What a node knows of the map, as a test says: at first the one of `node-1`, alone in its roster. */
export class FakePlacement implements PlacementView {
  known: ClusterMap | undefined = mapOf('the-cluster', [parseNodeId('node-1')]);
  failure: string | undefined;
  isRemoved = false;

  map(): ClusterMap | undefined {
    return this.known;
  }

  replication(): undefined {
    return undefined;
  }

  partitionOf(space: SpaceId): number {
    return partitionOf(space, DEFAULT_PARTITIONS);
  }

  steward(): undefined {
    return undefined;
  }
}
