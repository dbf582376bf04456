import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { httpNode, type HttpNode } from '../../test/http-node.js';

let node: HttpNode;
beforeAll(async () => {
  node = await httpNode();
  await node.server.inject({ method: 'POST', url: '/api/v1/memory', payload: { content: 'one', memory_space: 'letters' } });
});
afterAll(() => node.close());

const get = async (url: string) => {
  const { statusCode, body } = await node.server.inject(url);
  return { status: statusCode, body: JSON.parse(body) as unknown };
};

test('a space says how much it holds and where', async () => {
  const letters = { space: 'letters', memories: 1, forgotten: 0, bytes: expect.any(Number) as number, policy: {}, primary: 'node-1', replicas: [] };
  expect(await get('/api/v1/spaces/letters')).toEqual({ status: 200, body: letters });
  const { body } = await get('/api/v1/spaces');
  expect((body as { spaces: unknown[] }).spaces).toContainEqual(letters);
  expect(await get('/api/v1/spaces/nowhere')).toMatchObject({ status: 404, body: { error: { code: 'space_not_found' } } });
});

test('setting a policy makes the space and is answered with it', async () => {
  const put = (payload: object) => node.server.inject({ method: 'PUT', url: '/api/v1/spaces/planned', payload });
  const set = await put({ ack: 'local', partition_policy: 'available' });
  expect([set.statusCode, set.json()]).toMatchObject([200, { space: 'planned', memories: 0, policy: { ack: 'local', partition_policy: 'available' }, durability: { requested: 'local', reached: 'local', copies: 1 } }]);
  expect(await get('/api/v1/spaces/planned')).toMatchObject({ status: 200, body: { policy: { ack: 'local', partition_policy: 'available' } } });
  expect((await put({ ack: 'quorum' })).json()).toMatchObject({ error: { code: 'invalid_argument', message: expect.stringContaining('runs alone') as string } });
  expect((await put({ ttl: 'soon' })).statusCode).toBe(400);
  expect((await put({ akc: 'local' })).json()).toMatchObject({ error: { code: 'unknown_field', hint: 'Did you mean ack?' } });
});

test('the node says that it lives, is ready and is healthy', async () => {
  expect(await get('/livez')).toEqual({ status: 200, body: { alive: true } });
  expect(await get('/readyz')).toEqual({ status: 200, body: { ready: true, reasons: [] } });
  for (const url of ['/health', '/api/v1/system/health']) {
    expect(await get(url)).toEqual({ status: 200, body: { status: 'healthy', node: 'node-1', version: '0.0.0-test', uptime_ms: expect.any(Number) as number, reasons: [] } });
  }
});

test('a failed node is alive, neither ready nor healthy, and says why', async () => {
  const health = vi.spyOn(node.engine, 'health').mockReturnValue({ status: 'failed', reasons: ['the disk is gone'] });
  try {
    expect((await get('/livez')).status).toBe(200);
    expect(await get('/readyz')).toEqual({ status: 503, body: { ready: false, reasons: ['the disk is gone'] } });
    expect(await get('/health')).toMatchObject({ status: 503, body: { status: 'failed', reasons: ['the disk is gone'] } });
  } finally {
    health.mockRestore();
  }
});

test('the status shows what engram status shows', async () => {
  const { body } = await get('/api/v1/system/status');
  expect(body).toMatchObject({
    node: 'node-1',
    version: '0.0.0-test',
    status: 'healthy',
    memories: 1,
    log: { state: 'accepting', first_lsn: 1 },
    peers: { alive: 0, suspect: 0, dead: 0, left: 0 },
  });
  expect((body as { data_bytes: number }).data_bytes).toBeGreaterThan(0);
});

test('metrics are text that Prometheus reads', async () => {
  const { statusCode, headers, body } = await node.server.inject('/metrics');
  expect(statusCode).toBe(200);
  expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
  expect(body).toMatch(/^engram_up 1$/m);
  expect(body).toMatch(/^engram_memories 1$/m);
  expect(body).toMatch(/^engram_wal_fsync_seconds_count [1-9]/m);
});

test('a shutdown is answered before it begins, and no page of another site can ask for it', async () => {
  const foreign = await node.server.inject({ method: 'POST', url: '/api/v1/shutdown', headers: { origin: 'https://elsewhere.example' } });
  expect([foreign.statusCode, node.shutdownsRequested()]).toEqual([400, 0]);
  const asked = await node.server.inject({ method: 'POST', url: '/api/v1/shutdown' });
  expect([asked.statusCode, asked.json()]).toEqual([202, { status: 'shutting_down', node: 'node-1' }]);
  expect(node.shutdownsRequested()).toBe(1);
});

test('an unexpected failure is answered with the shape of every error and without its inner text', async () => {
  const spaces = vi.spyOn(node.engine, 'spaces').mockImplementation(() => {
    throw new TypeError('secret path');
  });
  try {
    const { status, body } = await get('/api/v1/spaces');
    expect(status).toBe(500);
    expect(body).toMatchObject({ error: { code: 'internal', retryable: false, hint: expect.stringContaining('request id') as string, request_id: expect.any(String) as string } });
    expect(JSON.stringify(body)).not.toContain('secret');
  } finally {
    spaces.mockRestore();
  }
});
