import { EngramError, parseMemoryId, parseSpaceId } from '@engram/kernel';
import { describe, expect, test } from 'vitest';
import { inTempDirectory } from '../../test/temp-directory.js';
import type { Memory } from '../core/index.js';
import { openMemoryStore, type MemoryStore } from './memory-store.js';
import type { LoggedOperation, Operation } from './operation.js';
import type { MemoryStoreOptions } from './store-options.js';

const travel = parseSpaceId('travel');
const id = parseMemoryId;

const memory = (name: string, fields: Partial<Memory> = {}): Memory => ({
  id: id(name), space: travel, content: `The ferry ${name} leaves at nine`, tags: [], confidence: 0.7, whenMs: 1_000, storedAtMs: 2_000, ...fields,
});
const store = (name: string, fields: Partial<Memory> = {}): Operation => ({ kind: 'store', memory: memory(name, fields) });
const forget = (name: string, atMs = 3_000): Operation => ({ kind: 'forget', space: travel, id: id(name), atMs });
const logged = (operations: readonly Operation[], from = 1): LoggedOperation[] =>
  operations.map((operation, i) => ({ lsn: from + i, hlc: BigInt(from + i) << 16n, partition: 3, epoch: 1, seq: from + i, operation }));

describe('memory store: reading what was applied', () => {
  test('an applied memory is read back at once, and again after a commit', () => withStore(async (opened) => {
    const full = memory('m1', { tags: ['sea'], embedding: Float32Array.of(1, 2), metadata: { seat: 12 } });
    opened.apply(logged([{ kind: 'store', memory: full }]));
    expect(opened.lookup(travel, id('m1'))).toEqual({ kind: 'memory', memory: full });
    await opened.flush();
    expect(opened.lookup(travel, id('m1'))).toEqual({ kind: 'memory', memory: full });
  }));

  test('an id that was never stored is absent', () => withStore((opened) => {
    expect(opened.lookup(travel, id('m1'))).toEqual({ kind: 'absent' });
  }));

  test('a recall brings the memory itself with each hit', () => withStore((opened) => {
    opened.apply(logged([store('m1'), store('m2', { content: 'Bread is baked on Tuesdays' })]));
    const { hits, confidence } = opened.recall([travel], { text: 'bread' }, { limit: 10 });
    expect(hits[0]?.memory).toEqual(memory('m2', { content: 'Bread is baked on Tuesdays' }));
    expect(confidence).toBe(Math.max(...hits.map((hit) => hit.confidence)));
  }));

  test('hits of several spaces are merged by score, and limit counts over all of them', () => withStore((opened) => {
    const home = parseSpaceId('home');
    opened.apply(logged([store('m1', { content: 'bread' }), store('m1', { space: home, content: 'bread' }), store('m2', { space: home, content: 'garden' })]));
    const { hits } = opened.recall([travel, home, travel, parseSpaceId('unknown')], { text: 'bread' }, { limit: 2 });
    expect(hits.length).toBe(2);
    expect(hits.map(({ score }) => score)).toEqual(hits.map(({ score }) => score).sort((a, b) => b - a));
  }));

  test('a vector of the wrong dimension is refused, unless another asked space has it', () => withStore((opened) => {
    const home = parseSpaceId('home');
    opened.apply(logged([
      store('m1', { embedding: Float32Array.of(1, 0) }),
      store('m1', { space: home, embedding: Float32Array.of(1, 0, 0) }),
    ]));
    const cue = { embedding: Float32Array.of(1, 0, 0) };
    expect(() => opened.recall([travel], cue, { limit: 5 })).toThrow(/dimensions/);
    expect(opened.recall([travel, home], cue, { limit: 5 }).hits.map((hit) => hit.memory.space)).toEqual([home]);
  }));

  test('text that says nothing beside a vector does not make a space of another dimension take part', () => withStore((opened) => {
    const home = parseSpaceId('home');
    opened.apply(logged([
      store('m1', { embedding: Float32Array.of(1, 0) }),
      store('m1', { space: home, embedding: Float32Array.of(1, 0, 0) }),
    ]));
    for (const text of ['', 'the of']) {
      const { hits } = opened.recall([travel, home], { text, embedding: Float32Array.of(1, 0, 0) }, { limit: 5 });
      expect(hits.map((hit) => hit.memory.space)).toEqual([home]);
    }
  }));

  test('a list is ordered by id, pending and committed alike, and continues behind the cursor', () => withStore(async (opened) => {
    opened.apply(logged([store('m3'), store('m1'), store('m5')]));
    await opened.flush();
    opened.apply(logged([store('m4'), store('m2'), forget('m3')], 4));
    const first = opened.list(travel, { limit: 2 });
    expect(first.memories.map((found) => found.id)).toEqual(['m1', 'm2']);
    const second = opened.list(travel, { limit: 2, after: first.next! });
    expect(second.memories.map((found) => found.id)).toEqual(['m4', 'm5']);
    expect(second.next).toBeUndefined();
  }));

  test('a list filters by tag and ends a page after it looked at its bound of records', () => withStore(async (opened) => {
    opened.apply(logged([store('m1'), store('m2'), store('m3', { tags: ['sea'] }), store('m4')]));
    await opened.flush();
    const first = opened.list(travel, { tag: 'sea', limit: 5 });
    expect(first).toEqual({ memories: [], next: 'm2' });
    expect(opened.list(travel, { tag: 'sea', limit: 5, after: first.next! }).memories.map((found) => found.id)).toEqual(['m3']);
  }, { listScanMax: 2 }));

  test('a page of large memories ends by their bytes, and the next one goes on behind it', () => withStore((opened) => {
    opened.apply(logged(['m1', 'm2', 'm3'].map((name) => store(name, { content: 'x'.repeat(700) }))));
    const first = opened.list(travel, { limit: 10 });
    expect(first.memories.map((found) => found.id)).toEqual(['m1', 'm2']);
    expect(opened.list(travel, { limit: 10, after: first.next! })).toMatchObject({ memories: [{ id: 'm3' }] });
  }, { listBytesMax: 1_000 }));

  test('a recall that would return too many bytes is refused with what to do', () => withStore((opened) => {
    opened.apply(logged(['m1', 'm2'].map((name) => store(name, { content: `ferry ${'x'.repeat(700)}` }))));
    expect(opened.recall([travel], { text: 'ferry' }, { limit: 1 }).hits).toHaveLength(1);
    expect(() => opened.recall([travel], { text: 'ferry' }, { limit: 10 })).toThrow(expect.objectContaining({ code: 'payload_too_large' }) as Error);
  }, { recallBytesMax: 1_000 }));

  test('spaces that time does not suffice for are reported, not searched', () => withStore((opened) => {
    const home = parseSpaceId('home');
    opened.apply(logged([store('m1'), store('m2', { space: home })]));
    let asked = 0;
    const { hits, missed } = opened.recall([travel, home], { text: 'ferry' }, { limit: 10 }, () => asked++ === 0);
    expect({ ids: hits.map((hit) => hit.id), missed }).toEqual({ ids: ['m1'], missed: [home] });
  }));

  test('a space whose id begins like another one keeps its memories to itself', () => withStore(async (opened) => {
    const [short, long] = [parseSpaceId('abc'), parseSpaceId('abcd')];
    opened.apply(logged([store('d1', { space: short }), store('1', { space: long })]));
    await opened.flush();
    expect(opened.list(short, { limit: 9 }).memories.map((found) => found.id)).toEqual(['d1']);
    expect(opened.list(long, { limit: 9 }).memories.map((found) => found.id)).toEqual(['1']);
  }));

  test('the longest ids there may be are stored and read', () => withStore(async (opened) => {
    const space = parseSpaceId('s'.repeat(64));
    const longest = 'i'.repeat(128);
    opened.apply(logged([store(longest, { space })]));
    await opened.flush();
    expect(opened.lookup(space, id(longest)).kind).toBe('memory');
  }));

  test('spaces are summed up, with the default space always among them', () => withStore(async (opened) => {
    opened.apply(logged([store('m1'), store('m2', { embedding: Float32Array.of(1) }), forget('m1'), { kind: 'set-space-policy', space: travel, policy: { ack: 'local' } }]));
    expect(opened.spaces()).toEqual([
      { space: 'default', memories: 0, forgotten: 0, bytes: 0, policy: {} },
      { space: 'travel', memories: 1, forgotten: 1, bytes: expect.any(Number), dimension: 1, policy: { ack: 'local' } },
    ]);
    expect(opened.space(travel)?.bytes).toBeGreaterThan(40);
    expect(opened.space(parseSpaceId('unknown'))).toBeUndefined();
  }));
});

