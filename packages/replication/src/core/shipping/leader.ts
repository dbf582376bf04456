import { assert, EngramError, hlcZero, plusMs, type Instant, type NodeId } from '@engram/kernel';
import type { LogEntry } from '../entry.js';
import { AckTracker, type PendingAck } from './ack-tracker.js';
import { Lineage } from './lineage.js';
import type { ReachedDurability, ReplicationEvent, WriteRefusal } from './messages.js';
import type { PartitionCopy } from './partition-copy.js';
import { epochOpenPayload, isControl, takenUpPayload } from './payload.js';
import type { Peer, Peers } from './peers.js';
import { newCursor, type Reign, type ReplicaCursor } from './reign.js';
import { fromWire, type Shared } from './shared.js';
import type { Shipper } from './shipper.js';
import { ackLevels, counts, holdersOf, reachedSeq, type AckLevel, type CopyHolder } from './table.js';
import type { AppendedItem, HeartbeatItem, LineageItem, PositionItem, RefusedMessage, WireMessage } from './wire.js';

type EventOf<K extends ReplicationEvent['kind']> = Extract<ReplicationEvent, { kind: K }>;
type MessageOf<K extends WireMessage['kind']> = Extract<WireMessage, { kind: K }>;

/** Steps of lineages in one message; far below what a message may hold. */
const stepsPerMessage = 16_384;

/** What this node does for the partitions it leads: opens epochs, takes writes, counts copies, answers. */
export class Leader {
  readonly #shared: Shared;
  readonly #peers: Peers;
  readonly #shipper: Shipper;
  #leaseUntil: Instant = 0 as Instant;
  #failed = false;
  /** All writes that wait, by deadline, which is also the order they came in. */
  #deadlines: PendingAck[] = [];
  #pending = 0;
  /** Offers that were taken up and are not committed yet, by partition. */
  readonly #offers = new Map<number, { readonly node: NodeId; readonly id: number; readonly seq: number }[]>();

  constructor(shared: Shared, peers: Peers, shipper: Shipper) {
    this.#shared = shared;
    this.#peers = peers;
    this.#shipper = shipper;
  }

  get pending(): number {
    return this.#pending;
  }

