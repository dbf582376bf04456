import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseMemoryId, parseNodeId, parseSpaceId, Random } from '@engram/kernel';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { MemoryDraft } from './draft.js';
import { openEngine, type Engine } from './engine.js';
import type { EngineOptions } from './engine-types.js';

const space = parseSpaceId('default');
const id = parseMemoryId;

let directory: string;
let wallMs: number;
let opened: Engine[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'engram-engine-'));
  wallMs = Date.UTC(2026, 0, 1);
  opened = [];
});

afterEach(async () => {
  await Promise.all(opened.map((engine) => engine.close()));
  rmSync(directory, { recursive: true, force: true });
});

async function open(options: Partial<EngineOptions> = {}): Promise<Engine> {
  const engine = await openEngine({
    dataDirectory: directory,
    version: '0.0.0-test',
    random: Random.fromSeed('engine.spec'),
    wallClockMs: () => (wallMs += 1),
    checkpointEveryMs: 3_600_000,
    ...options,
  });
  opened.push(engine);
  return engine;
}

function draft(content: string, more: Partial<MemoryDraft> = {}): MemoryDraft {
  return { space, content, tags: [], ...more };
}

const code = (wanted: string): Error => expect.objectContaining({ code: wanted }) as Error;

describe('storing', () => {
  test('a stored memory is read, listed and recalled at once, and after a restart', async () => {
    const engine = await open();
    const { outcome, memory, durability } = await engine.store(draft('The ferry leaves at noon', { tags: ['travel'] }));
    expect({ outcome, durability }).toEqual({ outcome: 'stored', durability: { requested: 'local', reached: 'local', copies: 1 } });
    expect(memory).toMatchObject({ content: 'The ferry leaves at noon', tags: ['travel'], confidence: 0.7, whenMs: memory.storedAtMs });
    const seen = (node: Engine): unknown[] => [
      node.get(space, memory.id),
      node.list(space, { limit: 10 }).memories,
      node.recall({ spaces: [space], cue: { text: 'when does the ferry leave' }, limit: 10 }).memories.map((hit) => hit.memory),
    ];
    const before = seen(engine);
    expect(before).toEqual([memory, [memory], [memory]]);
    await engine.close();
    expect(seen(await open())).toEqual(before);
  });

  test('the same id with the same content is answered again, with other content it is refused', async () => {
    const engine = await open();
    const first = await engine.store(draft('one', { id: id('a') }));
    expect(await engine.store(draft('one', { id: id('a') }))).toMatchObject({ outcome: 'already-stored', memory: first.memory });
    await expect(engine.store(draft('two', { id: id('a') }))).rejects.toThrow(code('id_conflict'));
    await expect(engine.store(draft('one', { id: id('a'), confidence: 0.1 }))).rejects.toThrow(code('id_conflict'));
  });

  test('of many stores of one id at the same time exactly one wins', async () => {
    const engine = await open();
    const results = await Promise.allSettled(['x', 'x', 'y', 'x', 'y'].map((content) => engine.store(draft(content, { id: id('same') }))));
    expect(results.map((result) => (result.status === 'fulfilled' ? result.value.outcome : (result.reason as { code: string }).code))).toEqual([
      'stored', 'already-stored', 'id_conflict', 'already-stored', 'id_conflict',
    ]);
    expect(engine.list(space, { limit: 10 }).memories).toHaveLength(1);
  });

  test('a repeated Idempotency-Key stores once, also at the same time and after a restart', async () => {
    const engine = await open();
    const [first, second] = await Promise.all([1, 2].map(() => engine.store(draft('once'), { idempotencyKey: 'k' })));
    expect([first?.outcome, second?.outcome]).toEqual(['stored', 'already-stored']);
    await expect(engine.store(draft('other'), { idempotencyKey: 'k' })).rejects.toThrow(code('idempotency_conflict'));
    await engine.close();
    const again = await (await open()).store(draft('once'), { idempotencyKey: 'k' });
    expect(again).toMatchObject({ outcome: 'already-stored', memory: { id: first?.memory.id } });
  });

  test('an Idempotency-Key is free again after 24 hours', async () => {
    const engine = await open();
    await engine.store(draft('once'), { idempotencyKey: 'k' });
    wallMs += 24 * 60 * 60 * 1000;
    expect(await engine.store(draft('later'), { idempotencyKey: 'k' })).toMatchObject({ outcome: 'stored' });
  });

  test('a default that is spelled out makes no other request of it', async () => {
    const engine = await open();
    await engine.store(draft('once'), { idempotencyKey: 'k' });
    expect(await engine.store(draft('once', { confidence: 0.7 }), { idempotencyKey: 'k' })).toMatchObject({ outcome: 'already-stored' });
  });

  test('ids made up after a restart sort behind those before it, even when the wall clock went back', async () => {
    const engine = await open();
    const first = await engine.store(draft('before'));
    await engine.close();
    wallMs -= 60_000;
    const second = await (await open()).store(draft('after'));
    expect(second.memory.id > first.memory.id).toBe(true);
  });

  test('the order of metadata keys makes no difference, their values do', async () => {
    const engine = await open();
    await engine.store(draft('m', { metadata: { a: 1, b: { c: 2, d: 3 } } }), { idempotencyKey: 'k' });
    expect(await engine.store(draft('m', { metadata: { b: { d: 3, c: 2 }, a: 1 } }), { idempotencyKey: 'k' })).toMatchObject({ outcome: 'already-stored' });
    await expect(engine.store(draft('m', { metadata: { a: 1, b: { c: 2, d: 4 } } }), { idempotencyKey: 'k' })).rejects.toThrow(code('idempotency_conflict'));
  });

  test('the first vector fixes the dimension, also against one stored at the same time', async () => {
    const engine = await open();
    const [first, second] = await Promise.allSettled([
      engine.store(draft('a', { embedding: new Float32Array([1, 2]) })),
      engine.store(draft('b', { embedding: new Float32Array([1, 2, 3]) })),
    ]);
    expect(first?.status).toBe('fulfilled');
    expect(second).toMatchObject({ status: 'rejected', reason: { code: 'embedding_dimension_mismatch' } });
  });

  test('an ack level that needs copies on other nodes is refused, nothing is stored', async () => {
    const engine = await open();
    await expect(engine.store(draft('x'), { ack: 'quorum' })).rejects.toThrow(code('invalid_argument'));
    expect(engine.list(space, { limit: 10 }).memories).toEqual([]);
  });

  test('the bound on memories is an error that says so', async () => {
    const engine = await open({ memory: { maxMemories: 1 } });
    await engine.store(draft('a'));
    await expect(engine.store(draft('b'))).rejects.toThrow(code('capacity_exhausted'));
  });
});

