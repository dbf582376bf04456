import { expect, test } from 'vitest';
import { PlainBm25 } from './plain-bm25.js';

const search = (query: string, ...contents: string[]): string[] =>
  new PlainBm25(contents.map((content, i) => ({ id: String(i), content }))).search(query, 10);

test('documents that share no word are not answers', () => {
  expect(search('Tea?', 'tea', 'coffee')).toEqual(['0']);
});

test('words are compared as they are written, but for capitals', () => {
  expect(search('painted', 'Painted', 'painting')).toEqual(['0']);
});

test('rare words, short documents and repetition count for more', () => {
  expect(search('tea harpsichord', 'tea', 'tea', 'tea', 'harpsichord')[0]).toBe('3');
  expect(search('tea', 'tea and a good many other things', 'tea alone')[0]).toBe('1');
  expect(search('tea', 'tea and cup', 'tea and tea')[0]).toBe('1');
});

test('equal documents come in the order they were given', () => {
  expect(search('tea', 'tea', 'tea', 'tea')).toEqual(['0', '1', '2']);
});
