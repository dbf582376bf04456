import { msBetween, plusMs, unreachable, type Core, type Instant, type NodeId, type Wake } from '@engram/kernel';
import { resolveLeaseOptions, type LeaseOptions, type LeaseReply, type LeaseRequest, type ResolvedLeaseOptions } from './lease-messages.js';

/** What happens to a granter. */
export type LeaseGranterEvent =
  | { readonly kind: 'request-received'; readonly from: NodeId; readonly request: LeaseRequest }
  /** The acceptor of this node has accepted that version of the map. Must be told before the acceptor's answer leaves. */
  | { readonly kind: 'map-accepted'; readonly mapEpoch: number };

/** What a granter wants done. */
export type LeaseGranterEffect = { readonly kind: 'send'; readonly to: NodeId; readonly reply: LeaseReply };

/** How a granter begins. */
export interface LeaseGranterStart {
  readonly now: Instant;
  /** The version that the acceptor of this disk has accepted last; 0 for none. */
  readonly mapEpoch: number;
  /** True only when this disk has never granted a lease before. */
  readonly fresh: boolean;
}

interface Grant {
  readonly runsOutAt: Instant;
  readonly mapEpoch: number;
}

/** Leases that may run at one time; one more is withheld. A roster is not larger. */
const grantsMax = 1_000;

/**
 * A voter's half of the leases (Gray and Cheriton, "Leases", 1989, in the majority form). It counts each grant from when
 * it answers, on its own clock, stretched by what clocks may differ: when it says that a lease has run out, the holder,
 * who counts from before it asked, has stopped long since.
 *
 * It keeps nothing on disk. After a start it does not know what it granted, and says so for as long as any of that could
 * last; and it never grants under a map older than its acceptor has accepted, so no majority of voters can.
 */
export class LeaseGranter implements Core<LeaseGranterEvent, LeaseGranterEffect> {
  readonly #options: ResolvedLeaseOptions;
  readonly #grants = new Map<NodeId, Grant>();
  readonly #knowsAllFrom: Instant;
  #mapEpoch: number;

  constructor(start: LeaseGranterStart, options: LeaseOptions = {}) {
    this.#options = resolveLeaseOptions(options);
    this.#mapEpoch = start.mapEpoch;
    this.#knowsAllFrom = start.fresh ? start.now : plusMs(start.now, this.#lastsMs);
  }

  handle(event: LeaseGranterEvent | Wake, now: Instant): readonly LeaseGranterEffect[] {
    switch (event.kind) {
      case 'request-received': return [{ kind: 'send', to: event.from, reply: this.#reply(event.from, event.request, now) }];
      case 'map-accepted':     return this.#fence(event.mapEpoch);
      case 'wake':             return [];
      default:                 return unreachable(event);
    }
  }

  nextWake(): undefined {
    return undefined;
  }

  /** How long the lease of a node may still run, as far as this voter is concerned; 0 when it certainly has run out. */
  runsOutInMs(node: NodeId, now: Instant): number {
    return Math.max(this.#unknownForMs(now), msLeft(this.#grants.get(node)?.runsOutAt, now));
  }

  get #lastsMs(): number {
    return this.#options.durationMs * this.#options.stretch;
  }

  #reply(from: NodeId, request: LeaseRequest, now: Instant): LeaseReply {
    const { attempt } = request;
    if (request.kind === 'inquire') return { kind: 'state', attempt, node: request.node, runsOutInMs: this.runsOutInMs(request.node, now) };
    if (request.mapEpoch < this.#mapEpoch) return { kind: 'withheld', attempt, mapEpoch: this.#mapEpoch };
    this.#mapEpoch = request.mapEpoch;
    if (!this.#hasRoomFor(from, now)) return { kind: 'withheld', attempt, mapEpoch: this.#mapEpoch };
    this.#grants.set(from, { runsOutAt: plusMs(now, this.#lastsMs), mapEpoch: request.mapEpoch });
    const others: { node: NodeId; runsOutInMs: number }[] = [];
    for (const [node, grant] of this.#grants) {
      if (node !== from && grant.mapEpoch < request.mapEpoch && grant.runsOutAt > now) others.push({ node, runsOutInMs: msLeft(grant.runsOutAt, now) });
    }
    return { kind: 'granted', attempt, mapEpoch: request.mapEpoch, others, unknownForMs: this.#unknownForMs(now) };
  }

  #fence(mapEpoch: number): readonly LeaseGranterEffect[] {
    this.#mapEpoch = Math.max(this.#mapEpoch, mapEpoch);
    return [];
  }

  #unknownForMs(now: Instant): number {
    return msLeft(this.#knowsAllFrom, now);
  }

  #hasRoomFor(node: NodeId, now: Instant): boolean {
    if (this.#grants.size < grantsMax || this.#grants.has(node)) return true;
    for (const [other, { runsOutAt }] of this.#grants) if (runsOutAt <= now) this.#grants.delete(other);
    return this.#grants.size < grantsMax;
  }
}

function msLeft(until: Instant | undefined, now: Instant): number {
  return until === undefined ? 0 : Math.max(0, msBetween(now, until));
}
