/**
 * The number of one attempt at the register. Attempts are ordered, and no two attempts ever made have the same ballot:
 * `proposer` names one life of one proposer, which counts its own rounds upwards.
 */
export interface Ballot {
  /** 0 to `roundMax`. */
  readonly round: number;
  /** A name that no other life of any proposer has. */
  readonly proposer: string;
}

/** Below every ballot that a proposer uses. */
export const ballotZero: Ballot = Object.freeze({ round: 0, proposer: '' });

/** Rounds are 32-bit on the wire. At a thousand attempts a second they last for fifty days of nothing but defeats. */
export const roundMax = 2 ** 32 - 1;

/** Negative when `a` is lower, 0 when they are the same ballot, positive when `a` is higher. */
export function compareBallots(a: Ballot, b: Ballot): number {
  if (a.round !== b.round) return a.round - b.round;
  return a.proposer === b.proposer ? 0 : a.proposer < b.proposer ? -1 : 1;
}
