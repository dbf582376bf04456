import { describe, expect, test } from 'vitest';
import { decodeCleanMark, encodeCleanMark, frameBytes, LogSalvage, lsn, parseSegmentFileName, type LogEntry, type Lsn } from '../src/core/index.js';
import { checksum, entriesOf, entryOf, flipBit, logId, recover, segmentOf, type SegmentBytes } from './log-fixtures.js';

/** Three segments, fourteen entries of several sizes in groups of one to three: about 2.5 KiB. */
const sizes = [24, 0, 100, 7, 64, 24, 200, 1, 24, 80, 24, 33, 16, 50];
const all: readonly LogEntry[] = sizes.map((bytes, index) => entryOf(index + 1, bytes));
const group = (from: number, to: number): readonly LogEntry[] => all.slice(from - 1, to);
const sealed: SegmentBytes = [
  { lsn: 1, bytes: segmentOf({ first: 1, groups: [group(1, 1), group(2, 4), 'seal', group(5, 5), 'continued'] }) },
  { lsn: 6, bytes: segmentOf({ first: 6, hlcHighWater: all[4]!.hlc, groups: [group(6, 8), group(9, 10), 'continued'] }) },
  { lsn: 11, bytes: segmentOf({ first: 11, hlcHighWater: all[9]!.hlc, groups: [group(11, 11), 'seal', group(12, 14), 'seal'] }) },
];
/** As after a power cut: the last group was synced and acknowledged, and nothing was written after it. */
const LAST_GROUP_FIRST = 12;
const crashed: SegmentBytes = [...sealed.slice(0, 2), { lsn: 11, bytes: sealed[2]!.bytes.subarray(0, sealed[2]!.bytes.length - 56) }];
const texts = all.map(textOf);
const mark = encodeCleanMark({ logId, nextLsn: lsn(15) }, checksum);

type Kind = 'exact' | 'torn tail without a loss' | 'last group cut' | 'end cut' | 'refused';

/** What recovery makes of a changed log; throws when that is anything but one of the permitted outcomes. */
function outcomeOf(segments: SegmentBytes, markBytes?: Uint8Array): Kind {
  const outcome = recover(segments, { cleanMark: markBytes && decodeCleanMark(markBytes, checksum) });
  if (outcome.kind === 'damaged') {
    const { file, offset, firstLsn } = outcome.damage;
    if (!/^(\d{20}\.wal|clean-shutdown)$/.test(file) || !(offset >= 0) || !(firstLsn >= 1)) throw new Error(`a refusal that does not say where: ${JSON.stringify(outcome.damage)}`);
    return 'refused';
  }
  const recovered = entriesOf(segments);
  let position = 0;
  for (const [at, entry] of recovered) if (at !== ++position || textOf(entry) !== texts[position - 1]) throw new Error(`entry ${at} was altered`);
  if (position !== outcome.nextLsn - 1) throw new Error(`${position} entries recovered, ${outcome.nextLsn - 1} promised`);
  if (outcome.nextLsn === all.length + 1) return outcome.tornTail ? 'torn tail without a loss' : 'exact';
  return outcome.nextLsn >= LAST_GROUP_FIRST && outcome.tornTail ? 'last group cut' : 'end cut';
}

/** Every field, so that comparing two texts compares everything. */
function textOf({ partition, epoch, seq, hlc, origin, payload }: LogEntry): string {
  return [partition, epoch, seq, hlc, origin, payload.join()].join(' ');
}

