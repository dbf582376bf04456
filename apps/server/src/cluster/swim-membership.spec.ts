/** Two and three real members in this process, on loopback sockets. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unseenMs } from '@engram/cluster';
import { parseNodeId } from '@engram/kernel';
import { systemRandom } from '@engram/kernel/node';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { mapOf } from '../../test/fake-placement.js';
import { resolveConfig } from '../config/index.js';
import { openSwimMembership, type SwimMembershipOptions } from './swim-membership.js';
import { healthOfCluster, peersOf, type ClusterPart } from './membership.js';

// Real sockets on a machine that may be busy: what is waited for comes soon, and nobody minds when it does not.
vi.setConfig({ testTimeout: 60_000, expect: { poll: { timeout: 20_000 } } });

const services = { http: '127.0.0.1:1', grpc: '127.0.0.1:2', version: '1.2.3' };
const key = `${'A'.repeat(43)}=`;

let directory: string;
let open: ClusterPart[];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'engram-membership-'));
  open = [];
});
afterEach(async () => {
  await Promise.all(open.map((membership) => membership.close()));
  rmSync(directory, { recursive: true, force: true });
});

interface Asked {
  readonly seed?: ClusterPart;
  readonly bind?: string;
  readonly env?: Record<string, string>;
  readonly holdsMemories?: boolean;
  readonly roster?: readonly string[];
  readonly removed?: readonly string[];
  /** By how much the clock is ahead. */
  readonly aheadMs?: () => number;
}

/** Membership only tells it things; what it makes of them has tests of its own. */
function withoutReplication(id: string, roster: readonly string[] | undefined): SwimMembershipOptions['replicated'] {
  const card = { id: parseNodeId(id), storageId: `disk-of-${id}`, addresses: {}, zone: '', rack: '', capacity: 1 };
  return { card, map: () => roster && mapOf('the-cluster', roster.map(parseNodeId)), belongTo: () => Promise.resolve(), members: () => undefined, serves: () => undefined, leave: () => Promise.resolve() };
}

/** The engine has made it by then. */
function dataOf(id: string): string {
  const path = join(directory, id);
  mkdirSync(path, { recursive: true });
  return path;
}

async function member(id: string, { seed, bind = '127.0.0.1:0', env = {}, holdsMemories = false, roster, removed = [], aheadMs = () => 0 }: Asked = {}): Promise<ClusterPart & { readonly warned: string[] }> {
  const warned: string[] = [];
  const { config } = resolveConfig({
    env: { ENGRAM_CLUSTER_ENABLED: 'true', ENGRAM_CLUSTER_SWIM_PRESET: 'fast', ENGRAM_CLUSTER_SWIM_BIND: bind, ...(seed?.address ? { ENGRAM_CLUSTER_DISCOVERY_STATIC_SEEDS: seed.address } : {}), ...env },
    flags: {},
  });
  const note = (_details: object, message: string): void => void warned.push(message);
  const opened = await openSwimMembership({ config: config.cluster, nodeId: parseNodeId(id), dataDirectory: dataOf(id), holdsMemories, random: systemRandom(), replicated: withoutReplication(id, roster), removed: () => new Set(removed.map(parseNodeId)), wallClockMs: () => Date.now() + aheadMs(), log: { info: () => undefined, warn: note, error: note } });
  open.push(opened);
  return Object.assign(opened, { warned });
}

const states = (membership: ClusterPart) => membership.nodes().map(({ id, state, self }) => `${id} ${state}${self ? ' self' : ''}`);

