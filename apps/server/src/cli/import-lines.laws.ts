import fc from 'fast-check';
import { expect, test } from 'vitest';
import { splitLines } from './import-lines.js';

async function* from<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

async function split(pieces: readonly Buffer[]): Promise<(string | undefined)[]> {
  const lines: (string | undefined)[] = [];
  for await (const { number, bytes, end } of splitLines(from(pieces), 12)) lines.push(`${number}@${end}:${bytes?.toString('latin1') ?? 'too long'}`);
  return lines;
}

test('lines do not depend on the pieces in which their bytes arrive', async () => {
  const byte = fc.constantFrom(0x0a, 0x0d, 0x20, 0x61, 0xc3, 0xa9, 0xef, 0xbb, 0xbf);
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.array(byte, { maxLength: 200 }), fc.array(fc.nat(400), { maxLength: 20 }), async (random, likely, cuts) => {
      const whole = Buffer.from([...random, ...likely]);
      const ends = [...new Set(cuts.filter((cut) => cut < whole.length))].sort((a, b) => a - b);
      const pieces = [...ends, whole.length].map((end, i) => whole.subarray(i === 0 ? 0 : ends[i - 1], end));
      expect(await split(pieces)).toEqual(await split([whole]));
    }),
    { numRuns: 300 },
  );
});
