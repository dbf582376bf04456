import type { NodeId } from '@engram/kernel';
import type { Address, Identity, MemberState } from './member.js';

/**
 * What members say to each other. A packet is one datagram or one frame on a stream: who says it, and a list of
 * messages. A few examples, with `a` as the one who begins:
 *
 *     probe        a -> ping(b) -> b -> ack -> a
 *     by relay     a -> ping-req(c, b) -> c -> ping(b) -> b -> ack -> c -> ack -> a
 *                  a -> ping-req(c, b) -> c -> ping(b) -> (nothing) ........ c -> nack -> a
 *     news         claims and broadcasts ride on all of these, and in packets of their own
 *     full sync    a => claim(a), sync-buckets => b => claim(b), sync-digest => a => claims, sync-wants => b => claims, sync-done => a
 *     metadata     a => metadata-pull => b => metadata => a
 *     message      a => message => b => received => a            (or one datagram, without an answer)
 *
 *     -> datagram      => frame on one stream
 */
export type WireMessage =
  /**
   * Names its target, so that a reused address does not answer for a member that is gone. `view` is the fingerprint of
   * all that the sender holds: whoever holds something else compares views soon, without waiting for the next full sync.
   */
  | { readonly kind: 'ping'; readonly seq: number; readonly target: NodeId; readonly view: number }
  /** `stranger`: we do not hold you as alive; compare views with us. */
  | { readonly kind: 'ack'; readonly seq: number; readonly stranger: boolean }
  | { readonly kind: 'ping-req'; readonly seq: number; readonly relay: NodeId; readonly target: NodeId }
  /** The relay got no answer either, but is well itself. */
  | { readonly kind: 'nack'; readonly seq: number }
  | Claim
  | BroadcastMessage
  /** Names whom it is for, and in which life, so that a recorded one is nothing to anybody else and nothing after a restart. */
  | { readonly kind: 'message'; readonly target: NodeId; readonly epoch: number; readonly bytes: Uint8Array }
  | { readonly kind: 'received' }
  /** A fingerprint of each bucket of the sender's members; see digest.ts. */
  | { readonly kind: 'sync-buckets'; readonly fingerprints: readonly number[] }
  /** All members of those buckets that differ; `more` when some differing buckets had no room. */
  | { readonly kind: 'sync-digest'; readonly buckets: readonly number[]; readonly entries: readonly DigestEntry[]; readonly more: boolean }
  | { readonly kind: 'sync-wants'; readonly ids: readonly NodeId[] }
  | { readonly kind: 'sync-done' }
  | { readonly kind: 'metadata-pull'; readonly epoch: number; readonly version: number }
  | { readonly kind: 'metadata'; readonly epoch: number; readonly version: number; readonly bytes: Uint8Array }
  /** The id of the sender's cluster in full, of which the header has a hash. In every frame, and in datagrams to whoever lacks it. */
  | { readonly kind: 'cluster-id'; readonly clusterId: string };

/** Something said about a member, by itself or by others. */
export interface Claim extends Identity {
  readonly kind: 'claim';
  readonly state: MemberState;
  readonly address: Address;
  /** Who suspects or declared it dead. Confirmations of a suspicion count only from different accusers. */
  readonly by: NodeId | undefined;
  /** How long ago it died or left, in whole seconds; 0 for the living. Without it a tombstone would be young for ever. */
  readonly ageS: number;
  /** Only with `alive`, and absent when it has none. */
  readonly metadata: ClaimedMetadata | undefined;
}

/** Small metadata rides along; of larger there is only the hash, and the value is pulled from its owner. */
export interface ClaimedMetadata {
  readonly version: number;
  readonly bytesLength: number;
  readonly bytes: Uint8Array | undefined;
  readonly hash: Uint8Array | undefined;
}

/** Something for every member, known by its origin and its random number. */
export interface BroadcastMessage {
  readonly kind: 'broadcast';
  readonly origin: NodeId;
  /** 64 random bits, as two halves. */
  readonly high: number;
  readonly low: number;
  readonly topic: string;
  readonly bytes: Uint8Array;
}

export interface DigestEntry extends Identity {
  readonly state: MemberState;
  readonly metadataVersion: number;
}

/** One datagram or one frame: who says it, and what. */
export interface Packet {
  readonly from: Identity;
  readonly messages: readonly WireMessage[];
}

/** How a packet came: some messages are allowed on one only. */
export type Channel = 'datagram' | 'stream';
