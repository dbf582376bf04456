import type { Checksum } from './checksum.js';
import { lsn, type Lsn } from './lsn.js';

/**
 * What an orderly close leaves beside the segments, in a file of its own: how far the log went. It is removed before the
 * log accepts again. While it is there, an end that lies earlier is damage and never the work of a crash.
 *
 * ```text
 * 0  "ENGRAMCL"   8  log id u64   16  next lsn u64   24  zero u32   28  CRC-32 of bytes 0–27
 * ```
 */
export interface CleanMark {
  readonly logId: bigint;
  readonly nextLsn: Lsn;
}

/** Its file name, in the directory of the log. */
export const CLEAN_MARK_FILE = 'clean-shutdown';
/** Its length, always. */
export const CLEAN_MARK_BYTES = 32;

const magic = [0x45, 0x4e, 0x47, 0x52, 0x41, 0x4d, 0x43, 0x4c]; // "ENGRAMCL"

/** The bytes of the mark, checksum included. */
export function encodeCleanMark(mark: CleanMark, checksum: Checksum): Uint8Array {
  const bytes = new Uint8Array(CLEAN_MARK_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(magic);
  view.setBigUint64(8, mark.logId, true);
  view.setBigUint64(16, BigInt(mark.nextLsn), true);
  view.setUint32(28, checksum(bytes.subarray(0, 28), 0), true);
  return bytes;
}

/** The mark, or undefined when the bytes are not one: a crash can cut the mark short, and the log then speaks for itself. */
export function decodeCleanMark(bytes: Uint8Array, checksum: Checksum): CleanMark | undefined {
  if (bytes.length !== CLEAN_MARK_BYTES || magic.some((byte, index) => bytes[index] !== byte)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, CLEAN_MARK_BYTES);
  if (view.getUint32(28, true) !== checksum(bytes.subarray(0, 28), 0)) return undefined;
  const nextLsn = Number(view.getBigUint64(16, true));
  return Number.isSafeInteger(nextLsn) ? { logId: view.getBigUint64(8, true), nextLsn: lsn(nextLsn) } : undefined;
}