describe('memory store: what an operation may change', () => {
  test('the first memory under an id stays', () => withStore((opened) => {
    opened.apply(logged([store('m1'), store('m1', { content: 'other' })]));
    expect(opened.lookup(travel, id('m1'))).toEqual({ kind: 'memory', memory: memory('m1') });
    expect(opened.space(travel)?.memories).toBe(1);
  }));

  test('of two that were stored under one id, the one stored first stays, whichever came first', () => withStore((opened) => {
    opened.apply(logged([store('m1', { storedAtMs: 20, content: 'later' }), store('m1', { storedAtMs: 10, content: 'earlier' }), store('m1', { storedAtMs: 15, content: 'between' })]));
    expect(opened.lookup(travel, id('m1'))).toMatchObject({ kind: 'memory', memory: { content: 'earlier', storedAtMs: 10 } });
    expect(opened.recall([travel], { text: 'later' }, { limit: 5 }).hits).toEqual([]);
    expect(opened.space(travel)?.memories).toBe(1);
  }));

  test('a forgotten id stays forgotten, keeps its first time, and takes nothing new', () => withStore(async (opened) => {
    opened.apply(logged([store('m1'), forget('m1', 5), store('m1'), forget('m1', 9)]));
    expect(opened.lookup(travel, id('m1'))).toEqual({ kind: 'forgotten', atMs: 5 });
    await opened.flush();
    opened.apply(logged([store('m1')], 5));
    expect(opened.lookup(travel, id('m1'))).toEqual({ kind: 'forgotten', atMs: 5 });
    expect(opened.recall([travel], { text: 'ferry' }, { limit: 5 }).hits).toEqual([]);
  }));

  test('a tombstone that comes before its memory keeps the memory out', () => withStore((opened) => {
    opened.apply(logged([forget('m1'), store('m1')]));
    expect(opened.lookup(travel, id('m1')).kind).toBe('forgotten');
  }));

  test('operations at or below the applied position are skipped', () => withStore((opened) => {
    opened.apply(logged([store('m1'), store('m2')]));
    opened.apply(logged([forget('m1'), forget('m2'), store('m3')]));
    expect(opened.space(travel)).toMatchObject({ memories: 3, forgotten: 0 });
    expect(opened.applied).toEqual({ lsn: 3, hlc: 3n << 16n, partitions: new Map([[3, { epoch: 1, seq: 3 }]]) });
  }));

  test('a second dimension that slipped in is kept whole but not compared', () => withStore(async (opened) => {
    const other = memory('m2', { embedding: Float32Array.of(1, 2, 3) });
    opened.apply(logged([store('m1', { embedding: Float32Array.of(1, 0) }), { kind: 'store', memory: other }]));
    expect(opened.lookup(travel, id('m2'))).toEqual({ kind: 'memory', memory: other });
    expect(opened.recall([travel], { embedding: Float32Array.of(1, 0) }, { limit: 5 }).hits[0]?.id).toBe('m1');
    expect(opened.space(travel)?.dimension).toBe(2);
  }));

  test('a request is remembered by its idempotency key, also after a restart', () => inTempDirectory(async (directory) => {
    const key = 'any \0 text, however long: '.repeat(200);
    const first = await openMemoryStore({ directory });
    first.apply(logged([{ ...store('m1'), idempotency: { key, fingerprint: 'f', expiresAtMs: 500 } } as Operation]));
    await first.close();
    const second = await openMemoryStore({ directory });
    expect(second.idempotent(key, 499)).toEqual({ key, fingerprint: 'f', expiresAtMs: 500, results: [{ kind: 'store', space: travel, id: 'm1' }] });
    expect(second.idempotent(key, 500)).toBeUndefined();
    await second.close();
  }));
});

