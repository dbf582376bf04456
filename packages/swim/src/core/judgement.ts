import { unreachable, type Instant, type NodeId } from '@engram/kernel';
import { addressOf, admissionOf, ageMs, claimOf, isReachable } from './claims.js';
import { encodeMessage } from './codec.js';
import { compareClaims } from './digest.js';
import { epochStepMax, noMetadata, type Member } from './member.js';
import type { MemberRecord } from './member-table.js';
import { metadataOf } from './metadata.js';
import type { MetadataPulls } from './metadata-pulls.js';
import type { News } from './news.js';
import type { PacketWriter } from './packet-writer.js';
import type { Prober } from './prober.js';
import type { Roster } from './roster.js';
import { suspicionTerms, type SuspicionTerms } from './suspicion.js';
import type { Suspicions } from './suspicions.js';
import type { SwimContext } from './swim-context.js';
import type { Claim } from './wire.js';

/** How a claim came to us. */
export type Via = 'gossip' | 'sync';

/** A death is known everywhere after this many rounds of gossip. */
const lateNewsGossips = 10;
const directAccusationsMax = 32;
const accusedMax = 1_024;

export interface JudgementParts {
  readonly context: SwimContext;
  readonly roster: Roster;
  readonly news: News;
  readonly writer: PacketWriter;
  readonly suspicions: Suspicions;
  readonly pulls: MetadataPulls;
  readonly prober: Prober;
  /** Its address is worth trying for ever, though nobody is remembered there. */
  readonly onForgotten: (member: Member) => void;
}

/**
 * What others say about members becomes our view, by one rule: the greater claim wins (digest.ts). The one exception is
 * a death that we hear of late or by a full sync: it is asked about before it is believed.
 *
 *     alive   -> admit       suspect -> suspect, or confirm       dead -> bury, or accuse       left -> bury
 */
export class Judgement {
  readonly #parts: JudgementParts;
  /** What others hold against members that we hold alive; it rides on our next probe of them. */
  readonly #accused = new Map<NodeId, Claim>();
  /** How many more may be told at once, within the frame at hand. */
  #directAccusationsLeft = 0;

  constructor(parts: JudgementParts) {
    this.#parts = parts;
  }

  /** A claim about somebody else. */
  hear(claim: Claim, via: Via, now: Instant): void {
    const { context, roster, news } = this.#parts;
    const known = roster.get(claim.id);
    if (claim.epoch > (known?.member.epoch ?? roster.self.member.epoch) + epochStepMax) return context.count('implausible');
    if (!known) return this.#hearOfUnknown(claim, now);
    const order = compareClaims(claim, known.member);
    if (order === 'newer') return this.#believe(claim, known, via, now);
    if (claim.metadata && claim.epoch === known.member.epoch) this.#mergeMetadata(claim, known, now);
    if (order === 'same' && claim.state === 'suspect') return this.#confirm(claim, now);
    // Somebody lags behind: it spoke of the living, we know better.
    if (order === 'older' && claim.state !== 'dead' && claim.state !== 'left' && !isReachable(known.member)) news.remind(claim.id, now);
  }

  /** It did not answer our probe, since then. */
  suspectUnanswered(id: NodeId, since: Instant, now: Instant): void {
    const { roster } = this.#parts;
    this.#accused.delete(id);
    const record = roster.get(id);
    if (record && isReachable(record.member)) this.#suspect({ ...claimOf(record.member, 'suspect'), by: roster.self.member.id }, since, now);
  }

  /** It answered us itself, so what others hold against it was wrong. */
  acquit(id: NodeId): void {
    this.#accused.delete(id);
  }

