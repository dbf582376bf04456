import type { ClusterId, NodeId } from '@engram/kernel';

/**
 * How nodes that were told to expect each other become one cluster, once: they agree on its id. `a` has the lowest id of
 * those that met, and three are expected:
 *
 *     a -> prepare(1a) -> b, c                   a has promised itself to ballot 1a
 *     b -> promise(1a) -> a                      and so has b; it listens to no lower ballot any more
 *     a -> accept(1a, X) -> b, c                 three have promised, and none of them had accepted an id before
 *     b -> accepted(1a) -> a
 *     c -> accepted(1a) -> a                     three have accepted: X is the id of the cluster, whatever happens now
 *
 *     b -> refuse(1a, 2c) -> a                   b has promised more than that; a tries again, higher
 *     b -> decline -> a                          b must not form a cluster, and says why
 *     b -> decided(X) -> a                       b belongs to X already
 *
 * Every message may be lost, repeated and late. Those that hear nothing of a decision learn it through membership.
 */
export type FormationMessage =
  | { readonly kind: 'prepare'; readonly ballot: Ballot; readonly expect: number }
  /** With what it had accepted in a lower ballot. */
  | { readonly kind: 'promise'; readonly ballot: Ballot; readonly accepted?: Accepted }
  | { readonly kind: 'accept'; readonly ballot: Ballot; readonly clusterId: ClusterId }
  | { readonly kind: 'accepted'; readonly ballot: Ballot }
  | { readonly kind: 'refuse'; readonly ballot: Ballot; readonly promised: Ballot }
  | { readonly kind: 'decline'; readonly ballot: Ballot; readonly reason: DeclineReason }
  | { readonly kind: 'decided'; readonly clusterId: ClusterId };

/** Ordered by round, then by node. */
export interface Ballot {
  readonly round: number;
  readonly node: NodeId;
}

/** An id that a node has accepted, and in which ballot. */
export interface Accepted {
  readonly ballot: Ballot;
  readonly clusterId: ClusterId;
}

/** In words, because an operator reads them on the node that asked. */
export const declineReasons = {
  'other-expectation': 'has another cluster.bootstrap_expect',
  'no-expectation': 'has no cluster.bootstrap_expect and waits to be joined',
  'holds-memories': 'holds memories that it stored while it ran alone, and forms a cluster only when told to',
} as const;
/** Why a node takes no part; see `declineReasons`. */
export type DeclineReason = keyof typeof declineReasons;

/** What a node must not forget over a restart. Written whole, durably, before anything that follows from it is said. */
export interface FormationRecord {
  /** The cluster that the node belongs to, for good. */
  readonly clusterId?: ClusterId;
  readonly promised?: Ballot;
  readonly accepted?: Accepted;
  /** The id that this node drew. When it becomes that of the cluster, this node is its founder: it begins the register. */
  readonly drew?: ClusterId;
}

/** Another node as membership shows it. Only those that are alive. */
export interface FormingPeer {
  readonly id: NodeId;
  /** Absent while it belongs to none, or while it has not told. */
  readonly clusterId?: ClusterId;
  /** How many nodes it expects; absent when it forms no cluster by itself. */
  readonly expect?: number;
}

/** The driver’s name for a request. */
export type RequestId = number;

/** What happens to a node that forms. */
export type FormationEvent =
  /** All that are alive, without this node. */
  | { readonly kind: 'peers'; readonly peers: readonly FormingPeer[] }
  /** Membership has heard a node that belongs to a cluster of our name, and takes part in that one from now on. */
  | { readonly kind: 'cluster-id-learned'; readonly clusterId: ClusterId }
  | { readonly kind: 'message-received'; readonly from: NodeId; readonly message: FormationMessage }
  /** An operator says: form a cluster, with this node as its first. */
  | { readonly kind: 'initialize'; readonly request: RequestId }
  /** The newest record is durable. */
  | { readonly kind: 'persisted' }
  | { readonly kind: 'persist-failed'; readonly reason: string };

/** What forming wants done. */
export type FormationEffect =
  /** One at a time; answered with `persisted` or `persist-failed`. */
  | { readonly kind: 'persist'; readonly record: FormationRecord }
  | { readonly kind: 'send'; readonly to: NodeId; readonly message: FormationMessage }
  /** Once in the life of a data directory, and durable by now. `founded`: this node drew the id, as one node of a cluster did. */
  | { readonly kind: 'joined'; readonly clusterId: ClusterId; readonly how: JoinedHow; readonly founded: boolean }
  /** `created`: false when the node belonged to a cluster already. */
  | { readonly kind: 'request-completed'; readonly request: RequestId; readonly clusterId: ClusterId; readonly created: boolean }
  | { readonly kind: 'request-refused'; readonly request: RequestId; readonly reason: string; readonly hint: string };

/** `initialized`: an operator said so; `bootstrapped`: as many as expected agreed; `joined`: it heard of one. */
export type JoinedHow = 'initialized' | 'bootstrapped' | 'joined';
