import { assert, instant, plusMs, unreachable, type Core, type Hlc, type Instant, type Wake } from '@engram/kernel';
import { AppendQueue, type SizedCall } from './append-queue.js';
import type { Checksum } from './checksum.js';
import { lsn, plus, type Lsn } from './lsn.js';
import type { AppendCall, DiskFault, LogEffect, LogEvent, LogState, Refusal } from './messages.js';
import { resolveLogOptions, type LogOptions } from './options.js';
import { FrameWriter, SEAL_BYTES } from './record.js';
import { deletableSegments, type SegmentSummary } from './retention.js';
import { encodeSegmentHeader, frameSeed, SEGMENT_HEADER_BYTES } from './segment-header.js';

/** Where the log stands when the core takes over: what recovery found, after it was repaired and synced. */
export interface LogStart {
  readonly logId: bigint;
  /** Oldest first; at least one, the last being the newest. */
  readonly segments: readonly SegmentSummary[];
  readonly nextLsn: Lsn;
  readonly hlcHighWater: Hlc;
  /** Nothing in the log is without proof of having been durable. */
  readonly sealed: boolean;
}

/** What is being written. Only `entries` has calls; the others carry no entry and cost no position. */
interface Group {
  readonly purpose: 'entries' | 'seal' | 'continued' | 'probe';
  readonly calls: readonly SizedCall[];
  readonly bytes: number;
  readonly segment: Segment;
}

type Segment = { -readonly [Key in keyof SegmentSummary]: SegmentSummary[Key] };

/** The one disk operation under way on the newest segments. */
type Step = 'idle' | 'opening' | 'writing' | 'syncing' | 'truncating' | 'finished';

/**
 * The write-ahead log as a state machine: it decides what is written where, when an append is acknowledged, when a
 * segment is finished, when one may go, and what a failing disk means.
 *
 * Group commit (DeWitt et al., "Implementation Techniques for Main Memory Database Systems", 1984): while one group is
 * written and synced, arriving appends gather; the next group takes them together.
 *
 * Three promises carry everything else. A group is written only after the one before it was synced, so the position a
 * group begins at proves that all before it is durable. An append is acknowledged only after `synced`. A group the disk
 * had no room for is cut off durably before its appends are refused, so that it cannot come back.
 */
export class WriteAheadLogCore implements Core<LogEvent, LogEffect> {
  readonly #checksum: Checksum;
  readonly #options: Required<LogOptions>;
  readonly #logId: bigint;
  readonly #segments: Segment[];
  readonly #queue: AppendQueue;
  readonly #writer: FrameWriter;
  #effects: LogEffect[] = [];
  #state: LogState = 'accepting';
  #reason = '';
  #step: Step = 'idle';
  #group: Group | undefined;
  /** Waits for the new segment that was found to be needed for it. */
  #held: readonly SizedCall[] | undefined;
  /** The position of the next entry. Everything before it is durable. */
  #nextLsn: Lsn;
  #hlcHighWater: Hlc;
  #sealed: boolean;
  /** Without appends in this process yet, the seal of what was recovered is due at once. */
  #sealAt = instant(0);
  #probeAt: Instant | undefined;
  #closing = false;
  /** The highest checkpoint so far, and the segment that is being deleted because of it. */
  #applied = lsn(0);
  #deleting: Lsn | undefined;

