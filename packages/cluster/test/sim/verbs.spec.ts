import { copiesOf } from '@engram/placement/core';
import type { NodeId } from '@engram/kernel';
import { describe, expect, test } from 'vitest';
import type { Verb, VerbAnswer } from '../../src/core/index.js';
import { ClusterWorld, type ClusterWorldOptions } from './cluster-world.js';

function formed(options: ClusterWorldOptions): ClusterWorld {
  const cluster = new ClusterWorld({ calmMs: 500, ...options });
  expect(cluster.runUntil(() => cluster.everyPartitionLeads && cluster.isSettled, 30_000)).toBe(true);
  // Until all of them are connected to all others.
  cluster.runFor(2_000);
  return cluster;
}

const id = (name: string): NodeId => name as NodeId;
const ask = (cluster: ClusterWorld, verb: Verb, through = 0): VerbAnswer | undefined => cluster.ask(cluster.alive[through]!, verb);
const primaries = (cluster: ClusterWorld, node: string): number => cluster.map!.table.filter(({ primary }) => primary === node).length;
const copies = (cluster: ClusterWorld, node: string): number => cluster.map!.table.filter((placement) => copiesOf(placement).includes(id(node))).length;
const stateOf = (cluster: ClusterWorld, node: string): string | undefined => cluster.map!.roster.find((each) => each.id === node)?.state;

/** One write in each partition, named after the moment; all of them acknowledged by a majority, at once where nobody hands over. */
function fill(cluster: ClusterWorld, name: string): void {
  for (const partition of cluster.map!.table.keys()) {
    expect(cluster.runUntil(() => cluster.leads(partition), 2_000)).toBe(true);
    expect(cluster.write(partition, `${name}${partition}`, 'quorum')?.kind).toBe('acknowledged');
  }
}

function expectEverywhere(cluster: ClusterWorld, name: string): void {
  expect(cluster.runUntil(() => cluster.isLevel, 10_000)).toBe(true);
  for (const [partition, placement] of cluster.map!.table.entries()) for (const node of copiesOf(placement)) expect(cluster.process(node)?.disk.operations(partition).has(`${name}${partition}`)).toBe(true);
}

describe('draining a node', () => {
  test('gives what it leads to others at once, through whichever node it is asked, and moves no copy', () => {
    for (const through of [0, 1, 2]) {
      const cluster = formed({ seed: `drain ${through}`, nodes: 3, partitions: 12 });
      expect(primaries(cluster, 'n2')).toBeGreaterThan(0);
      const since = cluster.world.nowMs;
      expect(ask(cluster, { kind: 'drain', node: id('n2') }, through)).toEqual({ kind: 'done', changed: true });
      expect(cluster.runUntil(() => primaries(cluster, 'n2') === 0 && cluster.everyPartitionLeads, 5_000)).toBe(true);
      expect(cluster.world.nowMs - since).toBeLessThan(1_000);
      fill(cluster, 'drained');
      cluster.runFor(20_000);
      expect([primaries(cluster, 'n2'), copies(cluster, 'n2')]).toEqual([0, 12]);
    }
  });

  test('lasts over a restart of it, and undraining gives it a share again', () => {
    const cluster = formed({ seed: 1, nodes: 3, partitions: 12 });
    ask(cluster, { kind: 'drain', node: id('n3') });
    expect(cluster.runUntil(() => primaries(cluster, 'n3') === 0, 5_000)).toBe(true);
    cluster.world.node('n3').kill('power');
    cluster.runFor(3_000);
    cluster.world.node('n3').restart();
    expect(cluster.runUntil(() => cluster.alive.length === 3 && cluster.isLevel, 10_000)).toBe(true);
    cluster.runFor(10_000);
    expect([stateOf(cluster, 'n3'), primaries(cluster, 'n3')]).toEqual(['draining', 0]);
    expect(ask(cluster, { kind: 'undrain', node: id('n3') })).toEqual({ kind: 'done', changed: true });
    expect(cluster.runUntil(() => primaries(cluster, 'n3') >= 3 && cluster.everyPartitionLeads, 30_000)).toBe(true);
  });

  test('asked twice changes nothing; of an unknown node, and of the last one, it is refused', () => {
    const cluster = formed({ seed: 2, nodes: 3 });
    ask(cluster, { kind: 'drain', node: id('n1') });
    expect(ask(cluster, { kind: 'drain', node: id('n1') }, 1)).toEqual({ kind: 'done', changed: false });
    expect(ask(cluster, { kind: 'drain', node: id('n9') })).toMatchObject({ kind: 'refused', code: 'node_not_found' });
    ask(cluster, { kind: 'drain', node: id('n2') });
    expect(ask(cluster, { kind: 'drain', node: id('n3') })).toMatchObject({ kind: 'refused', code: 'precondition_failed', message: expect.stringContaining('the last one') as string });
    expect(cluster.runUntil(() => primaries(cluster, 'n3') === 8 && cluster.everyPartitionLeads, 10_000)).toBe(true);
  });
});

