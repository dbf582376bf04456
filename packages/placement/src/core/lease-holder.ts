import { plusMs, unreachable, type Core, type Instant, type NodeId, type Wake } from '@engram/kernel';
import type { PartitionPlacement } from './cluster-map.js';
import { resolveLeaseOptions, type LeaseOptions, type LeaseReply, type LeaseRequest, type ResolvedLeaseOptions } from './lease-messages.js';
import { everyVoter, isQuorum, sameVoters, voterKey, type Electorate, type Voter } from './quorum.js';

/** What happens to a holder. */
export type LeaseHolderEvent =
  /** A version of the map that is known to be chosen, not merely accepted by somebody. */
  | { readonly kind: 'map-learned'; readonly mapEpoch: number; readonly electorate: Electorate }
  | { readonly kind: 'reply-received'; readonly from: Voter; readonly reply: LeaseReply }
  /** The node gives its lease up: it asks no more, and acknowledges nothing from this moment on. */
  | { readonly kind: 'resigned' };

/** What a holder wants done. */
export type LeaseHolderEffect =
  | { readonly kind: 'send'; readonly to: Voter; readonly request: LeaseRequest }
  | { readonly kind: 'lease-held' }
  | { readonly kind: 'lease-lost' }
  /** A voter knows that version of the map: read it, then tell `map-learned`. */
  | { readonly kind: 'map-outdated'; readonly mapEpoch: number };

/** What one voter has said last. */
interface Word {
  /** The holder counts from before it asked. */
  readonly askedAt: Instant;
  readonly heardAt: Instant;
  readonly mapEpoch: number;
  readonly othersMs: ReadonlyMap<NodeId, number>;
  readonly unknownForMs: number;
}

interface Learned {
  readonly mapEpoch: number;
  readonly at: Instant;
}

/** Maps learned within one lease. */
const learnedMax = 64;

/** Renewals whose answers still count. */
const attemptsMax = 16;

/**
 * A node's half of the leases: may I acknowledge as a primary now? It holds its lease for as long as a majority of
 * voters has granted it, counted from before it asked, on the monotonic clock. So a process that was stopped and goes on
 * finds its lease run out before it can use it.
 *
 * A primary that took over from a deposed one also waits until that one's lease has certainly run out: until a majority
 * of voters, having heard of the new map and granting nothing under older ones, has said so. That majority and the
 * one that the deposed node would need share a voter. Two changes of voters could part them; therefore, after a start
 * and after each change of voters, a whole lease has to pass first, after which none is left anyway.
 */
export class LeaseHolder implements Core<LeaseHolderEvent, LeaseHolderEffect> {
  readonly #self: NodeId;
  readonly #options: ResolvedLeaseOptions;
  #electorate: Electorate | undefined;
  #mapEpoch = 0;
  /** Since when the voters have been the same, as far as is known here. */
  #votersSince: Instant | undefined;
  /** Maps and when they were learned, as far back as one lease. */
  readonly #learned: Learned[] = [];
  readonly #words = new Map<string, Word>();
  readonly #askedAt = new Map<number, Instant>();
  #attempt = 0;
  #renewAt: Instant | undefined;
  #runsOutAt: Instant | undefined;
  #announced = false;
  #resigned = false;

  constructor(self: NodeId, options: LeaseOptions = {}) {
    this.#self = self;
    this.#options = resolveLeaseOptions(options);
  }

  handle(event: LeaseHolderEvent | Wake, now: Instant): readonly LeaseHolderEffect[] {
    switch (event.kind) {
      case 'map-learned':    return this.#learn(event.mapEpoch, event.electorate, now);
      case 'reply-received': return this.#hear(event.from, event.reply, now);
      case 'resigned':       return this.#resign();
      case 'wake':           return this.#wake(now);
      default:               return unreachable(event);
    }
  }

