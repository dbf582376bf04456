import type { NodeId } from '@engram/kernel';
import type { Address, MemberChange as CoreMemberChange } from '../core/index.js';
import type { SwimMember, SwimMembers } from './member-view.js';
import type { RejectedEvent } from './rejection-log.js';
import type { FailedSeed } from './seeds.js';

type WithoutMember<Kind extends string> = Kind extends `member-${infer Type}` ? Type : never;

/**
 * What happened to a member.
 *
 *     (unknown) --joined--> alive --suspect--> suspect --dead--> dead --forgotten--> (unknown)
 *                            |  ^                 |                |
 *                            |  +----recovered----+    joined <----+   (a new start of its process)
 *                            +--left--> left
 *
 * `restarted`: alive again after a new start, without having been seen dead. `updated`: another address or metadata.
 */
export type MemberChangeType = WithoutMember<CoreMemberChange['kind']>;

/** One step of the view: what happened to whom. */
export interface MemberChange<M = Uint8Array> {
  readonly type: MemberChangeType;
  readonly member: SwimMember<M>;
  /** Of the view that this change led to. Each change has the next one. */
  readonly version: number;
}

/** The consumer was too slow to get every change; here is everything instead. */
export interface Resync<M = Uint8Array> {
  readonly type: 'resync';
  /** This node itself, so that every change has a member. */
  readonly member: SwimMember<M>;
  readonly members: SwimMembers<M>;
  readonly version: number;
}

/** What `changes` gives: each change, or everything for a consumer that fell behind. */
export type Change<M = Uint8Array> = MemberChange<M> | Resync<M>;

/** What another member sent to everybody. */
export interface BroadcastEvent {
  readonly from: NodeId;
  readonly topic: string;
  readonly bytes: Uint8Array;
}

/** What another member sent to this node alone. */
export interface MessageEvent {
  readonly from: NodeId;
  readonly bytes: Uint8Array;
  /** False for a single datagram, which the network may repeat. */
  readonly reliable: boolean;
}

/** What `on` can be asked for, and what its listener is given. */
export interface SwimEvents<M = Uint8Array> extends Record<MemberChangeType, MemberChange<M>> {
  /** Any of the changes to a member. */
  change: MemberChange<M>;
  /** Others told this node the id of its cluster. Keep it, and give it to `createSwim` at the next start. */
  'cluster-id': { readonly clusterId: string };
  /** No other member is alive as far as this node knows. It keeps looking for ever. */
  isolated: object;
  rejoined: object;
  /** Somebody took this node for dead, and it answered. */
  refuted: { readonly incarnation: number; readonly by: NodeId | undefined };
  /** A newer process runs under our name; this node is silent from here on and can only be closed. */
  superseded: { readonly epoch: number; readonly address: Address };
  /** From 0, well, to 8: how slow this node itself is. Its timeouts stretch accordingly. */
  health: { readonly score: number };
  broadcast: BroadcastEvent;
  message: MessageEvent;
  /** Input was dropped. At most one event a second for each reason. */
  rejected: RejectedEvent;
  /** A seed could not be resolved; it is tried again. */
  'seed-failed': FailedSeed;
  /** The epoch could not be written; a restart may have to raise its own. */
  'epoch-not-kept': { readonly epoch: number; readonly error: unknown };
  /** A defect stopped this node; it is closed. Thrown where nobody listens. */
  failed: { readonly error: Error };
}

/** What `on` can be asked for. */
export type SwimEventType = keyof SwimEvents;
