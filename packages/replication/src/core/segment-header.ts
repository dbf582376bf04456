import type { Hlc } from '@engram/kernel';
import type { Checksum } from './checksum.js';
import { lsn, type Lsn } from './lsn.js';

/** Its length; the first frame begins there. */
export const SEGMENT_HEADER_BYTES = 64;
/** The format that is written, and the only one that is read. */
export const SEGMENT_VERSION = 1;

/**
 * The first 64 bytes of every segment, little-endian:
 *
 * ```text
 *  0  "ENGRAMWL"          8  version u16   10  header bytes u16   12  zero u32
 * 16  log id u64         24  first lsn u64
 * 32  preceding lsn u64  40  hlc high water u64
 * 48  log id again u64   56  zero u32      60  CRC-32 of bytes 0–59
 * ```
 */
export interface SegmentHeader {
  /** Drawn at random when the log is created. It seeds every checksum, so bytes of another log never pass for ours. */
  readonly logId: bigint;
  readonly firstLsn: Lsn;
  /**
   * The last entry before this segment: `firstLsn − 1`, unless a salvage had to leave entries out. It is how recovery
   * tells a loss that an operator accepted from one nobody knows of.
   */
  readonly precedingLsn: Lsn;
  /** No stamp before this segment is greater, so the high water outlives the segments that retention deletes. */
  readonly hlcHighWater: Hlc;
}

const magic = [0x45, 0x4e, 0x47, 0x52, 0x41, 0x4d, 0x57, 0x4c]; // "ENGRAMWL"

/** The bytes of the header, checksum included. */
export function encodeSegmentHeader(header: SegmentHeader, checksum: Checksum): Uint8Array {
  const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(magic);
  view.setUint16(8, SEGMENT_VERSION, true);
  view.setUint16(10, SEGMENT_HEADER_BYTES, true);
  view.setBigUint64(16, header.logId, true);
  view.setBigUint64(24, BigInt(header.firstLsn), true);
  view.setBigUint64(32, BigInt(header.precedingLsn), true);
  view.setBigUint64(40, header.hlcHighWater, true);
  view.setBigUint64(48, header.logId, true);
  view.setUint32(60, checksum(bytes.subarray(0, 60), 0), true);
  return bytes;
}

/** The header, or what is wrong with its bytes. */
export type HeaderOutcome =
  | { readonly kind: 'header'; readonly header: SegmentHeader }
  | { readonly kind: 'invalid'; readonly reason: string };

/** Never throws, whatever the bytes. */
export function decodeSegmentHeader(bytes: Uint8Array, checksum: Checksum): HeaderOutcome {
  if (bytes.length < SEGMENT_HEADER_BYTES) {
    return invalid(`the file ends after ${bytes.length} bytes, within the ${SEGMENT_HEADER_BYTES}-byte segment header`);
  }
  if (magic.some((byte, index) => bytes[index] !== byte)) return invalid('the file does not begin as a segment of the log does');
  const view = new DataView(bytes.buffer, bytes.byteOffset, SEGMENT_HEADER_BYTES);
  if (view.getUint32(60, true) !== checksum(bytes.subarray(0, 60), 0)) return invalid('the checksum of the segment header does not match');
  const version = view.getUint16(8, true);
  if (version !== SEGMENT_VERSION) return invalid(`the segment has format version ${version}; this release reads version ${SEGMENT_VERSION}`);
  const firstLsn = Number(view.getBigUint64(24, true));
  const precedingLsn = Number(view.getBigUint64(32, true));
  if (!Number.isSafeInteger(firstLsn) || precedingLsn >= firstLsn) return invalid('the segment header names impossible positions');
  return {
    kind: 'header',
    header: {
      logId: view.getBigUint64(16, true),
      firstLsn: lsn(firstLsn),
      precedingLsn: lsn(precedingLsn),
      hlcHighWater: view.getBigUint64(40, true) as Hlc,
    },
  };
}

/** Both copies of the log id, readable even when the rest of the header is damaged; salvage tries them. */
export function logIdCandidates(bytes: Uint8Array): readonly bigint[] {
  if (bytes.length < SEGMENT_HEADER_BYTES) return [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, SEGMENT_HEADER_BYTES);
  return [...new Set([view.getBigUint64(16, true), view.getBigUint64(48, true)])];
}

/**
 * Where the checksums of a segment's frames start from. It depends on the log and the segment, so neither a misplaced
 * block of another segment nor a payload that imitates a frame is ever taken for one: its author cannot know the log id.
 */
export function frameSeed(logId: bigint, firstLsn: Lsn, checksum: Checksum): number {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, logId, true);
  view.setBigUint64(8, BigInt(firstLsn), true);
  return checksum(bytes, 0);
}

function invalid(reason: string): HeaderOutcome {
  return { kind: 'invalid', reason };
}