  nextWake(): Instant | undefined {
    if (this.#resigned) return undefined;
    const loses = this.#announced ? this.#runsOutAt : undefined;
    if (this.#renewAt === undefined || loses === undefined) return this.#renewAt;
    return loses < this.#renewAt ? loses : this.#renewAt;
  }

  /** Until when the lease runs; undefined before the first one. */
  get runsOutAt(): Instant | undefined {
    return this.#runsOutAt;
  }

  /** Whether a majority of voters has granted the lease and it still runs. Ask at the very moment of acting. */
  holdsLease(now: Instant): boolean {
    return !this.#resigned && this.#runsOutAt !== undefined && now < this.#runsOutAt;
  }

  /** Whether this node may acknowledge writes of a partition placed like that. Ask at the very moment of acting. */
  mayAcknowledge({ primary, deposed }: PartitionPlacement, now: Instant): boolean {
    if (primary !== this.#self || !this.holdsLease(now)) return false;
    return deposed === undefined || deposed.nodes.every((node) => node === this.#self || this.hasRunOut(node, deposed.since, now));
  }

  /** Whether the lease of another node, under maps before the epoch `since`, has certainly run out. */
  hasRunOut(node: NodeId, since: number, now: Instant): boolean {
    const electorate = this.#electorate;
    if (electorate === undefined || this.#votersSince === undefined) return false;
    // No majority grants under older maps once `since` is chosen, so a whole lease later none can be left.
    if (this.#mapEpochAt((now - this.#lastsMs * 1_000) as Instant) >= since) return true;
    if (now < plusMs(this.#votersSince, this.#lastsMs)) return false;
    const agreeing = new Set<string>();
    for (const [key, word] of this.#words) {
      const runsOutInMs = Math.max(word.unknownForMs, word.othersMs.get(node) ?? 0);
      if (word.mapEpoch >= since && now >= plusMs(word.heardAt, runsOutInMs * this.#options.stretch)) agreeing.add(key);
    }
    return isQuorum(electorate, agreeing);
  }

  /** From when a grant counts: from before it was asked for. */
  // By itself so that tests can break it and see that it is noticed.
  protected countsFrom(askedAt: Instant, _heardAt: Instant): Instant {
    return askedAt;
  }

  get #lastsMs(): number {
    return this.#options.durationMs * this.#options.stretch;
  }

  /** The latest map that had been learned by then; 0 for none. */
  #mapEpochAt(then: Instant): number {
    return this.#learned.findLast(({ at }) => at <= then)?.mapEpoch ?? 0;
  }

  #remember(mapEpoch: number, now: Instant): void {
    this.#learned.push({ mapEpoch, at: now });
    // One dropped makes waiting longer, never shorter: a later one stands for it.
    if (this.#learned.length > learnedMax) this.#learned.splice(1, 1);
    while (this.#learned.length > 1 && (this.#learned[1] as Learned).at <= now - this.#lastsMs * 1_000) this.#learned.shift();
  }

  #learn(mapEpoch: number, electorate: Electorate, now: Instant): readonly LeaseHolderEffect[] {
    if (this.#resigned || mapEpoch <= this.#mapEpoch) return [];
    this.#mapEpoch = mapEpoch;
    this.#remember(mapEpoch, now);
    const before = this.#electorate;
    const isSame = before !== undefined && before.previousVoters === undefined && electorate.previousVoters === undefined && sameVoters(before.voters, electorate.voters);
    if (!isSame) {
      this.#votersSince = now;
      const keys = new Set(everyVoter(electorate).map(voterKey));
      for (const key of this.#words.keys()) if (!keys.has(key)) this.#words.delete(key);
    }
    this.#electorate = electorate;
    return [...this.#count(now), ...this.#renew(now)];
  }

  #wake(now: Instant): readonly LeaseHolderEffect[] {
    if (this.#resigned) return [];
    const effects = this.#count(now);
    return this.#renewAt !== undefined && this.#renewAt <= now ? [...effects, ...this.#renew(now)] : effects;
  }

  #renew(now: Instant): LeaseHolderEffect[] {
    if (this.#electorate === undefined) return [];
    this.#attempt += 1;
    this.#askedAt.set(this.#attempt, now);
    this.#askedAt.delete(this.#attempt - attemptsMax);
    this.#renewAt = plusMs(now, this.#options.renewMs);
    const request: LeaseRequest = { kind: 'renew', attempt: this.#attempt, mapEpoch: this.#mapEpoch };
    return everyVoter(this.#electorate).map((to) => ({ kind: 'send', to, request }));
  }

  #hear(from: Voter, reply: LeaseReply, now: Instant): readonly LeaseHolderEffect[] {
    const askedAt = this.#askedAt.get(reply.attempt);
    if (this.#resigned || askedAt === undefined || this.#electorate === undefined) return [];
    if (reply.kind === 'withheld') return reply.mapEpoch > this.#mapEpoch ? [{ kind: 'map-outdated', mapEpoch: reply.mapEpoch }] : [];
    if (reply.kind !== 'granted') return [];
    const key = voterKey(from);
    const before = this.#words.get(key);
    if (!everyVoter(this.#electorate).some((voter) => voterKey(voter) === key) || (before !== undefined && before.askedAt >= askedAt)) return [];
    const othersMs = new Map(reply.others.map(({ node, runsOutInMs }) => [node, runsOutInMs]));
    this.#words.set(key, { askedAt: this.countsFrom(askedAt, now), heardAt: now, mapEpoch: reply.mapEpoch, othersMs, unknownForMs: reply.unknownForMs });
    return this.#count(now);
  }

  /** The lease runs as long as a majority's grants do: tried from the latest grant backwards. */
  #count(now: Instant): LeaseHolderEffect[] {
    this.#runsOutAt = undefined;
    const keys = new Set<string>();
    for (const [key, { askedAt }] of [...this.#words].toSorted(([, a], [, b]) => b.askedAt - a.askedAt)) {
      keys.add(key);
      if (!isQuorum(this.#electorate as Electorate, keys)) continue;
      this.#runsOutAt = plusMs(askedAt, this.#options.durationMs);
      break;
    }
    const holds = this.holdsLease(now);
    if (holds === this.#announced) return [];
    this.#announced = holds;
    return [{ kind: holds ? 'lease-held' : 'lease-lost' }];
  }

  #resign(): readonly LeaseHolderEffect[] {
    const held = this.#announced;
    this.#resigned = true;
    this.#announced = false;
    this.#renewAt = undefined;
    return held ? [{ kind: 'lease-lost' }] : [];
  }
}
