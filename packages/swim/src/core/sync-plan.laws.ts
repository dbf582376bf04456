import fc from 'fast-check';
import { expect, test } from 'vitest';
import { instant } from '@engram/kernel';
import { addressOf, id, identity } from '../../test/swim-fixtures.js';
import { compareClaims } from './digest.js';
import type { Member, MemberState } from './member.js';
import { MemberTable } from './member-table.js';
import { digestPage, exchangeFor } from './sync-plan.js';

const members = fc.uniqueArray(
  fc.record({ name: fc.integer({ min: 0, max: 40 }), incarnation: fc.integer({ min: 0, max: 2 }), state: fc.constantFrom<MemberState>('alive', 'suspect', 'dead', 'left'), version: fc.integer({ min: 0, max: 1 }) }),
  { selector: ({ name }) => name, maxLength: 40 },
);
type Held = typeof members extends fc.Arbitrary<infer T> ? T : never;

function tableOf(self: string, held: Held): MemberTable {
  const table = new MemberTable(id(self));
  for (const { name, incarnation, state, version } of held) put(table, { ...identity(`m${name}`, incarnation), address: addressOf(`m${name}`), state, metadata: { version, bytesLength: 0 } });
  return table;
}

function put(table: MemberTable, member: Member): void {
  table.put({ member, by: undefined, since: instant(0), agedMs: 0, metadataHash: undefined });
}

/** What both sides hold of a member in the end: the greater claim, and the newer metadata of it. */
function merge(into: MemberTable, member: Member): void {
  const held = into.get(member.id)?.member;
  if (!held) return put(into, member);
  const newer = compareClaims(member, held) === 'newer' ? member : held;
  const metadata = member.metadata.version > held.metadata.version ? member.metadata : held.metadata;
  put(into, { ...newer, metadata });
}

test('pages, one after the other, bring any two views into agreement, and send nothing in which they agree already', () => {
  fc.assert(fc.property(members, members, fc.integer({ min: 1, max: 10 }), fc.integer({ min: 0, max: 63 }), (ours, theirs, entriesMax, first) => {
    const [a, b] = [tableOf('a', ours), tableOf('b', theirs)];
    for (let round = 0; round <= 64; round++) {
      const page = digestPage(b, a.fingerprints, first, entriesMax);
      const { wants, offers } = exchangeFor(a, page, id('a'));
      for (const name of wants) merge(a, b.get(name)?.member as Member);
      for (const name of offers) merge(b, a.get(name)?.member as Member);
      if (!page.more) break;
    }
    expect(a.fingerprint).toBe(b.fingerprint);
    expect(exchangeFor(a, digestPage(b, a.fingerprints, 0, 100), id('a'))).toEqual({ wants: [], offers: [] });
    expect(digestPage(b, a.fingerprints, 0, 100)).toEqual({ buckets: [], entries: [], more: false });
  }), { numRuns: 300 });
});

test('a page lists whole buckets, and no further one once it is full', () => {
  const table = tableOf('b', Array.from({ length: 40 }, (_, name) => ({ name, incarnation: 0, state: 'alive', version: 0 })));
  const page = digestPage(table, new Array<number>(64).fill(0), 0, 5);
  expect(page.entries.length).toBe(page.buckets.reduce((sum, bucket) => sum + table.inBucket(bucket).length, 0));
  expect(page.entries.length - table.inBucket(page.buckets.at(-1) as number).length).toBeLessThan(5);
  expect(page.more).toBe(true);
});
