import { connect, type AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { httpNode, type HttpNode } from '../../test/http-node.js';

let node: HttpNode;
beforeAll(async () => {
  node = await httpNode({ bodyBytesMax: 200_000 });
  await node.server.listen({ host: '127.0.0.1', port: 0 });
});
afterAll(() => node.close());

const paths = ['/api/v1/memory', '/api/v1/memory/batch', '/api/v1/recall', '/api/v1/spaces', '/api/v1/spaces/letters', '/api/v1/memory/x', '/health', '/cluster/health', '/api/v1/cluster/members', '/api/v1/cluster/events', '/metrics', '/api/v1/openapi.json', '/docs'];
const fields = ['content', 'memory_space', 'tags', 'confidence', 'embedding', 'when', 'metadata', 'id', 'cue', 'text', 'after', 'spaces', 'limit', 'ack', 'ttl', '__proto__', 'constructor', 'toString'];
const nasty = fc.oneof(
  fc.constantFrom('', 'default', '..', '../etc', '\u0000', '\ud800', '*', '__proto__', '1e400', '-0', 'null', '2025-02-30T00:00:00Z', '2025-01-01T00:00:00Z', 'x'.repeat(10_000)),
  fc.string({ maxLength: 20 }),
  fc.string({ unit: 'binary', maxLength: 10 }),
);
const value = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    nasty,
    fc.double(),
    fc.integer(),
    fc.constantFrom(null, true, false, 1e308, 5e-324, 2 ** 53),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.oneof(fc.constantFrom(...fields), fc.string({ maxLength: 8 })), tie('value'), { maxKeys: 5 }),
  ),
})).value;
const almostDraft = fc.record(
  { content: fc.oneof(nasty, value), memory_space: value, tags: fc.oneof(fc.array(nasty), value), confidence: fc.oneof(fc.double({ min: -0.1, max: 1.1 }), value), embedding: fc.oneof(fc.array(fc.double(), { maxLength: 5 }), value), when: nasty, metadata: fc.oneof(fc.dictionary(nasty, value), value), id: nasty },
  { requiredKeys: ['content'] },
);
const almostRecall = fc.record(
  { cue: fc.oneof(fc.record({ text: nasty, tags: fc.array(nasty), embedding: fc.array(fc.double()), after: nasty }, { requiredKeys: [] }), value), spaces: fc.oneof(fc.constant('*'), fc.array(nasty), value), limit: fc.oneof(fc.integer(), value), timeout_ms: value },
  { requiredKeys: ['cue'] },
);
/** A lone surrogate cannot be percent-encoded. */
const wellFormed = (text: string): string => text.replace(/\p{Surrogate}/gu, '?');
const json = (item: unknown): string => JSON.stringify(item) ?? '';
const body = fc.oneof(
  fc.oneof(almostDraft, almostRecall, value, fc.array(almostDraft, { maxLength: 4 })).map(json),
  fc.tuple(almostDraft.map(json), fc.nat(), fc.string({ maxLength: 2 })).map(([text, at, noise]) => text.slice(0, at % text.length) + noise + text.slice(at % text.length)),
  fc.array(almostDraft.map(json), { maxLength: 5 }).map((lines) => lines.join('\n')),
  fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes)),
  fc.integer({ min: 1, max: 40_000 }).map((depth) => '{"metadata":'.repeat(depth % 3_000) + '['.repeat(depth)),
);
const segment = nasty.map((text) => encodeURIComponent(wellFormed(text)).slice(0, 12_000));
const query = fc.array(fc.tuple(fc.constantFrom('space', 'limit', 'cursor', 'tag', 'q', 'spaces', 'explain', 'include', 'ack', 'after', 'min_confidence', '__proto__', 'x'), nasty), { maxLength: 3 });
const printable = (text: string): string => text.replace(/[^\x20-\x7e\xa0-\xff]/g, '?');

