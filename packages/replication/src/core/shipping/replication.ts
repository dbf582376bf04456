import { assert, EngramError, plusMs, unreachable, type Core, type Instant, type Random, type Wake } from '@engram/kernel';
import type { Checksum } from '../checksum.js';
import type { LogEntry } from '../entry.js';
import { lsn, plus, type Lsn } from '../lsn.js';
import { decodeMessage } from './codec.js';
import { Counters, type CountersSnapshot } from './counters.js';
import { EntryChecksum } from './entry-checksum.js';
import { Follower } from './follower.js';
import { lagOf, watchLag, type PeerLag } from './lag.js';
import { Leader } from './leader.js';
import type { Position } from './lineage.js';
import { LogWriter } from './log-writer.js';
import type { AppliedEntry, CopyRecord, LoggedEntry, ReplicationEffect, ReplicationEvent, SessionToken } from './messages.js';
import { Offers } from './offers.js';
import { resolveReplicationOptions, type ReplicationOptions } from './options.js';
import { PartitionCopy } from './partition-copy.js';
import { Peers, type Peer } from './peers.js';
import { RecentEntries } from './recent-entries.js';
import { copyOf, type Identity, type Shared } from './shared.js';
import { Shipper } from './shipper.js';
import { entryComplaint, holdersOf, type PartitionEntry } from './table.js';
import { Waiters } from './waiters.js';
import { protocolVersion, type AppendedItem, type WireMessage } from './wire.js';

type EventOf<K extends ReplicationEvent['kind']> = Extract<ReplicationEvent, { kind: K }>;

/** What a node finds when it starts. */
export interface ReplicationStart {
  readonly records: Iterable<CopyRecord>;
  /** All entries that the log holds, in order: those newer than their partition's record are added to it. */
  readonly entries: Iterable<LoggedEntry>;
  /** Where the next entry goes. */
  readonly nextLsn: Lsn;
}

/** Of a node whose disk is empty. */
export const emptyStart: ReplicationStart = Object.freeze({ records: [], entries: [], nextLsn: lsn(1) });

/** How one partition is doing on this node. */
export interface PartitionStatus {
  readonly partition: number;
  readonly role: 'primary' | 'replica' | 'idle';
  readonly epoch: number;
  readonly promised: number;
  readonly position: Position;
  readonly committed: number;
  /** Where the primary's log ended when we last heard of it. */
  readonly primarySeq: number;
  readonly heardAt: Instant | undefined;
  readonly entriesSetAside: number;
}

/** How replication is doing on this node. */
export interface ReplicationStatus {
  readonly partitions: readonly PartitionStatus[];
  readonly peers: readonly (PeerLag & { readonly connected: boolean; /** Since `lag-high`, until `lag-normal`. */ readonly isLagging: boolean; readonly inFlightEntries: number; readonly inFlightBytes: number })[];
  /** Entries that this node has as a primary and a quorum has not: what would be at stake if its disk were lost now. */
  readonly unshippedEntries: number;
  /** What is held in memory; each has a bound in the options. */
  readonly held: { readonly recentEntries: number; readonly recentBytes: number; readonly queuedBytes: number; readonly pending: number; readonly waiters: number };
}

/**
 * The replication of one node: every partition it holds a copy of, every node it talks to. All control flow is here; what
 * a primary does is in `leader.ts`, what a copy does in `follower.ts`, how entries get to peers in `shipper.ts`.
 *
 * ```text
 * client  append ─▶ leader ─▶ log writer ─▶ append-log … appended ─▶ landed ─▶ apply
 *                     ▲                                                │
 *         acknowledged└── count ◀── appended ◀── peer ◀── entries ◀── shipper (recent | log | snapshot)
 * ```
 */
export class ReplicationCore implements Core<ReplicationEvent, ReplicationEffect> {
  readonly #shared: Shared;
  readonly #peers: Peers;
  readonly #shipper: Shipper;
  readonly #leader: Leader;
  readonly #follower: Follower;
  readonly #offers: Offers;
  readonly #waiters: Waiters;
  #effects: ReplicationEffect[] = [];
  #lastId = 0;
  #nextLsn: Lsn;
  #heartbeatAt: Instant | undefined;

