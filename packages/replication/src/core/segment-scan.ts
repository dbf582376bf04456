import type { Hlc } from '@engram/kernel';
import type { Checksum } from './checksum.js';
import { lsn, plus, type Lsn } from './lsn.js';
import { FrameReader, type FrameFault } from './record.js';
import { frameSeed, SEGMENT_HEADER_BYTES, type SegmentHeader } from './segment-header.js';

/** What one segment holds, up to the first byte that is not the frame expected there. */
export interface SegmentScan {
  readonly entries: number;
  /** The position the next entry would have. */
  readonly nextLsn: Lsn;
  readonly hlcHighWater: Hlc;
  /** Everything up to here is proven durable by a later frame, or by the segment's being there at all. */
  readonly provenLsn: Lsn;
  /** Where the frames without such proof begin; equal to `soundBytes` when there are none. */
  readonly unprovenOffset: number;
  /** Header and sound frames, in bytes. Zeros after them up to the end of the file are space laid out ahead, not a fault. */
  readonly soundBytes: number;
  /** The segment says that the log goes on in a later one. */
  readonly continued: boolean;
  readonly fault?: SegmentFault;
}

/** The first bytes of a segment that are not the frame expected there. */
export interface SegmentFault {
  readonly offset: number;
  /** From the offset to the end of the file. */
  readonly bytes: number;
  readonly reason: FrameFault | 'a frame out of sequence';
  /** Whole frames after the fault; an unfinished group can leave some when the disk reorders its sectors. */
  readonly readableAfter: number;
  /**
   * A whole frame after the fault which proves that what is missing here had been durable. Without one, the fault is
   * what a crash in the middle of the last group leaves behind.
   */
  readonly proof?: { readonly offset: number; readonly missingThrough: Lsn };
}

/** Reads a segment whose header is known to be sound. Pure, never throws, and reads each byte once when all is well. */
export function scanSegment(bytes: Uint8Array, header: SegmentHeader, checksum: Checksum): SegmentScan {
  const reader = new FrameReader(bytes, frameSeed(header.logId, header.firstLsn, checksum), checksum);
  let at = SEGMENT_HEADER_BYTES;
  let nextLsn = header.firstLsn;
  let hlcHighWater: Hlc = header.hlcHighWater;
  let proven = header.firstLsn - 1;
  let unprovenOffset = at;
  let continued = false;
  let fault: SegmentFault | undefined;

  while (at < bytes.length && fault === undefined) {
    const frame = reader.at(at);
    if (frame.kind === 'invalid') {
      if (frame.reason === 'zeros instead of a frame' && reader.zerosFrom(at)) break;
      fault = describeFault(reader, bytes.length, at, nextLsn, frame.reason);
    } else if (frame.kind === 'entry' ? frame.lsn !== nextLsn : frame.durable >= nextLsn) {
      fault = describeFault(reader, bytes.length, at, nextLsn, 'a frame out of sequence');
    } else if (frame.kind === 'entry') {
      if (frame.groupFirst > proven + 1) proven = frame.groupFirst - 1;
      if (frame.lsn === frame.groupFirst) unprovenOffset = at;
      if (frame.entry.hlc > hlcHighWater) hlcHighWater = frame.entry.hlc;
      nextLsn = plus(nextLsn, 1);
      at += frame.bytes;
    } else {
      if (frame.durable > proven) proven = frame.durable;
      continued = frame.continued;
      at += frame.bytes;
      if (proven === nextLsn - 1) unprovenOffset = at;
    }
  }
  return {
    entries: nextLsn - header.firstLsn,
    nextLsn, hlcHighWater, provenLsn: lsn(proven), unprovenOffset, soundBytes: at, continued,
    ...(fault && { fault }),
  };
}

function describeFault(reader: FrameReader, fileBytes: number, at: number, expected: Lsn, reason: SegmentFault['reason']): SegmentFault {
  const fault = { offset: at, bytes: fileBytes - at, reason };
  let readableAfter = 0;
  // The frame at the fault itself counts as a witness: one out of sequence proves what it says as well as a later one.
  for (let found = reader.search(at); found; found = reader.search(found.at + found.frame.bytes)) {
    const { frame } = found;
    readableAfter++;
    if (frame.kind === 'seal' && frame.durable >= expected) {
      return { ...fault, readableAfter, proof: { offset: found.at, missingThrough: frame.durable } };
    }
    // A write that was cut short leaves each of its bytes in its own place or not at all, never a frame in another's. And
    // when the expected entry itself comes after the fault, a seal was there, which is synced before the next group.
    if (frame.kind === 'entry' && (frame.groupFirst > expected || frame.lsn <= expected || found.at === at)) {
      return { ...fault, readableAfter, proof: { offset: found.at, missingThrough: lsn(Math.max(frame.lsn - 1, expected)) } };
    }
  }
  return { ...fault, readableAfter };
}
