import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { networkInterfaces } from 'node:os';
import { afterEach, expect, test, vi } from 'vitest';
import type { Discovery } from '../discovery.js';
import type { SelfRegistration } from '../source.js';
import { createDiscovery } from './create-discovery.js';
import { multicastSource, type MulticastSource, type MulticastSourceOptions } from './multicast-source.js';

/** Tests that run at the same time, of this tree or of another one, must not hear each other. */
const group = `239.255.${1 + Math.floor(Math.random() * 250)}.${1 + Math.floor(Math.random() * 250)}:${20_000 + Math.floor(Math.random() * 20_000)}`;
const loopback = Object.entries(networkInterfaces()).find(([, addresses]) => addresses?.some(({ address }) => address === '127.0.0.1'))?.[0] ?? 'lo';
const signal = new AbortController().signal;
// What is waited for comes within milliseconds, unless the machine is busy.
vi.setConfig({ testTimeout: 30_000 });
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

function sourceOf(options: Partial<MulticastSourceOptions> = {}): MulticastSource {
  const source = multicastSource({ cluster: 'orders', group, interface: loopback, ttl: 0, announceMs: 100, ...options });
  closing.push(() => source.close?.() ?? Promise.resolve());
  return source;
}

function discoveryOf(source: MulticastSource, self: string): Discovery {
  const discovery = createDiscovery({ sources: [source], self: [self] });
  closing.push(() => discovery.stop());
  discovery.start();
  return discovery;
}

const self = (nodeId: string, swim: string, more: Partial<SelfRegistration> = {}): SelfRegistration => ({ cluster: 'orders', nodeId, swim, ...more });

/** Says something on the group as a stranger. */
async function say(...frames: (string | object)[]): Promise<void> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  socket.setMulticastInterface('127.0.0.1');
  const [host, port] = group.split(':');
  for (const frame of frames) await new Promise((resolve) => socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame), Number(port), host, resolve));
  socket.close();
  await once(socket, 'close');
}

const announcement = { engram: 1, kind: 'announce', cluster: 'orders', nodeId: 'x', startedAtMs: 1, sequence: 1, endpoint: '10.0.0.7:7946', everyMs: 60_000 };

test('three nodes find each other, none finds itself, and one that leaves is gone at once', async () => {
  const nodes = ['127.0.0.1:7001', '127.0.0.1:7002', '127.0.0.1:7003'].map((swim, i) => ({ swim, nodeId: `n${i}`, discovery: discoveryOf(sourceOf({ announceMs: 60_000 }), swim) }));
  for (const { discovery, nodeId, swim } of nodes) expect(await discovery.register(self(nodeId, swim))).toEqual({ registered: ['multicast'], failures: [] });
  const all = nodes.map(({ swim }) => swim);
  await vi.waitFor(() => nodes.forEach(({ discovery, swim }) => expect(discovery.current.endpoints).toEqual(all.filter((other) => other !== swim))), { timeout: 20_000 });
  expect(await nodes[0]?.discovery.deregister()).toEqual([]);
  await vi.waitFor(() => expect(nodes[1]?.discovery.current.endpoints).toEqual(['127.0.0.1:7003']), { timeout: 20_000 });
});

test('who starts later asks, and those that are there answer, although their next announcement is far', async () => {
  const there = sourceOf({ announceMs: 60_000 });
  await there.register?.(self('n1', '127.0.0.1:7001'), { signal });
  expect(await sourceOf().lookUp({ signal })).toEqual({ endpoints: ['127.0.0.1:7001'], notes: [] });
});

test('a node that falls silent is forgotten after three of its intervals', async () => {
  const discovery = discoveryOf(sourceOf(), '127.0.0.1:7009');
  const silent = sourceOf({ announceMs: 50 });
  await silent.register?.(self('n1', '127.0.0.1:7001'), { signal });
  await vi.waitFor(() => expect(discovery.current.endpoints).toEqual(['127.0.0.1:7001']), { timeout: 20_000 });
  await silent.close?.();
  await vi.waitFor(() => expect(discovery.current.endpoints).toEqual([]), { timeout: 20_000 });
});

test('what is not for us, or is no frame at all, is counted and never taken for a peer', async () => {
  const source = sourceOf();
  await source.register?.(self('n1', '127.0.0.1:7001', { clusterId: 'c1' }), { signal });
  await source.lookUp({ signal });
  await say(
    'noise', { ...announcement, cluster: 'another' }, { ...announcement, engram: 2 }, { ...announcement, clusterId: 'c2' }, { ...announcement, endpoint: '0.0.0.0:1' },
    { ...announcement, nodeId: 'n1' }, { ...announcement, endpoint: 'x y' }, 'x'.repeat(600),
  );
  await say({ ...announcement, clusterId: 'c1' }, { ...announcement, sequence: 0, endpoint: '10.6.6.6:1' });
  await vi.waitFor(() => expect(source.counters()).toEqual({ announcements: 2, malformed: 3, otherVersion: 1, otherCluster: 2, unreachable: 1, sameNodeId: 1, noRoom: 0 }), { timeout: 20_000 });
  expect(await source.lookUp({ signal })).toEqual({
    endpoints: ['10.0.0.7:7946'],
    notes: ['3 malformed frames heard', '1 frames of another version heard', '2 frames of other clusters heard', '1 unreachable addresses heard', '1 frames of another node with our id heard'],
  });
});

