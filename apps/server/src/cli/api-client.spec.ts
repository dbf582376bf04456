import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { EngramError } from '@engram/kernel';
import { encodeSession } from '@engram/rpc';
import { afterEach, describe, expect, test } from 'vitest';
import { ApiClient, type ApiClientOptions } from './api-client.js';
import { Interrupted } from './cli.js';

const open: (ApiClient | Server)[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) {
    if (each instanceof ApiClient) await each.close();
    else await new Promise((resolve) => (each.close(resolve), each.closeAllConnections()));
  }
});

async function clientOf(listener: RequestListener, options: Partial<ApiClientOptions> = {}, path = ''): Promise<ApiClient> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const client = new ApiClient({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`, ...options });
  open.push(server, client);
  return client;
}

/** Answers everything with the same. */
function always(status: number, body: string, headers: Record<string, string> = {}): RequestListener {
  return (request, response) => {
    request.resume();
    response.writeHead(status, headers).end(body);
  };
}

async function errorOf(promise: Promise<unknown>): Promise<EngramError> {
  const error: unknown = await promise.then(() => undefined, (reason: unknown) => reason);
  expect(error).toBeInstanceOf(EngramError);
  return error as EngramError;
}

test('what was written through a client goes along with what it asks for afterwards', async () => {
  const token = (...seqs: number[]) => encodeSession({ cluster: 7n, positions: seqs.map((seq, partition) => ({ partition, epoch: 1, seq })), more: false });
  const sent: (string | string[] | undefined)[] = [];
  const client = await clientOf((request, response) => {
    sent.push(request.headers['x-engram-session']);
    request.resume();
    if (request.url!.endsWith('/batch')) return response.end(`${JSON.stringify({ line: 1, outcome: 'stored' })}\n${JSON.stringify({ line: 2, outcome: 'stored', session: token(2, 7) })}\n`);
    return response.writeHead(request.method === 'DELETE' ? 204 : 200, request.method === 'GET' ? {} : { 'x-engram-session': token(request.method === 'POST' ? 4 : 3) }).end(request.method === 'DELETE' ? '' : '[]');
  });

  await client.list({});
  await client.store({ content: 'x' });
  await client.forget('a');
  await client.list({});
  await client.storeLines(['{}', '{}']);
  await client.list({});

  expect(sent).toEqual([undefined, undefined, token(4), token(4), token(4), token(4, 7)]);
});

describe('an error of the server', () => {
  test('comes back as what it threw', async () => {
    const wire = { error: { code: 'id_conflict', message: 'a is taken', hint: 'take b', retryable: false, space: 'mail', request_id: 'r-1' } };
    const client = await clientOf(always(409, JSON.stringify(wire)));
    const error = await errorOf(client.store({ content: 'x' }));
    expect(error).toMatchObject({ code: 'id_conflict', message: 'a is taken', hint: 'take b', retryable: false });
    expect(error.details).toEqual({ statusCode: 409, requestId: 'r-1', space: 'mail' });
  });

  test('says when to come back, in the body or in the header', async () => {
    const wire = (extra: object) => JSON.stringify({ error: { code: 'overloaded', message: 'busy', ...extra } });
    expect((await errorOf((await clientOf(always(429, wire({ retry_after_ms: 50 }), { 'retry-after': '9' }))).status())).details['retryAfterMs']).toBe(50);
    expect((await errorOf((await clientOf(always(429, wire({}), { 'retry-after': '2' }))).status())).details['retryAfterMs']).toBe(2_000);
  });

  test('of a newer version keeps its message under a code we know', async () => {
    const error = await errorOf((await clientOf(always(409, JSON.stringify({ error: { code: 'stale_epoch', message: 'moved on' } })))).status());
    expect(error).toMatchObject({ code: 'internal', message: 'moved on', details: { serverCode: 'stale_epoch' } });
  });

  test.each([
    [429, 'overloaded'],
    [502, 'unavailable'],
    [404, 'internal'],
  ])('with status %i that is not ours is told apart from one that is', async (status, code) => {
    const error = await errorOf((await clientOf(always(status, '<html>nginx</html>'))).status());
    expect(error.code).toBe(code);
    expect(error.message).toMatch(new RegExp(`answered ${status} in a way no Engram node does$`));
  });
});

test('a node that is not there is unavailable, with what to do', async () => {
  const gone = createServer();
  await new Promise<void>((resolve) => gone.listen(0, '127.0.0.1', resolve));
  const { port } = gone.address() as AddressInfo;
  await new Promise((resolve) => gone.close(resolve));
  const client = new ApiClient({ url: `http://127.0.0.1:${port}` });
  open.push(client);
  expect(await errorOf(client.status())).toMatchObject({ code: 'unavailable', message: `no node answers at http://127.0.0.1:${port}: nothing listens there` });
});

test('a node that never answers exceeds the deadline', async () => {
  const client = await clientOf(() => {}, { timeoutMs: 50 });
  expect(await errorOf(client.status())).toMatchObject({ code: 'deadline_exceeded', message: `${client.url} did not answer within 50 ms` });
});

test('an interruption gives up the request with its own reason', async () => {
  const interruption = new AbortController();
  const client = await clientOf(() => interruption.abort(new Interrupted()), { signal: interruption.signal });
  await expect(client.status()).rejects.toBeInstanceOf(Interrupted);
});

test('an answer that is not JSON is no answer of a node', async () => {
  expect(await errorOf((await clientOf(always(200, 'hello'))).status())).toMatchObject({ code: 'internal' });
});

test('a batch that is answered short is not taken for done', async () => {
  const client = await clientOf(always(200, '{"line":1,"outcome":"stored"}\n'));
  expect(await errorOf(client.storeLines(['{}', '{}']))).toMatchObject({ code: 'unavailable', retryable: true });
});

test('the cursor of the next page is read from the Link header', async () => {
  const seen: string[] = [];
  const client = await clientOf((request, response) => {
    seen.push(request.url!);
    const more = request.url!.includes('cursor') ? {} : { link: '</api/v1/memory?space=mail&cursor=a%3Ab>; rel="next"' };
    response.writeHead(200, more).end('[]');
  });
  const first = await client.list({ space: 'mail', limit: 2 });
  expect(first).toEqual({ memories: [], next: 'a:b' });
  expect(await client.list({ space: 'mail', cursor: first.next, embedding: true })).toEqual({ memories: [] });
  expect(seen).toEqual(['/api/v1/memory?space=mail&limit=2', '/api/v1/memory?space=mail&cursor=a%3Ab&include=embedding']);
});

test('a path in the URL goes before the routes', async () => {
  let seen: string | undefined;
  const client = await clientOf((request, response) => ((seen = request.url), response.end('{}')), {}, '/engram/');
  await client.status();
  expect(seen).toBe('/engram/api/v1/system/status');
});

test.each(['', 'localhost:7432', 'ftp://x', 'http://'])('%j is refused as a URL', (url) => {
  expect(() => new ApiClient({ url })).toThrow(EngramError);
});
