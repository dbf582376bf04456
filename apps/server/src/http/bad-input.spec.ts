import type { InjectOptions } from 'fastify';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { httpNode, type HttpNode } from '../../test/http-node.js';

interface ErrorAnswer {
  error: { code: string; message: string; hint: string; retryable: boolean; request_id: string };
}

let node: HttpNode;
beforeAll(async () => {
  node = await httpNode({ bodyBytesMax: 100_000 });
});
afterAll(() => node.close());

async function send(options: InjectOptions): Promise<{ status: number; headers: Record<string, unknown>; error: ErrorAnswer['error'] }> {
  const { statusCode, headers, body } = await node.server.inject(options);
  expect(headers['content-type']).toBe('application/json; charset=utf-8');
  const { error } = JSON.parse(body) as ErrorAnswer;
  expect(error.message).not.toBe('');
  expect(error.hint).not.toBe('');
  expect(error.request_id).toMatch(/^[0-9a-f]{8}-[0-9a-z]+$/);
  return { status: statusCode, headers, error };
}

/** A store whose body is exactly these bytes. */
const sendBody = (body: string | Buffer, contentType = 'application/json') =>
  send({ method: 'POST', url: '/api/v1/memory', payload: body, headers: { 'content-type': contentType } });

const deep = (levels: number) => '{"a":'.repeat(levels) + '1' + '}'.repeat(levels);

test.each<[what: string, body: string | Buffer, code: string, message: string]>([
  ['text that is no JSON', '{"content": "x",}', 'invalid_argument', 'not valid JSON: at position 16 (line 1, column 17)'],
  ['no body', '', 'invalid_argument', 'the body must be an object; got nothing'],
  ['an array', '[]', 'invalid_argument', 'the body must be an object; got an array of 0'],
  ['null', 'null', 'invalid_argument', 'the body must be an object; got nothing'],
  ['no content', '{}', 'invalid_argument', 'the body needs the field "content"'],
  ['empty content', '{"content":""}', 'invalid_argument', 'the body at /content must not be empty'],
  ['a number for content', '{"content":5}', 'invalid_argument', 'the body at /content must be a string; got the number 5'],
  ['a number written as a string', '{"content":"x","confidence":"0.5"}', 'invalid_argument', 'the body at /confidence must be a number; got the string "0.5"'],
  ['a tag that is no string', '{"content":"x","tags":["a",1]}', 'invalid_argument', 'the body at /tags/1 must be a string; got the number 1'],
  ['too many tags', JSON.stringify({ content: 'x', tags: Array(65).fill('t') }), 'invalid_argument', 'the body at /tags has 65 items; at most 64 are possible'],
  ['an empty tag', '{"content":"x","tags":[""]}', 'invalid_argument', 'tags[0] must be a non-empty string'],
  ['confidence above 1', '{"content":"x","confidence":1.01}', 'invalid_argument', 'the body at /confidence must be from 0 to 1; got the number 1.01'],
  ['a number beyond all numbers', '{"content":"x","confidence":1e400}', 'invalid_argument', 'the body at /confidence must be a number; got the number Infinity'],
  ['a number beyond all numbers in metadata', '{"content":"x","metadata":{"a":[1e400]}}', 'invalid_argument', 'metadata.a[0] is Infinity'],
  ['NaN', '{"content":"x","confidence":NaN}', 'invalid_argument', 'where a value was expected'],
  ['an unknown field', '{"content":"x","metdata":{}}', 'unknown_field', 'the body has the unknown field "metdata"'],
  ['half of a surrogate pair in content', '{"content":"a\\ud800b"}', 'invalid_argument', 'content contains half of a surrogate pair'],
  ['half of a surrogate pair in a tag', '{"content":"x","tags":["\\udc00"]}', 'invalid_argument', 'tags[0] contains half of a surrogate pair'],
  ['half of a surrogate pair in metadata', '{"content":"x","metadata":{"\\ud800":1}}', 'invalid_argument', 'half of a surrogate pair'],
  ['half of a surrogate pair in an id', '{"content":"x","id":"\\ud800"}', 'invalid_argument', 'a memory id has 1 to 128'],
  ['bytes that are not UTF-8', Buffer.from([...Buffer.from('{"content":"'), 0xff, ...Buffer.from('"}')]), 'invalid_argument', 'not UTF-8: byte 12 '],
  ['a key __proto__', '{"content":"x","__proto__":{"tags":[]}}', 'invalid_argument', 'the key __proto__'],
  ['a key __proto__ in metadata', '{"content":"x","metadata":{"a":{"__proto__":{}}}}', 'invalid_argument', 'the key __proto__'],
  ['a key constructor.prototype in metadata', '{"content":"x","metadata":{"constructor":{"prototype":{}}}}', 'invalid_argument', 'the key constructor.prototype'],
  ['metadata that is no object', '{"content":"x","metadata":[]}', 'invalid_argument', 'the body at /metadata must be an object; got an array of 0'],
  ['metadata nested too deep', `{"content":"x","metadata":${deep(17)}}`, 'invalid_argument', 'metadata is nested deeper than 16'],
  ['metadata nested 5000 deep', `{"content":"x","metadata":${deep(5_000)}}`, 'invalid_argument', 'metadata is nested deeper than 16'],
  ['an embedding without numbers', '{"content":"x","embedding":[]}', 'invalid_argument', 'the body at /embedding must have at least 1 item'],
  ['an embedding with null', '{"content":"x","embedding":[1,null]}', 'invalid_argument', 'the body at /embedding/1 must be a number; got null'],
  ['a time that is none', '{"content":"x","when":"2025-02-30T00:00:00Z"}', 'invalid_argument', 'when must be a time as RFC 3339 writes it; got "2025-02-30T00:00:00Z"'],
  ['a space id with ..', '{"content":"x","memory_space":"../etc"}', 'invalid_argument', 'a space id has 3 to 64 characters of a-z 0-9 _ -; got "../etc"'],
  ['a space id with NUL', '{"content":"x","memory_space":"abc\\u0000"}', 'invalid_argument', 'got "abc\\u{0}"'],
  ['a space id of 10 000 characters', `{"content":"x","memory_space":"${'a'.repeat(10_000)}"}`, 'invalid_argument', '(10000 characters)'],
  ['an id with a slash', '{"content":"x","id":"a/b"}', 'invalid_argument', 'a memory id has 1 to 128'],
])('a body with %s is refused', async (_what, body, code, message) => {
  const { status, error } = await sendBody(body);
  expect(status).toBe(400);
  expect(error).toMatchObject({ code, retryable: false });
  expect(error.message).toContain(message);
});

