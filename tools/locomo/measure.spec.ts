import { expect, test } from 'vitest';
import { figuresOf, judge } from './measure.js';

const question = { text: '?', category: 1, evidence: ['a', 'b'] };
const others = Array.from({ length: 20 }, (_, i) => `x${i}`);

test('evidence is counted among the first ten answers only', () => {
  expect(judge('c', question, ['a', ...others.slice(0, 8), 'b']).evidenceAt10).toBe(1);
  expect(judge('c', question, ['a', ...others.slice(0, 9), 'b']).evidenceAt10).toBe(0.5);
});

test('an answer given twice is found once', () => {
  expect(judge('c', question, ['a', 'a']).evidenceAt10).toBe(0.5);
});

test.each([
  [['a'], [true, true, true]],
  [[...others.slice(0, 4), 'b'], [false, true, true]],
  [[...others.slice(0, 9), 'b'], [false, false, true]],
  [others, [false, false, false]],
])('a hit within k needs one evidence among the first k: %j', (answered, hits) => {
  const { hitAt1, hitAt5, hitAt10 } = judge('c', question, answered);
  expect([hitAt1, hitAt5, hitAt10]).toEqual(hits);
});

test('figures are means over questions', () => {
  const outcomes = [judge('c', question, ['a', 'b']), judge('c', question, ['a']), judge('c', question, []), judge('c', question, ['x', 'a'])];
  expect(figuresOf(outcomes)).toEqual({ questions: 4, evidenceAt10: 0.5, hitAt1: 0.5, hitAt5: 0.75, hitAt10: 0.75 });
  expect(figuresOf([])).toEqual({ questions: 0, evidenceAt10: 0, hitAt1: 0, hitAt5: 0, hitAt10: 0 });
});
