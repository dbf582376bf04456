import fc from 'fast-check';
import { expect, test } from 'vitest';
import { analyse } from './analysis.js';

/** What decides where a word ends, and words that are treated in their own way. */
const piece = fc.oneof(
  fc.constantFrom("'", "''", '_', ' ', ', ', '. ', '-', '7', '2023', 'Anna', "Anna's", "it's", "o'clock", "rock'n'roll", "a'1b", 'THE', 'running', 'Ran', '?'),
  fc.string({ unit: 'binary-ascii', maxLength: 6 }),
);
const asciiText = fc.array(piece, { maxLength: 30, size: 'max' }).map((pieces) => pieces.join(''));

test('plain ASCII reads the same alone and next to another alphabet', () => {
  // The other alphabet sends the text through the patterns for Unicode instead of the scanner for ASCII.
  fc.assert(fc.property(asciiText, (text) => {
    const { terms, names } = analyse(text);
    expect(analyse(`${text} ж`)).toMatchObject({ terms: [...terms, 'ж'], names });
  }), { numRuns: 2_000 });
});

test('what one text leaves behind does not change how another reads', () => {
  fc.assert(fc.property(asciiText, asciiText, (text, other) => {
    const first = analyse(text);
    analyse(other);
    expect(analyse(text)).toEqual(first);
  }), { numRuns: 500 });
});
