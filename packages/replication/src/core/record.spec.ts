import { describe, expect, test } from 'vitest';
import { hlcOf, parseNodeId, type Hlc } from '@engram/kernel';
import { checksum, entryOf, flipBit, logId, segmentOf } from '../../test/log-fixtures.js';
import { lsn } from './lsn.js';
import { FRAME_HEADER_BYTES, frameBytes, FrameReader, FrameWriter, SEAL_BYTES } from './record.js';
import { decodeSegmentHeader, frameSeed, logIdCandidates, SEGMENT_HEADER_BYTES } from './segment-header.js';

/**
 * Format version 1, byte for byte; its checksums were computed by another program. A change here breaks every log on
 * disk: raise the version and go on reading this one.
 */
const golden = [
  // header: magic, version, header bytes, zero, log id, first lsn, preceding lsn, hlc high water, log id, zero, CRC
  '454e4752414d574c', '0100', '4000', '00000000', '8877665544332211', '0700000000000000',
  '0600000000000000', '0500000000000000', '8877665544332211', '00000000', 'aeb9bf00',
  // entry: CRC, magic, kind, origin bytes, payload bytes, partition, lsn, hlc, epoch, seq, index in group, body CRC, body
  '9919b49f', '5745', '01', '06', '03000000', '2a000000', '0700000000000000', '01000068e5cf8b01',
  '0300000000000000', '0900000000000000', '00000000', '5997b18a', '6e6f64652d61', '616263', '00000000000000',
  // seal: everything up to 7 is durable
  '494de315', '5745', '02', '00', '00000000', '00000000', '0700000000000000', '0000000000000000',
  '0000000000000000', '0000000000000000', '00000000', 'f1818946',
].join('');

const goldenEntry = { partition: 42, epoch: 3, seq: 9, hlc: hlcOf(1_700_000_000_000, 1), origin: parseNodeId('node-a'), payload: bytesOfText('abc') };

describe('the bytes of a segment', () => {
  test('are written as the golden segment has them', () => {
    expect(hex(segmentOf({ first: 7, hlcHighWater: 5n as Hlc, groups: [[goldenEntry], 'seal'] }))).toEqual(golden);
  });

  test('of the golden segment are still read', () => {
    const bytes = fromHex(golden);
    expect(decodeSegmentHeader(bytes, checksum)).toEqual({ kind: 'header', header: { logId, firstLsn: 7, precedingLsn: 6, hlcHighWater: 5n } });
    const reader = readerOf(bytes, 7);
    expect(reader.at(SEGMENT_HEADER_BYTES)).toEqual({ kind: 'entry', lsn: 7, groupFirst: 7, entry: goldenEntry, bytes: 72 });
    expect(reader.at(SEGMENT_HEADER_BYTES + 72)).toEqual({ kind: 'seal', durable: 7, continued: false, bytes: SEAL_BYTES });
  });
});

describe('a segment header', () => {
  const header = segmentOf({ first: 7 });

  test('is refused when any bit of it is flipped', () => {
    const accepted = bitsOf(header).filter((bit) => decodeSegmentHeader(flipBit(header, bit), checksum).kind === 'header');
    expect(accepted).toEqual([]);
  });

  test('is refused when it is cut short, whatever the length', () => {
    for (let length = 0; length < header.length; length++) {
      expect(decodeSegmentHeader(header.subarray(0, length), checksum)).toMatchObject({ kind: 'invalid', reason: expect.stringContaining(`after ${length} bytes`) });
    }
  });

  test('of a later format version says so', () => {
    const later = header.slice();
    later[8] = 2;
    new DataView(later.buffer).setUint32(60, checksum(later.subarray(0, 60), 0), true);
    expect(decodeSegmentHeader(later, checksum)).toEqual({ kind: 'invalid', reason: 'the segment has format version 2; this release reads version 1' });
  });

  test('still offers the log id when one of its two copies is damaged', () => {
    expect(logIdCandidates(flipBit(header, 16 * 8))).toContain(logId);
    expect(logIdCandidates(flipBit(header, 48 * 8))).toContain(logId);
  });
});

