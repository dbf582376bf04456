import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Random } from '@engram/kernel';
import { AckLevel, createMemoryClient, msFromTimestamp, StoreOutcome, timestampFromMs, type MemoryClient } from '@engram/rpc';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openEngine, type Engine } from '../engine/index.js';
import { ServerMetrics } from '../metrics/index.js';
import { startGrpcServer, type GrpcServer } from './grpc-server.js';
import { batchDraftsMax } from './memory-service.js';

let directory: string;
let engine: Engine;
let server: GrpcServer;
let client: MemoryClient;
let metrics: ServerMetrics;
let logged: object[];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'engram-grpc-'));
  let wallMs = Date.UTC(2026, 0, 1);
  engine = await openEngine({
    dataDirectory: directory,
    version: '0.0.0-test',
    random: Random.fromSeed('memory-service.spec'),
    wallClockMs: () => (wallMs += 1),
    checkpointEveryMs: 3_600_000,
  });
  metrics = new ServerMetrics('0.0.0-test');
  logged = [];
  server = await startGrpcServer({ bind: '127.0.0.1:0', engine, metrics, log: { error: (details) => void logged.push(details) } });
  client = createMemoryClient({ address: server.address });
});

afterEach(async () => {
  client.close();
  await server.close(1_000);
  await engine.close();
  rmSync(directory, { recursive: true, force: true });
  expect(logged).toEqual([]);
});

const refused = (code: string, message = ''): object => ({ code, message: expect.stringContaining(message) as string });
const local = { requested: AckLevel.ACK_LEVEL_LOCAL, reached: AckLevel.ACK_LEVEL_LOCAL, copies: 1 };

describe('storing one memory', () => {
  test('what is stored is got, listed and recalled, with every field', async () => {
    const draft = {
      content: 'Zoë met Ada in Kraków for tea.',
      memorySpace: 'work-notes',
      tags: ['people', 'tea'],
      confidence: 0,
      embedding: [0.5, -1.25, 0],
      when: timestampFromMs(-1),
      metadata: { source: 'chat', path: ['a', { b: [] }], none: null },
      id: 'tea-1',
    };

    const stored = await client.store({ draft });

    expect(stored).toMatchObject({ outcome: StoreOutcome.STORE_OUTCOME_STORED, durability: local });
    expect(stored.memory).toMatchObject({ ...draft, embedding: [] });
    const { memory } = await client.get({ memorySpace: 'work-notes', id: 'tea-1' });
    expect(memory).toEqual({ ...stored.memory, embedding: draft.embedding });
    expect((await client.list({ memorySpace: 'work-notes' })).memories).toEqual([stored.memory]);
    expect((await client.list({ memorySpace: 'work-notes', includeEmbeddings: true })).memories).toEqual([memory]);
    const recalled = await client.recall({ spaces: ['work-notes'], cue: { text: 'Who had tea in Kraków?' }, explain: true });
    expect(recalled).toMatchObject({ partial: false, missing: [], penalty: 0, memories: [{ memory: stored.memory }] });
    const [hit] = recalled.memories;
    const { lexical, vector, neighbours, associations, time, recency } = hit!.parts!;
    expect(lexical + vector + neighbours + associations + time + recency).toBe(hit!.score);
  });

  test('what is left out gets its default', async () => {
    const { memory } = await client.store({ draft: { content: 'plain' } });

    expect(memory).toMatchObject({ memorySpace: 'default', tags: [], confidence: 0.7, metadata: undefined });
    expect(memory!.id).toMatch(/^[0-9A-Z]{26}$/);
    expect(msFromTimestamp(memory!.when!, 'when')).toBe(msFromTimestamp(memory!.storedAt!, 'stored_at'));
  });

  test('the same memory again is already stored, another under its id is a conflict, a forgotten id stays forgotten', async () => {
    await client.store({ draft: { content: 'one', id: 'a' } });

    expect(await client.store({ draft: { content: 'one', id: 'a' } })).toMatchObject({ outcome: StoreOutcome.STORE_OUTCOME_ALREADY_STORED });
    await expect(client.store({ draft: { content: 'two', id: 'a' } })).rejects.toMatchObject(refused('id_conflict'));
    expect(await client.forget({ id: 'a' })).toEqual({ durability: local });
    expect(await client.forget({ id: 'a' })).toEqual({ durability: local });
    await expect(client.store({ draft: { content: 'one', id: 'a' } })).rejects.toMatchObject(refused('id_forgotten'));
    await expect(client.get({ id: 'a' })).rejects.toMatchObject(refused('memory_not_found'));
  });

  test('an idempotency key makes a retry safe', async () => {
    const request = { draft: { content: 'once' }, idempotencyKey: 'retry-7' };

    const first = await client.store(request);

    expect((await client.store(request)).memory).toEqual(first.memory);
    await expect(client.store({ ...request, draft: { content: 'twice' } })).rejects.toMatchObject(refused('idempotency_conflict'));
    expect((await client.list({})).memories).toHaveLength(1);
  });
});