test('a flood of invented nodes finds the table full, and those known before stay', async () => {
  const source = sourceOf({ nodesMax: 3 });
  await source.lookUp({ signal });
  await say(...Array.from({ length: 20 }, (_, i) => ({ ...announcement, nodeId: `x${i}`, endpoint: `10.0.0.${i}:1` })));
  await vi.waitFor(() => expect(source.counters().noRoom).toBe(17), { timeout: 20_000 });
  expect((await source.lookUp({ signal })).endpoints).toEqual(['10.0.0.0:1', '10.0.0.1:1', '10.0.0.2:1']);
});

test('a flood of questions is answered seldom', async () => {
  const listener = sourceOf();
  await listener.lookUp({ signal });
  const there = sourceOf({ announceMs: 60_000 });
  await there.register?.(self('n1', '127.0.0.1:7001'), { signal });
  await vi.waitFor(() => expect(listener.counters().announcements).toBe(1), { timeout: 20_000 });
  const from = performance.now();
  for (let i = 0; i < 10; i++) await say(...Array<object>(20).fill({ engram: 1, kind: 'query', cluster: 'orders', from: 'somebody' }));
  await vi.waitFor(() => expect(listener.counters().announcements).toBeGreaterThan(1), { timeout: 20_000 });
  // Two hundred questions; one answer per quarter of a second however long the machine took to ask them.
  expect(listener.counters().announcements).toBeLessThanOrEqual(2 + (performance.now() - from) / 250);
});

test('registering again announces what is new, and an interval later it is announced again', async () => {
  const listener = sourceOf();
  await listener.lookUp({ signal });
  const there = sourceOf({ announceMs: 300 });
  await there.register?.(self('n1', '127.0.0.1:7001'), { signal });
  await there.register?.(self('n1', '127.0.0.1:7002'), { signal });
  await vi.waitFor(() => expect(listener.counters().announcements).toBeGreaterThan(4), { timeout: 20_000 });
  expect((await listener.lookUp({ signal })).endpoints).toEqual(['127.0.0.1:7002']);
});

test('without an interface all of the machine are used, and peers on this machine are found on each but counted once', async () => {
  const there = multicastSource({ cluster: 'orders', group, ttl: 0, announceMs: 60_000 });
  const here = multicastSource({ cluster: 'orders', group, ttl: 0 });
  closing.push(() => there.close?.() ?? Promise.resolve(), () => here.close?.() ?? Promise.resolve());
  await there.register?.(self('n1', '127.0.0.1:7001'), { signal });
  expect(await here.lookUp({ signal })).toEqual({ endpoints: ['127.0.0.1:7001'], notes: [] });
});

/** Loopbacks have no route for multicast of IPv6 on most machines, so this one needs a network. */
const v6 = Object.entries(networkInterfaces()).find(([, addresses]) => addresses?.some(({ internal, family }) => !internal && family === 'IPv6'))?.[0];
if (v6 === undefined) console.log('skipped: this machine has no interface with IPv6');
test.skipIf(v6 === undefined)('a group of IPv6 works the same', async () => {
  const port = Number(group.split(':')[1]);
  const options = { group: `[ff02::${port.toString(16)}]:${port}`, announceMs: 60_000, ttl: 1, ...(v6 !== undefined && { interface: v6 }) };
  await sourceOf(options).register?.(self('n1', '[::1]:7001'), { signal });
  expect(await sourceOf(options).lookUp({ signal })).toEqual({ endpoints: ['[::1]:7001'], notes: [] });
});

test('what cannot be announced is refused in words', async () => {
  const source = sourceOf();
  await expect(source.register?.(self('n1', '0.0.0.0:7946'), { signal })).rejects.toThrow('multicast: 0.0.0.0:7946 is no address that others can reach');
  await expect(source.register?.(self('n 1', '10.0.0.1:7946'), { signal })).rejects.toThrow('multicast: "n 1" is no node id');
  const long = 'a'.repeat(64);
  await expect(sourceOf({ cluster: long }).register?.(self(long, `${[long.slice(1), long.slice(1), long.slice(1), 'bcd'].join('.')}:7946`, { clusterId: long }), { signal })).rejects.toThrow(/takes \d+ bytes, more than 512/);
});

test.each([
  [{ cluster: '' }, 'option cluster must be the name of the cluster; got ""'],
  [{ group: '10.0.0.1:1' }, 'option group must be a multicast address'],
  [{ group: '[fd00::1]:1' }, 'option group must be a multicast address'],
  [{ group: 'x y' }, 'group must be "host:port"'],
  [{ interface: 'nowhere0' }, 'option interface must be the name or an IPv4 address of an interface of this machine'],
  [{ ttl: 256 }, 'option ttl must be a whole number from 0 to 255, not 256'],
  [{ announceMs: 10 }, 'option announceMs must be a whole number from 50 to 60000, not 10'],
  [{ nodesMax: 0 }, 'option nodesMax must be a whole number from 1 to 65536, not 0'],
])('wrong options are refused by name: %#', (options, message) => {
  expect(() => multicastSource({ cluster: 'orders', ...options })).toThrow(message);
});
