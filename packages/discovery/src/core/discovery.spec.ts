import { instant, msBetween, plusMs, Random, wake } from '@engram/kernel';
import { describe, expect, test } from 'vitest';
import { DiscoveryCore, watchedRefreshFactor, type DiscoveryEffect, type DiscoveryOptions, type SourceRules } from './discovery.js';

const at = (ms: number) => instant(ms * 1_000);
const dns: SourceRules = { name: 'dns', refreshMs: 30_000, timeoutMs: 2_000, watches: false, registers: false };
const seeds: SourceRules = { name: 'static', refreshMs: 60_000, timeoutMs: 2_000, watches: false, registers: false };
const etcd: SourceRules = { name: 'etcd', refreshMs: 30_000, timeoutMs: 2_000, watches: true, registers: true };

function coreOf(sources: readonly SourceRules[], options: Partial<DiscoveryOptions> = {}): DiscoveryCore {
  return new DiscoveryCore(sources, Random.fromSeed(7), { self: [], endpointsMax: 1_024, refreshMinMs: 1_000, ...options });
}

/** Hands the core its wakes up to `until`, and collects what comes of them. */
function runTo(core: DiscoveryCore, until: number): DiscoveryEffect[] {
  const effects: DiscoveryEffect[] = [];
  for (let next = core.nextWake(); next !== undefined && next <= at(until); next = core.nextWake()) effects.push(...core.handle(wake, next));
  return effects;
}

const kinds = (effects: readonly DiscoveryEffect[]): string[] => effects.map(({ kind }) => kind);
const answer = (...endpoints: string[]) => ({ endpoints });

