/** What the server knows of the cluster, as it travels. */
import type { Static } from 'typebox';
import type { SpaceSummary } from '@engram/memory';
import type { DiscoveryHealth, SourceHealth } from '@engram/discovery';
import { dutiesOf, healthOfCluster, placementOf, type ClusterEvent, type ClusterNode, type Membership, type PlacementView } from '../cluster/index.js';
import type * as schemas from './cluster-schemas.js';
import type { ClusterSummary } from './schemas.js';
import { formatWhen } from './when.js';

const spacesPrintedMax = 1_000;

export function nodeFields({ id, state, self, address, services, epoch, incarnation, changedAtMs }: ClusterNode): Static<typeof schemas.ClusterNode> {
  return { id, state, self, ...(address === undefined ? {} : { address }), ...services, epoch, incarnation, changed_at: formatWhen(changedAtMs) };
}

/** With what it holds, as the map and the spaces of the node that answers have it. */
export function nodeDetailFields(node: ClusterNode, placement: PlacementView, spaces: readonly SpaceSummary[]): Static<typeof schemas.ClusterNodeDetail> {
  const map = placement.map();
  const { state, primaries, copies } = map ? dutiesOf(map, node.id) : { state: undefined, primaries: 0, copies: 0 };
  const leads = ({ space }: SpaceSummary): boolean => (map ? placementOf(placement, space)?.primary === node.id : node.self);
  return {
    ...nodeFields(node),
    ...(state !== undefined && { roster: state, primaries, copies }),
    primary_spaces: spaces.filter(leads).slice(0, spacesPrintedMax).map(({ space }) => space),
  };
}

export function membersFields(membership: Membership): Static<typeof schemas.ClusterMembers> {
  return { mode: membership.mode, ...nameOf(membership), members: membership.nodes().map(nodeFields) };
}

export function clusterSummaryFields(membership: Membership): Static<typeof ClusterSummary> {
  const { status, totalNodes, aliveNodes, suspectNodes, deadNodes } = healthOfCluster(membership);
  return { ...nameOf(membership), ...belongingOf(membership), status, total_nodes: totalNodes, alive_nodes: aliveNodes, suspect_nodes: suspectNodes, dead_nodes: deadNodes };
}

export function clusterHealthFields(membership: Membership): Static<typeof schemas.ClusterHealth> {
  return { mode: membership.mode, ...clusterSummaryFields(membership), nodes: membership.nodes().map(nodeFields) };
}

export function clusterEventFields({ type, node, atMs, detail }: ClusterEvent): Static<typeof schemas.ClusterEvent> {
  return { type, at: formatWhen(atMs), node: nodeFields(node), ...(detail !== undefined && { detail }) };
}

export function discoveryHealthFields(health: DiscoveryHealth | undefined): Static<typeof schemas.DiscoveryHealth> {
  const { sources, endpoints, complete } = health ?? { sources: [], endpoints: 0, complete: true };
  return { status: discoveryStatus(sources), endpoints, complete, sources: sources.map(sourceFields) };
}

/** One source that answers is enough to find the others. */
function discoveryStatus(sources: readonly SourceHealth[]): 'healthy' | 'degraded' | 'failing' {
  const failing = sources.filter(({ state }) => state === 'failing').length;
  return failing === 0 ? 'healthy' : failing < sources.length ? 'degraded' : 'failing';
}

function sourceFields({ source, state, total, reachable, watching, registered, lastRefreshAtMs, nextRefreshAtMs, lastError, consecutiveFailures, notes }: SourceHealth): Static<typeof schemas.DiscoverySource> {
  return {
    source, state, total, reachable: reachable ?? 0, watching, registered,
    ...(lastRefreshAtMs !== undefined && { last_refresh: formatWhen(lastRefreshAtMs) }),
    ...(nextRefreshAtMs !== undefined && { next_refresh: formatWhen(nextRefreshAtMs) }),
    ...(lastError !== undefined && { last_error: lastError }),
    consecutive_failures: consecutiveFailures,
    notes: [...notes],
  };
}

function belongingOf(membership: Membership): { cluster_id?: string; state?: 'forming' | 'joined'; waiting_for?: string } {
  const formation = membership.formation();
  if (formation === undefined) return {};
  const { state, clusterId, reason } = formation;
  return { ...(clusterId !== undefined && { cluster_id: clusterId }), state, ...(state === 'forming' && { waiting_for: reason }) };
}

function nameOf({ cluster }: Membership): { cluster?: string } {
  return cluster === undefined ? {} : { cluster };
}
