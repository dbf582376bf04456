import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EngramError } from '@engram/kernel';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { SwimCore } from '../core/index.js';
import { createSwim, generateKey, jsonMetadata, Keyring, type Change, type CreateSwimOptions, type SwimNode, type SwimOptions } from '../index.js';

/** Ten times the pace of `fast`, so that deaths on one machine are found in a fraction of a second. */
const quick: SwimOptions = { periodMs: 60, timeoutMs: 25, stallMs: 200, gossipMs: 15, syncMs: 500, contactMs: 200, streamTimeoutMs: 1_000, leaveTimeoutMs: 1_000, suspicionMult: 2, suspicionMaxMult: 2 };

vi.setConfig({ testTimeout: 30_000 });

const nodes: SwimNode<never>[] = [];
afterEach(async () => void (await Promise.all(nodes.splice(0).map((node) => node.close()))));

async function start<M = Uint8Array>(name: string, options: Partial<CreateSwimOptions<M>> = {}): Promise<SwimNode<M>> {
  const node = await createSwim<M>({ cluster: 'test', name, bind: '127.0.0.1:0', protocol: quick, ...options });
  nodes.push(node as SwimNode<never>);
  return node;
}

/** Each new node has the first as its seed; resolves when all see all. */
async function cluster(count: number, options: Partial<CreateSwimOptions> = {}): Promise<readonly [SwimNode, ...SwimNode[]]> {
  const first = await start('n1', options);
  await first.join();
  const others: SwimNode[] = [];
  for (let i = 2; i <= count; i++) {
    const node = await start(`n${i}`, { ...options, seeds: [first.address] });
    await node.join();
    others.push(node);
  }
  const all = [first, ...others] as const;
  for (const node of all) await until(() => node.members.reachable.length === count);
  return all;
}

/** Waits for what the network brings, as long as the test may last. */
const until = (condition: () => unknown): Promise<void> => vi.waitFor(() => expect(condition()).toBeTruthy(), { timeout: 15_000, interval: 5 });
/** Free for both protocols, and not one that the system gives out while a test has closed it for a moment. */
async function quietAddress(): Promise<string> {
  for (;;) {
    const bind = `127.0.0.1:${20_000 + Math.floor(Math.random() * 10_000)}`;
    const probe = await createSwim({ cluster: 'test', name: 'probe', bind }).catch(() => undefined);
    if (!probe) continue;
    await probe.close();
    return bind;
  }
}

const stateOf = (node: SwimNode<never> | SwimNode, name: string) => node.members.get(name)?.state;
const rejectionOf = async (promise: Promise<unknown>) => promise.then(() => undefined, (error: unknown) => error as EngramError);

