import { hlcZero, type Hlc } from '@engram/kernel';
import type { Checksum } from './checksum.js';
import { lsn, plus, segmentFileName, type Lsn } from './lsn.js';
import { FrameReader, FrameWriter, SEAL_BYTES, type Frame } from './record.js';
import type { RecoveryWitnesses } from './recovery.js';
import { decodeSegmentHeader, encodeSegmentHeader, frameSeed, logIdCandidates, SEGMENT_HEADER_BYTES, type SegmentHeader } from './segment-header.js';

/** Bytes that could not be read as part of the log, and which entries were there, where that is known. */
export interface SalvageLoss {
  readonly file: string;
  readonly offset: number;
  /** 0 when the whole file is missing. */
  readonly bytes: number;
  readonly reason: string;
  /** Absent when no entry was lost here; `lastLsn` alone is absent when nothing tells where the loss ends. */
  readonly firstLsn?: Lsn;
  readonly lastLsn?: Lsn;
}

/** A segment to be written in place of damaged ones. */
export interface SalvagedSegment {
  readonly file: string;
  readonly bytes: Uint8Array;
}

/** How far positions jump when nothing tells how many were lost, so that none of them is ever given out again. */
export const UNKNOWN_LOSS_POSITIONS = 1_000_000_000;

type OpenLoss = { -readonly [Key in keyof SalvageLoss]: SalvageLoss[Key] };

/** Entries that follow one another without a gap, by the offsets of their frames. */
interface Run {
  readonly firstLsn: Lsn;
  readonly precedingLsn: Lsn;
  readonly offsets: number[];
}

/**
 * Decides what can be kept of a damaged log. Takes the segments oldest first, as recovery does; answers for each whether
 * it stays or is replaced, and by what. Every whole frame is kept; what lies between becomes a gap that the header of
 * the segment after it records, so that recovery accepts it from then on and readers can tell.
 */
export class LogSalvage {
  readonly #checksum: Checksum;
  readonly #writer: FrameWriter;
  readonly #losses: OpenLoss[] = [];
  /** Of `#losses`, those of which it is not known yet which entries they held. */
  #open: OpenLoss[] = [];
  #logId: bigint | undefined;
  readonly #freshLogId: bigint;
  /** The last position whose fate is known: kept, lost, or left out by an earlier salvage. */
  #reached: Lsn | undefined;
  /** Where what is kept ends, as recovery will count it. */
  #end = lsn(0);
  /** Something left of the log proves that it went at least this far. */
  #proven: number;
  #endUnknown = false;
  #segmentsKept = 0;
  #entriesKept = 0;
  #hlcHighWater: Hlc = hlcZero;

  /**
   * `logId` as the sound headers have it; undefined when there is none, and the damaged ones must do. `freshLogId` is
   * for what is written when nothing of the log can be read at all.
   */
  constructor(checksum: Checksum, logId: bigint | undefined, freshLogId: bigint, witnesses: RecoveryWitnesses = {}) {
    this.#checksum = checksum;
    this.#logId = logId;
    this.#freshLogId = freshLogId;
    this.#writer = new FrameWriter(checksum);
    this.#proven = Math.max(witnesses.knownDurableLsn ?? 0, (witnesses.cleanMark?.nextLsn ?? 1) - 1);
  }

