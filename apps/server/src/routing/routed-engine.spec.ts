import { EngramError, parseMemoryId, parseSpaceId, type SpaceId } from '@engram/kernel';
import { afterEach, expect, test } from 'vitest';
import { hasEverything } from '../../test/fake-placement.js';
import { blue, RoutedNodes, type RoutedNode } from '../../test/routed-nodes.js';
import type { MemoryDraft } from '../engine/index.js';
import type { RoutedEngineOptions } from './index.js';

let nodes: RoutedNodes | undefined;
afterEach(async () => {
  await nodes?.end();
  nodes = undefined;
});

async function start(names: readonly string[], options: Partial<RoutedEngineOptions> = {}): Promise<RoutedNodes> {
  nodes = await RoutedNodes.start(names, options);
  return nodes;
}

const draft = (space: SpaceId, content: string, more: Partial<MemoryDraft> = {}): MemoryDraft => ({ space, content, tags: [], ...more });
const id = parseMemoryId;

/** How many requests a node has answered, from clients and from other nodes. */
async function answered(node: RoutedNode, operation: string): Promise<number> {
  return Number(new RegExp(`engram_operations_total\\{operation="${operation}"\\} (\\d+)`).exec(await node.metrics.render())![1]);
}

async function routes(node: RoutedNode, operation: string): Promise<Record<string, number>> {
  const found = (await node.metrics.render()).matchAll(new RegExp(`engram_router_requests_total\\{operation="${operation}",route="(\\w+)"\\} (\\d+)`, 'g'));
  return Object.fromEntries([...found].filter(([, , count]) => count !== '0').map(([, route, count]) => [route, Number(count)]));
}

