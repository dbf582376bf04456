import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readLines, type Line } from './lines.js';

async function groupsOf(chunks: readonly Buffer[], lineBytesMax = 100, groupMax = 100): Promise<(readonly Line[])[]> {
  async function* stream(): AsyncGenerator<Buffer> {
    yield* chunks;
  }
  const groups: (readonly Line[])[] = [];
  for await (const group of readLines(stream(), lineBytesMax, groupMax)) groups.push(group);
  return groups;
}

const shown = (groups: readonly (readonly Line[])[]): (string | number)[][][] => groups.map((group) => group.map(({ number, bytes }) => [number, bytes?.toString() ?? 'too long']));

test('a chunk gives the lines that it completes', async () => {
  expect(shown(await groupsOf([Buffer.from('a\nb\nc'), Buffer.from('d'), Buffer.from('\n')]))).toEqual([[[1, 'a'], [2, 'b']], [[3, 'cd']]]);
});

test('a group never holds more than it may', async () => {
  expect(shown(await groupsOf([Buffer.from('a\nb\nc\nd\ne')], 100, 2))).toEqual([[[1, 'a'], [2, 'b']], [[3, 'c'], [4, 'd']], [[5, 'e']]]);
});

test('a line that is too long is skipped and named, however it arrives', async () => {
  const expected = [[1, 'ok'], [2, 'too long'], [3, '12345']];
  for (const cut of [1, 2, 3, 7, 100]) {
    const bytes = Buffer.from('ok\n123456789\n12345\n');
    const chunks: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += cut) chunks.push(bytes.subarray(at, at + cut));
    expect(shown(await groupsOf(chunks, 5)).flat()).toEqual(expected);
  }
});

test('the stream is read no further than its groups are taken', async () => {
  let chunksRead = 0;
  async function* endless(): AsyncGenerator<Buffer> {
    for (;;) {
      chunksRead += 1;
      yield Buffer.from('a\nb\n');
    }
  }
  const groups = readLines(endless(), 100, 1);
  await groups.next();
  await groups.next();
  expect(chunksRead).toBe(1);
  await groups.next();
  expect(chunksRead).toBe(2);
  await groups.return(undefined);
});

test('however a stream is cut into chunks, its lines are the same', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom('', 'a', 'bb', ' c ', 'd\r', 'e'.repeat(9))), fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1 }), async (texts, cuts) => {
      const bytes = Buffer.from(texts.join('\n'));
      const chunks: Buffer[] = [];
      for (let at = 0, i = 0; at < bytes.length; i++) {
        const size = cuts[i % cuts.length]!;
        chunks.push(bytes.subarray(at, at + size));
        at += size;
      }
      const expected = texts.map((text, i) => [i + 1, text.length > 8 ? 'too long' : text.trim()]).filter(([, text]) => text !== '');
      expect(shown(await groupsOf(chunks, 8)).flat()).toEqual(expected);
    }),
    { numRuns: 300 },
  );
});
