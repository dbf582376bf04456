/** Who holds what, as this node knows it: what the routes of placement and replication show. */
import type { NodeId, SpaceId } from '@engram/kernel';
import type { ClusterMap, PartitionPlacement } from '@engram/placement';
import type { ReplicationStatus } from '@engram/replication/core';

export interface PlacementView {
  /** Undefined on a node that runs alone, and until the map is known. */
  map(): ClusterMap | undefined;
  replication(): ReplicationStatus | undefined;
  partitionOf(space: SpaceId): number;
  /** Which node sees to the map at the moment, as this node sees it. */
  steward(): NodeId | undefined;
  /** Why this node takes no part in replication any more; undefined while it does, and on a node that runs alone. */
  readonly failure: string | undefined;
  /** Whether this node was decommissioned: it answers through the others, and holds nothing that counts. */
  readonly isRemoved: boolean;
}

export interface NodeLoad {
  readonly node: NodeId;
  readonly copies: number;
  readonly primaries: number;
}

export interface Balance {
  /** Largest share of copies on a node over the fair one, less 1. */
  readonly imbalance: number;
  readonly primaryImbalance: number;
  readonly nodes: readonly NodeLoad[];
  /** Partitions with fewer copies than the cluster wants. */
  readonly underReplicated: readonly number[];
}

/** How evenly the table spreads copies and primaries over the nodes that take any. */
export function balanceOf({ roster, table, policies }: ClusterMap): Balance {
  const loads = new Map<NodeId, { copies: number; primaries: number }>(roster.map(({ id }) => [id, { copies: 0, primaries: 0 }]));
  const count = (node: NodeId, what: 'copies' | 'primaries'): void => {
    const load = loads.get(node);
    if (load) load[what] += 1;
  };
  for (const { primary, replicas } of table) {
    count(primary, 'primaries');
    for (const node of [primary, ...replicas]) count(node, 'copies');
  }
  const active = roster.filter(({ state }) => state === 'active');
  const imbalance = (what: 'copies' | 'primaries'): number => {
    const counts = active.map(({ id }) => loads.get(id)?.[what] ?? 0);
    const fair = counts.reduce((sum, each) => sum + each, 0) / Math.max(1, counts.length);
    return fair === 0 ? 0 : Math.max(...counts) / fair - 1;
  };
  return {
    imbalance: imbalance('copies'),
    primaryImbalance: imbalance('primaries'),
    nodes: roster.map(({ id }) => ({ node: id, copies: 0, primaries: 0, ...loads.get(id) })),
    underReplicated: table.flatMap(({ replicas }, partition) => (replicas.length < policies.factor ? [partition] : [])),
  };
}

export function placementOf(view: PlacementView, space: SpaceId): (PartitionPlacement & { readonly partition: number }) | undefined {
  const partition = view.partitionOf(space);
  const placement = view.map()?.table[partition];
  return placement && { ...placement, partition };
}