  /** Suspicions from before we left begin again: the answers may have come while we did not listen. */
  judgeAnew(now: Instant): void {
    const { roster, suspicions } = this.#parts;
    for (const id of suspicions.ids) suspicions.begin(id, this.#terms(), roster.known(id).by ?? roster.self.member.id, now);
  }

  /**
   * Its time to refute is over. One race is left: a cut ends while the last moments of a suspicion run, so a refutation is
   * on its way when we declare the death, and others take our fresh word for a second until it is refuted. To ask once
   * more before each burial would close it, and would cost every real death a round trip with its timeout; to ask only
   * when we have just begun to hear others again needs a notion of having been cut off that half of a cluster, which hears
   * its own side all the while, does not have.
   */
  declareDead(id: NodeId, now: Instant): void {
    const { context, roster, suspicions, writer } = this.#parts;
    const known = roster.get(id);
    if (known?.member.state !== 'suspect') return suspicions.end(id);
    context.stats.deaths++;
    this.#bury({ ...claimOf(known.member, 'dead'), by: roster.self.member.id }, known, now);
    // Should it be alive after all, it is the first to know.
    writer.send(known.member.address, this.accusationOf(id, now));
  }

  /** What stands against a member, to ride first on what we send it. */
  accusationOf(id: NodeId, now: Instant): Uint8Array[] {
    const { roster } = this.#parts;
    const accusation = this.#accused.get(id);
    if (accusation) return [encodeMessage(accusation)];
    const record = roster.get(id);
    return !record || id === roster.self.member.id || record.member.state === 'alive' ? [] : [roster.claimBytes(id, now)];
  }

  /** So many may be told at once that a full sync calls them dead. */
  beginFrame(): void {
    this.#directAccusationsLeft = directAccusationsMax;
  }

  /** Remembered as having left, so that the full sync with those who still hold it dead does not bring it back. */
  forgetDead(record: MemberRecord, now: Instant): void {
    this.#bury(claimOf(record.member, 'left'), record, now);
  }

  forgetTheOld(now: Instant): void {
    const { roster } = this.#parts;
    for (const id of roster.table.tombstones) {
      const record = roster.known(id);
      if (ageMs(record, now) >= this.#retentionMs(record.member.state)) this.#forget(record.member);
    }
  }

  /** What comes by gossip is told by the next probe; a datagram must not make us send to many. */
  endFrame(): void {
    this.#directAccusationsLeft = 0;
  }

  clear(): void {
    this.#accused.clear();
  }

  #hearOfUnknown(claim: Claim, now: Instant): void {
    if (claim.ageS * 1_000 >= this.#retentionMs(claim.state)) return;
    if (!this.#makeRoom()) return this.#parts.context.count('members-full');
    switch (claim.state) {
      case 'alive':
        return this.#admit(claim, undefined, now);
      case 'suspect':
        this.#admit({ ...claim, state: 'alive' }, undefined, now);
        return this.#suspect(claim, now, now);
      case 'dead': case 'left':
        // Kept although we never met it, so that no stale rumour introduces it to us as living.
        return this.#bury(claim, undefined, now);
      default:
        return unreachable(claim.state);
    }
  }

  #believe(claim: Claim, known: MemberRecord, via: Via, now: Instant): void {
    switch (claim.state) {
      case 'alive':
        return this.#admit(claim, known, now);
      case 'suspect':
        if (!isReachable(known.member) || claim.epoch > known.member.epoch) this.#admit({ ...claim, state: 'alive' }, known, now);
        return this.#suspect(claim, now, now);
      case 'dead':
        return this.#isDoubtful(claim, known.member, via) ? this.#accuse(claim, known, now) : this.#bury(claim, known, now);
      case 'left':
        return this.#bury(claim, known, now);
      default:
        return unreachable(claim.state);
    }
  }

  /**
   * News of a death is everywhere within a second or a few. What comes later, or by a full sync, may be from the other
   * side of a cut that has just ended: somebody heard nobody, and speaks of what was the case over there.
   */
  #isDoubtful(claim: Claim, known: Member, via: Via): boolean {
    return isReachable(known) && (via === 'sync' || (known.state === 'alive' && claim.ageS * 1_000 >= lateNewsGossips * this.#parts.context.options.gossipMs));
  }

  /** Alive under this identity, as far as the claim goes. */
  #admit(claim: Claim, known: MemberRecord | undefined, now: Instant): void {
    const { news, prober, pulls, roster, suspicions } = this.#parts;
    const before = known?.member;
    const sameLife = before?.epoch === claim.epoch;
    const metadata = claim.metadata && (!sameLife || claim.metadata.version > before.metadata.version) ? metadataOf(claim.metadata) : sameLife ? before.metadata : noMetadata;
    const hash = metadata.bytes ? undefined : (claim.metadata?.hash ?? known?.metadataHash);
    const member: Member = { id: claim.id, epoch: claim.epoch, incarnation: claim.incarnation, address: claim.address, state: 'alive', metadata };
    suspicions.end(claim.id);
    this.#accused.delete(claim.id);
    prober.rounds.add(claim.id);
    news.add(claim.id);
    roster.put(admissionOf(before, member), { member, by: undefined, since: now, agedMs: 0, metadataHash: hash });
    if (hash) pulls.soon(claim.id, now);
    news.spread(claim.id, now);
  }

  #mergeMetadata(claim: Claim, known: MemberRecord, now: Instant): void {
    const { metadata } = claim;
    if (!metadata || metadata.version <= known.member.metadata.version) return;
    this.#parts.roster.put('member-updated', { ...known, member: { ...known.member, metadata: metadataOf(metadata) }, metadataHash: metadata.hash });
    if (metadata.hash) this.#parts.pulls.soon(claim.id, now);
  }

  /** `since` is the last moment at which the suspect might have answered the accuser. */
  #suspect(claim: Claim, since: Instant, now: Instant): void {
    const { context, news, roster, suspicions } = this.#parts;
    const known = roster.known(claim.id);
    const by = claim.by ?? roster.self.member.id;
    if (known.member.state === 'suspect' && compareClaims(claim, known.member) === 'same') return this.#confirm(claim, now);
    context.stats.suspicions++;
    const terms = this.#terms();
    suspicions.begin(claim.id, terms, by, since);
    const member: Member = { ...known.member, epoch: claim.epoch, incarnation: claim.incarnation, address: addressOf(claim, known.member), state: 'suspect' };
    roster.put('member-suspect', { ...known, member, by, since: now, agedMs: 0 });
    news.spread(claim.id, now);
    this.#probeInTurnOrAtOnce(claim.id, terms);
  }

