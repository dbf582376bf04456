import { expect, test } from 'vitest';
import { isWellFormed, utf8Encode, utf8Length } from './utf8.js';

test.each([
  ['', []],
  ['a\x7f', [0x61, 0x7f]],
  ['\x80߿', [0xc2, 0x80, 0xdf, 0xbf]],
  ['ࠀ\uffff', [0xe0, 0xa0, 0x80, 0xef, 0xbf, 0xbf]],
  ['\u{10000}\u{10ffff}', [0xf0, 0x90, 0x80, 0x80, 0xf4, 0x8f, 0xbf, 0xbf]],
])('%j encodes to the bytes of RFC 3629', (text, bytes) => {
  expect([...utf8Encode(text)]).toEqual(bytes);
});

test.each(['\ud800', '\udc00', 'a\ud800b', '\udc00\ud800', '\ud800\ud800\udc00', 'end\udbff'])('a lone surrogate is noticed: %j', (text) => {
  expect(isWellFormed(text)).toBe(false);
  expect([...utf8Encode(text)]).toEqual([...new TextEncoder().encode(text)]);
  expect(utf8Length(text)).toBe(utf8Encode(text).length);
});

test.each(['', 'plain', 'ü', '\ufffd', '🧠', '\u{10ffff}'])('well formed text is recognised: %j', (text) => {
  expect(isWellFormed(text)).toBe(true);
});