test('an unknown field is met with the one that was probably meant, or with all there are', async () => {
  expect((await sendBody('{"content":"x","metdata":{}}')).error.hint).toBe('Did you mean metadata?');
  expect((await sendBody('{"content":"x","zzzzzz":{}}')).error.hint).toBe('Remove it. Known here: content, memory_space, tags, confidence, embedding, when, metadata, id.');
});

test('a hundred thousand levels of nesting are refused like any other body', async () => {
  const roomy = await httpNode();
  try {
    for (const body of ['['.repeat(100_000), `{"content":${deep(100_000)}}`, `{"content":"x","metadata":${deep(100_000)}}`, `{"content":"\\u0041","metadata":${'{"a":['.repeat(50_000)}1${']}'.repeat(50_000)}}`]) {
      const answer = await roomy.server.inject({ method: 'POST', url: '/api/v1/memory', payload: body, headers: { 'content-type': 'application/json' } });
      expect([answer.statusCode, answer.json<ErrorAnswer>().error.code]).toEqual([400, 'invalid_argument']);
    }
  } finally {
    await roomy.close();
  }
});

test('a body over the limit is refused, announced or not', async () => {
  const large = JSON.stringify({ content: 'x'.repeat(100_000) });
  expect(await sendBody(large)).toMatchObject({ status: 413, error: { code: 'payload_too_large' } });
  expect(await sendBody(`{"content":"${'x'.repeat(99_000)}"}`).catch(() => 'stored')).toBe('stored');
});

test.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/x-ndjson', 'application/xml', 'nonsense', ''])(
  'a body of type %j is refused',
  async (contentType) => {
    expect(await sendBody('{"content":"x"}', contentType)).toMatchObject({ status: 415, error: { code: 'unsupported_media_type' } });
  },
);

test('a byte order mark before the JSON is passed over, and a charset is allowed', async () => {
  const answer = await node.server.inject({ method: 'POST', url: '/api/v1/memory', payload: '\ufeff{"content":"x"}', headers: { 'content-type': 'application/json; charset=utf-8' } });
  expect(answer.statusCode).toBe(201);
});

test('a key given twice counts once, with its last value', async () => {
  const answer = await node.server.inject({ method: 'POST', url: '/api/v1/memory', payload: '{"content":"x","content":"y"}', headers: { 'content-type': 'application/json' } });
  expect(answer.json()).toMatchObject({ content: 'y' });
});

