import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Best } from './ranking.js';

test('the best few are what sorting all and cutting would leave', () => {
  fc.assert(fc.property(fc.uniqueArray(fc.nat(1_000), { maxLength: 200, size: 'max' }), fc.nat(50), (candidates, limit) => {
    const best = new Best(limit, (a, b) => a > b);
    for (const candidate of candidates) best.offer(candidate);
    const expected = [...candidates].sort((a, b) => b - a).slice(0, limit);
    expect(best.inOrder()).toEqual(expected);
    expect(best.worstOfFull).toBe(candidates.length < limit ? undefined : expected.at(-1));
  }), { numRuns: 300 });
});
