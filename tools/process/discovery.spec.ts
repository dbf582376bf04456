/** Real nodes on loopback: how they find each other, become one cluster, and keep apart from another one. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Random } from '@engram/kernel';
import { request } from 'undici';
import { describe, test, type TestContext } from 'vitest';
import { ClusterProcesses, joinedWith, viewOf, whenAll, type ClusterNodeProcess } from '../harness/cluster-processes.js';
import { peerSourceKinds } from '../harness/peer-sources.js';
import { freePorts } from '../harness/free-ports.js';

const engram = resolve(import.meta.dirname, '../../apps/server/bin/engram.js');
const expectThree = { ENGRAM_CLUSTER_BOOTSTRAP_EXPECT: '3' };
/** Sources are asked as often as they may be, so that a dead one is noticed while somebody waits for it. */
const often = { ENGRAM_CLUSTER_DISCOVERY_DNS_REFRESH_MS: '1000', ENGRAM_CLUSTER_DISCOVERY_DNS_TIMEOUT_MS: '500', ENGRAM_CLUSTER_DISCOVERY_ETCD_REFRESH_MS: '1000', ENGRAM_CLUSTER_DISCOVERY_ETCD_TIMEOUT_MS: '500' };

/** Where the nodes of one test live; it ends with the test. */
function processes({ onTestFinished }: TestContext): ClusterProcesses {
  const cluster = new ClusterProcesses(mkdtempSync(join(tmpdir(), 'engram-discovery-')));
  onTestFinished(async () => {
    await cluster.close();
    rmSync(cluster.directory, { recursive: true, force: true });
  });
  return cluster;
}

const seeds = (...ports: readonly number[]): Record<string, string> => ({ ENGRAM_CLUSTER_DISCOVERY_STATIC_SEEDS: ports.map((port) => `127.0.0.1:${port}`).join(',') });

interface Done {
  readonly status: number | null;
  readonly output: string;
}

/** Runs the command line to its end, without holding up what goes on beside it. */
function cli(argv: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Done> {
  const child = spawn(process.execPath, [engram, ...argv], { env: { ...process.env, ...environment }, timeout: 60_000 });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (output += text.toString()));
  return new Promise((settle) => child.once('close', (status) => settle({ status, output })));
}

