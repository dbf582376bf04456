import type { InjectOptions } from 'fastify';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { httpNode, type HttpNode } from '../../test/http-node.js';

type Json = Record<string, unknown>;

let node: HttpNode;
beforeAll(async () => {
  node = await httpNode();
});
afterAll(() => node.close());

async function store(payload: Json, options: Pick<InjectOptions, 'headers' | 'query'> = {}) {
  const { statusCode, headers, body } = await node.server.inject({ method: 'POST', url: '/api/v1/memory', payload, ...options });
  return { status: statusCode, headers, body: JSON.parse(body) as Json & { error?: Json } };
}

async function get(url: string, headers: Record<string, string> = {}) {
  const { statusCode, headers: answered, body } = await node.server.inject({ url, headers });
  return { status: statusCode, headers: answered, body: JSON.parse(body) as Json & { error?: Json } };
}

test('a memory is stored durably and can be read back', async () => {
  const stored = await store({
    content: 'Ada moved to Lisbon in May.',
    memory_space: 'letters',
    tags: ['ada'],
    when: '2025-05-01T10:00:00+02:00',
    metadata: { source: { page: 4 } },
  });
  expect(stored.status).toBe(201);
  const { durability, ...memory } = stored.body;
  expect(durability).toEqual({ requested: 'local', reached: 'local', copies: 1 });
  expect(memory).toEqual({
    id: expect.stringMatching(/^[0-9A-Z]{26}$/) as string,
    memory_space: 'letters',
    content: 'Ada moved to Lisbon in May.',
    tags: ['ada'],
    confidence: 0.7,
    when: '2025-05-01T08:00:00.000Z',
    stored_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT/) as string,
    metadata: { source: { page: 4 } },
  });
  expect(await get(`/api/v1/memory/${String(memory['id'])}?space=letters`)).toMatchObject({ status: 200, body: memory });
});

test('the space of a request is named by the header, then the query, then the body, then it is the default one', async () => {
  const content = 'where am I';
  const all = { headers: { 'x-memory-space': 'by-header' }, query: { space: 'by-query' } };
  expect((await store({ content, memory_space: 'by-body' }, all)).body['memory_space']).toBe('by-header');
  expect((await store({ content, memory_space: 'by-body' }, { query: { space: 'by-query' } })).body['memory_space']).toBe('by-query');
  expect((await store({ content, memory_space: 'by-body' })).body['memory_space']).toBe('by-body');
  expect((await store({ content })).body['memory_space']).toBe('default');
});

test('the same id with the same content is answered again, with other content it is a conflict', async () => {
  const first = await store({ id: 'same', content: 'once', tags: ['x'] });
  const again = await store({ id: 'same', content: 'once', tags: ['x'] });
  expect([first.status, again.status]).toEqual([201, 200]);
  expect(again.body).toEqual(first.body);
  const other = await store({ id: 'same', content: 'twice', tags: ['x'] });
  expect(other).toMatchObject({ status: 409, body: { error: { code: 'id_conflict', retryable: false } } });
});

test('an idempotency key stores once, and refuses another request under the same key', async () => {
  const headers = { 'idempotency-key': 'order 66' };
  const first = await store({ content: 'keyed' }, { headers });
  const again = await store({ content: 'keyed' }, { headers });
  expect([first.status, again.status]).toEqual([201, 200]);
  expect(again.body['id']).toBe(first.body['id']);
  expect(await store({ content: 'another' }, { headers })).toMatchObject({ status: 409, body: { error: { code: 'idempotency_conflict' } } });
});

test.each([['', 0], ['x'.repeat(256), 256], ['caf\u00e9', 4]])('the idempotency key %j is refused', async (key, length) => {
  const answer = await store({ content: 'keyed' }, { headers: { 'idempotency-key': key } });
  expect(answer).toMatchObject({ status: 400, body: { error: { code: 'invalid_argument' } } });
  expect(answer.body.error?.['message']).toContain(`${length} characters`);
});

test('an acknowledgement that needs copies on other nodes is refused, and why is said', async () => {
  expect((await store({ content: 'x' }, { query: { ack: 'local' } })).status).toBe(201);
  const refused = await store({ content: 'x' }, { query: { ack: 'quorum' } });
  expect(refused).toMatchObject({ status: 400, body: { error: { code: 'invalid_argument' } } });
  expect(refused.body.error?.['message']).toContain('runs alone');
  expect(await store({ content: 'x' }, { query: { ack: 'most' } })).toMatchObject({
    status: 400,
    body: { error: { message: 'query field ack must be one of local, replica, quorum, all; got the string "most"' } },
  });
});

