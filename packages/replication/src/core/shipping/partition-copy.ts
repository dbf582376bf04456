import { assert, type Instant } from '@engram/kernel';
import type { LogEntry } from '../entry.js';
import { lsn, type Lsn } from '../lsn.js';
import { Lineage, type Position } from './lineage.js';
import { LogMarks } from './log-marks.js';
import type { CopyRecord } from './messages.js';
import { readPayload } from './payload.js';
import type { Reign } from './reign.js';
import { SetAsideTails, TakenUpEntries, type SetAside } from './set-aside.js';
import type { Install } from './snapshot-receiver.js';
import type { PartitionEntry } from './table.js';
import type { LineageItem } from './wire.js';

/** The primary this copy follows, over one stream. */
export interface Following {
  readonly stream: number;
  readonly epoch: number;
  /** Where the copy stood when it last asked for entries anew. What was on its way then is passed over in silence for a while. */
  asked: { readonly seq: number; readonly until: Instant } | undefined;
}

/** Something to do once everything queued before it is durable, and the record that it needs is too. */
export type Continuation =
  | { readonly kind: 'reconcile'; readonly stream: number; readonly item: LineageItem; readonly record: 0 }
  | { readonly kind: 'answer-position'; readonly stream: number; readonly epoch: number; readonly record: number }
  | { readonly kind: 'promise'; readonly stream: number | undefined; readonly epoch: number; readonly record: 0 }
  | { readonly kind: 'answer-fence'; readonly stream: number | undefined; readonly epoch: number; readonly record: number };

/** One partition on this node: how far its log has come, what it has promised, and what it holds besides. */
export class PartitionCopy {
  readonly partition: number;
  entry: PartitionEntry | undefined;
  /** Lower epochs are refused. Invariant: promised >= lineage.epoch. */
  promised = 0;
  /** The highest epoch that a record on its way to the disk, or the log itself, promises. */
  promiseRecorded = 0;
  /** The latest record that was asked for, and the latest that is durable. */
  recordAsked = 0;
  recorded = 0;
  /** What is in the log or on its way there. */
  readonly lineage = new Lineage();
  /** Everything up to here is durable and applied. Invariant: durable <= lineage.seq. */
  durable = 0;
  /** A quorum has everything up to here, as far as this node has heard. */
  committed = 0;
  /** Where the primary's log ended, and when we heard so. */
  primarySeq = 0;
  heardAt: Instant | undefined;
  /** The log's last entry of this partition that is part of the lineage or the record. */
  lastLsn: Lsn = lsn(0);
  readonly marks = new LogMarks();
  readonly tails = new SetAsideTails();
  readonly takenUp = new TakenUpEntries();
  reign: Reign | undefined;
  following: Following | undefined;
  install: Install | undefined;
  /** The last seq that was met in the log while this node started. */
  #replayed = 0;
  /** Done in order. */
  waiting: Continuation[] = [];

  constructor(partition: number, record?: CopyRecord) {
    this.partition = partition;
    if (record === undefined) return;
    this.lineage.replace(record.lineage, record.seq);
    this.durable = record.seq;
    this.promised = Math.max(record.promised, this.lineage.epoch);
    this.promiseRecorded = this.promised;
    this.lastLsn = record.lsn;
    this.tails.add(record.setAside);
    this.takenUp.replace(record.takenUp);
  }

  /** Nothing is on its way to the log. */
  get settled(): boolean {
    return this.durable === this.lineage.seq;
  }

  get position(): Position {
    return { epoch: this.lineage.epochAt(this.durable), seq: this.durable };
  }

  /** What is durable of this copy; what is on its way to the log is not part of it. */
  record(): CopyRecord {
    const lineage = new Lineage(this.lineage.steps, this.lineage.seq);
    const takenUp = new TakenUpEntries(this.takenUp.runs);
    lineage.cut(this.durable);
    takenUp.cut(this.durable);
    return { partition: this.partition, promised: this.promised, lineage: lineage.steps, seq: this.durable, lsn: this.lastLsn, setAside: this.tails.ranges, takenUp: takenUp.runs };
  }

  /** An entry goes to the log as the next of the lineage. */
  enqueue(entry: LogEntry): void {
    assert(entry.seq === this.lineage.seq + 1, 'entries of a partition go to the log in order', { partition: this.partition, seq: entry.seq, end: this.lineage.seq });
    this.lineage.extend(entry.epoch);
    const payload = readPayload(entry.payload);
    if (payload.kind === 'taken-up') this.takenUp.add(payload.original, entry.seq);
  }

