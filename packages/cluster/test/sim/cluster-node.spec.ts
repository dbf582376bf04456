import { contentOf, copiesOf, type ClusterMap } from '@engram/placement/core';
import type { NodeId } from '@engram/kernel';
import { describe, expect, test } from 'vitest';
import { encodeControl } from '../../src/core/control-codec.js';
import { ClusterWorld, type ClusterWorldOptions } from './cluster-world.js';

function formed(options: ClusterWorldOptions): ClusterWorld {
  const cluster = new ClusterWorld(options);
  expect(cluster.runUntil(() => cluster.everyPartitionLeads && cluster.isSettled, 30_000)).toBe(true);
  return cluster;
}

/** Milliseconds of virtual time until every partition has a primary that is not that node and takes writes. */
function writableWithout(cluster: ClusterWorld, victim: NodeId): number {
  const since = cluster.world.nowMs;
  expect(cluster.runUntil(() => cluster.map?.table.every(({ primary }) => primary !== victim) === true && cluster.everyPartitionLeads, 20_000)).toBe(true);
  const took = cluster.world.nowMs - since;
  expect(cluster.write(0, `after ${victim}`, 'quorum')?.kind).toBe('acknowledged');
  return took;
}

const primaryOf = (cluster: ClusterWorld, partition: number): NodeId => cluster.map?.table[partition]?.primary as NodeId;

describe('three nodes that expect each other', () => {
  test('form one cluster, in which all vote, hold a copy of everything and lead a part of it', () => {
    const cluster = formed({ seed: 1, nodes: 3 });
    expect(cluster.map?.voters.map(({ id }) => id).sort()).toEqual(['n1', 'n2', 'n3']);
    expect(cluster.map?.table.every((placement) => copiesOf(placement).length === 3)).toBe(true);
    expect(new Set(cluster.map?.table.map(({ primary }) => primary)).size).toBe(3);
    expect(cluster.alive.every(({ node, now }) => node.holdsLease(now))).toBe(true);
  });

  test('acknowledge a write at quorum and apply it on every copy', () => {
    const cluster = formed({ seed: 2, nodes: 3 });
    expect(cluster.write(3, 'a write', 'quorum')).toMatchObject({ kind: 'acknowledged', durability: { requested: 'quorum' } });
    expect(cluster.runUntil(() => cluster.isLevel, 5_000)).toBe(true);
    expect(cluster.alive.map(({ disk }) => [...disk.operations(3)])).toEqual([['a write'], ['a write'], ['a write']]);
  });

  test('refuse a write at a node that is not the primary, and name the one that is', () => {
    const cluster = formed({ seed: 3, nodes: 3 });
    const primary = primaryOf(cluster, 0);
    const other = cluster.alive.find(({ id }) => id !== primary);
    let answer: unknown;
    cluster.append(other as NonNullable<typeof other>, 0, ['x'], 'local', (got) => (answer = got));
    expect(answer).toMatchObject({ kind: 'refused', refusal: { reason: 'not-primary', primary } });
  });
});

describe('when a primary dies', () => {
  test.each([3, 5, 9])('others of %i lead its partitions within two and a half seconds, whatever the seed', (nodes) => {
    const took = Array.from({ length: 60 / nodes }, (_, index) => {
      const seed = 12 + index;
      const cluster = formed({ seed, nodes });
      cluster.runFor(3_000 + cluster.world.random('moment').below(1_000));
      const victim = primaryOf(cluster, 0);
      cluster.world.node(victim).kill(seed % 2 === 0 ? 'power' : 'process');
      return writableWithout(cluster, victim);
    });
    expect(Math.max(...took)).toBeLessThan(2_500);
    // Never before the lease of the dead one ran out.
    expect(Math.min(...took)).toBeGreaterThan(1_400);
  });

  test('it catches up when it is back', () => {
    const cluster = formed({ seed: 4, nodes: 3 });
    const victim = primaryOf(cluster, 0);
    cluster.world.node(victim).kill('power');
    writableWithout(cluster, victim);
    cluster.world.node(victim).restart();
    expect(cluster.runUntil(() => cluster.alive.length === 3 && cluster.isLevel, 10_000)).toBe(true);
    expect(cluster.process(victim)?.disk.operations(0).has(`after ${victim}`)).toBe(true);
  });

  test('nothing is promoted without a majority of the copies, and all goes on when they are back', () => {
    const cluster = formed({ seed: 5, nodes: 3 });
    const victim = primaryOf(cluster, 0);
    const others = cluster.alive.map(({ id }) => id).filter((id) => id !== victim);
    for (const id of [victim, others[0] as NodeId]) cluster.world.node(id).kill('power');
    cluster.runFor(10_000);
    expect(cluster.write(0, 'nobody takes it', 'local')?.kind).not.toBe('acknowledged');
    cluster.world.node(others[0] as NodeId).restart();
    expect(cluster.runUntil(() => cluster.everyPartitionLeads, 10_000)).toBe(true);
  });

  test('all of them at once, everything is there again after they are started', () => {
    const cluster = formed({ seed: 6, nodes: 5 });
    for (let partition = 0; partition < 8; partition++) expect(cluster.write(partition, `w${partition}`, 'quorum')?.kind).toBe('acknowledged');
    for (const node of cluster.nodes) node.kill('power');
    for (const node of cluster.nodes) node.restart();
    expect(cluster.runUntil(() => cluster.everyPartitionLeads && cluster.isLevel, 10_000)).toBe(true);
    for (let partition = 0; partition < 8; partition++) expect(cluster.process(primaryOf(cluster, partition))?.disk.operations(partition).has(`w${partition}`)).toBe(true);
  });

  test('and one of them never comes back after all were started anew, it is replaced all the same', () => {
    const cluster = formed({ seed: 7, nodes: 3 });
    const victim = primaryOf(cluster, 0);
    for (const node of cluster.nodes) node.kill('power');
    for (const node of cluster.nodes) if (node.id !== victim) node.restart();
    expect(writableWithout(cluster, victim)).toBeGreaterThan(5_000);
  });
});

