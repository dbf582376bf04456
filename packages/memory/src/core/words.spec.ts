import { expect, test } from 'vitest';
import { rememberedCharactersMax, Words, wordsRememberedMax } from './words.js';

/** Terms are the words in capitals; `asked` lists what had to be reduced. */
function wordsInCapitals(): { readonly words: Words; readonly asked: string[] } {
  const asked: string[] = [];
  const words = new Words((written) => {
    asked.push(written);
    return written.toUpperCase();
  });
  return { words, asked };
}

const wordOf = (words: Words, written: string) => words.of(written, 0, written.length);

test('a word is reduced once, wherever it stands', () => {
  const { words, asked } = wordsInCapitals();
  const first = words.of('the tea is hot', 4, 7);
  expect(first?.term).toBe('TEA');
  expect(words.of('no tea', 3, 6)).toBe(first);
  expect(asked).toEqual(['tea']);
});

test('words that begin alike, and words in other scripts, are told apart', () => {
  const { words } = wordsInCapitals();
  const written = ['te', 'tea', 'teas', 'Tea', 'чай', 'чаи', '\u0174ea', 'tea'];
  expect(written.map((word) => wordOf(words, word)?.term)).toEqual(written.map((word) => word.toUpperCase()));
});

test('a word that says nothing is remembered as such', () => {
  const asked: string[] = [];
  const words = new Words((written) => {
    asked.push(written);
    return '';
  });
  const long = 'z'.repeat(rememberedCharactersMax + 1);
  expect([wordOf(words, 'the'), wordOf(words, 'the'), wordOf(words, long)]).toEqual([undefined, undefined, undefined]);
  expect(asked).toEqual(['the', long]);
});

test('a word of the longest kind is remembered, a longer one is reduced each time', () => {
  const { words, asked } = wordsInCapitals();
  const longest = 'z'.repeat(rememberedCharactersMax);
  for (const word of [longest, longest, `${longest}z`, `${longest}z`]) expect(wordOf(words, word)?.term).toBe(word.toUpperCase());
  expect(asked).toEqual([longest, `${longest}z`, `${longest}z`]);
});

test('more words than there is room for push others out, and each still has its own term', () => {
  const { words } = wordsInCapitals();
  // One expectation per pass: a quarter of a million of them would take most of the test's time.
  const written = Array.from({ length: 2 * wordsRememberedMax }, (_, i) => `w${i}`);
  const misread = (): string[] => written.filter((word) => wordOf(words, word)?.term !== word.toUpperCase());
  expect(misread()).toEqual([]);
  expect(words.size).toBeLessThanOrEqual(wordsRememberedMax);
  expect(words.size).toBeGreaterThan(wordsRememberedMax / 2);
  expect(misread()).toEqual([]);
});
