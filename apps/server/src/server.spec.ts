import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { resolveConfig } from './config/index.js';
import { startServer, type RunningServer } from './server.js';

// Real sockets on a machine that may be busy: what is waited for comes soon, and nobody minds when it does not.
vi.setConfig({ testTimeout: 60_000, expect: { poll: { timeout: 20_000 } } });

let directory: string;
let running: RunningServer[];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'engram-server-'));
  running = [];
});
afterEach(async () => {
  await Promise.all(running.map((server) => server.close('the test is done')));
  rmSync(directory, { recursive: true, force: true });
});

async function start(name: string, env: Record<string, string> = {}): Promise<RunningServer> {
  const loaded = resolveConfig({ env: { ENGRAM_NODE_DATA_DIR: join(directory, name), ENGRAM_NODE_ID: name, ...env }, flags: { httpPort: '0', grpcPort: '0' } });
  const server = await startServer(loaded, pino({ level: 'silent' }));
  running.push(server);
  return server;
}

const inCluster = { ENGRAM_CLUSTER_ENABLED: 'true', ENGRAM_CLUSTER_SWIM_BIND: '127.0.0.1:0', ENGRAM_CLUSTER_SWIM_PRESET: 'fast' };
const udpSockets = (): number => process.getActiveResourcesInfo().filter((kind) => kind.startsWith('UDP')).length;
const json = async <T>(server: RunningServer, path: string): Promise<T> => (await fetch(`http://${server.httpAddress}${path}`)).json() as Promise<T>;

test('a node that runs alone opens no UDP socket', async () => {
  const before = udpSockets();
  const alone = await start('alone');
  expect(alone.swimAddress).toBeUndefined();
  expect(udpSockets()).toBe(before);
  expect(await json(alone, '/cluster/members')).toMatchObject({ mode: 'single', members: [{ id: 'alone', http: alone.httpAddress, grpc: alone.grpcAddress }] });

  const first = await start('first', inCluster);
  expect(first.swimAddress).toMatch(/^127\.0\.0\.1:\d+$/);
  expect(udpSockets()).toBe(before + 1);
});

test('nodes of a cluster see each other, and one that stops is seen as left while somebody follows the events', async () => {
  const first = await start('first', inCluster);
  const second = await start('second', { ...inCluster, ENGRAM_CLUSTER_DISCOVERY_STATIC_SEEDS: first.swimAddress! });
  const peers = async (server: RunningServer) => (await json<{ peers: object }>(server, '/api/v1/system/status')).peers;
  await expect.poll(() => peers(first)).toMatchObject({ alive: 1 });
  await expect.poll(() => peers(second)).toMatchObject({ alive: 1 });
  expect(await json(first, '/api/v1/cluster/nodes/second')).toMatchObject({ state: 'alive', http: second.httpAddress, grpc: second.grpcAddress, address: second.swimAddress });

  const events = await fetch(`http://${second.httpAddress}/api/v1/cluster/events`);
  await second.close('the test asked for it');
  expect(await events.text()).toContain('event: members');
  await expect.poll(() => peers(first)).toMatchObject({ alive: 0, dead: 0, left: 1 });
});

test('a start that fails because of SWIM leaves nothing behind', async () => {
  const first = await start('first', inCluster);
  const before = udpSockets();
  await expect(start('second', { ...inCluster, ENGRAM_CLUSTER_SWIM_BIND: first.swimAddress! })).rejects.toMatchObject({ code: 'address_in_use' });
  expect(udpSockets()).toBe(before);
  // The data directory is free again.
  await start('second', inCluster);
});

test('a start under an id that another process answers to is refused, and leaves nothing behind', async () => {
  const first = await start('first', inCluster);
  const before = udpSockets();
  const asFirst = { ...inCluster, ENGRAM_NODE_ID: 'first', ENGRAM_CLUSTER_DISCOVERY_STATIC_SEEDS: first.swimAddress! };
  await expect(start('copy', asFirst)).rejects.toMatchObject({ code: 'invalid_config', message: expect.stringContaining(`The node id first is taken: another process runs as first, and answers at ${first.swimAddress}`) as string });
  expect(udpSockets()).toBe(before);
  await first.close('the test asked for it');
  await start('copy', asFirst);
});

test('a node of a cluster whose promises are gone while its log is there does not start, however often it is tried', async () => {
  const alone = { ...inCluster, ENGRAM_CLUSTER_BOOTSTRAP_EXPECT: '1' };
  const node = await start('node', alone);
  await expect.poll(async () => (await fetch(`http://${node.httpAddress}/api/v1/memory`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"content":"promised"}' })).status).toBe(201);
  await node.close('the test asked for it');
  rmSync(join(directory, 'node', 'cluster'), { recursive: true });
  for (let tries = 0; tries < 2; tries += 1) {
    await expect(start('node', alone)).rejects.toMatchObject({ code: 'store_damaged', message: expect.stringMatching(/what it promised to that cluster is gone: there is nothing in .*cluster/) as string, hint: expect.stringContaining('an empty one, under the same node id') as string });
  }
  rmSync(join(directory, 'node'), { recursive: true });
  await start('node', alone);
});
