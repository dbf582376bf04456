/** The commands against a real node: configuration, engine, log, store and HTTP, all in this process. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { resolveConfig } from '../config/index.js';
import { startServer, type RunningServer } from '../server.js';
import { run, type FakeCliOptions, type Ran } from './fake-cli.js';

const directory = mkdtempSync(join(tmpdir(), 'engram-cli-'));
let server: RunningServer;

beforeAll(async () => {
  const loaded = resolveConfig({ env: { ENGRAM_NODE_DATA_DIR: join(directory, 'data'), ENGRAM_NODE_ID: 'node-1' }, flags: { httpPort: '0', grpcPort: '0' } });
  server = await startServer(loaded, pino({ level: 'silent' }));
});

afterAll(async () => {
  await server.close('the tests are done');
  rmSync(directory, { recursive: true });
});

function engram(argv: readonly string[], options: FakeCliOptions = {}): Promise<Ran> {
  return run(argv, { ...options, env: { ENGRAM_URL: `http://${server.httpAddress}`, ...options.env } });
}

async function json<T>(argv: readonly string[], options: FakeCliOptions = {}): Promise<T> {
  const { code, out, err } = await engram([...argv, '--json'], options);
  expect(err).toBe('');
  expect(code).toBe(0);
  return JSON.parse(out) as T;
}

describe('store', () => {
  test('says the id, the space and how safe it is', async () => {
    expect(await engram(['store', 'Ada moved to Lisbon in May', '--space', 'people', '--id', 'ada-1', '-t', 'city', '-t', 'move'])).toEqual({
      code: 0,
      out: 'stored ada-1 in people (local, 1 copy)\n',
      err: '',
    });
  });

  test('takes everything a memory has', async () => {
    const options = ['--space', 'full', '--id', 'all', '--when', '2024-05-01T10:00:00Z', '--confidence', '0.9', '--metadata', '{"source":"mail"}', '--tag', 'a'];
    expect(await json(['store', 'x', ...options])).toMatchObject({
      id: 'all', memory_space: 'full', content: 'x', tags: ['a'], confidence: 0.9, when: '2024-05-01T10:00:00.000Z', metadata: { source: 'mail' },
      durability: { requested: 'local', reached: 'local', copies: 1 },
    });
  });

  test('reads standard input for -, without the line end', async () => {
    expect(await json(['store', '-'], { stdin: 'two\nlines\n' })).toMatchObject({ content: 'two\nlines' });
  });

  test('refuses an endless standard input before it is all in memory', async () => {
    let pieces = 0;
    async function* endless(): AsyncGenerator<Buffer> {
      for (;;) {
        pieces += 1;
        yield Buffer.alloc(65_536, 0x61);
      }
    }
    const notText = await engram(['store', '-'], { stdin: (async function* () { yield Buffer.from([0x61, 0xff, 0xfe]); })() });
    expect(notText).toMatchObject({ code: 2, err: expect.stringContaining('not UTF-8') as string });
    const { code, err } = await engram(['store', '-'], { stdin: endless() });
    expect([code, err]).toEqual([2, expect.stringMatching(/^error: standard input is longer than 2097152 bytes\nhint: /)]);
    expect(pieces).toBeLessThan(40);
  });

  test('with the same key stores once', async () => {
    const first = await json<{ id: string }>(['store', 'once', '--idempotency-key', 'k1']);
    expect((await json<{ id: string }>(['store', 'once', '--idempotency-key', 'k1'])).id).toBe(first.id);
  });

  test('of other content under a known id says what to do', async () => {
    const { code, out, err } = await engram(['store', 'something else', '--space', 'people', '--id', 'ada-1']);
    expect([code, out]).toEqual([1, '']);
    expect(err).toMatch(/^error: .*ada-1.*\nhint: .*\n {6}\(request \S+ in the log of the server\)\n$/s);
    const forScripts = await engram(['store', 'something else', '--space', 'people', '--id', 'ada-1', '--json']);
    expect(JSON.parse(forScripts.err)).toMatchObject({ error: { code: 'id_conflict', retryable: false } });
  });
});

describe('recall', () => {
  test('finds by a question and shows why', async () => {
    const { code, out } = await engram(['recall', 'where did Ada move?', '--space', 'people', '--explain']);
    expect(code).toBe(0);
    expect(out).toMatch(/score +│ confidence +│ when +│ space +│ id +│ because +│ content/);
    expect(out).toMatch(/│ people +│ ada-1 +│ \w+ 0\.\d{3}/);
    expect(out).toMatch(/confidence 0\.\d\d, took \d+\.\d ms\n$/);
  });

  test('asks everywhere, and filters by tag and time', async () => {
    const idsOf = async (...options: string[]) => (await json<{ memories: { id: string }[] }>(['recall', 'Ada Lisbon', ...options])).memories.map(({ id }) => id);
    expect(await idsOf('--space', '*')).toEqual(['ada-1']);
    expect(await idsOf('--space', 'people', '--tag', 'city', '--tag', 'move')).toEqual(['ada-1']);
    expect(await idsOf('--space', 'people', '--tag', 'nothing')).toEqual([]);
    expect(await idsOf('--space', 'people', '--before', '2000-01-01T00:00:00Z')).toEqual([]);
    expect(await idsOf('--space', 'people', '--after', '2000-01-01T00:00:00Z', '--limit', '1', '--min-confidence', '0.01')).toEqual(['ada-1']);
  });

  test('that finds nothing says so and is no failure', async () => {
    expect(await engram(['recall', 'zeppelin', '--space', 'people'])).toEqual({ code: 0, out: 'nothing comes to mind\n', err: '' });
  });

  test('in a space that does not exist fails with a hint', async () => {
    expect(await engram(['recall', 'x', '--space', 'nowhere'])).toMatchObject({ code: 1, err: expect.stringMatching(/nowhere.*\nhint: /s) as string });
  });
});

describe('list and forget', () => {
  test('pages through a space', async () => {
    for (const id of ['p1', 'p2', 'p3']) await json(['store', `page ${id}`, '--space', 'pages', '--id', id]);
    const first = await json<{ memories: { id: string }[]; next: string }>(['list', '--space', 'pages', '--limit', '2']);
    expect(first.memories.map(({ id }) => id)).toEqual(['p1', 'p2']);
    const second = await json<{ memories: { id: string }[]; next?: string }>(['list', '--space', 'pages', '--limit', '2', '--cursor', first.next]);
    expect(second.memories.map(({ id }) => id)).toEqual(['p3']);
    expect(second.next).toBeUndefined();
    expect((await engram(['list', '--space', 'pages', '--limit', '2'])).out).toMatch(/more: --cursor \S+\n$/);
  });

  test('an empty space lists nothing, in words', async () => {
    expect(await engram(['list', '--space', 'pages', '--tag', 'none'])).toEqual({ code: 0, out: 'no memories\n', err: '' });
  });

  test('what a memory says cannot move the cursor of a terminal', async () => {
    await json(['store', 'red \u001b[31malert\u0007\nnext', '--space', 'terminal']);
    const { out } = await engram(['list', '--space', 'terminal']);
    expect(out).not.toMatch(/[\u001b\u0007]/);
    expect(out).toContain('red [31malert next');
  });

  test('forgets for good, and says when there is nothing to forget', async () => {
    await json(['store', 'secret', '--id', 'f1']);
    expect(await engram(['forget', 'f1'])).toEqual({ code: 0, out: 'forgot f1\n', err: '' });
    expect((await json<{ memories: { id: string }[] }>(['list'])).memories.map(({ id }) => id)).not.toContain('f1');
    await engram(['store', 'another', '--id', 'f2']);
    expect(await engram(['forget', 'never-was', 'f2'])).toMatchObject({ code: 1, out: 'forgot f2\n' });
    expect(await engram(['forget', 'never-was'])).toMatchObject({ code: 1, out: '', err: expect.stringMatching(/never-was/) as string });
  });
});

test('spaces shows what each holds', async () => {
  const { out } = await engram(['spaces']);
  expect(out).toMatch(/│ people +│ 1 +│ 0 +│ \d+ B +│ - +│ - +│ node-1 +│/);
  expect((await json<{ spaces: { space: string }[] }>(['spaces'])).spaces.map(({ space }) => space)).toContain('default');
});

test('status of a healthy node exits 0', async () => {
  const { code, out } = await engram(['status']);
  expect(code).toBe(0);
  expect(out).toMatch(/│ node-1 +│ \d+\.\d+\.\d+ +│ \d+s +│ healthy +│/);
  expect(out).toMatch(/\nalive: 0\nsuspect: 0\ndead: 0\n$/);
});

describe('import and export', () => {
  const file = (name: string, text: string): string => {
    const path = join(directory, name);
    writeFileSync(path, text);
    return path;
  };
  const lines = (count: number) => Array.from({ length: count }, (_, i) => `${JSON.stringify({ content: `line ${i}`, tags: [`t${i % 3}`] })}\n`).join('');

  test('stores a file, and storing it again finds it there', async () => {
    const path = file('many.jsonl', lines(1_300));
    expect(await engram(['import', path, '--space', 'many'])).toEqual({ code: 0, out: '1300 lines: 1300 stored, 0 stored before, 0 failed\n', err: '' });
    expect(await json(['import', path, '--space', 'many'])).toEqual({ lines: 1300, stored: 0, already_stored: 1300, failed: 0 });
  });

  test('stores the rest of a file that was half stored', async () => {
    await json(['import', '-', '--space', 'half'], { stdin: lines(40) });
    expect(await json(['import', '-', '--space', 'half'], { stdin: lines(100) })).toEqual({ lines: 100, stored: 60, already_stored: 40, failed: 0 });
  });

  test('names every bad line in order, stores the good ones, and exits 1', async () => {
    const path = file('bad.jsonl', '{"content":"good"}\nnot json\n{"content":""}\n\n{"content":"x","colour":1}\n[]\n{"content":"good too"}');
    const { code, out, err } = await engram(['import', path, '--space', 'mixed']);
    expect(code).toBe(1);
    expect(out).toBe('6 lines: 2 stored, 0 stored before, 4 failed\n');
    expect(err.split('\n').map((line) => line.replace(/^(line \d+: .{6}).*/, '$1'))).toEqual(['line 2: is not', 'line 3: the bo', 'line 5: the bo', 'line 6: is not', '']);
  });

  test('prints no more bad lines than a person reads', async () => {
    const { code, err } = await engram(['import', '-', '--space', 'bad'], { stdin: 'x\n'.repeat(150) });
    expect(code).toBe(1);
    expect(err.match(/^line /gm)).toHaveLength(100);
    expect(err).toMatch(/… and 50 more lines that failed\n$/);
  });

  test('what was exported can be imported elsewhere and exports the same', async () => {
    const path = join(directory, 'many-export.jsonl');
    expect(await engram(['export', '--space', 'many', '--output', path])).toEqual({ code: 0, out: '', err: 'exported 1300 memories of 1 space\n' });
    expect(existsSync(`${path}.partial`)).toBe(false);
    expect(await json(['import', path, '--space', 'copy'])).toMatchObject({ stored: 1300, failed: 0 });
    const again = await engram(['export', '--space', 'copy']);
    const strip = (text: string) => text.split('\n').filter(Boolean).map((line) => {
      const { stored_at: _storedAt, memory_space: _space, ...said } = JSON.parse(line) as Record<string, unknown>;
      return said;
    });
    expect(strip(again.out)).toEqual(strip(readFileSync(path, 'utf8')));
  });

  test('exports embeddings with their memories', async () => {
    const vector = { content: 'a vector', embedding: [0.5, -0.25], id: 'v1' };
    await json(['import', '-', '--space', 'vectors'], { stdin: `${JSON.stringify(vector)}\n` });
    expect(JSON.parse((await engram(['export', '--space', 'vectors'])).out)).toMatchObject(vector);
  });

  test('exports all spaces when none is named', async () => {
    const { out } = await engram(['export']);
    const spaces = new Set(out.split('\n').filter(Boolean).map((line) => (JSON.parse(line) as { memory_space: string }).memory_space));
    expect(['many', 'copy', 'people', 'vectors'].filter((space) => !spaces.has(space))).toEqual([]);
  });

  test('an export that fails leaves no file that looks whole', async () => {
    const path = join(directory, 'nowhere.jsonl');
    expect((await engram(['export', '--space', 'nowhere', '--output', path])).code).toBe(1);
    expect([existsSync(path), existsSync(`${path}.partial`)]).toEqual([false, false]);
    expect(await engram(['export', '--space', 'many', '--output', join(directory, 'no', 'such', 'folder')])).toMatchObject({ code: 1, err: expect.stringMatching(/does not exist\n$/) as string });
  });
});
