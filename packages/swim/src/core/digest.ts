import type { NodeId } from '@engram/kernel';
import { stateRank, type Identity, type MemberState } from './member.js';

/**
 * Members are spread over 64 buckets by a hash of their id. A bucket's fingerprint is the exclusive or of its members'
 * fingerprints, so one change costs two operations and equal buckets compare in four bytes. Two different buckets look
 * equal once in four billion comparisons, until either of them changes again.
 */
export const bucketCount = 64;

/** What a member's fingerprint stands for. */
export interface Fingerprinted extends Identity {
  readonly state: MemberState;
  readonly metadata: { readonly version: number };
}

export function bucketOf(id: NodeId): number {
  return mixed(hashText(id, 0x811c9dc5)) % bucketCount;
}

/** 32 bits over everything that a full sync brings into agreement. */
export function fingerprintOf(member: Fingerprinted): number {
  let hash = hashText(member.id, 0x9747b28c);
  for (const value of [member.epoch, member.incarnation, stateRank[member.state], member.metadata.version]) {
    hash = mixed(hash ^ (value >>> 0)) + Math.floor(value / 2 ** 32);
  }
  return mixed(hash);
}

/** FNV-1a over code units; ids are ASCII. */
function hashText(text: string, basis: number): number {
  let hash = basis;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** The finalizer of MurmurHash3: every input bit reaches every output bit. */
function mixed(hash: number): number {
  let h = hash >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Whether a claim says less, the same or more than what is known. */
export type Order = 'older' | 'same' | 'newer';

/** Where `claim` stands to `known`: by epoch, then incarnation, then state. A total order, so any mix of claims ends the same. */
export function compareClaims(claim: Identity & { readonly state: MemberState }, known: Identity & { readonly state: MemberState }): Order {
  const difference = claim.epoch - known.epoch || claim.incarnation - known.incarnation || stateRank[claim.state] - stateRank[known.state];
  return difference > 0 ? 'newer' : difference < 0 ? 'older' : 'same';
}
