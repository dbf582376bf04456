/** Whole nodes that keep copies of one another, and a copy that lags behind: what was written is seen, or the read is refused. */
import { parseClusterId, type SpaceId } from '@engram/kernel';
import { createMemoryClient, decodeSession, encodeSession, sessionClusterOf } from '@engram/rpc';
import { afterEach, expect, test } from 'vitest';
import { httpNode } from '../../test/http-node.js';
import { ReplicatedNodes, until } from '../../test/replicated-nodes.js';
import { blue, RoutedNodes, type RoutedNode } from '../../test/routed-nodes.js';
import type { RoutedEngineOptions } from './index.js';

let copies: ReplicatedNodes;
let nodes: RoutedNodes;
afterEach(async () => {
  await nodes.end();
  await copies.end();
});

/** The space `notes` on three nodes, of which n1 is the primary. */
async function start(options: Partial<RoutedEngineOptions> = {}): Promise<SpaceId> {
  copies = new ReplicatedNodes();
  nodes = await RoutedNodes.start(['n1', 'n2', 'n3'], options, copies);
  return nodes.place('notes', 'n1', ['n2', 'n3']);
}

const any = { 'x-engram-consistency': 'any' };
const json = { 'content-type': 'application/json' };

/** Stores a memory through a node; returns the token of the answer. */
async function wrote(node: RoutedNode, id: string, { ack = 'local', space = 'notes', session }: { ack?: string; space?: string; session?: string } = {}): Promise<string> {
  const { status, headers } = await node.request('POST', `/api/v1/memory?ack=${ack}`, { memory_space: space, id, content: `Ada likes tea, says ${id}.` }, session === undefined ? {} : { 'x-engram-session': session });
  expect(status).toBe(201);
  return headers.get('x-engram-session')!;
}

const get = (node: RoutedNode, id: string, session: string) => node.request('GET', `/api/v1/memory/${id}?space=notes`, undefined, { ...any, 'x-engram-session': session });

test('every acknowledged write is answered with a token, whichever node was asked, over HTTP and gRPC', async () => {
  await start();
  for (const name of ['n1', 'n2']) {
    const node = nodes.get(name);
    const lines = [1, 2, 3].map((n) => JSON.stringify({ memory_space: 'notes', id: `${name}-line-${n}`, content: 'x' })).join('\n');
    const ndjson = await fetch(`${node.url}/api/v1/memory/batch?ack=local`, { method: 'POST', headers: { 'content-type': 'application/x-ndjson' }, body: lines });
    const client = createMemoryClient({ address: node.grpcAddress });
    const stored = await client.store({ draft: { memorySpace: 'notes', content: 'x' } }).then(() => client.session);
    const streamed = await client.storeStream([[{ memorySpace: 'notes', content: 'x' }]]).next();
    client.close();
    const tokens = [
      await wrote(node, `${name}-one`),
      (await node.request('DELETE', `/api/v1/memory/${name}-one?space=notes`)).headers.get('x-engram-session'),
      (await node.request('PUT', '/api/v1/spaces/notes', { ack: 'quorum' })).headers.get('x-engram-session'),
      (await node.request('POST', '/api/v1/memory/batch', [{ memory_space: 'notes', content: 'x' }])).headers.get('x-engram-session'),
      (JSON.parse((await ndjson.text()).trim().split('\n').at(-1)!) as { session: string }).session,
      stored,
      streamed.value?.session,
    ];
    for (const token of tokens) expect(decodeSession(token!)).toMatchObject({ positions: [{ epoch: 2 }], more: false });
  }
});

test('one token covers what went to several partitions, and what the request came with', async () => {
  await start();
  nodes.place('other', 'n2', ['n1']);
  const n1 = nodes.get('n1');

  const one = await wrote(n1, 'one');
  const both = await wrote(n1, 'two', { space: 'other', session: one });
  const batch = await n1.request('POST', '/api/v1/memory/batch', ['notes', 'other'].map((memory_space) => ({ memory_space, content: 'x' })));

  expect(decodeSession(both).positions).toHaveLength(2);
  expect(decodeSession(both).positions).toContainEqual(decodeSession(one).positions[0]);
  expect(decodeSession(batch.headers.get('x-engram-session')!).positions).toHaveLength(2);
});