describe('bad input is the fault of the caller and changes nothing', () => {
  const nested = (depth: number): object => (depth === 0 ? {} : { in: nested(depth - 1) });
  const hostile: readonly [string, object, string][] = [
    ['no draft', {}, 'draft'],
    ['empty content', { draft: {} }, 'content'],
    ['a space with dots and slashes', { draft: { content: 'x', memorySpace: '../etc' } }, 'space id'],
    ['a space with NUL', { draft: { content: 'x', memorySpace: 'a\0b' } }, 'space id'],
    ['a space of 10000 characters', { draft: { content: 'x', memorySpace: 'a'.repeat(10_000) } }, 'space id'],
    ['an id with a slash', { draft: { content: 'x', id: 'a/b' } }, 'memory id'],
    ['an empty id', { draft: { content: 'x', id: '' } }, 'memory id'],
    ['a confidence that is no number', { draft: { content: 'x', confidence: NaN } }, 'confidence'],
    ['a confidence over 1', { draft: { content: 'x', confidence: 1.5 } }, 'confidence'],
    ['a vector with NaN', { draft: { content: 'x', embedding: [1, NaN] } }, 'embedding'],
    ['a vector of too many dimensions', { draft: { content: 'x', embedding: new Array<number>(5_000).fill(1) } }, 'embedding'],
    ['too many tags', { draft: { content: 'x', tags: new Array<string>(65).fill('t') } }, 'tags'],
    ['metadata that is too deep', { draft: { content: 'x', metadata: nested(17) } }, 'metadata'],
    ['metadata with __proto__', { draft: { content: 'x', metadata: JSON.parse('{"__proto__": {"a": 1}}') as object } }, '__proto__'],
    ['metadata with infinity', { draft: { content: 'x', metadata: { a: Infinity } } }, 'metadata'],
    ['a time out of range', { draft: { content: 'x', when: { seconds: 1n << 62n, nanos: 0 } } }, 'when'],
    ['an unknown ack level', { draft: { content: 'x' }, ack: 99 }, 'ack'],
    ['an ack level that needs a cluster', { draft: { content: 'x' }, ack: AckLevel.ACK_LEVEL_QUORUM }, 'ack'],
    ['an empty idempotency key', { draft: { content: 'x' }, idempotencyKey: '' }, 'idempotency_key'],
    ['an idempotency key with a line break', { draft: { content: 'x' }, idempotencyKey: 'a\nb' }, 'idempotency_key'],
  ];

  test.each(hostile)('store with %s', async (_what, request, field) => {
    await expect(client.store(request)).rejects.toMatchObject({ ...refused('invalid_argument', field), hint: expect.stringMatching(/./) as string });
    expect((await client.list({})).memories).toEqual([]);
  });

  test('store with content over 1 MiB is too large rather than wrong', async () => {
    await expect(client.store({ draft: { content: 'x'.repeat(1_048_577) } })).rejects.toMatchObject({ code: 'payload_too_large' });
  });

  test.each([
    ['no cue', {}, 'cue'],
    ['an empty cue', { cue: {} }, 'cue'],
    ['a limit of zero', { cue: { text: 'x' }, limit: 0 }, 'limit'],
    ['a limit over 1000', { cue: { text: 'x' }, limit: 1_001 }, 'limit'],
    ['no time', { cue: { text: 'x' }, timeoutMs: 0 }, 'timeout_ms'],
    ['the star among other spaces', { cue: { text: 'x' }, spaces: ['*', 'work'] }, 'space id'],
    ['too many spaces', { cue: { text: 'x' }, spaces: new Array<string>(1_001).fill('work') }, 'spaces'],
    ['times the wrong way round', { cue: { text: 'x', after: timestampFromMs(5), before: timestampFromMs(5) } }, 'before'],
  ])('recall with %s', async (_what, request, field) => {
    await expect(client.recall(request)).rejects.toMatchObject(refused('invalid_argument', field));
  });

  test('list with a limit out of range or a cursor that is no id', async () => {
    await expect(client.list({ limit: 0 })).rejects.toMatchObject(refused('invalid_argument', 'limit'));
    await expect(client.list({ limit: 1_001 })).rejects.toMatchObject(refused('invalid_argument', 'limit'));
    await expect(client.list({ after: '../x' })).rejects.toMatchObject(refused('invalid_argument', 'memory id'));
  });

  test('an unknown space is not found on every way to read', async () => {
    const unknown = refused('space_not_found', 'nowhere');

    await expect(client.get({ memorySpace: 'nowhere', id: 'a' })).rejects.toMatchObject(unknown);
    await expect(client.list({ memorySpace: 'nowhere' })).rejects.toMatchObject(unknown);
    await expect(client.forget({ memorySpace: 'nowhere', id: 'a' })).rejects.toMatchObject(unknown);
    await expect(client.recall({ spaces: ['nowhere'], cue: { text: 'x' } })).rejects.toMatchObject(unknown);
    expect(await client.list({})).toEqual({ memories: [], next: undefined });
  });

  test('a vector of another dimension than the first of its space', async () => {
    await client.store({ draft: { content: 'x', embedding: [1, 2] } });

    await expect(client.store({ draft: { content: 'y', embedding: [1, 2, 3] } })).rejects.toMatchObject(refused('embedding_dimension_mismatch'));
  });

  test('a message over the limit', async () => {
    const generous = createMemoryClient({ address: server.address, messageBytesMax: 64 * 1024 * 1024 });

    await expect(generous.store({ draft: { content: 'x'.repeat(5_000_000) } })).rejects.toMatchObject(refused('payload_too_large'));
    generous.close();
  });
});

