/**
 * `npm run cluster`: three nodes on loopback with their data under ./data/cluster, which find each other, form one
 * cluster and keep three copies of everything. Ctrl-C stops them all. Arguments after `--`: `--nodes N`, `--port P`
 * (the first HTTP port; the others follow), `--data-dir D`.
 */
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureInstalled, root } from './ensure-installed.mjs';

const { values } = parseArgs({
  options: { nodes: { type: 'string', default: '3' }, port: { type: 'string', default: '7432' }, 'data-dir': { type: 'string', default: join('data', 'cluster') } },
});
const count = whole('--nodes', values.nodes, 1, 9);
const firstPort = whole('--port', values.port, 1, 65_000);
const data = resolve(root, values['data-dir']);

ensureInstalled();
mkdirSync(data, { recursive: true });

/** Of each node: HTTP, gRPC and SWIM lie apart, so that neighbours never meet. */
const portsOf = (node) => ({ http: firstPort + node, grpc: firstPort + 100 + node, swim: firstPort + 200 + node });
const names = Array.from({ length: count }, (_, node) => `node-${node + 1}`);
const seeds = names.map((_, node) => `127.0.0.1:${portsOf(node).swim}`).join(',');
const main = join(root, 'apps/server/src/main.ts');

let stopping = false;
const children = names.map((name, node) => {
  const { http, grpc, swim } = portsOf(node);
  const args = ['start', '--node-id', name, '--data-dir', join(data, name), '--http-port', `${http}`, '--grpc-port', `${grpc}`, '--swim-port', `${swim}`];
  const env = {
    ...process.env,
    ENGRAM_CLUSTER_ENABLED: 'true',
    ENGRAM_CLUSTER_NAME: 'local',
    ENGRAM_CLUSTER_SWIM_PRESET: 'fast',
    ENGRAM_CLUSTER_BOOTSTRAP_EXPECT: `${count}`,
    ENGRAM_CLUSTER_DISCOVERY_STATIC_SEEDS: seeds,
    ENGRAM_LOG_FORMAT: 'json',
  };
  const child = spawn(process.execPath, ['--conditions=@engram/source', '--import', 'tsx', main, ...args], { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => tell(name, chunk.toString('utf8')));
  child.on('exit', (code, signal) => {
    console.log(`${name} stopped (${signal ?? code})`);
    if (!stopping && code !== 0) process.exitCode = 1;
    if (children.every(({ exitCode, signalCode }) => exitCode !== null || signalCode !== null)) process.exit();
  });
  return child;
});

for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, stop);
// A signal sent to npm alone ends npm and its shell but does not reach us: orphaned nodes would hold their ports for ever.
const parent = process.ppid;
setInterval(() => process.ppid !== parent && stop(), 500).unref();

void ready();

async function ready() {
  const url = (node) => `http://127.0.0.1:${portsOf(node).http}`;
  const deadline = Date.now() + 120_000;
  while (!stopping) {
    const states = await Promise.all(names.map((_, node) => replicationOf(url(node))));
    if (states.every((state) => state?.leading + state?.following > 0)) break;
    if (Date.now() > deadline) {
      console.log('The nodes have not formed a cluster within two minutes; see what they say above.');
      return;
    }
    await new Promise((settle) => setTimeout(settle, 250));
  }
  if (stopping) return;
  const one = url(0);
  const other = url(count - 1);
  const victim = children[count - 1].pid;
  console.log(`
${count} nodes, one cluster. In another terminal:

  curl -s ${one}/api/v1/memory -H 'content-type: application/json' -d '{"content":"The grey cat is called Ash"}'
  curl -s '${other}/api/v1/recall?q=cat'                  # any node answers
  npm run engram -- status --url ${one}                   # alive: ${count - 1}
  npm run engram -- members --url ${one} --watch          # and then, elsewhere:
  kill -9 ${victim}                                       # ${names[count - 1]} is gone; nothing is lost
  curl -s ${one}/api/v1/cluster/replication/status

Ctrl-C stops them all. The data stays in ${data}.
`);
}

async function replicationOf(url) {
  try {
    const answer = await fetch(`${url}/api/v1/cluster/replication/status`, { signal: AbortSignal.timeout(2_000) });
    return await answer.json();
  } catch {
    return undefined;
  }
}

/** What a person wants to see of a node's log: what it says, not how. */
function tell(name, text) {
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    let said = line;
    try {
      const { level, msg, err } = JSON.parse(line);
      said = `${level === 'info' ? '' : `${level}: `}${msg}${err?.message ? ` (${err.message})` : ''}`;
    } catch {
      // Not a line of the log: shown as it is.
    }
    console.log(`${name}  ${said}`);
  }
}

function stop() {
  if (stopping) return;
  stopping = true;
  for (const child of children) child.kill('SIGTERM');
}

function whole(option, text, least, most) {
  const value = Number(text);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  console.error(`${option} must be a whole number from ${least} to ${most}, not ${text}.`);
  process.exit(2);
}