describe('memory store: durability', () => {
  test('what is durable advances with a flush, not with apply', () => withStore(async (opened) => {
    opened.apply(logged([store('m1'), store('m2')]));
    expect([opened.applied.lsn, opened.durableApplied]).toEqual([2, 0]);
    await opened.flush();
    expect(opened.durableApplied).toBe(2);
  }));

  test('a store that was closed is reopened as it was, position included', () => inTempDirectory(async (directory) => {
    const first = await openMemoryStore({ directory });
    first.apply(logged([store('m1', { embedding: Float32Array.of(1, 2) }), store('m2'), forget('m2'), { kind: 'set-space-policy', space: travel, policy: { ack: 'all' } }]));
    const before = { spaces: first.spaces(), applied: first.applied, list: first.list(travel, { limit: 9 }) };
    await first.close();
    const second = await openMemoryStore({ directory });
    expect({ spaces: second.spaces(), applied: second.applied, list: second.list(travel, { limit: 9 }) }).toEqual(before);
    expect(second.lookup(travel, id('m2'))).toEqual({ kind: 'forgotten', atMs: 3_000 });
    await second.close();
  }));

  test('enough operations start a commit by themselves', () => withStore(async (opened) => {
    opened.apply(logged([store('m1'), store('m2'), store('m3')]));
    opened.apply(logged([store('m4')], 5));
    await opened.flush();
    expect(opened.durableApplied).toBe(5);
    expect(opened.backlog()).toEqual({ operations: 0, bytes: 0, saturated: false });
  }, { flushAtOperations: 3 }));

  test('the backlog is saturated at its bound, and apply goes on all the same', () => withStore(async (opened) => {
    opened.apply(logged([store('m1'), store('m2')]));
    expect(opened.backlog().saturated).toBe(false);
    opened.apply(logged([store('m3'), store('m4')], 3));
    expect(opened.backlog()).toMatchObject({ operations: 4, saturated: true });
    await opened.flush();
    expect(opened.backlog().saturated).toBe(false);
  }, { flushAtOperations: 3, backlogOperationsMax: 3 }));

  test('a closed store says so', () => inTempDirectory(async (directory) => {
    const opened = await openMemoryStore({ directory });
    await opened.close();
    await opened.close();
    expect(codeOf(() => opened.lookup(travel, id('m1')))).toBe('shutting_down');
  }));
});

