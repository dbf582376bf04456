/** Three real nodes on loopback that keep copies of everything: what is left when one is killed, stopped, forgetful or there twice. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { request } from 'undici';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { ClusterProcesses, joinedWith, replicationOf, whenAll, whenSettled, type ClusterNodeProcess } from '../harness/cluster-processes.js';
import { freePorts } from '../harness/free-ports.js';

/** What takes three seconds on a machine with nothing else to do. */
const limitMs = 60_000;
const space = 'copied';

interface Node {
  readonly name: string;
  readonly swimPort: number;
  process: ClusterNodeProcess;
}

interface Answer {
  readonly status: number;
  readonly body: {
    readonly id?: string;
    readonly durability?: { readonly requested: string; readonly reached: string; readonly copies: number };
    readonly error?: { readonly code: string; readonly indeterminate?: boolean; readonly hint?: string };
  };
}

let directory: string;
let cluster: ClusterProcesses;
let environment: Readonly<Record<string, string>>;
let nodes: [Node, Node, Node];
/** What was acknowledged to this test, by id. */
const acknowledged = new Map<string, string>();

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'engram-copies-'));
  cluster = new ClusterProcesses(directory);
  const ports = await freePorts(3);
  environment = { ENGRAM_CLUSTER_BOOTSTRAP_EXPECT: '3', ENGRAM_CLUSTER_DISCOVERY_STATIC_SEEDS: ports.map((port) => `127.0.0.1:${port}`).join(',') };
  nodes = (await Promise.all(ports.map(async (swimPort, at) => {
    const name = `engram-${at + 1}`;
    return { name, swimPort, process: await cluster.start({ name, swimPort, environment }) };
  }))) as [Node, Node, Node];
});

/** Each test begins with three nodes that all vote, lead and hold what they should, so that any one may go, whatever became of the test before. */
beforeEach(async () => {
  for (const node of nodes) if (node.process.hasEnded()) await start(node);
  await whenSettled(nodes.map(({ process }) => process));
});

afterAll(async () => {
  await cluster?.close();
  rmSync(directory, { recursive: true, force: true });
});