describe('decommissioning a node', () => {
  test.each(['alive', 'dead'])('that is %s moves what it holds to the others, takes its vote, and takes it out of the roster', (condition) => {
    const cluster = formed({ seed: `decommission ${condition}`, nodes: 5, partitions: 16 });
    fill(cluster, 'before');
    if (condition === 'dead') cluster.world.node('n1').kill('power');
    cluster.runUntil(() => cluster.everyPartitionLeads, 10_000);
    const kept = cluster.map!.table.map((placement) => copiesOf(placement).filter((node) => node !== 'n1'));
    expect(ask(cluster, { kind: 'decommission', node: id('n1'), force: false }, 1)).toEqual({ kind: 'done', changed: true });
    expect(cluster.runUntil(() => stateOf(cluster, 'n1') === undefined, 60_000)).toBe(true);
    const map = cluster.map!;
    expect(map.voters.map((voter) => voter.id)).not.toContain('n1');
    expect(map.voters).toHaveLength(3);
    // Only what it held has moved.
    for (const [partition, placement] of map.table.entries()) expect(copiesOf(placement)).toEqual(expect.arrayContaining(kept[partition]!));
    expect(map.table.every((placement) => copiesOf(placement).length === 3)).toBe(true);
    if (condition === 'dead') cluster.world.node('n1').restart();
    fill(cluster, 'after');
    cluster.runFor(10_000);
    // It is there still, and knows that it does not belong; it does not come back by itself.
    expect(cluster.process(id('n1'))?.node.isRemoved).toBe(true);
    expect(stateOf(cluster, 'n1')).toBeUndefined();
    for (const name of ['before', 'after']) expectEverywhere(cluster, name);
  });

  test('goes on under writes, of which none is refused for longer than a hand-over takes', () => {
    const cluster = formed({ seed: 3, nodes: 4, partitions: 8 });
    ask(cluster, { kind: 'decommission', node: id('n4'), force: false });
    for (let at = 0; stateOf(cluster, 'n4') !== undefined; at++) {
      expect(at).toBeLessThan(2_000);
      const write = (): string | undefined => cluster.write(at % 8, `w${at}`, 'quorum')?.kind;
      expect(write() === 'acknowledged' || cluster.runUntil(() => cluster.leads(at % 8), 1_000)).toBe(true);
    }
    expect(copies(cluster, 'n4')).toBe(0);
  });

  test('is refused when it would leave fewer nodes than copies, and says what is needed; forced, it leaves what it can', () => {
    const cluster = formed({ seed: 4, nodes: 3 });
    fill(cluster, 'before');
    expect(ask(cluster, { kind: 'decommission', node: id('n2'), force: false })).toMatchObject({ kind: 'refused', code: 'precondition_failed', message: expect.stringContaining('2 nodes for 3 copies') as string, hint: expect.stringContaining('Add 1 more') as string });
    expect(stateOf(cluster, 'n2')).toBe('active');
    ask(cluster, { kind: 'decommission', node: id('n2'), force: true });
    expect(cluster.runUntil(() => stateOf(cluster, 'n2') === undefined, 60_000)).toBe(true);
    expect(cluster.map!.table.every((placement) => copiesOf(placement).length === 2)).toBe(true);
    expect(cluster.map!.voters).toHaveLength(1);
    expectEverywhere(cluster, 'before');
    fill(cluster, 'after');
  });

  test('of the only holder of what is kept once brings another copy first', () => {
    const cluster = formed({ seed: 5, nodes: 3, factor: 0 });
    fill(cluster, 'before');
    ask(cluster, { kind: 'decommission', node: id('n1'), force: false });
    expect(cluster.runUntil(() => stateOf(cluster, 'n1') === undefined, 60_000)).toBe(true);
    expect(cluster.map!.table.every((placement) => copiesOf(placement).length === 1)).toBe(true);
    expectEverywhere(cluster, 'before');
  });

  test('can be taken back while it lasts, and not afterwards; then the node comes back with an empty disk', () => {
    const cluster = formed({ seed: 6, nodes: 4, partitions: 8 });
    ask(cluster, { kind: 'decommission', node: id('n4'), force: false });
    cluster.runFor(300);
    expect(ask(cluster, { kind: 'undrain', node: id('n4') })).toEqual({ kind: 'done', changed: true });
    expect(cluster.runUntil(() => cluster.isSettled, 30_000)).toBe(true);
    ask(cluster, { kind: 'decommission', node: id('n4'), force: false });
    expect(cluster.runUntil(() => stateOf(cluster, 'n4') === undefined, 60_000)).toBe(true);
    expect(ask(cluster, { kind: 'undrain', node: id('n4') })).toMatchObject({ kind: 'refused', code: 'precondition_failed', hint: expect.stringContaining('empty data directory') as string });
    expect(ask(cluster, { kind: 'decommission', node: id('n4'), force: false })).toEqual({ kind: 'done', changed: false });
    cluster.world.node('n4').kill();
    cluster.world.node('n4').restart({ storage: 'lost' });
    expect(cluster.runUntil(() => stateOf(cluster, 'n4') === 'active' && cluster.isSettled && copies(cluster, 'n4') > 0, 60_000)).toBe(true);
  });
});

