import { expect, test } from 'vitest';
import type { Address } from '../core/index.js';
import { checkSeeds, Seeds, type SeedSource } from './seeds.js';

function seedsOf(source: SeedSource, names: Record<string, readonly string[] | 'never'> = {}, limitMs = 60_000) {
  const changes: number[] = [];
  const lookup = (name: string): Promise<readonly string[]> => {
    const found = names[name];
    if (found === 'never') return new Promise(() => undefined);
    return found ? Promise.resolve(found) : Promise.reject(Object.assign(new Error('not found'), { code: 'ENOTFOUND' }));
  };
  const seeds = new Seeds(source, { lookup, limitMs, reaches: (family) => family === 4, self: '10.0.0.1:7946' as Address, onChange: () => changes.push(1) });
  return { seeds, changes };
}

test('literals and names become addresses, each once, without our own', async () => {
  const { seeds } = seedsOf(['10.0.0.1:7946', '10.0.0.2:7946', 'db:1', 'db2:1', '10.0.0.2'], { db: ['10.0.0.3', '10.0.0.4', 'fd00::1'], db2: ['10.0.0.3'] });
  const { addresses, failed } = await seeds.resolve();
  expect([new Set(addresses), failed]).toEqual([new Set(['10.0.0.2:7946', '10.0.0.3:1', '10.0.0.4:1']), []]);
});

test('what comes to nothing is told with its reason, and the rest is used', async () => {
  const { seeds } = seedsOf(['missing:1', 'six:1', '10.0.0.2:1'], { six: ['fd00::1'] });
  const { addresses, failed } = await seeds.resolve();
  expect(addresses).toEqual(['10.0.0.2:1']);
  expect(new Map(failed.map(({ seed, reason }) => [seed, reason]))).toEqual(
    new Map([
      ['six:1', 'six has no address of the family that this node is bound to'],
      ['missing:1', 'missing cannot be resolved: ENOTFOUND'],
    ]),
  );
});

test('a name that does not resolve in time is given up', async () => {
  const { seeds } = seedsOf(['slow:1'], { slow: 'never' }, 1);
  expect(await seeds.resolve()).toEqual({ addresses: [], failed: [{ seed: 'slow:1', reason: 'slow was not resolved within 1 ms' }] });
});

test('a malformed seed in a list is refused at once, by its place', () => {
  expect(() => checkSeeds(['10.0.0.1', 'a b'])).toThrow(/seeds\[1\]/);
});

test('a function is asked every time', async () => {
  let asked = 0;
  const { seeds } = seedsOf(async () => [`10.0.0.${++asked + 1}:1`]);
  expect([(await seeds.resolve()).addresses, (await seeds.resolve()).addresses]).toEqual([['10.0.0.2:1'], ['10.0.0.3:1']]);
});

test.each([
  ['throws', () => { throw new Error('no catalogue'); }, 'the seed source cannot be resolved: no catalogue'],
  ['gives no list', () => 'x' as never, 'the seed source gave something that is no list'],
  ['gives a malformed seed', () => ['a b'], 'seed must be'],
] as const)('a function that %s makes a failed seed', async (_what, source, reason) => {
  const { seeds } = seedsOf(source as SeedSource);
  expect((await seeds.resolve()).failed).toEqual([{ seed: expect.any(String), reason: expect.stringContaining(reason) }]);
});

test('of an async iterable the latest set counts, and every further one is announced', async () => {
  const waiting: (() => void)[] = [];
  async function* sets() {
    yield ['10.0.0.2:1'];
    await new Promise<void>((go) => waiting.push(go));
    yield ['10.0.0.3:1'];
  }
  const { seeds, changes } = seedsOf(sets());
  expect((await seeds.resolve()).addresses).toEqual(['10.0.0.2:1']);
  await new Promise(setImmediate);
  waiting[0]?.();
  await new Promise(setImmediate);
  expect((await seeds.resolve()).addresses).toEqual(['10.0.0.3:1']);
  expect(changes).toHaveLength(1);
});

test('an async iterable that breaks is announced, with its reason', async () => {
  async function* sets() {
    yield ['10.0.0.2:1'];
    throw new Error('watch broken');
  }
  const { seeds, changes } = seedsOf(sets());
  await seeds.resolve();
  await new Promise(setImmediate);
  expect(changes).toHaveLength(1);
  expect((await seeds.resolve()).failed).toEqual([{ seed: '(seed source)', reason: expect.stringContaining('watch broken') }]);
});

test('waiting ends with the signal and with the node', async () => {
  const never = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => undefined) }) };
  const aborted = new AbortController();
  const first = seedsOf(never).seeds.resolve(aborted.signal);
  aborted.abort(new Error('enough'));
  await expect(first).rejects.toThrow('enough');

  const { seeds } = seedsOf(never);
  const second = seeds.resolve();
  seeds.stop();
  expect((await second).failed).toEqual([{ seed: '(seed source)', reason: 'the node was closed' }]);
});