async function thrownBy(work: Promise<unknown>): Promise<EngramError> {
  const error = await work.then(() => undefined, (thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(EngramError);
  return error as EngramError;
}

test('what is stored through one node lives on its owner and is read through every node, over HTTP and gRPC', async () => {
  const { place, get } = bound(await start(['n1', 'n2', 'n3']));
  const notes = place('notes', 'n2');

  const stored = await get('n1').request('POST', '/api/v1/memory?include=embedding', {
    memory_space: 'notes', content: 'Ada likes tea.', tags: ['tea', 'ada'], confidence: 0.9, embedding: [0.5, 0.25], when: '2024-03-01T12:00:00Z', metadata: { of: [1, { a: null }] },
  });
  const viaGrpc = await get('n3').client.store({ draft: { content: 'Bob likes coffee.', memorySpace: 'notes', id: 'bob' } });

  expect(stored).toMatchObject({ status: 201, body: { memory_space: 'notes', embedding: [0.5, 0.25], durability: { requested: 'local', reached: 'local', copies: 1 } } });
  expect(viaGrpc.memory).toMatchObject({ id: 'bob', memorySpace: 'notes' });
  const { durability, ...memory } = stored.body as { durability: unknown; id: string };
  expect(durability).toBeDefined();
  for (const name of ['n1', 'n2', 'n3']) {
    const node = get(name);
    expect((await node.request('GET', `/api/v1/memory/${memory.id}?space=notes&include=embedding`)).body).toEqual(memory);
    expect((await node.request('GET', '/api/v1/memory?space=notes&include=embedding')).body).toContainEqual(memory);
    expect((await node.client.get({ memorySpace: 'notes', id: 'bob' })).memory).toMatchObject({ content: 'Bob likes coffee.' });
    expect((await node.client.list({ memorySpace: 'notes' })).memories).toHaveLength(2);
    const recalled = (await node.request('POST', '/api/v1/recall?explain=true&include=embedding', { cue: { text: 'Who likes tea?' }, spaces: ['notes'] })).body;
    expect(recalled).toMatchObject({ partial: false, missing: [], penalty: 0, memories: [{ content: 'Ada likes tea.', embedding: [0.5, 0.25], parts: {} }, {}] });
    expect((await node.request('GET', '/api/v1/spaces/notes')).body).toMatchObject({ space: 'notes', memories: 2, dimension: 2 });
  }
  expect([get('n1').engine.status().memories, get('n2').engine.status().memories, get('n3').engine.status().memories]).toEqual([0, 2, 0]);
  expect(get('n2').engine.get(notes, id('bob')).content).toBe('Bob likes coffee.');
  expect(await routes(get('n1'), 'store')).toEqual({ forwarded: 1 });
  expect(await routes(get('n2'), 'store')).toEqual({ here: 2 });
});

test('what is forgotten through another node is forgotten, twice as well as once', async () => {
  const { place, get } = bound(await start(['n1', 'n2']));
  const notes = place('notes', 'n2');
  await get('n2').as().store(draft(notes, 'gone soon', { id: id('m') }));

  const first = await get('n1').request('DELETE', '/api/v1/memory/m?space=notes');
  const again = await get('n1').as().forget(notes, id('m'), { ack: 'local' });

  expect([first.status, first.headers.get('x-engram-durability')]).toEqual([204, 'requested=local, reached=local, copies=1']);
  expect(again).toEqual({ durability: { requested: 'local', reached: 'local', copies: 1 } });
  for (const name of ['n1', 'n2']) expect(await get(name).request('GET', '/api/v1/memory/m?space=notes')).toMatchObject({ status: 404, body: { error: { code: 'memory_not_found' } } });
});

test('a policy is set on the owner, and what the owner refuses is refused in its words', async () => {
  const { place, get } = bound(await start(['n1', 'n2']));
  const notes = place('notes', 'n2');

  const set = await get('n1').request('PUT', '/api/v1/spaces/notes', { ack: 'local', partition_policy: 'available' });
  const refused = await get('n1').request('PUT', '/api/v1/spaces/notes', { ttl: '1d' });

  expect(set).toMatchObject({ status: 200, body: { space: 'notes', policy: { ack: 'local', partition_policy: 'available' }, durability: { reached: 'local' } } });
  expect(get('n2').engine.space(notes).policy).toEqual({ ack: 'local', partitionPolicy: 'available' });
  expect(refused).toMatchObject({ status: 400, body: { error: { code: 'invalid_argument', message: expect.stringContaining('ttl') } } });
});

test('the level that a client asks for is asked of the owner, which answers for it', async () => {
  const { place, get } = bound(await start(['n1', 'n2']));
  const notes = place('notes', 'n2');

  const error = await thrownBy(get('n1').as().store(draft(notes, 'x'), { ack: 'quorum' }));

  // These engines run without copies, which is how the test sees that the owner was asked for them.
  expect(error).toMatchObject({ code: 'invalid_argument', message: expect.stringContaining('quorum') });
  expect(await answered(get('n2'), 'store')).toBe(1);
});

test('bad input is refused before anybody else is asked', async () => {
  const { place, get } = bound(await start(['n1', 'n2']));
  const notes = place('notes', 'n2');
  const memory = get('n1').as();

  const errors = await Promise.all([
    thrownBy(memory.store(draft(notes, ''))),
    thrownBy(memory.store(draft(notes, 'x', { confidence: 2 }))),
    thrownBy(memory.store(draft(notes, 'x', { embedding: new Float32Array([NaN]) }))),
    thrownBy(Promise.resolve(memory.recall({ spaces: [notes], cue: {}, limit: 10 }))),
    thrownBy(Promise.resolve(memory.recall({ spaces: [notes], cue: { text: 'x' }, limit: 0 }))),
  ]);

  expect(errors.map(({ code }) => code)).toEqual(Array.from({ length: 5 }, () => 'invalid_argument'));
  expect([await answered(get('n2'), 'store'), await answered(get('n2'), 'recall')]).toEqual([0, 0]);
  expect((await get('n1').request('GET', '/api/v1/memory?space=notes', undefined, { 'x-engram-consistency': 'some' })).status).toBe(400);
});

test('an owner that is gone makes a write unavailable, with a hint, and nothing is stored anywhere', async () => {
  const all = await start(['n1', 'n2'], { budgetMs: 3_000 });
  const { place, get } = bound(all);
  const notes = place('notes', 'n2', ['n1']);

  await all.kill('n2');
  const unnoticed = await thrownBy(get('n1').as().store(draft(notes, 'x')));
  all.lost('n2');
  const noticed = await get('n1').request('POST', '/api/v1/memory', { memory_space: 'notes', content: 'x' });

  expect(unnoticed).toMatchObject({ code: 'unavailable', retryable: true, details: { node: 'n2' } });
  expect(unnoticed.details['indeterminate']).toBeUndefined();
  expect(noticed).toMatchObject({ status: 503, body: { error: { code: 'unavailable', retry_after_ms: 500, space: 'notes', hint: expect.stringContaining('Try again'), message: expect.stringContaining('n2') } } });
  expect(get('n1').engine.status().memories).toBe(0);
  expect(await routes(get('n1'), 'store')).toEqual({ forwarded: 1, nobody: 1 });
});

test('no request outlives the time it was given', async () => {
  const all = await start(['n1', 'n2'], { retry: { backoffMs: 60_000, backoffMaxMs: 60_000 } });
  const { place, get } = bound(all);
  const notes = place('notes', 'n2');
  all.lost('n2');

  // Were the pause before the next try kept, the test would run out of its own time.
  const error = await thrownBy(get('n1').as({}, 300).store(draft(notes, 'x')));

  expect(error.code).toBe('unavailable');
});

test('a read whose primary cannot be reached is answered by a copy, which says so and is trusted less', async () => {
  const all = await start(['n1', 'n2']);
  const { place, get } = bound(all);
  const notes = place('notes', 'n2', ['n1']);
  // Nothing is replicated here, so both copies are given the memories.
  for (const name of ['n1', 'n2']) for (const n of [1, 2, 3]) await get(name).engine.store(draft(notes, `Ada likes tea number ${n}.`, { id: id(`m${n}`) }));
  const whole = await get('n1').as().recall({ spaces: [notes], cue: { text: 'tea' }, limit: 10 });

  await all.kill('n2');
  const lowered = await get('n1').as().recall({ spaces: [notes], cue: { text: 'tea' }, limit: 10 });
  all.lacks(notes, 3);
  const halved = await get('n1').as().recall({ spaces: [notes], cue: { text: 'tea' }, limit: 10 });

  expect(whole).toMatchObject({ partial: false, penalty: 0 });
  // One memory may be missing beside the three that are there; then three are known to be.
  expect(lowered).toMatchObject({ partial: true, penalty: 0.5 * (1 / 4), missing: [{ space: 'notes', node: 'n2', reason: expect.stringContaining('n2 cannot be reached') }] });
  expect(lowered.memories).toHaveLength(3);
  expect(lowered.confidence).toBeCloseTo(whole.confidence * (1 - 0.5 * (1 / 4)), 6);
  expect(halved.penalty).toBe(0.25);
  expect((await get('n1').as().get(notes, id('m1'))).content).toBe('Ada likes tea number 1.');
  expect((await get('n1').as().list(notes, { limit: 10 })).memories).toHaveLength(3);
  expect(await routes(get('n1'), 'recall')).toEqual({ forwarded: 1, fallback: 2 });
});

test('a copy that may lack the latest writes never says that something does not exist', async () => {
  const all = await start(['n1', 'n2']);
  const { place, get } = bound(all);
  const notes = place('notes', 'n2', ['n1']);
  all.lost('n2');

  expect(await thrownBy(Promise.resolve(get('n1').as().get(notes, id('m'))))).toMatchObject({ code: 'unavailable', details: { space: 'notes' } });
  expect(await get('n1').request('GET', '/api/v1/spaces/notes')).toMatchObject({ status: 503 });
});

test('a node without a copy asks another copy when the primary is gone', async () => {
  const all = await start(['n1', 'n2', 'n3']);
  const { place, get } = bound(all);
  const notes = place('notes', 'n2', ['n3']);
  await get('n3').engine.store(draft(notes, 'Ada likes tea.', { id: id('m') }));

  await all.kill('n2');
  const read = await get('n1').as().get(notes, id('m'));
  const recalled = await get('n1').as().recall({ spaces: [notes], cue: { text: 'tea' }, limit: 1 });
  all.lost('n3');

  expect(read.content).toBe('Ada likes tea.');
  expect(recalled).toMatchObject({ partial: true, memories: [{ memory: { id: 'm' } }], missing: [{ node: 'n2' }], penalty: 0.25 });
  expect(await thrownBy(Promise.resolve(get('n1').as().get(notes, id('m'))))).toMatchObject({ code: 'unavailable' });
});

test('a primary without a lease still reads, and is trusted less', async () => {
  const all = await start(['n1', 'n2']);
  const notes = all.place('notes', 'n1', ['n2']);
  await all.get('n1').engine.store(draft(notes, 'Ada likes tea.'));
  all.withoutLease(notes);

  const recalled = await all.get('n1').as().recall({ spaces: [notes], cue: { text: 'tea' }, limit: 1 });

  expect(recalled).toMatchObject({ partial: true, penalty: 0.25, memories: [{ memory: { content: 'Ada likes tea.' } }] });
});

test('with consistency any the copy of this node answers, and the primary is not asked', async () => {
  const { place, get } = bound(await start(['n1', 'n2']));
  const notes = place('notes', 'n2', ['n1']);
  await get('n1').engine.store(draft(notes, 'Ada likes tea.', { id: id('m') }));
  const any = { 'x-engram-consistency': 'any' };

  const recalled = await get('n1').request('POST', '/api/v1/recall', { cue: { text: 'tea' }, spaces: ['notes'], consistency: 'any' });
  const read = await get('n1').request('GET', '/api/v1/memory/m?space=notes', undefined, any);

  expect(recalled.body).toMatchObject({ partial: false, penalty: 0, memories: [{ id: 'm' }] });
  expect(read.status).toBe(200);
  expect(await answered(get('n2'), 'recall') + (await answered(get('n2'), 'get'))).toBe(0);
});

test('a node with an old map is told the right node, and the write lands there once', async () => {
  const { place, get } = bound(await start(['n1', 'n2', 'n3']));
  place('notes', 'n3', [], ['n2', 'n3']);
  const notes = place('notes', 'n2', [], ['n1']);

  const { outcome } = await get('n1').as().store(draft(notes, 'x'));
  const read = await get('n1').as().list(notes, { limit: 10 });

  expect(outcome).toBe('stored');
  expect(get('n3').engine.status().memories).toBe(1);
  expect(read.memories).toHaveLength(1);
  expect([get('n1').engine.status().memories, get('n2').engine.status().memories]).toEqual([0, 0]);
  expect(await get('n1').metrics.render()).toContain('engram_router_retries_total 2');
});

test('nodes that take each other for the primary send a request round in no circle', async () => {
  const { place, get } = bound(await start(['n1', 'n2']));
  place('notes', 'n1', [], ['n2']);
  const notes = place('notes', 'n2', [], ['n1']);

  const error = await thrownBy(get('n1').as().store(draft(notes, 'x')));

  expect(error).toMatchObject({ code: 'not_primary', details: { node: 'n1' } });
  // Three tries of one client, each answered by the other node itself; none came back.
  expect([await answered(get('n2'), 'store'), await answered(get('n1'), 'store')]).toEqual([3, 0]);
  expect(get('n1').engine.status().memories + get('n2').engine.status().memories).toBe(0);
});

test('a client that asks not to be passed on is told where to go', async () => {
  const { place, get } = bound(await start(['n1', 'n2']));
  place('notes', 'n2');
  const stay = { 'x-engram-no-forward': '1' };

  const write = await get('n1').request('POST', '/api/v1/memory', { memory_space: 'notes', content: 'x' }, stay);
  const read = await get('n1').request('GET', '/api/v1/memory?space=notes', undefined, stay);
  const direct = await get('n2').request('POST', '/api/v1/memory', { memory_space: 'notes', content: 'x' }, stay);

  for (const told of [write, read]) {
    expect(told).toMatchObject({ status: 421, body: { error: { code: 'not_primary', node: 'n2', space: 'notes', epoch: 2, hint: expect.stringContaining(get('n2').httpAddress) } } });
  }
  expect(direct.status).toBe(201);
  expect(await answered(get('n2'), 'list')).toBe(0);
});

test('a request passed on by a node of another cluster is refused', async () => {
  const { get } = bound(await start(['n1']));

  const refused = await get('n1').request('GET', '/api/v1/memory', undefined, { 'x-engram-forwarded-by': 'n9', 'x-engram-cluster-id': 'green' });

  expect(refused).toMatchObject({ status: 400, body: { error: { message: expect.stringMatching(/blue.*green/) } } });
});

test('a batch over several owners answers in order, and one bad item stops no other', async () => {
  const { place, get } = bound(await start(['n1', 'n2', 'n3']));
  const spaces = [place('ours', 'n1'), place('second', 'n2'), place('third', 'n3')] as const;
  const items = Array.from({ length: 150 }, (_, index) => ({ memory_space: spaces[index % 3]!, content: index === 76 ? '' : `item ${index}`, id: `m${index}` }));

  const { status, body } = await get('n1').request('POST', '/api/v1/memory/batch', items);

  const results = body as { index: number; outcome: string; id?: string; memory_space?: string }[];
  expect([status, results.map(({ index }) => index)]).toEqual([200, items.map((_, index) => index)]);
  for (const [index, result] of results.entries()) {
    if (index === 76) expect(result).toMatchObject({ outcome: 'refused', error: { code: 'invalid_argument' } });
    else expect(result).toMatchObject({ outcome: 'stored', id: `m${index}`, memory_space: spaces[index % 3], durability: { reached: 'local' } });
  }
  expect(['n1', 'n2', 'n3'].map((name) => get(name).engine.status().memories)).toEqual([50, 49, 50]);
  expect(await routes(get('n1'), 'store_batch')).toEqual({ here: 50, forwarded: 99 });
});

test('items whose owner is gone are refused, the others of the batch are stored', async () => {
  const all = await start(['n1', 'n2', 'n3']);
  const spaces = [all.place('ours', 'n1'), all.place('second', 'n2'), all.place('third', 'n3')] as const;
  all.lost('n3');

  const results = await all.get('n1').as().storeBatch(Array.from({ length: 9 }, (_, index) => draft(spaces[index % 3]!, `item ${index}`)));

  expect(results.map((result) => (result.outcome === 'refused' ? result.error.code : result.outcome))).toEqual(Array.from({ length: 3 }, () => ['stored', 'stored', 'unavailable']).flat());
});

test('a batch that is repeated through another node is stored once, item by item', async () => {
  const { place, get } = bound(await start(['n1', 'n2']));
  const spaces = [place('ours', 'n1'), place('second', 'n2')] as const;
  const drafts = Array.from({ length: 20 }, (_, index) => draft(spaces[index % 2]!, `item ${index}`));
  const idempotencyKey = 'k'.repeat(255);

  const first = await get('n1').as().storeBatch(drafts, { idempotencyKey });
  const again = await get('n2').as().storeBatch(drafts, { idempotencyKey });

  expect(first.map(({ outcome }) => outcome)).toEqual(drafts.map(() => 'stored'));
  expect(again.map(({ outcome }) => outcome)).toEqual(drafts.map(() => 'already-stored'));
  expect(again.map((result) => 'memory' in result && result.memory.id)).toEqual(first.map((result) => 'memory' in result && result.memory.id));
  expect(get('n1').engine.status().memories + get('n2').engine.status().memories).toBe(20);
});

test('a store that is repeated through another node under its key is stored once', async () => {
  const { place, get } = bound(await start(['n1', 'n2', 'n3']));
  place('notes', 'n2');
  const body = { memory_space: 'notes', content: 'Ada likes tea.' };

  const answers = [];
  for (const name of ['n1', 'n3', 'n2']) answers.push(await get(name).request('POST', '/api/v1/memory', body, { 'idempotency-key': 'once' }));
  const other = await get('n1').request('POST', '/api/v1/memory', { ...body, content: 'x' }, { 'idempotency-key': 'once' });

  expect(answers.map(({ status }) => status)).toEqual([201, 200, 200]);
  expect(new Set(answers.map(({ body: { id: memory } }) => memory as string)).size).toBe(1);
  expect(other).toMatchObject({ status: 409, body: { error: { code: 'idempotency_conflict' } } });
  expect(get('n2').engine.status().memories).toBe(1);
});

test('a recall of several spaces answers from the copies here, and names what it has no copy of', async () => {
  const { place, get } = bound(await start(['n1', 'n2', 'n3']));
  const [ours, second, third] = [place('ours', 'n1'), place('second', 'n2'), place('third', 'n3')];
  await get('n1').as().store(draft(ours, 'Ada likes tea.'));
  await get('n2').as().store(draft(second, 'Bob likes tea.'));
  const recall = (name: string, spaces: readonly SpaceId[] | '*') => get(name).as().recall({ spaces, cue: { text: 'tea' }, limit: 10 });

  const some = await recall('n1', [ours, second, third]);
  const all = await recall('n2', '*');

  expect(some).toMatchObject({ partial: true, memories: [{ memory: { space: 'ours' } }], missing: [{ space: 'second', node: 'n2' }, { space: 'third', node: 'n3' }] });
  expect(some.penalty).toBeCloseTo(0.5 * (2 / 3), 10);
  expect(all).toMatchObject({ partial: true, memories: [{ memory: { space: 'second' } }] });
  // Of 1024 partitions n2 has one.
  expect([all.missing.length, all.penalty]).toEqual([1_023, 0.5 * (1_023 / 1_024)]);
  expect((await get('n2').as().spaces()).map(({ space }) => space)).toEqual(['second']);
});

test('a recall of several spaces of one other node is answered by that node', async () => {
  const { place, get } = bound(await start(['n1', 'n2']));
  const [second, also] = [place('second', 'n2'), place('also', 'n2')];
  await get('n2').as().store(draft(second, 'Ada likes tea.'));
  await get('n2').as().store(draft(also, 'Bob likes tea.'));

  const recalled = await get('n1').as().recall({ spaces: [second, also, second], cue: { text: 'tea' }, limit: 10 });

  expect(recalled).toMatchObject({ partial: false, missing: [] });
  expect(recalled.memories).toHaveLength(2);
});

test('a node that belongs to no cluster answers for itself, and takes nothing from others', async () => {
  const { get } = bound(await start(['n1'], { cluster: { map: () => undefined, clusterId: () => undefined, leads: () => false, isAlive: () => false, ...hasEverything } }));
  const space = parseSpaceId('notes');

  await get('n1').as().store(draft(space, 'Ada likes tea.'));

  expect(await get('n1').as().recall({ spaces: '*', cue: { text: 'tea' }, limit: 1 })).toMatchObject({ partial: false, memories: [{ memory: { space: 'notes' } }] });
  expect(await get('n1').request('GET', '/api/v1/memory', undefined, { 'x-engram-forwarded-by': 'n9', 'x-engram-cluster-id': 'blue' })).toMatchObject({ status: 503, body: { error: { code: 'not_ready' } } });
});

test('a node that has not heard of the map of its cluster recalls with doubt, and says of nothing that it is missing', async () => {
  const all = await start(['n1'], { cluster: { map: () => undefined, clusterId: () => blue, leads: () => false, isAlive: () => false, ...hasEverything } });
  const { engine, as } = all.get('n1');
  const space = parseSpaceId('notes');
  for (const n of [1, 2, 3]) await engine.store(draft(space, `Ada likes tea number ${n}.`));
  const recall = (spaces: readonly SpaceId[] | '*') => Promise.resolve(as().recall({ spaces, cue: { text: 'tea' }, limit: 10 }));

  for (const spaces of [[space], [space, parseSpaceId('default')], '*'] as const) expect(await recall(spaces)).toMatchObject({ partial: true, penalty: 0.5 * (1 / 4) });
  for (const spaces of [[parseSpaceId('other')], [space, parseSpaceId('other')]]) expect(await thrownBy(recall(spaces))).toMatchObject({ code: 'unavailable' });
  expect(await thrownBy(as().store(draft(space, 'x')))).toMatchObject({ code: 'unavailable', message: expect.stringContaining('has not heard') });
});

/** Methods that can be taken apart. */
function bound(all: RoutedNodes): Pick<RoutedNodes, 'place' | 'get'> {
  return { place: all.place.bind(all), get: all.get.bind(all) };
}
