/**
 * The pure part of @engram/placement: state machines and functions, without timers, sockets or files.
 *
 * @packageDocumentation
 */

// Which partition a key belongs to.
export { hash64 } from '@engram/kernel';
export { DEFAULT_PARTITIONS, partitionOf } from './partition.js';
export { jumpHash, jumpHashBucketsMax } from './jump-hash.js';

// The register: one value, agreed by a majority.
export { ballotZero, compareBallots, roundMax, type Ballot } from './ballot.js';
export { everyVoter, isMajority, isQuorum, sameVoters, voterChangeProblem, voterKey, votersMax, type Electorate, type Voter } from './quorum.js';
export {
  firstState,
  type Accepted,
  type AcceptorState,
  type RegisterRefusal,
  type RegisterReply,
  type RegisterRequest,
  type RegisterState,
} from './register-messages.js';
export { Acceptor, type AcceptorEffect, type AcceptorEvent } from './acceptor.js';
export { Proposer, type ChangeRefusal, type KnownVoters, type ProposerEffect, type ProposerEvent, type RequestId } from './proposer.js';
export { resolveProposerOptions, type ProposerOptions, type ResolvedProposerOptions } from './proposer-options.js';
export {
  bytesCodec,
  decodeAcceptorState,
  decodeRegisterMessage,
  encodeAcceptorState,
  encodeRegisterMessage,
  registerBytesMax,
  registerWireVersion,
  type RegisterDecoded,
  type RegisterMessage,
  type RegisterRejection,
  type ValueCodec,
} from './register-codec.js';

// The map that the register holds.
export {
  addressesMax,
  addressLengthMax,
  checkMap,
  clusterMapOf,
  contentOf,
  copiesMax,
  copiesOf,
  factorMax,
  isSameNode,
  labelLengthMax,
  mapChanges,
  mapProblem,
  partitionsMax,
  removedMax,
  rosterMax,
  type ClusterMap,
  type ClusterPolicies,
  type MapChange,
  type MapContent,
  type NodeState,
  type PartitionPlacement,
  type PlacementStrategy,
  type RemovedNode,
  type RosterNode,
} from './cluster-map.js';
export { clusterMapCodec, mapBytesProblem } from './map-codec.js';

// Who may act, and for how long.
export { resolveLeaseOptions, type LeaseOptions, type LeaseReply, type LeaseRequest, type ResolvedLeaseOptions } from './lease-messages.js';
export { LeaseHolder, type LeaseHolderEffect, type LeaseHolderEvent } from './lease-holder.js';
export { LeaseGranter, type LeaseGranterEffect, type LeaseGranterEvent, type LeaseGranterStart } from './lease-granter.js';

// Which nodes hold what.
export {
  difference,
  firstTable,
  planPlacement,
  previewMoves,
  type BalanceOptions,
  type MovePreview,
  type PlacementPlan,
  type TargetPlacement,
} from './balancer.js';
export { fairShares } from './fair-shares.js';
export { Rebalancer, type RebalanceProgress, type RebalancerEffect, type RebalancerEvent, type RebalancerOptions } from './rebalancer.js';

// Who takes over.
export { choosePrimary, Promotion, type CopyProgress, type PromotionChoice, type PromotionEffect, type PromotionEvent, type PromotionOptions, type PromotionPhase } from './promotion.js';
