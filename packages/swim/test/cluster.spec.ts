/** Clusters in the simulated world: the core under its driver, real bytes on a network that fails as told. */
import { describe, expect, test } from 'vitest';
import type { MemberChange, SwimEffect } from '../src/core/index.js';
import { simulateSwim, type SeenEffect, type SimulatedSwim, type SimulateSwimOptions } from '../src/testing/index.js';

/** A cluster, and everything its cores wanted done. */
class Observed {
  readonly cluster: SimulatedSwim;
  readonly seen: SeenEffect[] = [];

  constructor(options: SimulateSwimOptions) {
    this.cluster = simulateSwim({ seeds: 1, ...options });
    this.cluster.onEffect((seen) => this.seen.push(seen));
  }

  runTo(untilMs: number): void {
    this.cluster.run({ untilMs });
  }

  /** The first time of that change to that member on each node, from `sinceMs` on. */
  changes(kind: MemberChange['kind'], id: string, sinceMs = 0): ReadonlyMap<string, number> {
    const first = new Map<string, number>();
    for (const { atMs, node, effect } of this.cluster.changes) {
      if (atMs >= sinceMs && effect.kind === kind && effect.member.id === (id as never) && !first.has(node)) first.set(node, atMs);
    }
    return first;
  }

  /** Who was declared dead, once for each node that came to hold it. */
  deaths(sinceMs = 0): string[] {
    return this.cluster.changes.flatMap(({ atMs, effect }) => (atMs >= sinceMs && effect.kind === 'member-dead' ? [effect.member.id] : []));
  }

  effects<Kind extends SwimEffect['kind']>(kind: Kind, sinceMs = 0): { readonly node: string; readonly effect: Extract<SwimEffect, { kind: Kind }> }[] {
    return this.seen.filter(({ atMs, effect }) => atMs >= sinceMs && effect.kind === kind) as never;
  }
}

const names = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => `n${from + i}`);
const falseDeaths = (cluster: Observed, killed: readonly string[], sinceMs = 0): string[] =>
  cluster.deaths(sinceMs).filter((id) => !killed.includes(id));
/** How long it took until everybody agreed; throws when that takes longer than `withinMs`. */
const convergeMs = ({ cluster }: Observed, withinMs: number): number => cluster.runUntilConverged({ withinMs });
const seeds = [1, 2, 3, 4, 5];