describe('a cluster on real sockets', () => {
  test.each(['127.0.0.1:0', '[::1]:0', 'localhost:0'])('finds itself on %s', async (bind) => {
    const [a, b, c] = await cluster(3, { bind });
    expect(b?.members.all.map(({ name }) => name).sort()).toEqual(['n1', 'n2', 'n3']);
    expect(a.address).toBe(c?.members.get('n1')?.address);
  });

  test('sees who crashed as dead, and who comes back under its name as newly alive', async () => {
    const [a, b, c] = await cluster(3);
    await c?.close();
    await until(() => stateOf(a, 'n3') === 'dead' && stateOf(b as SwimNode, 'n3') === 'dead');
    const back = await start('n3', { seeds: [a.address] });
    await back.join();
    await until(() => stateOf(a, 'n3') === 'alive' && stateOf(b as SwimNode, 'n3') === 'alive');
  });

  test('sees who leaves as left, at once; joining again is legal', async () => {
    const [a, b] = await cluster(2);
    expect(await b?.leave()).toEqual({ confirmed: 1 });
    expect(stateOf(a, 'n2')).toBe('left');
    await b?.join();
    await until(() => stateOf(a, 'n2') === 'alive');
  });

  test('is left by `await using` at the end of the block', async () => {
    const first = await start('n1');
    await first.join();
    {
      await using second = await createSwim({ cluster: 'test', name: 'n2', bind: '127.0.0.1:0', protocol: quick, seeds: [first.address] });
      await second.join();
    }
    expect(stateOf(first, 'n2')).toBe('left');
  });

  test('knows typed metadata, small and too large for a datagram', async () => {
    interface Role { role: string; tags?: string[] }
    const metadataCodec = jsonMetadata<Role>();
    const a = await start<Role>('a', { metadataCodec, metadata: { role: 'primary' } });
    await a.join();
    const b = await start<Role>('b', { metadataCodec, seeds: [a.address] });
    await b.join();
    await until(() => b.members.get('a')?.metadata?.role === 'primary');
    const tags = Array.from({ length: 400 }, (_, i) => `tag number ${i}`);
    await a.setMetadata({ role: 'replica', tags });
    await until(() => b.members.get('a')?.metadataState === 'known' && b.members.get('a')?.metadata?.tags);
    expect(b.members.get('a')?.metadata).toEqual({ role: 'replica', tags });
  });

  test('delivers broadcasts once to each and messages to one', async () => {
    const [a, b, c] = await cluster(3);
    const heard: string[] = [];
    for (const node of [a, b, c] as SwimNode[]) {
      node.on('broadcast', ({ from, topic, bytes }) => heard.push(`${node.name}: ${from} ${topic} ${Buffer.from(bytes).toString()}`));
      node.onMessage(({ from, bytes, reliable }) => heard.push(`${node.name}: ${from} ${reliable} ${bytes.length}`));
    }
    await a.broadcast('news', 'hello');
    await until(() => heard.length === 2);
    await c?.send('n1', new Uint8Array(100_000));
    await b?.send('n3', 'hi', { reliable: false });
    await until(() => heard.length === 4);
    expect(heard.sort()).toEqual(['n1: n3 true 100000', 'n2: n1 news hello', 'n3: n1 news hello', 'n3: n2 false 2']);
  });

  test('joins members of both families through one that has both', async () => {
    const lookup = async () => ['127.0.0.1', '::1'];
    const both = await start('n1', { bind: '[::]:0', advertise: 'both.internal', lookup });
    await both.join();
    const v4 = await start('n2', { seeds: [both.address], lookup });
    await v4.join();
    const v6 = await start('n3', { bind: '[::1]:0', seeds: [both.address], lookup });
    await v6.join();
    // Their datagrams cannot reach each other; the one in between relays, or a stream does, which is bound to no family.
    const indirect = (node: SwimNode) => node.metrics().probes['acked-by-relay'] + node.metrics().probes['acked-by-stream'];
    await until(() => indirect(v4) > 0 && indirect(v6) > 0);
    expect([stateOf(v4, 'n3'), stateOf(v6, 'n2')]).toEqual(['alive', 'alive']);
    await both.send('n2', 'over IPv4');
    await both.send('n3', 'over IPv6');
  });

  test('advertises an address of this machine when it is bound to all of them', async () => {
    const a = await start('a', { bind: '0.0.0.0:0' });
    expect(a.address).not.toContain('0.0.0.0');
    expect(a.address.endsWith(`:${a.port}`)).toBe(true);
  });

  test('silences the older of two processes of one name, and says so', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'swim-'));
    const [a, b] = await cluster(2);
    const heard: number[] = [];
    b?.on('superseded', ({ epoch }) => heard.push(epoch));
    await writeFile(join(directory, 'swim-epoch'), `${(b as SwimNode).self.epoch + 100}\n`);
    const newer = await start('n2', { seeds: [a.address], dataDirectory: directory });
    await newer.join();
    await until(() => heard.length > 0);
    expect(await rejectionOf((b as SwimNode).join())).toMatchObject({ code: 'unavailable' });
    await until(() => a.members.get('n2')?.address === newer.address);
    await rm(directory, { recursive: true });
  });

  test('finds whoever answers under a name before it is taken, and nobody who died', async () => {
    const [a, b] = await cluster(2);
    const later = await start('n2', { seeds: [a.address] });
    expect(await later.findNamesake()).toEqual({ address: b!.address, epoch: b!.self.epoch });
    expect(a.members.get('n2')?.address).toBe(b!.address);
    await b!.close();
    expect(await later.findNamesake()).toBeUndefined();
    await later.join();
    await until(() => a.members.get('n2')?.address === later.address);
    expect(await rejectionOf(later.findNamesake())).toMatchObject({ code: 'not_ready' });
  });

  test('takes seeds from a function and from names', async () => {
    const a = await start('a');
    await a.join();
    const port = a.address.split(':').at(-1);
    const b = await start('b', { seeds: async () => [`seed.internal:${port}`], lookup: async () => ['127.0.0.1'] });
    expect(await b.join()).toEqual({ contacted: [a.address], failed: [] });
  });

  test('reaches members that advertise a name', async () => {
    const lookup = async () => ['127.0.0.1'];
    const a = await start('a', { advertise: 'a.internal', lookup });
    await a.join();
    const b = await start('b', { advertise: 'b.internal', lookup, seeds: [a.address] });
    await b.join();
    await until(() => stateOf(a, 'b') === 'alive' && a.metrics().probes.acked > 2 && b.metrics().probes.acked > 2);
    expect(a.metrics().probes.failed).toBe(0);
  });

  test('counts what it does', async () => {
    const [a] = await cluster(2);
    await until(() => a.metrics().rttSeconds.count > 0);
    const metrics = a.metrics();
    expect(metrics.members).toEqual({ alive: 1, suspect: 0, dead: 0, left: 0 });
    expect(metrics.datagrams.bytesIn).toBeGreaterThan(0);
    expect(metrics.rttSeconds.buckets.at(-1)?.count).toBe(metrics.rttSeconds.count);
    expect(metrics.viewVersion).toBe(a.members.version);
  });
});