describe('decommissioning loses nothing', () => {
  test('that only the node had: what it acknowledged by itself while it was cut off is with the others before it is gone', () => {
    const cluster = formed({ seed: 20, nodes: 4, partitions: 4, replication: { batchEntries: 5, windowEntries: 10, ringEntries: 20, heartbeatMs: 500 } });
    const { world } = cluster;
    const partition = cluster.map!.table.findIndex(({ primary }) => primary === 'n4');
    // Alone, but with a lease for a moment more.
    world.network.partition([['n4'], ['n1', 'n2', 'n3']]);
    const alone = cluster.process(id('n4'))!;
    // More than is offered within the time that a copy that parts is given.
    const writes = Array.from({ length: 20 }, (_, write) => Array.from({ length: 100 }, (_, at) => `alone ${write}.${at}`));
    const ids = writes.flat();
    let acknowledged = 0;
    for (const write of writes) cluster.append(alone, partition, write, 'local', (answer) => (acknowledged += answer.kind === 'acknowledged' ? 1 : 0));
    cluster.runFor(1_000);
    expect(acknowledged).toBe(writes.length);
    expect(cluster.runUntil(() => primaries(cluster, 'n4') === 0 || cluster.process(id('n1'))!.node.map!.table.every(({ primary }) => primary !== 'n4'), 10_000)).toBe(true);
    world.network.heal();
    ask(cluster, { kind: 'decommission', node: id('n4'), force: false });
    expect(cluster.runUntil(() => stateOf(cluster, 'n4') === undefined, 60_000)).toBe(true);
    world.node('n4').kill('power');
    expect(cluster.runUntil(() => cluster.isLevel, 10_000)).toBe(true);
    for (const node of copiesOf(cluster.map!.table[partition]!)) expect(ids.filter((each) => !cluster.process(node)!.disk.operations(partition).has(each))).toEqual([]);
  });

  test('and does not wait for a copy that has nothing to do with it', () => {
    const cluster = formed({ seed: 21, nodes: 6, partitions: 24 });
    fill(cluster, 'before');
    cluster.world.node('n2').kill('power');
    expect(cluster.runUntil(() => cluster.everyPartitionLeads, 10_000)).toBe(true);
    ask(cluster, { kind: 'decommission', node: id('n6'), force: false });
    // What would have to go to the dead one waits for it; everything else goes on.
    cluster.runFor(60_000);
    expect(cluster.map!.table.filter((placement) => copiesOf(placement).length > 3)).toEqual([]);
    cluster.world.node('n2').restart();
    expect(cluster.runUntil(() => stateOf(cluster, 'n6') === undefined, 60_000)).toBe(true);
    expectEverywhere(cluster, 'before');
  });

  test('nor does it leave fewer copies because another node is drained: it waits for that one', () => {
    const cluster = formed({ seed: 22, nodes: 4, partitions: 8 });
    ask(cluster, { kind: 'decommission', node: id('n4'), force: false });
    ask(cluster, { kind: 'drain', node: id('n3') });
    cluster.runFor(60_000);
    expect(cluster.map!.table.filter((placement) => copiesOf(placement).length < 3)).toEqual([]);
    ask(cluster, { kind: 'undrain', node: id('n3') });
    expect(cluster.runUntil(() => stateOf(cluster, 'n4') === undefined, 60_000)).toBe(true);
  });
});

