import { instant, plusMs, type Instant } from '@engram/kernel';
import { admissionOf, nextIdentity } from './claims.js';
import { compareClaims } from './digest.js';
import { epochStepMax, type Identity, type Member, type Metadata } from './member.js';
import type { RequestId } from './messages.js';
import { metadataHash, ownMetadata, tooLarge } from './metadata.js';
import type { News } from './news.js';
import type { OpenStreams } from './open-streams.js';
import type { PacketWriter } from './packet-writer.js';
import type { Roster } from './roster.js';
import type { SwimContext } from './swim-context.js';
import type { Claim } from './wire.js';

/** What we are and say about ourselves, and how we answer what others say about us. */
export class OwnLife {
  readonly #context: SwimContext;
  readonly #roster: Roster;
  readonly #news: News;
  readonly #writer: PacketWriter;
  readonly #streams: OpenStreams;
  /** The worst said about us that is not answered yet, and when we may answer. */
  #accusation: Claim | undefined;
  #refuteAt = instant(0);

  constructor(context: SwimContext, roster: Roster, news: News, writer: PacketWriter, streams: OpenStreams) {
    this.#context = context;
    this.#roster = roster;
    this.#news = news;
    this.#writer = writer;
    this.#streams = streams;
  }

  get #self(): Member { return this.#roster.self.member; }
  /** When the next answer is due, if there is one to give. */
  get refuteAt(): Instant | undefined { return this.#accusation && this.#refuteAt; }

  hear(claim: Claim, now: Instant): void {
    const { id, epoch, incarnation, address } = this.#self;
    if (claim.epoch > epoch + epochStepMax) return this.#context.count('implausible');
    if (claim.epoch < epoch || (claim.epoch === epoch && claim.incarnation < incarnation)) {
      // About an earlier life, or answered already; whoever still says it has not heard the answer.
      if (claim.state !== 'alive') this.#news.remind(id, now);
      return;
    }
    const isLiving = claim.state === 'alive' || claim.state === 'suspect';
    if (isLiving && claim.address !== address) return this.#verify(claim, now);
    if (compareClaims(claim, this.#self) !== 'newer') return;
    if (!this.#accusation || compareClaims(claim, this.#accusation) === 'newer') this.#accusation = claim;
    this.refuteWhenDue(now);
  }

  /** At most once in `gossipMs`, whatever is said, so a storm of accusations costs the cluster five small messages a second. */
  refuteWhenDue(now: Instant): void {
    if (this.#accusation && this.#refuteAt <= now) this.#refute(this.#accusation, now);
  }

  /** Nothing more is answered. */
  fallSilent(): void {
    this.#accusation = undefined;
  }

  /** The later start wins; between equal starts the address decides, so that exactly one of two goes on. True when it is not us. */
  isSupersededBy(claim: Claim, answer: Identity): boolean {
    const { id, epoch, address } = this.#self;
    const isOurs = answer.id === id && answer.epoch >= claim.epoch;
    return isOurs && (answer.epoch > epoch || (answer.epoch === epoch && claim.address > address));
  }

  /** Nobody is there, or somebody who has to give way: our own claim must be the higher one. */
  outbid(claim: Claim, now: Instant): void {
    if (this.#context.phase === 'joined' && compareClaims({ ...claim, state: 'dead' }, this.#self) === 'newer') this.#refute({ ...claim, state: 'dead' }, now);
  }

  /** A higher identity of this same life, or of the next epoch when there is no higher one in this. */
  rise(now: Instant): void {
    this.#become(nextIdentity(this.#self), now);
  }

  setMetadata(request: RequestId, bytes: Uint8Array, now: Instant): void {
    const { metadataBytesMax } = this.#context.options;
    if (bytes.length > metadataBytesMax) return this.#context.refuse(request, 'payload_too_large', tooLarge('metadata', bytes.length, metadataBytesMax));
    this.#roster.setOwnMetadataHash(metadataHash(bytes));
    this.#become(nextIdentity(this.#self), now, ownMetadata(this.#self.metadata.version + 1, bytes));
    if (this.#context.phase === 'joined') this.announce(now);
    this.#context.complete(request);
  }

  announce(now: Instant): void {
    this.#news.spread(this.#self.id, now);
  }

  #refute(accusation: Claim, now: Instant): void {
    this.#accusation = undefined;
    if (compareClaims(accusation, this.#self) !== 'newer') return;
    this.#refuteAt = plusMs(now, this.#context.options.gossipMs);
    this.#context.stats.refutations++;
    if (accusation.state !== 'alive') this.#context.feel(+1);
    this.#become(nextIdentity(accusation), now);
    this.#context.emit({ kind: 'refuted', incarnation: this.#self.incarnation, by: accusation.by });
    this.announce(now);
  }

  /** Somebody lives under our id elsewhere, or somebody says so. The address itself decides. */
  #verify(claim: Claim, now: Instant): void {
    if (this.#streams.count('verify') > 0) return;
    const seq = this.#context.random.uint32();
    this.#streams.open({ purpose: 'verify', to: claim.address, seq, claim }, [this.#writer.ping(seq, this.#self.id)], now);
  }

  #become(identity: Pick<Identity, 'epoch' | 'incarnation'>, now: Instant, metadata?: Metadata): void {
    const member = this.#self;
    if (identity.epoch !== member.epoch) this.#context.emit({ kind: 'persist-epoch', epoch: identity.epoch });
    const renewed: Member = { ...member, epoch: identity.epoch, incarnation: identity.incarnation, state: this.#context.phase === 'leaving' ? 'left' : 'alive', metadata: metadata ?? member.metadata };
    this.#writer.speakAs(renewed);
    this.#roster.put(admissionOf(member, renewed), { member: renewed, by: undefined, since: now, agedMs: 0, metadataHash: undefined });
  }
}