describe('asking', () => {
  test('nothing happens before the start, and then every source is asked at once', () => {
    const core = coreOf([dns, seeds]);
    expect(core.nextWake()).toBeUndefined();
    expect(core.handle({ kind: 'start' }, at(0))).toEqual([
      { kind: 'look-up', source: 'dns', attempt: 1 },
      { kind: 'look-up', source: 'static', attempt: 1 },
    ]);
    expect(core.handle({ kind: 'start' }, at(1))).toEqual([]);
  });

  test('a source is asked again a little before its interval is over', () => {
    const core = coreOf([dns]);
    core.handle({ kind: 'start' }, at(0));
    core.handle({ kind: 'answered', source: 'dns', attempt: 1, answer: answer('10.0.0.1:1') }, at(10));
    const next = msBetween(at(10), core.nextWake() ?? at(0));
    expect(next).toBeGreaterThanOrEqual(27_000);
    expect(next).toBeLessThanOrEqual(30_000);
    expect(core.handle(wake, at(9_000))).toEqual([]);
    expect(core.handle(wake, core.nextWake() ?? at(0))).toEqual([{ kind: 'look-up', source: 'dns', attempt: 2 }]);
  });

  test.each([
    [5_000, 4_500, 5_000],
    [0, 1_000, 1_000],
    [90_000, 27_000, 30_000],
    [NaN, 27_000, 30_000],
    [-5, 27_000, 30_000],
  ])('a TTL of %d ms brings the next question to between %d and %d ms', (ttlMs, min, max) => {
    const core = coreOf([dns]);
    core.handle({ kind: 'start' }, at(0));
    core.handle({ kind: 'answered', source: 'dns', attempt: 1, answer: { endpoints: ['a:1'], ttlMs } }, at(0));
    const next = msBetween(at(0), core.nextWake() ?? at(0));
    expect(next).toBeGreaterThanOrEqual(min);
    expect(next).toBeLessThanOrEqual(max);
  });

  test('a node that knows no peer asks soon, then less often, and as usual once it knows one', () => {
    const core = coreOf([dns]);
    core.handle({ kind: 'start' }, at(0));
    const waits: number[] = [];
    let now = at(0);
    for (let attempt = 1; attempt <= 7; attempt++) {
      core.handle({ kind: 'answered', source: 'dns', attempt, answer: answer(...(attempt < 7 ? [] : ['a:1'])) }, now);
      const next = core.nextWake() ?? at(0);
      waits.push(msBetween(now, next));
      now = next;
      core.handle(wake, now);
    }
    [1_000, 2_000, 4_000, 5_000, 5_000, 5_000, 30_000].forEach((interval, i) => {
      expect(waits[i]).toBeGreaterThanOrEqual(Math.max(1_000, interval * 0.9));
      expect(waits[i]).toBeLessThanOrEqual(interval);
    });
  });

  test('a look-up that does not come back has failed at its limit, and what it says later is ignored', () => {
    const core = coreOf([dns]);
    core.handle({ kind: 'start' }, at(0));
    expect(core.nextWake()).toBe(at(2_000));
    const late = core.handle(wake, at(2_000));
    expect(kinds(late)).toEqual(['source-failed', 'endpoints-changed', 'settled']);
    expect(late[0]).toMatchObject({ source: 'dns', consecutiveFailures: 1, reason: 'dns did not answer within 2000 ms' });
    expect(core.handle({ kind: 'answered', source: 'dns', attempt: 1, answer: answer('10.0.0.1:1') }, at(2_500))).toEqual([]);
    expect(core.current.endpoints).toEqual([]);
  });

  test.each([
    ['the interval', ['a:1'], 30_000],
    ['a sixth of it while no peer is known', [], 5_000],
  ])('failures are followed by waits that grow and stay below %s', (_, known, waitMsMax) => {
    const core = coreOf([dns, seeds]);
    core.handle({ kind: 'start' }, at(0));
    core.handle({ kind: 'answered', source: 'static', attempt: 1, answer: answer(...known) }, at(0));
    const waits: number[] = [];
    for (let attempt = 1, now = at(0); attempt <= 12; attempt++) {
      core.handle({ kind: 'look-up-failed', source: 'dns', attempt, reason: 'refused', hint: '' }, now);
      const next = core.statuses()[0]?.nextAt ?? at(0);
      waits.push(msBetween(now, next));
      now = next;
      expect(core.handle(wake, now)).toContainEqual({ kind: 'look-up', source: 'dns', attempt: attempt + 1 });
    }
    waits.forEach((wait, i) => {
      expect(wait).toBeGreaterThanOrEqual(50);
      expect(wait).toBeLessThanOrEqual(Math.min(waitMsMax, 250 * 2 ** i));
    });
    expect(Math.max(...waits)).toBeGreaterThan(waitMsMax / 6);
  });

  test('whoever wants to know now asks all sources that are not being asked, also before the start', () => {
    const core = coreOf([dns, seeds]);
    expect(core.handle({ kind: 'ask' }, at(0))).toEqual([
      { kind: 'look-up', source: 'dns', attempt: 1 },
      { kind: 'look-up', source: 'static', attempt: 1 },
    ]);
    core.handle({ kind: 'answered', source: 'dns', attempt: 1, answer: answer() }, at(1));
    expect(core.handle({ kind: 'ask' }, at(2))).toEqual([{ kind: 'look-up', source: 'dns', attempt: 2 }]);
    core.handle({ kind: 'answered', source: 'dns', attempt: 2, answer: answer() }, at(3));
    core.handle({ kind: 'look-up-failed', source: 'static', attempt: 1, reason: 'no', hint: '' }, at(4));
    expect(core.nextWake()).toBeUndefined();
  });
});

