import fc from 'fast-check';
import { expect, test } from 'vitest';
import { instant, parseClusterId, parseNodeId, Random } from '@engram/kernel';
import { checkMap, copiesOf, firstTable, planPlacement, Rebalancer, type ClusterMap, type PartitionPlacement, type RebalancerEffect, type RosterNode } from './index.js';

const now = instant(0);
const node = (name: number): RosterNode => ({ id: parseNodeId(`n${name}`), storageId: `d${name}`, addresses: {}, zone: '', rack: '', capacity: 1, state: 'active' });
const policies = { factor: 2, ack: 'quorum', partition: 'majority' } as const;
const mapOf = (roster: readonly RosterNode[], table: readonly PartitionPlacement[], epoch = 1): ClusterMap => ({ clusterId: parseClusterId('orders'), epoch, partitions: table.length, policies, roster, voters: [], table });

interface World {
  map: ClusterMap;
  /** Who has the data of each partition, whole. */
  readonly data: Map<number, Set<string>>;
}

/** Performs effects in an order and with mishaps drawn from the seed, and checks at each step that every partition is served. */
function rebalance(world: World, target: readonly { primary: string; replicas: readonly string[] }[], random: Random, options: { restartEvery?: number } = {}): { steps: number; most: number } {
  let core = new Rebalancer(target as never, { concurrent: 3 });
  let pending: RebalancerEffect[] = [...core.handle({ kind: 'map-learned', map: world.map }, now)];
  let most = 0;
  for (let steps = 1; steps < 20_000; steps++) {
    if (pending.length === 0) throw new Error('it stopped without being done');
    if (options.restartEvery !== undefined && random.below(options.restartEvery) === 0) {
      core = new Rebalancer(target as never, { concurrent: 3 });
      pending = [...core.handle({ kind: 'map-learned', map: world.map }, now)];
      if (pending.length === 0) throw new Error('it did not go on after a restart');
    }
    const [effect] = pending.splice(random.below(pending.length), 1) as [RebalancerEffect];
    if (effect.kind === 'done') return { steps, most };
    pending.push(...perform(world, core, effect, random));
    most = Math.max(most, world.map.table.filter(({ moving }) => moving !== undefined).length);
  }
  throw new Error('it does not end');
}

function perform(world: World, core: Rebalancer, effect: RebalancerEffect, random: Random): readonly RebalancerEffect[] {
  switch (effect.kind) {
    case 'copy':
      mustHold(world.data.get(effect.partition)?.has(effect.source), 'the source of a copy has the data');
      world.data.get(effect.partition)?.add(effect.to);
      return core.handle({ kind: 'copied', partition: effect.partition, to: effect.to }, now);
    case 'catch-up':  return core.handle({ kind: 'caught-up', partition: effect.partition, to: effect.to }, now);
    case 'step-down': return core.handle({ kind: 'stepped-down', partition: effect.partition, from: effect.from }, now);
    case 'drop':
      world.data.get(effect.partition)?.delete(effect.node);
      return [];
    case 'change': {
      // Now and then somebody else changes the map first.
      if (random.chance(0.1) || effect.expectedEpoch !== world.map.epoch) {
        if (effect.expectedEpoch === world.map.epoch) world.map = { ...world.map, epoch: world.map.epoch + 1 };
        return core.handle({ kind: 'change-refused', map: world.map }, now);
      }
      checkMap(effect.content);
      for (const [partition, placement] of effect.content.table.entries()) {
        mustHold(placement.epoch >= (world.map.table[partition] as PartitionPlacement).epoch, 'epochs never go back');
        mustHold(copiesOf(placement).every((id) => world.data.get(partition)?.has(id)), 'whoever counts as a copy has the data');
      }
      world.map = { ...world.map, ...effect.content, epoch: world.map.epoch + 1 };
      return core.handle({ kind: 'map-learned', map: world.map }, now);
    }
    case 'done': return [];
  }
}

