import { expect, test } from 'vitest';
import { CircuitBreaker } from './circuit-breaker.js';

function broken(): CircuitBreaker {
  const breaker = new CircuitBreaker({ failuresMax: 3, openMs: 1_000 });
  for (let i = 0; i < 3; i += 1) breaker.failed(0);
  return breaker;
}

test('it opens after as many failures in a row as it is told, not before', () => {
  const breaker = new CircuitBreaker({ failuresMax: 3 });
  breaker.failed(0);
  breaker.failed(0);
  breaker.succeeded();
  breaker.failed(0);
  breaker.failed(0);
  expect(breaker.state(0)).toBe('closed');
  breaker.failed(0);
  expect([breaker.state(0), breaker.admit(0)]).toEqual(['open', false]);
});

test('after its time one try is let through, and no second one beside it', () => {
  const breaker = broken();
  expect(breaker.waitMs(400)).toBe(600);
  expect([breaker.admit(999), breaker.admit(1_000), breaker.admit(1_001)]).toEqual([false, true, false]);
});

test('a try that succeeds closes it', () => {
  const breaker = broken();
  breaker.admit(1_000);
  breaker.succeeded();
  expect([breaker.state(1_000), breaker.waitMs(1_000), breaker.admit(1_000), breaker.admit(1_000)]).toEqual(['closed', 0, true, true]);
});

test('a try that fails opens it for as long again', () => {
  const breaker = broken();
  breaker.admit(1_000);
  breaker.failed(1_200);
  expect([breaker.admit(2_199), breaker.admit(2_200)]).toEqual([false, true]);
});

test('a try of which nothing is heard does not hold it shut for ever', () => {
  const breaker = broken();
  breaker.admit(1_000);
  expect([breaker.admit(1_999), breaker.admit(2_000)]).toEqual([false, true]);
});

test.each([{ failuresMax: 0 }, { failuresMax: 1.5 }, { openMs: 0 }, { openMs: NaN }])('bounds that are none are refused: %j', (options) => {
  expect(() => new CircuitBreaker(options)).toThrow(expect.objectContaining({ code: 'invalid_options' }));
});