test('an embedding is kept but only shown when asked for, and fixes the dimension of its space', async () => {
  const stored = await store({ id: 'vec', content: 'a vector', memory_space: 'vectors', embedding: [0.5, -0.25] });
  expect(stored.body).not.toHaveProperty('embedding');
  expect((await get('/api/v1/memory/vec?space=vectors')).body).not.toHaveProperty('embedding');
  expect((await get('/api/v1/memory/vec?space=vectors&include=embedding')).body['embedding']).toEqual([0.5, -0.25]);
  const other = await store({ content: 'another', memory_space: 'vectors', embedding: [1, 2, 3] });
  expect(other).toMatchObject({ status: 400, body: { error: { code: 'embedding_dimension_mismatch' } } });
  expect(await store({ content: 'x', embedding: [0, 1e39] })).toMatchObject({ status: 400 });
  expect(await store({ content: 'x', embedding: [0, 0] })).toMatchObject({ status: 400 });
});

test('a list is a bare array whose Link header leads through all pages', async () => {
  for (let i = 0; i < 5; i++) await store({ id: `m${i}`, content: `number ${i}`, memory_space: 'pages', tags: i === 4 ? ['last one'] : [] });
  const seen: unknown[] = [];
  let url: string | undefined = '/api/v1/memory?space=pages&limit=2';
  for (let page = 0; url !== undefined && page < 10; page++) {
    const { status, headers, body } = await get(url);
    expect(status).toBe(200);
    expect(Array.isArray(body)).toBe(true);
    seen.push((body as unknown as Json[]).map(({ id }) => id));
    url = /^<([^>]+)>; rel="next"$/.exec(String(headers['link']))?.[1];
  }
  expect(seen).toEqual([['m0', 'm1'], ['m2', 'm3'], ['m4']]);
  const tagged = (await get('/api/v1/memory?space=pages&tag=last%20one')).body as unknown as Json[];
  expect(tagged.map(({ id }) => id)).toEqual(['m4']);
});

test('the header names the space of a list too, and the next page stays in it', async () => {
  const { headers } = await get('/api/v1/memory?limit=1', { 'x-memory-space': 'pages' });
  expect(headers['link']).toBe('</api/v1/memory?space=pages&limit=1&cursor=m0>; rel="next"');
});

test('a forgotten memory is gone for good; forgetting it again is answered the same', async () => {
  await store({ id: 'gone', content: 'to be forgotten' });
  const forget = () => node.server.inject({ method: 'DELETE', url: '/api/v1/memory/gone' });
  const first = await forget();
  expect([first.statusCode, first.body]).toEqual([204, '']);
  expect(first.headers['x-engram-durability']).toBe('requested=local, reached=local, copies=1');
  expect((await forget()).statusCode).toBe(204);
  expect(await get('/api/v1/memory/gone')).toMatchObject({ status: 404, body: { error: { code: 'memory_not_found' } } });
  expect(await store({ id: 'gone', content: 'to be forgotten' })).toMatchObject({ status: 409, body: { error: { code: 'id_forgotten' } } });
  expect((await node.server.inject({ method: 'DELETE', url: '/api/v1/memory/never' })).statusCode).toBe(404);
});

test('reading a space that never was is 404; the default space always is', async () => {
  const empty = await httpNode();
  try {
    const list = await empty.server.inject('/api/v1/memory');
    expect([list.statusCode, list.body]).toEqual([200, '[]']);
    const unknown = await empty.server.inject('/api/v1/memory?space=nowhere');
    expect(unknown.statusCode).toBe(404);
    expect(unknown.json()).toMatchObject({ error: { code: 'space_not_found', space: 'nowhere' } });
  } finally {
    await empty.close();
  }
});

test('stores are counted, timed and their errors told apart', async () => {
  const text = await node.metrics.render();
  const value = (series: string): number => Number(new RegExp(`^${series.replace(/[{}]/g, '\\$&')} (\\d+)$`, 'm').exec(text)?.[1] ?? NaN);
  const total = value('engram_operations_total{operation="store"}');
  const timed = value('engram_memory_operation_duration_seconds_count{operation="store"}');
  const conflicts = value('engram_operation_errors_total{operation="store",error_type="id_conflict"}');
  expect(total).toBeGreaterThan(timed);
  expect(timed).toBeGreaterThan(10);
  expect(conflicts).toBe(1);
});
