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

test('a word finds its number by the one it had last, and is not deceived by it', () => {
  const [one, other] = [new Vocabulary(), new Vocabulary()];
  const tea = { term: 'tea', lastNumber: 0 };
  const boat = { term: 'boat', lastNumber: 0 };
  other.numberOfWord(boat);
  const number = one.numberOfWord(tea);
  expect(one.numberOfWord(tea)).toBe(number);
  expect(other.key(other.numberOfWord(tea))).toBe('tea');
  expect(one.numberOfWord(tea)).toBe(number);
  one.release(number);
  expect(one.numberOfWord(boat)).toBe(number);
  expect(one.key(one.numberOfWord(tea))).toBe('tea');
});

test('a name and a tag are released by their own kind', () => {
  const vocabulary = new Vocabulary();
  const [word, name, tag] = [vocabulary.number('word', 'anna'), vocabulary.number('name', 'anna'), vocabulary.number('tag', 'anna')];
  vocabulary.release(name);
  expect([vocabulary.find('word', 'anna'), vocabulary.find('name', 'anna'), vocabulary.find('tag', 'anna')]).toEqual([word, undefined, tag]);
});