test('a copy that lags behind leaves the reads of whoever wrote to the primary', async () => {
  await start();
  copies.cut('n2');
  const [n1, n2] = [nodes.get('n1'), nodes.get('n2')];

  const session = await wrote(n1, 'm');

  // Whoever asks for any copy and says nothing of a session gets what there is: nothing yet.
  expect((await n2.request('GET', '/api/v1/memory/m?space=notes', undefined, any)).status).toBe(404);
  const headers = { ...any, ...json, 'x-engram-session': session };
  expect(await get(n2, 'm', session)).toMatchObject({ status: 200, body: { id: 'm' } });
  expect(await n2.request('GET', '/api/v1/memory?space=notes', undefined, headers)).toMatchObject({ status: 200, body: [{ id: 'm' }] });
  expect(await n2.request('POST', '/api/v1/recall', { cue: { text: 'tea' }, spaces: ['notes'] }, headers)).toMatchObject({ status: 200, body: { partial: false, memories: [{ id: 'm' }] } });
  expect(await n2.request('GET', '/api/v1/spaces/notes', undefined, headers)).toMatchObject({ status: 200, body: { memories: 1 } });
  const client = createMemoryClient({ address: n2.grpcAddress, session });
  expect((await client.recall({ cue: { text: 'tea' }, spaces: ['notes'] })).memories).toHaveLength(1);
  client.close();
  // The same token, once the copy has caught up, keeps nobody from reading here.
  copies.join('n2');
  await until(() => copies.get('n2').core.hasApplied(decodeSession(session).positions[0]!));
  nodes.lost('n1');
  expect((await get(n2, 'm', session)).status).toBe(200);
});

test('when the primary cannot be asked, another copy that has it answers', async () => {
  await start();
  copies.cut('n2');
  const session = await wrote(nodes.get('n1'), 'm', { ack: 'quorum' });
  nodes.lost('n1');

  const read = await get(nodes.get('n2'), 'm', session);

  expect(read).toMatchObject({ status: 200, body: { id: 'm' } });
});

test('when nobody else can be asked, the copy answers as soon as it has what was written', async () => {
  await start({ sessionWaitMs: 60_000, budgetMs: 120_000 });
  copies.cut('n2');
  const session = await wrote(nodes.get('n1'), 'm');
  for (const name of ['n1', 'n3']) nodes.lost(name);

  let answered = false;
  const read = get(nodes.get('n2'), 'm', session).finally(() => (answered = true));
  await until(() => copies.get('n2').core.status(0 as never).held.waiters === 1);
  expect(answered).toBe(false);
  copies.join('n2');

  expect(await read).toMatchObject({ status: 200, body: { id: 'm' } });
});

test('and refuses when that takes too long, whatever is read, rather than answer without it', async () => {
  await start({ sessionWaitMs: 20 });
  copies.cut('n2');
  const session = await wrote(nodes.get('n1'), 'm');
  for (const name of ['n1', 'n3']) nodes.lost(name);
  const n2 = nodes.get('n2');
  const headers = { ...any, ...json, 'x-engram-session': session };
  const refused = { status: 503, body: { error: { code: 'copy_behind', retryable: true, retry_after_ms: 500, space: 'notes', hint: expect.stringContaining('Try again') } } };

  for (const [method, path, body] of [
    ['GET', '/api/v1/memory/m?space=notes', undefined],
    ['GET', '/api/v1/memory?space=notes', undefined],
    ['GET', '/api/v1/spaces/notes', undefined],
    ['POST', '/api/v1/recall', { cue: { text: 'tea' }, spaces: ['notes'] }],
  ] as const) {
    for (const consistency of [any, {}]) {
      const read = await n2.request(method, path, body, { ...json, 'x-engram-session': session, ...consistency });
      expect(read).toMatchObject(refused);
      expect(read.headers.get('retry-after')).toBe('1');
    }
  }
  const client = createMemoryClient({ address: n2.grpcAddress, session });
  await expect(client.get({ memorySpace: 'notes', id: 'm' })).rejects.toMatchObject({ code: 'copy_behind', retryable: true });
  client.close();
  // A recall of several spaces says what it could not see.
  const mine = nodes.place('mine', 'n2');
  await n2.engine.store({ space: mine, content: 'Bob likes tea.', tags: [] });
  for (const spaces of [['notes', 'mine'], '*']) {
    const { body } = await n2.request('POST', '/api/v1/recall', { cue: { text: 'tea' }, spaces }, headers);
    expect(body).toMatchObject({ partial: true, memories: [{ memory_space: 'mine' }], missing: expect.arrayContaining([expect.objectContaining({ node: 'n1', reason: expect.stringContaining('session token') })]) });
  }
});

