/** What the server knows of the cluster, as it travels. */
import type { Static } from 'typebox';
import { healthOfCluster, type ClusterEvent, type ClusterNode, type Membership } from '../cluster/index.js';
import type * as schemas from './cluster-schemas.js';
import type { ClusterSummary } from './schemas.js';
import { formatWhen } from './when.js';

export function nodeFields({ id, state, self, address, services, epoch, incarnation, changedAtMs }: ClusterNode): Static<typeof schemas.ClusterNode> {
  return { id, state, self, ...(address === undefined ? {} : { address }), ...services, epoch, incarnation, changed_at: formatWhen(changedAtMs) };
}

export function membersFields(membership: Membership): Static<typeof schemas.ClusterMembers> {
  return { mode: membership.mode, ...nameOf(membership), members: membership.nodes().map(nodeFields) };
}

export function clusterSummaryFields(membership: Membership): Static<typeof ClusterSummary> {
  const { status, totalNodes, aliveNodes, suspectNodes, deadNodes } = healthOfCluster(membership);
  return { ...nameOf(membership), status, total_nodes: totalNodes, alive_nodes: aliveNodes, suspect_nodes: suspectNodes, dead_nodes: deadNodes };
}

export function clusterHealthFields(membership: Membership): Static<typeof schemas.ClusterHealth> {
  return { mode: membership.mode, ...clusterSummaryFields(membership), nodes: membership.nodes().map(nodeFields) };
}

export function clusterEventFields({ type, node, atMs }: ClusterEvent): Static<typeof schemas.ClusterEvent> {
  return { type, at: formatWhen(atMs), node: nodeFields(node) };
}

function nameOf({ cluster }: Membership): { cluster?: string } {
  return cluster === undefined ? {} : { cluster };
}