async function ask(node: Node, method: 'GET' | 'POST' | 'DELETE', path: string, body?: object, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  const answer = await request(`${node.process.url}${path}`, {
    method,
    headers: body === undefined ? headers : { ...headers, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.body.text();
  return { status: answer.statusCode, body: (text === '' ? {} : JSON.parse(text)) as Answer['body'] };
}

async function get<Body>(node: Node, path: string): Promise<Body> {
  return (await ask(node, 'GET', path)).body as Body;
}

/** Until it is acknowledged, through whichever of them answers: the key makes that safe. @returns after how many milliseconds. */
async function store(through: readonly Node[], content: string): Promise<{ readonly answer: Answer; readonly tookMs: number }> {
  const began = performance.now();
  for (let tries = 0; ; tries += 1) {
    const answer = await ask(through[tries % through.length]!, 'POST', '/api/v1/memory', { content, memory_space: space }, { 'idempotency-key': content }).catch(() => undefined);
    const tookMs = performance.now() - began;
    if (answer?.status === 201 || answer?.status === 200) {
      acknowledged.set(answer.body.id!, content);
      return { answer, tookMs };
    }
    if (tookMs > limitMs) throw new Error(`${content} was not taken within ${limitMs} ms: ${JSON.stringify(answer)}\n${logs()}`);
    await pause(20);
  }
}

function logs(): string {
  return nodes.map(({ name, process }) => `── ${name}\n${process.output()}`).join('\n');
}

/** What a node's own copy holds, whoever leads: by id. Undefined when it says that it has none. */
async function heldBy(node: Node): Promise<ReadonlyMap<string, string>> {
  const { status, body } = await ask(node, 'GET', `/api/v1/memory?space=${space}&limit=1000`, undefined, { 'x-engram-no-forward': '1', 'x-engram-consistency': 'any' });
  return new Map(status === 200 ? (body as unknown as { id: string; content: string }[]).map(({ id, content }) => [id, content]) : []);
}

/** Copies need a moment to be equal; then each has what was acknowledged, once, and nothing else. */
async function expectHeldBy(holders: readonly Node[]): Promise<void> {
  for (const node of holders) await expect.poll(() => heldBy(node), { timeout: limitMs, message: node.name }).toEqual(acknowledged);
}

async function primary(): Promise<Node> {
  const ask = async (): Promise<Node | undefined> => {
    for (const node of nodes) {
      const answer = await get<{ spaces: { space_id: string; primary_node: string }[] }>(node, '/api/v1/cluster/spaces').catch(() => undefined);
      const name = answer?.spaces.find(({ space_id }) => space_id === space)?.primary_node;
      if (name !== undefined) return nodes.find((each) => each.name === name);
    }
    return undefined;
  };
  const found = await ask();
  if (found === undefined) throw new Error('nobody knows the primary');
  return found;
}

async function start(node: Node): Promise<void> {
  node.process = await cluster.start({ name: node.name, swimPort: node.swimPort, environment });
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(2)} s`;

test('a memory stored through any node is on a majority of copies, and read back through every node', async () => {
  for (const node of nodes) {
    const { answer } = await store([node], `through ${node.name}`);
    expect(answer.body.durability).toMatchObject({ requested: 'quorum', reached: expect.stringMatching(/^(quorum|all)$/) as string });
    expect(answer.body.durability!.copies).toBeGreaterThanOrEqual(2);
    for (const reader of nodes) expect(await ask(reader, 'GET', `/api/v1/memory/${answer.body.id}?space=${space}`)).toMatchObject({ status: 200, body: { content: `through ${node.name}` } });
  }
  await expectHeldBy(nodes);
});

test('the primary of a space is killed: the others take its writes and miss nothing; back again it has everything', async () => {
  for (let at = 0; at < 50; at += 1) await store(nodes, `before the kill ${at}`);
  const killed = await primary();
  const others = nodes.filter((node) => node !== killed);
  await killed.process.kill('SIGKILL');
  const { tookMs } = await store(others, 'after the kill');
  console.log(`SIGKILL of a primary to the next write taken: ${seconds(tookMs)}`);
  await expectHeldBy(others);
  for (let at = 0; at < 20; at += 1) await store(others, `while it was away ${at}`);
  await start(killed);
  await expectHeldBy(nodes);
});

test('a primary that is stopped in order hands over', async () => {
  const stopped = await primary();
  const others = nodes.filter((node) => node !== stopped);
  const stopping = stopped.process.kill('SIGTERM');
  const { tookMs } = await store(others, 'after the goodbye');
  console.log(`SIGTERM of a primary to the next write taken: ${seconds(tookMs)}`);
  expect(await stopping).toBe(0);
  expect(await primary()).not.toBe(stopped);
  await expectHeldBy(others);
  await start(stopped);
  await expectHeldBy(nodes);
});

test('ack=all with a node away is answered as neither done nor refused; repeated with its key it is there once', async () => {
  const leading = await primary();
  const [victim] = nodes.filter((node) => node !== leading) as [Node];
  const asked = nodes.find((node) => node !== victim && node !== leading)!;
  await victim.process.kill('SIGKILL');
  const repeat = (): Promise<Answer> => ask(asked, 'POST', '/api/v1/memory?ack=all', { content: 'on all of them', memory_space: space }, { 'idempotency-key': 'on all of them' });
  // Until it is noticed that the victim is gone, and while others take over from it, a request may be refused with nothing done.
  const answered = async (): Promise<Answer> => {
    for (const began = performance.now(); ; await pause(100)) {
      const answer = await repeat();
      if (answer.status !== 503 || performance.now() - began > limitMs) return answer;
      console.log(`503: ${JSON.stringify(answer.body)}`);
    }
  };
  expect(await answered()).toMatchObject({ status: 504, body: { error: { code: 'deadline_exceeded', indeterminate: true, hint: expect.stringContaining('Idempotency-Key') as string } } });
  await start(victim);
  await expect.poll(async () => (await repeat()).body.durability, { timeout: limitMs }).toEqual(expect.objectContaining({ requested: 'all', reached: 'all', copies: 3 }));
  const { body } = await repeat();
  acknowledged.set(body.id!, 'on all of them');
  await expectHeldBy(nodes);
});

test('all three are stopped and started again and hold everything', async () => {
  expect(await Promise.all(nodes.map(({ process }) => process.kill('SIGTERM')))).toEqual([0, 0, 0]);
  await Promise.all(nodes.map((node) => start(node)));
  await store(nodes, 'after all were away');
  await expectHeldBy(nodes);
});

test('of two processes with one node id one falls silent and says so; nothing is lost', async () => {
  const third = nodes.find(({ name }) => name === 'engram-3')!;
  const others = nodes.filter((node) => node !== third);
  const elsewhere = new ClusterProcesses(mkdtempSync(join(tmpdir(), 'engram-twin-')));
  try {
    const [swimPort] = (await freePorts(1)) as [number];
    // With a disk of its own, as somebody has it who copied a configuration. Whoever was started last has the name.
    const twin = await elsewhere.start({ name: third.name, swimPort, environment });
    const reasons = (process: ClusterNodeProcess) => get<{ reasons: string[] }>({ ...third, process }, '/api/v1/system/status').then((status) => status.reasons.join());
    await expect.poll(() => reasons(third.process), { timeout: limitMs }).toContain(`another process runs as ${third.name}`);
    await store(others, 'with a twin');
    // The disk of the twin is not the one that was promised on: it leads nothing.
    expect((await replicationOf(twin)).leading).toBe(0);
    await expectHeldBy(others);
  } finally {
    await elsewhere.close();
    rmSync(elsewhere.directory, { recursive: true, force: true });
  }
  await third.process.kill('SIGTERM');
  await start(third);
  await store(nodes, 'after the twin');
  await expectHeldBy(nodes);
});

test('a node that has lost what it promised does not act on it, and nothing is lost on the others', async () => {
  const forgetful = nodes.find(({ name }) => name === 'engram-2')!;
  const others = nodes.filter((node) => node !== forgetful);
  await forgetful.process.kill('SIGKILL');
  rmSync(join(forgetful.process.dataDirectory, 'cluster'), { recursive: true });
  await store(others, 'while it forgot');
  await start(forgetful);
  await whenAll(others.map(({ process }) => process), joinedWith(3));
  for (let at = 0; at < 10; at += 1) await store(others, `with a forgetful node ${at}`);
  await expectHeldBy(others);
  // It stays out until somebody decides: it leads nothing, and two votes are a majority of three without it.
  expect((await replicationOf(forgetful.process)).leading).toBe(0);
});
