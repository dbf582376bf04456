import { assert, plusMs, sometimes, type Instant } from '@engram/kernel';
import type { LogEntry } from '../entry.js';
import { lsn } from '../lsn.js';
import { Lineage, type Position } from './lineage.js';
import { weightOf } from './log-writer.js';
import type { LoggedEntry } from './messages.js';
import type { PartitionCopy } from './partition-copy.js';
import type { LogPass, Peer, Peers } from './peers.js';
import type { ReplicaCursor } from './reign.js';
import { TakenUpEntries } from './set-aside.js';
import { toWire, type Shared } from './shared.js';
import type { EntryGroup, SnapshotResume, WireEntry } from './wire.js';

/** A message in the making. */
interface Batch {
  readonly groups: Map<number, { readonly head: Omit<EntryGroup, 'entries'>; readonly entries: WireEntry[]; bytes: number; lastSeq: number }>;
  entries: number;
  bytes: number;
}

/**
 * Sends each peer what its copies lack, by the nearest way: recent entries from memory, older ones from the log in one
 * walk for all partitions that need it, and where the log does not reach back far enough, a snapshot. What is on its way
 * to a peer is bounded; a peer that does not acknowledge is simply not sent more.
 */
export class Shipper {
  readonly #shared: Shared;
  readonly #peers: Peers;
  /** Snapshots of all peers together leave at the configured rate. */
  #snapshotsFreeAt: Instant = 0 as Instant;

  constructor(shared: Shared, peers: Peers) {
    this.#shared = shared;
    this.#peers = peers;
  }

  /** The copy is attached, or reattached, and has all of our log up to `seq`. */
  attached(peer: Peer, copy: PartitionCopy, cursor: ReplicaCursor, seq: number, resume: SnapshotResume | undefined): void {
    this.#forget(peer, cursor);
    if (cursor.sent > seq) this.#shared.counters.entriesResent += cursor.sent - seq;
    cursor.acked = seq;
    cursor.sent = seq;
    if (cursor.target === Infinity) cursor.target = copy.durable;
    if (peer.snapshot?.partition === copy.partition) this.#endSnapshot(peer);
    this.#route(peer, copy, cursor);
    if (cursor.mode === 'snapshot' && resume !== undefined && copy.lineage.has(resume.at) && resume.at.seq <= copy.durable && resume.at.seq > seq) this.#beginSnapshot(peer, copy, resume);
  }

  /** There is more to ship. */
  advanced(peer: Peer, cursor: ReplicaCursor): void {
    if (cursor.mode === 'live') peer.ready.add(cursor.partition);
  }

  acked(peer: Peer, cursor: ReplicaCursor, seq: number): void {
    cursor.acked = Math.max(cursor.acked, seq);
    cursor.sent = Math.max(cursor.sent, cursor.acked);
    while (cursor.inFlight.length > 0 && cursor.inFlight[0]!.lastSeq <= cursor.acked) {
      const { entries, bytes } = cursor.inFlight.shift()!;
      peer.inFlightEntries -= entries;
      peer.inFlightBytes -= bytes;
    }
  }

  /** Nothing is sent to this copy until it attaches again. */
  halt(peer: Peer, cursor: ReplicaCursor): void {
    this.#forget(peer, cursor);
    cursor.mode = 'halted';
    if (peer.snapshot?.partition === cursor.partition) this.#endSnapshot(peer);
  }

  /** The stream is gone, and with it what was on its way. */
  lost(peer: Peer): void {
    for (const { reign } of this.#shared.copies.values()) {
      const cursor = reign?.cursors.get(peer.node);
      if (cursor === undefined) continue;
      this.#forget(peer, cursor);
      cursor.mode = 'detached';
    }
    if (peer.snapshot !== undefined) this.#endSnapshot(peer);
    peer.pass = undefined;
    assert(peer.inFlightEntries === 0 && peer.inFlightBytes === 0, 'a lost stream leaves nothing in the window', { entries: peer.inFlightEntries });
  }

  /** This node leads the partition no more: whatever was planned for its copies is off. */
  dropped(copy: PartitionCopy): void {
    for (const cursor of copy.reign?.cursors.values() ?? []) {
      const peer = this.#peers.get(cursor.node);
      if (peer === undefined) continue;
      this.#forget(peer, cursor);
      if (peer.snapshot?.partition === copy.partition) this.#endSnapshot(peer);
    }
  }