const requests = fc.record({
  method: fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS'),
  path: fc.oneof(fc.constantFrom(...paths), segment.map((text) => `/api/v1/memory/${text}`), segment.map((text) => `/api/v1/spaces/${text}`), segment.map((text) => `/api/v1/cluster/nodes/${text}`), segment.map((text) => `/${text}`)),
  query: query.map((pairs) => pairs.map(([key, text]) => `${key}=${encodeURIComponent(wellFormed(text))}`).join('&')),
  body: fc.option(body, { nil: undefined }),
  contentType: fc.constantFrom('application/json', 'application/json', 'application/x-ndjson', 'text/plain', 'application/json; charset=utf-16'),
  space: fc.option(nasty.map(printable), { nil: undefined }),
  key: fc.option(nasty.map(printable), { nil: undefined }),
});

test('whatever a client sends, the answer is never our failure, and every error has the one shape', async () => {
  await fc.assert(
    fc.asyncProperty(requests, async ({ method, path, query, body, contentType, space, key }) => {
      // A shutdown would be asked for in earnest, and a body on GET never leaves the client.
      fc.pre(path !== '/api/v1/shutdown');
      const answer = await node.server.inject({
        method: method as 'POST',
        url: query === '' ? path : `${path}?${query}`,
        headers: {
          ...(space === undefined ? {} : { 'x-memory-space': space }),
          ...(key === undefined ? {} : { 'idempotency-key': key }),
          ...(body === undefined ? {} : { 'content-type': contentType }),
        },
        ...(body === undefined ? {} : { payload: body }),
      });
      expect(answer.statusCode).toBeLessThan(500);
      if (answer.statusCode < 400 || method === 'HEAD') return;
      const { error } = answer.json<{ error: Record<string, unknown> }>();
      expect(Object.keys(error).sort()).toEqual(expect.arrayContaining(['code', 'hint', 'message', 'request_id', 'retryable']));
      expect(error['hint']).not.toBe('');
      expect(error['message']).not.toBe('');
      expect(error['code']).not.toBe('internal');
    }),
    { numRuns: 2_000, seed: 7432 },
  );
}, 30_000);

test('whatever bytes arrive on a connection, the answer, if there is one, is well formed and never our failure', async () => {
  const { port } = node.server.server.address() as AddressInfo;
  const line = fc.constantFrom('POST /api/v1/memory HTTP/1.1', 'GET /api/v1/memory/%zz HTTP/1.1', 'GET / HTTP/9.9', 'POST /api/v1/memory/batch HTTP/1.1', 'GET  /  HTTP/1.1', '\u0016\u0003\u0001');
  const header = fc.constantFrom('Host: x', 'Content-Length: 5', 'Content-Length: -1', 'Transfer-Encoding: chunked', 'Content-Type: application/json', 'Content-Type: application/x-ndjson', 'X-Memory-Space: \u0000', ': x', 'Expect: 100-continue', 'Upgrade: websocket\r\nConnection: Upgrade');
  const bytes = fc.tuple(line, fc.array(header, { maxLength: 5 }), fc.oneof(fc.constant(''), fc.constant('5\r\n{"a":\r\n0\r\n\r\n'), fc.string(), body.map(String))).map(
    ([first, headers, rest]) => `${[first, ...headers].join('\r\n')}\r\n\r\n${rest}`,
  );
  await fc.assert(
    fc.asyncProperty(bytes, async (text) => {
      const answered = await new Promise<string>((resolve) => {
        let received = '';
        const socket = connect(port, '127.0.0.1', () => socket.end(text));
        socket.on('data', (chunk) => (received += chunk.toString('latin1')));
        socket.on('error', () => resolve(received));
        socket.on('close', () => resolve(received));
      });
      for (const [, status] of answered.matchAll(/HTTP\/1\.1 (\d{3}) /g)) expect(Number(status)).toBeLessThan(500);
    }),
    { numRuns: 150, seed: 7432 },
  );
  expect((await node.server.inject('/readyz')).statusCode).toBe(200);
}, 30_000);
