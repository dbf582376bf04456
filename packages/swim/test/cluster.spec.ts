/** Clusters in the simulated world: the core under its driver, real bytes on a network that fails as told. */
import { describe, expect, test } from 'vitest';
import { swimPresets } from '../src/core/index.js';
import { nameOf, SimCluster } from './sim-cluster.js';

const names = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => nameOf(from + i));
const falseDeaths = (cluster: SimCluster, killed: readonly string[], sinceMs = 0): string[] =>
  cluster.deaths(sinceMs).filter((id) => !killed.includes(id));
/** Steps until everybody agrees; how long that took. */
function convergeMs(cluster: SimCluster, withinMs: number): number {
  const from = cluster.world.nowMs;
  while (!cluster.converged && cluster.world.nowMs < from + withinMs) cluster.runTo(cluster.world.nowMs + 100);
  return cluster.converged ? cluster.world.nowMs - from : Infinity;
}
const seeds = [1, 2, 3, 4, 5];

describe.each(seeds)('eight nodes, seed %i', (seed) => {
  test('find each other through one seed', () => {
    const cluster = new SimCluster({ nodes: 8, seed });
    expect(convergeMs(cluster, 5_000)).toBeLessThan(5_000);
    expect(cluster.effects('join-finished').every(({ effect }) => effect.failed.length === 0)).toBe(true);
  });

  test('all see one that is killed within three seconds, and nobody else die', () => {
    const cluster = new SimCluster({ nodes: 8, seed });
    cluster.runTo(10_000 + 31 * seed);
    const killedAt = cluster.world.nowMs;
    cluster.nodes[5]?.kill();
    cluster.runTo(killedAt + 3_000);
    expect([...cluster.changes('member-dead', 'n5', killedAt).keys()].sort()).toEqual(names(0, 8).filter((name) => name !== 'n5'));
    cluster.runTo(killedAt + 60_000);
    expect(falseDeaths(cluster, ['n5'])).toEqual([]);
  });

  test('see one that comes back, with its disk and without', () => {
    for (const storage of ['kept', 'lost'] as const) {
      const cluster = new SimCluster({ nodes: 8, seed });
      cluster.runTo(5_000);
      cluster.nodes[5]?.kill();
      cluster.runTo(10_000);
      cluster.nodes[5]?.restart({ storage });
      expect(convergeMs(cluster, 3_000)).toBeLessThan(3_000);
    }
  });

  test('see one that restarts before anybody missed it', () => {
    const cluster = new SimCluster({ nodes: 8, seed });
    cluster.runTo(5_000);
    cluster.nodes[5]?.kill();
    cluster.nodes[5]?.restart();
    cluster.runTo(15_000);
    expect(cluster.converged).toBe(true);
    expect(cluster.changes('member-restarted', 'n5').size).toBe(7);
    expect(falseDeaths(cluster, [])).toEqual([]);
  });

  test('see one leave at once, as left and not as dead', () => {
    const cluster = new SimCluster({ nodes: 8, seed });
    cluster.runTo(5_000);
    cluster.nodes[5]?.stop();
    cluster.runTo(6_000);
    expect(cluster.effects('leave-finished')).toMatchObject([{ node: 'n5', effect: { confirmed: 3 } }]);
    expect(cluster.changes('member-left', 'n5').size).toBe(8);
    cluster.runTo(30_000);
    expect(cluster.deaths()).toEqual([]);
  });

  test('split in two halves come together again, and nobody dies of it afterwards', () => {
    const cluster = new SimCluster({ nodes: 8, seed });
    cluster.runTo(5_000);
    cluster.world.network.partition([names(0, 4), names(4, 8)]);
    cluster.runTo(65_000);
    expect(Object.values(cluster.viewOf(0)).filter((state) => state === 'dead')).toHaveLength(4);
    cluster.world.network.heal();
    const healedAt = cluster.world.nowMs;
    expect(convergeMs(cluster, 60_000)).toBeLessThan(60_000);
    cluster.runTo(healedAt + 60_000);
    expect(cluster.converged).toBe(true);
    expect(cluster.deaths(healedAt + 5_000)).toEqual([]);
  });

  test('of which one was alone for longer than the dead are remembered come together again', () => {
    const cluster = new SimCluster({ nodes: 8, seed, seeds: 2, swim: { ...swimPresets.fast, deadMs: 120_000, leftMs: 120_000 } });
    cluster.runTo(5_000);
    cluster.world.network.partition([['n6'], names(0, 6).concat('n7')]);
    cluster.runTo(305_000);
    expect(cluster.viewOf(0)).not.toHaveProperty('n6');
    expect(cluster.viewOf(6)).toEqual({});
    cluster.world.network.heal();
    expect(convergeMs(cluster, 60_000)).toBeLessThan(60_000);
  });

  test('all killed and started again at once are all there, and nobody of before', () => {
    const cluster = new SimCluster({ nodes: 8, seed });
    cluster.runTo(5_000);
    for (const node of cluster.nodes) node.kill();
    cluster.runTo(6_000);
    for (const node of cluster.nodes) node.restart();
    expect(convergeMs(cluster, 15_000)).toBeLessThan(15_000);
    expect(cluster.nodes.every((_, i) => cluster.core(i).view().members.every(({ epoch }) => epoch > 1))).toBe(true);
  });

  test('lose nobody to a network that loses a twentieth of the datagrams', () => {
    const cluster = new SimCluster({ nodes: 8, seed, link: { loss: 0.05, duplicate: 0.01, reorder: 0.01 } });
    cluster.runTo(300_000);
    expect(cluster.deaths()).toEqual([]);
    expect(cluster.converged).toBe(true);
  });

  test('of which one cannot be heard by one other: nobody else is affected', () => {
    const cluster = new SimCluster({ nodes: 8, seed });
    cluster.runTo(5_000);
    cluster.world.network.block(['n3'], ['n4']);
    cluster.runTo(120_000);
    expect(cluster.deaths()).toEqual([]);
  });

  test('of which one freezes again and again hold the others alive', () => {
    const cluster = new SimCluster({ nodes: 8, seed });
    const frozen = cluster.world.random('freezes');
    for (let atMs = 5_000; atMs < 120_000; atMs += 4_000) cluster.world.at(atMs, () => { cluster.nodes[2]?.pause(100 + frozen.below(2_900)); });
    cluster.runTo(120_000);
    expect(falseDeaths(cluster, ['n2'])).toEqual([]);
    cluster.runTo(130_000);
    expect(cluster.converged).toBe(true);
  });

  test('deliver a broadcast to everybody once', () => {
    const cluster = new SimCluster({ nodes: 8, seed });
    cluster.runTo(5_000);
    cluster.dispatch(3, { kind: 'broadcast', request: 9, topic: 'news', bytes: Uint8Array.of(1) });
    cluster.runTo(10_000);
    expect(cluster.effects('broadcast-received').map(({ node }) => node).sort()).toEqual(names(0, 8).filter((name) => name !== 'n3'));
  });

  test('all come to know large metadata', () => {
    const cluster = new SimCluster({ nodes: 8, seed });
    cluster.runTo(5_000);
    const bytes = new Uint8Array(10_000).fill(seed);
    cluster.dispatch(3, { kind: 'set-metadata', request: 9, bytes });
    cluster.runTo(10_000);
    for (let i = 0; i < 8; i++) expect(cluster.core(i).member(nameOf(3))?.metadata).toEqual({ version: 1, bytesLength: 10_000, bytes });
  });
});