describe('what the answers amount to', () => {
  test('the first set comes with the first peers, and each later one only when something changed', () => {
    const core = coreOf([dns, seeds]);
    core.handle({ kind: 'start' }, at(0));
    expect(core.handle({ kind: 'answered', source: 'static', attempt: 1, answer: answer('B:1', 'a:1', 'b:1') }, at(1))[0]).toEqual({
      kind: 'endpoints-changed', added: ['a:1', 'b:1'], removed: [],
      set: { version: 1, endpoints: ['a:1', 'b:1'], bySource: { 'a:1': ['static'], 'b:1': ['static'] }, complete: false, failures: [] },
    });
    expect(kinds(core.handle({ kind: 'answered', source: 'dns', attempt: 1, answer: answer('b:1') }, at(2)))).toEqual(['settled']);
    expect(core.current).toEqual({ version: 1, endpoints: ['a:1', 'b:1'], bySource: { 'a:1': ['static'], 'b:1': ['dns', 'static'] }, complete: true, failures: [] });
  });

  test('when all sources were heard and none brought any, the first set is empty', () => {
    const core = coreOf([dns, seeds]);
    core.handle({ kind: 'start' }, at(0));
    expect(kinds(core.handle({ kind: 'answered', source: 'dns', attempt: 1, answer: answer() }, at(1)))).toEqual(['settled']);
    expect(core.current.version).toBe(0);
    const failed = core.handle({ kind: 'look-up-failed', source: 'static', attempt: 1, reason: 'no', hint: 'ask' }, at(1));
    expect(kinds(failed)).toEqual(['source-failed', 'endpoints-changed', 'settled']);
    expect(core.current).toEqual({ version: 1, endpoints: [], bySource: {}, complete: false, failures: [{ source: 'static', reason: 'no', hint: 'ask' }] });
  });

  test('a source that fails takes nothing away, and its next answer replaces the last', () => {
    const core = coreOf([dns]);
    core.handle({ kind: 'start' }, at(0));
    core.handle({ kind: 'answered', source: 'dns', attempt: 1, answer: answer('a:1') }, at(0));
    const again = core.nextWake() ?? at(0);
    core.handle(wake, again);
    core.handle({ kind: 'look-up-failed', source: 'dns', attempt: 2, reason: 'gone', hint: 'ask' }, again);
    expect(core.current).toMatchObject({ version: 1, endpoints: ['a:1'], complete: false, failures: [{ source: 'dns', reason: 'gone' }] });
    const once = core.nextWake() ?? at(0);
    core.handle(wake, once);
    const effects = core.handle({ kind: 'answered', source: 'dns', attempt: 3, answer: answer('b:1') }, once);
    expect(kinds(effects)).toEqual(['source-recovered', 'endpoints-changed', 'settled']);
    expect(effects[0]).toEqual({ kind: 'source-recovered', source: 'dns', afterFailures: 1 });
    expect(core.current).toMatchObject({ version: 2, endpoints: ['b:1'], complete: true, failures: [] });
  });

  test("this node's own addresses are left out, however they are spelled, also those it only learns later", () => {
    const core = coreOf([dns], { self: ['[::ffff:10.0.0.1]:1'] });
    core.handle({ kind: 'start' }, at(0));
    core.handle({ kind: 'answered', source: 'dns', attempt: 1, answer: answer('10.0.0.1:1', '[fd00::0:1]:1', 'c:1') }, at(0));
    expect(core.current.endpoints).toEqual(['[fd00::1]:1', 'c:1']);
    core.handle({ kind: 'own', own: ['[FD00:0::1]:1'] }, at(1));
    expect(core.current).toMatchObject({ version: 2, endpoints: ['c:1'] });
    expect(core.statuses()[0]?.endpoints).toHaveLength(3);
  });

  test('what does not fit is left out fairly and said', () => {
    const core = coreOf([dns, seeds], { endpointsMax: 4 });
    core.handle({ kind: 'start' }, at(0));
    core.handle({ kind: 'answered', source: 'dns', attempt: 1, answer: answer('a:1', 'b:1', 'c:1', 'd:1', 'e:1', 'f g') }, at(0));
    core.handle({ kind: 'answered', source: 'static', attempt: 1, answer: answer('x:1', 'y:1') }, at(0));
    expect(core.current).toMatchObject({ endpoints: ['a:1', 'b:1', 'x:1', 'y:1'], complete: false });
    expect(core.statuses()[0]?.notes).toEqual(['1 of 6 addresses cannot be read and were left out', '5 addresses, of which 4 are kept']);
  });

  test('remarks of a source are shortened and few', () => {
    const core = coreOf([dns]);
    core.handle({ kind: 'start' }, at(0));
    core.handle({ kind: 'answered', source: 'dns', attempt: 1, answer: { endpoints: [], notes: Array<string>(99).fill('x'.repeat(999)) } }, at(0));
    expect(core.statuses()[0]?.notes).toEqual(Array<string>(8).fill('x'.repeat(200)));
  });
});