  /** Sends what the peer's window lets through. */
  pump(peer: Peer, now: Instant): void {
    if (peer.storage === undefined) return;
    while (this.#windowOpen(peer)) {
      const batch: Batch = { groups: new Map(), entries: 0, bytes: 0 };
      this.#takeRecent(peer, batch);
      this.#takeLogged(peer, batch);
      if (batch.entries === 0) break;
      this.#ship(peer, batch);
    }
    if (peer.logging.size > 0) this.#read(peer);
    if (peer.snapshots.size > 0 && peer.snapshot === undefined) this.#nextSnapshot(peer);
    if (peer.snapshot?.state === 'throttled' && peer.snapshot.sendAt <= now) this.#sendChunk(peer, peer.snapshot);
  }

  /** Returns whether the answer was one that this peer waits for. */
  logRead(peer: Peer, id: number, entries: readonly LoggedEntry[], next: LogPass['at'], end: boolean): void {
    const { pass } = peer;
    if (pass?.id !== id) return;
    peer.pass = { ...pass, id: undefined, at: next, end, buffer: entries, taken: 0 };
  }

  /** What is damaged in our log is whole in our store: whoever was to be served from the one is served from the other. */
  logReadFailed(peer: Peer, id: number, reason: string): void {
    if (peer.pass?.id !== id) return;
    peer.pass = undefined;
    const partitions = [...peer.logging];
    peer.logging.clear();
    for (const partition of partitions) {
      const cursor = this.#cursor(peer, partition);
      if (cursor === undefined) continue;
      cursor.mode = 'snapshot';
      peer.snapshots.add(partition);
    }
    this.#shared.effects.push({ kind: 'log-unreadable', peer: peer.node, partitions: partitions.length, reason });
  }

  snapshotRead(peer: Peer, id: number, bytes: Uint8Array, next: string, now: Instant): void {
    const snapshot = peer.snapshot;
    if (snapshot?.id !== id || snapshot.state !== 'reading') return;
    snapshot.chunk = { bytes, next };
    snapshot.state = 'throttled';
    snapshot.sendAt = this.#snapshotsFreeAt > now ? this.#snapshotsFreeAt : now;
    this.#snapshotsFreeAt = plusMs(snapshot.sendAt, (bytes.length * 1_000) / this.#shared.options.snapshotBytesPerSecond);
  }

  snapshotFailed(peer: Peer, id: number): void {
    if (peer.snapshot?.id !== id) return;
    const cursor = this.#cursor(peer, peer.snapshot.partition);
    if (cursor !== undefined) this.halt(peer, cursor);
  }

  snapshotAcked(peer: Peer, partition: number, epoch: number, cursor: string, outcome: 'ok' | 'corrupt' | 'unexpected'): void {
    const snapshot = peer.snapshot;
    if (snapshot?.partition !== partition || snapshot.epoch !== epoch) return;
    if (outcome === 'unexpected') {
      // It attaches anew at the next heartbeat and says how far it came.
      const replica = this.#cursor(peer, partition);
      return replica === undefined ? this.#endSnapshot(peer) : this.halt(peer, replica);
    }
    if (snapshot.state !== 'unacknowledged') return;
    const { bytes, next } = snapshot.chunk!;
    if (outcome === 'corrupt') return this.#readChunk(snapshot);
    if (cursor !== next) return;
    snapshot.checksum = this.#chain(snapshot.checksum, bytes);
    snapshot.chunks++;
    snapshot.cursor = next;
    snapshot.chunk = undefined;
    if (next !== '') return this.#readChunk(snapshot);
    snapshot.state = 'ending';
    this.#peers.send(peer, { kind: 'snapshot-end', partition, epoch, chunks: snapshot.chunks, checksum: snapshot.checksum });
  }

  nextWake(peer: Peer): Instant | undefined {
    return peer.snapshot?.state === 'throttled' ? peer.snapshot.sendAt : undefined;
  }

