import { parseMemoryId, parseSpaceId } from '@engram/kernel';
import { describe, expect, test } from 'vitest';
import { IdempotencyTable } from './idempotency-table.js';
import type { IdempotentResult } from './record-codec.js';

const stored = (id: string): IdempotentResult => ({ kind: 'store', space: parseSpaceId('travel'), id: parseMemoryId(id) });
const mark = (key: string, fingerprint = 'f', expiresAtMs = 1_000) => ({ key, fingerprint, expiresAtMs });

describe('idempotency table', () => {
  test('the results of one request gather under its key in log order', () => {
    const { table, note } = tableOf(10);
    note('a', stored('m1'), 1);
    note('a', stored('m2'), 2);
    expect(table.find('a', 0)?.results.map(({ id }) => id)).toEqual(['m1', 'm2']);
  });

  test('a key is gone from the instant it expires', () => {
    const { table, note } = tableOf(10);
    note('a', stored('m1'), 1);
    expect(table.find('a', 999)).toBeDefined();
    expect(table.find('a', 1_000)).toBeUndefined();
  });

  test('the same key with another fingerprint starts afresh', () => {
    const { table } = tableOf(10);
    table.note(mark('a', 'one'), stored('m1'), 1, 0, () => {});
    table.note(mark('a', 'two'), stored('m2'), 2, 0, () => {});
    expect(table.find('a', 0)).toMatchObject({ fingerprint: 'two', results: [stored('m2')] });
  });

  test('a full table drops the key that came first and says so', () => {
    const { table, note, changes } = tableOf(2);
    note('a', stored('m1'), 1);
    note('b', stored('m2'), 2);
    note('c', stored('m3'), 3);
    expect(table.size).toBe(2);
    expect(table.find('a', 0)).toBeUndefined();
    expect(changes.at(-1)).toEqual([1, undefined]);
  });

  test('each new key sweeps out two expired ones at most', () => {
    const { table, note } = tableOf(10);
    for (const [i, key] of ['a', 'b', 'c'].entries()) note(key, stored(`m${i}`), i + 1);
    table.note(mark('late', 'f', 9_000), stored('m9'), 9, 2_000, () => {});
    expect(table.size).toBe(2);
    table.note(mark('later', 'f', 9_000), stored('m10'), 10, 2_000, () => {});
    expect(table.size).toBe(2);
    expect(table.find('late', 2_000)).toBeDefined();
  });

  test('a table opened from what it reported answers the same', () => {
    const { table, note, changes } = tableOf(2);
    for (const [i, key] of ['a', 'b', 'a', 'c', 'b'].entries()) note(key, stored(`m${i}`), i + 1);
    const persisted = new Map(changes);
    const reopened = new IdempotencyTable(2, [...persisted].flatMap(([order, record]) => (record ? [[order, record] as const] : [])).sort(([x], [y]) => x - y));
    for (const key of ['a', 'b', 'c']) expect(reopened.find(key, 0)).toEqual(table.find(key, 0));
  });
});

function tableOf(keysMax: number) {
  const table = new IdempotencyTable(keysMax);
  const changes: (readonly [number, ReturnType<IdempotencyTable['find']>])[] = [];
  const note = (key: string, result: IdempotentResult, lsn: number) => {
    table.note(mark(key), result, lsn, 0, (order, record) => changes.push([order, structuredClone(record)]));
  };
  return { table, note, changes };
}