describe('memory store: what it refuses to have logged', () => {
  test('a memory beyond the limit is refused, one that is already there is not', () => withStore((opened) => {
    opened.apply(logged([store('m1')]));
    expect(codeOf(() => opened.admit(store('m2')))).toBe('capacity_exhausted');
    expect(codeOf(() => opened.admit(store('m1')))).toBeUndefined();
    expect(codeOf(() => opened.admit(forget('m1')))).toBeUndefined();
    opened.apply(logged([forget('m1')], 2));
    expect(codeOf(() => opened.admit(store('m2')))).toBeUndefined();
  }, { maxMemories: 1 }));

  test('a space beyond the limit is refused', () => withStore((opened) => {
    opened.apply(logged([store('m1')]));
    expect(codeOf(() => opened.admit(store('m1', { space: parseSpaceId('third') })))).toBe('capacity_exhausted');
    expect(codeOf(() => opened.admit({ kind: 'set-space-policy', space: parseSpaceId('third'), policy: {} }))).toBe('capacity_exhausted');
    expect(codeOf(() => opened.admit(store('m2')))).toBeUndefined();
  }, { maxSpaces: 2 }));

  test('an embedding of another dimension is refused, also when the first one is long forgotten', () => withStore((opened) => {
    opened.apply(logged([store('m1', { embedding: Float32Array.of(1, 2) }), forget('m1')]));
    expect(codeOf(() => opened.admit(store('m2', { embedding: Float32Array.of(1) })))).toBe('embedding_dimension_mismatch');
    expect(codeOf(() => opened.admit(store('m2', { embedding: Float32Array.of(1, 1) })))).toBeUndefined();
  }));

  test('a time to live is refused as long as nothing expires', () => withStore((opened) => {
    expect(codeOf(() => opened.admit({ kind: 'set-space-policy', space: travel, policy: { ttlMs: 1_000 } }))).toBe('invalid_argument');
  }));

  test.each([
    [{ directory: '' }],
    [{ directory: 'x', maxMemories: 0 }],
    [{ directory: 'x', flushEveryMs: 1.5 }],
    [{ directory: 'x', flushAtOperations: 10, backlogOperationsMax: 5 }],
  ] as MemoryStoreOptions[][])('options %j are refused', async (options) => {
    await expect(openMemoryStore(options!)).rejects.toMatchObject({ code: 'invalid_options' });
  });
});

async function withStore<T>(use: (opened: MemoryStore) => Promise<T> | T, options: Partial<MemoryStoreOptions> = {}): Promise<T> {
  return inTempDirectory(async (directory) => {
    // Commits happen when a test flushes, or when the number of operations calls for one.
    const opened = await openMemoryStore({ directory, flushEveryMs: 60_000, ...options });
    try {
      return await use(opened);
    } finally {
      await opened.close();
    }
  });
}

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    if (error instanceof EngramError) return error.code;
    throw error;
  }
}