describe('recalling', () => {
  test('the star asks every space, none the default one', async () => {
    await client.store({ draft: { content: 'tea at home' } });
    await client.store({ draft: { content: 'tea at work', memorySpace: 'work' } });
    const spacesOf = async (spaces: string[]): Promise<string[]> =>
      (await client.recall({ cue: { text: 'tea' }, spaces })).memories.map(({ memory }) => memory!.memorySpace).sort();

    expect(await spacesOf(['*'])).toEqual(['default', 'work']);
    expect(await spacesOf(['work', 'default', 'work'])).toEqual(['default', 'work']);
    expect(await spacesOf([])).toEqual(['default']);
  });

  test('filters and the least confidence are passed on', async () => {
    for (const [id, day] of [['a', 1], ['b', 2], ['c', 3]] as const) {
      await client.store({ draft: { content: 'tea again', id, tags: [id, 'tea'], when: timestampFromMs(day * 86_400_000) } });
    }
    const ids = async (request: Parameters<MemoryClient['recall']>[0]): Promise<string[]> =>
      (await client.recall(request)).memories.map(({ memory }) => memory!.id).sort();
    const days = { after: timestampFromMs(2 * 86_400_000), before: timestampFromMs(3 * 86_400_000) };

    expect(await ids({ cue: { text: 'tea', ...days } })).toEqual(['b']);
    expect(await ids({ cue: { tags: ['tea', 'c'] } })).toEqual(['c']);
    expect(await ids({ cue: { text: 'tea' }, limit: 2 })).toHaveLength(2);
    expect(await ids({ cue: { text: 'tea' }, minConfidence: 1 })).toEqual([]);
  });
});