describe('batches', () => {
  test('each item has its own result, in order', async () => {
    const engine = await open();
    await engine.store(draft('there', { id: id('there') }));
    const results = await engine.storeBatch([
      draft('a', { id: id('a') }),
      draft('', { id: id('empty') }),
      draft('there', { id: id('there') }),
      draft('a', { id: id('a') }),
      draft('other', { id: id('a') }),
      draft('b'),
    ]);
    expect(results.map((result) => (result.outcome === 'refused' ? result.error.code : result.outcome))).toEqual([
      'stored', 'invalid_argument', 'already-stored', 'already-stored', 'id_conflict', 'stored',
    ]);
  });

  test('a batch larger than what the log takes in one piece is stored whole', async () => {
    const engine = await open();
    const batch = Array.from({ length: 24 }, (_, n) => draft(`${n} ${'x'.repeat(1_000_000)}`, { id: id(`big-${n}`) }));
    const results = await engine.storeBatch(batch);
    expect(new Set(results.map(({ outcome }) => outcome))).toEqual(new Set(['stored']));
    expect(engine.status().memories).toBe(24);
  });

  test('a batch repeated under one Idempotency-Key stores nothing twice', async () => {
    const engine = await open();
    const batch = [draft('a'), draft('b'), draft('a')];
    const ids = (results: Awaited<ReturnType<Engine['storeBatch']>>): unknown[] => results.map((result) => (result.outcome === 'refused' ? result.error : result.memory.id));
    const first = await engine.storeBatch(batch, { idempotencyKey: 'batch' });
    expect(ids(await engine.storeBatch(batch, { idempotencyKey: 'batch' }))).toEqual(ids(first));
    expect(engine.list(space, { limit: 10 }).memories).toHaveLength(3);
  });
});

describe('forgetting', () => {
  test('a forgotten memory is gone for good, also after a restart, and its id cannot come back', async () => {
    const engine = await open();
    await engine.store(draft('secret', { id: id('s') }));
    await engine.forget(space, id('s'));
    const gone = async (node: Engine): Promise<void> => {
      expect(() => node.get(space, id('s'))).toThrow(code('memory_not_found'));
      expect(node.recall({ spaces: [space], cue: { text: 'secret' }, limit: 10 }).memories).toEqual([]);
      await expect(node.store(draft('secret', { id: id('s') }))).rejects.toThrow(code('id_forgotten'));
    };
    await gone(engine);
    await engine.close();
    await gone(await open());
  });

  test('forgetting twice is answered alike, forgetting what never was is an error', async () => {
    const engine = await open();
    await engine.store(draft('x', { id: id('x') }));
    const answers = await Promise.all([engine.forget(space, id('x')), engine.forget(space, id('x'))]);
    expect(answers[0]).toEqual(answers[1]);
    await expect(engine.forget(space, id('never'))).rejects.toThrow(code('memory_not_found'));
  });
});