describe('a node that is told to stop', () => {
  test('hands over within a tenth of a second: nobody waits for its lease', () => {
    const took = Array.from({ length: 10 }, (_, seed) => {
      const cluster = formed({ seed, nodes: seed % 2 === 0 ? 3 : 5 });
      cluster.runFor(3_000);
      const victim = primaryOf(cluster, 0);
      cluster.world.node(victim).stop();
      return writableWithout(cluster, victim);
    });
    expect(Math.max(...took)).toBeLessThan(100);
  });

  test('hands over more than a hundred partitions in one change of the map', () => {
    const cluster = formed({ seed: 1, nodes: 3, partitions: 384 });
    const victim = primaryOf(cluster, 0);
    const before = cluster.map?.epoch as number;
    cluster.world.node(victim).stop();
    // Each promise is a write and a sync of its own on these disks; real ones share them.
    expect(writableWithout(cluster, victim)).toBeLessThan(500);
    expect((cluster.map?.epoch as number) - before).toBe(1);
  });
});

describe('balance', () => {
  test('a node that joins receives copies and leads a part, while nothing is lost', () => {
    const cluster = formed({ seed: 8, nodes: 3, spare: 1, partitions: 12, calmMs: 500 });
    for (let partition = 0; partition < 12; partition++) cluster.write(partition, `w${partition}`, 'quorum');
    cluster.join();
    const holds = (): number => cluster.map?.table.filter((placement) => copiesOf(placement).includes('n4' as NodeId)).length ?? 0;
    expect(cluster.runUntil(() => cluster.isSettled && holds() >= 8 && cluster.map?.table.some(({ primary }) => primary === 'n4') === true, 60_000)).toBe(true);
    expect(cluster.runUntil(() => cluster.isLevel, 10_000)).toBe(true);
    const map = cluster.map as NonNullable<typeof cluster.map>;
    for (const [partition, placement] of map.table.entries()) for (const id of copiesOf(placement)) expect(cluster.process(id)?.disk.operations(partition).has(`w${partition}`)).toBe(true);
  });

  test('a node back with an empty disk votes and counts for nothing until its new disk was enrolled and filled', () => {
    const cluster = formed({ seed: 9, nodes: 3, calmMs: 500 });
    for (let partition = 0; partition < 8; partition++) cluster.write(partition, `w${partition}`, 'quorum');
    const victim = primaryOf(cluster, 0);
    cluster.world.node(victim).kill('power');
    cluster.world.node(victim).restart({ storage: 'lost' });
    cluster.runFor(1_000);
    expect(cluster.process(victim)?.node.holdsLease(cluster.process(victim)?.now as never)).toBe(false);
    expect(cluster.runUntil(() => cluster.isSettled && cluster.everyPartitionLeads && cluster.isLevel, 60_000)).toBe(true);
    expect(cluster.map?.roster.find(({ id }) => id === victim)?.storageId).toBe(`${victim}/2`);
    expect(cluster.map?.voters.find(({ id }) => id === victim)?.storageId).toBe(`${victim}/2`);
    for (let partition = 0; partition < 8; partition++) expect(cluster.process(victim)?.disk.operations(partition).has(`w${partition}`)).toBe(true);
  });

  test('a restart moves nothing', () => {
    const cluster = formed({ seed: 10, nodes: 3 });
    const victim = primaryOf(cluster, 0);
    cluster.world.node(victim).kill();
    cluster.runFor(9_000);
    cluster.world.node(victim).restart();
    cluster.runFor(5_000);
    expect(cluster.map?.table.every((placement) => !placement.moving && copiesOf(placement).length === 3)).toBe(true);
  });
});

test('a map that names an unknown node is refused with its name, changes nothing, and is said once a minute', () => {
  const cluster = formed({ seed: 12, nodes: 3 });
  const [process] = cluster.alive as [NonNullable<(typeof cluster.alive)[0]>];
  const before = process.node.map as ClusterMap;
  const table = before.table.map((placement, partition) => (partition === 2 ? { ...placement, replicas: ['ghost' as NodeId] } : placement));
  const bytes = encodeControl({ kind: 'map', state: { version: before.epoch + 1, value: { ...contentOf(before), table }, change: 'x', voters: before.voters, previousVoters: undefined, votersVersion: 1 } });
  const hear = () => process.node.handle({ kind: 'control-received', from: 'n2' as NodeId, bytes }, process.now).filter(({ kind }) => kind === 'notice');
  expect(hear()).toEqual([{ kind: 'notice', level: 'warn', what: 'a message of another node was refused', details: { from: 'n2', reason: 'partition 2 refers to node "ghost", which is not in the roster' } }]);
  expect(hear()).toEqual([]);
  expect(process.node.map).toBe(before);
});

test('a thousand partitions cost no more changes of the map than eight do', () => {
  const cluster = formed({ seed: 11, nodes: 3, partitions: 1_024 });
  const founded = cluster.map?.epoch as number;
  const messages = cluster.alive.reduce((sum, { controlMessages }) => sum + controlMessages, 0);
  expect(founded).toBeLessThanOrEqual(5);
  expect(messages).toBeLessThan(150);
  const victim = primaryOf(cluster, 0);
  cluster.world.node(victim).kill();
  expect(writableWithout(cluster, victim)).toBeLessThan(5_000);
  expect(cluster.map?.epoch as number).toBeLessThanOrEqual(founded + 4);
}, 60_000);
