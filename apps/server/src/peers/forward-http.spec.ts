import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createNetServer } from 'node:net';
import { Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { parseClusterId, parseNodeId } from '@engram/kernel';
import { afterEach, expect, test } from 'vitest';
import { HttpForwarder, type ForwardedRequest, type HttpForwarderOptions } from './index.js';

const n1 = parseNodeId('n1');
const n2 = parseNodeId('n2');
const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const opened of open.splice(0)) await opened.close();
});

interface Owner {
  readonly address: string;
  readonly server: Server;
  readonly requests: { readonly method: string; readonly url: string; readonly headers: IncomingMessage['headers']; readonly body: Buffer }[];
}

type Answer = (request: IncomingMessage, response: ServerResponse, count: number) => void;

async function owner(answer: Answer = (_request, response) => void response.end('{}'), port = 0): Promise<Owner> {
  const requests: Owner['requests'] = [];
  const server = createServer((request, response) => {
    void buffer(request).then(
      (body) => {
        requests.push({ method: request.method!, url: request.url!, headers: request.headers, body });
        answer(request, response, requests.length);
      },
      () => undefined,
    );
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  open.push({ close: () => (server.closeAllConnections(), server.close()) });
  return { address: `127.0.0.1:${(server.address() as { port: number }).port}`, server, requests };
}

function forwarder(address: string | (() => string | undefined) | undefined, changes: Partial<HttpForwarderOptions> = {}): HttpForwarder {
  const addressOf = typeof address === 'function' ? address : (): string | undefined => address;
  const made = new HttpForwarder({ self: n1, clusterId: () => parseClusterId('blue'), addressOf, poolSize: 4, ...changes });
  open.push({ close: () => made.close(100) });
  return made;
}

const store = (changes: Partial<ForwardedRequest> = {}): ForwardedRequest => ({ method: 'POST', path: '/api/v1/memory', headers: { 'content-type': 'application/json' }, body: Buffer.from('{"content":"tea"}'), deadlineMs: 5_000, ...changes });

/** The address of nobody. */
async function vacant(): Promise<string> {
  const { address, server } = await owner();
  await new Promise((resolve) => server.close(resolve));
  return address;
}

test('method, path, query and body arrive as they were sent, with the headers that mean something and those of the node', async () => {
  const { address, requests } = await owner();
  const body = Buffer.from([0, 255, 10, 13, 128]);
  const headers = { 'content-type': 'application/json', 'idempotency-key': 'k', 'x-memory-space': 'work', traceparent: '00-1', connection: 'close', host: 'client', cookie: 'secret', 'x-engram-cluster-id': 'faked' };

  await forwarder(address).forward(n2, store({ path: '/api/v1/memory?ack=quorum&x=%C3%A9', headers, body }));

  expect(requests).toHaveLength(1);
  expect(requests[0]).toMatchObject({ method: 'POST', url: '/api/v1/memory?ack=quorum&x=%C3%A9', body });
  expect(requests[0]!.headers).toEqual({
    'content-type': 'application/json',
    'idempotency-key': 'k',
    'x-memory-space': 'work',
    traceparent: '00-1',
    'x-engram-forwarded-by': 'n1',
    'x-engram-cluster-id': 'blue',
    'content-length': '5',
    connection: 'keep-alive',
    host: address,
  });
});

test.each([201, 204, 404, 429, 503])('an answer with status %i comes back as it is, and says who gave it', async (status) => {
  const { address } = await owner((_request, response) => void response.writeHead(status, { 'retry-after': '3', 'x-other': ['a', 'b'] }).end(status === 204 ? undefined : '{"a": 1}'));

  const answer = await forwarder(address).forward(n2, store());

  expect(answer.status).toBe(status);
  expect(answer.headers).toMatchObject({ 'retry-after': '3', 'x-other': ['a', 'b'], 'x-engram-served-by': 'n2' });
  expect(answer.headers).not.toHaveProperty('connection');
  expect(answer.headers).not.toHaveProperty('keep-alive');
  expect(await text(answer.body)).toBe(status === 204 ? '' : '{"a": 1}');
});

test('a long answer is streamed: it begins to arrive before it is finished', async () => {
  let finish: () => void = () => undefined;
  const { address } = await owner((_request, response) => {
    response.write('first,');
    finish = () => void response.end('last');
  });

  const { body } = await forwarder(address).forward(n2, { method: 'GET', path: '/api/v1/memory', headers: {}, deadlineMs: 5_000 });
  const chunks = body[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const first = await chunks.next();
  finish();
  const last = await chunks.next();

  expect([String(first.value), String(last.value)]).toEqual(['first,', 'last']);
  expect((await chunks.next()).done).toBe(true);
});

test('a body of unknown length is streamed through', async () => {
  const { address, requests } = await owner();

  await forwarder(address).forward(n2, store({ body: Readable.from([Buffer.from('line 1\n'), Buffer.from('line 2\n')]) }));

  expect(requests[0]!.body.toString()).toBe('line 1\nline 2\n');
});

test('no more connections are opened than the pool has', async () => {
  const sockets = new Set<unknown>();
  const { address, requests } = await owner((request, response) => {
    sockets.add(request.socket);
    setImmediate(() => response.end('{}'));
  });
  const http = forwarder(address, { poolSize: 2 });

  await Promise.all(Array.from({ length: 50 }, async () => text((await http.forward(n2, store())).body)));

  expect(requests).toHaveLength(50);
  expect(sockets.size).toBe(2);
});

test('a node that nobody listens for cannot be reached, and nothing has happened', async () => {
  const failure = forwarder(await vacant()).forward(n2, store());

  await expect(failure).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('cannot be reached'), details: { node: 'n2' } });
  await expect(failure).rejects.not.toHaveProperty('details.indeterminate');
});

test('a node whose address is not known, a node without a cluster, and a request that was passed on before are refused', async () => {
  await expect(forwarder(undefined).forward(n2, store())).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('address of n2') });
  await expect(forwarder('127.0.0.1:1', { clusterId: () => undefined }).forward(n2, store())).rejects.toMatchObject({ code: 'not_ready' });
  await expect(forwarder('127.0.0.1:1').forward(n2, store({ headers: { 'x-engram-forwarded-by': 'n3' } }))).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('n3') });
});

