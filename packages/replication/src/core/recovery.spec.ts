import { describe, expect, test } from 'vitest';
import { concatenate, entriesOf, entryOf, flipBit, logId, recover, segmentOf, type SegmentBytes } from '../../test/log-fixtures.js';
import { lsn } from './lsn.js';
import { frameBytes, SEAL_BYTES } from './record.js';
import { SEGMENT_HEADER_BYTES } from './segment-header.js';

const [e1, e2, e3, e4] = [1, 2, 3, 4].map((number) => entryOf(number)) as [ReturnType<typeof entryOf>, ReturnType<typeof entryOf>, ReturnType<typeof entryOf>, ReturnType<typeof entryOf>];
const F = frameBytes(e1);
const H = SEGMENT_HEADER_BYTES;
/** Two entries, then two more in a second segment. */
const twoSegments = (): SegmentBytes => [
  { lsn: 1, bytes: segmentOf({ first: 1, groups: [[e1], [e2], 'continued'] }) },
  { lsn: 3, bytes: segmentOf({ first: 3, groups: [[e3], [e4], 'seal'] }) },
];

describe('a sound log', () => {
  test('is recovered with its positions, its stamps and its sizes', () => {
    const segments = twoSegments();
    expect(recover(segments)).toEqual({
      kind: 'recovered', logId, firstLsn: 1, nextLsn: 5, entries: 4, hlcHighWater: e4.hlc, gaps: [],
      segments: [{ firstLsn: 1, lastLsn: 2, bytes: H + 2 * F + SEAL_BYTES }, { firstLsn: 3, lastLsn: 4, bytes: H + 2 * F + SEAL_BYTES }],
    });
    expect([...entriesOf(segments)]).toEqual([[1, e1], [2, e2], [3, e3], [4, e4]]);
  });

  test('may begin anywhere, because retention removes its oldest segments', () => {
    expect(recover(twoSegments().slice(1))).toMatchObject({ kind: 'recovered', firstLsn: 3, nextLsn: 5, entries: 2 });
  });

  test('remembers the highest stamp of segments that are gone', () => {
    expect(recover([{ lsn: 3, bytes: segmentOf({ first: 3, hlcHighWater: e4.hlc, groups: [[e3]] }) }])).toMatchObject({ hlcHighWater: e4.hlc });
  });

  test('may end in an empty segment: the crash came right after its creation', () => {
    const segments = [...twoSegments().slice(0, 1), { lsn: 3, bytes: segmentOf({ first: 3 }) }];
    expect(recover(segments)).toMatchObject({ kind: 'recovered', nextLsn: 3, entries: 2, segments: [{}, { firstLsn: 3, lastLsn: 2, bytes: H }] });
  });

  test('is empty when there is nothing at all', () => {
    expect(recover([])).toEqual({ kind: 'recovered', logId: undefined, firstLsn: 1, nextLsn: 1, entries: 0, hlcHighWater: 0n, segments: [], gaps: [] });
  });

  test('has its last group written again when nothing proves that it was synced', () => {
    expect(recover([{ lsn: 1, bytes: segmentOf({ first: 1, groups: [[e1], [e2, e3]] }) }])).toMatchObject({ kind: 'recovered', nextLsn: 4, unproven: { offset: H + F } });
    expect(recover([{ lsn: 1, bytes: segmentOf({ first: 1, groups: [[e1], [e2, e3], 'seal'] }) }])).not.toHaveProperty('unproven');
  });
});

