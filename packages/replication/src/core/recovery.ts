import { hlcZero, type Hlc } from '@engram/kernel';
import type { Checksum } from './checksum.js';
import { CLEAN_MARK_FILE, type CleanMark } from './clean-mark.js';
import { lsn, plus, segmentFileName, type Lsn } from './lsn.js';
import type { SegmentSummary } from './retention.js';
import { decodeSegmentHeader, type SegmentHeader } from './segment-header.js';
import { scanSegment, type SegmentScan } from './segment-scan.js';

/** Damage that no crash of this log explains. Recovery stops at the first it meets and changes nothing. */
export interface LogDamage {
  readonly file: string;
  readonly offset: number;
  readonly reason: string;
  /** The first position that is missing, or may be. */
  readonly firstLsn: Lsn;
  /** The last one, when something that is left proves it. */
  readonly lastLsn?: Lsn;
}

/** The end of the newest segment that a crash left unfinished. It holds nothing that was ever acknowledged. */
export interface TornTail {
  readonly file: string;
  readonly offset: number;
  readonly bytesDropped: number;
  readonly reason: string;
}

/** Positions that an earlier salvage had to leave out; both ends are missing. */
export interface LogGap {
  readonly firstLsn: Lsn;
  readonly lastLsn: Lsn;
}

/** A log that can go on. */
export interface RecoveredLog {
  readonly kind: 'recovered';
  /** Undefined for a directory without a log. */
  readonly logId: bigint | undefined;
  readonly firstLsn: Lsn;
  readonly nextLsn: Lsn;
  readonly entries: number;
  readonly hlcHighWater: Hlc;
  /** Oldest first; the last one is where the log goes on. */
  readonly segments: readonly SegmentSummary[];
  readonly gaps: readonly LogGap[];
  readonly tornTail?: TornTail;
  /**
   * Where the newest segment's frames begin of which nothing proves that they had been synced before the crash. They
   * must be written and synced again before they are called durable: the page cache may be all that holds them.
   */
  readonly unproven?: { readonly offset: number };
}

/** The log as it is, or the damage that keeps it from going on. */
export type RecoveryOutcome = RecoveredLog | { readonly kind: 'damaged'; readonly damage: LogDamage };

/** What is known of the end of the log besides the log itself. */
export interface RecoveryWitnesses {
  /** What an orderly close left. */
  readonly cleanMark?: CleanMark | undefined;
  /** A position that something outside the log proves to have been durable, such as the store's applied position. */
  readonly knownDurableLsn?: Lsn | undefined;
}

/**
 * Decides from the bytes of the segments, oldest first, what the log holds. Pure: the driver reads one segment at a
 * time, hands it over, and carries out what the outcome says.
 *
 * A fault is a *torn tail* when it lies in the newest segment and nothing proves that the frame missing there had been
 * durable. Everything else is damage. What proves it: a later frame of a later group, a seal, a later segment, the mark
 * of an orderly close, or `knownDurableLsn`. Whole frames after a fault prove nothing when they belong to the very group
 * that is cut: a disk may write the sectors of one group in any order.
 */
export class LogRecovery {
  readonly #checksum: Checksum;
  readonly #witnesses: RecoveryWitnesses;
  readonly #segments: SegmentSummary[] = [];
  readonly #gaps: LogGap[] = [];
  #damage: LogDamage | undefined;
  #logId: bigint | undefined;
  #newest: { readonly file: string; readonly scan: SegmentScan } | undefined;
  #entries = 0;
  #hlcHighWater: Hlc = hlcZero;

  constructor(checksum: Checksum, witnesses: RecoveryWitnesses = {}) {
    this.#checksum = checksum;
    this.#witnesses = witnesses;
  }