  constructor(checksum: Checksum, start: LogStart, options: LogOptions = {}) {
    assert(start.segments.length > 0, 'a log has at least one segment');
    this.#checksum = checksum;
    this.#options = resolveLogOptions(options);
    this.#logId = start.logId;
    this.#segments = start.segments.map((segment) => ({ ...segment }));
    this.#queue = new AppendQueue(this.#options);
    this.#writer = new FrameWriter(checksum);
    this.#nextLsn = start.nextLsn;
    this.#hlcHighWater = start.hlcHighWater;
    this.#sealed = start.sealed;
    assert(this.#newest().lastLsn === this.#nextLsn - 1, 'the newest segment ends where the log ends', { nextLsn: this.#nextLsn });
  }

  get state(): LogState { return this.#state; }
  get reason(): string { return this.#reason; }
  get firstLsn(): Lsn { return this.#segments[0]?.firstLsn ?? this.#nextLsn; }
  get nextLsn(): Lsn { return this.#nextLsn; }
  get durableLsn(): Lsn { return lsn(this.#nextLsn - 1); }
  /** Oldest first. `bytes` counts durable frames only, so it bounds what may be read. */
  get segments(): readonly SegmentSummary[] { return this.#segments; }
  /** Bytes of frames not yet acknowledged. */
  get queuedBytes(): number { return this.#queue.bytes + this.#inFlightBytes(); }

  handle(event: LogEvent | Wake, now: Instant): readonly LogEffect[] {
    this.#effects = [];
    this.#absorb(event, now);
    return this.#effects;
  }

  nextWake(): Instant | undefined {
    if (this.#step !== 'idle') return undefined;
    if (this.#state === 'full') return this.#probeAt;
    return this.#state === 'accepting' && !this.#sealed ? this.#sealAt : undefined;
  }

  #absorb(event: LogEvent | Wake, now: Instant): void {
    switch (event.kind) {
      case 'append':                return this.#accept(event.calls);
      case 'segment-opened':        return this.#afterOpen();
      case 'segment-open-failed':   return this.#openFailed(event.cause, event.message, now);
      case 'written':               return this.#afterWrite();
      case 'write-failed':          return this.#writeFailed(event.cause, event.message, now);
      case 'synced':                return this.#afterSync(now);
      case 'sync-failed':           return this.#fail(`syncing the log failed: ${event.message}`);
      case 'truncated':             return this.#afterTruncate();
      case 'truncate-failed':       return this.#fail(`cutting off an unfinished group failed: ${event.message}`);
      case 'segment-deleted':       return this.#afterDelete(event.segment);
      case 'segment-delete-failed': return this.#deleteFailed(event.message);
      case 'checkpoint':            return this.#deleteCovered(event.applied);
      case 'close':                 return this.#close();
      case 'wake':                  return this.#onWake(now);
      default:                      return unreachable(event);
    }
  }

  #accept(calls: readonly AppendCall[]): void {
    for (const call of calls) {
      const refusal = this.#refusalByState() ?? this.#queue.offer(call, this.#inFlightBytes());
      if (refusal) this.#rejectAll([call], refusal);
    }
    this.#proceed();
  }

  #refusalByState(): Refusal | undefined {
    if (this.#closing || this.#state === 'closed') return { code: 'shutting_down', message: 'the log is being closed', indeterminate: false };
    if (this.#state === 'full') return { code: 'disk_full', message: this.#reason, indeterminate: false };
    if (this.#state === 'failed') return { code: 'log_failed', message: `the log has stopped: ${this.#reason}`, indeterminate: false };
    return undefined;
  }

  /** Picks the next thing to do once the disk is free: appends first, then what closing needs. */
  #proceed(): void {
    if (this.#step !== 'idle') return;
    if (this.#state === 'accepting' && !this.#queue.empty) return this.#startGroup(this.#queue.takeGroup());
    if (!this.#closing) return;
    if (this.#state === 'accepting' && !this.#sealed) return this.#writeSeal('seal', this.#newest());
    this.#finish();
  }

  #startGroup(calls: readonly SizedCall[]): void {
    const bytes = bytesOf(calls);
    const segment = this.#newest();
    const holdsEntries = segment.lastLsn >= segment.firstLsn;
    if (holdsEntries && segment.bytes + bytes > this.#options.segmentBytesMax) {
      this.#held = calls;
      return this.#openSegment();
    }
    this.#writer.begin(this.#seedOf(segment), bytes);
    let entries = 0;
    for (const call of calls) {
      for (const entry of call.entries) {
        this.#writer.entry(plus(this.#nextLsn, entries), entries, entry);
        entries++;
      }
    }
    this.#write({ purpose: 'entries', calls, bytes, segment }, this.#writer.written());
  }

  #openSegment(): void {
    this.#step = 'opening';
    const header = encodeSegmentHeader(
      { logId: this.#logId, firstLsn: this.#nextLsn, precedingLsn: this.durableLsn, hlcHighWater: this.#hlcHighWater },
      this.#checksum,
    );
    this.#effects.push({ kind: 'open-segment', segment: this.#nextLsn, header });
  }

  /** The new segment exists durably; only now may the old one claim that the log goes on. */
  #afterOpen(): void {
    assert(this.#step === 'opening', 'no segment was being opened');
    const finished = this.#newest();
    this.#segments.push({ firstLsn: this.#nextLsn, lastLsn: this.durableLsn, bytes: SEGMENT_HEADER_BYTES });
    this.#writeSeal('continued', finished);
  }

  #openFailed(cause: DiskFault, message: string, now: Instant): void {
    assert(this.#step === 'opening', 'no segment was being opened');
    if (cause === 'other') return this.#fail(`opening a segment failed: ${message}`);
    this.#step = 'idle';
    this.#becomeFull(message, now);
    this.#proceed();
  }

  #writeSeal(purpose: 'seal' | 'continued', segment: Segment): void {
    this.#writer.begin(this.#seedOf(segment), SEAL_BYTES);
    this.#writer.seal(this.durableLsn, purpose === 'continued');
    this.#write({ purpose, calls: [], bytes: SEAL_BYTES, segment }, this.#writer.written());
  }

  #write(group: Group, bytes: Uint8Array): void {
    assert(bytes.length === group.bytes, 'a group takes the bytes it was sized for', { written: bytes.length, sized: group.bytes });
    this.#step = 'writing';
    this.#group = group;
    this.#effects.push({ kind: 'write', segment: group.segment.firstLsn, offset: group.segment.bytes, bytes });
  }

  #afterWrite(): void {
    const group = this.#underWay('writing');
    if (group.purpose === 'probe') return this.#truncate(group.segment);
    this.#step = 'syncing';
    this.#effects.push({ kind: 'sync', segment: group.segment.firstLsn });
  }

  #writeFailed(cause: DiskFault, message: string, now: Instant): void {
    const group = this.#underWay('writing');
    if (cause === 'other') return this.#fail(`writing the log failed: ${message}`);
    this.#becomeFull(message, now);
    this.#truncate(group.segment);
  }

  /** Whatever of the group reached the file goes again, durably, before anyone hears that it was refused. */
  #truncate(segment: Segment): void {
    this.#step = 'truncating';
    this.#effects.push({ kind: 'truncate', segment: segment.firstLsn, bytes: segment.bytes });
  }

  #afterTruncate(): void {
    const group = this.#underWay('truncating');
    this.#step = 'idle';
    this.#group = undefined;
    this.#rejectAll(group.calls, { code: 'disk_full', message: this.#reason, indeterminate: false });
    // Only a probe that did not fit has set the time of the next one.
    if (group.purpose === 'probe' && this.#probeAt === undefined) this.#enter('accepting', 'the disk has room again');
    this.#proceed();
  }

  #afterSync(now: Instant): void {
    const { purpose, calls, bytes, segment } = this.#underWay('syncing');
    this.#step = 'idle';
    this.#group = undefined;
    segment.bytes += bytes;
    if (purpose === 'entries') {
      this.#acknowledge(calls);
      segment.lastLsn = this.durableLsn;
      this.#sealed = false;
      this.#sealAt = plusMs(now, this.#options.sealAfterMs);
    }
    // The newest segment's being there proves the rest durable as well as a seal would.
    if (purpose === 'seal' || purpose === 'continued') this.#sealed = true;
    const held = this.#held;
    this.#held = undefined;
    return held ? this.#startGroup(held) : this.#proceed();
  }

  #acknowledge(calls: readonly SizedCall[]): void {
    for (const { id, entries } of calls) {
      const first = this.#nextLsn;
      this.#nextLsn = plus(first, entries.length);
      for (const entry of entries) if (entry.hlc > this.#hlcHighWater) this.#hlcHighWater = entry.hlc;
      this.#effects.push({ kind: 'acknowledge', id, first, last: this.durableLsn });
    }
  }

  #onWake(now: Instant): void {
    const at = this.nextWake();
    if (at === undefined || at > now) return;
    if (this.#state === 'accepting') return this.#writeSeal('seal', this.#newest());
    const bytes = new Uint8Array(this.#options.fullProbeBytes);
    this.#probeAt = undefined;
    this.#write({ purpose: 'probe', calls: [], bytes: bytes.length, segment: this.#newest() }, bytes);
  }

  /** Refuses whatever was not written yet; the group under way hears only once it is cut off. */
  #becomeFull(message: string, now: Instant): void {
    this.#probeAt = plusMs(now, this.#options.fullProbeMs);
    if (this.#state === 'full') return;
    this.#enter('full', `the disk is full: ${message}`);
    this.#rejectWaiting({ code: 'disk_full', message: this.#reason, indeterminate: false });
  }

  /** The end of acknowledging. What an operating system keeps of a failed sync is unknown, so no sync is tried again. */
  #fail(reason: string): void {
    const calls = this.#group?.calls ?? [];
    this.#step = 'idle';
    this.#group = undefined;
    this.#enter('failed', reason);
    this.#rejectAll(calls, { code: 'log_failed', message: reason, indeterminate: true });
    this.#rejectWaiting({ code: 'log_failed', message: `the log has stopped: ${reason}`, indeterminate: false });
    this.#proceed();
  }

  #deleteCovered(applied: Lsn): void {
    assert(applied <= this.durableLsn, 'a checkpoint cannot cover what is not durable', { applied, durable: this.durableLsn });
    if (applied > this.#applied) this.#applied = applied;
    if (this.#deleting === undefined) this.#deleteNext();
  }

  /**
   * One at a time: were a later deletion to succeed and an earlier one to fail, the log would have a hole. A segment
   * whose end is being written just now stays until the next checkpoint.
   */
  #deleteNext(): void {
    const [oldest] = this.#step === 'finished' ? [] : deletableSegments(this.#segments, this.#applied, this.#options.retainBytes);
    this.#deleting = oldest && oldest.firstLsn !== this.#group?.segment.firstLsn ? oldest.firstLsn : undefined;
    this.#effects.push(this.#deleting === undefined ? { kind: 'retention-settled' } : { kind: 'delete-segment', segment: this.#deleting });
  }

  #afterDelete(segment: Lsn): void {
    assert(segment === this.#deleting && this.#segments[0]?.firstLsn === segment, 'segments are deleted oldest first', { segment });
    this.#segments.shift();
    this.#deleteNext();
  }

  /** The segment stays in the log; the next checkpoint tries again. */
  #deleteFailed(failure: string): void {
    this.#deleting = undefined;
    this.#effects.push({ kind: 'retention-settled', failure });
  }

  #close(): void {
    this.#closing = true;
    this.#proceed();
  }

  #finish(): void {
    this.#step = 'finished';
    const failed = this.#state === 'failed';
    this.#enter('closed', failed ? this.#reason : 'closed in an orderly way');
    this.#effects.push({ kind: 'finish', ...(!failed && { mark: { logId: this.#logId, nextLsn: this.#nextLsn } }) });
  }

  #enter(state: LogState, reason: string): void {
    this.#state = state;
    this.#reason = reason;
    this.#effects.push({ kind: 'state-changed', state, reason });
  }

  #rejectWaiting(refusal: Refusal): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    this.#rejectAll(held, refusal);
    this.#rejectAll(this.#queue.takeAll(), refusal);
  }

  #rejectAll(calls: readonly AppendCall[], refusal: Refusal): void {
    for (const { id } of calls) this.#effects.push({ kind: 'reject', id, refusal });
  }

  #underWay(step: Step): Group {
    assert(this.#step === step && this.#group, `the disk answered although the log was not ${step}`, { step: this.#step });
    return this.#group;
  }

  #newest(): Segment {
    const newest = this.#segments.at(-1);
    assert(newest, 'a log has at least one segment');
    return newest;
  }

  #seedOf(segment: Segment): number {
    return frameSeed(this.#logId, segment.firstLsn, this.#checksum);
  }

  #inFlightBytes(): number {
    const written = this.#group?.purpose === 'entries' ? this.#group.bytes : 0;
    return written + bytesOf(this.#held ?? []);
  }
}

function bytesOf(calls: readonly SizedCall[]): number {
  return calls.reduce((sum, call) => sum + call.bytes, 0);
}
