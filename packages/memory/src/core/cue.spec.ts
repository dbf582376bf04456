import { describe, expect, test } from 'vitest';
import { checkCue, checkRecallOptions, cueLimits } from './cue.js';

describe('a cue', () => {
  test.each([
    ['text alone', { text: 'tea' }],
    ['a vector alone', { embedding: Float32Array.of(1) }],
    ['one tag alone', { tags: ['tea'] }],
    ['a time alone', { afterMs: 0 }],
    ['empty text beside a tag', { text: '', tags: ['tea'] }],
  ])('may be %s', (_title, cue) => {
    expect(() => checkCue(cue)).not.toThrow();
  });

  test.each([
    ['is empty', {}, /^cue is empty/],
    ['has only empty text', { text: '' }, /^cue is empty/],
    ['has only blank text', { text: ' \n', tags: [] }, /^cue is empty/],
    ['has only an empty list of tags', { tags: [] }, /^cue is empty/],
    ['has text that is too long', { text: 'x'.repeat(cueLimits.textBytesMax + 1) }, /^text /],
    ['has half a surrogate pair', { text: '\udc00' }, /^text /],
    ['has a vector with NaN', { embedding: Float32Array.of(Number.NaN) }, /^embedding /],
    ['has an empty tag', { tags: [''] }, /^tags\[0\] /],
    ['has a time that is no whole number', { afterMs: Number.NaN }, /^after /],
    ['ends before it begins', { afterMs: 5, beforeMs: 5 }, /^before /],
  ])('is refused when it %s', (_title, cue, complaint) => {
    expect(() => checkCue(cue)).toThrow(complaint);
  });
});

test('the hint about a vector fits a cue as well as a memory', () => {
  expect(() => checkCue({ embedding: Float32Array.of(0) })).toThrow(expect.objectContaining({ hint: 'Correct embedding and try again; nothing was changed.' }));
});

describe('recall options', () => {
  test.each([0, 1_001, 1.5, Number.NaN])('a limit of %s is refused', (limit) => {
    expect(() => checkRecallOptions({ limit })).toThrow(/^limit /);
  });

  test.each([-0.1, 1.1, Number.NaN])('a least confidence of %s is refused', (minConfidence) => {
    expect(() => checkRecallOptions({ limit: 1, minConfidence })).toThrow(/^min_confidence /);
  });

  test('the ends of both ranges are allowed', () => {
    expect(() => checkRecallOptions({ limit: 1, minConfidence: 0 })).not.toThrow();
    expect(() => checkRecallOptions({ limit: 1_000, minConfidence: 1 })).not.toThrow();
  });
});
