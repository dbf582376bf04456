/** Clusters formed under one name, in the simulated world: they never become one. */
import { describe, expect, test } from 'vitest';
import { simulateSwim, type SimulatedSwim } from '../src/testing/index.js';

const idOf = (cluster: SimulatedSwim, name: string): string | undefined => cluster.node(name).core?.clusterId;
const rejected = (cluster: SimulatedSwim): number => cluster.running.reduce((sum, { core }) => sum + (core?.stats().rejected['other-cluster-id'] ?? 0), 0);
const wasToldOf = (cluster: SimulatedSwim, observer: string, id: string): boolean => cluster.changes.some(({ node, effect }) => node === observer && effect.member.id === (id as never));

describe.each([1, 2, 3])('seed %i', (seed) => {
  test('two clusters of one name never merge, although they share their seeds', () => {
    const idsOf: Record<string, string> = { a1: 'one', a2: 'one', b1: 'two', b2: 'two' };
    const cluster = simulateSwim({ nodes: ['a1', 'b1', 'a2', 'b2'], seed, seeds: 4, clusterIdOf: (name) => idsOf[name] });
    cluster.run({ forMs: 120_000 });
    expect(cluster.views).toEqual({ a1: { a2: 'alive' }, a2: { a1: 'alive' }, b1: { b2: 'alive' }, b2: { b1: 'alive' } });
    expect(rejected(cluster)).toBeGreaterThan(0);
  });

  test('nor when a member of one comes up where one of the other was', () => {
    const cluster = simulateSwim({ nodes: ['a1', 'a2', 'b1'], seed, seeds: 1, spares: ['b2'], clusterIdOf: (name) => (name.startsWith('a') ? 'one' : 'two') });
    cluster.run({ forMs: 5_000 });
    cluster.kill('a2');
    cluster.run({ forMs: 10_000 });
    cluster.world.network.move(cluster.node('a2').address, 'b2');
    cluster.restart('b2');
    cluster.run({ forMs: 120_000 });
    expect(cluster.node('a1').view).toEqual({ a2: 'dead' });
    expect(wasToldOf(cluster, 'a1', 'b2') || wasToldOf(cluster, 'b2', 'a1')).toBe(false);
    expect(rejected(cluster)).toBeGreaterThan(0);
  });

  test('nodes that know no id become one cluster, and all learn it once one of them is told', () => {
    const cluster = simulateSwim({ nodes: 8, seed });
    cluster.runUntilConverged();
    expect(cluster.running.map(({ name }) => idOf(cluster, name))).toEqual(Array(8).fill(undefined));
    cluster.node('n3').dispatch({ kind: 'set-cluster-id', request: 1, clusterId: 'one' });
    cluster.run({ forMs: 3_000 });
    expect(cluster.running.map(({ name }) => idOf(cluster, name))).toEqual(Array(8).fill('one'));
    expect(cluster.converged()).toBe(true);
    expect(cluster.changes.filter(({ effect }) => effect.kind === 'member-dead')).toEqual([]);
  });

  test('a newcomer without an id joins whichever cluster answers first and then refuses the other, also after a restart', () => {
    const cluster = simulateSwim({ nodes: ['a', 'b', 'new'], seed, seeds: 2, clusterIdOf: (name) => ({ a: 'one', b: 'two' })[name] });
    cluster.run({ forMs: 30_000 });
    const first = idOf(cluster, 'new');
    const [friend, stranger] = first === 'one' ? ['a', 'b'] : ['b', 'a'];
    expect(['one', 'two']).toContain(first);
    expect(cluster.views).toMatchObject({ new: { [friend]: 'alive' }, [friend]: { new: 'alive' } });
    // The other had met it while it knew no id, and has buried it since.
    const isApart = (): boolean => cluster.node(stranger).view['new'] !== 'alive' && !wasToldOf(cluster, 'new', stranger) && !wasToldOf(cluster, friend, stranger);
    expect(isApart()).toBe(true);
    cluster.restart('new');
    cluster.run({ forMs: 30_000 });
    expect(idOf(cluster, 'new')).toBe(first);
    expect(isApart()).toBe(true);
  });
});