describe('two nodes, one the seed of the other,', () => {
  test('see each other with what each says about itself', async () => {
    const one = await member('one');
    await one.join(services);
    const two = await member('two', { seed: one });
    await two.join({ ...services, http: '127.0.0.1:3' });
    await expect.poll(() => one.node(parseNodeId('two'))?.services).toEqual({ ...services, http: '127.0.0.1:3' });
    await expect.poll(() => two.node(parseNodeId('one'))?.services).toEqual(services);
    expect(states(two)).toEqual(['two alive self', 'one alive']);
    expect(peersOf(two)).toEqual({ alive: 1, suspect: 0, dead: 0, left: 0 });
    expect(healthOfCluster(two)).toMatchObject({ status: 'healthy', totalNodes: 2 });
    expect(two.metrics()?.members.alive).toBe(1);
  });

  test('part with a goodbye, which the other keeps as an event', async () => {
    const one = await member('one');
    await one.join(services);
    const two = await member('two', { seed: one });
    await two.join(services);
    await expect.poll(() => states(one)).toEqual(['one alive self', 'two alive']);
    await two.leave(5_000);
    await expect.poll(() => states(one)).toEqual(['one alive self', 'two left']);
    const missed = one.events?.read(`${one.nodes()[0]!.epoch}-0`, () => undefined).missed;
    expect(missed?.map(({ event: { type, node } }) => `${type} ${node.id}`)).toEqual(expect.arrayContaining(['joined two', 'left two']));
    expect(healthOfCluster(one)).toMatchObject({ status: 'degraded', aliveNodes: 1, deadNodes: 1 });
  });

  test('do not meet when their clusters are named differently, and say what came from elsewhere', async () => {
    const one = await member('one');
    await one.join(services);
    const two = await member('two', { seed: one, env: { ENGRAM_CLUSTER_NAME: 'other' } });
    await two.join(services);
    expect(two.warned.join()).toContain('no seed answered');
    await expect.poll(() => one.warned.join()).toContain('belongs to another cluster');
    expect([states(one), states(two)]).toEqual([['one alive self'], ['two alive self']]);
  });

  test('meet under a common key, and not under none', async () => {
    const one = await member('one', { env: { ENGRAM_CLUSTER_SWIM_KEYS: key } });
    await one.join(services);
    const two = await member('two', { seed: one, env: { ENGRAM_CLUSTER_SWIM_KEYS: key } });
    await two.join(services);
    await expect.poll(() => states(one)).toEqual(['one alive self', 'two alive']);
    const stranger = await member('stranger', { seed: one });
    await stranger.join(services);
    expect(states(stranger)).toEqual(['stranger alive self']);
    expect(states(one)).not.toContain('stranger alive');
  });
});

describe('forming a cluster', () => {
  const expecting = (count: number) => ({ ENGRAM_CLUSTER_BOOTSTRAP_EXPECT: String(count) });
  const idOf = (membership: ClusterPart) => membership.formation()?.clusterId;

  test('is left to an operator when nobody said how many to expect; the others join the one that is formed', async () => {
    const one = await member('one');
    await one.join(services);
    const two = await member('two', { seed: one });
    await two.join(services);
    await expect.poll(() => states(one)).toEqual(['one alive self', 'two alive']);
    expect(one.formation()).toMatchObject({ state: 'forming', reason: expect.stringContaining('engram cluster init') as string });
    const { clusterId, created } = await one.initialize();
    expect(created).toBe(true);
    await expect.poll(() => two.formation()).toEqual({ state: 'joined', clusterId, reason: '' });
    expect(await two.initialize()).toEqual({ clusterId, created: false });
  });

  test('happens by itself once as many as expected have met, no sooner, and outlives a restart', async () => {
    const one = await member('one', { env: expecting(3) });
    await one.join(services);
    const two = await member('two', { seed: one, env: expecting(3) });
    await two.join(services);
    await expect.poll(() => one.formation()?.reason).toBe('waiting for 1 more of the 3 nodes that are expected');
    const three = await member('three', { seed: one, env: expecting(3) });
    await three.join(services);
    await expect.poll(() => [one, two, three].map((node) => `${node.formation()?.state} ${node.formation()?.reason}`)).toEqual(['joined ', 'joined ', 'joined ']);
    expect(new Set([one, two, three].map(idOf)).size).toBe(1);
    const formed = idOf(one);
    await Promise.all([one.close(), two.close(), three.close()]);
    const again = await member('one', { env: expecting(3) });
    expect(again.formation()).toEqual({ state: 'joined', clusterId: formed, reason: '' });
  });

  test('under a name that another cluster has too keeps the two apart, and both say so', async () => {
    const one = await member('one');
    const two = await member('two', { seed: one });
    await one.initialize();
    await two.initialize();
    await one.join(services);
    await two.join(services);
    for (const node of [one, two]) await expect.poll(() => node.warned.join()).toContain('belongs to another cluster that is also called engram');
    expect([states(one), states(two)]).toEqual([['one alive self'], ['two alive self']]);
    // They try for ever. Membership tells of it once a second at most, so this many tries are more than one telling.
    const triedAgain = async (): Promise<number> => (await two.join(services), one.metrics()?.rejected['other-cluster-id'] ?? 0);
    await expect.poll(triedAgain, { interval: 300 }).toBeGreaterThan(5);
    const missed = one.events?.read(`${one.nodes()[0]!.epoch}-0`, () => undefined).missed ?? [];
    expect(missed.map(({ event }) => event.type).filter((type) => type === 'formed' || type === 'foreign-cluster')).toEqual(['formed', 'foreign-cluster']);
    expect(one.warned.filter((line) => line.includes('is also called engram'))).toHaveLength(1);
  });

  test('does not happen by itself around memories of a node that ran alone', async () => {
    const one = await member('one', { env: expecting(1), holdsMemories: true });
    await one.join(services);
    expect(one.formation()).toMatchObject({ state: 'forming', reason: expect.stringContaining('memories that it stored while it ran alone') as string });
    expect((await one.initialize()).created).toBe(true);
  });
});

