import { expect, test } from 'vitest';
import { shown } from './shown.js';

test.each([
  ['plain', '"plain"'],
  ['', '""'],
  ['über 日本 🧠', '"über 日本 🧠"'],
  ['a"b\\c', '"a\\"b\\\\c"'],
  ['nul\0 esc\x1b[31m\r\n', '"nul\\u{0} esc\\u{1b}[31m\\u{d}\\u{a}"'],
  ['bidi\u202e line\u2028 bom\ufeff', '"bidi\\u{202e} line\\u{2028} bom\\u{feff}"'],
  ['lone\ud800', '"lone\\u{d800}"'],
])('text is quoted and what does not print is escaped: %j', (text, quoted) => {
  expect(shown(text)).toBe(quoted);
});

test('a long text shows its first forty characters and its length', () => {
  expect(shown('x'.repeat(10_000))).toBe(`"${'x'.repeat(40)}"… (10000 characters)`);
  expect(shown('x'.repeat(40))).toBe(`"${'x'.repeat(40)}"`);
});

test('the cut never splits a surrogate pair', () => {
  expect(shown('🧠'.repeat(50))).toBe(`"${'🧠'.repeat(40)}"… (100 characters)`);
});

test.each([
  [7, '7'],
  [NaN, 'NaN'],
  [true, 'true'],
  [undefined, 'undefined'],
  [null, 'null'],
  [12n, '12n'],
  [10n ** 50n, 'a bigint of 51 digits'],
  [[1, 2], 'an array of 2'],
  [{ a: 1 }, 'an object'],
  [{ kind: 'pong' }, 'an object of kind "pong"'],
  [() => 1, 'a function'],
  [Symbol('s'), 'a symbol'],
])('%s is named without being dumped', (value, text) => {
  expect(shown(value)).toBe(text);
});
