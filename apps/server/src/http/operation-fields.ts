/** Where the wishes of operators stand, as it travels. */
import type { NodeId } from '@engram/kernel';
import { systemClock } from '@engram/kernel/node';
import type { ClusterMap } from '@engram/placement';
import type { Static } from 'typebox';
import { balanceOf, blockers, dutiesOf, movesLeft, undrainable, withoutHeirs, type ClusterOperator, type Membership, type MovesLeft, type PlacementView } from '../cluster/index.js';
import type * as schemas from './operation-schemas.js';

/** After so long without a move, while one is due, something is in the way. */
const stuckMs = 60_000;
/** Moves that a plan prints of each kind. */
const printedMax = 1_000;
/** The steward sends as many on their way in a second. */
const movesPerSecondMax = 16;

/** What the fields are read from. */
export interface Operated {
  readonly membership: Membership;
  readonly placement: PlacementView;
  readonly operator: ClusterOperator;
}

export function isAliveIn(membership: Membership): (node: NodeId) => boolean {
  return (node) => ['alive', 'suspect'].includes(membership.node(node)?.state ?? 'dead');
}

export function dutyFields({ membership, placement, operator }: Operated, map: ClusterMap, node: NodeId, self: NodeId): Static<typeof schemas.NodeDuties> | undefined {
  const { state, primaries, copies, votes } = dutiesOf(map, node);
  if (state === undefined) return undefined;
  const { moved, perSecond } = operator.moves.burst(systemClock.now());
  const isLeaving = state === 'decommissioning';
  const left = isLeaving ? copies : state === 'draining' ? primaries : 0;
  const status = state === 'removed' ? 'done' : state === 'active' ? 'active' : isLeaving || primaries > 0 ? 'draining' : 'drained';
  return {
    node, status, state, primaries, copies, votes,
    ...(node === self && { in_flight_operations: operator.writesUnderWay(), entries_set_aside: (placement.replication()?.partitions ?? []).reduce((sum, { entriesSetAside }) => sum + entriesSetAside, 0) }),
    moved,
    ...(left > 0 && perSecond !== undefined && { eta_seconds: rounded(left / perSecond) }),
    blocked_by: isLeaving ? [...blockers(map, movesLeft(map, operator.strategy), placement.steward(), isAliveIn(membership)), ...withoutHeirs(map)] : state === 'draining' ? undrainable(map, node, isAliveIn(membership)) : [],
  };
}

export function rebalanceStatusFields({ membership, placement, operator }: Operated, map: ClusterMap | undefined): Static<typeof schemas.RebalanceStatus> {
  if (!map) return { state: 'complete', partitions_moved: 0, partitions_remaining: 0, under_way: 0, recent_failures: 0, imbalance: 0, imbalance_planned: 0, imbalance_floor: 0, blocked_by: [] };
  const moves = movesLeft(map, operator.strategy);
  const { moved, failed, perSecond, idleMs } = operator.moves.burst(systemClock.now());
  const blocked = blockers(map, moves, placement.steward(), isAliveIn(membership));
  const state = moves.left === 0 ? 'complete' : map.movesPaused ? 'paused' : blocked.length > 0 || (moves.underWay > 0 && (idleMs ?? 0) > stuckMs) ? 'stuck' : 'in_progress';
  return {
    state,
    partitions_moved: moved,
    partitions_remaining: moves.left,
    under_way: moves.underWay,
    recent_failures: failed,
    ...(perSecond !== undefined && { moves_per_second: rounded(perSecond) }),
    ...(perSecond !== undefined && moves.left > 0 && { eta_seconds: rounded(moves.left / perSecond) }),
    ...imbalanceFields(map, moves),
    blocked_by: moves.left === 0 ? [] : blocked,
  };
}

export function rebalancePlanFields(map: ClusterMap, operator: ClusterOperator): Static<typeof schemas.RebalancePlan> {
  const moves = movesLeft(map, operator.strategy);
  const { copies, primaries } = moves.preview;
  return {
    status: 'dry_run',
    copies: copies.slice(0, printedMax).map(({ partition, from, to }) => ({ partition, ...(from !== undefined && { from }), to })),
    primaries: primaries.slice(0, printedMax).map(({ partition, from, to }) => ({ partition, from, to })),
    copies_total: copies.length,
    primaries_total: primaries.length,
    ...imbalanceFields(map, moves),
    under_replicated: moves.plan.underReplicated.length,
  };
}

export function rebalanceStartedFields(map: ClusterMap, operator: ClusterOperator): Static<typeof schemas.RebalanceStarted> {
  const { left, underWay } = movesLeft(map, operator.strategy);
  return { status: left === 0 ? 'complete' : 'rebalancing', already_running: underWay > 0, moves: left, estimated_duration_seconds: Math.ceil(left / movesPerSecondMax) };
}

export function repairFields({ membership, placement, operator }: Operated, map: ClusterMap, spaces: readonly { readonly space: Parameters<PlacementView['partitionOf']>[0] }[]): Static<typeof schemas.RepairStarted> {
  const short = new Set(balanceOf(map).underReplicated);
  return {
    status: short.size === 0 ? 'nothing_to_repair' : 'repairing',
    partitions_affected: short.size,
    spaces_affected: spaces.filter(({ space }) => short.has(placement.partitionOf(space))).length,
    blocked_by: short.size === 0 ? [] : blockers(map, movesLeft(map, operator.strategy), placement.steward(), isAliveIn(membership)),
  };
}

export function replicationConfigFields({ policies: { factor, ack, partition } }: ClusterMap, { batchEntries, strategy }: ClusterOperator): Static<typeof schemas.ReplicationConfig> {
  return { factor, copies: factor + 1, ack, partition_policy: partition, strategy, batch_size: batchEntries };
}

function imbalanceFields(map: ClusterMap, { plan }: MovesLeft): { readonly imbalance: number; readonly imbalance_planned: number; readonly imbalance_floor: number } {
  return { imbalance: balanceOf(map).imbalance, imbalance_planned: plan.imbalance, imbalance_floor: plan.floor };
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