describe.each(seeds)('eight nodes, seed %i', (seed) => {
  test('find each other through one seed', () => {
    const cluster = new Observed({ nodes: 8, seed });
    expect(convergeMs(cluster, 5_000)).toBeLessThan(5_000);
    expect(cluster.effects('join-finished').every(({ effect }) => effect.failed.length === 0)).toBe(true);
  });

  test('all see one that is killed within three seconds, and nobody else die', () => {
    const cluster = new Observed({ nodes: 8, seed });
    cluster.runTo(10_000 + 31 * seed);
    const killedAt = cluster.cluster.world.nowMs;
    cluster.cluster.kill(5);
    cluster.runTo(killedAt + 3_000);
    expect([...cluster.changes('member-dead', 'n5', killedAt).keys()].sort()).toEqual(names(0, 8).filter((name) => name !== 'n5'));
    cluster.runTo(killedAt + 60_000);
    expect(falseDeaths(cluster, ['n5'])).toEqual([]);
  });

  test('see one that comes back, with its disk and without', () => {
    for (const storage of ['kept', 'lost'] as const) {
      const cluster = new Observed({ nodes: 8, seed });
      cluster.runTo(5_000);
      cluster.cluster.kill(5);
      cluster.runTo(10_000);
      cluster.cluster.restart(5, { storage });
      expect(convergeMs(cluster, 3_000)).toBeLessThan(3_000);
    }
  });

  test('see one that restarts before anybody missed it', () => {
    const cluster = new Observed({ nodes: 8, seed });
    cluster.runTo(5_000);
    cluster.cluster.kill(5);
    cluster.cluster.restart(5);
    cluster.runTo(15_000);
    expect(cluster.cluster.converged()).toBe(true);
    expect(cluster.changes('member-restarted', 'n5').size).toBe(7);
    expect(falseDeaths(cluster, [])).toEqual([]);
  });

  test('see one leave at once, as left and not as dead', () => {
    const cluster = new Observed({ nodes: 8, seed });
    cluster.runTo(5_000);
    cluster.cluster.leave(5);
    cluster.runTo(6_000);
    expect(cluster.effects('leave-finished')).toMatchObject([{ node: 'n5', effect: { confirmed: 3 } }]);
    expect(cluster.changes('member-left', 'n5').size).toBe(8);
    cluster.runTo(30_000);
    expect(cluster.deaths()).toEqual([]);
  });

  test('split in two halves come together again, and nobody dies of it afterwards', () => {
    const cluster = new Observed({ nodes: 8, seed });
    cluster.runTo(5_000);
    cluster.cluster.partition(names(0, 4), names(4, 8));
    cluster.runTo(65_000);
    expect(Object.values(cluster.cluster.node(0).view).filter((state) => state === 'dead')).toHaveLength(4);
    cluster.cluster.heal();
    const healedAt = cluster.cluster.world.nowMs;
    expect(convergeMs(cluster, 60_000)).toBeLessThan(60_000);
    cluster.runTo(healedAt + 60_000);
    expect(cluster.cluster.converged()).toBe(true);
    expect(cluster.deaths(healedAt + 5_000)).toEqual([]);
  });

  test('of which one was alone for longer than the dead are remembered come together again', () => {
    const cluster = new Observed({ nodes: 8, seed, seeds: 2, swim: { deadMs: 120_000, leftMs: 120_000 } });
    cluster.runTo(5_000);
    cluster.cluster.partition(['n6'], names(0, 6).concat('n7'));
    cluster.runTo(305_000);
    expect(cluster.cluster.node(0).view).not.toHaveProperty('n6');
    expect(cluster.cluster.node(6).view).toEqual({});
    cluster.cluster.heal();
    expect(convergeMs(cluster, 60_000)).toBeLessThan(60_000);
  });

  test('all killed and started again at once are all there, and nobody of before', () => {
    const cluster = new Observed({ nodes: 8, seed });
    cluster.runTo(5_000);
    for (const { name } of cluster.cluster.nodes) cluster.cluster.kill(name);
    cluster.runTo(6_000);
    for (const { name } of cluster.cluster.nodes) cluster.cluster.restart(name);
    expect(convergeMs(cluster, 15_000)).toBeLessThan(15_000);
    expect(cluster.cluster.nodes.every(({ members }) => members.every(({ epoch }) => epoch > 1))).toBe(true);
  });

  test('lose nobody to a network that loses a twentieth of the datagrams', () => {
    const cluster = new Observed({ nodes: 8, seed, link: { loss: 0.05, duplicate: 0.01, reorder: 0.01 } });
    cluster.runTo(300_000);
    expect(cluster.deaths()).toEqual([]);
    expect(cluster.cluster.converged()).toBe(true);
  });

  test('of which one cannot be heard by one other: nobody else is affected', () => {
    const cluster = new Observed({ nodes: 8, seed });
    cluster.runTo(5_000);
    cluster.cluster.block(['n3'], ['n4']);
    cluster.runTo(120_000);
    expect(cluster.deaths()).toEqual([]);
  });

  test('of which one freezes again and again hold the others alive', () => {
    const cluster = new Observed({ nodes: 8, seed });
    const frozen = cluster.cluster.world.random('freezes');
    for (let atMs = 5_000; atMs < 120_000; atMs += 4_000) cluster.cluster.world.at(atMs, () => { cluster.cluster.pause(2, 100 + frozen.below(2_900)); });
    cluster.runTo(120_000);
    expect(falseDeaths(cluster, ['n2'])).toEqual([]);
    cluster.runTo(130_000);
    expect(cluster.cluster.converged()).toBe(true);
  });

  test('deliver a broadcast to everybody once', () => {
    const cluster = new Observed({ nodes: 8, seed });
    cluster.runTo(5_000);
    cluster.cluster.node(3).dispatch({ kind: 'broadcast', request: 9, topic: 'news', bytes: Uint8Array.of(1) });
    cluster.runTo(10_000);
    expect(cluster.effects('broadcast-received').map(({ node }) => node).sort()).toEqual(names(0, 8).filter((name) => name !== 'n3'));
  });

  test('all come to know large metadata', () => {
    const cluster = new Observed({ nodes: 8, seed });
    cluster.runTo(5_000);
    const bytes = new Uint8Array(10_000).fill(seed);
    cluster.cluster.node(3).dispatch({ kind: 'set-metadata', request: 9, bytes });
    cluster.runTo(10_000);
    for (let i = 0; i < 8; i++) expect(cluster.cluster.node(i).member('n3')?.metadata).toEqual({ version: 1, bytesLength: 10_000, bytes });
  });
});

describe.each(seeds)('two nodes under one id, seed %i', (seed) => {
  const twins = (startEveryMs: number): Observed => new Observed({ nodes: 5, seed, startEveryMs, idOf: (name) => (name === 'n4' ? 'n3' : name) });
  const silent = (cluster: Observed): string[] => cluster.effects('superseded').map(({ node }) => node);

  test('the one that started later goes on, the earlier falls silent, and everybody agrees', () => {
    const cluster = twins(1_500);
    cluster.runTo(60_000);
    expect(silent(cluster)).toEqual(['n3']);
    for (const i of [0, 1, 2, 4]) expect(cluster.cluster.node(i).member('n3')).toMatchObject({ state: 'alive', address: cluster.cluster.node(4).address });
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
    const cluster = new Observed({ nodes: 100, seed: 7, preset: 'lan' });
    expect(convergeMs(cluster, 15_000)).toBeLessThan(15_000);
    const killedAt = cluster.cluster.world.nowMs;
    cluster.cluster.kill(50);
    cluster.runTo(killedAt + 30_000);
    expect(cluster.changes('member-dead', 'n50').size).toBe(99);
    cluster.cluster.partition(names(0, 40), names(40, 100));
    cluster.runTo(cluster.cluster.world.nowMs + 120_000);
    cluster.cluster.heal();
    expect(convergeMs(cluster, 60_000)).toBeLessThan(60_000);
  }, 60_000);
});

test('a run replays: the same seed gives the same trace of effects', () => {
  const traceOf = () => {
    const cluster = new Observed({ nodes: 8, seed: 3, link: { loss: 0.1 } });
    cluster.cluster.world.at(5_000, () => cluster.cluster.kill(4));
    cluster.runTo(30_000);
    return [cluster.cluster.world.hash(), cluster.seen];
  };
  expect(traceOf()).toEqual(traceOf());
});
