import fc from 'fast-check';
import { expect, test } from 'vitest';
import { lowered, nothingRecalled, shareLacking } from './partial-recall.js';

const answer = { ...nothingRecalled, confidence: 0.8 };
const part = { partition: 1, reason: 'away' };

test('confidence is lowered by half the share that is missing', () => {
  expect(lowered(answer, 0.5, [part])).toEqual({ ...answer, confidence: 0.8 * 0.75, penalty: 0.25, partial: true, missing: [part] });
  expect(lowered(answer, 1, [part])).toMatchObject({ confidence: 0.4, penalty: 0.5 });
});

test('what was missing already is a share of what was asked', () => {
  // Half was not asked here; of the other half, half was not reached in time: three quarters are missing.
  const late = { ...answer, confidence: 0.8 * 0.75, penalty: 0.25, partial: true, missing: [{ partition: 2, reason: 'late' }] };
  const both = lowered(late, 0.5, [part]);
  expect(both.penalty).toBe(0.375);
  expect(both.confidence).toBeCloseTo(0.8 * (1 - 0.375), 12);
  expect(both.missing).toEqual([{ partition: 2, reason: 'late' }, part]);
});

test('a penalty stays within 0 and one half, and confidence never grows', () => {
  const share = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(share, share, share, (confidence, before, more) => {
      const penalty = before / 2;
      const lower = lowered({ ...nothingRecalled, confidence: confidence * (1 - penalty), penalty }, more, [part]);
      expect(lower.penalty).toBeGreaterThanOrEqual(penalty - 1e-12);
      expect(lower.penalty).toBeLessThanOrEqual(0.5);
      expect(lower.confidence).toBeLessThanOrEqual(confidence * (1 - penalty) + 1e-12);
    }),
    { numRuns: 1_000 },
  );
});

test('a copy may always lack one memory, and lacks what it knows it lacks', () => {
  expect([shareLacking(3, undefined), shareLacking(3, 0), shareLacking(3, 3), shareLacking(0, undefined)]).toEqual([0.25, 0.25, 0.5, 1]);
});
