import { EngramError, errorCodes, Random, type ErrorCode } from '@engram/kernel';
import { expect, test } from 'vitest';
import { mayAskAnother, mayTryAgain, pauseMs, resolveRetryOptions } from './retry.js';

test('the bound of the pause doubles up to its limit, and the whole of it is used', () => {
  const options = resolveRetryOptions({ backoffMs: 100, backoffMaxMs: 250 });
  const random = Random.fromSeed(1);
  for (const [tries, bound] of [[1, 100], [2, 200], [3, 250], [9, 250]] as const) {
    const pauses = Array.from({ length: 500 }, () => pauseMs(tries, random, options));
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(0);
    expect(Math.min(...pauses)).toBeLessThan(bound * 0.05);
    expect(Math.max(...pauses)).toBeLessThan(bound);
    expect(Math.max(...pauses)).toBeGreaterThan(bound * 0.95);
  }
});

test('only what another try can change is tried again', () => {
  const again = (forwarded: boolean): ErrorCode[] => (Object.keys(errorCodes) as ErrorCode[]).filter((code) => mayTryAgain(new EngramError(code, 'x'), false, forwarded)).sort();
  expect(again(false)).toEqual(['not_primary', 'unavailable']);
  expect(again(true)).toEqual(['not_primary', 'not_ready', 'shutting_down', 'unavailable']);
  expect(mayTryAgain(new Error('x'), true, true)).toBe(false);
});

test('a write that may have happened is tried again only when twice is as good as once', () => {
  const indeterminate = new EngramError('unavailable', 'x', { details: { indeterminate: true } });
  expect([mayTryAgain(indeterminate, false, true), mayTryAgain(indeterminate, true, true)]).toEqual([false, true]);
});

test('a read is answered by another copy only when the first gave no answer', () => {
  const codes = (Object.keys(errorCodes) as ErrorCode[]).filter((code) => mayAskAnother(new EngramError(code, 'x'))).sort();
  expect(codes).toEqual(['copy_behind', 'deadline_exceeded', 'not_ready', 'overloaded', 'shutting_down', 'unavailable']);
});

test.each([
  ['triesMax', { triesMax: 0 }],
  ['backoffMs', { backoffMs: 0 }],
  ['backoffMaxMs', { backoffMs: 10, backoffMaxMs: 5 }],
])('%s out of range is refused by its name', (name, options) => {
  expect(() => resolveRetryOptions(options)).toThrow(`option ${name} `);
});
