import type { ClusterId, NodeId } from '@engram/kernel';
import type { ClusterMap, MapChange, PlacementStrategy, RosterNode } from '@engram/placement/core';
import type { ReplicationEffect, ReplicationEvent } from '@engram/replication/core';
import type { Verb, VerbAnswer } from './verbs.js';

/** What a node says about itself, and membership spreads: what the roster will have of it. */
export type NodeCard = Omit<RosterNode, 'state'>;

/** Another node, as membership has it. */
export interface SeenNode {
  readonly id: NodeId;
  readonly alive: boolean;
  /** Absent until membership has it. */
  readonly card?: NodeCard;
}

/** What happens to a node of a cluster. */
export type ClusterEvent =
  /** The node belongs to the cluster. `founded`: it is the one that begins the register. */
  | { readonly kind: 'joined'; readonly clusterId: ClusterId; readonly founded: boolean }
  /** All others that membership knows of. */
  | { readonly kind: 'members'; readonly nodes: readonly SeenNode[] }
  /** What this node says about itself has changed: its addresses. */
  | { readonly kind: 'card-changed'; readonly card: NodeCard }
  /** From a node of this cluster, undamaged: whoever carries it has looked at the cluster id and at a checksum. */
  | { readonly kind: 'control-received'; readonly from: NodeId; readonly bytes: Uint8Array }
  | { readonly kind: 'acceptor-persisted' }
  | { readonly kind: 'acceptor-persist-failed'; readonly reason: string }
  | { readonly kind: 'replication'; readonly event: ReplicationEvent }
  /** An operator asks for something. Answered by `verb-answered` with the same number. */
  | { readonly kind: 'verb-asked'; readonly request: number; readonly verb: Verb }
  /** The node is told to stop: it hands its partitions over, then asks for no lease any more. */
  | { readonly kind: 'leaving' };

/** What a node of a cluster wants done, or tells. */
export type ClusterEffect =
  /** Lossy. */
  | { readonly kind: 'send-control'; readonly to: NodeId; readonly bytes: Uint8Array }
  /** Durably, in place of what was stored. Answer: acceptor-persisted or acceptor-persist-failed. One at a time. */
  | { readonly kind: 'persist-acceptor'; readonly bytes: Uint8Array }
  /** A copy to find the voters by after a restart. Need not be durable. */
  | { readonly kind: 'keep-map'; readonly bytes: Uint8Array }
  | { readonly kind: 'replication'; readonly effect: ReplicationEffect }
  | { readonly kind: 'map-changed'; readonly map: ClusterMap; readonly changes: readonly MapChange[] }
  | { readonly kind: 'lease-changed'; readonly held: boolean }
  | { readonly kind: 'verb-answered'; readonly request: number; readonly answer: VerbAnswer }
  /** After `leaving`: all that could be handed over is, and the process may end. */
  | { readonly kind: 'ready-to-leave' }
  /** Something that an operator would want to read. */
  | { readonly kind: 'notice'; readonly level: 'info' | 'warn'; readonly what: string; readonly details: Readonly<Record<string, string | number>> };

/** What holds for a new cluster. */
export interface FoundingPolicies {
  readonly partitions: number;
  readonly factor: number;
  readonly ack: 'local' | 'replica' | 'quorum' | 'all';
  readonly partition: 'majority' | 'available';
  readonly strategy: PlacementStrategy;
  /** How many nodes the founder waits for before it places anything, at most `foundingWaitMs`. */
  readonly expect: number;
}
