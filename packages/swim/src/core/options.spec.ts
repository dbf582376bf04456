import { describe, expect, test } from 'vitest';
import { OptionsError } from '@engram/kernel';
import { resolveSwimOptions, swimPresets } from './options.js';

test('without options the pace is that of one data centre', () => {
  expect(resolveSwimOptions()).toMatchObject({ periodMs: 1_000, timeoutMs: 500, indirectProbes: 3, suspicionMult: 4, gossipMs: 200, gossipTo: 3, syncMs: 30_000, datagramBytesMax: 1_200 });
});

test.each(Object.entries(swimPresets))('the preset %s is sound', (_, preset) => {
  expect(() => resolveSwimOptions(preset)).not.toThrow();
});

describe('an option out of range is named', () => {
  test.each([
    ['periodMs', { periodMs: 0 }],
    ['periodMs', { periodMs: 1.5 }],
    ['timeoutMs', { timeoutMs: 1_000 }],
    ['healthScoreMax', { healthScoreMax: 65 }],
    ['datagramBytesMax', { datagramBytesMax: 600 }],
    ['datagramBytesMax', { datagramBytesMax: 10_000 }],
    ['datagramBytesMax', { datagramOverheadBytes: 500 }],
    ['metadataInlineBytesMax', { metadataBytesMax: 64 }],
    ['streamBytesMax', { streamBytesMax: 1_000 }],
    ['leftMs', { leftMs: 299_999 }],
    ['deadMs', { deadMs: 299_999 }],
    ['membersMax', { membersMax: 1 }],
  ])('%s in %j', (option, options) => {
    expect(() => resolveSwimOptions(options)).toThrow(OptionsError);
    expect(() => resolveSwimOptions(options)).toThrow(`option ${option} `);
  });
});
