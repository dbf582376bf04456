import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isWellFormed, utf8Encode, utf8Length } from './utf8.js';

/** Any sequence of UTF-16 units, biased towards surrogates, in order and out of order. */
const anyText = fc
  .array(fc.oneof(fc.integer({ min: 0xd800, max: 0xdfff }), fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 0x20, max: 0x7e })), { maxLength: 40 })
  .map((units) => String.fromCharCode(...units));

test('the encoding of any text is that of the platform', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const expected = new TextEncoder().encode(text);
      expect([...utf8Encode(text)]).toEqual([...expected]);
      expect(utf8Length(text)).toBe(expected.length);
    }),
    { numRuns: 3_000 },
  );
});

test('text is well formed exactly when it survives encoding and decoding', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const back = new TextDecoder('utf-8', { ignoreBOM: true }).decode(utf8Encode(text));
      expect(isWellFormed(text)).toBe(back === text);
    }),
    { numRuns: 3_000 },
  );
});