describe('memory store: a copy of spaces', () => {
  const home = parseSpaceId('home');
  const filled: readonly Operation[] = [
    store('m1'), store('m2'), forget('m2'), forget('never-seen'), store('m3', { space: home }), { kind: 'set-space-policy', space: home, policy: { ack: 'all' } }, store('m4', { space: parseSpaceId('elsewhere') }),
  ];

  /** All parts of a copy, each of at most so many bytes. */
  function partsOf(from: MemoryStore, bytesMax: number): (readonly Operation[])[] {
    const parts: (readonly Operation[])[] = [];
    for (let cursor = ''; ; ) {
      const { operations, next } = from.copyOut([travel, home], cursor, bytesMax);
      parts.push(operations);
      if (next === '') return parts;
      cursor = next;
    }
  }

  test.each([['committed', true], ['pending', false]] as const)('holds what is %s: policies, what is forgotten, what is remembered, of the spaces asked for', (_what, commits) => withStore(async (opened) => {
    opened.apply(logged(filled));
    if (commits) await opened.flush();
    expect(partsOf(opened, 1_000_000)).toEqual([[
      { kind: 'set-space-policy', space: home, policy: { ack: 'all' } }, store('m3', { space: home }),
      { kind: 'set-space-policy', space: travel, policy: {} }, forget('m2'), forget('never-seen'), store('m1'),
    ]]);
  }));

  test('comes in parts that together are the whole, whatever their size', () => withStore((opened) => {
    opened.apply(logged(filled));
    const whole = partsOf(opened, 1_000_000).flat();
    for (const bytesMax of [1, 100, 200]) expect(partsOf(opened, bytesMax).flat()).toEqual(whole);
    expect(partsOf(opened, 1).length).toBe(whole.length);
  }));

  test('goes on after a cursor although what it names was forgotten meanwhile', () => withStore((opened) => {
    opened.apply(logged(filled));
    const { next } = opened.copyOut([home], '', 70);
    expect(next).toBe('home 0 -');
    opened.apply(logged([{ kind: 'forget', space: home, id: id('m3'), atMs: 9 }], 8));
    expect(opened.copyOut([home], next, 1_000).operations).toEqual([{ kind: 'forget', space: home, id: id('m3'), atMs: 9 }]);
  }));

  test.each(['nonsense', 'travel 7 m1', 'travel 1 m1 more', 'travel 1 ../x'])('refuses the cursor %o', (cursor) => withStore((opened) => {
    expect(() => opened.copyOut([travel], cursor, 1_000)).toThrow(/cursor/);
  }));

  test('merged into another store takes nothing away there, moves no position, and is durable after a flush', () => inTempDirectory(async (directory) => {
    const copied = await withStore((from) => {
      from.apply(logged(filled));
      return partsOf(from, 150);
    });
    let into = await openMemoryStore({ directory });
    into.apply(logged([store('mine'), forget('m1')]));
    await into.flush();
    for (const part of copied) into.merge(part);
    await into.flush();
    await into.close();
    into = await openMemoryStore({ directory });
    expect(into.applied.lsn).toBe(2);
    expect(into.list(travel, { limit: 10 }).memories.map((found) => found.id)).toEqual(['mine']);
    expect(into.lookup(travel, id('m1')).kind).toBe('forgotten');
    expect(into.lookup(travel, id('never-seen')).kind).toBe('forgotten');
    expect(into.lookup(home, id('m3')).kind).toBe('memory');
    expect(into.space(home)?.policy).toEqual({ ack: 'all' });
    await into.close();
  }));
});

test('a copy recognises the retry of a request that the original was asked, once, also after a restart', () => inTempDirectory(async (directory) => {
  const idempotency = { key: 'travel/k1', fingerprint: 'f', expiresAtMs: 9_000_000 };
  const { operations } = await withStore((from) => {
    from.apply(logged([{ ...store('m1'), idempotency } as Operation, { ...forget('m2'), idempotency: { ...idempotency, key: 'travel/k2' } } as Operation]));
    return from.copyOut([travel], '', 10_000);
  });
  let into = await openMemoryStore({ directory });
  into.apply(logged([{ ...store('mine'), idempotency: { ...idempotency, key: 'travel/k3' } } as Operation]));
  for (let twice = 0; twice < 2; twice++) into.merge(operations);
  await into.close();
  into = await openMemoryStore({ directory });
  expect(into.idempotent('travel/k1', 1)).toEqual({ key: 'travel/k1', fingerprint: 'f', expiresAtMs: 9_000_000, results: [{ kind: 'store', space: travel, id: 'm1' }] });
  expect(into.idempotent('travel/k2', 1)?.results).toEqual([{ kind: 'forget', space: travel, id: 'm2' }]);
  expect(into.idempotent('travel/k3', 1)?.results).toEqual([{ kind: 'store', space: travel, id: 'mine' }]);
  await into.close();
}));

test('an entry without an operation only advances the position', () => withStore(async (opened) => {
  opened.apply([{ lsn: 1, hlc: 5n, partition: 3, epoch: 2, seq: 1, operation: undefined }]);
  expect(opened.applied).toEqual({ lsn: 1, hlc: 5n, partitions: new Map([[3, { epoch: 2, seq: 1 }]]) });
  await opened.flush();
  expect(opened.durableApplied).toBe(1);
}));
