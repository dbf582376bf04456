import { describe, expect, test } from 'vitest';
import { instant, Random } from '@engram/kernel';
import { addressOf, id, identity } from '../../test/swim-fixtures.js';
import { Contacts } from './contacts.js';
import { noMetadata, type Address, type MemberState } from './member.js';
import { MemberTable } from './member-table.js';

function tableOf(members: Record<string, MemberState>): MemberTable {
  const table = new MemberTable(id('a'));
  for (const [name, state] of Object.entries({ a: 'alive' as const, ...members })) {
    table.put({ member: { ...identity(name), address: addressOf(name), state, metadata: noMetadata }, by: undefined, since: instant(0), agedMs: 0, metadataHash: undefined });
  }
  return table;
}

const contactsOf = (...seeds: string[]): Contacts => {
  const contacts = new Contacts(addressOf('a'), 3);
  contacts.setSeeds(seeds.map(addressOf));
  return contacts;
};
const chosen = (contacts: Contacts, table: MemberTable, tries = 400): (Address | undefined)[] => {
  const random = Random.fromSeed(7);
  return Array.from({ length: tries }, () => contacts.choose(table, random));
};
const distinct = (list: readonly unknown[]): unknown[] => [...new Set(list)].sort();

describe('seeds', () => {
  test('are told apart, bounded, and never ourselves', () => {
    expect(contactsOf('b', 'a', 'b', 'c', 'd', 'e').seeds).toEqual([addressOf('b'), addressOf('c'), addressOf('d')]);
  });

  test('are absent until somebody living has answered there', () => {
    const contacts = contactsOf('b', 'c');
    contacts.answered(addressOf('b'), id('b'));
    contacts.answered(addressOf('c'), id('c'));
    expect(contacts.absentSeeds(tableOf({ b: 'alive', c: 'dead' }))).toEqual([addressOf('c')]);
  });

  test('that turn out to be ourselves under another name are not absent', () => {
    const contacts = contactsOf('b');
    contacts.answered(addressOf('b'), id('a'));
    expect(contacts.absentSeeds(tableOf({}))).toEqual([]);
  });
});

describe('the choice', () => {
  test('is nobody when nobody is missing', () => {
    expect(distinct(chosen(contactsOf(), tableOf({ b: 'alive', c: 'left' })))).toEqual([undefined]);
  });

  test('falls on absent seeds, the dead and the remembered alike', () => {
    const contacts = contactsOf('s');
    contacts.remember(addressOf('r'));
    expect(distinct(chosen(contacts, tableOf({ b: 'dead' })))).toEqual([addressOf('b'), addressOf('r'), addressOf('s')]);
  });

  test('is rare for one lost machine in a large cluster', () => {
    const living = Object.fromEntries(Array.from({ length: 400 }, (_, i) => [`n${i}`, 'alive' as const]));
    const tries = chosen(contactsOf(), tableOf({ ...living, b: 'dead' }), 10_000).filter((address) => address !== undefined);
    // Four in four hundred.
    expect(tries.length).toBeGreaterThan(50);
    expect(tries.length).toBeLessThan(150);
  });
});

test('more addresses than allowed push out those remembered longest', () => {
  const contacts = contactsOf();
  for (const name of ['q', 'r', 's', 't', 'r']) contacts.remember(addressOf(name));
  expect(distinct(chosen(contacts, tableOf({})))).toEqual(['r', 's', 't'].map(addressOf));
});