describe('a node of the roster that stays away', () => {
  test('counts as dead after a moment, also when membership has never heard of it', async () => {
    let aheadMs = 0;
    const one = await member('one', { roster: ['one', 'two', 'three'], aheadMs: () => aheadMs });
    await one.join(services);
    const two = await member('two', { seed: one });
    await two.join(services);
    await expect.poll(() => states(one)).toEqual(['one alive self', 'two alive']);
    aheadMs = unseenMs;
    expect(states(one)).toEqual(['one alive self', 'three dead', 'two alive']);
    expect(one.node(parseNodeId('three'))).toMatchObject({ state: 'dead', epoch: 0, incarnation: 0 });
    expect(healthOfCluster(one)).toEqual({ status: 'degraded', totalNodes: 3, aliveNodes: 2, suspectNodes: 0, deadNodes: 1 });
    expect(peersOf(one)).toEqual({ alive: 1, suspect: 0, dead: 1, left: 0 });
    const three = await member('three', { seed: one });
    await three.join(services);
    await expect.poll(() => healthOfCluster(one)).toMatchObject({ status: 'healthy', totalNodes: 3, aliveNodes: 3 });
  });

  test('counts nowhere once it was removed, alive or not', async () => {
    const one = await member('one', { roster: ['one'], removed: ['two'] });
    await one.join(services);
    const two = await member('two', { seed: one });
    await two.join(services);
    await expect.poll(() => states(one)).toEqual(['one alive self', 'two alive']);
    expect(healthOfCluster(one)).toMatchObject({ status: 'healthy', totalNodes: 1, aliveNodes: 1, deadNodes: 0 });
    await two.leave(5_000);
    await expect.poll(() => states(one)).toEqual(['one alive self', 'two left']);
    expect(healthOfCluster(one)).toMatchObject({ totalNodes: 1, deadNodes: 0 });
    expect(peersOf(one)).toEqual({ alive: 0, suspect: 0, dead: 0, left: 0 });
  });
});

test('each start of a node has a higher epoch, kept in its data directory', async () => {
  const first = await member('one');
  const { epoch } = first.nodes()[0]!;
  await first.close();
  const second = await member('one');
  expect(second.nodes()[0]!.epoch).toBeGreaterThan(epoch);
  expect(Number(readFileSync(join(directory, 'one', 'swim-epoch'), 'utf8'))).toBe(second.nodes()[0]!.epoch);
});

