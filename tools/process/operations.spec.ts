/** Four real nodes on loopback and what an operator does to them, by HTTP and by the command line, while somebody writes. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { request } from 'undici';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { ClusterProcesses, joinedWith, viewOf, whenAll, type ClusterNodeProcess } from '../harness/cluster-processes.js';
import { freePorts } from '../harness/free-ports.js';

/** What takes seconds on a machine with nothing else to do. */
const limitMs = 180_000;
const engram = resolve(import.meta.dirname, '../../apps/server/bin/engram.js');
const partitions = 64;

let directory: string;
let cluster: ClusterProcesses;
let environment: Readonly<Record<string, string>>;
let nodes: ClusterNodeProcess[];
let ports: number[];

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'engram-operations-'));
  cluster = new ClusterProcesses(directory);
  ports = await freePorts(4);
  environment = { ENGRAM_CLUSTER_BOOTSTRAP_EXPECT: '3', ENGRAM_CLUSTER_PLACEMENT_PARTITIONS: `${partitions}`, ENGRAM_CLUSTER_DISCOVERY_STATIC_SEEDS: ports.map((port) => `127.0.0.1:${port}`).join(',') };
  nodes = await Promise.all([1, 2, 3].map((at) => start(at)));
  await whenAll(nodes, joinedWith(3), limitMs);
  await vi.waitFor(async () => expect((await get<{ voters: string[] }>(nodes[0]!, 'replication/status')).voters).toHaveLength(3), { timeout: limitMs, interval: 100 });
});

afterAll(async () => {
  await cluster?.close();
  rmSync(directory, { recursive: true, force: true });
});

function start(at: number): Promise<ClusterNodeProcess> {
  return cluster.start({ name: `engram-${at}`, swimPort: ports[at - 1]!, environment });
}

interface Answer<Body> {
  readonly status: number;
  readonly body: Body;
}

async function ask<Body = Record<string, unknown>>(node: ClusterNodeProcess, method: 'GET' | 'POST', path: string, body?: object, headers: Readonly<Record<string, string>> = {}): Promise<Answer<Body>> {
  const answer = await request(`${node.url}/api/v1/${path}`, { method, headers: body === undefined ? headers : { ...headers, 'content-type': 'application/json' }, ...(body !== undefined && { body: JSON.stringify(body) }) });
  return { status: answer.statusCode, body: (await answer.body.json()) as Body };
}

const get = async <Body>(node: ClusterNodeProcess, path: string): Promise<Body> => (await ask<Body>(node, 'GET', `cluster/${path}`)).body;

/** Runs the command line to its end beside everything else. */
function cli(...argv: readonly string[]): Promise<{ readonly status: number | null; readonly output: string }> {
  const child = spawn(process.execPath, [engram, ...argv], { timeout: limitMs });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (output += text.toString()));
  return new Promise((settle) => child.once('close', (status) => settle({ status, output })));
}

interface Duties {
  readonly status: string;
  readonly state: string;
  readonly primaries: number;
  readonly copies: number;
  readonly votes: boolean;
}

/** Stores through all of them until it is stopped, reads each back at once, and knows what was acknowledged. */
class Writer {
  readonly acknowledged = new Map<string, string>();
  readonly failedReads: string[] = [];
  #stopped = false;
  readonly #done: Promise<void>;

  constructor(through: () => readonly ClusterNodeProcess[], space: string) {
    this.#done = this.#run(through, space);
  }

  async #run(through: () => readonly ClusterNodeProcess[], space: string): Promise<void> {
    for (let at = 0; !this.#stopped; at += 1) {
      const content = `${space} ${at}`;
      const node = through()[at % through().length]!;
      const stored = await ask<{ id: string }>(node, 'POST', 'memory', { content, memory_space: space }, { 'idempotency-key': content });
      if (stored.status !== 201) continue;
      this.acknowledged.set(stored.body.id, content);
      const read = await ask(node, 'GET', `memory/${stored.body.id}?space=${space}`);
      if (read.status !== 200) this.failedReads.push(`${content}: ${JSON.stringify(read.body)}`);
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
  }
}

async function expectAll({ acknowledged }: Writer, space: string, readers: readonly ClusterNodeProcess[]): Promise<void> {
  for (const node of readers) {
    const all = new Map<string, string>();
    for (let path = `memory?space=${space}&limit=1000`; ; ) {
      const answer = await request(`${node.url}/api/v1/${path}`);
      for (const { id, content } of (await answer.body.json()) as { id: string; content: string }[]) all.set(id, content);
      const next = /<[^>]*\/api\/v1\/([^>]*)>; rel="next"/.exec(String(answer.headers['link'] ?? ''))?.[1];
      if (next === undefined) break;
      path = next;
    }
    // What was not acknowledged may be there as well.
    expect([...acknowledged].filter(([id, content]) => all.get(id) !== content), node.name).toEqual([]);
  }
}

