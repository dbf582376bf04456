import { expect, test } from 'vitest';
import { quantile, Samples, shown, total } from './statistics.js';

test('a quantile is a value that was measured', () => {
  const values = [40, 10, 30, 20];
  expect([0, 0.25, 0.5, 0.75, 0.99, 1].map((share) => quantile(values, share))).toEqual([10, 10, 20, 30, 40, 40]);
  expect(values).toEqual([40, 10, 30, 20]);
  expect(quantile([], 0.5)).toBeNaN();
});

test('samples of several runs are joined by name, and empty ones are not named', () => {
  const samples = new Samples();
  samples.add({ healMs: [1], killMs: [] });
  samples.add({ healMs: [2, 3] });
  expect(samples.of('healMs')).toEqual([1, 2, 3]);
  expect(samples.names()).toEqual(['healMs']);
  expect(total(samples.of('healMs'))).toBe(6);
});

test('numbers are shown as short as they can be read', () => {
  expect([3, 3.14159, 1234.5, 0].map(shown)).toEqual(['3', '3.14', '1235', '0']);
});
