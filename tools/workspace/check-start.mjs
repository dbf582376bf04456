/**
 * `npm start` as a newcomer types it, and the README's three lines as printed, on ports of their own and with data in a
 * folder of their own, so that a node which runs here already is left alone.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './ensure-installed.mjs';

const START_LIMIT_MS = 60_000;

const [httpPort, grpcPort] = await Promise.all([freePort(), freePort()]);
const url = `http://127.0.0.1:${httpPort}`;
const data = mkdtempSync(join(tmpdir(), 'engram-start-'));
let failures = 0;

const node = spawn('npm', ['start', '--', '--data-dir', data, '--http-port', `${httpPort}`, '--grpc-port', `${grpcPort}`], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
const exited = once(node, 'exit');
let banner = '';
node.stdout.on('data', (chunk) => (banner += chunk));

try {
  const began = Date.now();
  while (!banner.includes('status')) {
    if (node.exitCode !== null || Date.now() - began > START_LIMIT_MS) throw new Error(`npm start printed no banner:\n${banner}`);
    await new Promise((settle) => setTimeout(settle, 50));
  }
  for (const part of ['engram 0.', 'node-', url, `127.0.0.1:${grpcPort}`, data]) expect(`the banner names ${part}`, banner.includes(part), banner);

  const [store, recall, status] = readmeLines();
  const stored = run(store);
  expect('the README’s store line stores', stored.stdout.includes('"durability"'), stored);
  const recalled = run(recall);
  expect('the README’s recall line finds it', recalled.stdout.includes('grey cat called Ash'), recalled);
  const said = run(status);
  expect('the README’s status line exits 0 and counts one memory', said.status === 0 && /alive: 0/.test(said.stdout), said);
  const shown = banner.split('\n').filter((line) => /^ {2}(store|recall|status) {2,}/.test(line)).map((line) => line.trim().replace(/^\w+\s+/, ''));
  expect('the banner shows three lines', shown.length === 3, banner);
  for (const line of shown) expect(`the banner’s line works: ${line}`, run(line).status === 0, run(line));
} finally {
  node.kill('SIGTERM');
  await exited;
  expect('stopping npm stops the node', await gone(), `${url} still answers`);
  rmSync(data, { recursive: true, force: true });
}
process.exitCode = failures > 0 ? 1 : 0;

/** The lines of the README's second shell block, with the port of this run. */
function readmeLines() {
  const blocks = [...readFileSync(join(root, 'README.md'), 'utf8').matchAll(/```sh\n([\s\S]*?)```/g)].map(([, text]) => text.trim().split('\n'));
  return blocks[1].map((line) => line.replaceAll('127.0.0.1:7432', `127.0.0.1:${httpPort}`));
}

function run(line) {
  return spawnSync('sh', ['-c', line], { cwd: root, encoding: 'utf8', env: { ...process.env, ENGRAM_URL: url } });
}

function expect(what, holds, evidence) {
  console.log(`${holds ? 'ok  ' : 'FAIL'}  ${what}`);
  if (holds) return;
  failures += 1;
  console.log(typeof evidence === 'string' ? evidence : JSON.stringify(evidence, null, 2));
}

/** Whether the node has let go of its port, asked for as long as a graceful stop may take. */
async function gone() {
  for (let tries = 0; tries < 150; tries += 1) {
    if (await fetch(`${url}/livez`).then(() => false, () => true)) return true;
    await new Promise((settle) => setTimeout(settle, 100));
  }
  return false;
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
