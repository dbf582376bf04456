import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseClusterId, parseNodeId } from '@engram/kernel';
import { checkMap, clusterMapCodec, clusterMapOf, firstTable, mapChanges, type ClusterMap, type MapContent, type PartitionPlacement, type RosterNode } from './index.js';

const node = (name: string): RosterNode => ({ id: parseNodeId(name), storageId: `disk-${name}`, addresses: { grpc: `${name}:50051`, swim: `${name}:7946` }, zone: 'z', rack: 'r', capacity: 1.5, state: 'active' });
const roster = ['a', 'b', 'c', 'd', 'e'].map(node);
const [a, b, c, d] = roster.map(({ id }) => id) as [RosterNode['id'], RosterNode['id'], RosterNode['id'], RosterNode['id']];
const policies = { factor: 2, ack: 'quorum', partition: 'majority' } as const;
const content = (table: readonly PartitionPlacement[]): MapContent => ({ clusterId: parseClusterId('orders'), policies, roster, table });
const map = (table: readonly PartitionPlacement[], more: Partial<ClusterMap> = {}): ClusterMap => ({ ...content(table), epoch: 4, partitions: table.length, voters: [{ id: a, storageId: 'disk-a' }], ...more });
const placed = (more: Partial<PartitionPlacement> = {}): PartitionPlacement => ({ epoch: 1, primary: a, replicas: [b, c], ...more });

describe('as bytes', () => {
  test('a map reads as it was written, with everything a partition may carry', () => {
    const table = [placed(), placed({ epoch: 300_000, provisional: true }), placed({ deposed: { nodes: [d, parseNodeId('gone')], since: 70 } }), placed({ moving: { from: c, to: d } }), placed({ moving: { from: undefined, to: d } }), placed({ replicas: [] })];
    expect(clusterMapCodec.decode(clusterMapCodec.encode(content(table)))).toEqual(content(table));
    const more = { ...content(table), removed: [{ id: parseNodeId('gone'), storageId: 'disk-gone' }], movesPaused: true as const, policies: { ...policies, strategy: 'rack_aware' as const } };
    expect(clusterMapCodec.decode(clusterMapCodec.encode(more))).toEqual(more);
  });

  test('a thousand partitions of three copies take six kilobytes', () => {
    const bytes = clusterMapCodec.encode(content(firstTable(roster, 1_024, policies).map((placement) => ({ ...placement, epoch: 200 }))));
    expect(bytes.length).toBeLessThan(6 * 1_024 + 600);
  });

  test('any table reads as it was written', () => {
    const placement = fc.record({ order: fc.shuffledSubarray([0, 1, 2, 3, 4], { minLength: 2 }), epoch: fc.integer({ min: 1, max: 2 ** 32 - 1 }), moves: fc.boolean() });
    fc.assert(fc.property(fc.array(placement, { minLength: 1, maxLength: 40 }), (placements) => {
      const table = placements.map(({ order, epoch, moves }): PartitionPlacement => {
        const [primary, ...others] = order.map((at) => (roster[at] as RosterNode).id) as [RosterNode['id'], ...RosterNode['id'][]];
        const to = moves ? others.pop() : undefined;
        return { epoch, primary, replicas: others, ...(to && { moving: { from: primary, to } }) };
      });
      expect(clusterMapCodec.decode(clusterMapCodec.encode(content(table)))).toEqual(content(table));
    }), { numRuns: 200 });
  });

  test('whatever the bytes, they are a sound map or none', () => {
    const good = clusterMapCodec.encode(content(firstTable(roster, 16, policies)));
    fc.assert(fc.property(fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 }), (flips) => {
      const bytes = good.slice();
      for (const [place, byte] of flips) bytes[place] = byte;
      const decoded = clusterMapCodec.decode(bytes);
      if (decoded !== undefined) checkMap(decoded);
    }), { numRuns: 2_000 });
  });
});

describe('a map that contradicts itself is refused by name', () => {
  test.each([
    ['an unknown primary', [placed({ primary: parseNodeId('ghost') })], /partition 0 refers to node "ghost", which is not in the roster/],
    ['an unknown replica', [placed(), placed({ replicas: [parseNodeId('ghost')] })], /partition 1 refers to node "ghost"/],
    ['an unknown target of a move', [placed({ moving: { from: a, to: parseNodeId('ghost') } })], /refers to node "ghost"/],
    ['two copies on one node', [placed({ replicas: [a, b] })], /two copies on one node/],
    ['a move to a holder', [placed({ moving: { from: a, to: b } })], /moves to node "b", which holds it already/],
    ['a move from nobody', [placed({ moving: { from: d, to: roster[4]!.id } })], /moves from node "d", which does not hold it/],
    ['epoch 0', [placed({ epoch: 0 })], /epoch 0/],
    ['no partitions', [], /1 to 65536 partitions, not 0/],
  ])('%s', (_, table, complaint) => expect(() => checkMap(content(table))).toThrow(complaint));

  test('a node listed twice', () => expect(() => checkMap({ ...content([placed()]), roster: [...roster, node('b')] })).toThrow(/node "b" is listed twice/));
  test('no capacity', () => expect(() => checkMap({ ...content([placed()]), roster: [{ ...node('a'), capacity: 0 }, node('b'), node('c')] })).toThrow(/capacity of node "a"/));
});

test('the epoch of a map is the version of the register', () => {
  const state = { version: 9, value: content([placed()]), change: 'x', voters: [{ id: a, storageId: 's' }], previousVoters: undefined, votersVersion: 2 };
  expect(clusterMapOf(state)).toMatchObject({ epoch: 9, partitions: 1, voters: [{ id: 'a' }] });
});

test('changes are told in the order of an operator: who came, who went, what moved', () => {
  const before = map([placed(), placed({ moving: { from: c, to: d } }), placed()]);
  const after = map([placed({ epoch: 2, primary: b, replicas: [a, c] }), placed({ epoch: 2, replicas: [b, d] }), before.table[2]!], {
    epoch: 5,
    roster: [...roster.slice(0, 4).map((each) => (each.id === b ? { ...each, state: 'draining' as const } : each)), node('f')],
    voters: [{ id: b, storageId: 'disk-b' }],
    policies: { ...policies, factor: 1 },
    movesPaused: true,
  });
  expect(mapChanges(before, after).map(({ kind }) => kind)).toEqual(['node-changed', 'node-joined', 'node-removed', 'voters-changed', 'policies-changed', 'moves-paused', 'primary-changed', 'replicas-changed', 'move-ended']);
  expect(mapChanges(before, before)).toEqual([]);
});