  /** @param checksum CRC-32; `crc32` of `node:zlib` */
  constructor(self: Identity, random: Random, checksum: Checksum, start: ReplicationStart, options: ReplicationOptions = {}) {
    const resolved = resolveReplicationOptions(options);
    const effects = (): ReplicationEffect[] => this.#effects;
    this.#shared = {
      self, random, options: resolved, checksum: new EntryChecksum(checksum), copies: new Map(), records: new Map(), writer: new LogWriter(),
      recent: new RecentEntries(resolved.ringEntries, resolved.ringBytes), counters: new Counters(), nextId: () => ++this.#lastId,
      get effects() {
        return effects();
      },
    };
    this.#peers = new Peers(this.#shared, (peer, stream) => this.#lost(peer, stream));
    this.#shipper = new Shipper(this.#shared, this.#peers);
    this.#leader = new Leader(this.#shared, this.#peers, this.#shipper);
    this.#follower = new Follower(this.#shared, this.#peers, this.#leader);
    this.#offers = new Offers(this.#shared, this.#peers, this.#leader);
    this.#waiters = new Waiters(this.#shared);
    this.#nextLsn = start.nextLsn;
    for (const record of start.records) this.#shared.copies.set(record.partition, new PartitionCopy(record.partition, record));
    for (const { lsn: at, entry } of start.entries) copyOf(this.#shared, entry.partition).replay(entry, at);
  }