test.each([
  ['/api/v1/memory/..', 404],
  ['/api/v1/memory/.hidden', 400],
  ['/api/v1/memory/a%2Fb', 400],
  ['/api/v1/memory/%00', 400],
  ['/api/v1/memory/%', 400],
  ['/api/v1/memory/%ff', 400],
  [`/api/v1/memory/${'a'.repeat(129)}`, 400],
  [`/api/v1/memory/${'a'.repeat(10_000)}`, 400],
  ['/api/v1/memory/a/b', 404],
  ['/api/v1/spaces/%2e%2e%2fetc', 400],
  [`/api/v1/spaces/${'a'.repeat(10_000)}`, 400],
  ['/api/v1/memory/x?space=../../etc', 400],
  ['/api/v1/memory/x?space=%00', 400],
  ['/api/v1/memory/x?space=', 400],
  [`/api/v1/memory/x?space=${'a'.repeat(10_000)}`, 400],
  ['/api/v1/memory/x?space=abc&space=abd', 400],
  ['/api/v1/memory?limit=0', 400],
  ['/api/v1/memory?limit=1001', 400],
  ['/api/v1/memory?limit=1.5', 400],
  ['/api/v1/memory?limit=', 400],
  ['/api/v1/memory?limit=ten', 400],
  ['/api/v1/memory?limit=1e400', 400],
  ['/api/v1/memory?cursor=../x', 400],
  ['/api/v1/memory?spcae=x', 400],
  ['/api/v1/memory?__proto__=x', 400],
  ['/api/v1/memory?include=everything', 400],
  ['/api/v1/recall', 400],
  ['/api/v1/recall?q=x&explain=maybe', 400],
  ['/api/v1/recall?q=x&spaces=', 400],
  ['/api/v1/recall?q=x&min_confidence=2', 400],
])('GET %s is answered with %i', async (url, status) => {
  expect((await send({ url })).status).toBe(status);
});

test('an unknown query field is met with the one that was probably meant', async () => {
  expect((await send({ url: '/api/v1/memory?spcae=x' })).error).toMatchObject({ code: 'unknown_field', message: 'the query has the unknown field "spcae"', hint: 'Did you mean space?' });
});

test.each(['../etc', 'x'.repeat(10_000), 'AB', 'caf\u00e9', ''])('the header X-Memory-Space %j is refused', async (space) => {
  const answer = await send({ url: '/api/v1/memory', headers: { 'x-memory-space': space } });
  expect(answer).toMatchObject({ status: 400, error: { code: 'invalid_argument' } });
  expect(answer.error.message).toContain('a space id has 3 to 64');
});

test('an unknown route is 404 before its body is read, and so are the routes of features that do not exist', async () => {
  for (const url of ['/', '/api', '/api/v1/memories', '/api/v2/memory', '/api/v1/consolidations', '/api/v1/cluster/divergence', '//', '/api/v1/memory/']) {
    expect(await send({ url })).toMatchObject({ status: url === '/api/v1/memory/' ? 400 : 404 });
    expect((await send({ method: 'POST', url, payload: '<xml/>', headers: { 'content-type': 'application/xml' } })).status).toBe(url === '/api/v1/memory/' ? 405 : 404);
  }
  expect((await send({ url: '/api/v1/nothing' })).error.code).toBe('route_not_found');
});

test('a wrong method is 405 with the right ones, and OPTIONS names them', async () => {
  const patch = await send({ method: 'PATCH', url: '/api/v1/memory/x', payload: {} });
  expect(patch).toMatchObject({ status: 405, headers: { allow: 'DELETE, GET, HEAD, OPTIONS' }, error: { code: 'method_not_allowed' } });
  expect((await send({ method: 'DELETE', url: '/api/v1/recall' })).headers['allow']).toBe('GET, HEAD, OPTIONS, POST');
  expect((await send({ method: 'POST', url: '/health' })).status).toBe(405);
  expect((await send({ method: 'GET', url: '/api/v1/memory/batch/x' })).status).toBe(404);
  const options = await node.server.inject({ method: 'OPTIONS', url: '/api/v1/memory' });
  expect([options.statusCode, options.headers['allow']]).toEqual([204, 'GET, HEAD, OPTIONS, POST']);
});

test('HEAD answers as GET does, without a body', async () => {
  const head = await node.server.inject({ method: 'HEAD', url: '/api/v1/memory' });
  expect([head.statusCode, head.body]).toEqual([200, '']);
  const missing = await node.server.inject({ method: 'HEAD', url: '/api/v1/memory/none' });
  expect([missing.statusCode, missing.body]).toEqual([404, '']);
});

test('more stores than the node takes at once are told to come back', async () => {
  const narrow = await httpNode({ storesInFlightMax: 1 });
  try {
    const send = () => narrow.server.inject({ method: 'POST', url: '/api/v1/memory', payload: { content: 'x' } });
    const answers = await Promise.all([send(), send()]);
    expect(answers.map(({ statusCode }) => statusCode).sort()).toEqual([201, 429]);
    const refused = answers.find(({ statusCode }) => statusCode === 429);
    expect(refused?.headers['retry-after']).toBe('1');
    expect(refused?.json()).toMatchObject({ error: { code: 'overloaded', retryable: true, retry_after_ms: 1_000 } });
    expect((await send()).statusCode).toBe(201);
  } finally {
    await narrow.close();
  }
});
