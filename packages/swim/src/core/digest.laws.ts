import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { id } from '../../test/swim-fixtures.js';
import { bucketCount, bucketOf, compareClaims, fingerprintOf } from './digest.js';
import type { MemberState } from './member.js';

const state = fc.constantFrom<MemberState>('alive', 'suspect', 'dead', 'left');
const standing = fc.record({ id: fc.constant(id('a')), epoch: fc.integer({ min: 1, max: 3 }), incarnation: fc.integer({ min: 0, max: 3 }), state });
const sign = { older: -1, same: 0, newer: 1 } as const;

describe('claims about one member', () => {
  test('are totally ordered', () => {
    fc.assert(fc.property(standing, standing, standing, (a, b, c) => {
      expect(sign[compareClaims(a, b)] + sign[compareClaims(b, a)]).toBe(0);
      expect(compareClaims(a, b) === 'same').toBe(a.epoch === b.epoch && a.incarnation === b.incarnation && a.state === b.state);
      if (compareClaims(a, b) !== 'older' && compareClaims(b, c) !== 'older') expect(compareClaims(a, c)).not.toBe('older');
    }), { numRuns: 1_000 });
  });

  test('of a later start beat all of an earlier one', () => {
    fc.assert(fc.property(standing, standing, (a, b) => {
      fc.pre(a.epoch > b.epoch);
      expect(compareClaims(a, b)).toBe('newer');
    }), { numRuns: 300 });
  });
});

test('fingerprints differ in whatever a full sync brings into agreement', () => {
  const base = { id: id('a'), epoch: 5, incarnation: 3, state: 'alive' as MemberState, metadata: { version: 1 } };
  const variants = [base, { ...base, id: id('b') }, { ...base, epoch: 6 }, { ...base, epoch: 5 + 2 ** 32 }, { ...base, incarnation: 4 }, { ...base, state: 'suspect' as const }, { ...base, state: 'dead' as const }, { ...base, metadata: { version: 2 } }];
  expect(new Set(variants.map(fingerprintOf)).size).toBe(variants.length);
  expect(variants.every((variant) => Number.isInteger(fingerprintOf(variant)) && fingerprintOf(variant) >= 0 && fingerprintOf(variant) < 2 ** 32)).toBe(true);
});

test('ids spread over all buckets', () => {
  const filled = new Set(Array.from({ length: 2_000 }, (_, i) => bucketOf(id(`node-${i}.example`))));
  expect(filled.size).toBe(bucketCount);
});
