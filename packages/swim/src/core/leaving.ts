import { plusMs, type Instant, type NodeId } from '@engram/kernel';
import { sooner } from './instants.js';
import type { RequestId } from './messages.js';
import type { PacketWriter } from './packet-writer.js';
import type { Roster } from './roster.js';
import type { SwimContext } from './swim-context.js';

/** A goodbye under way: a few others are asked until they have confirmed it, or time is over. */
export class Leaving {
  readonly request: RequestId;
  readonly #context: SwimContext;
  readonly #roster: Roster;
  readonly #writer: PacketWriter;
  readonly #endAt: Instant;
  #tryAt: Instant;
  readonly #confirmed = new Set<NodeId>();
  readonly #asked = new Map<number, NodeId>();

  constructor(request: RequestId, context: SwimContext, roster: Roster, writer: PacketWriter, now: Instant) {
    this.request = request;
    this.#context = context;
    this.#roster = roster;
    this.#writer = writer;
    this.#endAt = plusMs(now, context.options.leaveTimeoutMs);
    this.#tryAt = now;
  }

  get tryAt(): Instant { return this.#tryAt; }
  get confirmed(): number { return this.#confirmed.size; }

  isOver(now: Instant): boolean {
    return now >= this.#endAt || this.isConfirmed;
  }

  get isConfirmed(): boolean {
    return this.#confirmed.size >= this.#confirmationsPossible();
  }

  /** A ping that carries the goodbye: its ack proves that one more peer knows. */
  sayGoodbye(now: Instant): void {
    const { options, random } = this.#context;
    const missing = this.#confirmationsPossible() - this.#confirmed.size;
    for (const id of this.#roster.table.reachable.pick(missing, random, (peer) => !this.#confirmed.has(peer))) {
      const peer = this.#roster.known(id).member;
      const seq = random.uint32();
      this.#asked.set(seq, id);
      this.#writer.sendWithNews(peer.address, [this.#writer.ping(seq, id), this.#roster.claimBytes(this.#roster.self.member.id, now)]);
    }
    this.#tryAt = sooner(this.#endAt, plusMs(now, options.timeoutMs));
  }

  acked(seq: number, by: NodeId): void {
    if (this.#asked.get(seq) === by) this.#confirmed.add(by);
  }

  #confirmationsPossible(): number {
    return Math.min(this.#context.options.leaveConfirmations, this.#roster.table.reachable.size);
  }
}
