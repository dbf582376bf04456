import { plusMs, type Instant } from '@engram/kernel';
import { encodeMessage } from './codec.js';
import type { Address } from './member.js';
import type { FailedContact, Namesake, RefusalCode, RequestId } from './messages.js';
import type { InquiryConversation, OpenStreams } from './open-streams.js';
import type { PacketWriter } from './packet-writer.js';
import type { Roster } from './roster.js';
import type { SwimContext } from './swim-context.js';
import type { Claim, Packet } from './wire.js';

/** After the first answer others get so many of the timeouts of a probe to give theirs: whoever is dead must not hold up a start. */
const graceTimeouts = 2;

interface Attempt {
  readonly request: RequestId;
  /** Streams without an answer, of either question. */
  waiting: number;
  /** Of those, the ones that a namesake is looked for on. */
  verifying: number;
  readonly verified: Set<Address>;
  readonly contacted: Address[];
  readonly failed: FailedContact[];
  endAt: Instant | undefined;
}

/**
 * Whether another process lives under our id, found out without taking part: whoever is asked learns nothing of us.
 *
 *     a => sync-wants(a) => b => claim(a at x), sync-done => a       b holds somebody of our id, at x
 *     a => ping(a)       => x => ack                      => a       who answers there: our id is taken
 *
 * What others hold is no proof, because they hold a process that died a moment ago for alive as well. So x itself is asked,
 * unless it is our own address, where nobody else can answer. A restart is never taken for a namesake.
 */
export class Inquiry {
  readonly #context: SwimContext;
  readonly #roster: Roster;
  readonly #writer: PacketWriter;
  readonly #streams: OpenStreams;
  #attempt: Attempt | undefined;

  constructor(context: SwimContext, roster: Roster, writer: PacketWriter, streams: OpenStreams) {
    this.#context = context;
    this.#roster = roster;
    this.#writer = writer;
    this.#streams = streams;
  }

  get isUnderWay(): boolean { return this.#attempt !== undefined; }
  /** When it is over although some have not answered. */
  get endAt(): Instant | undefined { return this.#attempt?.endAt; }

  begin(request: RequestId, seeds: readonly Address[], now: Instant): void {
    const attempt: Attempt = { request, waiting: 0, verifying: 0, verified: new Set(), contacted: [], failed: [], endAt: undefined };
    this.#attempt = attempt;
    const { id } = this.#roster.self.member;
    for (const to of seeds) {
      if (this.#streams.open({ purpose: 'inquiry', to }, [encodeMessage({ kind: 'sync-wants', ids: [id] })], now)) attempt.waiting++;
      else attempt.failed.push({ address: to, reason: 'too many streams are open' });
    }
    this.#endWhenDone();
  }

  /** The answer on a stream of ours, which is closed already. */
  heard(conversation: InquiryConversation, packet: Packet, now: Instant): void {
    const attempt = this.#attempt;
    if (!attempt) return;
    const { id, address } = this.#roster.self.member;
    const { to } = conversation;
    this.#settled(attempt, conversation);
    if (packet.from.id === id) return this.#end(attempt, { address: to, epoch: packet.from.epoch });
    if (conversation.purpose === 'inquiry') {
      attempt.contacted.push(to);
      attempt.endAt ??= plusMs(now, graceTimeouts * this.#context.options.timeoutMs);
      for (const message of packet.messages) if (message.kind === 'claim' && message.id === id && message.address !== address) this.#verify(attempt, message, now);
    }
    this.#endWhenDone();
  }

  /** A stream of ours came to nothing. */
  over(conversation: InquiryConversation, reason: string): void {
    const attempt = this.#attempt;
    if (!attempt) return;
    this.#settled(attempt, conversation);
    if (conversation.purpose === 'inquiry') attempt.failed.push({ address: conversation.to, reason });
    this.#endWhenDone();
  }

  /** Those that have not answered are not waited for any longer; whoever may be a namesake is. */
  endWhenDue(now: Instant): void {
    const attempt = this.#attempt;
    if (attempt?.endAt === undefined || attempt.endAt > now) return;
    if (attempt.verifying === 0) this.#end(attempt, undefined);
    else attempt.endAt = undefined;
  }

  abandon(code: RefusalCode, reason: string): void {
    if (!this.#attempt) return;
    const { request } = this.#attempt;
    this.#attempt = undefined;
    this.#streams.closeAll();
    this.#context.refuse(request, code, reason);
  }

  #verify(attempt: Attempt, { address }: Claim, now: Instant): void {
    if (attempt.verified.has(address)) return;
    attempt.verified.add(address);
    const seq = this.#context.random.uint32();
    if (!this.#streams.open({ purpose: 'namesake', to: address }, [this.#writer.ping(seq, this.#roster.self.member.id)], now)) return;
    attempt.waiting++;
    attempt.verifying++;
  }

  #settled(attempt: Attempt, { purpose }: InquiryConversation): void {
    attempt.waiting--;
    if (purpose === 'namesake') attempt.verifying--;
  }

  #endWhenDone(): void {
    if (this.#attempt?.waiting === 0) this.#end(this.#attempt, undefined);
  }

  #end({ request, contacted, failed }: Attempt, namesake: Namesake | undefined): void {
    this.#attempt = undefined;
    this.#streams.closeAll();
    this.#context.emit({ kind: 'inquiry-finished', request, namesake, contacted, failed });
  }
}
