import { afterAll, beforeAll, expect, test } from 'vitest';
import { httpNode, type HttpNode } from '../../test/http-node.js';

let node: HttpNode;
beforeAll(async () => {
  node = await httpNode();
});
afterAll(() => node.close());

test('a memory is stored durably and can be read back', async () => {
  const stored = await node.server.inject({
    method: 'POST',
    url: '/api/v1/memory',
    payload: { content: 'Ada moved to Lisbon in May.', memory_space: 'letters', tags: ['ada'], when: '2025-05-01T10:00:00+02:00', metadata: { source: { page: 4 } } },
  });
  expect(stored.statusCode).toBe(201);
  const { id, stored_at, ...rest } = stored.json<Record<string, unknown>>();
  expect(rest).toEqual({
    memory_space: 'letters',
    content: 'Ada moved to Lisbon in May.',
    tags: ['ada'],
    confidence: 0.7,
    when: '2025-05-01T08:00:00.000Z',
    metadata: { source: { page: 4 } },
    durability: { requested: 'local', reached: 'local', copies: 1 },
  });
  const { durability: _durability, ...memory } = stored.json<Record<string, unknown>>();
  const read = await node.server.inject(`/api/v1/memory/${String(id)}?space=letters`);
  expect(read.statusCode).toBe(200);
  expect(read.json()).toEqual(memory);
  expect(stored_at).toMatch(/^\d{4}-\d\d-\d\dT/);
});
