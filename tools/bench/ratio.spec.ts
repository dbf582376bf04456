import { expect, test } from 'vitest';
import { interleavedRatio, median, meets, noiseOf } from './ratio.js';

test('the median is the middle value, or the mean of the two in the middle', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(() => median([])).toThrow('no values');
});

test('a ratio compares each round with the baseline rounds around it', () => {
  expect(interleavedRatio([50, 75, 25], [100, 100, 100, 100])).toEqual({ value: 0.5, lowest: 0.25, highest: 0.75 });
});

test('a machine that slows down steadily does not move the ratio', () => {
  const ratio = interleavedRatio([45, 35], [100, 80, 60]);
  expect(ratio).toEqual({ value: 0.5, lowest: 0.5, highest: 0.5 });
});

test('rounds that did not alternate are refused', () => {
  expect(() => interleavedRatio([1, 2], [1, 2])).toThrow('end with the baseline');
});

test('noise is what repeating the baseline showed', () => {
  expect(noiseOf([100, 110, 95, 105])).toEqual({ before: 100, after: 105, spread: 15 / 102.5 });
});

test('an aim is met on its edge', () => {
  expect(meets(0.5, { atLeast: 0.5 })).toBe(true);
  expect(meets(0.49, { atLeast: 0.5 })).toBe(false);
  expect(meets(20, { atMost: 20 })).toBe(true);
  expect(meets(20.1, { atMost: 20 })).toBe(false);
});
