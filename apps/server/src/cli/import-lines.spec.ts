import { describe, expect, test } from 'vitest';
import { chunkDrafts, readDraft, splitLines, type Chunk, type SourceLine } from './import-lines.js';

async function linesOf(pieces: readonly (string | Buffer)[], lineBytesMax = 1_000): Promise<[number, string | undefined, number][]> {
  const lines: [number, string | undefined, number][] = [];
  for await (const { number, bytes, end } of splitLines(from(pieces), lineBytesMax)) lines.push([number, bytes?.toString(), end]);
  return lines;
}

async function chunksOf(text: string, bounds: { lines: number; bytes: number }, space?: string): Promise<Chunk[]> {
  const chunks: Chunk[] = [];
  for await (const chunk of chunkDrafts(splitLines(from([text]), 1_000), space, bounds)) chunks.push(chunk);
  return chunks;
}

async function* from<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

describe('lines', () => {
  test('end with LF or CRLF, and the last with nothing', async () => {
    expect(await linesOf(['a\r\nb\nc'])).toEqual([[1, 'a', 3], [2, 'b', 5], [3, 'c', 6]]);
  });

  test('that are empty are counted and left out', async () => {
    expect(await linesOf(['\n\r\n \t\nx\n\n'])).toEqual([[4, 'x', 8]]);
  });

  test('go on over the pieces they arrive in', async () => {
    expect(await linesOf(['a', 'b', '\r', '\n', '', 'c\nd'])).toEqual([[1, 'ab', 4], [2, 'c', 6], [3, 'd', 7]]);
  });

  test('that are too long are skipped without being kept, and the next is read', async () => {
    expect(await linesOf(['xxx', 'xxx', 'xxx\nab\n'], 5)).toEqual([[1, undefined, 10], [2, 'ab', 13]]);
  });

  test('begin after a byte order mark', async () => {
    expect(await linesOf(['\uFEFF{}\n{}'])).toEqual([[1, '{}', 6], [2, '{}', 8]]);
  });
});

describe('a line', () => {
  const line = (text: string | Buffer, number = 1): SourceLine => ({ number, end: 0, bytes: Buffer.from(text as string) });
  const draftOf = (text: string, space?: string) => {
    const draft = readDraft(line(text), space);
    if (draft.kind === 'bad') throw new Error(draft.reason);
    return JSON.parse(draft.json) as Record<string, unknown>;
  };

  test('without an id gets one made from what it says', () => {
    const { id } = draftOf('{"content":"one"}');
    expect(id).toMatch(/^line-[0-9a-f]{32}$/);
    expect(draftOf('{"content":"one"}')['id']).toBe(id);
    expect(draftOf('{"content":"one","memory_space":"mail"}')['id']).toBe(id);
    expect(draftOf('{"content":"two"}')['id']).not.toBe(id);
    expect(draftOf('{"content":"one","tags":["a"]}')['id']).not.toBe(id);
  });

  test('with an id keeps it', () => {
    expect(draftOf('{"content":"one","id":"a"}')['id']).toBe('a');
  });

  test('of an export loses what the server had added', () => {
    expect(draftOf('{"id":"a","content":"one","stored_at":"2024-01-01T00:00:00Z","durability":{}}')).toEqual({ id: 'a', content: 'one' });
  });

  test('goes into the space that is asked for, whatever it says', () => {
    expect(draftOf('{"id":"a","content":"one","memory_space":"mail"}', 'books')['memory_space']).toBe('books');
    expect(draftOf('{"id":"a","content":"one","memory_space":"mail"}')['memory_space']).toBe('mail');
  });

  test.each<[string, string | Buffer, RegExp]>([
    ['is not JSON', '{', /^is not JSON: /],
    ['is no object', '[1]', /^is not a JSON object$/],
    ['is nothing', 'null', /^is not a JSON object$/],
    ['is not UTF-8', Buffer.from([0x22, 0xff, 0x22]), /^is not UTF-8$/],
  ])('that %s is bad, with its number', (_what, text, reason) => {
    expect(readDraft(line(text, 7), undefined)).toEqual({ kind: 'bad', number: 7, reason: expect.stringMatching(reason) as string });
  });
});

describe('chunks', () => {
  const numbers = (chunks: readonly Chunk[]) => chunks.map(({ drafts, bad }) => [drafts.map(({ number }) => number), bad.map(({ number }) => number)]);

  test('hold a bounded number of lines, good and bad', async () => {
    const chunks = await chunksOf('{"a":1}\nx\n{"a":2}\n{"a":3}\ny\n', { lines: 2, bytes: 1_000 });
    expect(numbers(chunks)).toEqual([[[1], [2]], [[3, 4], []], [[], [5]]]);
    expect(chunks.map(({ end }) => end)).toEqual([10, 26, 28]);
  });

  test('hold a bounded number of bytes and the line that passes it', async () => {
    expect(numbers(await chunksOf('{"a":1}\n{"a":2}\n{"a":3}\n', { lines: 100, bytes: 10 }))).toEqual([[[1, 2], []], [[3], []]]);
  });

  test('of an empty file are none', async () => {
    expect(await chunksOf('\n\n', { lines: 1, bytes: 1 })).toEqual([]);
  });
});