test('a drained node leads nothing, keeps its copies, and takes its share again when it is undrained', async () => {
  const [first, second] = nodes as [ClusterNodeProcess, ClusterNodeProcess];
  const writer = new Writer(() => nodes, 'drained');
  // Through another node than the one that is drained.
  expect(await cli('cluster', 'drain', 'engram-2', '--wait', '2m', '--url', first.url)).toMatchObject({ status: 0, output: expect.stringContaining('engram-2 is drained: it leads nothing') as string });
  await expect.poll(() => get<Duties>(second, 'nodes/engram-2/drain/status'), { timeout: limitMs }).toMatchObject({ status: 'drained', state: 'draining', primaries: 0, copies: partitions, in_flight_operations: expect.any(Number) as number });
  await pause(200);
  await writer.stop();
  expect(writer.acknowledged.size).toBeGreaterThan(0);
  expect(writer.failedReads).toEqual([]);
  await expectAll(writer, 'drained', nodes);
  expect((await ask(second, 'POST', 'cluster/nodes/engram-2/undrain')).status).toBe(202);
  await expect.poll(async () => (await get<Duties>(first, 'nodes/engram-2/drain/status')).primaries, { timeout: limitMs }).toBeGreaterThan(partitions / 6);
});

test('what must not be done is refused, with what is missing', async () => {
  const [first] = nodes as [ClusterNodeProcess];
  expect(await ask(first, 'POST', 'cluster/nodes/engram-3/decommission')).toMatchObject({ status: 409, body: { error: { code: 'precondition_failed', message: expect.stringContaining('2 nodes for 3 copies') as string, hint: expect.stringContaining('Add 1 more') as string } } });
  expect(await ask(first, 'POST', 'cluster/nodes/engram-9/drain')).toMatchObject({ status: 404, body: { error: { code: 'node_not_found' } } });
  const refused = await cli('cluster', 'decommission', 'engram-9', '--url', first.url);
  expect(refused).toMatchObject({ status: 1, output: expect.stringContaining('the cluster has no node "engram-9"') as string });
});

test('a node joins and another is decommissioned under writes: nothing is lost and no read fails', async () => {
  const [first, , third] = nodes as [ClusterNodeProcess, ClusterNodeProcess, ClusterNodeProcess];
  const writer = new Writer(() => nodes.filter((node) => node !== third), 'moved');
  nodes.push(await start(4));
  const holds = async (): Promise<number> => (await get<Duties>(first, 'nodes/engram-4/drain/status')).copies ?? 0;
  await expect.poll(() => ask(first, 'GET', 'cluster/nodes/engram-4/drain/status').then(({ status }) => status), { timeout: limitMs }).toBe(200);
  const plan = (await ask<{ copies: { to: string }[] }>(first, 'POST', 'cluster/rebalance?dry_run=true')).body;
  expect(new Set(plan.copies.map(({ to }) => to))).toEqual(new Set(['engram-4']));
  expect(await cli('cluster', 'rebalance', '--wait', '2m', '--url', first.url)).toMatchObject({ status: 0, output: expect.stringContaining('complete') as string });
  expect(await holds()).toBeGreaterThan((partitions * 3) / 4 / 2);

  const done = await cli('cluster', 'decommission', 'engram-3', '--wait', '2m', '--url', first.url);
  expect(done, nodes.map(({ name, output }) => `── ${name}\n${output()}`).join('\n')).toMatchObject({ status: 0, output: expect.stringContaining('engram-3 has left the cluster') as string });
  await writer.stop();
  expect(writer.acknowledged.size).toBeGreaterThan(0);
  expect(writer.failedReads).toEqual([]);
  const rest = nodes.filter((node) => node !== third);
  await expectAll(writer, 'moved', rest);
  await expect.poll(async () => (await get<{ voters: string[] }>(first, 'replication/status')).voters, { timeout: limitMs }).not.toContain('engram-3');
  // It runs still, belongs to nothing, is counted nowhere, and says so.
  expect(third.output()).toContain('it was decommissioned');
  await expect.poll(() => viewOf(first), { timeout: limitMs }).toMatchObject({ alive_nodes: 3 });
  expect(await third.kill('SIGTERM')).toBe(0);
  await expect.poll(() => viewOf(first), { timeout: limitMs }).toMatchObject({ alive_nodes: 3, dead_nodes: 0 });

  // Started again with what it has, it stays out.
  nodes[2] = await start(3);
  await expect.poll(() => nodes[2]!.output(), { timeout: limitMs }).toContain('it was decommissioned');
  expect((await get<Duties>(first, 'nodes/engram-3/decommission/status')).status).toBe('done');
  expect((await request(`${nodes[2]!.url}/readyz`)).statusCode).toBe(503);
  // What reaches it goes on to those that belong.
  await expect.poll(async () => (await ask(nodes[2]!, 'POST', 'memory', { content: 'through one that left', memory_space: 'moved' })).status, { timeout: limitMs }).toBe(201);
});

test('a space is led by the copy that is named', async () => {
  const [first] = nodes as [ClusterNodeProcess];
  await ask(first, 'POST', 'memory', { content: 'led', memory_space: 'led' });
  const placed = async () => (await get<{ spaces: { space_id: string; primary_node: string; replica_nodes: string[] }[] }>(first, 'spaces')).spaces.find(({ space_id }) => space_id === 'led');
  // A majority has acknowledged it, of which the first need not have been one.
  await expect.poll(placed, { timeout: limitMs }).toBeDefined();
  const [to] = (await placed())!.replica_nodes as [string];
  expect((await cli('cluster', 'promote', 'led', to, '--url', first.url)).status).toBe(0);
  await expect.poll(async () => (await placed())?.primary_node, { timeout: limitMs }).toBe(to);
});
