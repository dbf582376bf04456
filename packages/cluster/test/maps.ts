import { parseClusterId, parseNodeId, type NodeId } from '@engram/kernel';
import type { ClusterMap, PartitionPlacement, RosterNode, Voter } from '@engram/placement/core';
import type { NodeCard } from '../src/core/index.js';

export const node = (name: string): NodeId => parseNodeId(name);
export const cardOf = (name: string, disk = `${name}-disk`): NodeCard => ({ id: node(name), storageId: disk, addresses: { swim: `${name}:7946` }, zone: '', rack: '', capacity: 1 });
export const rosterNode = (name: string, more: Partial<RosterNode> = {}): RosterNode => ({ ...cardOf(name), state: 'active', ...more });
export const voter = (name: string, disk = `${name}-disk`): Voter => ({ id: node(name), storageId: disk });
export const placed = (primary: string, replicas: readonly string[], more: Partial<PartitionPlacement> = {}): PartitionPlacement => ({ epoch: 1, primary: node(primary), replicas: replicas.map(node), ...more });

export function mapOf(names: readonly string[], table: readonly PartitionPlacement[], more: Partial<ClusterMap> = {}): ClusterMap {
  return {
    clusterId: parseClusterId('0123456789abcdefghjkmnpqrs'), epoch: 7, partitions: table.length, policies: { factor: 2, ack: 'quorum', partition: 'majority' },
    roster: names.map((name) => rosterNode(name)), voters: names.slice(0, 3).map((name) => voter(name)), table, ...more,
  };
}