const dropped: Answer = (request, response, count) => (count === 1 ? void request.socket.destroy() : void response.end('{}'));

test.each([
  ['a read', { method: 'GET', body: undefined }],
  ['a write with an idempotency key', { headers: { 'idempotency-key': 'k' } }],
  ['a request that the caller knows to be idempotent', { idempotent: true }],
])('%s is sent again when the connection breaks before the answer', async (_name, changes) => {
  const { address, requests } = await owner(dropped);

  const { status } = await forwarder(address).forward(n2, store(changes));

  expect([status, requests.length]).toEqual([200, 2]);
});

test.each([
  ['a write without a key', {}],
  ['a stream, which cannot be read twice', { headers: { 'idempotency-key': 'k' }, body: 'stream' as const }],
])('%s is not: whether it happened is not known, and is said', async (_name, { body, ...changes }: { readonly headers?: Record<string, string>; readonly body?: 'stream' }) => {
  const { address, requests } = await owner(dropped);
  const failure = forwarder(address).forward(n2, store({ ...changes, ...(body === undefined ? {} : { body: Readable.from([Buffer.from('x')]) }) }));

  await expect(failure).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('went away'), details: { node: 'n2', indeterminate: true } });
  expect(requests).toHaveLength(1);
});

test('a read that breaks twice is given up, and is not said to be a write', async () => {
  const { address, requests } = await owner((request) => void request.socket.destroy());
  const failure = forwarder(address).forward(n2, { method: 'GET', path: '/', headers: {}, deadlineMs: 5_000 });

  await expect(failure).rejects.toMatchObject({ code: 'unavailable', details: { node: 'n2' } });
  await expect(failure).rejects.not.toHaveProperty('details.indeterminate');
  expect(requests).toHaveLength(2);
});

test('a node that does not answer in time is given up: a write may have happened, a read is just late', async () => {
  const { address } = await owner(() => undefined);
  const http = forwarder(address);

  await expect(http.forward(n2, store({ deadlineMs: 50 }))).rejects.toMatchObject({ code: 'deadline_exceeded', details: { node: 'n2', indeterminate: true } });
  const read = http.forward(n2, { method: 'GET', path: '/', headers: {}, deadlineMs: 50 });
  await expect(read).rejects.toMatchObject({ code: 'deadline_exceeded' });
  await expect(read).rejects.not.toHaveProperty('details.indeterminate');
});

