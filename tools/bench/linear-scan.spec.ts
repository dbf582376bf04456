import { expect, test } from 'vitest';
import { LinearScan } from './linear-scan.js';

function scanOf(texts: readonly string[]): LinearScan {
  const scan = new LinearScan();
  for (const text of texts) scan.add(text);
  return scan;
}

test('a rare word counts for more than a frequent one', () => {
  const scan = scanOf(['the cat sat', 'the dog ran', 'the owl flew', 'a heron flew']);
  expect(scan.search('the owl', 3)).toEqual([2, 0, 1]);
});

test('of two texts with the word, the shorter comes first', () => {
  expect(scanOf(['an owl and a great many other birds of the night', 'an owl']).search('owl', 2)).toEqual([1, 0]);
});

test('what shares no word is not found', () => {
  expect(scanOf(['the cat sat']).search('herons', 10)).toEqual([]);
});