describe('listing', () => {
  test('pages follow one another without a gap or a repeat', async () => {
    const ids = Array.from({ length: 25 }, (_, i) => `m-${String(i).padStart(2, '0')}`);
    for (const id of ids) await client.store({ draft: { content: id, id, tags: [Number(id.slice(2)) % 2 === 0 ? 'even' : 'odd'] } });

    expect(await allIds({ limit: 7 })).toEqual(ids);
    expect(await allIds({ limit: 4, tag: 'odd' })).toEqual(ids.filter((_, i) => i % 2 === 1));
  });

  test('a page that would not fit into a message ends early and goes on where it ended', async () => {
    const ids = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    for (const id of ids) await client.store({ draft: { content: id.repeat(1_048_576), id } });

    const first = await client.list({ limit: 7 });

    expect(first.memories.map(({ id }) => id)).toEqual(['a', 'b', 'c']);
    expect(await allIds({ limit: 7 })).toEqual(ids);
  });

  async function allIds(request: { limit: number; tag?: string }): Promise<string[]> {
    const ids: string[] = [];
    let after: string | undefined;
    do {
      const page = await client.list({ memorySpace: 'default', ...request, after });
      ids.push(...page.memories.map(({ id }) => id));
      after = page.next;
    } while (after !== undefined);
    return ids;
  }
});

describe('storing on a stream', () => {
  test('each draft has its result in its place, and one refusal stops no other', async () => {
    const batches = [
      [{ content: 'one', id: 'a' }, { content: '' }, { content: 'two', memorySpace: 'NO' }, { content: 'three', id: 'c' }],
      [{ content: 'one', id: 'a' }, { content: 'other', id: 'a' }, { content: 'late', when: { seconds: 0n, nanos: -1 } }],
    ];

    const answers: unknown[] = [];
    for await (const { sequence, results } of client.storeStream(batches)) {
      answers.push([sequence, results.map(({ result }) => (result?.$case === 'stored' ? [result.value.id, result.value.outcome] : result?.value.code))]);
    }

    const { STORE_OUTCOME_STORED: stored, STORE_OUTCOME_ALREADY_STORED: already } = StoreOutcome;
    expect(answers).toEqual([
      [1n, [['a', stored], 'invalid_argument', 'invalid_argument', ['c', stored]]],
      [2n, [['a', already], 'id_conflict', 'invalid_argument']],
    ]);
  });

  test('a long stream is stored whole and in order', async () => {
    const batches = function* () {
      for (let batch = 0; batch < 100; batch++) yield Array.from({ length: 50 }, (_, i) => ({ content: `memory ${batch * 50 + i}`, memorySpace: 'long' }));
    };

    const ids: string[] = [];
    for await (const { results } of client.storeStream(batches())) {
      for (const { result } of results) ids.push(result?.$case === 'stored' ? result.value.id : 'refused');
    }

    expect(ids).toHaveLength(5_000);
    expect(ids).toEqual([...ids].sort());
    expect(engine.get('long' as never, ids[4_999] as never).content).toBe('memory 4999');
  });

  test.each([0, batchDraftsMax + 1])('a batch of %i drafts ends the stream and is not stored', async (length) => {
    const batch = new Array<{ content: string }>(length).fill({ content: 'x' });

    await expect(client.storeStream([batch]).next()).rejects.toMatchObject(refused('invalid_argument', `${length} memories in batch 1`));
    expect((await client.list({})).memories).toEqual([]);
  });

  test('an ack level that needs copies on other nodes ends the stream', async () => {
    await expect(client.storeStream([[{ content: 'x' }]], { ack: AckLevel.ACK_LEVEL_ALL }).next()).rejects.toMatchObject(refused('invalid_argument', 'ack'));
  });
});

test('operations are counted under the names HTTP uses', async () => {
  await client.store({ draft: { content: 'x', id: 'a' } });
  await client.get({ id: 'nobody' }).catch(() => undefined);
  for await (const answer of client.storeStream([[{ content: 'y' }, { content: '' }]])) expect(answer.sequence).toBe(1n);

  const text = await metrics.render();

  expect(text).toContain('engram_operations_total{operation="store"} 1');
  expect(text).toContain('engram_operations_total{operation="store_batch"} 1');
  expect(text).toContain('engram_operation_errors_total{operation="get",error_type="memory_not_found"} 1');
  expect(text).toContain('engram_batch_items_total{outcome="refused"} 1');
});