  #windowOpen(peer: Peer): boolean {
    const { windowEntries, windowBytes } = this.#shared.options;
    if (peer.inFlightEntries >= windowEntries || peer.inFlightBytes >= windowBytes) sometimes('a window is full');
    return peer.inFlightEntries < windowEntries && peer.inFlightBytes < windowBytes;
  }

  #cursor(peer: Peer, partition: number): ReplicaCursor | undefined {
    return this.#shared.copies.get(partition)?.reign?.cursors.get(peer.node);
  }

  /** Chooses the way by which the copy gets its next entry. */
  #route(peer: Peer, copy: PartitionCopy, cursor: ReplicaCursor): void {
    const next = cursor.sent + 1;
    peer.logging.delete(copy.partition);
    peer.snapshots.delete(copy.partition);
    if (next > copy.durable || this.#shared.recent.get(copy.partition, next) !== undefined) {
      cursor.mode = 'live';
      peer.ready.add(copy.partition);
    } else if (copy.marks.floor(next) !== undefined) {
      sometimes('a copy is served from the log');
      cursor.mode = 'log';
      peer.logging.add(copy.partition);
    } else {
      cursor.mode = 'snapshot';
      peer.snapshots.add(copy.partition);
    }
  }

  #takeRecent(peer: Peer, batch: Batch): void {
    for (const partition of peer.ready) {
      const copy = this.#shared.copies.get(partition);
      const cursor = copy?.reign?.cursors.get(peer.node);
      // Taken out and, if there is more, put back behind the others.
      peer.ready.delete(partition);
      if (copy === undefined || cursor?.mode !== 'live') continue;
      while (cursor.sent < copy.durable) {
        const entry = this.#shared.recent.get(partition, cursor.sent + 1);
        if (entry === undefined) {
          this.#route(peer, copy, cursor);
          break;
        }
        if (!this.#add(peer, batch, copy, cursor, entry)) {
          peer.ready.add(partition);
          return;
        }
      }
    }
  }

  #takeLogged(peer: Peer, batch: Batch): void {
    const { pass } = peer;
    if (pass === undefined) return;
    for (; pass.taken < pass.buffer.length; pass.taken++) {
      const { entry } = pass.buffer[pass.taken]!;
      const copy = this.#shared.copies.get(entry.partition);
      const cursor = copy?.reign?.cursors.get(peer.node);
      // The log also holds tails that were set aside, and entries that the copy has.
      const wanted = copy !== undefined && cursor?.mode === 'log' && entry.seq === cursor.sent + 1 && entry.seq <= copy.durable && copy.lineage.epochAt(entry.seq) === entry.epoch;
      if (wanted && !this.#add(peer, batch, copy, cursor, entry)) return;
    }
  }

  /** False when it has no room any more. */
  #add(peer: Peer, batch: Batch, copy: PartitionCopy, cursor: ReplicaCursor, entry: LogEntry): boolean {
    const { batchEntries, batchBytes, windowEntries } = this.#shared.options;
    const weight = weightOf(entry);
    if (batch.entries >= batchEntries || peer.inFlightEntries + batch.entries >= windowEntries) return false;
    if (batch.entries > 0 && batch.bytes + weight > batchBytes) return false;
    let group = batch.groups.get(copy.partition);
    if (group === undefined) {
      const { epoch, committed } = copy.reign!;
      group = { head: { partition: copy.partition, epoch, firstSeq: entry.seq, prevEpoch: copy.lineage.epochAt(entry.seq - 1), committed }, entries: [], bytes: 0, lastSeq: 0 };
      batch.groups.set(copy.partition, group);
    }
    group.entries.push(toWire(this.#shared, entry));
    group.bytes += weight;
    group.lastSeq = entry.seq;
    batch.entries++;
    batch.bytes += weight;
    cursor.sent = entry.seq;
    return true;
  }

  #ship(peer: Peer, batch: Batch): void {
    const groups: EntryGroup[] = [];
    for (const [partition, { head, entries, bytes, lastSeq }] of batch.groups) {
      groups.push({ ...head, entries });
      const cursor = this.#cursor(peer, partition)!;
      cursor.inFlight.push({ lastSeq, entries: entries.length, bytes });
      cursor.toldCommitted = head.committed;
    }
    peer.inFlightEntries += batch.entries;
    peer.inFlightBytes += batch.bytes;
    this.#shared.counters.entriesShipped += batch.entries;
    this.#shared.counters.bytesShipped += batch.bytes;
    this.#peers.send(peer, { kind: 'entries', groups });
  }

  /** Goes on with the walk through the log when what was read is used up, or begins one. */
  #read(peer: Peer): void {
    const { pass } = peer;
    if (pass !== undefined && (pass.id !== undefined || pass.taken < pass.buffer.length)) return;
    this.#settleLogged(peer, pass);
    if (peer.logging.size === 0) {
      peer.pass = undefined;
      return;
    }
    const began = pass === undefined || pass.end ? new Map([...peer.logging].map((partition) => [partition, this.#cursor(peer, partition)!.sent])) : pass.began;
    const at = pass === undefined || pass.end ? this.#passStart(peer) : pass.at;
    const id = this.#shared.nextId();
    peer.pass = { id, at, end: false, buffer: [], taken: 0, began };
    const { batchBytes } = this.#shared.options;
    this.#shared.effects.push({ kind: 'read-log', id, from: at, partitions: [...peer.logging], entriesMax: this.#shared.options.batchEntries * 8, bytesMax: batchBytes });
  }

  #passStart(peer: Peer): LogPass['at'] {
    let at = Infinity;
    for (const partition of peer.logging) at = Math.min(at, this.#shared.copies.get(partition)!.marks.floor(this.#cursor(peer, partition)!.sent + 1) ?? 0);
    return lsn(at);
  }

  /** Who has caught up goes live; whom a whole walk gave nothing, because the log does not hold it, gets a snapshot. */
  #settleLogged(peer: Peer, pass: LogPass | undefined): void {
    for (const partition of [...peer.logging]) {
      const copy = this.#shared.copies.get(partition);
      const cursor = copy?.reign?.cursors.get(peer.node);
      if (copy === undefined || cursor?.mode !== 'log') {
        peer.logging.delete(partition);
        continue;
      }
      this.#route(peer, copy, cursor);
      if (cursor.mode === 'log' && pass?.end === true && pass.began.get(partition) === cursor.sent) {
        cursor.mode = 'snapshot';
        peer.logging.delete(partition);
        peer.snapshots.add(partition);
      }
    }
  }

  #nextSnapshot(peer: Peer): void {
    for (const partition of peer.snapshots) {
      const copy = this.#shared.copies.get(partition);
      if (copy?.reign?.cursors.get(peer.node)?.mode === 'snapshot') return this.#beginSnapshot(peer, copy, undefined);
      peer.snapshots.delete(partition);
    }
  }

  #beginSnapshot(peer: Peer, copy: PartitionCopy, resume: SnapshotResume | undefined): void {
    if (peer.snapshot !== undefined) return;
    peer.snapshots.delete(copy.partition);
    const at = resume?.at ?? snapshotPosition(copy, copy.reign!.cursors.get(peer.node)!.sent);
    const { epoch } = copy.reign!;
    const lineage = new Lineage(copy.lineage.steps, copy.lineage.seq);
    lineage.cut(at.seq);
    const takenUp = new TakenUpEntries(copy.takenUp.runs);
    takenUp.cut(at.seq);
    const id = this.#shared.nextId();
    const snapshot = { id, partition: copy.partition, epoch, at, cursor: resume?.cursor ?? '', chunks: resume?.chunks ?? 0, checksum: resume?.checksum ?? 0, state: 'reading' as const, chunk: undefined, sendAt: 0 as Instant };
    peer.snapshot = snapshot;
    this.#shared.counters.snapshotsSent++;
    this.#shared.effects.push({ kind: 'open-snapshot', id, partition: copy.partition });
    this.#peers.send(peer, { kind: 'snapshot-begin', partition: copy.partition, epoch, seq: at.seq, lineage: lineage.steps, takenUp: takenUp.runs, cursor: snapshot.cursor });
    this.#readChunk(peer.snapshot);
  }

  #readChunk(snapshot: NonNullable<Peer['snapshot']>): void {
    snapshot.state = 'reading';
    this.#shared.effects.push({ kind: 'read-snapshot', id: snapshot.id, cursor: snapshot.cursor, bytesMax: this.#shared.options.snapshotChunkBytes });
  }

  #sendChunk(peer: Peer, snapshot: NonNullable<Peer['snapshot']>): void {
    const { bytes, next } = snapshot.chunk!;
    snapshot.state = 'unacknowledged';
    this.#shared.counters.snapshotBytesSent += bytes.length;
    this.#peers.send(peer, { kind: 'snapshot-chunk', partition: snapshot.partition, epoch: snapshot.epoch, cursor: snapshot.cursor, next, bytes, checksum: this.#shared.checksum.ofBytes(bytes, 0) });
  }

  #chain(checksum: number, bytes: Uint8Array): number {
    return this.#shared.checksum.ofBytes(bytes, checksum);
  }

  #endSnapshot(peer: Peer): void {
    if (peer.snapshot === undefined) return;
    this.#shared.effects.push({ kind: 'close-snapshot', id: peer.snapshot.id });
    peer.snapshot = undefined;
  }

  /** Takes the cursor out of all plans and out of the window. */
  #forget(peer: Peer, cursor: ReplicaCursor): void {
    for (const { entries, bytes } of cursor.inFlight) {
      peer.inFlightEntries -= entries;
      peer.inFlightBytes -= bytes;
    }
    cursor.inFlight = [];
    peer.ready.delete(cursor.partition);
    peer.logging.delete(cursor.partition);
    peer.snapshots.delete(cursor.partition);
  }
}

/**
 * A snapshot stands for what a quorum has, so that no copy ever has to set aside what it has no log of. The log is never
 * cut beyond that (`retainFrom`): whatever it does not hold was committed. Only a copy that is there already and still
 * cannot be served from the log gets all that we have.
 */
function snapshotPosition(copy: PartitionCopy, sent: number): Position {
  const seq = Math.min(copy.durable, Math.max(copy.committed, (copy.marks.firstSeq ?? copy.durable + 1) - 1));
  return seq > sent ? { epoch: copy.lineage.epochAt(seq), seq } : copy.position;
}
