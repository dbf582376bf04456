import { describe, expect, test } from 'vitest';
import { instant } from '@engram/kernel';
import { addressOf, id, identity } from '../../test/swim-fixtures.js';
import { noMetadata, type MemberState } from './member.js';
import { MemberTable, type MemberRecord } from './member-table.js';

const record = (name: string, state: MemberState = 'alive', incarnation = 0): MemberRecord => ({
  member: { ...identity(name, incarnation), address: addressOf(name), state, metadata: noMetadata },
  by: undefined, since: instant(0), agedMs: 0, metadataHash: undefined,
});

function tableOf(...records: MemberRecord[]): MemberTable {
  const table = new MemberTable(id('self'));
  table.put(record('self'));
  for (const each of records) table.put(each);
  return table;
}

test('counts and picks leave the node itself out', () => {
  const table = tableOf(record('a'), record('b', 'suspect'), record('c', 'dead'), record('d', 'left'));
  expect(table.counts).toEqual({ alive: 1, suspect: 1, dead: 1, left: 1 });
  expect([...table.reachable.items]).toEqual(['a', 'b']);
  expect([table.size, [...table.dead.items], [...table.tombstones]]).toEqual([5, ['c'], ['c', 'd']]);
});

describe('fingerprints', () => {
  test('are those of what is held now, whatever was held before', () => {
    const changed = tableOf(record('a'), record('b'), record('gone'));
    changed.put(record('a', 'suspect'));
    changed.put(record('a', 'alive', 1));
    changed.remove(id('gone'));
    const fresh = tableOf(record('b'), record('a', 'alive', 1));
    expect([changed.fingerprints, changed.fingerprint]).toEqual([fresh.fingerprints, fresh.fingerprint]);
  });

  test('differ in one bucket when one member differs', () => {
    const [one, other] = [tableOf(record('a'), record('b')), tableOf(record('a'), record('b', 'dead'))];
    expect(one.fingerprints.filter((fingerprint, bucket) => fingerprint !== other.fingerprints[bucket])).toHaveLength(1);
  });
});

describe('whom to forget for a newcomer', () => {
  test('first whoever never answered, the longest known first', () => {
    const table = tableOf(record('old'), record('young'), record('dead', 'dead'));
    expect(table.evictable()).toBe('old');
    table.prove(id('old'));
    expect(table.evictable()).toBe('young');
  });

  test('then the oldest tombstone, never a member that answered and is here', () => {
    const table = tableOf(record('here'), record('first', 'left'), record('second', 'dead'));
    for (const name of ['here', 'first', 'second']) table.prove(id(name));
    expect(table.evictable()).toBe('first');
    table.remove(id('first'));
    table.remove(id('second'));
    expect(table.evictable()).toBeUndefined();
  });
});
