import { plusMs, type Instant } from '@engram/kernel';
import type { LogEntry } from '../entry.js';
import type { Lsn } from '../lsn.js';
import type { Leader } from './leader.js';
import type { LoggedEntry } from './messages.js';
import type { PartitionCopy } from './partition-copy.js';
import { readPayload } from './payload.js';
import type { Peers } from './peers.js';
import { persist, toWire, type Shared } from './shared.js';
import { holdersOf } from './table.js';

/** One walk through a tail that was set aside. */
interface Walk {
  id: number;
  state: 'reading' | 'offered';
  at: Lsn;
  end: boolean;
  /** What was offered last, by its original place. */
  offered: readonly LogEntry[];
  epoch: number;
  /** Given up and begun anew when nothing has come of it. */
  until: Instant;
}

/**
 * Offers what was set aside to whoever leads the partition now, this node itself included, until it has it. A copy drops
 * the mark when an entry comes back in the primary's log; a node that is no copy any more, when the primary says that a
 * quorum has it.
 */
export class Offers {
  readonly #shared: Shared;
  readonly #peers: Peers;
  readonly #leader: Leader;
  readonly #walks = new Map<number, Walk>();

  constructor(shared: Shared, peers: Peers, leader: Leader) {
    this.#shared = shared;
    this.#peers = peers;
    this.#leader = leader;
  }

  /** Begins walks for tails that nobody is offering. */
  tick(now: Instant): void {
    for (const copy of this.#shared.copies.values()) {
      this.#retire(copy);
      if (copy.tails.ranges.length === 0) {
        this.#walks.delete(copy.partition);
        continue;
      }
      const walk = this.#walks.get(copy.partition);
      if (walk !== undefined && walk.until > now) continue;
      if (this.#audience(copy) !== undefined) this.#read(copy, copy.tails.lsn!, now);
    }
  }

  /** The copy whose walk waits for this read. */
  *reading(id: number): Generator<PartitionCopy> {
    for (const [partition, walk] of this.#walks) if (walk.id === id && walk.state === 'reading') yield this.#shared.copies.get(partition)!;
  }

  logRead(copy: PartitionCopy, id: number, entries: readonly LoggedEntry[], next: Lsn, end: boolean, now: Instant): void {
    const walk = this.#walks.get(copy.partition);
    if (walk?.id !== id || walk.state !== 'reading') return;
    walk.at = next;
    walk.end = end;
    const found = this.#found(copy, entries);
    const audience = this.#audience(copy);
    if (audience === undefined) return void this.#walks.delete(copy.partition);
    if (found.length === 0) return this.#goOn(copy, walk, now);
    if (audience === 'self') {
      this.#leader.takeUpEntries(copy, found, this.#shared.self.nodeId);
      return this.#goOn(copy, walk, now);
    }
    walk.state = 'offered';
    walk.offered = found;
    walk.epoch = copy.entry!.epoch;
    walk.until = plusMs(now, this.#shared.options.heartbeatMs * 4);
    this.#peers.send(this.#peers.get(copy.entry!.primary), {
      kind: 'offer', partition: copy.partition, epoch: walk.epoch, id, entries: found.map((entry) => ({ ...toWire(this.#shared, entry), seq: entry.seq })),
    });
  }

  logReadFailed(copy: PartitionCopy, id: number): void {
    if (this.#walks.get(copy.partition)?.id === id) this.#walks.delete(copy.partition);
  }

  /** A quorum has what we offered. */
  offered(copy: PartitionCopy, id: number, now: Instant): void {
    const walk = this.#walks.get(copy.partition);
    if (walk?.id !== id || walk.state !== 'offered' || copy.entry?.epoch !== walk.epoch) return;
    const isHolder = holdersOf(copy.entry).some(({ node }) => node === this.#shared.self.nodeId);
    if (!isHolder && copy.settled) {
      for (const { epoch, seq } of walk.offered) copy.tails.remove({ epoch, seq });
      persist(this.#shared, copy);
    }
    this.#goOn(copy, walk, now);
  }

  /**
   * The table has no place for this node any more, so no primary will compare logs with it: what it does not know to be
   * committed is offered. What the log does not hold any more was committed.
   */
  #retire(copy: PartitionCopy): void {
    if (copy.entry === undefined || copy.reign !== undefined || !copy.settled || copy.waiting.length > 0) return;
    if (holdersOf(copy.entry).some(({ node }) => node === this.#shared.self.nodeId)) return;
    const kept = Math.min(copy.durable, Math.max(copy.committed, (copy.marks.firstSeq ?? copy.durable + 1) - 1));
    if (kept === copy.durable) return;
    const from = { epoch: copy.lineage.epochAt(kept + 1), seq: kept + 1 };
    const to = copy.position;
    copy.following = undefined;
    copy.setAsideAfter(kept);
    persist(this.#shared, copy);
    this.#shared.counters.tailEntriesSetAside += to.seq - kept;
    this.#shared.effects.push({ kind: 'tail-set-aside', partition: copy.partition, entries: to.seq - kept, from, to });
  }

  /** Who is to be offered it; undefined while nobody can be. */
  #audience(copy: PartitionCopy): 'self' | 'peer' | undefined {
    const { entry } = copy;
    if (entry === undefined) return undefined;
    if (entry.primary === this.#shared.self.nodeId) return copy.reign?.open === true ? 'self' : undefined;
    return this.#peers.get(entry.primary)?.storage === undefined ? undefined : 'peer';
  }

  #goOn(copy: PartitionCopy, walk: Walk, now: Instant): void {
    // At the end of the log some may be on their way back to us still; what is not is found by the next walk.
    if (!walk.end) return this.#read(copy, walk.at, now);
    walk.state = 'offered';
    walk.offered = [];
    walk.until = plusMs(now, this.#shared.options.heartbeatMs);
  }

  #read(copy: PartitionCopy, from: Lsn, now: Instant): void {
    const { options } = this.#shared;
    const id = this.#shared.nextId();
    this.#walks.set(copy.partition, { id, state: 'reading', at: from, end: false, offered: [], epoch: 0, until: plusMs(now, options.heartbeatMs * 4) });
    this.#shared.effects.push({ kind: 'read-log', id, from, partitions: [copy.partition], entriesMax: options.batchEntries, bytesMax: options.batchBytes });
  }

  /** The operations among them that are set aside, at the places where they were first written. */
  #found(copy: PartitionCopy, entries: readonly LoggedEntry[]): readonly LogEntry[] {
    const found: LogEntry[] = [];
    for (const { entry } of entries) {
      const original = copy.tails.originalOf(entry);
      if (original === undefined) continue;
      const payload = readPayload(entry.payload);
      // The opening of a reign that is over says nothing to anyone.
      if (payload.kind === 'epoch-open') copy.tails.remove(original);
      else found.push({ ...entry, ...original, payload: payload.operation });
    }
    return found;
  }
}