describe('when most copies are gone for good', () => {
  test('a dead node that is decommissioned gives up its place next to one other copy; what it led waits for the policy', () => {
    const cluster = formed({ seed: 23, nodes: 4, partitions: 8, factor: 1 });
    fill(cluster, 'before');
    cluster.world.node('n4').kill('power');
    cluster.runFor(5_000);
    ask(cluster, { kind: 'decommission', node: id('n4'), force: false });
    cluster.runFor(30_000);
    // Nobody decides by himself that a write which only n4 had may be lost.
    expect(cluster.map!.table.filter(({ replicas }) => replicas.includes(id('n4')))).toEqual([]);
    expect(primaries(cluster, 'n4')).toBeGreaterThan(0);
    ask(cluster, { kind: 'set-policies', policies: { partition: 'available' } });
    expect(cluster.runUntil(() => stateOf(cluster, 'n4') === undefined && cluster.isSettled && cluster.everyPartitionLeads, 60_000)).toBe(true);
    expectEverywhere(cluster, 'before');
  });

  test('a node back with an empty disk next to one other copy is rebuilt, under the policy that allows it', () => {
    const cluster = formed({ seed: 24, nodes: 3, partitions: 8, factor: 1, policy: 'available' });
    fill(cluster, 'before');
    cluster.world.node('n2').kill('power');
    cluster.world.node('n2').restart({ storage: 'lost' });
    expect(cluster.runUntil(() => cluster.isSettled && cluster.everyPartitionLeads && cluster.map!.roster.some(({ storageId }) => storageId === 'n2/2'), 60_000)).toBe(true);
    expectEverywhere(cluster, 'before');
  });

  test('two wiped disks of three are filled anew from the copy that leads, or is let lead', () => {
    const cluster = formed({ seed: 25, nodes: 5, partitions: 16, policy: 'available' });
    fill(cluster, 'before');
    for (const node of ['n1', 'n2']) cluster.world.node(node).kill('power');
    expect(cluster.runUntil(() => cluster.map!.table.every(({ primary }) => primary !== 'n1' && primary !== 'n2') && cluster.everyPartitionLeads, 20_000)).toBe(true);
    expect(cluster.map!.table.some(({ provisional }) => provisional)).toBe(true);
    for (const node of ['n1', 'n2']) cluster.world.node(node).restart({ storage: 'lost' });
    expect(cluster.runUntil(() => cluster.isSettled && cluster.everyPartitionLeads, 60_000)).toBe(true);
    // All are there again, so the mark is gone.
    expect(cluster.runUntil(() => cluster.map!.table.every(({ provisional }) => !provisional), 20_000)).toBe(true);
    expectEverywhere(cluster, 'before');
    fill(cluster, 'after');
  });
});

test('a map that could not be read again is never put to the voters', () => {
  const cluster = formed({ seed: 26, nodes: 3 });
  const before = cluster.map!.epoch;
  expect(ask(cluster, { kind: 'set-policies', policies: { factor: 6 } })).toMatchObject({ code: 'invalid_argument' });
  expect(cluster.map!.epoch).toBe(before);
});

describe('moves', () => {
  test('that are paused wait for their resumption; those under way arrive', () => {
    const cluster = formed({ seed: 7, nodes: 3, spare: 1, partitions: 12 });
    expect(ask(cluster, { kind: 'pause-moves' })).toEqual({ kind: 'done', changed: true });
    expect(ask(cluster, { kind: 'pause-moves' }, 2)).toEqual({ kind: 'done', changed: false });
    cluster.join();
    cluster.runFor(20_000);
    expect([stateOf(cluster, 'n4'), copies(cluster, 'n4')]).toEqual(['active', 0]);
    ask(cluster, { kind: 'resume-moves' });
    expect(cluster.runUntil(() => cluster.isSettled && copies(cluster, 'n4') >= 8, 60_000)).toBe(true);
  });

  test('begin at once when they are asked for, however long calm takes', () => {
    const cluster = formed({ seed: 8, nodes: 3, spare: 1, partitions: 12, calmMs: 600_000 });
    cluster.join();
    cluster.runFor(10_000);
    expect(copies(cluster, 'n4')).toBe(0);
    ask(cluster, { kind: 'plan-moves' }, 2);
    expect(cluster.runUntil(() => cluster.map!.table.some(({ moving }) => moving?.to === 'n4'), 3_000)).toBe(true);
  });
});