describe('a torn tail', () => {
  const group = segmentOf({ first: 1, groups: [[e1], [e2, e3, e4]] });

  test('is cut off where the unfinished group stops being readable, and reported', () => {
    expect(recover([{ lsn: 1, bytes: group.subarray(0, H + 2 * F + 10) }])).toMatchObject({
      kind: 'recovered', nextLsn: 3, tornTail: { file: '00000000000000000001.wal', offset: H + 2 * F, bytesDropped: 10, reason: 'the file ends within a frame' },
    });
  });

  test('may hold whole frames of the same group: the disk wrote its sectors in another order', () => {
    const torn = group.slice().fill(0, H + F, H + 2 * F);
    expect(recover([{ lsn: 1, bytes: torn }])).toMatchObject({
      kind: 'recovered', nextLsn: 2, tornTail: { offset: H + F, bytesDropped: 3 * F, reason: 'zeros instead of a frame; 2 whole frames of the same unfinished group after it' },
    });
  });

  test('is not what zeros after the last frame are: that is space laid out ahead, or given by the file system before its data', () => {
    const sound = segmentOf({ first: 1, groups: [[e1], 'seal'] });
    const outcome = recover([{ lsn: 1, bytes: concatenate(sound, new Uint8Array(4099)) }]);
    expect(outcome).toMatchObject({ kind: 'recovered', nextLsn: 2, segments: [{ bytes: sound.length }] });
    expect(outcome).not.toHaveProperty('tornTail');
  });

  test('may lie within space laid out ahead', () => {
    const bytes = concatenate(segmentOf({ first: 1, groups: [[e1], 'seal'] }), new Uint8Array(100), Uint8Array.of(1), new Uint8Array(99));
    expect(recover([{ lsn: 1, bytes }])).toMatchObject({ kind: 'recovered', nextLsn: 2, tornTail: { bytesDropped: 200, reason: 'zeros instead of a frame' } });
  });

  test('after a finished segment is no entry of the log, and nothing to report', () => {
    const [first, second] = twoSegments();
    const torn = first!.bytes.subarray(0, -5);
    expect(recover([{ lsn: 1, bytes: torn }, second!])).toMatchObject({ kind: 'recovered', nextLsn: 5, entries: 4 });
  });
});

