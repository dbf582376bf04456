/**
 * The pure part of @engram/cluster, which is all of it: formation, and one node of a cluster as a core made of cores.
 *
 * @packageDocumentation
 */
export { FormationCore, type FormationOptions, type FormationStatus } from './formation.js';
export { declineReasons, type Accepted, type Ballot, type DeclineReason, type FormationEffect, type FormationEvent, type FormationMessage, type FormationRecord, type FormingPeer, type JoinedHow, type RequestId } from './formation-messages.js';
export { decodeFormationMessage, encodeFormationMessage } from './formation-codec.js';
export { ClusterNode, type ClusterNodeOptions, type ClusterNodeStart } from './cluster-node.js';
export type { ClusterEffect, ClusterEvent, FoundingPolicies, NodeCard, SeenNode } from './cluster-messages.js';
export { decodeControl, encodeControl, type ControlMessage } from './control-codec.js';
export { unseenMs } from './neighbours.js';
export { nextMoves, stewardOf, votersWanted, type HandOver } from './steward.js';
export type { MapVerb, Verb, VerbAnswer, VerbRefusal } from './verbs.js';
export { entryOf, storagesOf } from './table-entries.js';
