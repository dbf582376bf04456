import type { NodeId } from '@engram/kernel';
import { copiesOf, type ClusterMap, type PartitionPlacement } from '@engram/placement/core';
import type { CopyHolder, PartitionEntry } from '@engram/replication/core';

/** What replication is to do about a partition, from what the map says of it. Copies are named with the disks of the roster. */
export function entryOf(map: ClusterMap, partition: number, storageOf: ReadonlyMap<NodeId, string>): PartitionEntry {
  const placement = map.table[partition] as PartitionPlacement;
  const holder = (node: NodeId): CopyHolder => ({ node, storage: storageOf.get(node) ?? '' });
  const { moving } = placement;
  return {
    partition,
    epoch: placement.epoch,
    primary: placement.primary,
    copies: copiesOf(placement).map(holder),
    ...(moving && { learners: [holder(moving.to)] }),
  };
}

/** Whether a node has anything to do with a partition. */
export function involves({ primary, replicas, moving }: PartitionPlacement, node: NodeId): boolean {
  return primary === node || replicas.includes(node) || moving?.to === node;
}

/** The disk of every node in the roster. */
export function storagesOf({ roster }: ClusterMap): ReadonlyMap<NodeId, string> {
  return new Map(roster.map(({ id, storageId }) => [id, storageId]));
}