describe('changes', () => {
  test('come in the order of the view and end with the signal', async () => {
    const a = await start('n1');
    await a.join();
    const stop = new AbortController();
    const changes = a.changes({ signal: stop.signal });
    const b = await start('n2', { seeds: [a.address] });
    await b.join();
    await b.leave();
    await until(() => stateOf(a, 'n2') === 'left');
    stop.abort();
    const seen: Change[] = [];
    for await (const change of changes) seen.push(change);
    expect(seen.map(({ type, member }) => `${member.name} ${type}`)).toEqual(['n2 joined', 'n2 left']);
    expect(seen.map(({ version }) => version)).toEqual([1, 2]);
  });

  test('become one resync with the whole view for a consumer that is too slow', async () => {
    const a = await start('n1', { changesBufferMax: 2 });
    await a.join();
    const changes = a.changes();
    for (let i = 0; i < 4; i++) await a.setMetadata(Uint8Array.of(i));
    await until(() => a.members.version === 4);
    const first = await changes.next();
    expect(first.value).toMatchObject({ type: 'resync', version: 4 });
    expect((first.value as Extract<Change, { type: 'resync' }>).members).toBe(a.members);
    expect(a.metrics().resyncs).toBe(1);
    await a.setMetadata(Uint8Array.of(9));
    expect((await changes.next()).value).toMatchObject({ type: 'updated', version: 5 });
  });

  test('that happened before the close are still delivered', async () => {
    const a = await start('n1');
    await a.join();
    const changes = a.changes();
    await a.setMetadata(Uint8Array.of(1));
    await a.close();
    expect([(await changes.next()).value?.type, (await changes.next()).done]).toEqual(['updated', true]);
  });
});

describe('listeners', () => {
  test('may call the node: nothing runs from within, nothing waits for itself', async () => {
    const a = await start('n1');
    await a.join();
    const log: string[] = [];
    let done: () => void = () => undefined;
    const finished = new Promise<void>((resolve) => (done = resolve));
    a.on('updated', ({ member, version }) => {
      log.push(`begin ${version}`);
      expect(a.members.version).toBeGreaterThanOrEqual(version);
      if ((member.metadata?.[0] ?? 9) < 3) void a.setMetadata(Uint8Array.of((member.metadata?.[0] ?? 0) + 1));
      else void a.leave().then(() => a.close()).then(done);
      log.push(`end ${version}`);
    });
    await a.setMetadata(Uint8Array.of(1));
    await finished;
    expect(log).toEqual(['begin 1', 'end 1', 'begin 2', 'end 2', 'begin 3', 'end 3']);
  });

  test('stop hearing when they are taken off', async () => {
    const a = await start('n1');
    await a.join();
    const heard: number[] = [];
    const listener = () => heard.push(1);
    const [off] = [a.on('updated', listener), a.on('updated', listener)];
    off?.();
    await a.setMetadata(Uint8Array.of(1));
    expect(heard).toEqual([1]);
  });
});

