/**
 * Kills a real server with SIGKILL at random moments under load, restarts it, and compares what it holds with a ledger
 * kept here, in another process: nothing acknowledged is lost, nothing is held twice, nothing is made up.
 *
 * `npm run durability -- --kills 100 --seed 7`. It shows that a crash of the process loses nothing; a power cut, which
 * also loses what was written but not synced, is simulated in the laws of @engram/replication.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Random } from '@engram/kernel';
import { Pool } from 'undici';
import { checkState, type FoundMemory, type StoreAttempt } from './check.js';
import { startServerProcess, type ServerProcess } from '../harness/server-process.js';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '100' },
    seed: { type: 'string', default: '1' },
    workers: { type: 'string', default: '16' },
    from: { type: 'string' },
    'keep-data': { type: 'boolean', default: false },
  },
});
const kills = Number(values.kills);
const workers = Number(values.workers);
const random = Random.fromSeed(values.seed);
const SPACE = 'durability';
/** `--from source` or `--from build`; without it the build when there is one. */
const from: { readonly from?: 'source' | 'build' } = values.from === 'source' || values.from === 'build' ? { from: values.from } : {};

const attempts: StoreAttempt[] = [];
let operations = 0;
let startMsMax = 0;
let unanswered = 0;
let stop = false;

/** One client: stores, batches, forgets and repeats until told to stop or the connection breaks. */
async function client(pool: Pool, draws: Random): Promise<void> {
  while (!stop) {
    const choice = draws.float();
    if (choice < 0.55) await storeOne(pool, draws);
    else if (choice < 0.75) await storeBatch(pool, draws);
    else if (choice < 0.9) await forgetOne(pool, draws);
    else await repeatUnanswered(pool, draws);
  }
}

function newAttempt(draws: Random): StoreAttempt {
  const token = `${values.seed}-${(operations += 1)}`;
  // Half of the memories name their id; the others are told apart by their Idempotency-Key.
  const attempt: StoreAttempt = {
    token,
    content: `memory ${token} ${'x'.repeat(draws.below(400))}`,
    id: draws.chance(0.5) ? `m-${token}` : undefined,
    outcome: 'info',
    forgotten: undefined,
  };
  attempts.push(attempt);
  return attempt;
}

async function storeOne(pool: Pool, draws: Random): Promise<void> {
  const attempt = newAttempt(draws);
  const status = await send(pool, attempt);
  // Only of a first request does a refusal say that nothing was stored.
  if (status >= 400 && status < 500) attempt.outcome = 'fail';
}

/** The same request again, as a client does that got no answer: it must not store twice. */
async function repeatUnanswered(pool: Pool, draws: Random): Promise<void> {
  const open = attempts.filter(({ outcome, forgotten }) => outcome === 'info' && forgotten === undefined);
  if (open.length > 0) await send(pool, draws.pick(open));
}

async function send(pool: Pool, attempt: StoreAttempt): Promise<number> {
  const { status, body } = await call(pool, 'POST', '/api/v1/memory', draftOf(attempt), { 'idempotency-key': attempt.token });
  if (status === 201 || status === 200) acknowledge(attempt, (body as { id: string }).id);
  return status;
}

async function storeBatch(pool: Pool, draws: Random): Promise<void> {
  const batch = Array.from({ length: 1 + draws.below(20) }, () => newAttempt(draws));
  // Without an id or a key of its own an item could not be told from its repetition, so batch items all name their id.
  for (const attempt of batch) attempt.id ??= `b-${attempt.token}`;
  const { status, body } = await call(pool, 'POST', '/api/v1/memory/batch', batch.map(draftOf));
  if (status !== 200 && status !== 201) return;
  for (const [index, item] of (body as { id?: string; error?: object }[]).entries()) {
    if (item.id) acknowledge(batch[index]!, item.id);
  }
}

async function forgetOne(pool: Pool, draws: Random): Promise<void> {
  const known = attempts.filter(({ outcome, forgotten }) => outcome === 'ok' && forgotten === undefined);
  if (known.length === 0) return;
  const attempt = draws.pick(known);
  attempt.forgotten = 'info';
  const { status } = await call(pool, 'DELETE', `/api/v1/memory/${attempt.id}?space=${SPACE}`);
  if (status === 204) attempt.forgotten = 'ok';
  else if (status >= 400 && status < 500) attempt.forgotten = 'fail';
}

function draftOf(attempt: StoreAttempt): object {
  return { content: attempt.content, memory_space: SPACE, ...(attempt.id === undefined ? {} : { id: attempt.id }) };
}

