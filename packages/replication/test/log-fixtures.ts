import { crc32 } from 'node:zlib';
import { hlcOf, parseNodeId, type Hlc } from '@engram/kernel';
import {
  encodeSegmentHeader, FrameWriter, frameSeed, LogRecovery, lsn, scanSegment, SEGMENT_HEADER_BYTES,
  type Checksum, type LogEntry, type RecoveryOutcome, type RecoveryWitnesses, FrameReader, decodeSegmentHeader, type Lsn,
} from '../src/core/index.js';

export const checksum: Checksum = (bytes, seed) => crc32(bytes, seed);
export const logId = 0x1122334455667788n;
const origin = parseNodeId('node-a');

/** The entry with number `number`: everything in it follows from the number, so what is read back can be checked. */
export function entryOf(number: number, payloadBytes = 24): LogEntry {
  const payload = new Uint8Array(payloadBytes);
  for (let index = 0; index < payloadBytes; index++) payload[index] = (number * 31 + index * 7) & 0xff;
  if (payloadBytes >= 4) new DataView(payload.buffer).setUint32(0, number);
  return { partition: number % 1024, epoch: 1, seq: number, hlc: hlcOf(1_700_000_000_000 + number, 0), origin, payload };
}

/** A segment as the core writes it: groups of entries, each an array of entries, or a seal. */
export function segmentOf(options: {
  first: number; preceding?: number; groups?: readonly (readonly LogEntry[] | 'seal' | 'continued')[]; logId?: bigint; hlcHighWater?: Hlc;
}): Uint8Array {
  const { first, preceding = first - 1, groups = [], hlcHighWater = 0n as Hlc } = options;
  const id = options.logId ?? logId;
  const writer = new FrameWriter(checksum);
  writer.begin(frameSeed(id, lsn(first), checksum), 1 << 20);
  let next = first;
  for (const group of groups) {
    if (typeof group === 'string') writer.seal(lsn(next - 1), group === 'continued');
    else group.forEach((entry, index) => writer.entry(lsn(next++), index, entry));
  }
  const header = encodeSegmentHeader({ logId: id, firstLsn: lsn(first), precedingLsn: lsn(preceding), hlcHighWater }, checksum);
  return concatenate(header, writer.written());
}

export function concatenate(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export type SegmentBytes = readonly { readonly lsn: number; readonly bytes: Uint8Array }[];

export function recover(segments: SegmentBytes, witnesses: RecoveryWitnesses = {}, crc: Checksum = checksum): RecoveryOutcome {
  const recovery = new LogRecovery(crc, witnesses);
  for (const segment of segments) if (!recovery.segment(lsn(segment.lsn), segment.bytes)) break;
  return recovery.finish();
}

/** All entries of segments that recovery accepted, by position. */
export function entriesOf(segments: SegmentBytes, crc: Checksum = checksum): Map<Lsn, LogEntry> {
  const entries = new Map<Lsn, LogEntry>();
  for (const { bytes } of segments) {
    const decoded = decodeSegmentHeader(bytes, crc);
    if (decoded.kind === 'invalid') throw new Error(decoded.reason);
    const { soundBytes } = scanSegment(bytes, decoded.header, crc);
    const reader = new FrameReader(bytes, frameSeed(decoded.header.logId, decoded.header.firstLsn, crc), crc);
    for (let at = SEGMENT_HEADER_BYTES; at < soundBytes; ) {
      const frame = reader.at(at);
      if (frame.kind === 'invalid') throw new Error(frame.reason);
      if (frame.kind === 'entry') entries.set(frame.lsn, frame.entry);
      at += frame.bytes;
    }
  }
  return entries;
}

export function flipBit(bytes: Uint8Array, bit: number): Uint8Array {
  const flipped = bytes.slice();
  flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return flipped;
}