test('a request that still waits for a connection when its time is up was not sent', async () => {
  const { address, requests } = await owner(() => undefined);
  const http = forwarder(address, { poolSize: 1 });
  const first = http.forward(n2, store({ deadlineMs: 400 }));
  const second = http.forward(n2, store({ deadlineMs: 100, path: '/second' }));

  await expect(second).rejects.toMatchObject({ code: 'deadline_exceeded', details: { node: 'n2' } });
  await expect(second).rejects.not.toHaveProperty('details.indeterminate');
  await expect(first).rejects.toMatchObject({ code: 'deadline_exceeded' });
  expect(requests.map(({ url }) => url)).toEqual(['/api/v1/memory']);
});

test('a client that goes away ends the request', async () => {
  const gone = new AbortController();
  const { address } = await owner(() => gone.abort());

  await expect(forwarder(address).forward(n2, store({ signal: gone.signal }))).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('client has gone') });
});

test('a node that cannot be reached again and again is left alone for a while, then tried once', async () => {
  let address = await vacant();
  const http = forwarder(() => address, { breaker: { failuresMax: 4, openMs: 50 } });
  for (let i = 0; i < 2; i += 1) await expect(http.forward(n2, store())).rejects.toMatchObject({ message: expect.stringContaining('cannot be reached') });

  await expect(http.forward(n2, store())).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('not tried'), details: { node: 'n2', retryAfterMs: expect.any(Number) } });
  expect(http.stats()).toEqual([{ peer: n2, breaker: 'open', waiting: 0 }]);

  const port = Number(address.split(':')[1]);
  await owner(undefined, port);
  await new Promise<void>((resolve) => {
    const look = setInterval(() => {
      if (http.stats()[0]!.breaker !== 'half-open') return;
      clearInterval(look);
      resolve();
    }, 5);
  });
  expect((await http.forward(n2, store())).status).toBe(200);
  expect(http.stats()).toEqual([{ peer: n2, breaker: 'closed', waiting: 0 }]);
  address = '';
});

test('a node with another address is called there', async () => {
  const [before, after] = [await owner(), await owner()];
  let address = before.address;
  const http = forwarder(() => address);
  await http.forward(n2, store());

  address = after.address;
  await http.forward(n2, store());

  expect([before.requests.length, after.requests.length]).toEqual([1, 1]);
});

test('a host that takes the connection and says nothing is late, and the breaker does not open for it', async () => {
  const silent = createNetServer(() => undefined);
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  open.push({ close: () => silent.close() });
  const http = forwarder(`127.0.0.1:${(silent.address() as { port: number }).port}`, { breaker: { failuresMax: 1 } });

  await expect(http.forward(n2, store({ deadlineMs: 50 }))).rejects.toMatchObject({ code: 'deadline_exceeded', details: { indeterminate: true } });
  expect(http.stats()[0]!.breaker).toBe('closed');
});

test('more requests than may wait are refused before anything is done', async () => {
  const { address } = await owner(() => undefined);
  const http = forwarder(address, { waitingMax: 2 });
  const waiting = [http.forward(n2, store({ deadlineMs: 200 })), http.forward(n2, store({ deadlineMs: 200 }))];
  const settled = Promise.allSettled(waiting);

  await expect(http.forward(n2, store())).rejects.toMatchObject({ code: 'overloaded', details: { node: 'n2' } });
  await settled;
});

test('after it is closed it passes nothing on', async () => {
  const { address } = await owner();
  const http = forwarder(address);
  await text((await http.forward(n2, store())).body);

  await http.close();

  await expect(http.forward(n2, store())).rejects.toMatchObject({ code: 'shutting_down' });
});

test.each([{ poolSize: 0 }, { connectTimeoutMs: 0.5 }, { waitingMax: -1 }])('options that are out of range are refused: %j', (changes) => {
  expect(() => forwarder('', changes)).toThrow(expect.objectContaining({ code: 'invalid_options' }));
});