async function ask({ url }: ClusterNodeProcess, path: string, body?: object): Promise<{ readonly status: number; readonly body: unknown }> {
  const { statusCode, body: answer } = await request(`${url}${path}`, body === undefined ? {} : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  return { status: statusCode, body: await answer.json() };
}

/** Follows what happened to a node from its start on until that is there. Rejects when nothing comes any more before it is. */
async function happened(node: ClusterNodeProcess, event: string): Promise<boolean> {
  const { members } = (await ask(node, '/api/v1/cluster/members')).body as { members: { epoch: number }[] };
  const { body } = await request(`${node.url}/api/v1/cluster/events`, { headers: { 'last-event-id': `${members[0]!.epoch}-0` }, bodyTimeout: 10_000 });
  let text = '';
  for await (const part of body) if ((text += String(part)).includes(`event: ${event}\n`)) return true;
  return false;
}

function keptId({ dataDirectory }: ClusterNodeProcess): string | undefined {
  try {
    return (JSON.parse(readFileSync(join(dataDirectory, 'cluster.json'), 'utf8')) as { cluster_id?: string }).cluster_id;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

describe.concurrent('a cluster', () => {
  test('is formed by `engram cluster init` on one of three nodes, once; until then none of them takes a write', async (context) => {
    const { expect } = context;
    const cluster = processes(context);
    const ports = await freePorts(3);
    const nodes = await Promise.all(ports.map((swimPort, at) => cluster.start({ name: `engram-${at + 1}`, swimPort, environment: seeds(ports[0]!) })));
    await whenAll(nodes, ({ state, alive_nodes, waiting_for = '' }) => state === 'forming' && alive_nodes === 3 && waiting_for.includes('engram cluster init'));
    for (const node of nodes) expect(await ask(node, '/api/v1/memory', { content: 'too early' })).toMatchObject({ status: 503, body: { error: { code: 'not_ready' } } });

    const [first, second] = nodes as [ClusterNodeProcess, ClusterNodeProcess];
    expect(await cli(['cluster', 'init', '--url', first.url])).toMatchObject({ status: 0, output: expect.stringContaining('formed cluster process-test') as string });
    const [view] = await whenAll(nodes, joinedWith(3));
    expect(new Set((await Promise.all(nodes.map(viewOf))).map(({ cluster_id }) => cluster_id)).size).toBe(1);
    // Belonging to a cluster comes first, knowing who holds what a moment later.
    for (const node of nodes) await expect.poll(async () => (await ask(node, '/api/v1/memory', { content: 'now' })).status, { timeout: 60_000 }).toBe(201);
    expect(await cli(['cluster', 'init', '--url', second.url])).toMatchObject({ status: 0, output: expect.stringMatching(new RegExp(`belongs to cluster process-test \\(${view!.cluster_id}\\) already`)) as string });
    await expect.poll(() => cli(['status', '--url', second.url]), { timeout: 60_000 }).toMatchObject({ status: 0, output: expect.stringContaining('alive: 2') as string });

    // The data of a node belongs to that cluster for good.
    await second.kill('SIGKILL');
    const renamed = await cli(['start', '--data-dir', second.dataDirectory, '--cluster-mode', 'distributed', '--http-port', '0', '--grpc-port', '0', '--swim-port', '0'], { ENGRAM_CLUSTER_NAME: 'another' });
    expect(renamed.status).toBe(1);
    expect(renamed.output).toContain(`cluster.name is another, but this node belongs to cluster process-test (${view!.cluster_id})`);
  });

  test('refuses another one of its name, and both say so in the log and as an event', async (context) => {
    const { expect } = context;
    const cluster = processes(context);
    const ports = await freePorts(2);
    const start = (at: number, environment = {}): Promise<ClusterNodeProcess> => cluster.start({ name: `engram-${at + 1}`, swimPort: ports[at]!, environment });
    const apart = await Promise.all([start(0), start(1)]);
    for (const node of apart) expect(await ask(node, '/cluster/initialize', {})).toMatchObject({ status: 200, body: { created: true } });
    const ids = (await Promise.all(apart.map(viewOf))).map(({ cluster_id }) => cluster_id);
    expect(new Set(ids).size).toBe(2);

    await apart[1]!.kill('SIGTERM');
    const pointed = [apart[0]!, await start(1, seeds(ports[0]!))];
    for (const node of pointed) {
      await expect.poll(() => node.output(), { timeout: 60_000 }).toContain('belongs to another cluster that is also called process-test');
      expect(await happened(node, 'foreign-cluster')).toBe(true);
    }
    expect((await Promise.all(pointed.map(viewOf))).map(({ cluster_id, alive_nodes }) => [cluster_id, alive_nodes])).toEqual(ids.map((id) => [id, 1]));
  });

  test('is never formed by a node that finds nobody: it waits, refuses writes, and says for what', async (context) => {
    const { expect } = context;
    const cluster = processes(context);
    const [swimPort, nobody] = (await freePorts(2)) as [number, number];
    const node = await cluster.start({ name: 'engram-1', swimPort, environment: { ...expectThree, ...seeds(nobody), ENGRAM_CLUSTER_JOIN_TIMEOUT_MS: '500' } });
    await expect.poll(() => node.output(), { timeout: 60_000 }).toContain('this node belongs to no cluster yet');
    // Longer than those who have met give each other before one of them proposes an id.
    await pause(11_000);
    expect(await viewOf(node)).toMatchObject({ state: 'forming', waiting_for: 'waiting for 2 more of the 3 nodes that are expected' });
    expect(await ask(node, '/api/v1/memory', { content: 'too early' })).toMatchObject({ status: 503, body: { error: { code: 'not_ready', message: expect.stringContaining('waiting for 2 more of the 3') as string, hint: expect.stringContaining('/readyz') as string } } });
    expect((await ask(node, '/readyz')).status).toBe(503);
    expect((await cli(['status', '--url', node.url])).status).toBe(3);
    expect(keptId(node)).toBeUndefined();
  });

  test.for([2, 3])('has one id whichever of its nodes are killed while it forms, and whenever (seed %i)', async (seed, context) => {
    const { expect } = context;
    const random = Random.fromSeed(`killed while forming ${seed}`);
    const cluster = processes(context);
    const ports = await freePorts(3);
    const start = (at: number): Promise<ClusterNodeProcess> => cluster.start({ name: `engram-${at + 1}`, swimPort: ports[at]!, environment: { ...expectThree, ...seeds(...ports) } });
    const nodes = await Promise.all([start(0), start(1)]);
    await whenAll(nodes, ({ waiting_for = '' }) => waiting_for.startsWith('waiting for 1 more'));
    nodes.push(await start(2));

    // The last one is there, so the three of them are agreeing now.
    const victims = random.shuffle([0, 1, 2]).slice(0, 1 + random.below(2));
    await Promise.all(victims.map(async (at) => {
      await pause(random.below(300));
      await nodes[at]!.kill('SIGKILL');
    }));
    const early = nodes.map(keptId).filter((id) => id !== undefined);
    for (const at of victims) nodes[at] = await start(at);
    const late = (await whenAll(nodes, joinedWith(3), 60_000)).map(({ cluster_id }) => cluster_id);
    console.log(`seed ${seed}: killed ${victims.map((at) => `engram-${at + 1}`).join(' and ')} when ${early.length} of 3 belonged to a cluster`);
    expect(new Set([...early, ...late]).size).toBe(1);
  });
});

for (const { name, missing } of peerSourceKinds) if (missing !== undefined) console.log(`skipped: ${name}: ${missing}`);

describe.concurrent.each(peerSourceKinds.filter(({ missing }) => missing === undefined))('three nodes that look in $name', ({ name, open }) => {
  test('form one cluster, which the end of that source does not concern, not even when a node is started again', async (context) => {
    const { expect } = context;
    const cluster = processes(context);
    const ports = await freePorts(3);
    const source = await open(ports);
    context.onTestFinished(() => source.server?.stop());
    const start = (at: number): Promise<ClusterNodeProcess> => cluster.start({ name: `engram-${at + 1}`, swimPort: ports[at]!, environment: { ...expectThree, ...often, ...source.environment } });
    const nodes = await Promise.all(ports.map((_, at) => start(at)));
    const ids = new Set((await whenAll(nodes, joinedWith(3))).map(({ cluster_id }) => cluster_id));
    expect(ids.size).toBe(1);

    // Static seeds and a multicast group are no servers: there, only the node that comes back proves anything.
    await source.server?.stop();
    const states = async (node: ClusterNodeProcess): Promise<string> => JSON.stringify((await ask(node, '/api/v1/cluster/discovery/health')).body);
    if (source.server) for (const node of nodes) await expect.poll(() => states(node), { timeout: 60_000 }).toContain(`"source":"${name}","state":"failing"`);
    await whenAll(nodes, joinedWith(3));

    await nodes[2]!.kill('SIGKILL');
    nodes[2] = await start(2);
    const views = await whenAll(nodes, joinedWith(3), 60_000);
    expect(new Set([...ids, ...views.map(({ cluster_id }) => cluster_id)]).size).toBe(1);
  });
});
