import type { NodeId } from '@engram/kernel';

/**
 * Who votes on the register: a node together with its disk. A node that comes back with an empty disk has forgotten
 * what it promised; its new disk has a new `storageId`, so it is another voter and its old vote stays empty.
 */
export interface Voter {
  readonly id: NodeId;
  /** Drawn at random when a data directory is created, stored in it, never changed. */
  readonly storageId: string;
}

/** Voters of one register. More would only slow it down: five survive the loss of any two. */
export const votersMax = 7;

/** The voters that a state of the register asks: those of now and, while they change, those of before as well. */
export interface Electorate {
  readonly voters: readonly Voter[];
  /** The voters before the latest change; undefined once that change is settled. */
  readonly previousVoters: readonly Voter[] | undefined;
}

/** Equal for equal voters and only for them; node ids hold no slash. */
export function voterKey(voter: Voter): string {
  return `${voter.id}/${voter.storageId}`;
}

/** More than half of `voters` are in `keys`, a set of `voterKey`s. */
export function isMajority(voters: readonly Voter[], keys: ReadonlySet<string>): boolean {
  let present = 0;
  for (const voter of voters) if (keys.has(voterKey(voter))) present++;
  return 2 * present > voters.length;
}

/** Enough voters to choose, or to have seen, a state: a majority of its voters and, while they change, of those before. */
export function isQuorum(electorate: Electorate, keys: ReadonlySet<string>): boolean {
  return isMajority(electorate.voters, keys) && (electorate.previousVoters === undefined || isMajority(electorate.previousVoters, keys));
}

/** Everybody a state asks, each once. */
export function everyVoter(electorate: Electorate): readonly Voter[] {
  const { voters, previousVoters = [] } = electorate;
  return [...voters, ...previousVoters.filter((voter) => !includesVoter(voters, voter))];
}

/** True when both list the same voters, in whatever order. */
export function sameVoters(a: readonly Voter[], b: readonly Voter[]): boolean {
  return a.length === b.length && a.every((voter) => includesVoter(b, voter));
}

/**
 * What is wrong with replacing `from` by `to`, as the end of a sentence; undefined when nothing is. Voters change by one
 * added or one removed, so that majorities before and after always share a voter.
 */
export function voterChangeProblem(from: readonly Voter[], to: readonly Voter[]): string | undefined {
  if (to.length === 0) return 'somebody must vote';
  if (to.length > votersMax) return `at most ${votersMax} nodes vote, not ${to.length}`;
  if (new Set(to.map((voter) => voter.id)).size !== to.length) return 'each node votes once';
  const added = to.filter((voter) => !includesVoter(from, voter)).length;
  const removed = from.filter((voter) => !includesVoter(to, voter)).length;
  return added + removed <= 1 ? undefined : `voters change one at a time, not ${added} added and ${removed} removed`;
}

function includesVoter(voters: readonly Voter[], one: Voter): boolean {
  return voters.some((voter) => voter.id === one.id && voter.storageId === one.storageId);
}
