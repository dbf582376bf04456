// Which partition a key belongs to.
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