function mustHold(condition: boolean | undefined, what: string): void {
  if (condition !== true) throw new Error(`it does not hold that ${what}`);
}

function worldOf(roster: readonly RosterNode[], partitions: number): World {
  const table = firstTable(roster, partitions, policies);
  return { map: mapOf(roster, table), data: new Map(table.map((placement, partition) => [partition, new Set<string>(copiesOf(placement))])) };
}

const same = (map: ClusterMap, target: readonly { primary: string; replicas: readonly string[] }[]): boolean =>
  map.table.every((placement, at) => placement.primary === target[at]?.primary && placement.moving === undefined && [...placement.replicas].sort().join() === [...(target[at]?.replicas ?? [])].sort().join());

const scenario = fc.record({ seed: fc.nat(), nodes: fc.integer({ min: 3, max: 6 }), partitions: fc.integer({ min: 1, max: 24 }), change: fc.constantFrom('join', 'leave', 'drain') });

function planned(world: World, change: string) {
  const { roster } = world.map;
  const next = change === 'join' ? [...roster, node(9)] : roster.map((each, at) => (at > 0 ? each : { ...each, state: change === 'leave' ? ('decommissioning' as const) : ('draining' as const) }));
  world.map = { ...world.map, roster: next };
  return planPlacement({ roster: next, policies, table: world.map.table }).table;
}

test('moves lead to the plan, with every copy that counts in place at every step', () => {
  fc.assert(fc.property(scenario, ({ seed, nodes, partitions, change }) => {
    const world = worldOf(Array.from({ length: nodes }, (_, at) => node(at)), partitions);
    const target = planned(world, change);
    const { most } = rebalance(world, target, Random.fromSeed(seed));
    expect(same(world.map, target)).toBe(true);
    expect(most).toBeLessThanOrEqual(3);
  }), { numRuns: 80 });
});

test('they go on from the map after restarts at any moment', () => {
  fc.assert(fc.property(scenario, ({ seed, nodes, partitions, change }) => {
    const world = worldOf(Array.from({ length: nodes }, (_, at) => node(at)), partitions);
    const target = planned(world, change);
    rebalance(world, target, Random.fromSeed(seed), { restartEvery: 12 });
    expect(same(world.map, target)).toBe(true);
  }), { numRuns: 80 });
});

test('what fails too often is left as it was, without a mark, and said so', () => {
  const world = worldOf([0, 1, 2, 3].map(node), 8);
  const target = planned(world, 'leave');
  const core = new Rebalancer(target, { concurrent: 2, attempts: 2 });
  let pending: readonly RebalancerEffect[] = core.handle({ kind: 'map-learned', map: world.map }, now);
  for (let steps = 0; steps < 500; steps++) {
    const [effect, ...rest] = pending as readonly [RebalancerEffect, ...RebalancerEffect[]];
    if (effect.kind === 'done') {
      expect(effect.failed.length).toBeGreaterThan(0);
      expect(world.map.table.every(({ moving }) => moving === undefined)).toBe(true);
      return;
    }
    pending = [...rest, ...(effect.kind === 'copy' ? core.handle({ kind: 'failed', partition: effect.partition }, now) : perform(world, core, effect, Random.fromSeed(1)))];
  }
  throw new Error('it does not end');
});

test('while paused nothing new begins, and what was begun ends', () => {
  const world = worldOf([0, 1, 2, 3].map(node), 8);
  const target = planned(world, 'leave');
  const core = new Rebalancer(target, { concurrent: 1 });
  core.handle({ kind: 'paused' }, now);
  expect(core.handle({ kind: 'map-learned', map: world.map }, now)).toEqual([]);
  expect(core.progress).toMatchObject({ paused: true, underWay: [] });
  expect(core.handle({ kind: 'resumed' }, now).map(({ kind }) => kind)).toEqual(['change']);
});
