/** Placement and replication, as they travel. */
import type { PartitionPlacement } from '@engram/placement';
import type { SpaceSummary } from '@engram/memory';
import type { Static } from 'typebox';
import { balanceOf, placementOf, type PlacementView } from '../cluster/index.js';
import type * as schemas from './placement-schemas.js';

export function placedSpaceFields(view: PlacementView, self: string, { space, memories }: SpaceSummary): Static<typeof schemas.PlacedSpace> {
  const placement = placementOf(view, space);
  return {
    space_id: space,
    memories,
    partition: view.partitionOf(space),
    epoch: placement?.epoch ?? 1,
    primary_node: placement?.primary ?? self,
    replica_nodes: [...(placement?.replicas ?? [])],
  };
}

export function partitionFields({ epoch, primary, replicas, provisional, moving }: PartitionPlacement, id: number): Static<typeof schemas.Partition> {
  return {
    id, epoch, primary, replicas: [...replicas], provisional: provisional === true, rebalancing: moving !== undefined,
    ...(moving?.from !== undefined && { source_node: moving.from }),
    ...(moving !== undefined && { target_node: moving.to }),
  };
}

export function balanceFields(view: PlacementView, self: string): Static<typeof schemas.Balance> {
  const map = view.map();
  if (!map) return { max_imbalance: 0, imbalance: 0, primary_imbalance: 0, under_replicated: 0, nodes: [{ node: self, copies: 0, primaries: 0 }] };
  const { imbalance, primaryImbalance, nodes, underReplicated } = balanceOf(map);
  return { max_imbalance: imbalance, imbalance, primary_imbalance: primaryImbalance, under_replicated: underReplicated.length, nodes: nodes.map((load) => ({ ...load })) };
}

export function lagFields(view: PlacementView): Static<typeof schemas.ReplicationLag> {
  return (view.replication()?.peers ?? []).map(({ peer, connected, entries, seconds }) => ({ replica_node: peer, connected, lag_entries: entries, lag_seconds: seconds }));
}

export function replicationFields(view: PlacementView, runsAlone: boolean): Static<typeof schemas.ReplicationStatus> {
  const map = view.map();
  const status = view.replication();
  const factor = map?.policies.factor ?? 0;
  const roles = status?.partitions ?? [];
  const steward = view.steward();
  return {
    state: runsAlone ? 'alone' : map ? 'replicating' : 'waiting',
    epoch: map?.epoch ?? 0,
    voters: map?.voters.map(({ id }) => id) ?? [],
    ...(steward !== undefined && { steward }),
    factor,
    copies: factor + 1,
    partitions: map?.partitions ?? 0,
    leading: roles.filter(({ role }) => role === 'primary').length,
    following: roles.filter(({ role }) => role === 'replica').length,
    under_replicated: map ? [...balanceOf(map).underReplicated] : [],
    unshipped_entries: status?.unshippedEntries ?? 0,
    entries_set_aside: roles.reduce((sum, { entriesSetAside }) => sum + entriesSetAside, 0),
    replicas: lagFields(view),
  };
}
