import { checkDeterminism } from '@engram/kernel/sim';
import { describe, expect, test } from 'vitest';
import { simulateSwim } from './index.js';

describe('a simulated cluster', () => {
  test('finds itself, sees a death, and its return under a higher epoch', () => {
    const cluster = simulateSwim({ nodes: 5, seed: 7, preset: 'fast', link: { loss: 0.02 } });
    cluster.runUntilConverged();
    const epoch = cluster.node('n0').member('n3')?.epoch ?? 0;
    cluster.kill('n3');
    cluster.run({ forMs: 10_000, until: () => cluster.running.every(({ view }) => view['n3'] === 'dead') });
    expect(cluster.views).toMatchObject({ n0: { n3: 'dead' }, n1: { n3: 'dead' }, n2: { n3: 'dead' }, n4: { n3: 'dead' } });
    cluster.restart('n3');
    cluster.runUntilConverged({ withinMs: 10_000 });
    expect(cluster.node('n0').member('n3')?.epoch).toBeGreaterThan(epoch);
  });

  test('raises the epoch at each start though the wall clock went back', () => {
    const cluster = simulateSwim({ nodes: 2, seed: 1 });
    cluster.runUntilConverged();
    const before = cluster.node('n1').core?.self().epoch as number;
    cluster.world.node('n1').jumpWallClock(-3_600_000);
    cluster.restart('n1');
    cluster.run({ forMs: 100 });
    expect(cluster.node('n1').core?.self().epoch).toBe(before + 1);
  });

  test('comes together again after a partition, and tells who had left', () => {
    const cluster = simulateSwim({ nodes: 4, seed: 3 });
    cluster.runUntilConverged();
    cluster.partition(['n0', 'n1'], ['n2', 'n3']);
    cluster.run({ forMs: 30_000 });
    expect(cluster.converged()).toBe(false);
    cluster.heal();
    cluster.runUntilConverged();
    cluster.leave('n2');
    cluster.run({ forMs: 2_000 });
    expect(cluster.node('n2').alive).toBe(false);
    expect(cluster.node('n0').view).toEqual({ n1: 'alive', n2: 'left', n3: 'alive' });
  });

  test('keeps clusters of two names apart', () => {
    const cluster = simulateSwim({ nodes: ['a', 'b', 'stranger'], seed: 3, clusterOf: (name) => (name === 'stranger' ? 'other' : 'test') });
    cluster.runUntilConverged();
    expect(cluster.views).toEqual({ a: { b: 'alive' }, b: { a: 'alive' }, stranger: {} });
  });

  test('plants a bug where it is told to', () => {
    const cluster = simulateSwim({ nodes: 4, seed: 3, sabotageOf: (name) => (name === 'n2' ? { effect: (effect) => (effect.kind === 'send-datagram' || effect.kind === 'send-stream' ? [] : [effect]) } : undefined) });
    cluster.run({ forMs: 10_000 });
    expect(cluster.node('n0').view['n2']).not.toBe('alive');
  });

  test('replays draw by draw from its seed', () => {
    const report = checkDeterminism(5, (world) => {
      const cluster = simulateSwim({ nodes: 5, seed: world.seed, link: { loss: 0.1 }, world });
      cluster.apply([{ atMs: 2_000, kind: 'kill', node: 'n4' }, { atMs: 8_000, kind: 'restart', node: 'n4' }]);
      cluster.run({ untilMs: 12_000 });
      return cluster.world;
    });
    expect(report).toMatchObject({ same: true });
  });

  test('says what keeps it from converging', () => {
    const cluster = simulateSwim({ nodes: 3, seed: 3 });
    cluster.runUntilConverged();
    cluster.partition(['n0', 'n1'], ['n2']);
    cluster.run({ forMs: 10_000 });
    expect(() => cluster.runUntilConverged({ withinMs: 1_000 })).toThrow(/n0 holds n2 for dead, and it runs \(seed 3\)/);
    expect(() => cluster.run({})).toThrow(/never stops by itself/);
    expect(() => cluster.node('n9')).toThrow(/no node n9/);
  });
});
