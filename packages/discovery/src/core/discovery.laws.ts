import { instant, Random, wake, type Instant } from '@engram/kernel';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DiscoveryCore, type DiscoveryEffect } from './discovery.js';
import { readEndpoint, spelled } from './endpoint.js';
import { unionOf } from './union.js';

const endpointsMax = 12;
const names = ['a', 'b', 'c'] as const;
const endpointText = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(fc.constantFrom('h1', 'H2', 'h3', '10.0.0.1', '[FD00::1]', '[fd00:0::1]', '[::ffff:10.0.0.1]', '__proto__'), fc.integer({ min: 1, max: 3 })).map(([host, port]) => `${host}:${port}`) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 20 }) },
  { weight: 1, arbitrary: fc.anything() },
);
const answers = fc.array(endpointText, { maxLength: 30 });

const step = fc.oneof(
  fc.record({ kind: fc.constant('time' as const), ms: fc.integer({ min: 0, max: 20_000 }) }),
  fc.record({ kind: fc.constantFrom('answered' as const, 'pushed' as const), source: fc.constantFrom(...names), endpoints: answers, stale: fc.boolean(), ttlMs: fc.option(fc.double(), { nil: undefined }) }),
  fc.record({ kind: fc.constantFrom('look-up-failed' as const, 'watch-ended' as const), source: fc.constantFrom(...names), stale: fc.boolean() }),
  fc.record({ kind: fc.constant('ask' as const) }),
);

type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

/** A core with what it asked for last, so that steps can answer it, or answer something it gave up. */
class Harness {
  readonly core = new DiscoveryCore(
    names.map((name, i) => ({ name, refreshMs: 5_000 * (i + 1), timeoutMs: 1_000, watches: i > 0, registers: false })),
    Random.fromSeed(1),
    { self: ['h1:1'], endpointsMax, refreshMinMs: 1_000 },
  );
  now: Instant = instant(0);
  readonly lookUps = new Map<string, number>();
  readonly watches = new Map<string, number>();
  readonly sets: { version: number; endpoints: readonly string[] }[] = [];

  apply(effects: readonly DiscoveryEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === 'look-up') this.lookUps.set(effect.source, effect.attempt);
      if (effect.kind === 'watch') this.watches.set(effect.source, effect.attempt);
      if (effect.kind !== 'endpoints-changed') continue;
      this.sets.push(effect.set);
      this.check();
    }
  }

  run(s: Step): void {
    if (s.kind === 'time') return this.wait(s.ms);
    if (s.kind === 'ask') return this.apply(this.core.handle(s, this.now));
    const attempt = ((s.kind === 'answered' || s.kind === 'look-up-failed' ? this.lookUps : this.watches).get(s.source) ?? 0) - (s.stale ? 1 : 0);
    if (s.kind === 'answered' || s.kind === 'pushed') {
      return this.apply(this.core.handle({ kind: s.kind, source: s.source, attempt, answer: { endpoints: s.endpoints, ttlMs: s.ttlMs } }, this.now));
    }
    this.apply(this.core.handle({ kind: s.kind, source: s.source, attempt, reason: 'no', hint: 'no' }, this.now));
  }

  wait(ms: number): void {
    const until = instant(this.now + ms * 1_000);
    let wakes = 0;
    for (let next = this.core.nextWake(); next !== undefined && next <= until; next = this.core.nextWake()) {
      this.now = next > this.now ? next : this.now;
      this.apply(this.core.handle(wake, this.now));
      wakes += 1;
    }
    // Each source can fail and be asked again at most every 50 ms.
    expect(wakes).toBeLessThan(10 + (ms / 50) * 3 * names.length);
    this.now = until;
    this.check();
  }

  check(): void {
    const { endpoints, bySource } = this.core.current;
    expect(endpoints.length).toBeLessThanOrEqual(endpointsMax);
    expect([...new Set(endpoints)].sort()).toEqual(endpoints);
    expect(endpoints).not.toContain('h1:1');
    for (const endpoint of endpoints) {
      const read = readEndpoint(endpoint);
      expect(read && spelled(read)).toBe(endpoint);
      expect(bySource[endpoint]?.length).toBeGreaterThan(0);
    }
    expect(Object.keys(bySource).length).toBe(endpoints.length);
  }
}

test('whatever the sources answer, and whenever, the union is bounded, without repetitions, without this node, and in one order', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const harness = new Harness();
      harness.apply(harness.core.handle({ kind: 'start' }, harness.now));
      steps.forEach((s) => harness.run(s));
      harness.sets.forEach((set, i) => expect(set.version).toBe(i + 1));
      harness.check();
      const last = harness.sets.at(-1);
      expect(last?.endpoints ?? []).toEqual(harness.core.current.endpoints);
    }),
    { numRuns: 200 },
  );
});

test('however often one source fails, what another said stays', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), fc.uniqueArray(fc.constantFrom('p:1', 'q:1', 'r:1'), { minLength: 1 }), (steps, steady) => {
      const harness = new Harness();
      harness.apply(harness.core.handle({ kind: 'start' }, harness.now));
      harness.apply(harness.core.handle({ kind: 'answered', source: 'a', attempt: 1, answer: { endpoints: steady } }, harness.now));
      // From here on the first source never answers again; the room of twelve is shared by three.
      for (const s of steps) if (!('source' in s && s.source === 'a' && s.kind !== 'look-up-failed')) harness.run(s);
      expect(harness.core.current.endpoints).toEqual(expect.arrayContaining(steady));
    }),
    { numRuns: 150 },
  );
});

test('the order of arrival changes nothing, and no source is pushed out while another has more than its share', () => {
  fc.assert(
    fc.property(fc.array(fc.uniqueArray(fc.integer({ min: 0, max: 60 }).map((n) => `h${n}:1`), { maxLength: 40 }), { minLength: 1, maxLength: 4 }), fc.integer({ min: 1, max: 30 }), (lists, max) => {
      const named = lists.map((endpoints, i) => ({ source: `s${i}`, endpoints: [...endpoints].sort() }));
      const union = unionOf(named, new Set(), max);
      const all = new Set(lists.flat());
      expect(union.endpoints.length).toBe(Math.min(all.size, max));
      expect(union.omitted).toBe(all.size - union.endpoints.length);
      const share = Math.floor(max / lists.length);
      for (const { endpoints } of named) expect(endpoints.filter((endpoint) => union.endpoints.includes(endpoint)).length).toBeGreaterThanOrEqual(Math.min(share, endpoints.length));
    }),
    { numRuns: 1_000 },
  );
});
