import { request, type IncomingMessage } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { httpNode, type HttpNode } from '../../test/http-node.js';

interface Answer {
  status: number;
  headers: string;
  error: { code: string; message: string; hint: string; request_id: string } | undefined;
}

let node: HttpNode;
let port: number;
beforeAll(async () => {
  node = await httpNode({ bodyBytesMax: 50_000, headersTimeoutMs: 300, requestTimeoutMs: 600, connectionsMax: 50 });
  await node.server.listen({ host: '127.0.0.1', port: 0 });
  port = (node.server.server.address() as AddressInfo).port;
});
afterAll(() => node.close());

/** Sends raw bytes and reads until the server closes, or until `enough` has arrived. */
function raw(bytes: string | Buffer, enough: (text: string) => boolean = () => false): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket: Socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      if (enough(text)) socket.destroy();
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(text));
  });
}

function answerOf(text: string): Answer {
  const [head = '', body = ''] = text.split('\r\n\r\n', 2);
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1]);
  return { status, headers: head.toLowerCase(), error: body.startsWith('{') ? (JSON.parse(body) as { error: Answer['error'] & object }).error : undefined };
}

test.each<[what: string, bytes: string | Buffer, status: number, code: string]>([
  ['what is not HTTP', 'HELLO\r\n\r\n', 400, 'invalid_argument'],
  ['a TLS greeting', Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01]), 400, 'invalid_argument'],
  ['a header with a NUL', 'GET / HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n', 400, 'invalid_argument'],
  ['a method that does not exist', 'FROB / HTTP/1.1\r\nHost: x\r\n\r\n', 400, 'invalid_argument'],
  ['two different lengths', 'POST /api/v1/memory HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}', 400, 'invalid_argument'],
  ['a length and chunks', 'POST /api/v1/memory HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 400, 'invalid_argument'],
  ['a chunk size that is none', 'POST /api/v1/memory HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', 400, 'invalid_argument'],
  ['headers of 20 KiB', `GET / HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`, 431, 'payload_too_large'],
  ['a path of 20 KiB', `GET /${'a'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 431, 'payload_too_large'],
])('%s is answered with the shape of every error, and the connection is closed', async (_what, bytes, status, code) => {
  const answer = answerOf(await raw(bytes));
  expect(answer).toMatchObject({ status, error: { code } });
  expect(answer.error?.hint).not.toBe('');
  expect(answer.error?.request_id).not.toBe('');
  expect(answer.headers).toContain('connection: close');
});

test('a request without a Host header is refused, in HTTP/1.0 it is none the worse', async () => {
  expect(answerOf(await raw('GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n'))).toMatchObject({ status: 400, error: { code: 'invalid_argument' } });
  expect(answerOf(await raw('GET /livez HTTP/1.0\r\n\r\n')).status).toBe(200);
});

test('an expectation that nobody can meet is ignored', async () => {
  expect(answerOf(await raw('GET /livez HTTP/1.1\r\nHost: x\r\nExpect: wonders\r\nConnection: close\r\n\r\n')).status).toBe(200);
});

test.each([
  ['headers', 'GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow'],
  ['body', 'POST /api/v1/memory HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{"content"'],
])('a client that never finishes its %s is answered 408', async (_what, bytes) => {
  const answer = answerOf(await raw(bytes));
  expect(answer).toMatchObject({ status: 408, error: { code: 'deadline_exceeded' } });
});

test.each([
  ['/api/v1/memory/%2e%2e', 400],
  ['/api/v1/memory/..', 400],
  ['/api/v1/memory/../../etc/passwd', 404],
  ['/docs/static/%2e%2e%2f%2e%2e%2fpackage.json', 404],
  ['/docs/static/../../package.json', 400],
])('the path %s, sent as it stands, is answered with %i', async (path, status) => {
  const answer = answerOf(await raw(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`));
  expect(answer.status).toBe(status);
});

test('an announced body that is too large is refused before it is sent', async () => {
  const head = 'POST /api/v1/memory HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50001\r\n\r\n';
  const answer = answerOf(await raw(head, (text) => text.includes('}}')));
  expect(answer).toMatchObject({ status: 413, error: { code: 'payload_too_large' } });
  expect(answer.headers).toContain('connection: close');
});

test('a client that sends far too much without saying so gets to read why, and no more than the limit is kept', async () => {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const outgoing = request({ port, method: 'POST', path: '/api/v1/memory', headers: { 'content-type': 'application/json' } }, resolve);
    outgoing.on('error', reject);
    // Chunked, so nothing announces the four megabytes.
    for (let i = 0; i < 64; i++) outgoing.write(Buffer.alloc(65_536, 0x20));
    outgoing.end();
  });
  let body = '';
  for await (const chunk of response) body += String(chunk);
  expect(response.statusCode).toBe(413);
  expect(response.headers.connection).toBe('close');
  expect(JSON.parse(body)).toMatchObject({ error: { code: 'payload_too_large' } });
});

test('a refused client may finish what it was saying without being cut off', async () => {
  const chunk = `${(65_536).toString(16)}\r\n${' '.repeat(65_536)}\r\n`;
  const socket = connect(port, '127.0.0.1', () => socket.write(`POST /api/v1/memory HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n${chunk}`));
  const answered = new Promise<string>((resolve) => socket.once('data', (data) => resolve(data.toString())));
  const failed: Error[] = [];
  socket.on('error', (error) => failed.push(error));
  expect(await answered).toContain('payload_too_large');
  for (let i = 0; i < 8; i++) await new Promise((resolve) => socket.write(chunk, resolve));
  socket.end('0\r\n\r\n');
  await new Promise((resolve) => socket.once('close', resolve));
  expect(failed).toEqual([]);
});

test('an upload to a route that does not exist is answered, not taken in', async () => {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const outgoing = request({ port, method: 'POST', path: '/api/v1/nothing', headers: { 'content-type': 'application/json' } }, resolve);
    outgoing.on('error', reject);
    for (let i = 0; i < 32; i++) outgoing.write(Buffer.alloc(65_536, 0x20));
    outgoing.end();
  });
  response.resume();
  expect(response.statusCode).toBe(404);
});

test('a body that ends early is not stored, and the next connection is served', async () => {
  await new Promise<void>((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.end('POST /api/v1/memory HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"content":"half');
    });
    socket.resume();
    socket.on('close', () => resolve());
  });
  const answer = answerOf(await raw('GET /api/v1/memory HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'));
  expect(answer.status).toBe(200);
  expect(node.engine.list('default' as never, { limit: 10 }).memories).toEqual([]);
});

test('requests on one connection are answered in order, the good after the bad', async () => {
  const store = (body: string): string => `POST /api/v1/memory HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
  const text = await raw(`${store('{"content":')}${store('{"id":"pipelined","content":"x"}')}GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  expect([...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => status)).toEqual(['400', '201', '200']);
});

test('the bounds on connections and times reach the server', () => {
  const { maxConnections, headersTimeout, requestTimeout, keepAliveTimeout, maxRequestsPerSocket } = node.server.server;
  expect({ maxConnections, headersTimeout, requestTimeout, keepAliveTimeout, maxRequestsPerSocket }).toEqual({
    maxConnections: 50,
    headersTimeout: 300,
    requestTimeout: 600,
    keepAliveTimeout: 72_000,
    maxRequestsPerSocket: 0,
  });
});