describe('a frame', () => {
  const segment = segmentOf({ first: 1, groups: [[entryOf(1)]] });

  test('is refused when any bit of it is flipped', () => {
    const accepted = bitsOf(segment).filter((bit) => bit >= SEGMENT_HEADER_BYTES * 8 && readerOf(flipBit(segment, bit), 1).at(SEGMENT_HEADER_BYTES).kind !== 'invalid');
    expect(accepted).toEqual([]);
  });

  test('of another log, or of another segment, is refused', () => {
    expect(new FrameReader(segment, frameSeed(logId + 1n, lsn(1), checksum), checksum).at(SEGMENT_HEADER_BYTES).kind).toBe('invalid');
    expect(readerOf(segment, 2).at(SEGMENT_HEADER_BYTES).kind).toBe('invalid');
  });

  test('takes its header, origin and payload, up to a multiple of eight', () => {
    expect([0, 1, 2, 3, 10].map((bytes) => frameBytes(entryOf(1, bytes)))).toEqual([64, 64, 64, 72, 72]);
    expect(segment.length - SEGMENT_HEADER_BYTES).toBe(frameBytes(entryOf(1)));
  });

  test('names what is wrong in a word an operator can use', () => {
    const reasonOf = (bytes: Uint8Array): unknown => readerOf(bytes, 1).at(SEGMENT_HEADER_BYTES);
    const frame = (change: (bytes: Uint8Array) => Uint8Array): unknown => reasonOf(change(segment.slice()));
    expect(frame((bytes) => bytes.subarray(0, -1))).toEqual({ kind: 'invalid', reason: 'the file ends within a frame' });
    expect(frame((bytes) => bytes.fill(0, SEGMENT_HEADER_BYTES))).toEqual({ kind: 'invalid', reason: 'zeros instead of a frame' });
    expect(frame((bytes) => bytes.fill(7, SEGMENT_HEADER_BYTES))).toEqual({ kind: 'invalid', reason: 'bytes that are no frame' });
    expect(frame((bytes) => flipBit(bytes, (SEGMENT_HEADER_BYTES + 9) * 8))).toEqual({ kind: 'invalid', reason: 'a frame header with a wrong checksum' });
    expect(frame((bytes) => flipBit(bytes, (SEGMENT_HEADER_BYTES + FRAME_HEADER_BYTES) * 8))).toEqual({ kind: 'invalid', reason: 'a frame body with a wrong checksum' });
  });

  test('is found again after damage, also where it is no longer aligned', () => {
    const shifted = new Uint8Array(segment.length + 3);
    shifted.set(segment.subarray(SEGMENT_HEADER_BYTES), SEGMENT_HEADER_BYTES + 3);
    expect(readerOf(shifted, 1).search(SEGMENT_HEADER_BYTES)).toMatchObject({ at: SEGMENT_HEADER_BYTES + 3, frame: { kind: 'entry', lsn: 1 } });
  });

  test('cannot be imitated by a payload, because its author does not know the log id', () => {
    const imitation = segmentOf({ first: 1, logId: 1n, groups: [[entryOf(9)]] }).subarray(SEGMENT_HEADER_BYTES);
    const bytes = segmentOf({ first: 1, groups: [[{ ...entryOf(1), payload: imitation }]] });
    expect(readerOf(bytes, 1).search(SEGMENT_HEADER_BYTES + 1)).toBeUndefined();
  });
});

describe('a frame writer', () => {
  test('leaves nothing of an earlier, longer group in the padding of a later one', () => {
    const writer = new FrameWriter(checksum);
    writer.begin(1, 200);
    writer.entry(lsn(1), 0, { ...entryOf(1), payload: new Uint8Array(100).fill(0xff) });
    writer.begin(1, 200);
    writer.entry(lsn(1), 0, entryOf(1, 3));
    expect([...writer.written().subarray(65)]).toEqual([0, 0, 0, 0, 0, 0, 0]);
  });
});

function readerOf(bytes: Uint8Array, first: number): FrameReader {
  return new FrameReader(bytes, frameSeed(logId, lsn(first), checksum), checksum);
}

function bitsOf(bytes: Uint8Array): number[] {
  return Array.from({ length: bytes.length * 8 }, (_, bit) => bit);
}

function bytesOfText(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function fromHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
