import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseNodeId } from '@engram/kernel';
import { firstTable, planPlacement, previewMoves, type BalanceOptions, type TargetPlacement } from './balancer.js';
import type { RosterNode } from './cluster-map.js';

const node = (name: string | number, more: Partial<RosterNode> = {}): RosterNode => ({ id: parseNodeId(`n${name}`), storageId: `d${name}`, addresses: {}, zone: '', rack: '', capacity: 1, state: 'active', ...more });
const nodes = (count: number): RosterNode[] => Array.from({ length: count }, (_, at) => node(at));
const copies = (target: TargetPlacement): readonly string[] => [target.primary, ...target.replicas];
const heldBy = (table: readonly TargetPlacement[], id: string): number => table.filter((target) => copies(target).includes(id)).length;

const strategies = fc.constantFrom('random' as const, 'rack_aware' as const, 'zone_aware' as const);
const anyRoster = fc.array(fc.record({ zone: fc.constantFrom('', 'a', 'b', 'c'), rack: fc.constantFrom('', '1', '2'), capacity: fc.constantFrom(1, 1, 2, 4) }), { minLength: 1, maxLength: 9 }).map((all) => all.map((more, at) => node(at, more)));

test('every partition has as many copies as there are nodes for, no two on one node', () => {
  fc.assert(fc.property(anyRoster, fc.integer({ min: 1, max: 100 }), fc.integer({ min: 0, max: 4 }), strategies, (roster, partitions, factor, strategy) => {
    for (const target of firstTable(roster, partitions, { factor }, { strategy })) {
      expect(copies(target)).toHaveLength(Math.min(factor + 1, roster.length));
      expect(new Set(copies(target)).size).toBe(copies(target).length);
    }
  }), { numRuns: 150 });
});

test('copies and primaries are within a fifth of fair, or within one partition of it', () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 300 }), fc.integer({ min: 0, max: 3 }), (count, partitions, factor) => {
    const roster = nodes(count);
    const table = firstTable(roster, partitions, { factor });
    for (const [of, total] of [[(id: string) => heldBy(table, id), partitions * Math.min(factor + 1, count)], [(id: string) => table.filter(({ primary }) => primary === id).length, partitions]] as const) {
      const most = Math.max(...roster.map(({ id }) => of(id)));
      expect(most).toBeLessThanOrEqual(Math.max(1.2 * (total / count), Math.ceil(total / count)));
    }
  }), { numRuns: 150 });
});

test('zones are kept apart whenever there are enough of them, by every node that may be chosen', () => {
  fc.assert(fc.property(fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 3, maxLength: 9 }), fc.integer({ min: 1, max: 64 }), fc.constantFrom('hard' as const, 'preferred' as const), (zones, partitions, spread) => {
    const roster = zones.map((zone, at) => node(at, { zone }));
    const zoneOf = new Map(roster.map(({ id, zone }) => [id as string, zone]));
    const plan = planPlacement({ roster, policies: { factor: 2 }, table: firstTable(roster, partitions, { factor: 2 }, { spread }) }, undefined, { spread });
    const possible = Math.min(3, new Set(zones).size);
    for (const target of plan.table) expect(new Set(copies(target).map((id) => zoneOf.get(id))).size).toBe(possible);
    if (spread === 'hard') expect(plan.underReplicated).toHaveLength(possible < 3 ? partitions : 0);
  }), { numRuns: 100 });
});

test('planning again comes to rest, and is never worse than before', () => {
  fc.assert(fc.property(anyRoster, fc.integer({ min: 1, max: 100 }), fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 100 }), strategies, (roster, partitions, loads, strategy) => {
    const again = (table: readonly (TargetPlacement | undefined)[]) => planPlacement({ roster, policies: { factor: 2 }, table }, loads, { strategy });
    let plan = again(new Array<undefined>(partitions).fill(undefined));
    for (let round = 0; round < 3; round++) {
      const next = again(plan.table);
      expect(next.imbalance).toBeLessThanOrEqual(plan.imbalance + 1e-9);
      plan = next;
    }
    expect(previewMoves(plan.table, again(plan.table).table).copies).toEqual([]);
  }), { numRuns: 100 });
});

