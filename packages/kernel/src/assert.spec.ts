import { expect, test } from 'vitest';
import { assert, unreachable } from './assert.js';

test('a true condition passes and narrows its type', () => {
  const value: string | undefined = ['present'][0];
  assert(value !== undefined, 'the value is present');
  expect(value.length).toBe(7);
});

test('a broken invariant throws with its message and details', () => {
  expect(() => assert(2 < 1, 'acked never passes shipped', { acked: 2, shipped: 1 })).toThrow(
    expect.objectContaining({ code: 'assertion_failed', message: 'acked never passes shipped', details: { acked: 2, shipped: 1 } }),
  );
});

test('a case that the types forbid is named when it happens all the same', () => {
  expect(() => unreachable({ kind: 'pong' } as never)).toThrow(expect.objectContaining({ code: 'assertion_failed', message: 'no case handles an object of kind "pong"' }));
});