describe('promoting a copy by hand', () => {
  test('makes it primary, whichever node is asked; in office already, it stays', () => {
    for (const through of [0, 1, 2]) {
      const cluster = formed({ seed: `promote ${through}`, nodes: 3, calmMs: 600_000 });
      const to = cluster.map!.table[0]!.replicas[1]!;
      expect(ask(cluster, { kind: 'promote', partition: 0, to }, through)).toEqual({ kind: 'done', changed: true });
      expect(cluster.runUntil(() => cluster.map!.table[0]!.primary === to && cluster.leads(0), 2_000)).toBe(true);
      expect(ask(cluster, { kind: 'promote', partition: 0, to }, through)).toEqual({ kind: 'done', changed: false });
    }
  });

  test('is refused for who holds no copy, is not there, or belongs to nothing', () => {
    const cluster = formed({ seed: 9, nodes: 4, calmMs: 600_000 });
    const placement = cluster.map!.table[0]!;
    const stranger = ['n1', 'n2', 'n3', 'n4'].find((node) => !copiesOf(placement).includes(id(node)))!;
    expect(ask(cluster, { kind: 'promote', partition: 0, to: id(stranger) })).toMatchObject({ code: 'precondition_failed', message: expect.stringContaining('holds no copy') as string });
    expect(ask(cluster, { kind: 'promote', partition: 0, to: id('n9') })).toMatchObject({ code: 'node_not_found' });
    expect(ask(cluster, { kind: 'promote', partition: 8, to: undefined })).toMatchObject({ code: 'invalid_argument', message: expect.stringContaining('0 to 7') as string });
    cluster.world.node(placement.replicas[0]!).kill();
    cluster.runFor(5_000);
    expect(ask(cluster, { kind: 'promote', partition: 0, to: placement.replicas[0]! })).toMatchObject({ code: 'precondition_failed', message: expect.stringContaining('is not alive') as string });
  });
});

describe('policies', () => {
  test('change for the whole cluster: with a lower factor copies go, with a higher one they come', () => {
    const cluster = formed({ seed: 10, nodes: 3 });
    const counts = (): number[] => [...new Set(cluster.map!.table.map((placement) => copiesOf(placement).length))];
    for (const factor of [1, 2]) {
      expect(ask(cluster, { kind: 'set-policies', policies: { factor } })).toEqual({ kind: 'done', changed: true });
      expect(cluster.runUntil(() => cluster.isSettled && counts().join() === `${factor + 1}`, 60_000)).toBe(true);
    }
    expect(ask(cluster, { kind: 'set-policies', policies: { factor: 6 } })).toMatchObject({ code: 'invalid_argument' });
  });

  test('that prefer to be available promote the only copy left, marked; what it lacks is merged when the others are back', () => {
    const cluster = formed({ seed: 11, nodes: 5, partitions: 8, policy: 'available' });
    fill(cluster, 'before');
    const placement = cluster.map!.table[0]!;
    for (const gone of [placement.primary, placement.replicas[0]!]) cluster.world.node(gone).kill('power');
    expect(cluster.runUntil(() => cluster.leads(0) && cluster.map!.table[0]!.primary === placement.replicas[1], 20_000)).toBe(true);
    expect(cluster.map!.table[0]!.provisional).toBe(true);
    expect(cluster.write(0, 'while alone', 'local')?.kind).toBe('acknowledged');
    for (const gone of [placement.primary, placement.replicas[0]!]) cluster.world.node(gone).restart();
    expectEverywhere(cluster, 'before');
    for (const node of copiesOf(cluster.map!.table[0]!)) expect(cluster.process(node)?.disk.operations(0).has('while alone')).toBe(true);
  });
});

test('a verb that no majority of voters can agree on is answered as such, and harms nothing', () => {
  const cluster = formed({ seed: 12, nodes: 3 });
  for (const node of ['n2', 'n3']) cluster.world.node(node).kill('power');
  cluster.runFor(1_000);
  expect(cluster.ask(cluster.process(id('n1'))!, { kind: 'drain', node: id('n2') }, 20_000)).toMatchObject({ kind: 'refused', code: 'unavailable', message: expect.stringContaining('majority') as string });
  for (const node of ['n2', 'n3']) cluster.world.node(node).restart();
  expect(cluster.runUntil(() => cluster.everyPartitionLeads, 10_000)).toBe(true);
});