describe('what goes wrong at the start', () => {
  test('a port that is taken is named, for either protocol, and nothing stays bound', async () => {
    const bind = await quietAddress();
    const port = Number(bind.split(':')[1]);
    const udp = createSocket('udp4').bind(port, '127.0.0.1');
    await once(udp, 'listening');
    expect(await rejectionOf(start('a', { bind }))).toMatchObject({ code: 'address_in_use', message: `UDP ${bind} is in use by another process` });
    const tcp = createServer().listen(port, '127.0.0.1');
    await once(tcp, 'listening');
    await new Promise<void>((closed) => udp.close(closed));
    expect(await rejectionOf(start('a', { bind }))).toMatchObject({ code: 'address_in_use', message: `TCP ${bind} is in use by another process` });
    await new Promise((closed) => tcp.close(closed));
    expect((await start('a', { bind })).address).toBe(bind);
  });

  test.each<[string, Partial<CreateSwimOptions>, string, RegExp]>([
    ['an address of another machine', { bind: '203.0.113.1:0' }, 'invalid_argument', /203\.0\.113\.1:0 cannot be bound: EADDRNOTAVAIL/],
    ['a bind that is none', { bind: 'here' as string, lookup: async () => Promise.reject(new Error('x')) }, 'unavailable', /here cannot be resolved/],
    ['a malformed seed', { seeds: ['a b'] }, 'invalid_argument', /seeds\[0\]/],
    ['a preset that is none', { preset: 'warp' as 'fast' }, 'invalid_options', /fast, lan, wan/],
    ['metadata over the limit', { metadata: new Uint8Array(20_000) }, 'payload_too_large', /16384/],
    ['a name that is none', { name: 'a b' }, 'invalid_argument', /node id/],
    ['encryption without keys', { security: 'encrypted' }, 'invalid_options', /keyring/],
    ['advertising everywhere', { advertise: '0.0.0.0' }, 'invalid_argument', /others can reach/],
  ])('%s', async (_what, options, code, message) => {
    expect(await rejectionOf(start('a', options))).toMatchObject({ code, message: expect.stringMatching(message) });
  });

  test('the port is free again after a start that failed late, and after a close', async () => {
    const bind = await quietAddress();
    const first = await start('a', { bind });
    await first.close();
    await rejectionOf(start('a', { bind, advertise: '0.0.0.0' }));
    expect((await start('a', { bind })).address).toBe(bind);
  });

  test('seeds that do not resolve or answer make join reject, and the node goes on trying', async () => {
    const bind = await quietAddress();
    const a = await start('a', { seeds: [bind, 'nowhere.internal:1'], lookup: async () => Promise.reject(Object.assign(new Error(), { code: 'ENOTFOUND' })) });
    const failed: string[] = [];
    a.on('seed-failed', ({ seed, reason }) => failed.push(`${seed}: ${reason}`));
    const error = await rejectionOf(a.join());
    expect(error).toMatchObject({ code: 'unavailable', message: expect.stringContaining(bind) });
    expect(failed[0]).toBe('nowhere.internal:1: nowhere.internal cannot be resolved: ENOTFOUND');
    const late = await start('later', { bind });
    await late.join();
    await until(() => stateOf(a, 'later') === 'alive');
  });

  test('a list of seeds that holds only the node itself is a cluster of one', async () => {
    const a: SwimNode = await start('a', { seeds: (): readonly string[] => [a.address] });
    expect(await a.join()).toEqual({ contacted: [], failed: [] });
  });

  test('so it is when the node advertises a name and the seed is the address behind it', async () => {
    const a: SwimNode = await start('a', { advertise: 'a.internal', lookup: async () => ['127.0.0.1'], seeds: (): readonly string[] => [`127.0.0.1:${a.port}`] });
    expect(await a.join()).toEqual({ contacted: [], failed: [] });
  });
});

