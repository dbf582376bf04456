import type { Ballot } from './ballot.js';
import { ballotZero } from './ballot.js';
import type { Electorate, Voter } from './quorum.js';

/** One state of the register: a value, the version it made and who votes on what follows. */
export interface RegisterState<V> extends Electorate {
  /** 1 for the first value; each change makes the next. At most 2^32 - 1. */
  readonly version: number;
  readonly value: V;
  /** Names the change that made this version, so that its proposer recognises it after others have finished it. */
  readonly change: string;
  /** The version at which `voters` became the voters. */
  readonly votersVersion: number;
}

/** What an acceptor has accepted last, and in which attempt. */
export interface Accepted<V> {
  readonly ballot: Ballot;
  readonly state: RegisterState<V>;
}

/**
 * What proposers ask of voters, and what they are told:
 *
 *     proposer -> prepare(7) -> voter      I am about to make attempt 7
 *     proposer <- promise(7) <- voter      I take part in nothing lower any more; this I have accepted last
 *     proposer -> accept(7)  -> voter      accept this state
 *     proposer <- accepted(7)<- voter      durable
 *     proposer <- refused(7) <- voter      you are late: I have promised 9, or know newer voters, or am another disk
 *
 *     proposer -> read(8)    -> voter      without any promise:
 *     proposer <- readout(8) <- voter      this I have accepted last
 *
 * Each names the disk it is meant for or comes from: a node with another one is another voter.
 */
export type RegisterRequest<V> =
  | { readonly kind: 'prepare'; readonly storageId: string; readonly ballot: Ballot; readonly votersVersion: number }
  | { readonly kind: 'accept'; readonly storageId: string; readonly ballot: Ballot; readonly state: RegisterState<V> }
  | { readonly kind: 'read'; readonly storageId: string; readonly ballot: Ballot; readonly votersVersion: number };

/** What a voter answers; see `RegisterRequest` for the conversation. */
export type RegisterReply<V> =
  | { readonly kind: 'promise'; readonly storageId: string; readonly ballot: Ballot; readonly accepted: Accepted<V> | undefined }
  | { readonly kind: 'accepted'; readonly storageId: string; readonly ballot: Ballot }
  | { readonly kind: 'readout'; readonly storageId: string; readonly ballot: Ballot; readonly accepted: Accepted<V> | undefined }
  | {
      readonly kind: 'refused';
      readonly storageId: string;
      readonly ballot: Ballot;
      readonly reason: RegisterRefusal;
      /** The highest ballot promised: a proposer goes on above it. */
      readonly promised: Ballot;
      /** With `older-voters`: where the newer ones can be read. */
      readonly accepted: Accepted<V> | undefined;
    };

/** `ballot`: a higher one is promised. `older-voters`: the request rests on voters that have been replaced. `other-disk`: the voter asked for lost its disk. */
export type RegisterRefusal = 'ballot' | 'older-voters' | 'other-disk';

/** All that an acceptor has to remember, on disk, as one: what it promised and what it accepted. */
export interface AcceptorState<V> {
  readonly promised: Ballot;
  readonly accepted: Accepted<V> | undefined;
}

/**
 * What the acceptors of a new register start with instead of nothing: version 1. Whoever forms a cluster stores it as
 * the first state of its acceptor. It is safest with one voter, which nobody else can have formed too; others are added
 * one by one. With several voters each of them must be started with the very same one.
 */
export function firstState<V>(value: V, voters: readonly Voter[]): AcceptorState<V> {
  const state: RegisterState<V> = { version: 1, value, change: '', voters, previousVoters: undefined, votersVersion: 1 };
  return { promised: ballotZero, accepted: { ballot: ballotZero, state } };
}