test.each([1, 2, 3, 5, 8, 20])('a node that joins %i others receives about its share, and nothing else moves', (count) => {
  const roster = nodes(count);
  const table = firstTable(roster, 1_024, { factor: 2 });
  const joined = [...roster, node('ew')];
  const plan = planPlacement({ roster: joined, policies: { factor: 2 }, table });
  const moves = previewMoves(table, plan.table).copies;
  expect(moves.every(({ to }) => to === 'new')).toBe(true);
  const share = (1_024 * Math.min(3, count + 1)) / (count + 1);
  expect(moves.length).toBeGreaterThan(0.9 * share);
  expect(moves.length).toBeLessThanOrEqual(Math.ceil(share));
  expect(plan.imbalance).toBeLessThan(0.1);
  expect(plan.primaryImbalance).toBeLessThan(0.1);
});

test('removing any node moves only what it held', () => {
  fc.assert(fc.property(fc.integer({ min: 2, max: 10 }), fc.nat(9), fc.constantFrom(16, 64, 256), fc.boolean(), (count, place, partitions, gone) => {
    const roster = nodes(count);
    const table = firstTable(roster, partitions, { factor: 2 });
    const leaving = roster[place % count] as RosterNode;
    const rest = gone ? roster.filter((each) => each !== leaving) : roster.map((each) => (each === leaving ? { ...each, state: 'decommissioning' as const } : each));
    const plan = planPlacement({ roster: rest, policies: { factor: 2 }, table });
    expect(heldBy(plan.table, leaving.id)).toBe(0);
    for (const [partition, target] of plan.table.entries()) {
      const before = copies(table[partition] as TargetPlacement);
      const stayed = before.filter((id) => id !== leaving.id);
      expect(stayed.every((id) => copies(target).includes(id))).toBe(true);
      if (!before.includes(leaving.id)) expect([...copies(target)].sort()).toEqual([...before].sort());
    }
  }), { numRuns: 100 });
});

test('a node twice as large gets twice as much', () => {
  const roster = [node(0, { capacity: 2 }), ...Array.from({ length: 6 }, (_, at) => node(at + 1))];
  const table = firstTable(roster, 1_024, { factor: 2 });
  expect(heldBy(table, 'n0') / heldBy(table, 'n1')).toBeCloseTo(2, 0);
});

test('loads of any sizes end within a fifth of fair, or as close as the heaviest partition lets them', () => {
  fc.assert(fc.property(fc.array(fc.integer({ min: 0, max: 1_000 }), { minLength: 100, maxLength: 300 }), fc.integer({ min: 4, max: 8 }), (loads, count) => {
    const roster = nodes(count);
    const table = firstTable(roster, loads.length, { factor: 2 });
    const plan = planPlacement({ roster, policies: { factor: 2 }, table }, loads);
    expect(plan.imbalance).toBeLessThanOrEqual(Math.max(0.2, plan.floor));
  }), { numRuns: 60 });
});

test('a draining node keeps its copies and is primary of none', () => {
  const roster = nodes(5);
  const table = firstTable(roster, 256, { factor: 2 });
  const draining = roster.map((each, at) => (at === 2 ? { ...each, state: 'draining' as const } : each));
  const plan = planPlacement({ roster: draining, policies: { factor: 2 }, table });
  expect(previewMoves(table, plan.table).copies).toEqual([]);
  expect(plan.table.some(({ primary }) => primary === 'n2')).toBe(false);
  expect(plan.primaryImbalance).toBeLessThan(0.2);
});

test('ten partitions on three nodes cannot be even, and the plan says how uneven they must be', () => {
  const roster = nodes(3);
  const table = firstTable(roster, 10, { factor: 0 });
  const plan = planPlacement({ roster, policies: { factor: 0 }, table });
  expect(plan.floor).toBeCloseTo(0.2);
  expect(plan.imbalance).toBeCloseTo(0.2);
});

test('an option out of range is refused by name', () => {
  const options: BalanceOptions = { tolerance: 2 };
  expect(() => firstTable(nodes(3), 8, { factor: 1 }, options)).toThrow(/option tolerance must lie from 0 to 1/);
});