describe('signals and closing', () => {
  test('an aborted signal ends every wait with its reason', async () => {
    const why = new Error('enough');
    const signal = AbortSignal.abort(why);
    const a = await start('a', { seeds: () => new Promise(() => undefined) });
    for (const wait of [start('b', { signal }), a.join({ signal }), a.leave({ signal }), a.setMetadata(Uint8Array.of(1), { signal }), a.broadcast('t', '', { signal }), a.send('b', '', { signal }), a.forget('b', { signal })]) {
      expect(await rejectionOf(wait)).toBe(why);
    }
    const stop = new AbortController();
    const joining = rejectionOf(a.join({ signal: stop.signal }));
    stop.abort(why);
    expect(await joining).toBe(why);
  });

  test('the signal of the options closes the node', async () => {
    const stop = new AbortController();
    const a = await start('a', { signal: stop.signal });
    const changes = a.changes();
    stop.abort();
    expect((await changes.next()).done).toBe(true);
    expect(await rejectionOf(a.join())).toMatchObject({ code: 'shutting_down' });
  });

  test('closing rejects who waits, and is legal twice', async () => {
    const silent = createServer(() => undefined).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const a = await start('a', { seeds: [`127.0.0.1:${(silent.address() as AddressInfo).port}`] });
    const joining = rejectionOf(a.join());
    await Promise.all([a.close(), a.close()]);
    expect(await joining).toMatchObject({ code: 'shutting_down' });
    silent.close();
  });

  test('leaving twice at one time is leaving once', async () => {
    const [a, b] = await cluster(2);
    expect(await Promise.all([b?.leave(), b?.leave()])).toEqual([{ confirmed: 1 }, { confirmed: 1 }]);
    expect(stateOf(a, 'n2')).toBe('left');
  });

  test('a defect of the core closes the node, and everybody hears', async () => {
    const a = await start('a');
    const changes = a.changes();
    const failed: Error[] = [];
    a.on('failed', ({ error }) => failed.push(error));
    const broken = vi.spyOn(SwimCore.prototype, 'handle').mockImplementation(() => {
      throw new Error('broken rule');
    });
    try {
      expect(await rejectionOf(a.join())).toMatchObject({ code: 'shutting_down' });
    } finally {
      broken.mockRestore();
    }
    expect((await changes.next()).done).toBe(true);
    expect(failed.map(({ message }) => message)).toEqual(['broken rule']);
  });

  test('what cannot be done is refused with its code', async () => {
    const [a] = await cluster(2);
    expect(await rejectionOf(a.send('nobody', 'x'))).toMatchObject({ code: 'unavailable' });
    expect(await rejectionOf(a.setMetadata(new Uint8Array(20_000)))).toMatchObject({ code: 'payload_too_large' });
    expect(await rejectionOf(a.broadcast('t', new Uint8Array(2_000)))).toMatchObject({ code: 'payload_too_large' });
    expect(await rejectionOf(a.forget('n2'))).toMatchObject({ code: 'invalid_argument' });
  });
});

describe('the epoch', () => {
  test('is kept, so that a restart with the clock set back still counts as newer', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'swim-'));
    const options = { dataDirectory: directory };
    const first = await start('a', options);
    await first.close();
    const second = await start('a', options);
    expect(second.self.epoch).toBeGreaterThan(first.self.epoch);
    expect(Number(await readFile(join(directory, 'swim-epoch'), 'utf8'))).toBe(second.self.epoch);
    await rm(directory, { recursive: true });
  });
});

describe('strangers', () => {
  test('of another cluster are turned away, and both sides are told', async () => {
    const a = await start('a');
    await a.join();
    const rejected: string[] = [];
    a.on('rejected', ({ reason, meaning }) => rejected.push(`${reason}: ${meaning}`));
    const b = await start('b', { cluster: 'other', seeds: [a.address] });
    expect(await rejectionOf(b.join())).toMatchObject({ code: 'unavailable' });
    await until(() => rejected.some((line) => line.startsWith('other-cluster: The sender belongs to another cluster')));
    expect(a.members.all).toHaveLength(1);
  });

  test('of a cluster that was formed under the same name are turned away, and newcomers learn whose they are', async () => {
    const a = await start('a', { clusterId: 'one' });
    await a.join();
    const rejected: string[] = [];
    a.on('rejected', ({ reason, meaning }) => rejected.push(`${reason}: ${meaning}`));
    const b = await start('b', { clusterId: 'two', seeds: [a.address] });
    expect(await rejectionOf(b.join())).toMatchObject({ code: 'unavailable', details: { failed: [{ seed: a.address, reason: 'other-cluster-id' }] } });
    await until(() => rejected.some((line) => line.startsWith('other-cluster-id: The sender belongs to another cluster of the same name')));

    const c = await start('c', { seeds: [a.address] });
    const learned: string[] = [];
    c.on('cluster-id', ({ clusterId }) => learned.push(clusterId));
    expect(c.clusterId).toBeUndefined();
    await c.join();
    await until(() => learned.length > 0);
    expect([learned, c.clusterId, a.clusterId]).toEqual([['one'], 'one', 'one']);
    expect(await rejectionOf(c.setClusterId('two'))).toMatchObject({ code: 'id_conflict' });
    await c.setClusterId('one');
    expect(a.members.all.map(({ name }) => name).sort()).toEqual(['a', 'c']);
    expect(await rejectionOf(start('d', { clusterId: '.no' }))).toMatchObject({ code: 'invalid_argument' });
  });

  test('with garbage on the stream are cut off, and silence is not waited for', async () => {
    const a = await start('a');
    await a.join();
    const [host, port] = a.address.split(':') as [string, string];
    const socket = connect(Number(port), host);
    const closed = new Promise((resolve) => socket.on('error', () => undefined).once('close', resolve));
    socket.write(Buffer.from([0xff, 0xff, 0xff, 0xff]));
    await closed;
    expect(a.metrics().rejected['frame-too-large']).toBe(1);
    expect(a.metrics().streams.open).toBe(0);
  });
});

