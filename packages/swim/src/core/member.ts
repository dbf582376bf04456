import type { NodeId } from '@engram/kernel';

declare const addressBrand: unique symbol;

/**
 * Where a member receives datagrams and streams: `host:port`, the host an IPv4 literal, a bracketed IPv6 literal or a
 * name. The core compares addresses as text and never looks inside, so a driver always writes them the same way.
 */
export type Address = string & { readonly [addressBrand]: true };

/** At most 255 printable ASCII characters without spaces. */
export const addressBytesMax = 255;
const addressPattern = /^[\x21-\x7e]{1,255}$/;

/** Whether it is 1 to 255 printable ASCII characters without spaces. */
export function isAddress(value: unknown): value is Address {
  return typeof value === 'string' && value.length <= addressBytesMax && addressPattern.test(value);
}

/**
 * One life of one member. Identities of one id are ordered by (epoch, incarnation): the epoch grows with every start of
 * the process, the incarnation with every refutation and every change of address or metadata within that life.
 */
export interface Identity {
  readonly id: NodeId;
  /** A whole number from 1 to `epochMax`. Seconds since 1970, raised above the last persisted one, is a good choice. */
  readonly epoch: number;
  /** A whole number from 0 to `incarnationMax`. */
  readonly incarnation: number;
}

/** No identity has a higher epoch. */
export const epochMax = 2 ** 52;
/** Whoever is accused at the highest incarnation answers with the next epoch, so no accusation is unanswerable. */
export const incarnationMax = 2 ** 20;
/**
 * An epoch further ahead than this of the one we know, or of our own when we know none, is refused as implausible:
 * 136 years when epochs are seconds, 49 days when they are milliseconds. A forger has to take a million such steps,
 * each of which the victim answers, to reach the end of the epochs.
 */
export const epochStepMax = 2 ** 32;

/**
 * `suspect`: a probe failed and the member has not refuted yet. `dead`: it did not refute in time. `left`: it said
 * goodbye itself.
 */
export type MemberState = 'alive' | 'suspect' | 'dead' | 'left';

/** At equal identity the later state in this order wins, which makes all claims about one member a total order. */
export const stateRank: Readonly<Record<MemberState, number>> = { alive: 0, suspect: 1, dead: 2, left: 3 };

/** A member as others see it. Immutable: every change makes a new object. */
export interface Member extends Identity {
  readonly address: Address;
  readonly state: MemberState;
  readonly metadata: Metadata;
}

/**
 * What a member says about itself. Versions grow within an epoch; version 0 is empty. `bytes` is absent while a larger
 * value is still being pulled, and then only its size and hash are known.
 */
export interface Metadata {
  readonly version: number;
  readonly bytesLength: number;
  readonly bytes?: Uint8Array;
}

export const noMetadata: Metadata = Object.freeze({ version: 0, bytesLength: 0, bytes: new Uint8Array(0) });

/** All members that one node knows of at one moment, itself included. `version` grows by one with every change event. */
export interface MembershipView {
  readonly version: number;
  /** In the order they became known. */
  readonly members: readonly Member[];
}