  get entriesKept(): number { return this.#entriesKept; }
  get losses(): readonly SalvageLoss[] { return this.#losses; }

  /** `undefined` when the segment stays as it is; otherwise what replaces it, possibly nothing. */
  segment(nameLsn: Lsn, bytes: Uint8Array): readonly SalvagedSegment[] | undefined {
    const file = segmentFileName(nameLsn);
    const lossesBefore = this.#losses.length;
    const header = this.#headerOf(nameLsn, bytes, file);
    if (this.#reached === undefined) this.#reached = this.#end = header?.precedingLsn ?? lsn(nameLsn - 1);
    const follows = header?.precedingLsn === this.#end;
    if (header) this.#takeHeader(header);

    const reader = new FrameReader(bytes, this.#seedFor(bytes, nameLsn), this.#checksum);
    const { runs, continued } = this.#runsIn(reader, file, bytes.length);
    this.#endUnknown = continued || (!header && runs.length === 0 && bytes.length > SEGMENT_HEADER_BYTES);
    if (header && follows && this.#losses.length === lossesBefore) {
      this.#segmentsKept++;
      if (runs.length === 0) this.#end = lsn(header.firstLsn - 1);
      return undefined;
    }
    return runs.map((run) => this.#encode(run, reader));
  }

  /** After the newest segment: one from which the log can go on, when what is kept does not end where the log did. */
  finish(): SalvagedSegment | undefined {
    const reached = this.#reached ?? lsn(0);
    const through = Math.max(this.#proven, this.#endUnknown ? reached + UNKNOWN_LOSS_POSITIONS : reached);
    if (through > reached) this.#closeLosses(lsn(through), this.#endUnknown, 'the log ends before a position that it had reached');
    if (through === this.#end && this.#segmentsKept > 0) return undefined;
    return this.#encode({ firstLsn: lsn(through + 1), precedingLsn: this.#end, offsets: [] });
  }

  #headerOf(nameLsn: Lsn, bytes: Uint8Array, file: string): SegmentHeader | undefined {
    const decoded = decodeSegmentHeader(bytes, this.#checksum);
    if (decoded.kind === 'header' && decoded.header.firstLsn === nameLsn && decoded.header.logId === this.#logId) return decoded.header;
    const reason = decoded.kind === 'invalid' ? decoded.reason : 'the header names another log or another position';
    this.#lose({ file, offset: 0, bytes: Math.min(bytes.length, SEGMENT_HEADER_BYTES), reason });
    return undefined;
  }

  #takeHeader(header: SegmentHeader): void {
    this.#proven = Math.max(this.#proven, header.precedingLsn);
    if (header.hlcHighWater > this.#hlcHighWater) this.#hlcHighWater = header.hlcHighWater;
    this.#closeLosses(header.precedingLsn, false, 'the segment is missing');
    // A gap that an earlier salvage left is known already; it is not lost a second time.
    this.#reached = lsn(Math.max(this.#last(), header.firstLsn - 1));
  }

  /** Whole frames, in runs without a gap. Notes what lies between. */
  #runsIn(reader: FrameReader, file: string, fileBytes: number): { readonly runs: readonly Run[]; readonly continued: boolean } {
    const runs: Run[] = [];
    let continued = false;
    for (let at = SEGMENT_HEADER_BYTES; at < fileBytes; ) {
      const frame = reader.at(at);
      if (frame.kind === 'invalid') {
        if (reader.zerosFrom(at)) break;
        const next = reader.search(at + 1)?.at ?? fileBytes;
        this.#lose({ file, offset: at, bytes: next - at, reason: frame.reason });
        at = next;
        continue;
      }
      if (frame.kind === 'seal') {
        this.#proven = Math.max(this.#proven, frame.durable);
        continued = frame.continued;
      } else if (frame.lsn > this.#last()) {
        this.#keep(frame, at, runs);
      } else {
        // It says nothing new, but the segment must be written again without it.
        this.#losses.push({ file, offset: at, bytes: frame.bytes, reason: 'a second copy of an entry that is kept' });
      }
      at += frame.bytes;
    }
    return { runs, continued };
  }

  #keep(frame: Extract<Frame, { kind: 'entry' }>, at: number, runs: Run[]): void {
    this.#closeLosses(lsn(frame.lsn - 1), false, 'the entries are not where they belong');
    const current = runs.at(-1);
    if (current && frame.lsn === this.#end + 1) current.offsets.push(at);
    else runs.push({ firstLsn: frame.lsn, precedingLsn: this.#end, offsets: [at] });
    this.#reached = this.#end = frame.lsn;
    this.#proven = Math.max(this.#proven, frame.groupFirst - 1);
    this.#entriesKept++;
    if (frame.entry.hlc > this.#hlcHighWater) this.#hlcHighWater = frame.entry.hlc;
  }

  #lose(loss: OpenLoss): void {
    this.#losses.push(loss);
    this.#open.push(loss);
  }

  /** The log is known to go on after `through`: whatever is missing up to there was in the losses that are open. */
  #closeLosses(through: Lsn, endUnknown: boolean, reasonIfNone: string): void {
    const first = plus(this.#last(), 1);
    if (through >= first) {
      if (this.#open.length === 0) this.#lose({ file: segmentFileName(first), offset: 0, bytes: 0, reason: reasonIfNone });
      for (const loss of this.#open) {
        loss.firstLsn = first;
        if (!endUnknown) loss.lastLsn = through;
      }
      this.#reached = through;
    }
    this.#open = [];
  }

  /** The run as a segment of its own. Its seal is true because a salvage syncs it before it becomes part of the log. */
  #encode(run: Run, reader?: FrameReader): SalvagedSegment {
    this.#segmentsKept++;
    const logId = (this.#logId ??= this.#freshLogId);
    const header = { logId, firstLsn: run.firstLsn, precedingLsn: run.precedingLsn, hlcHighWater: this.#hlcHighWater };
    const frames = run.offsets.map((at) => reader?.at(at)).filter((frame) => frame?.kind === 'entry');
    const frameBytes = frames.reduce((sum, frame) => sum + frame.bytes, 0);
    this.#writer.begin(frameSeed(logId, run.firstLsn, this.#checksum), frameBytes + SEAL_BYTES);
    for (const frame of frames) this.#writer.entry(frame.lsn, frame.lsn - Math.max(frame.groupFirst, run.firstLsn), frame.entry);
    const last = frames.at(-1);
    if (last) this.#writer.seal(last.lsn, false);
    const written = this.#writer.written();
    const bytes = new Uint8Array(SEGMENT_HEADER_BYTES + written.length);
    bytes.set(encodeSegmentHeader(header, this.#checksum));
    bytes.set(written, SEGMENT_HEADER_BYTES);
    return { file: segmentFileName(run.firstLsn), bytes };
  }

  /** Damaged headers still hold the log id twice; the copy under which a frame is whole is the right one. */
  #seedFor(bytes: Uint8Array, nameLsn: Lsn): number {
    if (this.#logId === undefined) {
      const readable = (id: bigint): boolean => new FrameReader(bytes, frameSeed(id, nameLsn, this.#checksum), this.#checksum).search(SEGMENT_HEADER_BYTES) !== undefined;
      this.#logId = logIdCandidates(bytes).find(readable);
    }
    return frameSeed(this.#logId ?? this.#freshLogId, nameLsn, this.#checksum);
  }

  #last(): Lsn {
    return this.#reached ?? lsn(0);
  }
}