describe('with keys', () => {
  const key = generateKey();
  const encrypted = () => ({ keyring: new Keyring(key) });

  test('a cluster works as without', async () => {
    const a = await start('n1', { ...encrypted(), metadata: Buffer.alloc(5_000, 7) });
    await a.join();
    const b = await start('n2', { ...encrypted(), seeds: [a.address] });
    await b.join();
    await until(() => b.members.get('n1')?.metadataState === 'known');
    await b.send('n1', new Uint8Array(200_000));
    expect(a.metrics().rejected).not.toMatchObject({ 'not-authentic': expect.anything() });
    await b.leave();
    expect(stateOf(a, 'n2')).toBe('left');
  });

  test.each([
    ['another key', { keyring: new Keyring(generateKey()) }, 'unknown-key'],
    ['another cluster name', { ...encrypted(), cluster: 'other' }, 'other-cluster'],
    ['no key', {}, 'not-sealed'],
  ] as const)('whoever has %s is turned away, by datagram and by stream, and the reason is told', async (_what, options, reason) => {
    const a = await start('a', encrypted());
    await a.join();
    const told: string[] = [];
    a.on('rejected', (event) => told.push(event.reason));
    const b = await start('b', { ...options, seeds: [a.address] });
    expect(await rejectionOf(b.join())).toMatchObject({ code: 'unavailable' });
    await until(() => told.includes(reason));
    expect(a.members.all).toHaveLength(1);
  });

  test('what an eavesdropper recorded and plays back, or makes up, changes nothing', async () => {
    const a = await start('a', encrypted());
    await a.join();
    // Somebody in the middle: b advertises it, so what others send to b, and what b answers, passes there.
    const middle = createSocket('udp4').bind(0, '127.0.0.1');
    await once(middle, 'listening');
    const b = await start('b', { ...encrypted(), seeds: [a.address], advertise: `127.0.0.1:${middle.address().port}` });
    const recorded: Buffer[] = [];
    middle.on('message', (bytes, from) => {
      recorded.push(bytes);
      middle.send(bytes, from.port === b.port ? a.port : b.port, '127.0.0.1');
    });
    await b.join();
    await until(() => recorded.length >= 20 && stateOf(a, 'b') === 'alive');
    const before = [a.members, b.members].map(({ all }) => JSON.stringify(all));
    const count = recorded.length;
    for (const bytes of recorded.slice(0, count)) {
      const changed = Buffer.from(bytes);
      changed[30] = (changed[30] as number) ^ 1;
      for (const { port } of [a, b]) for (const played of [bytes, changed]) middle.send(played, port, '127.0.0.1');
    }
    for (const node of [a, b]) await until(() => (node.metrics().rejected['replayed'] ?? 0) >= count && (node.metrics().rejected['not-authentic'] ?? 0) >= count);
    expect([a.members, b.members].map(({ all }) => JSON.stringify(all))).toEqual(before);
    await new Promise<void>((closed) => middle.close(closed));
  });

  test('keys are rotated under traffic without a single refusal', async () => {
    const rings = [new Keyring(key), new Keyring(key), new Keyring(key)] as const;
    const a = await start('n1', { keyring: rings[0] });
    await a.join();
    const b = await start('n2', { keyring: rings[1], seeds: [a.address] });
    await b.join();
    const c = await start('n3', { keyring: rings[2], seeds: [a.address] });
    await c.join();
    const acks = () => a.metrics().probes.acked + b.metrics().probes.acked + c.metrics().probes.acked;
    const someTraffic = async (): Promise<void> => {
      const from = acks();
      await until(() => acks() > from + 6);
      await a.send('n2', 'x');
    };
    const next = generateKey();
    const [old] = rings[0].ids as [string];
    for (const step of [(ring: Keyring) => void ring.install(next), (ring: Keyring) => ring.use(ring.install(next)), (ring: Keyring) => ring.remove(old)]) {
      for (const ring of rings) {
        step(ring);
        await someTraffic();
      }
    }
    for (const node of [a, b, c]) expect(nonZero(node.metrics().rejected)).toEqual({});
    for (const ring of rings) expect(ring.ids).toHaveLength(1);
  });
});

function nonZero(counts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
}
