import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isMemoryId, isNodeId, isSpaceId, parseMemoryId, parseNodeId, parseSpaceId } from './ids.js';

const kinds = [
  { name: 'node id', is: isNodeId, parse: parseNodeId, alphabet: 'AZaz09._-', lengthMax: 64 },
  { name: 'space id', is: isSpaceId, parse: parseSpaceId, alphabet: 'az09_-', lengthMax: 64 },
  { name: 'memory id', is: isMemoryId, parse: parseMemoryId, alphabet: 'AZaz09._:-', lengthMax: 128 },
] as const;

test.each(kinds)('a $name parses exactly when its predicate holds, and parsing never changes it', ({ is, parse, alphabet, lengthMax }) => {
  const fromAlphabet = fc.string({ unit: fc.constantFrom(...alphabet), maxLength: lengthMax + 2, size: 'max' });
  fc.assert(
    fc.property(fc.oneof(fromAlphabet, fc.string({ unit: 'binary' })), (text) => {
      if (is(text)) expect(parse(text)).toBe(text);
      else expect(() => parse(text)).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
    }),
    { numRuns: 1_000 },
  );
});

test('no id can leave the directory it names or break the line it is printed on', () => {
  const nasty = fc.string({ unit: fc.constantFrom('.', '/', '\\', '\0', '\n', '\r', 'a', ' ', '~', ':'), maxLength: 8 });
  fc.assert(
    fc.property(nasty, (text) => {
      for (const { is } of kinds) {
        if (is(text)) expect(text).not.toMatch(/^\.|[/\\\0\n\r ~]/);
      }
    }),
    { numRuns: 3_000 },
  );
});

test('a complaint stays short and printable whatever was given', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', size: 'large' }), (text) => {
      try {
        parseSpaceId(text);
      } catch (error) {
        const { message } = error as Error;
        // Forty characters, each escaped at worst as \u{10ffff}, and the sentence around them.
        expect(message.length).toBeLessThan(500);
        expect(message).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}]/u);
      }
    }),
    { numRuns: 500 },
  );
});