function acknowledge(attempt: StoreAttempt, id: string): void {
  attempt.id = id;
  attempt.outcome = 'ok';
}

/** Status 0 means that no answer came. */
async function call(pool: Pool, method: 'GET' | 'POST' | 'DELETE', path: string, body?: object, headers: Record<string, string> = {}): Promise<{ status: number; body: unknown; link?: string }> {
  try {
    const answer = await pool.request({
      method,
      path,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      headers: body === undefined ? headers : { ...headers, 'content-type': 'application/json' },
    });
    const text = await answer.body.text();
    const link = answer.headers.link;
    return { status: answer.statusCode, body: text === '' ? undefined : JSON.parse(text), ...(typeof link === 'string' ? { link } : {}) };
  } catch {
    unanswered += 1;
    // The server is gone: do not spin until the restart.
    await new Promise((settle) => setTimeout(settle, 5));
    return { status: 0, body: undefined };
  }
}

/** Everything the node holds, page by page. */
async function readAll(pool: Pool): Promise<FoundMemory[]> {
  const found: FoundMemory[] = [];
  let path: string | undefined = `/api/v1/memory?space=${SPACE}&limit=1000`;
  while (path) {
    const { status, body, link } = await call(pool, 'GET', path);
    if (status === 404) return found;
    if (status !== 200) throw new Error(`reading back answered ${status}: ${JSON.stringify(body)}`);
    found.push(...(body as FoundMemory[]));
    path = /<([^>]+)>; rel="next"/.exec(link ?? '')?.[1];
  }
  return found;
}

async function verify(pool: Pool): Promise<number> {
  const found = await readAll(pool);
  const violations = checkState(attempts, found);
  for (const { kind, detail } of violations.slice(0, 20)) console.error(`${kind}: ${detail}`);
  return violations.length;
}

async function round(server: ServerProcess, draws: Random): Promise<number> {
  const pool = new Pool(server.url, { connections: workers });
  let violations = 0;
  try {
    violations = await verify(pool);
    stop = false;
    const clients = Array.from({ length: workers }, (_, index) => client(pool, draws.fork(`client-${index}`)));
    await new Promise((settle) => setTimeout(settle, 20 + draws.below(350)));
    await server.kill('SIGKILL');
    stop = true;
    await Promise.all(clients);
  } finally {
    await pool.destroy();
  }
  return violations;
}

const dataDirectory = mkdtempSync(join(tmpdir(), 'engram-durability-'));
let violations = 0;
let server: ServerProcess | undefined;
try {
  for (let kill = 1; kill <= kills && violations === 0; kill += 1) {
    server = await startServerProcess({ dataDirectory, ...from });
    startMsMax = Math.max(startMsMax, server.startMs);
    violations = await round(server, random.fork(`round-${kill}`));
    if (kill % 10 === 0) console.log(`${kill}/${kills} kills, ${attempts.filter(({ outcome }) => outcome === 'ok').length} acknowledged, ${unanswered} unanswered`);
  }
  if (violations === 0) {
    server = await startServerProcess({ dataDirectory, ...from });
    const pool = new Pool(server.url, { connections: 1 });
    violations = await verify(pool);
    await pool.destroy();
    const code = await server.kill('SIGTERM');
    if (code !== 0) {
      console.error(`a graceful stop ended with exit code ${code}:\n${server.output()}`);
      violations += 1;
    }
  }
} finally {
  await server?.kill('SIGKILL');
  if (violations > 0 || values['keep-data']) console.log(`data kept in ${dataDirectory}`);
  else rmSync(dataDirectory, { recursive: true, force: true });
}

const count = (outcome: string): number => attempts.filter((attempt) => attempt.outcome === outcome).length;
console.log(
  `${kills} kills · ${attempts.length} stores attempted: ${count('ok')} acknowledged, ${count('info')} unanswered, ${count('fail')} refused · ` +
    `${attempts.filter(({ forgotten }) => forgotten === 'ok').length} forgotten · slowest start ${Math.round(startMsMax)} ms · ${violations} violations`,
);
if (violations > 0) console.log(`Replay: npm run durability -- --seed ${values.seed} --kills ${kills} --workers ${workers}`);
// A run in which nothing was at stake proves nothing.
const empty = count('ok') < kills * 20 || unanswered < kills;
if (empty) console.error('VOID: too few acknowledged stores or too few requests cut off by a kill; this run proves nothing.');
process.exitCode = violations > 0 || empty ? 1 : 0;
