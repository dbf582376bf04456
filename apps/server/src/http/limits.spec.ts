import { expect, test } from 'vitest';
import { Admission } from './admission.js';
import { resolveHttpLimits } from './limits.js';

test('limits have defaults, and each can be set alone', () => {
  expect(resolveHttpLimits({ connectionsMax: 7 })).toEqual({ ...resolveHttpLimits(), connectionsMax: 7 });
});

test.each([
  [{ bodyBytesMax: 0 }, /bodyBytesMax must be a whole number/],
  [{ lineBytesMax: 1.5 }, /lineBytesMax must be a whole number/],
  [{ storeBytesInFlightMax: 1_000 }, /storeBytesInFlightMax must hold at least one body/],
  [{ requestTimeoutMs: 10 }, /requestTimeoutMs must not be shorter than headersTimeoutMs/],
])('%j is refused', (limits, complaint) => {
  expect(() => resolveHttpLimits(limits)).toThrow(complaint);
});

test('as many requests are let in as may be, and one more for each that leaves', () => {
  const admission = new Admission(2, 1_000);
  const leave = admission.enter(0);
  admission.enter(0);
  expect(() => admission.enter(0)).toThrow(/2 stores are at work/);
  leave();
  expect(admission.requests).toBe(1);
  admission.enter(0);
});

test('bytes are bounded as well, and a refused request leaves no trace', () => {
  const admission = new Admission(10, 1_000);
  const leave = admission.enter(900);
  expect(() => admission.enter(101)).toThrow(expect.objectContaining({ code: 'overloaded', retryable: true, details: { retryAfterMs: 1_000 } }) as Error);
  expect(admission.requests).toBe(1);
  admission.enter(100);
  leave();
  admission.enter(900);
});
