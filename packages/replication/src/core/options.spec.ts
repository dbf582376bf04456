import { describe, expect, test } from 'vitest';
import { lsn } from './lsn.js';
import { resolveLogOptions, type LogOptions } from './options.js';
import { deletableSegments } from './retention.js';

describe('the options', () => {
  test('have defaults that agree with one another', () => {
    expect(resolveLogOptions()).toMatchObject({ segmentBytesMax: 67_108_864, groupBytesMax: 8_388_608, entryBytesMax: 4_194_304 });
  });

  test.each<[string, LogOptions]>([
    ['groupBytesMax', { entryBytesMax: 1000, groupBytesMax: 1000 }],
    ['segmentBytesMax', { segmentBytesMax: 8_388_608 }],
    ['segmentBytesMax', { segmentBytesMax: 2 ** 31 }],
    ['queueBytesMax', { queueBytesMax: 1 }],
    ['retainBytes', { retainBytes: -1 }],
    ['sealAfterMs', { sealAfterMs: 0 }],
    ['fullProbeMs', { fullProbeMs: Number.NaN }],
  ])('name %s in the complaint: %o', (option, options) => {
    expect(() => resolveLogOptions(options)).toThrowError(expect.objectContaining({ code: 'invalid_options', details: { option } }));
  });
});

describe('retention', () => {
  const segments = [1, 3, 5, 7].map((first) => ({ firstLsn: lsn(first), lastLsn: lsn(first + 1), bytes: 100 }));
  const firsts = (applied: number, retainBytes: number): number[] => deletableSegments(segments, lsn(applied), retainBytes).map((segment) => segment.firstLsn);

  test('keeps every segment with an entry that is not covered', () => {
    expect([0, 1, 2, 4, 5, 6, 8].map((applied) => firsts(applied, 0))).toEqual([[], [], [1], [1, 3], [1, 3], [1, 3, 5], [1, 3, 5]]);
  });

  test('keeps at least as many bytes as asked for', () => {
    expect([0, 100, 101, 200, 300, 301].map((bytes) => firsts(8, bytes))).toEqual([[1, 3, 5], [1, 3, 5], [1, 3], [1, 3], [1], []]);
  });
});
