import { EngramError, ManualClock, Random } from '@engram/kernel';
import { describe, expect, test, vi } from 'vitest';
import type { Discovery, DiscoveryEvent } from '../discovery.js';
import type { DiscoverySource, SelfRegistration, SourceAnswer } from '../source.js';
import { createDiscovery } from './create-discovery.js';

const self: SelfRegistration = { cluster: 'orders', nodeId: 'n1', swim: '10.0.0.9:7946' };

/** A source that is told what to do by the test, as a user might write one. */
class HandSource implements DiscoverySource {
  readonly refreshMs = 10_000;
  readonly timeoutMs = 1_000;
  readonly signals: AbortSignal[] = [];
  readonly calls: string[] = [];
  answer: () => unknown = () => ({ endpoints: [] });
  constructor(readonly name: string) {}
  async lookUp({ signal }: { signal: AbortSignal }): Promise<SourceAnswer> {
    this.signals.push(signal);
    return (await this.answer()) as SourceAnswer;
  }
  close(): Promise<void> {
    this.calls.push('close');
    return Promise.resolve();
  }
}

class RegistrySource extends HandSource {
  emit: (answer: SourceAnswer) => void = () => undefined;
  endWatch: (error?: Error) => void = () => undefined;
  accept: () => unknown = () => undefined;
  watches = 0;
  watch(emit: (answer: SourceAnswer) => void): Promise<void> {
    this.watches += 1;
    this.emit = emit;
    return new Promise((resolve, reject) => (this.endWatch = (error) => (error ? reject(error) : resolve())));
  }
  async register(registration: SelfRegistration): Promise<void> {
    this.calls.push(`register ${registration.swim}`);
    await this.accept();
  }
  async deregister(): Promise<void> {
    this.calls.push('deregister');
    await this.accept();
  }
}

const never = () => new Promise<never>(() => undefined);
const refuse = (): never => {
  throw new EngramError('discovery_failed', 'dns: SERVFAIL from 10.0.0.53', { hint: 'Look at the resolver.' });
};

function discoveryOf(...sources: DiscoverySource[]): { discovery: Discovery; clock: ManualClock; events: DiscoveryEvent[] } {
  const clock = new ManualClock();
  const events: DiscoveryEvent[] = [];
  return { discovery: createDiscovery({ sources, clock, random: Random.fromSeed(1), self: ['10.0.0.9:7946'], onEvent: (event) => events.push(event) }), clock, events };
}

