/** What operators ask of the cluster through this node, and where it stands. */
import type { Verb } from '@engram/cluster';
import { EngramError, type NodeId } from '@engram/kernel';
import { copiesOf, planPlacement, previewMoves, type ClusterMap, type MovePreview, type NodeState, type PlacementPlan, type PlacementStrategy } from '@engram/placement';
import { MoveWatch } from './move-watch.js';

export interface ClusterOperator {
  readonly strategy: PlacementStrategy;
  /** What has been moved, as far as this node has seen. */
  readonly moves: MoveWatch;
  /** Settles once the map says so, or the nodes concerned were asked. @throws EngramError with the refusal */
  operate(verb: Verb): Promise<{ readonly changed: boolean }>;
  /** Writes that this node has taken as a primary and not answered yet. */
  writesUnderWay(): number;
  /** Entries in one message to a replica, on this node until it is started again. */
  batchEntries: number;
}

/** A node that runs alone has nobody to operate on. */
export const noOperator: ClusterOperator = {
  strategy: 'zone_aware',
  moves: new MoveWatch(),
  operate: async () => {
    throw new EngramError('invalid_argument', 'this node runs alone, so there is no cluster to change', { hint: 'Ask a node of a cluster, or start this one with --cluster-mode distributed or cluster.enabled = true.' });
  },
  writesUnderWay: () => 0,
  batchEntries: 0,
};

/** What separates a map from the table that a plan would have. */
export interface MovesLeft {
  readonly plan: PlacementPlan;
  readonly preview: MovePreview;
  /** Copies that are being filled. */
  readonly underWay: number;
  /** All of that: copies to send, primaries to hand over, copies being filled. 0: everything is where it belongs. */
  readonly left: number;
}

/** Plans as the steward does; some milliseconds for a thousand partitions. */
export function movesLeft(map: ClusterMap, strategy: PlacementStrategy): MovesLeft {
  const plan = planPlacement(map, undefined, { strategy });
  const preview = previewMoves(map.table, plan.table);
  const underWay = map.table.filter(({ moving }) => moving).length;
  const planned = new Set(preview.copies.map(({ partition }) => partition));
  const marked = map.table.filter(({ moving }, partition) => moving && !planned.has(partition)).length;
  return { plan, preview, underWay, left: preview.copies.length + preview.primaries.length + marked };
}

/** What keeps moves from going on, in sentences; empty when nothing does. */
export function blockers(map: ClusterMap, { preview }: MovesLeft, steward: NodeId | undefined, isAlive: (node: NodeId) => boolean): string[] {
  const blocked: string[] = [];
  if (map.movesPaused) blocked.push('moves are paused; POST /api/v1/cluster/rebalance/resume lets them go on');
  if (steward === undefined) blocked.push('no voter is alive as far as this node sees, so nobody sees to moves');
  const away = [...new Set(preview.copies.flatMap(({ partition, to }) => [to, map.table[partition]!.primary]))].filter((id) => !isAlive(id)).sort();
  for (const id of away) blocked.push(`node ${id} is not alive, and a copy would come from or go to it`);
  const led = map.table.filter(({ primary }) => !isAlive(primary)).length;
  if (led > 0) blocked.push(`${led} partitions have no primary that is alive; when too few of their copies are left to choose one, partition_policy available lets the best of them lead: POST /api/v1/cluster/replication/config`);
  return blocked;
}

/** Why a node that is decommissioned keeps copies that nobody takes: others are drained, and take none until they are not. */
export function withoutHeirs({ roster }: ClusterMap): string[] {
  const drained = roster.filter(({ state }) => state === 'draining').map(({ id }) => id);
  return drained.length === 0 ? [] : [`drained nodes take no copies: ${drained.join(', ')}; undrain them`];
}

/** Why a drained node leads on: nobody else can. */
export function undrainable({ roster, table }: ClusterMap, node: NodeId, isAlive: (node: NodeId) => boolean): string[] {
  const takers = new Set(roster.filter(({ id, state }) => state === 'active' && isAlive(id)).map(({ id }) => id));
  const alone = table.filter(({ primary, replicas }) => primary === node && !replicas.some((id) => takers.has(id))).length;
  return alone === 0 ? [] : [`${alone} partitions have no other copy on a node that is alive and takes primaries`];
}

/** Nodes that have left the roster for good, and have not come back on another disk. */
export function removedFrom(map: ClusterMap | undefined): ReadonlySet<NodeId> {
  const removed = new Set(map?.removed?.map(({ id }) => id));
  for (const { id } of map?.roster ?? []) removed.delete(id);
  return removed;
}

/** What one node still has to do with the cluster. */
export interface NodeDuties {
  /** `removed`: decommissioned, and out of the roster. Undefined: never heard of. */
  readonly state: NodeState | 'removed' | undefined;
  readonly primaries: number;
  readonly copies: number;
  readonly votes: boolean;
}

export function dutiesOf({ roster, removed = [], table, voters }: ClusterMap, node: NodeId): NodeDuties {
  const known = roster.find(({ id }) => id === node);
  return {
    state: known?.state ?? (removed.some(({ id }) => id === node) ? 'removed' : undefined),
    primaries: table.filter(({ primary }) => primary === node).length,
    copies: table.filter((placement) => copiesOf(placement).includes(node)).length,
    votes: voters.some(({ id }) => id === node),
  };
}