  handle(event: ReplicationEvent | Wake, now: Instant): readonly ReplicationEffect[] {
    this.#effects = [];
    switch (event.kind) {
      case 'wake':             break;
      case 'table-changed':    this.#tableChanged(event.entries, now); break;
      case 'lease':            this.#leader.setLease(event.validUntil, now); break;
      case 'batch-entries':    this.#shared.options = resolveReplicationOptions({ ...this.#shared.options, batchEntries: event.entries }); break;
      case 'append':           this.#leader.append(event, now); break;
      case 'confirm':          this.#leader.confirm(event, now); break;
      case 'await-position':   this.#waiters.add(event, now); break;
      case 'fence-copies':     this.#fenceCopies(event, now); break;
      case 'appended':         this.#appended(event, now); break;
      case 'append-failed':    this.#appendFailed(event); break;
      case 'persisted':        this.#persisted(event.id); break;
      case 'log-read':         this.#logRead(event, now); break;
      case 'log-read-failed':  this.#logReadFailed(event.id, event.message); break;
      case 'log-trimmed':      this.#logTrimmed(event.first); break;
      case 'stream-opened':    this.#peers.opened(event.peer, event.stream, now); break;
      case 'stream-failed':    this.#peers.failed(event.peer, now); break;
      case 'stream-accepted':  this.#peers.accepted(event.stream, now); break;
      case 'stream-received':  this.#received(event.stream, event.bytes, now); break;
      case 'stream-closed':    this.#peers.closed(event.stream, now); break;
      case 'snapshot-read':    for (const peer of this.#peers.all) this.#shipper.snapshotRead(peer, event.id, event.bytes, event.next, now); break;
      case 'snapshot-failed':  for (const peer of this.#peers.all) this.#shipper.snapshotFailed(peer, event.id); break;
      case 'installed':        this.#installed(event.id); break;
      case 'install-failed':   this.#follower.installFailed(event.id); break;
      default:                 unreachable(event);
    }
    this.#due(now);
    this.#flush(now);
    return this.#effects;
  }

  nextWake(): Instant | undefined {
    let next = earliest(earliest(this.#heartbeatAt, this.#leader.nextDeadline()), earliest(this.#waiters.nextDeadline(), this.#peers.nextRetry()));
    for (const peer of this.#peers.all) next = earliest(next, this.#shipper.nextWake(peer));
    return next;
  }

  /** How every partition and peer is doing. Walks all of them, so it is for status pages and metrics and not for each request. */
  status(now: Instant): ReplicationStatus {
    const copies = [...this.#shared.copies.values()];
    return {
      partitions: copies.map((copy) => this.partition(copy.partition)!),
      peers: [...this.#peers.all].map((peer) => ({ ...lagOf(this.#shared, peer.node, now), connected: peer.storage !== undefined, isLagging: peer.lagHigh, inFlightEntries: peer.inFlightEntries, inFlightBytes: peer.inFlightBytes })),
      unshippedEntries: copies.reduce((sum, { reign, durable }) => sum + (reign === undefined ? 0 : durable - Math.max(reign.committed, reign.openSeq - 1)), 0),
      held: { recentEntries: this.#shared.recent.entries, recentBytes: this.#shared.recent.bytes, queuedBytes: this.#shared.writer.bytes, pending: this.#leader.pending, waiters: this.#waiters.size },
    };
  }

  /** How one partition is doing; undefined when this node knows nothing of it. */
  partition(partition: number): PartitionStatus | undefined {
    const copy = this.#shared.copies.get(partition);
    if (copy === undefined) return undefined;
    return {
      partition, role: copy.reign !== undefined ? 'primary' : copy.following !== undefined ? 'replica' : 'idle', epoch: copy.reign?.epoch ?? copy.following?.epoch ?? copy.entry?.epoch ?? 0,
      promised: copy.promised, position: copy.position, committed: copy.committed, primarySeq: copy.reign === undefined ? copy.primarySeq : copy.durable, heardAt: copy.heardAt, entriesSetAside: copy.tails.entries,
    };
  }

  /** Whether this node has applied what a token stands for. `await-position` waits for it. */
  hasApplied(token: SessionToken): boolean {
    return this.#shared.copies.get(token.partition)?.hasApplied(token) === true;
  }

  /** Counts since the start. */
  counters(): CountersSnapshot {
    return this.#shared.counters.snapshot();
  }

  /** The records of all partitions, to be made durable before the log is cut. */
  records(): readonly CopyRecord[] {
    return [...this.#shared.copies.values()].map((copy) => copy.record());
  }

  /**
   * What the log is still needed for. Below `needed` nobody will ask for entries; between it and `mustKeep` a snapshot
   * serves instead, at a price; what stands from `mustKeep` on is a tail that was set aside or may be, because no quorum
   * has it yet. So a log grows, beyond any limit on its bytes, while writes are taken at `local` and nobody can be reached.
   */
  retainFrom(): { readonly needed: Lsn; readonly mustKeep: Lsn } {
    let needed: Lsn = this.#nextLsn;
    let mustKeep: Lsn = this.#nextLsn;
    const lower = (a: Lsn, b: Lsn | undefined): Lsn => (b === undefined || a < b ? a : b);
    for (const copy of this.#shared.copies.values()) {
      mustKeep = lower(mustKeep, copy.tails.lsn);
      // What no quorum has may yet be set aside, and then only the log has it in a form that can be offered.
      if (copy.committed < copy.durable) mustKeep = lower(mustKeep, copy.marks.from(copy.committed + 1));
      for (const { acked } of copy.reign?.cursors.values() ?? []) if (acked < copy.durable) needed = lower(needed, copy.marks.floor(acked + 1));
    }
    return { needed: lower(needed, mustKeep), mustKeep };
  }

  #tableChanged(entries: readonly PartitionEntry[], now: Instant): void {
    let changed = false;
    for (const entry of entries) {
      const complaint = entryComplaint(entry);
      if (complaint !== undefined) throw new EngramError('invalid_argument', `the table's entry of partition ${entry.partition} in epoch ${entry.epoch} is impossible: ${complaint}`);
      const copy = copyOf(this.#shared, entry.partition);
      if (copy.entry !== undefined && entry.epoch <= copy.entry.epoch) continue;
      copy.entry = entry;
      changed = true;
      for (const { node } of holdersOf(entry)) this.#peers.want(node, now);
      this.#leader.consider(copy, now);
    }
    if (changed) this.#peers.keep(new Set([...this.#shared.copies.values()].flatMap(({ entry }) => (entry === undefined ? [] : holdersOf(entry).map(({ node }) => node)))));
    this.#heartbeatAt ??= plusMs(now, this.#shared.options.heartbeatMs);
  }

  #fenceCopies({ partition, epoch, nodes }: EventOf<'fence-copies'>, now: Instant): void {
    for (const node of nodes) {
      const peer = this.#peers.want(node, now);
      if (peer === undefined) this.#follower.fence(undefined, partition, epoch);
      else this.#peers.send(peer, { kind: 'fence', partition, epoch });
    }
  }

  /** The heart of it: entries are durable here. They are applied, shipped on, and said to be so. */
  #appended({ id, first }: EventOf<'appended'>, now: Instant): void {
    const entries = this.#shared.writer.done(id);
    assert(first >= this.#nextLsn, 'the log gives out rising positions', { first, expected: this.#nextLsn });
    const applied: AppliedEntry[] = [];
    const touched = new Set<PartitionCopy>();
    for (const [index, entry] of entries.entries()) {
      const copy = this.#shared.copies.get(entry.partition)!;
      const at = plus(first, index);
      const operation = copy.landed(entry, at);
      applied.push({ lsn: at, partition: entry.partition, epoch: entry.epoch, seq: entry.seq, hlc: entry.hlc, origin: entry.origin, operation });
      if (copy.reign !== undefined) this.#shared.recent.push(entry, now);
      touched.add(copy);
    }
    this.#nextLsn = plus(first, entries.length);
    this.#effects.push({ kind: 'apply', entries: applied });
    const acks = new Map<number, AppendedItem[]>();
    for (const copy of touched) {
      this.#landed(copy, acks, now);
      this.#waiters.advanced(copy);
    }
    for (const [stream, items] of acks) this.#peers.reply(stream, { kind: 'appended', items });
  }

  #installed(id: number): void {
    const copy = this.#follower.installed(id);
    if (copy !== undefined) this.#waiters.advanced(copy);
  }

  #landed(copy: PartitionCopy, acks: Map<number, AppendedItem[]>, now: Instant): void {
    if (copy.reign !== undefined) this.#leader.landed(copy, now);
    else if (copy.following !== undefined) {
      const { stream, epoch } = copy.following;
      const items = acks.get(stream) ?? [];
      items.push({ partition: copy.partition, epoch, seq: copy.durable });
      acks.set(stream, items);
    }
    this.#follower.settle(copy);
  }

  #appendFailed({ id, indeterminate, message }: EventOf<'append-failed'>): void {
    const entries: readonly LogEntry[] = this.#shared.writer.failed(id);
    if (indeterminate) this.#leader.fail();
    for (const partition of new Set(entries.map((entry) => entry.partition))) {
      const copy = this.#shared.copies.get(partition)!;
      // What nobody knows to be in the log or not must not be numbered anew: then this copy stays as it is for good.
      if (!indeterminate) copy.dropQueued();
      this.#leader.dropped(copy, indeterminate, message);
      this.#follower.dropped(copy);
      this.#follower.settle(copy);
    }
  }

  #persisted(id: number): void {
    const copy = this.#shared.records.get(id);
    assert(copy !== undefined, 'only a record that was asked for is durable', { id });
    this.#shared.records.delete(id);
    copy.recorded = Math.max(copy.recorded, id);
    this.#follower.settle(copy);
  }

  #logRead({ id, entries, next, end }: EventOf<'log-read'>, now: Instant): void {
    for (const peer of this.#peers.all) this.#shipper.logRead(peer, id, entries, next, end);
    for (const copy of this.#offers.reading(id)) this.#offers.logRead(copy, id, entries, next, end, now);
  }

  #logReadFailed(id: number, message: string): void {
    for (const peer of this.#peers.all) this.#shipper.logReadFailed(peer, id, message);
    for (const copy of this.#offers.reading(id)) this.#offers.logReadFailed(copy, id);
  }

  #logTrimmed(first: Lsn): void {
    for (const copy of this.#shared.copies.values()) copy.marks.trim(first);
  }

  #received(stream: number, bytes: Uint8Array, now: Instant): void {
    const outcome = decodeMessage(bytes);
    const peer = this.#peers.byStream(stream);
    if (peer === undefined && !this.#peers.isStranger(stream)) return;
    if (outcome.kind === 'other-version') return this.#peers.refuse(stream, 'other-version', `protocol version ${protocolVersion}`, `protocol version ${outcome.theirs}`, now);
    if (outcome.kind === 'malformed') {
      this.#shared.counters.messagesMalformed++;
      return this.#peers.refuse(stream, 'malformed', 'a message of replication', outcome.reason, now);
    }
    const { message } = outcome;
    if (peer !== undefined) peer.heardAt = now;
    if (message.kind === 'goodbye') return this.#goodbye(stream, peer, message, now);
    if (message.kind === 'hello') return this.#hello(stream, message, now);
    // Until it has said who it is, nothing it says is listened to.
    if (peer?.storage === undefined) return this.#peers.refuse(stream, 'malformed', 'hello first', message.kind, now);
    this.#dispatch(peer, peer.storage, stream, message, now);
  }

  #dispatch(peer: Peer, storage: string, stream: number, message: Exclude<WireMessage, { kind: 'hello' | 'goodbye' }>, now: Instant): void {
    switch (message.kind) {
      case 'lineages':       return this.#follower.lineages(stream, message.items);
      case 'positions':      return this.#leader.positions(peer, message.items, now);
      case 'entries':        return this.#follower.entries(peer, stream, message.groups, now);
      case 'appended':       return this.#leader.appended(peer, message.items, now);
      case 'refused':        return this.#leader.refused(peer, message);
      case 'fence':          return this.#follower.fence(stream, message.partition, message.epoch);
      case 'fenced':         return this.#follower.fenced(peer.node, storage, message);
      case 'offer':          return this.#leader.takeUp(peer, message);
      case 'offered':        return this.#offered(message.partition, message.id, now);
      case 'snapshot-begin': return this.#follower.snapshotBegin(stream, message);
      case 'snapshot-chunk': return this.#follower.snapshotChunk(stream, message);
      case 'snapshot-end':   return this.#follower.snapshotEnd(stream, message);
      case 'snapshot-ack':   return this.#shipper.snapshotAcked(peer, message.partition, message.epoch, message.cursor, message.outcome);
      case 'heartbeat':      return this.#follower.heartbeat(stream, message.items, now);
      default:               return unreachable(message);
    }
  }

  #hello(stream: number, message: Extract<WireMessage, { kind: 'hello' }>, now: Instant): void {
    const peer = this.#peers.greeted(stream, message, now);
    if (peer === undefined) return;
    this.#leader.greeted(peer);
    this.#offers.tick(now);
    this.#heartbeatAt ??= plusMs(now, this.#shared.options.heartbeatMs);
  }

  #goodbye(stream: number, peer: Peer | undefined, { reason, ours, theirs }: Extract<WireMessage, { kind: 'goodbye' }>, now: Instant): void {
    this.#effects.push({ kind: 'peer-refused', peer: peer?.node, reason: `${reason}, says the peer`, ours: theirs, theirs: ours });
    this.#peers.drop(stream, reason, now);
  }

  #offered(partition: number, id: number, now: Instant): void {
    const copy = this.#shared.copies.get(partition);
    if (copy !== undefined) this.#offers.offered(copy, id, now);
  }

  #lost(peer: Peer, stream: number): void {
    this.#shipper.lost(peer);
    this.#follower.lost(stream);
  }

  /** What time brings. */
  #due(now: Instant): void {
    this.#leader.expire(now);
    this.#waiters.expire(now);
    this.#peers.tick(now);
    if (this.#heartbeatAt === undefined || this.#heartbeatAt > now) return;
    this.#heartbeatAt = plusMs(now, this.#shared.options.heartbeatMs);
    this.#leader.tick(now);
    this.#offers.tick(now);
    for (const peer of this.#peers.all) watchLag(this.#shared, peer, now);
  }

  /** Whatever the event led to leaves together: one message to a peer, one append to the log. */
  #flush(now: Instant): void {
    for (const peer of this.#peers.all) this.#shipper.pump(peer, now);
    const { appendEntries, appendBytes } = this.#shared.options;
    const append = this.#shared.writer.next(appendEntries, appendBytes);
    if (append !== undefined) this.#effects.push({ kind: 'append-log', ...append });
  }
}

function earliest(a: Instant | undefined, b: Instant | undefined): Instant | undefined {
  if (a === undefined) return b;
  return b === undefined || a < b ? a : b;
}
