import type { ErrorCode, NodeId } from '@engram/kernel';
import type { Address, Member } from './member.js';

/**
 * What a driver hands to the core.
 *
 *     driver                         core
 *       | join ----------------------> |
 *       | <--- open-stream(seed) ----- |
 *       | stream-received -----------> |   the seed's answer
 *       | <--- member-joined, ... ---- |
 *       | <--- join-finished --------- |
 *       |                              |
 *       | wake ----------------------> |   every probe period
 *       | <--- send-datagram(ping) --- |
 *       | datagram-received(ack) ----> |
 *
 * Streams are conversations of whole frames, a few at most. The core names those it opens with positive numbers; the
 * driver names those that others opened with negative numbers, never used twice.
 */
export type SwimEvent =
  /** `from` is the source address as the socket saw it, in the one spelling this driver uses for addresses. */
  | { readonly kind: 'datagram-received'; readonly from: Address; readonly bytes: Uint8Array }
  /** One whole frame, on a stream of ours or on one that somebody opened. The driver has capped its length. */
  | { readonly kind: 'stream-received'; readonly stream: StreamId; readonly from: Address; readonly bytes: Uint8Array }
  /** The other side ended it, it broke, or it could not be opened. Not told for streams that the core closed. */
  | { readonly kind: 'stream-closed'; readonly stream: StreamId; readonly reason: string }
  /** Start, or start again after leaving. Legal at any time; while joined it contacts the seeds once more. */
  | { readonly kind: 'join'; readonly request: RequestId }
  | { readonly kind: 'leave'; readonly request: RequestId }
  /** Ask the seeds, without taking part, whether another process lives under our id. For a node that has not joined; joining ends it. */
  | { readonly kind: 'inquire'; readonly request: RequestId }
  /** The addresses that the configured seeds stand for now. Replaces what was told before. */
  | { readonly kind: 'seeds-resolved'; readonly addresses: readonly Address[] }
  | { readonly kind: 'set-metadata'; readonly request: RequestId; readonly bytes: Uint8Array }
  /** To everybody, at least once to each with high probability, at most once to each application. Small. */
  | { readonly kind: 'broadcast'; readonly request: RequestId; readonly topic: string; readonly bytes: Uint8Array }
  /** To one member. Reliable ones go by stream and complete when the other side has them. */
  | { readonly kind: 'send-message'; readonly request: RequestId; readonly to: NodeId; readonly bytes: Uint8Array; readonly reliable: boolean }
  /** The cluster is formed, or the driver has read its id from elsewhere. Once; refused when another is known already. */
  | { readonly kind: 'set-cluster-id'; readonly request: RequestId; readonly clusterId: string }
  /** Forget a dead or left member now, on this node. */
  | { readonly kind: 'forget'; readonly request: RequestId; readonly id: NodeId }
  /**
   * The process was unable to run for about this long. The core notices late wakes by itself; a driver that measures
   * the event loop may tell more. Until `inbound-drained`, or for `stallGraceMs`, nobody is judged.
   */
  | { readonly kind: 'loop-stalled'; readonly ms: number }
  /** Whatever lay in the sockets when the stall ended has been handed over. */
  | { readonly kind: 'inbound-drained' };

