import type { MemberState } from '@engram/swim';

export type ClusterHealthStatus = 'healthy' | 'degraded' | 'critical';

/** How many nodes there are and how many of them can be worked with. The node that counts is counted. */
export interface ClusterHealth {
  readonly status: ClusterHealthStatus;
  readonly totalNodes: number;
  readonly aliveNodes: number;
  readonly suspectNodes: number;
  /** Dead and left: neither is there, whether it said goodbye or not. */
  readonly deadNodes: number;
}

/** From this share of alive nodes on the cluster is healthy. */
const healthyFrom = 0.8;
/** From this share on it is degraded; below it is critical. */
const degradedFrom = 0.5;

/**
 * The health of a cluster from the states of all its members, the node itself included. A suspect is not counted as
 * alive: it has not answered lately. A node that was decommissioned is no member any more and counts nowhere.
 */
export function clusterHealth(states: Iterable<MemberState>): ClusterHealth {
  const counts = countStates(states);
  const totalNodes = counts.alive + counts.suspect + counts.dead + counts.left;
  const aliveRatio = totalNodes === 0 ? 1 : counts.alive / totalNodes;
  return {
    status: aliveRatio >= healthyFrom ? 'healthy' : aliveRatio >= degradedFrom ? 'degraded' : 'critical',
    totalNodes,
    aliveNodes: counts.alive,
    suspectNodes: counts.suspect,
    deadNodes: counts.dead + counts.left,
  };
}

export function countStates(states: Iterable<MemberState>): Record<MemberState, number> {
  const counts = { alive: 0, suspect: 0, dead: 0, left: 0 };
  for (const state of states) counts[state] += 1;
  return counts;
}
