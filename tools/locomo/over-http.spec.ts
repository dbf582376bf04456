import Fastify from 'fastify';
import { expect, test } from 'vitest';
import { example } from './example-conversation.js';
import { overHttp } from './over-http.js';

/** A server that answers like the contract and remembers what it was asked. */
async function withServer(answerBatch: (items: unknown[]) => unknown, use: (url: string, asked: unknown[]) => Promise<void>): Promise<void> {
  const server = Fastify();
  const asked: unknown[] = [];
  server.post('/api/v1/memory/batch', (request) => (asked.push(request.body), answerBatch(request.body as unknown[])));
  server.post('/api/v1/recall', (request) => (asked.push(request.body), { memories: [{ id: 'D2:1' }], confidence: 1 }));
  try {
    await use(await server.listen({ port: 0, host: '127.0.0.1' }), asked);
  } finally {
    await server.close();
  }
}

test('turns are stored in a space of their own and asked for there', () => withServer((items) => items, async (url, asked) => {
  const http = overHttp(url);
  await http.store(example);
  expect(await http.search(example, example.questions[1]!)).toEqual(['D2:1']);
  await http.close();
  expect(asked[0]).toHaveLength(3);
  expect((asked[0] as unknown[])[1]).toEqual({
    id: 'D1:2', content: 'Ben: Yes, this morning! [a photo of a teapot]', tags: ['Ben', 'session-1'], when: '2023-05-08T13:56:30.000Z', memory_space: 'locomo-example',
  });
  expect(asked[1]).toEqual({ cue: { text: 'What did Ada plant?' }, spaces: ['locomo-example'], limit: 10 });
}));

test('a turn the server refuses ends the measurement with its reason', () =>
  withServer((items) => items.map(() => ({ error: { code: 'id_conflict', message: 'another memory has this id' } })), async (url) => {
    const http = overHttp(url);
    await expect(http.store(example)).rejects.toThrow(/another memory has this id/);
    await http.close();
  }));

test('an answer that is no success ends it too', () => withServer(() => { throw new Error('no'); }, async (url) => {
  const http = overHttp(url);
  await expect(http.store(example)).rejects.toThrow(/answered 500/);
  await http.close();
}));