  /** Begins, changes or ends the reign as the table has it. */
  consider(copy: PartitionCopy, now: Instant): void {
    const { entry, reign } = copy;
    if (entry === undefined || this.#failed) return;
    const { nodeId, storageId } = this.#shared.self;
    if (entry.primary !== nodeId) return this.stepDown(copy);
    if (reign?.epoch === entry.epoch) return;
    if (!counts(entry, nodeId, storageId)) {
      this.stepDown(copy);
      return this.#cannotLead(copy, entry.epoch, 'other-storage');
    }
    if (entry.epoch < copy.promised) return this.#cannotLead(copy, entry.epoch, 'promised-higher');
    this.#beginReign(copy, now);
  }

  setLease(validUntil: Instant, now: Instant): void {
    if (this.#failed) return;
    this.#leaseUntil = validUntil;
    for (const copy of this.#shared.copies.values()) if (copy.reign !== undefined && copy.reign.acks.size > 0) this.#count(copy, now);
  }

  append({ request, partition, entries, level }: EventOf<'append'>, now: Instant): void {
    if (entries.length === 0 || entries.some(({ payload }) => isControl(payload))) {
      throw new EngramError('invalid_argument', 'an append needs at least one entry, and no payload may begin with the byte 0xc1, which marks entries of the protocol');
    }
    const copy = this.#shared.copies.get(partition);
    const refusal = this.#refusal(copy, now);
    if (refusal !== undefined) return void this.#shared.effects.push({ kind: 'refused', request, refusal });
    for (const { hlc, payload } of entries) this.#enqueue(copy!, { hlc, origin: this.#shared.self.nodeId, payload });
    this.#await(copy!, request, level, now);
  }

  /** Nothing to write, but everything so far must have reached the level. */
  confirm({ request, partition, level }: EventOf<'confirm'>, now: Instant): void {
    const copy = this.#shared.copies.get(partition);
    const refusal = this.#refusal(copy, now);
    if (refusal !== undefined) return void this.#shared.effects.push({ kind: 'refused', request, refusal });
    this.#await(copy!, request, level, now);
    this.#count(copy!, now);
  }

  /** Entries of this partition became durable here. */
  landed(copy: PartitionCopy, now: Instant): void {
    const reign = copy.reign!;
    if (!reign.open && copy.durable >= reign.openSeq) this.#opened(copy, reign);
    for (const cursor of reign.cursors.values()) {
      const peer = this.#peers.get(cursor.node);
      if (peer !== undefined) this.#shipper.advanced(peer, cursor);
    }
    this.#count(copy, now);
  }

  /** The log refused what was on its way. */
  dropped(copy: PartitionCopy, indeterminate: boolean, message: string): void {
    const { reign } = copy;
    if (reign === undefined) return;
    for (const pending of reign.acks.takeAfter(copy.durable)) {
      this.#settle(pending);
      this.#shared.effects.push(
        indeterminate
          ? { kind: 'indeterminate', request: pending.request, reason: 'log-failed', durability: this.#durability(copy, pending) }
          : { kind: 'refused', request: pending.request, refusal: { reason: 'log', message } },
      );
    }
    // An epoch whose opening was refused is opened again at the next heartbeat.
    if (!reign.open) this.#endReign(copy);
  }

  /** The log can be trusted no more: nothing is acknowledged by this process again. */
  fail(): void {
    this.#failed = true;
    this.#leaseUntil = 0 as Instant;
  }

  /** A peer can be talked to: it learns where our logs are. */
  greeted(peer: Peer): void {
    this.#announce(peer);
  }

  positions(peer: Peer, items: readonly PositionItem[], now: Instant): void {
    for (const item of items) {
      const copy = this.#shared.copies.get(item.partition);
      const cursor = copy?.reign?.epoch === item.epoch ? copy.reign.cursors.get(peer.node) : undefined;
      // A copy that claims more than we have durably does not follow us.
      if (copy === undefined || cursor === undefined || item.seq > copy.durable) continue;
      cursor.counted = peer.storage === cursor.storage;
      this.#shipper.attached(peer, copy, cursor, item.seq, item.resume);
      this.#checkReady(peer, copy, cursor);
      this.#count(copy, now);
    }
  }

  appended(peer: Peer, items: readonly AppendedItem[], now: Instant): void {
    for (const { partition, epoch, seq } of items) {
      const copy = this.#shared.copies.get(partition);
      const cursor = copy?.reign?.epoch === epoch ? copy.reign.cursors.get(peer.node) : undefined;
      if (copy === undefined || cursor === undefined || cursor.mode === 'detached' || seq > copy.durable || seq <= cursor.acked) continue;
      this.#shipper.acked(peer, cursor, seq);
      this.#checkReady(peer, copy, cursor);
      this.#count(copy, now);
    }
  }

  refused(peer: Peer, { partition, epoch, reason, promised, seq }: RefusedMessage): void {
    const copy = this.#shared.copies.get(partition);
    const cursor = copy?.reign?.epoch === epoch ? copy.reign.cursors.get(peer.node) : undefined;
    if (copy === undefined || cursor === undefined) return;
    switch (reason) {
      case 'stale-epoch':
        if (cursor.mode === 'halted') return;
        this.#shipper.halt(peer, cursor);
        this.#shared.effects.push({ kind: 'superseded', partition, epoch, by: peer.node, promised });
        return;
      case 'corrupt':
        if (cursor.mode === 'detached' || seq > copy.durable || cursor.corruptAt === seq + 1) return this.#shipper.halt(peer, cursor);
        cursor.corruptAt = seq + 1;
        return this.#rewind(peer, copy, cursor, seq);
      case 'gap':
        if (cursor.mode === 'detached' || seq > copy.durable) return this.#shipper.halt(peer, cursor);
        return this.#rewind(peer, copy, cursor, seq);
      case 'not-attached':
      case 'disk':
        return this.#shipper.halt(peer, cursor);
    }
  }

  /** Takes up what of another's tail is not in our log yet. Returns whether it was ours to decide. */
  takeUp(peer: Peer, { partition, epoch, id, entries }: MessageOf<'offer'>): void {
    const copy = this.#shared.copies.get(partition);
    const reign = copy?.reign;
    if (copy === undefined || reign === undefined || !reign.open || reign.epoch !== epoch || this.#busy()) return;
    const whole: LogEntry[] = [];
    for (const wire of entries) {
      const entry = fromWire(this.#shared, partition, wire.seq, wire);
      if (entry === undefined) return void this.#shared.effects.push({ kind: 'corrupt-entry', peer: peer.node, partition, epoch: wire.epoch, seq: wire.seq });
      whole.push(entry);
    }
    this.takeUpEntries(copy, whole, peer.node);
    const waiting = this.#offers.get(partition) ?? [];
    this.#offers.set(partition, [...waiting.filter(({ node }) => node !== peer.node), { node: peer.node, id, seq: copy.lineage.seq }]);
    this.#answerOffers(copy, reign);
  }

  /** `entries` stand at their original places and carry operations. */
  takeUpEntries(copy: PartitionCopy, entries: readonly LogEntry[], from: NodeId): void {
    let taken = 0;
    for (const { epoch, seq, hlc, origin, payload } of entries) {
      const original = { epoch, seq };
      if (copy.holds(original)) continue;
      this.#enqueue(copy, { hlc, origin, payload: takenUpPayload(original, payload) });
      taken++;
    }
    if (taken === 0) return;
    this.#shared.counters.tailEntriesTakenUp += taken;
    this.#shared.effects.push({ kind: 'tail-taken-up', partition: copy.partition, from, entries: taken });
  }

  /** The partition has another primary, or this copy promised to listen to one. */
  stepDown(copy: PartitionCopy): void {
    const { reign } = copy;
    if (reign === undefined) return;
    for (const pending of reign.acks.clear()) {
      this.#settle(pending);
      this.#shared.effects.push({ kind: 'indeterminate', request: pending.request, reason: 'deposed', durability: this.#durability(copy, pending) });
    }
    this.#endReign(copy);
    this.#shared.effects.push({ kind: 'stepped-down', partition: copy.partition, epoch: reign.epoch, promised: copy.promised });
  }

  /** Every heartbeat: says what is committed, and tries again what was put off. */
  tick(now: Instant): void {
    const { nodeId } = this.#shared.self;
    for (const copy of this.#shared.copies.values()) {
      const { entry } = copy;
      if (copy.reign === undefined && entry?.primary === nodeId) this.consider(copy, now);
    }
    for (const peer of this.#peers.all) {
      if (peer.storage === undefined) continue;
      this.#announce(peer);
      this.#peers.send(peer, { kind: 'heartbeat', items: this.#heartbeatItems(peer) });
    }
  }

  /** Answers the writes whose time is over. */
  expire(now: Instant): void {
    let over = 0;
    while (over < this.#deadlines.length && (this.#deadlines[over]!.done || this.#deadlines[over]!.deadline <= now)) {
      const pending = this.#deadlines[over]!;
      over++;
      if (pending.done) continue;
      this.#settle(pending);
      const copy = this.#shared.copies.get(pending.partition)!;
      this.#shared.effects.push({ kind: 'indeterminate', request: pending.request, reason: 'timeout', durability: this.#durability(copy, pending) });
      copy.reign?.acks.take(pending.level, 0);
    }
    if (over > 0) this.#deadlines = this.#deadlines.slice(over);
  }

  nextDeadline(): Instant | undefined {
    return this.#deadlines[0]?.deadline;
  }

  #refusal(copy: PartitionCopy | undefined, now: Instant): WriteRefusal | undefined {
    const epoch = copy?.entry?.epoch ?? 0;
    if (this.#failed) return { reason: 'log', message: 'the log failed; restart the node' };
    if (copy?.reign === undefined) {
      const mine = copy?.entry?.primary === this.#shared.self.nodeId;
      return mine ? { reason: 'fenced', epoch, promised: copy.promised } : { reason: 'not-primary', primary: copy?.entry?.primary, epoch };
    }
    if (now >= this.#leaseUntil) return { reason: 'no-lease', epoch };
    return this.#busy() ? { reason: 'overloaded', epoch } : undefined;
  }

  #busy(): boolean {
    return this.#shared.writer.bytes >= this.#shared.options.queueBytes || this.#pending >= this.#shared.options.pendingMax;
  }

  #beginReign(copy: PartitionCopy, now: Instant): void {
    const entry = copy.entry!;
    const { nodeId } = this.#shared.self;
    this.#shipper.dropped(copy);
    copy.promised = entry.epoch;
    copy.following = undefined;
    copy.install = undefined;
    const acks = copy.reign?.acks ?? new AckTracker();
    const cursors = new Map<NodeId, ReplicaCursor>();
    const counting = holdersOf({ ...entry, learners: [] });
    for (const { node, storage } of holdersOf(entry)) {
      if (node === nodeId) continue;
      cursors.set(node, newCursor(copy.partition, node, storage, !counting.some((holder) => holder.node === node)));
      this.#peers.want(node, now);
    }
    // A primary that was restarted finds its epoch open and goes on in it: only what was durable here was ever shipped.
    if (copy.lineage.epoch !== entry.epoch) this.#enqueueIn(copy, entry.epoch, { hlc: hlcZero, origin: nodeId, payload: epochOpenPayload });
    const openSeq = copy.lineage.firstOf(entry.epoch)!;
    const reign: Reign = { entry, epoch: entry.epoch, openSeq, open: false, cursors, acks, committed: 0 };
    copy.reign = reign;
    if (copy.durable >= openSeq) {
      this.#opened(copy, reign);
      this.#count(copy, now);
    }
  }

  #opened(copy: PartitionCopy, reign: Reign): void {
    reign.open = true;
    this.#shared.effects.push({ kind: 'leading', partition: copy.partition, epoch: reign.epoch });
    for (const { node } of reign.cursors.values()) {
      const peer = this.#peers.get(node);
      if (peer?.storage !== undefined) this.#peers.send(peer, { kind: 'lineages', items: [lineageItem(copy)] });
    }
  }

  #endReign(copy: PartitionCopy): void {
    this.#shipper.dropped(copy);
    this.#shared.recent.drop(copy.partition);
    this.#offers.delete(copy.partition);
    copy.reign = undefined;
  }

  #cannotLead(copy: PartitionCopy, epoch: number, reason: 'other-storage' | 'promised-higher'): void {
    this.#shared.effects.push({ kind: 'cannot-lead', partition: copy.partition, epoch, reason, promised: copy.promised });
  }

  #enqueue(copy: PartitionCopy, entry: Pick<LogEntry, 'hlc' | 'origin' | 'payload'>): void {
    this.#enqueueIn(copy, copy.reign!.epoch, entry);
  }

