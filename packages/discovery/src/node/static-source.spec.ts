import { afterEach, expect, test, vi } from 'vitest';
import { createDiscovery } from './create-discovery.js';
import { staticSource } from './static-source.js';

const signal = new AbortController().signal;
afterEach(() => vi.useRealTimers());

test('literals are answered as they are, in one spelling after discovery took them', async () => {
  const seeds = ['10.0.0.5', '10.0.0.5:7946', '[fd00::0:5]:80', 'fd00::6'];
  await using discovery = createDiscovery({ sources: [staticSource({ seeds })] });
  expect(await discovery.discover()).toMatchObject({ endpoints: ['10.0.0.5:7946', '[fd00::5]:80', '[fd00::6]:7946'], complete: true });
});

test('names are looked up by the machine', async () => {
  const answer = await staticSource({ seeds: ['localhost:80', 'localhost:81'] }).lookUp({ signal });
  expect(answer.endpoints).toEqual(expect.arrayContaining(['127.0.0.1:80', '127.0.0.1:81']));
  expect(answer.notes).toEqual([]);
});

test('each refresh looks names up anew; a name that stops resolving keeps its addresses, and it is said', async () => {
  const answers: (() => Promise<string[]>)[] = [() => Promise.resolve(['10.0.0.1']), () => Promise.resolve(['10.0.0.2', 'fd00::2']), () => Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' }))];
  const source = staticSource({ seeds: ['api:1'], lookup: () => (answers.shift() as () => Promise<string[]>)() });
  expect(await source.lookUp({ signal })).toEqual({ endpoints: ['10.0.0.1:1'], notes: [] });
  expect(await source.lookUp({ signal })).toEqual({ endpoints: ['10.0.0.2:1', '[fd00::2]:1'], notes: [] });
  expect(await source.lookUp({ signal })).toEqual({ endpoints: ['10.0.0.2:1', '[fd00::2]:1'], notes: ['api cannot be resolved (ENOTFOUND); its last addresses are used'] });
});

test('a resolver that is not up yet is asked again within the same look-up, and one that knows no such name is not', async () => {
  const again = Object.assign(new Error('again'), { code: 'EAI_AGAIN' });
  const answers = [Promise.reject(again), Promise.reject(again), Promise.resolve(['10.0.0.1'])];
  answers.forEach((answer) => answer.catch(() => undefined));
  expect(await staticSource({ seeds: ['api:1'], lookup: () => answers.shift() as Promise<string[]> }).lookUp({ signal })).toEqual({ endpoints: ['10.0.0.1:1'], notes: [] });
  let asked = 0;
  const unknown = () => (asked++, Promise.reject(Object.assign(new Error('unknown'), { code: 'ENOTFOUND' })));
  await expect(staticSource({ seeds: ['api:1'], lookup: unknown }).lookUp({ signal })).rejects.toThrow('ENOTFOUND');
  expect(asked).toBe(1);
});

test('a name that cannot be resolved hides no other seed', async () => {
  const source = staticSource({ seeds: ['gone:1', '10.0.0.1:1'], lookup: () => Promise.reject(new Error('no such name')) });
  expect(await source.lookUp({ signal })).toEqual({ endpoints: ['10.0.0.1:1'], notes: ['gone cannot be resolved (Error: no such name)'] });
});

test('when nothing is known of any seed, the look-up fails and says why', async () => {
  const source = staticSource({ seeds: ['gone:1', 'lost:2'], lookup: () => Promise.reject(Object.assign(new Error(), { code: 'ENOTFOUND' })) });
  await expect(source.lookUp({ signal })).rejects.toMatchObject({
    code: 'discovery_failed', retryable: true,
    message: 'static: none of the seeds can be resolved: gone cannot be resolved (ENOTFOUND), lost cannot be resolved (ENOTFOUND)',
  });
  expect(await staticSource({ seeds: [] }).lookUp({ signal })).toEqual({ endpoints: [], notes: [] });
});

test('names that hang are given up at the limit, take at most two look-ups, and are not asked twice', async () => {
  vi.useFakeTimers();
  let asked = 0;
  const hang = () => (asked++, new Promise<never>(() => undefined));
  const source = staticSource({ seeds: ['a:1', 'b:1', 'c:1', '10.0.0.1:1'], timeoutMs: 1_000, lookup: hang });
  const answers = Promise.all([source.lookUp({ signal }), source.lookUp({ signal })]);
  await vi.advanceTimersByTimeAsync(900);
  expect((await answers)[1]).toMatchObject({ endpoints: ['10.0.0.1:1'], notes: expect.arrayContaining(['a cannot be resolved (no answer in time)']) });
  expect(asked).toBe(2);
  expect(vi.getTimerCount()).toBe(0);
});

test('an aborted look-up ends', async () => {
  const abort = new AbortController();
  const found = staticSource({ seeds: ['a:1'], lookup: () => new Promise(() => undefined) }).lookUp({ signal: abort.signal });
  abort.abort();
  await expect(found).rejects.toMatchObject({ code: 'discovery_failed' });
  await expect(staticSource({ seeds: ['a:1'] }).lookUp({ signal: abort.signal })).rejects.toThrow('aborted');
});

test.each([
  [{ seeds: ['10.0.0.1:1', 'no seed'] }, 'seeds[1] must be "host:port"'],
  [{ seeds: Array<string>(257).fill('a:1') }, 'option seeds must be a list of at most 256 addresses'],
  [{ seeds: 'a:1' as unknown as string[] }, 'option seeds must be a list of at most 256 addresses'],
  [{ seeds: [], timeoutMs: 0 }, 'option timeoutMs must be a whole number from 10 to 600000, not 0'],
])('wrong options are refused by name: %#', (options, message) => {
  expect(() => staticSource(options)).toThrow(message);
});
