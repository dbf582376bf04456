import { expect, test } from 'vitest';
import { defaultRecallTuning, resolveRecallTuning } from './options.js';

test('what is not given takes its default', () => {
  expect(resolveRecallTuning({ k1: 2 })).toEqual({ ...defaultRecallTuning, k1: 2 });
});

test.each([
  ['k1', -1], ['b', 1.1], ['vectorShare', Number.NaN], ['neighbourGapMs', 0], ['halfScore', Number.POSITIVE_INFINITY], ['seedsMax', 1.5],
  ['associationFanMax', 1_001],
])('a %s of %s is refused by name', (name, value) => {
  expect(() => resolveRecallTuning({ [name]: value })).toThrow(new RegExp(name));
});
