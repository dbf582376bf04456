/** What the rest of the server knows of a cluster: who is there, how they are, and what changes. */
import type { FormationStatus } from '@engram/cluster';
import type { DiscoveryHealth, DiscoveryMetrics } from '@engram/discovery';
import { EngramError, type NodeId } from '@engram/kernel';
import type { MemberState, SwimMetrics } from '@engram/swim';
import { clusterHealth, countStates, type ClusterHealth } from './cluster-health.js';
import type { ClusterNode, NodeServices } from './cluster-node.js';
import type { EventLog } from './event-log.js';
import type { Initialized } from './formation.js';
import type { PlacementView } from './placement-view.js';

/**
 * What happened to a node, or to this node's place among the others: `isolated` when no other node is alive as far as
 * it knows, `rejoined` when one is again, `formed` when it came to belong to a cluster, `foreign-cluster` when it met a
 * node of another cluster of the same name, `assignment-changed` when it learned of a new map, `lease-held` and
 * `lease-lost` when it may act as a primary and when no longer, `replica-lagging` and `replica-caught-up` when a copy of what
 * it leads falls far behind and when it is well again.
 */
export interface ClusterEvent {
  readonly type: ClusterEventType;
  /** The node it happened to; this one where it is about this node's place. */
  readonly node: ClusterNode;
  readonly atMs: number;
  /** For people. */
  readonly detail?: string;
}

export const clusterEventTypes = ['joined', 'restarted', 'suspect', 'recovered', 'dead', 'left', 'updated', 'forgotten', 'isolated', 'rejoined', 'formed', 'foreign-cluster', 'assignment-changed', 'lease-held', 'lease-lost', 'replica-lagging', 'replica-caught-up'] as const;
export type ClusterEventType = (typeof clusterEventTypes)[number];

/** As one node sees it at this moment. */
export interface Membership {
  /** `single`: this node runs alone and always will, until it is configured otherwise. */
  readonly mode: 'single' | 'distributed';
  /** Name of the cluster; a node alone has none. */
  readonly cluster: string | undefined;
  /**
   * This node included, itself first, then by id. Those of the roster that were not seen since this node started are
   * among them, as dead, once they have had a moment to be seen.
   */
  nodes(): readonly ClusterNode[];
  node(id: NodeId): ClusterNode | undefined;
  /** Nodes that were taken out of the cluster for good. They are counted nowhere, whatever is heard of their processes. */
  removed(): ReadonlySet<NodeId>;
  /** Absent for a node that runs alone: nothing ever happens to it. */
  readonly events: EventLog<ClusterEvent> | undefined;
  metrics(): SwimMetrics | undefined;
  /** Why this node takes no part in the cluster although it was told to; it needs a person. */
  trouble(): string | undefined;
  /** Which cluster it belongs to, or what it waits for. Undefined for a node that runs alone. */
  formation(): FormationStatus | undefined;
  /**
   * Forms a cluster with this node as its first, unless it belongs to one.
   *
   * @throws EngramError `not_ready` while nodes are agreeing on one, `invalid_argument` when the node runs alone.
   */
  initialize(): Promise<Initialized>;
  /** Undefined when nothing is asked: no sources, or a node that runs alone. */
  discoveryHealth(): DiscoveryHealth | undefined;
  discoveryMetrics(): DiscoveryMetrics | undefined;
}

/** Other nodes by state, this one not counted. */
export function peersOf(membership: Membership): Record<MemberState, number> {
  return countStates(counted(membership).filter(({ self }) => !self).map(({ state }) => state));
}

/** Why the node takes no writes yet; undefined once it belongs to a cluster, and for a node that runs alone. */
export function reasonForming(membership: Membership): string | undefined {
  const formation = membership.formation();
  return formation?.state === 'forming' ? `the node belongs to no cluster yet: ${formation.reason}` : undefined;
}

/** Why requests should not be sent here, as far as that is about the cluster: it cannot answer for all of it, yet or any more. */
export function reasonsUnready(membership: Membership, placement: PlacementView): readonly string[] {
  const forming = reasonForming(membership);
  const unheard = membership.formation()?.state === 'joined' && placement.map() === undefined;
  return [
    ...(forming === undefined ? [] : [forming]),
    ...(unheard ? ['the node does not know yet who holds what: it has not heard the map of its cluster from a majority of the voters, or from a node that has it'] : []),
    ...(placement.failure === undefined ? [] : [placement.failure]),
    ...(placement.isRemoved ? ['the node was decommissioned: it answers through others and can be stopped; with an empty data directory it joins as a new one'] : []),
  ];
}

/** All nodes of the roster and all members, this one counted; those that were removed are not. */
export function healthOfCluster(membership: Membership): ClusterHealth {
  return clusterHealth(counted(membership).map(({ state }) => state));
}

function counted(membership: Membership): readonly ClusterNode[] {
  const removed = membership.removed();
  return membership.nodes().filter(({ id }) => !removed.has(id));
}

/** What the server starts and stops beside looking at it. */
export interface ClusterPart extends Membership {
  /** Where other nodes reach SWIM. Absent for a node that runs alone. */
  readonly address: string | undefined;
  /**
   * Asks those who can be asked whether another process runs under the id of this node. Takes part in nothing yet.
   *
   * @throws EngramError `invalid_config` with where that process answers.
   */
  claimName(): Promise<void>;
  /** Tells the others what this node serves and starts to take part. Never rejects. */
  join(services: NodeServices): Promise<void>;
  /** Says goodbye, for at most `limitMs`, and frees the port. Never rejects. */
  leave(limitMs: number): Promise<void>;
  /** Frees the port without a goodbye. */
  close(): Promise<void>;
  /** Keeps an event about this node for those who follow. */
  note(type: ClusterEventType, detail: string): void;
}

/** Of a cluster that nobody was taken out of. */
export const nobody: ReadonlySet<NodeId> = new Set();

/** A node that runs alone: a cluster of itself, which no socket is opened for. */
export class LoneMembership implements ClusterPart {
  readonly mode = 'single';
  readonly cluster = undefined;
  readonly address = undefined;
  readonly events = undefined;
  #self: ClusterNode;

  constructor(id: NodeId, startedAtMs: number) {
    this.#self = { id, state: 'alive', epoch: 1, incarnation: 0, changedAtMs: startedAtMs, self: true };
  }

  nodes(): readonly ClusterNode[] {
    return [this.#self];
  }

  node(id: NodeId): ClusterNode | undefined {
    return id === this.#self.id ? this.#self : undefined;
  }

  removed(): ReadonlySet<NodeId> {
    return nobody;
  }

  metrics(): undefined {
    return undefined;
  }

  trouble(): undefined {
    return undefined;
  }

  formation(): undefined {
    return undefined;
  }

  async initialize(): Promise<never> {
    throw new EngramError('invalid_argument', 'this node runs alone, so there is no cluster to form', { hint: 'Start it with --cluster-mode distributed or cluster.enabled = true.' });
  }

  discoveryHealth(): undefined {
    return undefined;
  }

  discoveryMetrics(): undefined {
    return undefined;
  }

  /** The lock on its data directory is all that it needs. */
  async claimName(): Promise<void> {}

  async join(services: NodeServices): Promise<void> {
    this.#self = { ...this.#self, services };
  }

  async leave(): Promise<void> {}

  async close(): Promise<void> {}

  note(): void {}
}