describe('a node id that another process has', () => {
  test('is refused to the one that starts later, with where the other answers, and nobody has heard of it', async () => {
    const one = await member('one');
    await one.join(services);
    const first = await member('twin', { seed: one });
    await first.claimName();
    await first.join(services);
    await expect.poll(() => states(one)).toEqual(['one alive self', 'twin alive']);
    const before = one.node(parseNodeId('twin'));
    const second = await member('twin', { seed: one });
    await expect(second.claimName()).rejects.toMatchObject({
      code: 'invalid_config',
      message: expect.stringMatching(new RegExp(`node id twin is taken: .* answers at ${first.address}; it was started at 20\\d\\d-`)) as string,
      hint: expect.stringContaining('--node-id') as string,
    });
    expect(one.node(parseNodeId('twin'))).toEqual(before);
    expect(first.trouble()).toBeUndefined();
  });

  test('is free again once that one is gone, although the others still hold it for alive', async () => {
    const one = await member('one');
    await one.join(services);
    const first = await member('twin', { seed: one });
    await first.join(services);
    await expect.poll(() => states(one)).toEqual(['one alive self', 'twin alive']);
    await first.close();
    const second = await member('twin', { seed: one });
    await second.claimName();
    await second.join(services);
    await expect.poll(() => one.node(parseNodeId('twin'))).toMatchObject({ state: 'alive', address: second.address });
  });
});

test('a node whose name another process has taken is silent, and says why', async () => {
  const one = await member('one');
  await one.join(services);
  const first = await member('twin', { seed: one });
  await first.join(services);
  await expect.poll(() => states(one)).toEqual(['one alive self', 'twin alive']);
  const second = await member('twin', { seed: one });
  await second.join(services);
  await expect.poll(() => first.trouble() ?? second.trouble()).toMatch(/another process runs as twin at 127\.0\.0\.1:\d+ .*node\.id/);
});

describe('nodes that are all started again', () => {
  const dead = { ENGRAM_CLUSTER_DISCOVERY_SOURCES: 'etcd', ENGRAM_CLUSTER_DISCOVERY_ETCD_ENDPOINTS: '127.0.0.1:1' };

  test.each([
    ['without a goodbye', (node: ClusterPart) => node.close()],
    ['after a goodbye', (node: ClusterPart) => node.leave(5_000)],
  ])('%s find each other although discovery names nobody any more', async (_how, end) => {
    const one = await member('one');
    await one.join(services);
    const two = await member('two', { seed: one });
    const three = await member('three', { seed: one });
    for (const node of [two, three]) await node.join(services);
    const all = [one, two, three];
    for (const node of all) await expect.poll(() => peersOf(node)).toMatchObject({ alive: 2 });
    for (const node of all) await end(node);
    const again = await Promise.all(all.map((node) => member(String(node.nodes()[0]!.id), { bind: node.address!, env: dead })));
    await Promise.all(again.map((node) => node.join(services)));
    for (const node of again) await expect.poll(() => peersOf(node)).toMatchObject({ alive: 2 });
  });

  test('keep whom they knew while they meet nobody', async () => {
    const one = await member('one');
    await one.join(services);
    const two = await member('two', { seed: one });
    await two.join(services);
    const file = join(directory, 'one', 'swim-peers.json');
    await expect.poll(() => peersOf(one)).toMatchObject({ alive: 1 });
    await Promise.all([one.close(), two.close()]);
    const kept = readFileSync(file, 'utf8');
    expect(kept).toBe(`{"format":1,"peers":["${two.address}"]}\n`);
    const alone = await member('one');
    await alone.join(services);
    await alone.close();
    expect(readFileSync(file, 'utf8')).toBe(kept);
  });
});

describe('a start that cannot be', () => {
  test('because the port is taken names the key to change', async () => {
    const one = await member('one');
    await expect(member('two', { bind: one.address! })).rejects.toMatchObject({
      code: 'address_in_use',
      message: `SWIM cannot listen on ${one.address}: another process does already.`,
      hint: expect.stringContaining('--swim-port') as string,
    });
  });

  test('because the address is another machine’s names it', async () => {
    await expect(member('one', { bind: '192.0.2.1:7946', env: { ENGRAM_CLUSTER_SWIM_KEYS: key } })).rejects.toMatchObject({ code: 'invalid_config', message: expect.stringContaining('192.0.2.1:7946') as string });
  });
});
