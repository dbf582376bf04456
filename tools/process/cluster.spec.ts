/** Three real nodes on loopback: what an operator sees when one joins, dies, comes back and leaves. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { request } from 'undici';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ClusterProcesses } from '../harness/cluster-processes.js';
import { freePorts } from '../harness/free-ports.js';
import type { ServerProcess } from '../harness/server-process.js';

const engram = resolve(import.meta.dirname, '../../apps/server/bin/engram.js');

/** What the preset `fast` promises is 3 s; a machine that has other things to do gets much more, which costs nothing where it is not needed. */
const limitMs = 60_000;

interface Peers {
  readonly alive: number;
  readonly suspect: number;
  readonly dead: number;
  readonly left: number;
}

interface Node {
  readonly name: string;
  readonly swimPort: number;
  process: ServerProcess;
}

let cluster: ClusterProcesses;
let nodes: Node[];

beforeEach(() => {
  cluster = new ClusterProcesses(mkdtempSync(join(tmpdir(), 'engram-cluster-')));
  nodes = [];
});

afterEach(async () => {
  await cluster.close();
  rmSync(cluster.directory, { recursive: true, force: true });
});

/** They form a cluster as soon as all three have met. */
function startProcess(name: string, swimPort: number, seedPorts: readonly number[]): Promise<ServerProcess> {
  return cluster.start({ name, swimPort, environment: { ENGRAM_CLUSTER_BOOTSTRAP_EXPECT: '3', ENGRAM_CLUSTER_DISCOVERY_STATIC_SEEDS: seedPorts.map((port) => `127.0.0.1:${port}`).join(',') } });
}

async function peersOf({ process }: Node): Promise<Peers> {
  const { body } = await request(`${process.url}/api/v1/system/status`, { signal: AbortSignal.timeout(limitMs) });
  return ((await body.json()) as { peers: Peers }).peers;
}

/** Waits until all of them see what is asked, and says how long that took since `sinceMs`. */
async function seenByAll(observers: readonly Node[], sinceMs: number, asked: (peers: Peers) => boolean): Promise<number> {
  for (;;) {
    const views = await Promise.all(observers.map(peersOf));
    const tookMs = performance.now() - sinceMs;
    if (views.every(asked)) return tookMs;
    if (tookMs > limitMs) throw new Error(`after ${Math.round(tookMs)} ms the nodes still see ${JSON.stringify(views)}\n${observers.map(({ name, process }) => `── ${name}\n${process.output()}`).join('\n')}`);
    await new Promise((settle) => setTimeout(settle, 10));
  }
}

function cli(...argv: string[]): { status: number | null; stdout: string } {
  const { status, stdout } = spawnSync(process.execPath, [engram, ...argv], { encoding: 'utf8', timeout: 60_000 });
  return { status, stdout };
}

/** What `engram status` prints at its end. A busy machine makes a suspect now and then, so it is asked until it is so. */
async function expectStatus({ process }: Node, lines: string): Promise<void> {
  // Others that are gone are no fault of this node.
  await expect.poll(() => ends(cli('status', '--url', process.url)), { timeout: limitMs }).toEqual({ status: 0, lines });
}

function ends({ status, stdout }: { status: number | null; stdout: string }): { status: number | null; lines: string } {
  return { status, lines: /alive: [^]*$/.exec(stdout)?.[0] ?? stdout };
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(2)} s`;

test('three nodes see each other; a killed one is dead to the others, its restart alive, one that is stopped has left', async () => {
  const ports = await freePorts(3);
  nodes = await Promise.all(
    ports.map(async (swimPort, i): Promise<Node> => {
      const name = `engram-${i + 1}`;
      return { name, swimPort, process: await startProcess(name, swimPort, ports) };
    }),
  );
  const [first, second, third] = nodes as [Node, Node, Node];
  const others = [first, second];

  const metMs = await seenByAll(nodes, performance.now(), ({ alive }) => alive === 2);
  for (const node of nodes) await expectStatus(node, 'alive: 2\nsuspect: 0\ndead: 0\n');

  let sinceMs = performance.now();
  await third.process.kill('SIGKILL');
  const deadMs = await seenByAll(others, sinceMs, ({ alive, dead }) => alive === 1 && dead === 1);
  for (const node of others) await expectStatus(node, 'alive: 1\nsuspect: 0\ndead: 1\n');
  const { body } = await request(`${first.process.url}/cluster/health`);
  expect(await body.json()).toMatchObject({ status: 'degraded', total_nodes: 3, alive_nodes: 2, dead_nodes: 1 });

  third.process = await startProcess(third.name, third.swimPort, ports);
  const backMs = await seenByAll(nodes, performance.now(), ({ alive, dead }) => alive === 2 && dead === 0);
  for (const node of nodes) await expectStatus(node, 'alive: 2\nsuspect: 0\ndead: 0\n');

  sinceMs = performance.now();
  const stopping = third.process.kill('SIGTERM');
  const leftMs = await seenByAll(others, sinceMs, ({ alive, left }) => alive === 1 && left === 1);
  expect(await stopping).toBe(0);
  for (const node of others) await expectStatus(node, 'alive: 1\nsuspect: 0\ndead: 1\n');
  const { members } = JSON.parse(cli('members', '--json', '--url', first.process.url).stdout) as { members: { id: string; state: string }[] };
  expect(members.map(({ id, state }) => `${id} ${state}`)).toEqual(['engram-1 alive', 'engram-2 alive', 'engram-3 left']);

  console.log(`seen by all others: ready to met ${seconds(metMs)}, SIGKILL to dead ${seconds(deadMs)}, ready to back ${seconds(backMs)}, SIGTERM to left ${seconds(leftMs)}`);
});