  #confirm(claim: Claim, now: Instant): void {
    const { news, roster, suspicions } = this.#parts;
    if (!claim.by || !suspicions.confirm(claim.id, claim.by)) return;
    roster.table.put({ ...roster.known(claim.id), by: claim.by });
    news.spread(claim.id, now);
  }

  /** About twice as many members as are wanted for confirmation probe the suspect next; more would be a flood on it. */
  #probeInTurnOrAtOnce(id: NodeId, { confirmationsWanted }: SuspicionTerms): void {
    const { context, prober, roster } = this.#parts;
    const share = (2 * (confirmationsWanted + 1)) / Math.max(1, roster.table.reachable.size);
    if (context.random.chance(Math.min(1, share))) prober.rounds.urge(id);
  }

  #terms(): SuspicionTerms {
    const { periodMs, suspicionMult, suspicionMaxMult } = this.#parts.context.options;
    return suspicionTerms(this.#parts.roster.living, periodMs, suspicionMult, suspicionMaxMult);
  }

  /**
   * A full sync calls dead whom we hold alive. Either we missed it, and then our own probe and those who know will tell;
   * or it is alive on our side of a partition that has just healed. It is told at once, and probed next.
   */
  #accuse(claim: Claim, known: MemberRecord, now: Instant): void {
    const { prober, writer } = this.#parts;
    if (this.#accused.size < accusedMax) this.#accused.set(claim.id, claim);
    prober.rounds.urge(claim.id);
    if (this.#directAccusationsLeft <= 0) return;
    this.#directAccusationsLeft--;
    writer.send(known.member.address, this.accusationOf(claim.id, now));
  }

  #bury(claim: Claim, known: MemberRecord | undefined, now: Instant): void {
    const { context, news, roster } = this.#parts;
    const { id, address, epoch, incarnation, state } = claim;
    this.#endCare(id);
    news.remove(id);
    const metadata = known?.member.epoch === epoch ? known.member.metadata : noMetadata;
    const member: Member = { id, epoch, incarnation, address: known ? addressOf(claim, known.member) : address, state, metadata };
    roster.put(state === 'left' ? 'member-left' : 'member-dead', { member, by: claim.by, since: now, agedMs: claim.ageS * 1_000, metadataHash: undefined });
    // An old tombstone is history, not news; full syncs carry it to whoever lacks it.
    if (claim.ageS * 1_000 < context.options.syncMs) news.spread(id, now);
  }

  /** Nobody probes it, judges it or asks it for anything any more. */
  #endCare(id: NodeId): void {
    const { prober, pulls, suspicions } = this.#parts;
    suspicions.end(id);
    this.#accused.delete(id);
    pulls.delete(id);
    prober.rounds.remove(id);
    prober.cancelProbeOf(id);
  }

  #retentionMs(state: Member['state']): number {
    const { leftMs, deadMs } = this.#parts.context.options;
    return state === 'left' ? leftMs : state === 'dead' ? deadMs : Infinity;
  }

  #makeRoom(): boolean {
    const { context, roster } = this.#parts;
    if (roster.table.size < context.options.membersMax) return true;
    const evicted = roster.table.evictable();
    if (evicted === undefined) return false;
    this.#forget(roster.known(evicted).member);
    return true;
  }

  #forget(member: Member): void {
    const { news, onForgotten, roster } = this.#parts;
    this.#endCare(member.id);
    news.forget(member.id);
    onForgotten(member);
    roster.remove(member);
  }
}
