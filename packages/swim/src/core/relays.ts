import { plusMs, type Instant, type NodeId } from '@engram/kernel';
import { encodeMessage } from './codec.js';
import { Deadlines } from './deadlines.js';
import type { Address, Identity } from './member.js';
import type { PacketWriter } from './packet-writer.js';
import type { Roster } from './roster.js';
import type { SwimContext } from './swim-context.js';
import type { WireMessage } from './wire.js';

/** A probe we carry out for another member. */
interface Relay {
  readonly requester: Address;
  readonly budget: number;
  readonly seq: number;
  readonly target: NodeId;
  nacked: boolean;
}

/** Nacks are sent at this share of the timeout, so that they arrive within it (Lifeguard, section IV-A). */
const nackShare = 0.8;

/**
 * Probes that we carry out for others, `relaysMax` at one time:
 *
 *     a -> ping-req(us, b) -> us -> ping(b) -> b -> ack -> us -> ack -> a
 *                                              (nothing) .. us -> nack -> a     and still the ack, should it come
 */
export class Relays {
  readonly #context: SwimContext;
  readonly #roster: Roster;
  readonly #writer: PacketWriter;
  readonly #relays = new Map<number, Relay>();
  readonly #deadlines = new Deadlines<number>();

  constructor(context: SwimContext, roster: Roster, writer: PacketWriter) {
    this.#context = context;
    this.#roster = roster;
    this.#writer = writer;
  }

  get nextDeadline(): Instant | undefined { return this.#deadlines.next; }

  begin(request: Extract<WireMessage, { kind: 'ping-req' }>, sender: Identity, from: Address, askedBytes: number, now: Instant): void {
    const { options, random } = this.#context;
    const self = this.#roster.self.member.id;
    if (request.relay !== self) return this.#context.reject('misdirected', from);
    const target = this.#roster.get(request.target);
    if (!target || request.target === self || this.#relays.size >= options.relaysMax) return;
    const seq = random.uint32();
    this.#relays.set(seq, { requester: from, budget: this.#writer.budget(sender.id, from, askedBytes), seq: request.seq, target: request.target, nacked: false });
    this.#deadlines.set(seq, plusMs(now, nackShare * options.timeoutMs));
    // Alone, so that nobody makes us send a member more than they sent us.
    this.#writer.send(target.member.address, [this.#writer.ping(seq, request.target)]);
  }

  due(now: Instant): void {
    for (const seq of this.#deadlines.due(now)) this.#late(seq, now);
  }

  /** Passes an ack on. False when it answers no relayed probe. */
  acked(seq: number, sender: Identity): boolean {
    const relay = this.#relays.get(seq);
    if (!relay || relay.target !== sender.id) return false;
    this.#relays.delete(seq);
    this.#deadlines.delete(seq);
    this.#roster.table.prove(sender.id);
    this.#writer.answer(relay.requester, encodeMessage({ kind: 'ack', seq: relay.seq, stranger: false }), [], relay.budget);
    return true;
  }

  postpone(ms: number): void {
    this.#deadlines.postpone(ms);
  }

  clear(): void {
    this.#relays.clear();
    this.#deadlines.clear();
  }

  #late(seq: number, now: Instant): void {
    const relay = this.#relays.get(seq);
    if (!relay) return;
    if (relay.nacked) return void this.#relays.delete(seq);
    relay.nacked = true;
    // A late answer is still worth passing on for a while.
    this.#deadlines.set(seq, plusMs(now, this.#context.options.timeoutMs));
    this.#writer.answer(relay.requester, encodeMessage({ kind: 'nack', seq: relay.seq }), [], relay.budget);
  }
}