  /** The log refused what was on its way. */
  dropQueued(): void {
    this.lineage.cut(this.durable);
    this.takenUp.cut(this.durable);
  }

  /**
   * The next entry is durable, at `at` in the log. Returns its operation, unless there is none or it was applied under an
   * earlier place. What was set aside and comes back this way is set aside no longer.
   */
  landed(entry: LogEntry, at: Lsn): Uint8Array | undefined {
    assert(entry.seq === this.durable + 1, 'entries of a partition become durable in order', { partition: this.partition, seq: entry.seq, durable: this.durable });
    this.durable = entry.seq;
    this.lastLsn = at;
    this.marks.add(entry.seq, at);
    const payload = readPayload(entry.payload);
    switch (payload.kind) {
      case 'epoch-open': {
        this.tails.remove({ epoch: entry.epoch, seq: entry.seq });
        return undefined;
      }
      case 'operation':  return this.tails.remove({ epoch: entry.epoch, seq: entry.seq }) ? undefined : payload.operation;
      case 'taken-up':   return this.tails.remove(payload.original) ? undefined : payload.operation;
    }
  }

  /** An entry of the log, in order, while this node starts: those newer than the record are added to it. */
  replay(entry: LogEntry, at: Lsn): void {
    const known = at <= this.lastLsn;
    if (known && this.lineage.epochAt(entry.seq) !== entry.epoch) return;
    // A snapshot leaves a hole behind it; what stands before the hole is of no use to anyone.
    if (entry.seq > this.#replayed + 1) this.marks.clear();
    this.#replayed = Math.max(this.#replayed, entry.seq);
    if (known) return this.marks.add(entry.seq, at);
    this.enqueue(entry);
    this.landed(entry, at);
    this.promised = Math.max(this.promised, entry.epoch);
    this.promiseRecorded = this.promised;
  }

  /** A snapshot of the primary's log up to `install.at` is in the store; the log goes on after it. */
  installed({ at, lineage, takenUp }: Install): void {
    assert(this.settled, 'a snapshot is installed when nothing is on its way to the log', { partition: this.partition });
    this.lineage.replace(lineage, at.seq);
    this.takenUp.replace(takenUp);
    this.durable = at.seq;
    this.marks.clear();
    for (const { original, from, to } of this.tails.ranges) {
      for (let seq = original.seq; seq <= original.seq + to - from; seq++) if (this.holds({ epoch: original.epoch, seq })) this.tails.remove({ epoch: original.epoch, seq });
    }
  }

  /** Whether the lineage holds the entry that was first written as `original`. */
  holds(original: Position): boolean {
    return this.lineage.has(original) || this.takenUp.has(original);
  }

  /** Whether this copy has applied it, wherever it stands. */
  hasApplied(position: Position): boolean {
    if (this.tails.has(position) || this.tails.originalOf(position) !== undefined || (position.seq <= this.durable && this.lineage.has(position))) return true;
    const run = this.takenUp.runs.find(({ epoch, from, to }) => epoch === position.epoch && from <= position.seq && position.seq <= to);
    return run !== undefined && run.at + position.seq - run.from <= this.durable;
  }

  /**
   * Everything beyond `seq` leaves the lineage, because the primary's log went another way. It stays in the log and is
   * remembered, to be offered to the primary.
   */
  setAsideAfter(seq: number): readonly SetAside[] {
    assert(this.settled, 'a tail is set aside when nothing is on its way to the log', { partition: this.partition });
    const from = this.marks.floor(seq + 1) ?? lsn(0);
    const tail: SetAside[] = [];
    for (let at = seq + 1; at <= this.durable; at++) {
      const epoch = this.lineage.epochAt(at);
      const original = this.takenUp.originalAt(at) ?? { epoch, seq: at };
      const last = tail.at(-1);
      const continues = last !== undefined && last.epoch === epoch && last.original.epoch === original.epoch && last.original.seq + at - last.from === original.seq;
      if (continues) tail[tail.length - 1] = { ...last, to: at };
      else tail.push({ epoch, from: at, to: at, original, lsn: from });
    }
    this.tails.add(tail);
    this.lineage.cut(seq);
    this.takenUp.cut(seq);
    this.marks.cut(seq);
    this.durable = seq;
    return tail;
  }
}
