import { request, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { EngramError } from '@engram/kernel';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { httpNode, type HttpNode } from '../../test/http-node.js';

interface Result {
  index?: number;
  line?: number;
  outcome: 'stored' | 'already_stored' | 'refused';
  id?: string;
  memory_space?: string;
  stored_at?: string;
  durability?: object;
  error?: { code: string; message: string; hint: string; request_id: string };
}

let node: HttpNode;
beforeAll(async () => {
  node = await httpNode({ batchItemsMax: 20, lineBytesMax: 2_000, linesPerGroupMax: 3, batchBodyBytesMax: 100_000 });
  await node.server.listen({ host: '127.0.0.1', port: 0 });
});
afterAll(() => node.close());

const NDJSON = { 'content-type': 'application/x-ndjson' };

async function array(payload: unknown, options: { query?: Record<string, string>; headers?: Record<string, string> } = {}) {
  const answer = await node.server.inject({ method: 'POST', url: '/api/v1/memory/batch', payload: payload as object, ...options });
  return { status: answer.statusCode, results: JSON.parse(answer.body) as Result[] & { error?: Result['error'] } };
}

async function lines(payload: string | Buffer, options: { query?: Record<string, string>; headers?: Record<string, string> } = {}) {
  const answer = await node.server.inject({ method: 'POST', url: '/api/v1/memory/batch', payload, query: options.query ?? {}, headers: { ...NDJSON, ...options.headers } });
  return {
    status: answer.statusCode,
    type: answer.headers['content-type'],
    results: answer.body.trimEnd().split('\n').filter(Boolean).map((line) => JSON.parse(line) as Result),
  };
}

test('an array is answered with one result per item, in order, and a bad item stops no other', async () => {
  const { status, results } = await array([
    { id: 'a', content: 'first', memory_space: 'batch' },
    { id: 'b' },
    7,
    { id: 'a', content: 'first', memory_space: 'batch' },
    { id: 'a', content: 'other', memory_space: 'batch' },
    { id: 'c', content: 'last', tgas: [] },
    { id: 'd', content: 'last' },
  ]);
  expect(status).toBe(200);
  expect(results.map(({ index, outcome, error }) => [index, outcome, error?.code])).toEqual([
    [0, 'stored', undefined],
    [1, 'refused', 'invalid_argument'],
    [2, 'refused', 'invalid_argument'],
    [3, 'already_stored', undefined],
    [4, 'refused', 'id_conflict'],
    [5, 'refused', 'unknown_field'],
    [6, 'stored', undefined],
  ]);
  expect(results[0]).toEqual({
    index: 0,
    outcome: 'stored',
    id: 'a',
    memory_space: 'batch',
    stored_at: expect.any(String) as string,
    durability: { requested: 'local', reached: 'local', copies: 1 },
  });
  expect(results[5]?.error).toMatchObject({ message: 'the body has the unknown field "tgas"', hint: 'Did you mean tags?' });
  expect(node.engine.get('default' as never, 'd' as never).content).toBe('last');
});

test('an idempotency key covers an array item by item', async () => {
  const options = { headers: { 'idempotency-key': 'batch-1' } };
  const first = await array([{ content: 'one' }, { content: 'two' }], options);
  const again = await array([{ content: 'one' }, { content: 'two' }], options);
  expect(again.results.map(({ outcome, id }) => [outcome, id])).toEqual(first.results.map(({ id }) => ['already_stored', id]));
});

test('an array with too many items, or no array at all, is refused as a whole', async () => {
  const many = await array(Array.from({ length: 21 }, () => ({ content: 'x' })));
  expect(many).toMatchObject({ status: 413, results: { error: { code: 'payload_too_large' } } });
  expect(await array({ content: 'x' })).toMatchObject({ status: 400, results: { error: { message: 'a batch is an array of memories; got object' } } });
  expect(await array([])).toMatchObject({ status: 200, results: [] });
  expect((await array([{ content: 'x' }], { query: { ack: 'all' } })).status).toBe(400);
  expect((await array([{ content: 'x' }], { query: { space: '..' } })).status).toBe(400);
});

test('lines are answered with lines, in order; each bad one is refused by its number', async () => {
  const body = Buffer.concat([
    Buffer.from('{"id":"l1","content":"one"}\r\n\n  \t\n{"id":"l2","content":}\n'),
    Buffer.from([0x7b, 0xff, 0x7d, 0x0a]),
    Buffer.from(`{"content":"${'x'.repeat(3_000)}"}\n{"id":"l3","content":"three","memory_space":"NO"}\n[]\n{"id":"l4","content":"four"}`),
  ]);
  const { status, type, results } = await lines(body, { query: { space: 'lines' } });
  expect([status, type]).toEqual([200, 'application/x-ndjson']);
  expect(results.map(({ line, outcome, error }) => [line, outcome, error?.code])).toEqual([
    [1, 'stored', undefined],
    [4, 'refused', 'invalid_argument'],
    [5, 'refused', 'invalid_argument'],
    [6, 'refused', 'payload_too_large'],
    [7, 'stored', undefined],
    [8, 'refused', 'invalid_argument'],
    [9, 'stored', undefined],
  ]);
  expect(results[1]?.error?.message).toContain('at position 21 (line 1, column 22) there is "}" where a value was expected');
  expect(results[2]?.error?.message).toContain('not UTF-8: byte 1');
  expect(results.every(({ memory_space }) => memory_space === undefined || memory_space === 'lines')).toBe(true);
});

test('no lines are answered with no lines', async () => {
  expect(await lines('')).toMatchObject({ status: 200, results: [] });
  expect(await lines('\n\n')).toMatchObject({ status: 200, results: [] });
});

test('a stream refuses what cannot hold for all of its lines before it answers any', async () => {
  expect((await lines('{"content":"x"}', { headers: { 'idempotency-key': 'k' } })).results).toMatchObject([{ error: { code: 'invalid_argument' } }]);
  expect((await lines('{"content":"x"}', { query: { space: 'X' } })).status).toBe(400);
  expect((await lines('{"content":"x"}', { query: { ack: 'all' } })).status).toBe(400);
});

/** A stream over a real connection: what is written, and what comes back, line by line. */
function stream(): { write: (text: string) => void; end: () => void; destroy: () => void; response: Promise<IncomingMessage> } {
  const { port } = node.server.server.address() as AddressInfo;
  const outgoing = request({ port, method: 'POST', path: '/api/v1/memory/batch', headers: NDJSON });
  const response = new Promise<IncomingMessage>((resolve, reject) => outgoing.once('response', resolve).once('error', reject));
  return { write: (text) => void outgoing.write(text), end: () => void outgoing.end(), destroy: () => void outgoing.destroy(), response };
}

async function* linesOf(response: IncomingMessage): AsyncGenerator<Result> {
  let rest = '';
  for await (const chunk of response) {
    const parts = `${rest}${String(chunk)}`.split('\n');
    rest = parts.pop() ?? '';
    for (const part of parts) yield JSON.parse(part) as Result;
  }
}

test('a line is answered as soon as it is stored, while the stream is still open', async () => {
  const { write, end, response } = stream();
  write('{"id":"live-1","content":"one"}\n{"id":"live-2","con');
  const results = linesOf(await response);
  expect((await results.next()).value).toMatchObject({ line: 1, outcome: 'stored', id: 'live-1' });
  write('tent":"two"}\n');
  expect((await results.next()).value).toMatchObject({ line: 2, outcome: 'stored', id: 'live-2' });
  end();
  expect((await results.next()).done).toBe(true);
});

test('lines are stored in groups of bounded size, two groups at a time at most', async () => {
  const sizes: number[] = [];
  let atOnce = 0;
  const storeBatch = node.engine.storeBatch.bind(node.engine);
  const spy = vi.spyOn(node.engine, 'storeBatch').mockImplementation(async (...args) => {
    sizes.push(args[0].length);
    atOnce += 1;
    expect(atOnce).toBeLessThanOrEqual(2);
    const results = await storeBatch(...args);
    atOnce -= 1;
    return results;
  });
  try {
    const { results } = await lines(Array.from({ length: 50 }, (_, i) => `{"id":"group-${i}","content":"x"}\n`).join(''));
    expect(results.map(({ line }) => line)).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
    expect(Math.max(...sizes)).toBe(3);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(50);
  } finally {
    spy.mockRestore();
  }
});

test('a failure in the middle of a stream refuses the lines it concerns, not those before or after', async () => {
  const storeBatch = node.engine.storeBatch.bind(node.engine);
  let calls = 0;
  const spy = vi.spyOn(node.engine, 'storeBatch').mockImplementation(async (...args) => {
    calls += 1;
    if (calls === 2) throw new EngramError('disk_full', 'no room');
    return storeBatch(...args);
  });
  try {
    const { status, results } = await lines(Array.from({ length: 9 }, (_, i) => `{"id":"part-${i}","content":"x"}\n`).join(''));
    expect(status).toBe(200);
    expect(results.map(({ outcome, error }) => error?.code ?? outcome)).toEqual([...Array<string>(3).fill('stored'), ...Array<string>(3).fill('disk_full'), ...Array<string>(3).fill('stored')]);
  } finally {
    spy.mockRestore();
  }
});

test('a failure before the first result is the answer to the whole request', async () => {
  const spy = vi.spyOn(node.engine, 'storeBatch').mockRejectedValue(new EngramError('shutting_down', 'the node is stopping'));
  try {
    expect(await lines('{"content":"x"}')).toMatchObject({ status: 503, results: [{ error: { code: 'shutting_down' } }] });
  } finally {
    spy.mockRestore();
  }
});

test('a client that goes away in the middle leaves the node serving', async () => {
  const { write, destroy, response } = stream();
  write('{"id":"gone-1","content":"one"}\n');
  const incoming = await response;
  incoming.on('error', () => undefined);
  destroy();
  await new Promise((resolve) => incoming.once('close', resolve));
  expect((await node.server.inject('/readyz')).statusCode).toBe(200);
  expect(node.engine.get('default' as never, 'gone-1' as never).content).toBe('one');
});
