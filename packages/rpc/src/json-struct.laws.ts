import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Struct, type JsonObject } from './json-struct.js';

test('any JSON object comes back as it was, keys named __proto__ included', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 5 })), (object) => {
      // Through JSON first, so that what JSON changes by itself (-0) is not held against this codec.
      const sent = JSON.parse(JSON.stringify(object)) as JsonObject;
      const received = Struct.decode(Struct.encode(sent).finish());
      expect(JSON.stringify(received)).toBe(JSON.stringify(sent));
    }),
    { numRuns: 300 },
  );
});