  /** Takes the next segment: its file name, and what it holds. Returns false once damage is found; more is not needed. */
  segment(nameLsn: Lsn, bytes: Uint8Array): boolean {
    if (this.#damage) return false;
    const file = segmentFileName(nameLsn);
    const decoded = decodeSegmentHeader(bytes, this.#checksum);
    if (decoded.kind === 'invalid') return this.#refuse({ file, offset: 0, reason: decoded.reason, firstLsn: this.#earlierOf(nameLsn) });
    const { header } = decoded;
    if (header.firstLsn !== nameLsn) {
      return this.#refuse({ file, offset: 24, reason: `the header says that the segment begins at ${header.firstLsn}; the file was renamed or copied`, firstLsn: this.#earlierOf(nameLsn) });
    }
    if (this.#logId !== undefined && header.logId !== this.#logId) {
      return this.#refuse({ file, offset: 16, reason: 'the segment belongs to another log', firstLsn: this.#earlierOf(nameLsn) });
    }
    const broken = this.#breakBefore(file, header);
    if (broken) return this.#refuse(broken);
    if (header.firstLsn > header.precedingLsn + 1) {
      this.#gaps.push({ firstLsn: plus(header.precedingLsn, 1), lastLsn: lsn(header.firstLsn - 1) });
    }
    this.#take(file, header, scanSegment(bytes, header, this.#checksum));
    return true;
  }

  /** After the newest segment. */
  finish(): RecoveryOutcome {
    const damage = this.#damage ?? this.#damageAtTheEnd();
    if (damage) return { kind: 'damaged', damage };
    const scan = this.#newest?.scan;
    const nextLsn = scan?.nextLsn ?? lsn(1);
    const tornTail = this.#newest && tornTailOf(this.#newest);
    return {
      kind: 'recovered',
      logId: this.#logId,
      firstLsn: this.#segments[0]?.firstLsn ?? lsn(1),
      nextLsn,
      entries: this.#entries,
      hlcHighWater: this.#hlcHighWater,
      segments: this.#segments,
      gaps: this.#gaps,
      ...(tornTail && { tornTail }),
      ...(scan && scan.provenLsn < nextLsn - 1 && { unproven: { offset: scan.unprovenOffset } }),
    };
  }

  /** Why the segment does not follow the one before it. */
  #breakBefore(file: string, header: SegmentHeader): LogDamage | undefined {
    if (this.#newest === undefined) return undefined;
    const { file: before, scan } = this.#newest;
    if (header.precedingLsn >= scan.nextLsn) {
      // The bytes after the last entry of a finished segment hold no entry, so a fault there alone has lost nothing.
      return scan.fault
        ? { file: before, offset: scan.fault.offset, reason: scan.fault.reason, firstLsn: scan.nextLsn, lastLsn: header.precedingLsn }
        : {
            file: scan.continued ? segmentFileName(scan.nextLsn) : before,
            offset: scan.continued ? 0 : scan.soundBytes,
            reason: scan.continued ? 'the segment is missing' : 'the segment ends early, or one after it is missing',
            firstLsn: scan.nextLsn, lastLsn: header.precedingLsn,
          };
    }
    if (header.precedingLsn < scan.nextLsn - 1) {
      return { file, offset: 32, reason: `the segment overlaps the one before it, which ends with ${scan.nextLsn - 1}`, firstLsn: header.firstLsn, lastLsn: lsn(scan.nextLsn - 1) };
    }
    return undefined;
  }

  #take(file: string, header: SegmentHeader, scan: SegmentScan): void {
    this.#logId = header.logId;
    this.#newest = { file, scan };
    this.#entries += scan.entries;
    if (scan.hlcHighWater > this.#hlcHighWater) this.#hlcHighWater = scan.hlcHighWater;
    this.#segments.push({ firstLsn: header.firstLsn, lastLsn: lsn(scan.nextLsn - 1), bytes: scan.soundBytes });
  }

  #damageAtTheEnd(): LogDamage | undefined {
    const { cleanMark, knownDurableLsn = 0 } = this.#witnesses;
    const scan = this.#newest?.scan;
    const file = this.#newest?.file ?? segmentFileName(lsn(1));
    const offset = scan?.soundBytes ?? 0;
    const nextLsn = scan?.nextLsn ?? lsn(1);
    if (scan?.fault?.proof) return { file, offset, reason: scan.fault.reason, firstLsn: nextLsn, lastLsn: scan.fault.proof.missingThrough };
    if (scan?.continued) return { file: segmentFileName(nextLsn), offset: 0, reason: 'the newest segment is missing', firstLsn: nextLsn };
    if (cleanMark && cleanMark.logId !== this.#logId) {
      const reason = scan ? 'the mark of an orderly close belongs to another log' : 'there is the mark of an orderly close and no segment';
      return { file: CLEAN_MARK_FILE, offset: 8, reason, firstLsn: nextLsn, ...(cleanMark.nextLsn > nextLsn && { lastLsn: lsn(cleanMark.nextLsn - 1) }) };
    }
    if (cleanMark && cleanMark.nextLsn > nextLsn) {
      return { file, offset, reason: 'the log ends before the end that its orderly close recorded', firstLsn: nextLsn, lastLsn: lsn(cleanMark.nextLsn - 1) };
    }
    if (knownDurableLsn >= nextLsn) {
      return { file, offset, reason: 'the log ends before a position that is known to have been durable', firstLsn: nextLsn, lastLsn: lsn(knownDurableLsn) };
    }
    return undefined;
  }

  #earlierOf(position: Lsn): Lsn {
    const expected = this.#newest?.scan.nextLsn;
    return expected !== undefined && expected < position ? expected : position;
  }

  #refuse(damage: LogDamage): false {
    this.#damage = damage;
    return false;
  }
}

function tornTailOf({ file, scan }: { file: string; scan: SegmentScan }): TornTail | undefined {
  if (!scan.fault) return undefined;
  const { offset, bytes, reason, readableAfter } = scan.fault;
  const rest = readableAfter === 0 ? '' : `; ${readableAfter} whole ${readableAfter === 1 ? 'frame' : 'frames'} of the same unfinished group after it`;
  return { file, offset, bytesDropped: bytes, reason: `${reason}${rest}` };
}

