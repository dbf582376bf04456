import { instant, plusMs, type Instant, type NodeId } from '@engram/kernel';
import { claimOf } from './claims.js';
import { encodeMessage } from './codec.js';
import type { Contacts } from './contacts.js';
import { bucketCount, bucketOf, compareClaims } from './digest.js';
import type { Joining } from './joining.js';
import type { Address, Identity } from './member.js';
import type { StreamId } from './messages.js';
import type { OpenStreams, SyncConversation } from './open-streams.js';
import type { OwnLife } from './own-life.js';
import type { PacketWriter } from './packet-writer.js';
import type { Roster } from './roster.js';
import type { SwimContext } from './swim-context.js';
import { digestPage, exchangeFor } from './sync-plan.js';
import type { Claim, DigestEntry, Packet, WireMessage } from './wire.js';

/** A ping comes once a period on average; four periods without any are seldom. */
const agreementPeriods = 4;
const skippedMax = 5;

export interface FullSyncParts {
  readonly context: SwimContext;
  readonly roster: Roster;
  readonly writer: PacketWriter;
  readonly streams: OpenStreams;
  readonly contacts: Contacts;
  readonly joining: Joining;
  readonly own: OwnLife;
}

/**
 * Two members compare all that they hold, and exchange what differs. Joining is such a sync with each seed.
 *
 *     a => claim(a), sync-buckets => b => claim(b), sync-digest => a => claims, sync-wants => b => claims, sync-done => a
 *
 * When not all that differs had room, `a` begins another round. The answering side keeps nothing between frames.
 */
export class FullSync {
  readonly #parts: FullSyncParts;
  /** When the last one of ours began. */
  #comparedAt = instant(0);
  #strangerSyncAt = instant(0);
  /** When somebody last told us that it holds just what we hold. */
  #agreedAt: Instant | undefined;
  #skipped = 0;

  constructor(parts: FullSyncParts) {
    this.#parts = parts;
  }

  begin(to: Address, joining: boolean, now: Instant): void {
    this.#beginRound(to, joining, 0, now);
  }

  /** A ping said that its sender holds what we hold. */
  agreed(now: Instant): void {
    this.#agreedAt = now;
  }

  /**
   * Whether it is worth comparing views because it is time. While others tell us with their pings that they hold the same,
   * a full sync would find nothing, and each costs as much as a second of probing; so only every sixth is made.
   */
  isDue(now: Instant): boolean {
    const { periodMs } = this.#parts.context.options;
    const isAgreed = this.#agreedAt !== undefined && now < plusMs(this.#agreedAt, agreementPeriods * periodMs);
    this.#skipped = isAgreed && this.#skipped < skippedMax ? this.#skipped + 1 : 0;
    return this.#skipped === 0;
  }