  #enqueueIn(copy: PartitionCopy, epoch: number, { hlc, origin, payload }: Pick<LogEntry, 'hlc' | 'origin' | 'payload'>): void {
    const entry: LogEntry = { partition: copy.partition, epoch, seq: copy.lineage.seq + 1, hlc, origin, payload };
    copy.enqueue(entry);
    this.#shared.writer.push(entry);
  }

  #await(copy: PartitionCopy, request: number, level: AckLevel, now: Instant): void {
    const pending: PendingAck = { request, partition: copy.partition, seq: copy.lineage.seq, level, deadline: plusMs(now, this.#shared.options.ackTimeoutMs), done: false };
    copy.reign!.acks.add(pending);
    this.#deadlines.push(pending);
    this.#pending++;
  }

  #settle(pending: PendingAck): void {
    assert(!pending.done, 'a write is answered once', { request: pending.request });
    pending.done = true;
    this.#pending--;
  }

  /** How far each level has come; acknowledges what waited for it, as long as the lease holds. */
  #count(copy: PartitionCopy, now: Instant): void {
    const reign = copy.reign!;
    if (!reign.open) return;
    const durableAt = this.#durableAt(copy, reign);
    const quorum = reachedSeq(reign.entry, 'quorum', durableAt);
    if (quorum >= reign.openSeq && quorum > reign.committed) {
      reign.committed = quorum;
      copy.committed = Math.max(copy.committed, quorum);
      this.#answerOffers(copy, reign);
    }
    if (now >= this.#leaseUntil) return;
    for (const level of reign.acks.levels()) {
      const reached = level === 'quorum' ? quorum : reachedSeq(reign.entry, level, durableAt);
      if (reached < reign.openSeq) continue;
      for (const pending of reign.acks.take(level, reached)) {
        this.#settle(pending);
        const token = { partition: copy.partition, epoch: copy.lineage.epochAt(pending.seq), seq: pending.seq };
        this.#shared.effects.push({ kind: 'acknowledged', request: pending.request, token, durability: this.#durability(copy, pending) });
      }
    }
  }

  #durableAt(copy: PartitionCopy, reign: Reign): (holder: CopyHolder) => number {
    return ({ node, storage }) => {
      if (node === this.#shared.self.nodeId) return copy.durable;
      const cursor = reign.cursors.get(node);
      return cursor?.counted === true && cursor.storage === storage ? cursor.acked : 0;
    };
  }

  #durability(copy: PartitionCopy, { seq, level }: PendingAck): ReachedDurability {
    const { reign } = copy;
    if (reign === undefined) return { requested: level, reached: seq <= copy.durable ? 'local' : undefined, copies: seq <= copy.durable ? 1 : 0 };
    const durableAt = this.#durableAt(copy, reign);
    const reached = ackLevels.findLast((one) => reachedSeq(reign.entry, one, durableAt) >= seq);
    return { requested: level, reached, copies: holdersOf({ ...reign.entry, learners: [] }).filter((holder) => durableAt(holder) >= seq).length };
  }

  #checkReady(peer: Peer, copy: PartitionCopy, cursor: ReplicaCursor): void {
    if (cursor.readyTold || cursor.acked < cursor.target || (cursor.counted && !cursor.learner)) return;
    cursor.readyTold = true;
    this.#shared.effects.push({ kind: 'learner-ready', partition: copy.partition, node: peer.node, storage: peer.storage!, seq: cursor.acked });
  }

  #rewind(peer: Peer, copy: PartitionCopy, cursor: ReplicaCursor, seq: number): void {
    // What is queued at the copy is not durable there yet, so it is sent anew but not counted.
    const { acked } = cursor;
    this.#shipper.attached(peer, copy, cursor, seq, undefined);
    cursor.acked = Math.min(acked, seq);
  }

  #answerOffers(copy: PartitionCopy, reign: Reign): void {
    const waiting = this.#offers.get(copy.partition);
    if (waiting === undefined) return;
    for (const { node, id, seq } of waiting) {
      if (seq <= reign.committed) this.#peers.send(this.#peers.get(node), { kind: 'offered', partition: copy.partition, epoch: reign.epoch, id });
    }
    const left = waiting.filter(({ seq }) => seq > reign.committed);
    if (left.length > 0) this.#offers.set(copy.partition, left);
    else this.#offers.delete(copy.partition);
  }

  /** Tells the peer about those of our logs that it does not follow at present. */
  #announce(peer: Peer): void {
    let items: LineageItem[] = [];
    let steps = 0;
    for (const copy of this.#shared.copies.values()) {
      const cursor = copy.reign?.open === true ? copy.reign.cursors.get(peer.node) : undefined;
      if (cursor === undefined || (cursor.mode !== 'detached' && cursor.mode !== 'halted')) continue;
      cursor.mode = 'detached';
      items.push(lineageItem(copy));
      steps += 1 + copy.lineage.steps.length;
      if (steps < stepsPerMessage) continue;
      this.#peers.send(peer, { kind: 'lineages', items });
      items = [];
      steps = 0;
    }
    if (items.length > 0) this.#peers.send(peer, { kind: 'lineages', items });
  }

  #heartbeatItems(peer: Peer): readonly HeartbeatItem[] {
    const items: HeartbeatItem[] = [];
    for (const copy of this.#shared.copies.values()) {
      const cursor = copy.reign?.cursors.get(peer.node);
      if (cursor === undefined || cursor.mode === 'detached' || (cursor.toldCommitted === copy.reign!.committed && cursor.toldSeq === copy.durable)) continue;
      cursor.toldCommitted = copy.reign!.committed;
      cursor.toldSeq = copy.durable;
      items.push({ partition: copy.partition, epoch: copy.reign!.epoch, committed: copy.reign!.committed, seq: copy.durable });
    }
    return items;
  }
}

/** Our log as far as it is durable. */
function lineageItem(copy: PartitionCopy): LineageItem {
  const lineage = new Lineage(copy.lineage.steps, copy.lineage.seq);
  lineage.cut(copy.durable);
  return { partition: copy.partition, epoch: copy.reign!.epoch, seq: copy.durable, committed: copy.reign!.committed, lineage: lineage.steps };
}