describe('spaces', () => {
  test('the default space is there from the start, an unknown one is an error', async () => {
    const engine = await open();
    expect(engine.list(space, { limit: 1 })).toEqual({ memories: [] });
    const unknown = parseSpaceId('nowhere');
    expect(() => engine.list(unknown, { limit: 1 })).toThrow(code('space_not_found'));
    expect(() => engine.recall({ spaces: [unknown], cue: { text: 'x' }, limit: 1 })).toThrow(code('space_not_found'));
  });

  test('a space’s policy survives a restart', async () => {
    const engine = await open();
    await engine.setSpacePolicy(parseSpaceId('team'), { partitionPolicy: 'available' });
    await engine.close();
    expect((await open()).space(parseSpaceId('team'))).toMatchObject({ memories: 0, policy: { partitionPolicy: 'available' } });
  });

  test('a recall over all spaces says which ones it could not ask in time, and lowers its confidence', async () => {
    const engine = await open();
    await engine.store(draft('tea in the garden'));
    await engine.store({ ...draft('tea in the kitchen'), space: parseSpaceId('other') });
    const whole = engine.recall({ spaces: '*', cue: { text: 'tea' }, limit: 10 });
    expect(whole).toMatchObject({ partial: false, missing: [], penalty: 0 });
    expect(whole.memories).toHaveLength(2);
    const partial = engine.recall({ spaces: '*', cue: { text: 'tea' }, limit: 10, timeoutMs: 0 });
    expect(partial).toMatchObject({ memories: [], partial: true, confidence: 0, penalty: 0.5 });
    expect(partial.missing.map((part) => part.space)).toEqual(['default', 'other']);
  });
});

describe('the data directory', () => {
  test('belongs to one process at a time', async () => {
    await open();
    await expect(open()).rejects.toThrow(code('data_directory_locked'));
  });

  test('keeps the node’s id, and refuses another one', async () => {
    const engine = await open();
    await engine.close();
    const again = await open();
    expect(again.nodeId).toBe(engine.nodeId);
    await again.close();
    await expect(open({ nodeId: parseNodeId('somebody-else') })).rejects.toThrow(code('invalid_config'));
  });

  test('that lost its identity is refused, unless the id is said', async () => {
    const engine = await open();
    const { memory } = await engine.store(draft('x'));
    await engine.close();
    rmSync(join(directory, 'node.json'));
    await expect(open()).rejects.toThrow(code('store_damaged'));
    expect((await open({ nodeId: engine.nodeId })).get(space, memory.id)).toEqual(memory);
  });

  test.runIf(process.platform === 'linux')('where the file system makes no directories is a clear error, not a loop', async () => {
    await expect(open({ dataDirectory: '/proc/engram-data' })).rejects.toThrow(code('invalid_config'));
  });

  test('with a damaged identity is refused, and stays as it was', async () => {
    await (await open()).close();
    writeFileSync(join(directory, 'node.json'), '{"format":1,');
    await expect(open()).rejects.toThrow(code('store_damaged'));
    expect(readFileSync(join(directory, 'node.json'), 'utf8')).toBe('{"format":1,');
  });

  test('whose log was taken away is refused', async () => {
    const engine = await open();
    await engine.store(draft('x'));
    await engine.close();
    rmSync(join(directory, 'wal'), { recursive: true });
    await expect(open()).rejects.toThrow(code('log_damaged'));
  });

  test('whose store was taken away is rebuilt from the log while the log is whole', async () => {
    const engine = await open();
    const { memory } = await engine.store(draft('x'));
    await engine.close();
    rmSync(join(directory, 'store'), { recursive: true });
    expect((await open()).get(space, memory.id)).toEqual(memory);
  });

  test('whose store was taken away and whose log is cut is refused', async () => {
    const tight = { wal: { segmentBytesMax: 8_192, entryBytesMax: 2_048, groupBytesMax: 4_096, retainBytes: 0 } };
    const engine = await open(tight);
    for (let n = 0; n < 30; n += 1) await engine.store(draft(`memory ${n} ${'x'.repeat(500)}`));
    await engine.checkpoint();
    expect(engine.status().log.firstLsn).toBeGreaterThan(1);
    await engine.close();
    rmSync(join(directory, 'store'), { recursive: true });
    await expect(open(tight)).rejects.toThrow(code('store_damaged'));
  });

  test('that cannot be made is a clear error', async () => {
    writeFileSync(join(directory, 'file'), '');
    await expect(open({ dataDirectory: join(directory, 'file', 'below') })).rejects.toThrow(code('invalid_config'));
  });
});

test('a closed engine refuses reads and writes with an error that may be retried', async () => {
  const engine = await open();
  const pending = engine.store(draft('on its way'));
  const closing = engine.close();
  await expect(engine.store(draft('late'))).rejects.toThrow(code('shutting_down'));
  expect(() => engine.spaces()).toThrow(code('shutting_down'));
  await expect(pending).resolves.toMatchObject({ outcome: 'stored' });
  await closing;
});