  /**
   * Somebody holds another view. While news is about, that is to be expected and full syncs come only a little more
   * often; once all is quiet, what differs is something that gossip has missed.
   */
  beginEarly(id: NodeId, isNewsAbout: boolean, now: Instant): void {
    const { context, roster } = this.#parts;
    const { syncMs, periodMs } = context.options;
    const spacingMs = isNewsAbout ? syncMs / 5 : 2 * periodMs;
    if (now < plusMs(this.#comparedAt, spacingMs) || !roster.table.reachable.has(id) || context.phase !== 'joined') return;
    this.begin(roster.known(id).member.address, false, now);
  }

  /** Whoever answers there does not know us as we are, or we it. At most once a period. */
  beginWithStranger(address: Address, now: Instant): void {
    if (this.#strangerSyncAt > now) return;
    this.#strangerSyncAt = plusMs(now, this.#parts.context.options.periodMs);
    this.begin(address, false, now);
  }

  serveBuckets(stream: StreamId, asking: Packet, fingerprints: readonly number[], now: Instant): void {
    const { context, roster, writer } = this.#parts;
    const page = digestPage(roster.table, fingerprints, context.random.below(bucketCount), context.options.syncEntriesMax);
    writer.sendFrame(stream, [this.#ownClaim(now), ...this.#namesake(asking, now), encodeMessage({ kind: 'sync-digest', ...page })]);
  }

  /** With our own claim once more: what we were just offered may have made us refute. */
  serveWants(stream: StreamId, ids: readonly NodeId[], now: Instant): void {
    this.#parts.writer.sendFrame(stream, [...this.#entriesFor(ids, now), this.#ownClaim(now), encodeMessage({ kind: 'sync-done' })]);
  }

  compare(stream: StreamId, conversation: SyncConversation, peer: Identity, digest: Extract<WireMessage, { kind: 'sync-digest' }>, now: Instant): void {
    const { contacts, roster, writer } = this.#parts;
    const self = roster.self.member.id;
    contacts.answered(conversation.to, peer.id);
    if (peer.id === self && peer.epoch === roster.self.member.epoch) return this.#metOurselves(stream, conversation);
    conversation.more = digest.more;
    const own = digest.entries.find(({ id }) => id === self);
    const askBack = own ? this.#compareSelf(own, peer.id, now) : [];
    const exchange = exchangeFor(roster.table, digest, self);
    const wants = [...exchange.wants, ...askBack];
    const isBehindUs = own ? compareClaims(own, roster.self.member) === 'older' : digest.buckets.includes(bucketOf(self));
    const offers = isBehindUs ? [self, ...exchange.offers] : exchange.offers;
    if (wants.length + offers.length === 0) return this.done(stream, conversation, peer.id, now);
    writer.sendFrame(stream, [...this.#entriesFor(offers, now), encodeMessage({ kind: 'sync-wants', ids: wants })]);
  }

  done(stream: StreamId, { to, joining, round, more }: SyncConversation, peer: NodeId, now: Instant): void {
    this.#parts.streams.end(stream);
    // Each round settles at least one bucket, so this ends.
    if (more && round < bucketCount) return this.#beginRound(to, joining, round + 1, now);
    if (joining) this.#parts.joining.contacted(to, peer === this.#parts.roster.self.member.id ? 'another process runs there under the name of this node' : undefined);
  }

  #metOurselves(stream: StreamId, { to, joining }: SyncConversation): void {
    this.#parts.streams.end(stream);
    if (joining) this.#parts.joining.isOurselves(to);
  }

  #beginRound(to: Address, joining: boolean, round: number, now: Instant): void {
    const { context, joining: attempt, roster, streams } = this.#parts;
    const other = streams.syncWith(to);
    if (other) return joining && !other.joining ? attempt.contacted(to, 'a sync with it is under way already') : undefined;
    context.stats.syncs++;
    this.#comparedAt = now;
    const buckets = encodeMessage({ kind: 'sync-buckets', fingerprints: roster.table.fingerprints });
    const opened = streams.open({ purpose: 'sync', to, joining, round, more: false }, [this.#ownClaim(now), buckets], now);
    if (!opened && joining) attempt.contacted(to, 'too many streams are open');
  }

  /** What we hold of somebody at another address under the id of who asks: two nodes were given one id. */
  #namesake({ from, messages }: Packet, now: Instant): Uint8Array[] {
    const { roster } = this.#parts;
    const said = messages.find((message): message is Claim => message.kind === 'claim' && message.id === from.id);
    const held = roster.get(from.id)?.member;
    return said && held && said.address !== held.address ? [roster.claimBytes(from.id, now)] : [];
  }

  /** It holds something against us, and we answer; but somebody alive above us may be another node under our id: that takes the whole claim. */
  #compareSelf(own: DigestEntry, peer: NodeId, now: Instant): NodeId[] {
    const { id, address, epoch } = this.#parts.roster.self.member;
    if (compareClaims(own, this.#parts.roster.self.member) !== 'newer') return [];
    const isOver = own.state === 'dead' || own.state === 'left';
    if (!isOver && (own.state === 'alive' || own.epoch > epoch)) return [id];
    this.#parts.own.hear({ ...claimOf({ ...own, address }, own.state), by: peer }, now);
    return [];
  }

  /** Whole claims for the other side. Of a suspect also what it said itself: the suspicion lacks metadata. */
  #entriesFor(ids: readonly NodeId[], now: Instant): Uint8Array[] {
    const { context, roster } = this.#parts;
    const claims: Uint8Array[] = [];
    // Twice what a step lists, because a whole bucket is listed even when it holds more.
    for (const id of ids.slice(0, 2 * context.options.syncEntriesMax)) {
      const record = roster.get(id);
      if (!record) continue;
      if (record.member.state === 'suspect' && record.member.metadata.version > 0) claims.push(encodeMessage(roster.claim({ ...record, member: { ...record.member, state: 'alive' } }, now)));
      claims.push(roster.claimBytes(id, now));
    }
    return claims;
  }

  #ownClaim(now: Instant): Uint8Array {
    return this.#parts.roster.claimBytes(this.#parts.roster.self.member.id, now);
  }
}