describe('watching', () => {
  test('a watch begins with the start, and what it pushes counts at once', () => {
    const core = coreOf([etcd]);
    expect(kinds(core.handle({ kind: 'start' }, at(0)))).toEqual(['look-up', 'watch']);
    expect(kinds(core.handle({ kind: 'pushed', source: 'etcd', attempt: 1, answer: answer('a:1') }, at(1)))).toEqual(['endpoints-changed']);
    expect(core.statuses()[0]).toMatchObject({ watching: true, state: 'ok' });
  });

  test('the answer to a question asked before a push is older than the push', () => {
    const core = coreOf([etcd]);
    core.handle({ kind: 'start' }, at(0));
    core.handle({ kind: 'pushed', source: 'etcd', attempt: 1, answer: answer('new:1') }, at(1));
    expect(kinds(core.handle({ kind: 'answered', source: 'etcd', attempt: 1, answer: answer('old:1') }, at(2)))).toEqual(['settled']);
    expect(core.current.endpoints).toEqual(['new:1']);
  });

  test('while a watch works the source is asked seldom, and as usual when it told nothing yet', () => {
    const core = coreOf([etcd]);
    core.handle({ kind: 'start' }, at(0));
    core.handle({ kind: 'answered', source: 'etcd', attempt: 1, answer: answer('a:1') }, at(0));
    expect(msBetween(at(0), core.nextWake() ?? at(0))).toBeLessThanOrEqual(30_000);
    core.handle({ kind: 'pushed', source: 'etcd', attempt: 1, answer: answer('a:1') }, at(1));
    expect(msBetween(at(0), core.nextWake() ?? at(0))).toBeGreaterThanOrEqual(30_000 * watchedRefreshFactor * 0.9);
  });

  test('a watch that breaks is begun again after a wait, the source is asked soon, and late pushes are ignored', () => {
    const core = coreOf([etcd]);
    core.handle({ kind: 'start' }, at(0));
    core.handle({ kind: 'answered', source: 'etcd', attempt: 1, answer: answer('a:1') }, at(0));
    core.handle({ kind: 'pushed', source: 'etcd', attempt: 1, answer: answer('a:1') }, at(1));
    expect(core.handle({ kind: 'watch-ended', source: 'etcd', attempt: 1, reason: 'connection reset' }, at(2))).toEqual([{ kind: 'watch-lost', source: 'etcd', reason: 'connection reset' }]);
    expect(core.handle({ kind: 'pushed', source: 'etcd', attempt: 1, answer: answer('z:1') }, at(3))).toEqual([]);
    expect(kinds(runTo(core, 500)).sort()).toEqual(['look-up', 'watch']);
    expect(core.current.endpoints).toEqual(['a:1']);
  });

  test('a watch that ends at once again and again is begun less and less often', () => {
    const core = coreOf([etcd]);
    core.handle({ kind: 'start' }, at(0));
    core.handle({ kind: 'answered', source: 'etcd', attempt: 1, answer: answer('a:1') }, at(0));
    let watches = 0;
    for (let now = at(0); now < at(60_000); now = core.nextWake() ?? at(60_000)) {
      for (const effect of core.handle(wake, now)) {
        if (effect.kind === 'look-up') core.handle({ kind: 'answered', source: 'etcd', attempt: effect.attempt, answer: answer('a:1') }, now);
        if (effect.kind === 'watch') watches = effect.attempt;
      }
      core.handle({ kind: 'watch-ended', source: 'etcd', attempt: Math.max(1, watches) }, now);
    }
    expect(watches).toBeLessThan(20);
  });
});

describe('registering', () => {
  const register = { kind: 'register' } as const;

  test('sources that can register do, and one that refuses is tried again', () => {
    const core = coreOf([dns, etcd]);
    expect(core.handle(register, at(0))).toEqual([{ kind: 'register', source: 'etcd', attempt: 1 }]);
    expect(core.handle({ kind: 'register-failed', source: 'etcd', attempt: 1, reason: 'no leader', hint: 'wait' }, at(1))).toEqual([
      { kind: 'registration-settled', source: 'etcd', attempt: 1, reason: 'no leader', hint: 'wait' },
    ]);
    expect(runTo(core, 251)).toEqual([{ kind: 'register', source: 'etcd', attempt: 2 }]);
    expect(core.handle({ kind: 'registered', source: 'etcd', attempt: 2 }, at(300))).toEqual([{ kind: 'registration-settled', source: 'etcd', attempt: 2 }]);
    expect(core.statuses().map(({ registered }) => registered)).toEqual([false, true]);
    expect(core.nextWake()).toBeUndefined();
  });

  test('a registration that never comes back has failed after twice the limit of its source', () => {
    const core = coreOf([etcd]);
    core.handle(register, at(0));
    expect(core.nextWake()).toEqual(plusMs(at(0), 4_000));
    expect(runTo(core, 4_000)[0]).toMatchObject({ kind: 'registration-settled', attempt: 1, reason: 'etcd did not take the registration within 4000 ms' });
  });

  test('after deregistering, nothing is tried again and late successes do not count', () => {
    const core = coreOf([etcd]);
    core.handle(register, at(0));
    expect(core.handle({ kind: 'deregister' }, at(1))).toEqual([]);
    expect(core.handle({ kind: 'registered', source: 'etcd', attempt: 1 }, at(2))).toEqual([]);
    expect([core.statuses()[0]?.registered, core.nextWake()]).toEqual([false, undefined]);
  });
});
