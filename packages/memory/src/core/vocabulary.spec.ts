import { expect, test } from 'vitest';
import { Vocabulary } from './vocabulary.js';

test('a term keeps its number, and kinds do not mix', () => {
  const vocabulary = new Vocabulary();
  const word = vocabulary.number('word', 'anna');
  const name = vocabulary.number('name', 'anna');
  const tag = vocabulary.number('tag', 'anna');
  expect(new Set([word, name, tag]).size).toBe(3);
  expect(vocabulary.number('word', 'anna')).toBe(word);
  expect(vocabulary.find('tag', 'anna')).toBe(tag);
  expect([word, name, tag].map((number) => vocabulary.isLink(number))).toEqual([false, true, true]);
});

test('a released number stands for the next new term, and the old term is unknown', () => {
  const vocabulary = new Vocabulary();
  const gone = vocabulary.number('word', 'gone');
  vocabulary.number('word', 'stays');
  vocabulary.release(gone);
  expect(vocabulary.find('word', 'gone')).toBeUndefined();
  expect(vocabulary.number('word', 'new')).toBe(gone);
  expect(vocabulary.size).toBe(2);
});
