import { instant, plusMs, type Instant, type NodeId, type Random } from '@engram/kernel';
import { later } from './instants.js';
import { bytesOf, type Riding } from './packet-writer.js';
import { ridesFor, RideQueue } from './ride-queue.js';
import type { Roster } from './roster.js';
import { ShuffledRounds } from './shuffled-rounds.js';
import type { SwimContext } from './swim-context.js';

/**
 * What has to get around: claims about members and broadcasts. It rides on whatever is sent, and in datagrams of its own
 * every `gossipMs` while there is any.
 */
export class News implements Riding {
  readonly #context: SwimContext;
  readonly #roster: Roster;
  readonly #claims = new RideQueue<NodeId>();
  readonly #broadcasts = new RideQueue<string>();
  readonly #rounds: ShuffledRounds;
  #gossipAt: Instant | undefined;
  #gossipedAt = instant(0);
  /** True while the frame at hand answers our joining: what a joining node learns from its seeds is news to nobody. */
  isQuiet = false;

  constructor(context: SwimContext, roster: Roster, random: Random) {
    this.#context = context;
    this.#roster = roster;
    this.#rounds = new ShuffledRounds(random);
  }

  get claimsQueued(): number { return this.#claims.size; }
  get broadcastsQueued(): number { return this.#broadcasts.size; }
  /** Undefined while there is nothing to tell. */
  get gossipAt(): Instant | undefined { return this.#gossipAt; }

  /** Puts what we hold of a member in front of the queue. */
  spread(id: NodeId, now: Instant): void {
    if (!this.#context.isTakingPart) return;
    const self = this.#roster.self.member.id;
    if (this.isQuiet && id !== self) return;
    this.#claims.put(id, this.#roster.claimBytes(id, now));
    this.#gossipSoon(now);
  }

  /** Spreads it again unless it is on its way: somebody's being behind must not keep old news ahead of fresh. */
  remind(id: NodeId, now: Instant): void {
    if (!this.#claims.has(id)) this.spread(id, now);
  }

  /** One message for everybody, under a key of its own. */
  broadcast(key: string, message: Uint8Array, now: Instant): void {
    this.#broadcasts.put(key, message);
    this.#gossipSoon(now);
  }

  dropMostTravelledBroadcast(): void {
    this.#broadcasts.dropMostTravelled();
  }

  /** Somebody to tell it to. */
  add(id: NodeId): void {
    this.#rounds.add(id);
  }

  /** Nobody to tell it to any more. */
  remove(id: NodeId): void {
    this.#rounds.remove(id);
  }

  forget(id: NodeId): void {
    this.#claims.delete(id);
    this.#rounds.remove(id);
  }

  keepOnly(id: NodeId): void {
    this.#claims.keepOnly(id);
  }

  clear(): void {
    this.#gossipAt = undefined;
    this.#claims.clear();
    this.#broadcasts.clear();
  }

  /** Those whose turn it is; each takes what rides next. */
  nextListeners(now: Instant): ReadonlySet<NodeId> {
    this.#gossipedAt = now;
    const listeners = new Set<NodeId>();
    for (let i = 0; i < Math.min(this.#context.options.gossipTo, this.#rounds.size); i++) listeners.add(this.#rounds.next() as NodeId);
    return listeners;
  }

  /** To be called when the listeners were told. */
  planNextGossip(now: Instant): void {
    const isMore = this.#claims.size + this.#broadcasts.size > 0 && this.#roster.table.reachable.size > 0;
    this.#gossipAt = isMore ? plusMs(now, this.#context.options.gossipMs) : undefined;
  }

  /** News of members first, yet broadcasts, when some wait, always have a quarter: neither starves the other. */
  take(room: number): Uint8Array[] {
    const rides = ridesFor(this.#roster.living, this.#context.options.retransmitMult);
    const claims = this.#claims.take(this.#broadcasts.size > 0 ? Math.floor(room * 0.75) : room, rides);
    // Full syncs repair news that was missed; nothing repairs a broadcast, so it rides twice as often.
    return [...claims, ...this.#broadcasts.take(room - bytesOf(claims), 2 * rides)];
  }

  #gossipSoon(now: Instant): void {
    const { gossipMs } = this.#context.options;
    // A tenth of an interval gathers what comes in one burst.
    this.#gossipAt ??= later(plusMs(now, gossipMs / 10), plusMs(this.#gossipedAt, gossipMs));
  }
}