test('a copy that is asked in the place of the primary is held to the token as well', async () => {
  await start({ sessionWaitMs: 20 });
  for (const name of ['n2', 'n3']) copies.cut(name);
  const session = await wrote(nodes.get('n1'), 'm');
  nodes.lost('n1');

  expect(await get(nodes.get('n2'), 'm', session)).toMatchObject({ status: 503, body: { error: { code: 'copy_behind' } } });
});

test('a token of an earlier epoch stands for what was written then', async () => {
  await start();
  const session = await wrote(nodes.get('n1'), 'm', { ack: 'all' });

  nodes.place('notes', 'n2', ['n1', 'n3']);
  const later = await wrote(nodes.get('n2'), 'later', { ack: 'all', session });

  for (const name of ['n1', 'n2', 'n3']) for (const token of [session, later]) expect((await get(nodes.get(name), 'm', token)).status).toBe(200);
  expect(decodeSession(later).positions).toEqual([expect.objectContaining({ epoch: 3 })]);
});

test('a write that only a deposed primary has is missed by no read in silence, and read once it is taken up', async () => {
  await start({ sessionWaitMs: 20 });
  await wrote(nodes.get('n1'), 'before', { ack: 'all' });
  copies.cut('n1');
  const session = await wrote(nodes.get('n1'), 'm', { ack: 'local' });
  nodes.lost('n1');
  nodes.place('notes', 'n2', ['n1', 'n3'], ['n2', 'n3']);
  await wrote(nodes.get('n2'), 'after', { ack: 'quorum' });

  for (const name of ['n2', 'n3']) expect(await get(nodes.get(name), 'm', session)).toMatchObject({ status: 503, body: { error: { code: 'copy_behind', hint: expect.stringContaining('ack=local') } } });
  copies.join('n1');
  await until(() => copies.get('n2').core.hasApplied(decodeSession(session).positions[0]!));

  for (const name of ['n2', 'n3']) expect((await get(nodes.get(name), 'm', session)).status).toBe(200);
});

test('of what a full token does not name, the primary alone answers', async () => {
  const space = await start({ sessionWaitMs: 20 });
  await wrote(nodes.get('n1'), 'm', { ack: 'all' });
  const full = encodeSession({ cluster: sessionClusterOf(blue), positions: [], more: true });

  expect((await get(nodes.get('n2'), 'm', full)).status).toBe(200);
  nodes.lost('n1');

  expect(await get(nodes.get('n2'), 'm', full)).toMatchObject({ status: 503, body: { error: { code: 'copy_behind', space, message: expect.stringContaining('Only the primary') } } });
});

test('what is no token, or is one of another cluster, is refused with what is wrong', async () => {
  await start();
  const foreign = encodeSession({ cluster: sessionClusterOf(parseClusterId('green')), positions: [], more: false });

  for (const [token, why] of [['nonsense', 'no session token'], [foreign, 'of another cluster than this node\'s, which is blue']] as const) {
    expect(await get(nodes.get('n1'), 'm', token)).toMatchObject({ status: 400, body: { error: { code: 'invalid_argument', retryable: false, message: expect.stringContaining(why), hint: expect.stringContaining('leave the') } } });
  }
  const alone = await httpNode();
  const refused = await alone.server.inject({ url: '/api/v1/memory', headers: { 'x-engram-session': foreign } });
  await alone.close();
  expect([refused.statusCode, refused.json()]).toMatchObject([400, { error: { message: expect.stringContaining('runs alone') } }]);
});