/** What a driver does for the core, in order. */
export type SwimEffect =
  | { readonly kind: 'send-datagram'; readonly to: Address; readonly bytes: Uint8Array }
  /** Connect and send the frame. Failure comes back as `stream-closed`; the core keeps its own deadline. */
  | { readonly kind: 'open-stream'; readonly stream: StreamId; readonly to: Address; readonly bytes: Uint8Array }
  | { readonly kind: 'send-stream'; readonly stream: StreamId; readonly bytes: Uint8Array }
  /** End it once what was sent before is out. Legal for streams already gone. */
  | { readonly kind: 'close-stream'; readonly stream: StreamId }
  /** Some seed is not among the living; look its name up again and answer with `seeds-resolved`, when there are names. */
  | { readonly kind: 'resolve-seeds' }
  /** Before the next start: its epoch must be higher than this one. Told when the core had to raise its own epoch. */
  | { readonly kind: 'persist-epoch'; readonly epoch: number }
  /** Somebody told us the id of our cluster, and from now on we refuse every other. Worth persisting for the next start. */
  | { readonly kind: 'cluster-id-learned'; readonly clusterId: string }
  | MemberChange
  /** No other member is alive in our view, though some were or seeds are configured. Contact goes on for ever. */
  | { readonly kind: 'isolated' }
  | { readonly kind: 'rejoined' }
  /** Somebody accused us and we answered with a higher incarnation. */
  | { readonly kind: 'refuted'; readonly incarnation: number; readonly by: NodeId | undefined }
  /**
   * A newer process runs under our id and answers at `address`. The core is silent from here on: an operator restarted
   * the node elsewhere, or two nodes were given one id.
   */
  | { readonly kind: 'superseded'; readonly epoch: number; readonly address: Address }
  | { readonly kind: 'health-changed'; readonly score: number }
  | { readonly kind: 'broadcast-received'; readonly from: NodeId; readonly topic: string; readonly bytes: Uint8Array }
  | { readonly kind: 'message-received'; readonly from: NodeId; readonly bytes: Uint8Array; readonly reliable: boolean }
  | { readonly kind: 'probe-finished'; readonly member: NodeId; readonly outcome: ProbeOutcome; readonly rttMs: number }
  /** Input that was dropped whole. Counted, never answered, never thrown. */
  | { readonly kind: 'rejected'; readonly reason: Rejection; readonly from: Address }
  | { readonly kind: 'join-finished'; readonly request: RequestId; readonly contacted: readonly Address[]; readonly failed: readonly FailedContact[] }
  /** `namesake` answers under our id elsewhere; undefined when nobody does, or nobody who was asked knows of it. */
  | { readonly kind: 'inquiry-finished'; readonly request: RequestId; readonly namesake: Namesake | undefined; readonly contacted: readonly Address[]; readonly failed: readonly FailedContact[] }
  /** `confirmed` peers have acknowledged that they know; fewer than wanted when there are fewer or time ran out. */
  | { readonly kind: 'leave-finished'; readonly request: RequestId; readonly confirmed: number }
  | { readonly kind: 'request-completed'; readonly request: RequestId }
  | { readonly kind: 'request-refused'; readonly request: RequestId; readonly code: RefusalCode; readonly message: string };

/** Ours count up from 1; those that others opened are negative, chosen by the driver. */
export type StreamId = number;
/** Chosen by the driver, to know which promise an answer belongs to. */
export type RequestId = number;
/** Why a request was refused; nothing was done then. */
export type RefusalCode = Extract<ErrorCode, 'payload_too_large' | 'id_conflict' | 'overloaded' | 'unavailable' | 'invalid_argument' | 'not_ready' | 'deadline_exceeded' | 'shutting_down'>;
/** A seed that did not answer. */
export interface FailedContact { readonly address: Address; readonly reason: string }
/** Another process under our id: where it answered, and the epoch of its life. */
export interface Namesake { readonly address: Address; readonly epoch: number }
/** How a member answered a probe, if it did. */
export type ProbeOutcome = 'acked' | 'acked-by-relay' | 'acked-by-stream' | 'failed';

/**
 * One step from one view to the next: the view has `version` from here on and holds `member` as given (or no longer,
 * for `member-forgotten`).
 *
 *     (unknown) --joined--> alive --suspect--> suspect --dead--> dead --forgotten--> (unknown)
 *                            |  ^                 |                |
 *                            |  +----recovered----+    joined <----+   (only with a higher identity)
 *                            +--left--> left
 */
export interface MemberChange {
  readonly kind:
    /** Newly alive: unknown, dead or left before. */
    | 'member-joined'
    /** Alive again under a higher epoch, without having been seen dead. */
    | 'member-restarted'
    | 'member-suspect'
    /** Suspected before, refuted since. */
    | 'member-recovered'
    | 'member-dead'
    | 'member-left'
    /** Its address or metadata is different; the state is not. */
    | 'member-updated'
    | 'member-forgotten';
  readonly member: Member;
  readonly version: number;
}

/** Why input was dropped. */
export type Rejection =
  | 'too-short'
  | 'too-large'
  | 'not-swim'
  | 'other-version'
  | 'other-cluster'
  /** Of a cluster that was formed under the same name. */
  | 'other-cluster-id'
  /** Not msgpack, cut off, with bytes left over, nested too deep, or of a type that we never send. */
  | 'malformed'
  /** A message of a kind we do not know, or one whose fields break a rule. */
  | 'bad-message'
  /** A datagram kind on a stream or the other way round. */
  | 'misplaced'
  /** Meant for another member: the address was reused. */
  | 'misdirected'
  /** An epoch or incarnation absurdly far ahead. */
  | 'implausible'
  /** Newcomers beyond `membersMax` while nobody may be evicted for them. */
  | 'members-full'
  /** The answer would be larger than the question, and the address has not proved itself. */
  | 'unproven'
  /** Received before joining or after leaving. */
  | 'not-joined';
