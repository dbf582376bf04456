/** The commands of "Three nodes" in the README, as printed, on ports and in a directory of their own. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePorts } from '../harness/free-ports.js';

const root = resolve(import.meta.dirname, '../..');
const [, section = ''] = /^## Three nodes$([^]*?)^## /m.exec(readFileSync(join(root, 'README.md'), 'utf8')) ?? [];
const lines = (/```sh\n([^]*?)```/.exec(section)?.[1] ?? '').trim().split('\n');

/** What the README takes for granted is free: HTTP, gRPC and SWIM of each of the three. */
const printed = ['7432', '50051', '7946', '7433', '50052', '7947', '7434', '50053', '7948'];

let directory: string;
let environment: NodeJS.ProcessEnv;
let here: (line: string) => string;
const started: ChildProcess[] = [];

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'engram-readme-'));
  const ports = await freePorts(printed.length);
  const portOf = new Map(printed.map((port, at) => [port, `${ports[at]}`]));
  here = (line) => line.replace(/\b\d{4,5}\b/g, (port) => portOf.get(port) ?? port).replaceAll('./data', directory);
  // What the first node does not name comes from here; the flags of the others are stronger.
  environment = {
    ...process.env,
    ENGRAM_URL: `http://127.0.0.1:${ports[0]}`,
    ENGRAM_SERVER_HTTP_BIND: `127.0.0.1:${ports[0]}`,
    ENGRAM_SERVER_GRPC_BIND: `127.0.0.1:${ports[1]}`,
    ENGRAM_CLUSTER_SWIM_BIND: `127.0.0.1:${ports[2]}`,
  };
});

afterAll(async () => {
  // npx starts the node as a child of its own, so the whole group is ended.
  await Promise.all(started.map((child) => new Promise((settle) => {
    if (child.exitCode !== null) return settle(undefined);
    child.once('close', settle);
    process.kill(-child.pid!, 'SIGKILL');
  })));
  rmSync(directory, { recursive: true, force: true });
});

/** Resolves when the node has printed its banner. */
function startNode(line: string): Promise<void> {
  const child = spawn('sh', ['-c', line], { cwd: root, env: environment, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  started.push(child);
  let output = '';
  return new Promise((settle, fail) => {
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (output += text.toString()).includes('  status  ') && settle());
    child.once('close', (code) => fail(new Error(`${line} ended with ${code}:\n${output}`)));
  });
}

test('three nodes start, form one cluster and see each other', async () => {
  const [starts, others] = [lines.filter((line) => line.includes(' start ')), lines.filter((line) => !line.includes(' start '))];
  expect([starts.length, others]).toEqual([3, ['npx engram cluster init', 'npx engram members']]);
  for (const line of starts) await startNode(here(line));
  const [init, members] = others.map((line) => () => spawnSync('sh', ['-c', here(line)], { cwd: root, env: environment, encoding: 'utf8', timeout: 60_000 }));
  expect(init!()).toMatchObject({ status: 0, stdout: expect.stringContaining('formed cluster engram') as string });
  await expect.poll(() => members!().stdout.match(/│ alive /g)?.length, { timeout: 60_000 }).toBe(3);
});
