import { msBetween, plusMs, instant, type Instant, type NodeId, type Random } from '@engram/kernel';
import { encodeMessage } from './codec.js';
import { later } from './instants.js';
import type { ProbeOutcome } from './messages.js';
import type { OpenStreams } from './open-streams.js';
import type { PacketWriter } from './packet-writer.js';
import type { Roster } from './roster.js';
import { ShuffledRounds } from './shuffled-rounds.js';
import type { SwimContext } from './swim-context.js';

/** The one probe of the current period. */
interface Probe {
  readonly id: NodeId;
  readonly seq: number;
  readonly sentAt: Instant;
  /** When others are asked to help; undefined once they are. */
  askAt: Instant | undefined;
  readonly relays: Set<NodeId>;
  readonly nacks: Set<NodeId>;
}

/** A member that did not answer. */
export interface Unanswered {
  readonly id: NodeId;
  /** From when on its silence counts. */
  readonly since: Instant;
}

/**
 * One member is asked per period, in shuffled rounds (SWIM, section 4.3): first by datagram, then through others and by
 * stream. Whoever answered nothing by the end of the period is told of by `endPeriod`.
 */
export class Prober {
  readonly #context: SwimContext;
  readonly #roster: Roster;
  readonly #writer: PacketWriter;
  readonly #streams: OpenStreams;
  readonly #accusationOf: (id: NodeId, now: Instant) => readonly Uint8Array[];
  readonly rounds: ShuffledRounds;
  #probe: Probe | undefined;
  #periodEndAt = instant(0);

  /** `accusationOf` is what stands against a member; it hears that first (Lifeguard's buddy system). */
  constructor(context: SwimContext, roster: Roster, writer: PacketWriter, streams: OpenStreams, random: Random, accusationOf: (id: NodeId, now: Instant) => readonly Uint8Array[]) {
    this.#context = context;
    this.#roster = roster;
    this.#writer = writer;
    this.#streams = streams;
    this.#accusationOf = accusationOf;
    this.rounds = new ShuffledRounds(random);
  }

  get askAt(): Instant | undefined { return this.#probe?.askAt; }
  get periodEndAt(): Instant { return this.#periodEndAt; }

  start(now: Instant): void {
    this.#probe = undefined;
    this.#periodEndAt = plusMs(now, this.#context.random.float() * this.#context.options.periodMs);
  }

  cancel(): void {
    this.#probe = undefined;
  }

  /** Whoever it is about is not to be judged by it any more. */
  cancelProbeOf(id: NodeId): void {
    if (this.#probe?.id === id) this.#probe = undefined;
  }

  /** Whether it is the probe under way, of this member. */
  isAbout(seq: number, id: NodeId): boolean {
    return this.#probe?.seq === seq && this.#probe.id === id;
  }

  endPeriod(now: Instant): Unanswered | undefined {
    const probe = this.#probe;
    if (!probe) return undefined;
    const { stats, options } = this.#context;
    this.#probe = undefined;
    stats.probesFailed++;
    // Relays that are silent too make us doubt ourselves; with nobody to ask, a failure speaks against us a little.
    this.#context.feel(probe.relays.size > 0 ? probe.relays.size - probe.nacks.size : 1);
    this.#context.emit({ kind: 'probe-finished', member: probe.id, outcome: 'failed', rttMs: msBetween(probe.sentAt, now) });
    // Its silence began with the ping, unless it is we who were slow.
    const wasPunctual = msBetween(probe.sentAt, now) <= 1.1 * options.periodMs;
    return { id: probe.id, since: wasPunctual ? probe.sentAt : now };
  }

  beginPeriod(now: Instant): void {
    const { health, options, phase, random, stats } = this.#context;
    this.#periodEndAt = plusMs(now, health.stretch(options.periodMs));
    const id = phase === 'joined' ? this.rounds.next() : undefined;
    if (id === undefined) return;
    const { member } = this.#roster.known(id);
    const seq = random.uint32();
    this.#probe = { id, seq, sentAt: now, askAt: plusMs(now, health.stretch(options.timeoutMs)), relays: new Set(), nacks: new Set() };
    stats.probes++;
    this.#writer.sendWithNews(member.address, [this.#writer.ping(seq, id), ...this.#accusationOf(id, now)]);
  }

  /** No answer in time: others try, and so do we by stream. */
  askForHelp(now: Instant): void {
    const probe = this.#probe;
    if (probe?.askAt === undefined || probe.askAt > now) return;
    probe.askAt = undefined;
    const { options, random } = this.#context;
    const { member } = this.#roster.known(probe.id);
    const relays = this.#roster.table.reachable.pick(options.indirectProbes, random, (id) => id !== probe.id && this.#roster.known(id).member.state === 'alive');
    for (const id of relays) {
      probe.relays.add(id);
      this.#writer.sendWithNews(this.#roster.known(id).member.address, [encodeMessage({ kind: 'ping-req', seq: probe.seq, relay: id, target: probe.id })]);
    }
    if (options.streamProbes) this.#streams.open({ purpose: 'probe', to: member.address, seq: probe.seq }, [this.#writer.ping(probe.seq, probe.id), ...this.#accusationOf(probe.id, now)], now);
  }

  /** An answer to the probe under way, from its target or through a relay. Whom it proves to be alive, if anybody. */
  acked(seq: number, from: NodeId, outcome: Exclude<ProbeOutcome, 'failed'>, now: Instant): NodeId | undefined {
    const probe = this.#probe;
    if (probe?.seq !== seq || (from !== probe.id && !probe.relays.has(from))) return undefined;
    this.#probe = undefined;
    if (from === probe.id) this.#roster.table.prove(from);
    this.#context.feel(-1);
    this.#context.emit({ kind: 'probe-finished', member: probe.id, outcome: from === probe.id ? outcome : 'acked-by-relay', rttMs: msBetween(probe.sentAt, now) });
    return probe.id;
  }

  nacked(seq: number, from: NodeId): void {
    if (this.#probe?.seq === seq && this.#probe.relays.has(from)) this.#probe.nacks.add(from);
  }

  /** We were deaf until now: the probe gets its whole time once more. */
  giveTime(now: Instant): void {
    const probe = this.#probe;
    if (!probe) return;
    const { health, options: { timeoutMs, periodMs } } = this.#context;
    if (probe.askAt !== undefined) probe.askAt = later(probe.askAt, plusMs(now, health.stretch(timeoutMs)));
    this.#periodEndAt = later(this.#periodEndAt, plusMs(now, health.stretch(probe.askAt === undefined ? periodMs - timeoutMs : periodMs)));
  }
}