function tally(kinds: readonly Kind[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const kind of kinds) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

function flips(segments: SegmentBytes, index: number, markBytes?: Uint8Array): Kind[] {
  const { bytes } = segments[index]!;
  return Array.from({ length: bytes.length * 8 }, (_, bit) => outcomeOf(segments.with(index, { ...segments[index]!, bytes: flipBit(bytes, bit) }), markBytes));
}

function truncations(segments: SegmentBytes, index: number, markBytes?: Uint8Array): Kind[] {
  const { bytes } = segments[index]!;
  return Array.from({ length: bytes.length }, (_, length) => outcomeOf(segments.with(index, { ...segments[index]!, bytes: bytes.subarray(0, length) }), markBytes));
}

const bits = (...lengths: number[]): number => lengths.reduce((sum, length) => sum + length, 0) * 8;

describe('a bit flipped anywhere', { timeout: 60_000 }, () => {
  test('in a log that fell quiet is refused, or hits a seal, which holds no entry; no acknowledged entry is ever lost', () => {
    const kinds = [0, 1, 2].flatMap((index) => flips(sealed, index));
    // The marks at the ends of the finished segments and the last seal may go; the seals in between have frames after them.
    expect(tally(kinds)).toEqual({ refused: kinds.length - 3 * bits(56), exact: 2 * bits(56), 'torn tail without a loss': bits(56) });
  });

  test('in a log that lost power right after its last acknowledgement can be taken for a torn tail in the last group only', () => {
    const counts = tally([0, 1, 2].flatMap((index) => flips(crashed, index)));
    const lastGroupBytes = crashed[2]!.bytes.length - segmentOf({ first: 11, groups: [group(11, 11), 'seal'] }).length;
    expect(counts['last group cut']).toBe(lastGroupBytes * 8);
    expect(Object.keys(counts).sort()).toEqual(['exact', 'last group cut', 'refused']);
  });

  test('in the mark of an orderly close makes it no mark, and the log speaks for itself', () => {
    const kinds = Array.from({ length: mark.length * 8 }, (_, bit) => outcomeOf(sealed, flipBit(mark, bit)));
    expect(tally(kinds)).toEqual({ exact: mark.length * 8 });
  });
});

describe('a segment cut short at any byte', { timeout: 60_000 }, () => {
  test('is refused after an orderly close, unless only the seal is gone', () => {
    const counts = tally([0, 1, 2].flatMap((index) => truncations(sealed, index, mark)));
    expect(Object.keys(counts).sort()).toEqual(['exact', 'refused', 'torn tail without a loss']);
    expect(counts.exact).toBe(56 * 2 + 1);
    expect(counts['torn tail without a loss']).toBe(55);
  });

  test('is refused after a crash when it is not the newest, since its header and the next one prove what was there', () => {
    expect(tally(truncations(crashed, 0))).toMatchObject({ exact: 56 });
    expect(tally([...truncations(crashed, 0), ...truncations(crashed, 1)])).toEqual({ exact: 2 * 56, refused: crashed[0]!.bytes.length + crashed[1]!.bytes.length - 2 * 56 });
  });

  test('is taken for a torn tail after a crash when it is the newest: its end proved itself, and is gone', () => {
    const counts = tally(truncations(crashed, 2));
    expect(counts.refused).toBe(64);
    expect(Object.keys(counts).sort()).toEqual(['end cut', 'last group cut', 'refused']);
  });

  test('is refused all the same as soon as the store has applied what is missing', () => {
    const { bytes } = crashed[2]!;
    const known: Lsn = lsn(14);
    const outcomes = Array.from({ length: bytes.length }, (_, length) => recover(crashed.with(2, { lsn: 11, bytes: bytes.subarray(0, length) }), { knownDurableLsn: known }).kind);
    expect(new Set(outcomes)).toEqual(new Set(['damaged']));
  });
});

test('a file that is missing altogether is refused, whichever it is, except the oldest ones, which retention removes', () => {
  expect([0, 1, 2].map((index) => recover(sealed.toSpliced(index, 1)).kind)).toEqual(['recovered', 'damaged', 'damaged']);
});

test('a log with a bit flipped in any byte is salvaged: at most the entry that was hit is lost, and recovery accepts the rest', { timeout: 60_000 }, () => {
  let losses = 0;
  for (const [index, { bytes }] of sealed.entries()) {
    for (let offset = 0; offset < bytes.length; offset++) {
      const damaged = sealed.with(index, { ...sealed[index]!, bytes: flipBit(bytes, offset * 8 + (offset % 8)) });
      const salvage = new LogSalvage(checksum, logId, 0n);
      const kept = damaged.flatMap((segment) => {
        const replacement = salvage.segment(lsn(segment.lsn), segment.bytes);
        return replacement ? replacement.map(({ file, bytes: written }) => ({ lsn: parseSegmentFileName(file) ?? 0, bytes: written })) : [segment];
      });
      const last = salvage.finish();
      if (last) kept.push({ lsn: parseSegmentFileName(last.file) ?? 0, bytes: last.bytes });
      const lost = salvage.losses.flatMap(({ firstLsn, lastLsn }) => (firstLsn === undefined ? [] : [firstLsn, lastLsn]));
      losses += new Set(lost).size;
      const outcome = recover(kept);
      if (outcome.kind === 'damaged' || outcome.nextLsn !== all.length + 1 || new Set(lost).size > 1) throw new Error(`byte ${offset} of segment ${index}: ${JSON.stringify(outcome)}`);
      const expected = texts.filter((_, position) => !lost.includes(lsn(position + 1)));
      expect([...entriesOf(kept).values()].map(textOf)).toEqual(expected);
    }
  }
  // Every byte of every entry's frame cost that entry, and no other byte cost any.
  expect(losses).toBe(all.reduce((sum, entry) => sum + frameBytes(entry), 0));
});