describe.each(seeds)('two nodes under one id, seed %i', (seed) => {
  const twins = (startEveryMs: number): SimCluster => new SimCluster({ nodes: 5, seed, startEveryMs, idOf: (name) => (name === 'n4' ? 'n3' : name) });
  const silent = (cluster: SimCluster): string[] => cluster.effects('superseded').map(({ node }) => node);

  test('the one that started later goes on, the earlier falls silent, and everybody agrees', () => {
    const cluster = twins(1_500);
    cluster.runTo(60_000);
    expect(silent(cluster)).toEqual(['n3']);
    for (const i of [0, 1, 2, 4]) expect(cluster.core(i).member(nameOf(3))).toMatchObject({ state: 'alive', address: cluster.nodes[4]?.address });
  });

  test('of two that started in the same second exactly one goes on', () => {
    const cluster = twins(10);
    cluster.runTo(60_000);
    expect(silent(cluster)).toHaveLength(1);
    expect(cluster.effects('refuted', 30_000)).toEqual([]);
  });
});

describe('a hundred nodes', () => {
  test('find each other, see a death and a partition heal', () => {
    const cluster = new SimCluster({ nodes: 100, seed: 7, swim: swimPresets.lan });
    expect(convergeMs(cluster, 15_000)).toBeLessThan(15_000);
    const killedAt = cluster.world.nowMs;
    cluster.nodes[50]?.kill();
    cluster.runTo(killedAt + 30_000);
    expect(cluster.changes('member-dead', 'n50').size).toBe(99);
    cluster.world.network.partition([names(0, 40), names(40, 100)]);
    cluster.runTo(cluster.world.nowMs + 120_000);
    cluster.world.network.heal();
    expect(convergeMs(cluster, 60_000)).toBeLessThan(60_000);
  }, 60_000);
});

test('a run replays: the same seed gives the same trace of effects', () => {
  const traceOf = () => {
    const cluster = new SimCluster({ nodes: 8, seed: 3, link: { loss: 0.1 } });
    cluster.world.at(5_000, () => cluster.nodes[4]?.kill());
    cluster.runTo(30_000);
    return [cluster.world.hash(), cluster.seen];
  };
  expect(traceOf()).toEqual(traceOf());
});
