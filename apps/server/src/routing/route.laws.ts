import { parseNodeId, type NodeId } from '@engram/kernel';
import { copiesOf } from '@engram/placement';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decide, type RouteQuestion } from './route.js';

const everybody = Array.from({ length: 7 }, (_, index) => parseNodeId(`n${index}`));
const some = (of: readonly NodeId[], min = 0): fc.Arbitrary<NodeId[]> => fc.subarray([...of], { minLength: min });

/** Whatever the map, the roster and membership say, also when they contradict each other. */
const questions: fc.Arbitrary<RouteQuestion & { readonly alive: readonly NodeId[] }> = fc
  .record({
    roster: some(everybody, 1),
    copies: fc.shuffledSubarray(everybody, { minLength: 1, maxLength: 4 }),
    alive: some(everybody),
    self: fc.constantFrom(...everybody),
    operation: fc.constantFrom('write' as const, 'read' as const),
    consistency: fc.constantFrom('primary' as const, 'any' as const),
    leads: fc.boolean(),
    lags: fc.boolean(),
    partition: fc.integer({ min: 0, max: 1 }),
  })
  .map(({ roster, copies, alive, ...rest }) => {
    const [primary, ...replicas] = copies as [NodeId, ...NodeId[]];
    return {
      ...rest,
      map: { roster: roster.map((id) => ({ id, storageId: id, addresses: {}, zone: '', rack: '', capacity: 1, state: 'active' as const })), table: [{ epoch: 1, primary, replicas }] },
      holds: copies.includes(rest.self),
      alive,
      isAlive: (node) => alive.includes(node),
    };
  });

test('only another node that belongs to the cluster, is alive and has a copy is ever asked', () => {
  fc.assert(
    fc.property(questions, (question) => {
      const route = decide(question);
      if (route.kind !== 'forward') return;
      const { map, self, alive, partition } = question;
      expect(route.node).not.toBe(self);
      expect(map!.roster.map(({ id }) => id)).toContain(route.node);
      expect(alive).toContain(route.node);
      expect(copiesOf(map!.table[partition]!)).toContain(route.node);
    }),
    { numRuns: 3_000 },
  );
});

test('a write goes to the primary or to nobody', () => {
  fc.assert(
    fc.property(questions, (question) => {
      const route = decide({ ...question, operation: 'write' });
      const primary = question.map!.table[question.partition]?.primary;
      if (route.kind === 'here') expect(question.self).toBe(primary);
      if (route.kind === 'forward') expect(route.node).toBe(primary);
    }),
    { numRuns: 3_000 },
  );
});

test('a read without doubt comes from a primary that may act, unless any copy was asked for', () => {
  fc.assert(
    fc.property(questions, (question) => {
      const { map, self, leads, partition } = question;
      const route = decide({ ...question, operation: 'read', consistency: 'primary' });
      if (route.kind === 'nobody' || route.doubt !== undefined) return;
      const primary = map!.table[partition]!.primary;
      if (route.kind === 'here') expect([self, leads]).toEqual([primary, true]);
      else expect(route.node).toBe(primary);
    }),
    { numRuns: 3_000 },
  );
});

test('a copy here that lags behind what the client has written answers only when nobody else can', () => {
  fc.assert(
    fc.property(questions, (question) => {
      const { map, self, partition } = question;
      const route = decide({ ...question, operation: 'read', lags: true });
      if (route.kind !== 'here') return;
      const { primary, replicas } = map!.table[partition]!;
      const others = [primary, ...replicas].filter((node) => node !== self && question.alive.includes(node) && map!.roster.some(({ id }) => id === node));
      if (primary !== self) expect(others).toEqual([]);
    }),
    { numRuns: 3_000 },
  );
});

test('a read that any copy here could answer is never refused', () => {
  fc.assert(
    fc.property(questions, (question) => {
      fc.pre(question.partition === 0 && question.holds);
      expect(decide({ ...question, operation: 'read' }).kind).not.toBe('nobody');
    }),
    { numRuns: 3_000 },
  );
});