describe('damage is refused with file, offset and positions', () => {
  test('when a later group proves that the entry had been durable', () => {
    const bytes = flipBit(segmentOf({ first: 1, groups: [[e1], [e2], [e3]] }), (H + F + 60) * 8);
    expect(recover([{ lsn: 1, bytes }])).toEqual({
      kind: 'damaged', damage: { file: '00000000000000000001.wal', offset: H + F, reason: 'a frame body with a wrong checksum', firstLsn: 2, lastLsn: 2 },
    });
  });

  test('when a seal proves it, even for the very last entry', () => {
    const bytes = flipBit(segmentOf({ first: 1, groups: [[e1], [e2], 'seal'] }), (H + F + 60) * 8);
    expect(recover([{ lsn: 1, bytes }])).toMatchObject({ kind: 'damaged', damage: { offset: H + F, firstLsn: 2, lastLsn: 2 } });
  });

  test('when a later segment proves it', () => {
    const [first, second] = twoSegments();
    expect(recover([{ lsn: 1, bytes: first!.bytes.subarray(0, H + F + 9) }, second!])).toMatchObject({
      kind: 'damaged', damage: { file: '00000000000000000001.wal', offset: H + F, firstLsn: 2, lastLsn: 2 },
    });
  });

  test('when the mark of an orderly close proves it', () => {
    const bytes = segmentOf({ first: 1, groups: [[e1], [e2], 'seal'] }).subarray(0, H + F);
    expect(recover([{ lsn: 1, bytes }], { cleanMark: { logId, nextLsn: lsn(3) } })).toMatchObject({ kind: 'damaged', damage: { offset: H + F, firstLsn: 2, lastLsn: 2 } });
    expect(recover([], { cleanMark: { logId, nextLsn: lsn(3) } })).toMatchObject({ kind: 'damaged', damage: { firstLsn: 1, lastLsn: 2 } });
  });

  test('when the store had applied it', () => {
    const bytes = segmentOf({ first: 1, groups: [[e1], [e2]] }).subarray(0, H + F);
    expect(recover([{ lsn: 1, bytes }], { knownDurableLsn: lsn(2) })).toMatchObject({ kind: 'damaged', damage: { offset: H + F, firstLsn: 2, lastLsn: 2 } });
    expect(recover([{ lsn: 1, bytes }], { knownDurableLsn: lsn(1) })).toMatchObject({ kind: 'recovered', nextLsn: 2 });
  });

  test('when a segment is missing in the middle', () => {
    const third = { lsn: 5, bytes: segmentOf({ first: 5, groups: [[entryOf(5)]] }) };
    expect(recover([twoSegments()[0]!, third])).toEqual({
      kind: 'damaged', damage: { file: '00000000000000000003.wal', offset: 0, reason: 'the segment is missing', firstLsn: 3, lastLsn: 4 },
    });
  });

  test('when the newest segment is missing', () => {
    expect(recover(twoSegments().slice(0, 1))).toMatchObject({ kind: 'damaged', damage: { file: '00000000000000000003.wal', reason: 'the newest segment is missing', firstLsn: 3 } });
  });

  test('when a segment header is damaged or cut, since a segment gets its name only once its header is on the disk', () => {
    const [first, second] = twoSegments();
    expect(recover([first!, { lsn: 3, bytes: flipBit(second!.bytes, 100) }])).toMatchObject({ kind: 'damaged', damage: { file: '00000000000000000003.wal', offset: 0, firstLsn: 3 } });
    expect(recover([first!, { lsn: 3, bytes: new Uint8Array(0) }])).toMatchObject({ kind: 'damaged', damage: { file: '00000000000000000003.wal', offset: 0, firstLsn: 3 } });
  });

  test('when a segment was copied under another name', () => {
    const [first] = twoSegments();
    expect(recover([first!, { lsn: 3, bytes: first!.bytes }])).toMatchObject({ kind: 'damaged', damage: { offset: 24, reason: expect.stringContaining('renamed or copied') } });
  });

  test('when a segment overlaps the one before it', () => {
    const overlapping = { lsn: 2, bytes: segmentOf({ first: 2, groups: [[e2]] }) };
    expect(recover([{ lsn: 1, bytes: segmentOf({ first: 1, groups: [[e1], [e2]] }) }, overlapping])).toMatchObject({ kind: 'damaged', damage: { file: '00000000000000000002.wal', offset: 32 } });
  });

  test('when a segment belongs to another log', () => {
    const foreign = { lsn: 3, bytes: segmentOf({ first: 3, logId: 9n, groups: [[e3]] }) };
    expect(recover([twoSegments()[0]!, foreign])).toMatchObject({ kind: 'damaged', damage: { offset: 16, reason: 'the segment belongs to another log' } });
  });

  test('when a frame was written over by a copy of another', () => {
    const bytes = segmentOf({ first: 1, groups: [[e1], [e2], [e3]] });
    bytes.copyWithin(H + 2 * F, H, H + F);
    expect(recover([{ lsn: 1, bytes }])).toMatchObject({ kind: 'damaged', damage: { offset: H + 2 * F, reason: 'a frame out of sequence', firstLsn: 3 } });
  });

  test('when bytes were taken out, so that later frames moved', () => {
    const whole = segmentOf({ first: 1, groups: [[e1], [e2], [e3, e4]] });
    const bytes = concatenate(whole.subarray(0, H + F + 8), whole.subarray(H + F + 13));
    expect(recover([{ lsn: 1, bytes }])).toMatchObject({ kind: 'damaged', damage: { offset: H + F, firstLsn: 2 } });
  });
});

describe('a gap', () => {
  test('that a salvage recorded in the header after it is accepted and reported', () => {
    const after = { lsn: 5, bytes: segmentOf({ first: 5, preceding: 2, groups: [[entryOf(5)], 'seal'] }) };
    expect(recover([{ lsn: 1, bytes: segmentOf({ first: 1, groups: [[e1], [e2], 'seal'] }) }, after])).toMatchObject({
      kind: 'recovered', nextLsn: 6, entries: 3, gaps: [{ firstLsn: 3, lastLsn: 4 }],
    });
  });
});