/** Lets everything that is ready run; no time passes. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

describe('asking once', () => {
  test('all sources are asked, the union is returned, and a failing one is named beside it', async () => {
    const [dns, seeds] = [new HandSource('dns'), new HandSource('static')];
    dns.answer = refuse;
    seeds.answer = () => ({ endpoints: ['10.0.0.1', '10.0.0.9:7946'] });
    const { discovery } = discoveryOf(dns, seeds);
    expect(await discovery.discover()).toEqual({
      version: 1, endpoints: ['10.0.0.1:7946'], bySource: { '10.0.0.1:7946': ['static'] }, complete: false,
      failures: [{ source: 'dns', reason: 'dns: SERVFAIL from 10.0.0.53', hint: 'Look at the resolver.' }],
    });
    await discovery.stop();
  });

  test('a source that hangs is given up at its limit, told so, and hides nothing', async () => {
    const [slow, seeds] = [new HandSource('slow'), new HandSource('static')];
    slow.answer = never;
    seeds.answer = () => ({ endpoints: ['a:1'] });
    const { discovery, clock } = discoveryOf(slow, seeds);
    const found = discovery.discover();
    await settle();
    clock.advance(1_000);
    expect(await found).toMatchObject({ endpoints: ['a:1'], failures: [{ source: 'slow', reason: 'slow did not answer within 1000 ms' }] });
    expect(slow.signals[0]?.aborted).toBe(true);
    await discovery.stop();
  });

  test('whoever cannot wait so long gets what is there, and the source is not interrupted', async () => {
    const slow = new HandSource('slow');
    slow.answer = never;
    const { discovery, clock } = discoveryOf(slow);
    const found = discovery.discover({ timeoutMs: 50 });
    await settle();
    clock.advance(50);
    expect(await found).toMatchObject({ version: 0, endpoints: [], complete: false, failures: [{ source: 'slow', reason: 'slow has not answered within 50 ms' }] });
    expect(slow.signals[0]?.aborted).toBe(false);
    await discovery.stop();
  });

  test('the signal of the caller ends the waiting', async () => {
    const slow = new HandSource('slow');
    slow.answer = never;
    const { discovery } = discoveryOf(slow);
    const abort = new AbortController();
    const found = discovery.discover({ signal: abort.signal });
    abort.abort(new Error('enough'));
    await expect(found).rejects.toThrow('enough');
    await discovery.stop();
  });

  test.each([[undefined], [{ endpoints: 'a:1' }], [{ endpoints: [], notes: 'x' }], ['a:1']])('a source that answers %j has failed, and is told what an answer is', async (answer) => {
    const source = new HandSource('own');
    source.answer = () => answer;
    const { discovery } = discoveryOf(source);
    expect((await discovery.discover()).failures[0]?.reason).toBe('own gave something that is no answer: it must be an object with a list of endpoints');
    await discovery.stop();
  });
});

describe('following', () => {
  test('each consumer gets the newest set, and the iteration ends with the discovery', async () => {
    const registry = new RegistrySource('etcd');
    const { discovery, events } = discoveryOf(registry);
    discovery.start();
    await settle();
    for (const name of ['a', 'b', 'c']) registry.emit({ endpoints: [`${name}:1`] });
    const seen: string[][] = [];
    for await (const { endpoints } of discovery) {
      seen.push([...endpoints]);
      if (seen.length === 1) registry.emit({ endpoints: ['d:1'] });
      else void discovery.stop();
    }
    expect(seen).toEqual([['c:1'], ['d:1']]);
    expect(events.filter(({ kind }) => kind === 'endpoints-changed').at(-1)).toMatchObject({ added: [{ endpoint: 'd:1', sources: ['etcd'] }], removed: ['c:1'] });
  });

  test('a signal ends the one iteration that it was given to', async () => {
    const { discovery } = discoveryOf(new HandSource('dns'));
    const abort = new AbortController();
    const [ended, other] = [discovery.changes({ signal: abort.signal })[Symbol.asyncIterator](), discovery[Symbol.asyncIterator]()];
    const waiting = ended.next();
    abort.abort();
    expect(await waiting).toEqual({ done: true, value: undefined });
    await discovery.discover();
    expect((await other.next()).value).toMatchObject({ version: 1, endpoints: [] });
    await discovery.stop();
  });

  test('seeds are some of each set, in any order', async () => {
    const source = new HandSource('dns');
    const all = Array.from({ length: 40 }, (_, i) => `h${i}:1`);
    source.answer = () => ({ endpoints: all });
    const { discovery } = discoveryOf(source);
    discovery.start();
    const iterator = discovery.seeds({ max: 30 })[Symbol.asyncIterator]();
    const { value } = (await iterator.next()) as { value: string[] };
    expect(new Set(value).size).toBe(30);
    expect(all).toEqual(expect.arrayContaining(value));
    expect(value).not.toEqual([...value].sort());
    expect(await iterator.return?.()).toEqual({ done: true, value: undefined });
    await discovery.stop();
  });

  test('a source that is killed changes nothing for what is known, and is reported', async () => {
    const source = new HandSource('dns');
    source.answer = () => ({ endpoints: ['a:1'] });
    const { discovery, clock, events } = discoveryOf(source);
    discovery.start();
    await settle();
    source.answer = () => {
      throw new Error('socket hang up');
    };
    clock.advance(10_000);
    await settle();
    expect(discovery.current).toMatchObject({ version: 1, endpoints: ['a:1'], failures: [{ reason: 'dns failed: socket hang up' }] });
    expect(events.at(-1)).toMatchObject({ kind: 'source-failed', source: 'dns', consecutiveFailures: 1 });
    source.answer = () => ({ endpoints: ['a:1'] });
    clock.advance(250);
    await settle();
    expect(events.at(-1)).toEqual({ kind: 'source-recovered', source: 'dns', afterFailures: 1 });
    await discovery.stop();
  });

  test('a watch that breaks is started again, and what the old one still says is ignored', async () => {
    const registry = new RegistrySource('etcd');
    const { discovery, clock, events } = discoveryOf(registry);
    discovery.start();
    await settle();
    const stale = registry.emit;
    registry.endWatch(new Error('reset by peer'));
    await settle();
    expect(events.at(-1)).toEqual({ kind: 'watch-ended', source: 'etcd', reason: 'etcd failed: reset by peer' });
    clock.advance(300);
    await settle();
    expect(registry.watches).toBe(2);
    stale({ endpoints: ['old:1'] });
    registry.emit({ endpoints: ['new:1'] });
    expect(discovery.current.endpoints).toEqual(['new:1']);
    registry.emit({} as SourceAnswer);
    expect(events.at(-1)).toMatchObject({ kind: 'watch-ended', source: 'etcd' });
    await discovery.stop();
  });
});

describe('health and metrics', () => {
  test('health says per source what it brought, when, and what is wrong', async () => {
    const [dns, seeds] = [new HandSource('dns'), new HandSource('static')];
    dns.answer = refuse;
    seeds.answer = () => ({ endpoints: ['a:1', 'b:1'], notes: ['c is not known to DNS'] });
    const { discovery } = discoveryOf(dns, seeds);
    expect(discovery.health().sources[0]).toEqual({ source: 'dns', state: 'waiting', total: 0, watching: false, registered: false, consecutiveFailures: 0, notes: [] });
    const from = Date.now() - 1;
    discovery.start();
    await settle();
    const health = discovery.health({ isReachable: (endpoint) => endpoint === 'a:1' });
    expect(health).toMatchObject({ endpoints: 2, complete: false });
    expect(health.sources).toEqual([
      { source: 'dns', state: 'failing', total: 0, reachable: 0, watching: false, registered: false, nextRefreshAtMs: expect.any(Number), lastError: 'dns: SERVFAIL from 10.0.0.53', consecutiveFailures: 1, notes: [] },
      { source: 'static', state: 'ok', total: 2, reachable: 1, watching: false, registered: false, lastRefreshAtMs: expect.any(Number), nextRefreshAtMs: expect.any(Number), consecutiveFailures: 0, notes: ['c is not known to DNS'] },
    ]);
    const { lastRefreshAtMs = 0, nextRefreshAtMs = 0 } = health.sources[1] ?? {};
    expect(lastRefreshAtMs).toBeGreaterThanOrEqual(from);
    expect(nextRefreshAtMs - lastRefreshAtMs).toBeGreaterThanOrEqual(9_000);
    await discovery.stop();
  });

  test('metrics count what was asked, what came of it and how long it took', async () => {
    const [dns, slow] = [new HandSource('dns'), new HandSource('slow')];
    dns.answer = () => ({ endpoints: ['a:1'] });
    slow.answer = never;
    const { discovery, clock } = discoveryOf(dns, slow);
    const found = discovery.discover();
    await settle();
    clock.advance(1_000);
    await found;
    const [ofDns, ofSlow] = discovery.metrics().sources;
    expect(ofDns).toMatchObject({ source: 'dns', attempts: 1, successes: 1, failures: 0, pushes: 0, peers: 1, durationSeconds: { count: 1, sum: 0 } });
    expect(ofSlow).toMatchObject({ source: 'slow', attempts: 1, successes: 0, failures: 1, durationSeconds: { count: 1, sum: 1 } });
    expect(ofSlow?.durationSeconds.buckets.filter(({ count }) => count === 1).map(({ le }) => le)).toEqual([1, 2.5, 5, 10]);
    expect(discovery.metrics().peers).toBe(1);
    await discovery.stop();
  });
});

describe('the address of this node', () => {
  test('what stands behind its name is left out too, and so is what it registers', async () => {
    const source = new HandSource('dns');
    source.answer = () => ({ endpoints: ['172.18.0.2:7946', 'engram-1:7946', '172.18.0.2:7947', '172.18.0.3:7946'] });
    const lookup = (name: string) => Promise.resolve(name === 'engram-1' ? ['172.18.0.2'] : ['172.18.0.3']);
    const discovery = createDiscovery({ sources: [source], self: ['engram-1'], lookup });
    expect((await discovery.discover()).endpoints).toEqual(['172.18.0.2:7947', '172.18.0.3:7946']);
    await discovery.register({ ...self, swim: 'also-me:7946' });
    expect(discovery.current.endpoints).toEqual(['172.18.0.2:7947']);
    await discovery.stop();
  });

  test('a name that hangs holds an answer back for half a second, and no longer', async () => {
    const source = new HandSource('dns');
    source.answer = () => ({ endpoints: ['172.18.0.2:7946'] });
    const clock = new ManualClock();
    const discovery = createDiscovery({ sources: [source], self: ['engram-1'], lookup: never, clock });
    const found = discovery.discover();
    await settle();
    clock.advance(500);
    expect((await found).endpoints).toEqual(['172.18.0.2:7946']);
    await discovery.stop();
    expect(clock.pending).toBe(0);
  });
});

describe('registering', () => {
  test('the outcome says who took it; who did not is asked again until it does', async () => {
    const [good, bad] = [new RegistrySource('consul'), new RegistrySource('etcd')];
    bad.accept = refuse;
    const { discovery, clock, events } = discoveryOf(good, bad, new HandSource('dns'));
    expect(await discovery.register(self)).toEqual({ registered: ['consul'], failures: [{ source: 'etcd', reason: 'dns: SERVFAIL from 10.0.0.53', hint: 'Look at the resolver.' }] });
    bad.accept = () => undefined;
    clock.advance(250);
    await settle();
    expect(discovery.health().sources.map(({ registered }) => registered)).toEqual([true, true, false]);
    expect(events.map(({ kind }) => kind)).toEqual(['registered', 'registration-failed', 'registered']);
    await discovery.stop();
  });

  test('deregistering takes back what was tried, and says what failed', async () => {
    const [good, bad] = [new RegistrySource('consul'), new RegistrySource('etcd')];
    const { discovery, clock } = discoveryOf(good, bad);
    expect(await discovery.deregister()).toEqual([]);
    await discovery.register(self);
    bad.accept = never;
    const done = discovery.deregister();
    await settle();
    clock.advance(1_000);
    expect(await done).toEqual([{ source: 'etcd', reason: 'etcd did not take back the registration within 1000 ms', hint: 'It expires by itself.' }]);
    expect(good.calls).toEqual(['register 10.0.0.9:7946', 'deregister']);
    await discovery.stop();
  });

  test('a registration that hangs while it is taken back keeps nobody waiting', async () => {
    const registry = new RegistrySource('etcd');
    registry.accept = never;
    const { discovery, clock } = discoveryOf(registry);
    const outcome = discovery.register(self);
    await settle();
    const done = discovery.deregister();
    expect((await outcome).failures[0]?.reason).toBe('etcd was deregistered meanwhile');
    await settle();
    clock.advance(1_000);
    expect(await done).toHaveLength(1);
    await discovery.stop();
  });

  test('stopping ends a deregistration that hangs, and afterwards nothing is asked of a source that is closed', async () => {
    const registry = new RegistrySource('etcd');
    const { discovery } = discoveryOf(registry);
    await discovery.register(self);
    registry.accept = never;
    const done = discovery.deregister();
    await settle();
    await discovery.stop();
    expect(await done).toEqual([{ source: 'etcd', reason: 'the discovery was stopped', hint: expect.any(String) as string }]);
    expect(await discovery.deregister()).toEqual([]);
    expect(registry.calls).toEqual(['register 10.0.0.9:7946', 'deregister', 'close']);
  });

  test('an address that is none is refused', async () => {
    const { discovery } = discoveryOf(new RegistrySource('etcd'));
    await expect(discovery.register({ ...self, swim: 'no address' })).rejects.toMatchObject({ code: 'invalid_argument' });
    await discovery.stop();
  });
});

describe('stopping', () => {
  test('stopping ends what runs, closes every source once, and nothing works afterwards', async () => {
    const [slow, good] = [new RegistrySource('slow'), new HandSource('good')];
    slow.answer = never;
    slow.close = () => Promise.reject(new Error('already closed'));
    const { discovery, clock } = discoveryOf(slow, good);
    discovery.start();
    const found = discovery.discover();
    const refused = expect(found).rejects.toMatchObject({ code: 'shutting_down' });
    await settle();
    await Promise.all([discovery.stop(), discovery.stop(), discovery[Symbol.asyncDispose]()]);
    await refused;
    expect(good.calls).toEqual(['close']);
    expect(slow.signals[0]?.aborted).toBe(true);
    expect(clock.pending).toBe(0);
    expect(() => discovery.start()).toThrow('the discovery was stopped');
    await expect(discovery.discover()).rejects.toMatchObject({ code: 'shutting_down' });
    expect(await discovery[Symbol.asyncIterator]().next()).toEqual({ done: true, value: undefined });
  });

  test('a source that never closes keeps nobody waiting for ever', async () => {
    const source = new HandSource('dns');
    source.close = never;
    const { discovery, clock } = discoveryOf(source);
    const stopped = discovery.stop();
    await settle();
    clock.advance(1_000);
    await expect(stopped).resolves.toBeUndefined();
  });

  test('a listener that throws is not taken for a defect of the discovery', async () => {
    const thrown = vi.fn();
    process.prependOnceListener('uncaughtException', thrown);
    const others = process.listeners('uncaughtException').filter((listener) => listener !== thrown);
    others.forEach((listener) => process.off('uncaughtException', listener));
    const source = new HandSource('dns');
    source.answer = () => ({ endpoints: ['a:1'] });
    const discovery = createDiscovery({ sources: [source], onEvent: () => { throw new Error('of the listener'); } });
    expect((await discovery.discover()).endpoints).toEqual(['a:1']);
    await settle();
    others.forEach((listener) => process.on('uncaughtException', listener));
    expect(thrown.mock.calls[0]?.[0]).toEqual(new Error('of the listener'));
    await discovery.stop();
  });
});

test.each([
  [{ sources: [] }, 'option sources must be a list of 1 to 16 sources'],
  [{ sources: Array.from({ length: 17 }, (_, i) => new HandSource(`s${i}`)) }, 'option sources must be a list of 1 to 16 sources'],
  [{ sources: [new HandSource('dns'), new HandSource('dns')] }, 'option sources[1].name must be its own, but another source is called "dns"; give one of them another name'],
  [{ sources: [new HandSource('D N S')] }, 'option sources[0].name must be lower-case letters, digits, "_", "." or "-"; got "D N S"'],
  [{ sources: [Object.assign(new HandSource('dns'), { refreshMs: 0 })] }, 'option sources[0].refreshMs must be a whole number from 1 to 2678400000, not 0'],
  [{ sources: [Object.assign(new HandSource('dns'), { timeoutMs: NaN })] }, 'option sources[0].timeoutMs must be a whole number from 1 to 2678400000, not NaN'],
  [{ sources: [new HandSource('dns')], endpointsMax: 0.5 }, 'option endpointsMax must be a whole number from 1 to 2678400000, not 0.5'],
  [{ sources: [new HandSource('dns')], self: ['x y'] }, 'self[0] must be "host:port", "1.2.3.4:port" or "[v6]:port"; got "x y"'],
])('wrong options are refused by name: %#', (options, message) => {
  expect(() => createDiscovery(options)).toThrow(message);
});
