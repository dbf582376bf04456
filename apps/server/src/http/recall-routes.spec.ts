import { afterAll, beforeAll, expect, test } from 'vitest';
import { httpNode, type HttpNode } from '../../test/http-node.js';

type Json = Record<string, unknown>;
interface Answer {
  memories: (Json & { id: string; score: number; confidence: number; parts?: Record<string, number> })[];
  confidence: number;
  partial: boolean;
  missing: unknown[];
  penalty: number;
  took_ms: number;
}

let node: HttpNode;
beforeAll(async () => {
  node = await httpNode();
  const stores = [
    { id: 'lisbon', content: 'Ada moved to Lisbon in May.', tags: ['ada', 'moves'], when: '2025-05-01T00:00:00Z', memory_space: 'letters', embedding: [1, 0] },
    { id: 'garden', content: 'The garden needs water.', tags: ['home'], when: '2025-06-01T00:00:00Z', memory_space: 'letters', embedding: [0, 1] },
    { id: 'porto', content: 'Ben would rather live in Porto than in Lisbon.', tags: ['ben'], when: '2025-07-01T00:00:00Z', memory_space: 'diary' },
  ];
  for (const payload of stores) expect((await node.server.inject({ method: 'POST', url: '/api/v1/memory', payload })).statusCode).toBe(201);
});
afterAll(() => node.close());

async function recall(payload: object, url = '/api/v1/recall', headers: Record<string, string> = {}): Promise<{ status: number; body: Answer & { error?: Json } }> {
  const { statusCode, body } = await node.server.inject({ method: 'POST', url, payload, headers });
  return { status: statusCode, body: JSON.parse(body) as Answer };
}

const ids = ({ body }: { body: Answer }): string[] => body.memories.map(({ id }) => id);

test('a recall answers with memories, scores, confidence and what it could not see', async () => {
  const { status, body } = await recall({ cue: { text: 'Where did Ada move?' }, spaces: ['letters'], limit: 1 });
  expect(status).toBe(200);
  const [hit] = body.memories;
  expect(hit).toMatchObject({ id: 'lisbon', memory_space: 'letters', content: 'Ada moved to Lisbon in May.', tags: ['ada', 'moves'], stated_confidence: 0.7 });
  expect(hit?.score).toBeGreaterThan(0);
  expect(hit?.confidence).toBeLessThanOrEqual(1);
  expect(hit).not.toHaveProperty('embedding');
  expect(hit).not.toHaveProperty('parts');
  expect(body).toMatchObject({ partial: false, missing: [], penalty: 0, confidence: hit?.confidence });
  expect(typeof body.took_ms).toBe('number');
});

test('the parts of a score are shown on request, and their sum is the score', async () => {
  for (const answer of [await recall({ cue: { text: 'Lisbon' }, spaces: '*' }, '/api/v1/recall?explain=true'), await recall({ cue: { text: 'Lisbon' }, spaces: '*', explain: true })]) {
    expect(answer.body.memories.length).toBeGreaterThan(1);
    for (const { score, parts } of answer.body.memories) expect(Object.values(parts ?? {}).reduce((sum, part) => sum + part, 0)).toBe(score);
  }
});

test('a recall asks the named spaces, all of them, or the space of the request', async () => {
  expect(ids(await recall({ cue: { text: 'Lisbon' }, spaces: ['diary'] }))).toEqual(['porto']);
  expect(ids(await recall({ cue: { text: 'Lisbon' }, spaces: '*' })).sort()).toEqual(expect.arrayContaining(['lisbon', 'porto']));
  expect(ids(await recall({ cue: { text: 'Lisbon' } }, '/api/v1/recall?space=diary'))).toEqual(['porto']);
  expect(ids(await recall({ cue: { text: 'Lisbon' } }, '/api/v1/recall', { 'x-memory-space': 'diary' }))).toEqual(['porto']);
  expect(ids(await recall({ cue: { text: 'Lisbon' } }))).toEqual([]);
  expect(await recall({ cue: { text: 'Lisbon' }, spaces: ['nowhere'] })).toMatchObject({ status: 404, body: { error: { code: 'space_not_found' } } });
});

test('the filters of a cue apply together', async () => {
  expect(ids(await recall({ cue: { tags: ['ada'] }, spaces: '*' }))).toEqual(['lisbon']);
  expect(ids(await recall({ cue: { after: '2025-06-01T00:00:00Z', before: '2025-07-01T00:00:00Z' }, spaces: '*' }))).toEqual(['garden']);
  expect(ids(await recall({ cue: { embedding: [0, 1] }, spaces: ['letters'], limit: 1 }))).toEqual(['garden']);
  expect(await recall({ cue: { embedding: [0, 1, 2] }, spaces: ['letters'] })).toMatchObject({ status: 400, body: { error: { code: 'embedding_dimension_mismatch' } } });
});

test('asking every node is asking this one', async () => {
  const cue = { cue: { text: 'Lisbon' }, spaces: '*', consistency: 'any', timeout_ms: 2000, min_confidence: 0 };
  expect(ids(await recall(cue, '/api/v1/recall?distributed=true'))).toEqual(ids(await recall(cue)));
});

test('a recall by query answers what the same recall by body answers', async () => {
  const byBody = await recall({ cue: { text: 'Lisbon', tags: ['ada', 'moves'], after: '2025-01-01T00:00:00Z' }, spaces: ['letters', 'diary'], limit: 3 });
  const byQuery = await node.server.inject('/api/v1/recall?q=Lisbon&tag=ada&tag=moves&after=2025-01-01T00:00:00Z&spaces=letters,diary&limit=3');
  expect(byQuery.statusCode).toBe(200);
  expect(byQuery.json<Answer>().memories).toEqual(byBody.body.memories);
  expect(byBody.body.memories).toHaveLength(1);
});

test.each([
  ['no cue', {}, 'needs the field "cue"'],
  ['an empty cue', { cue: {} }, 'cue is empty'],
  ['a limit of 0', { cue: { text: 'x' }, limit: 0 }, 'at /limit must be from 1 to 1000; got the number 0'],
  ['a limit of 1001', { cue: { text: 'x' }, limit: 1001 }, 'at /limit must be from 1 to 1000; got the number 1001'],
  ['no spaces at all', { cue: { text: 'x' }, spaces: [] }, 'at /spaces must be an array of 1 to 1000 space ids'],
  ['a space by its name alone', { cue: { text: 'x' }, spaces: 'letters' }, 'at /spaces must be an array of 1 to 1000 space ids, or "*" for all of them; got the string "letters"'],
  ['half of a surrogate pair', { cue: { text: 'x\ud800' } }, 'text contains half of a surrogate pair'],
  ['a time that is none', { cue: { text: 'x', after: 'yesterday' } }, 'after must be a time as RFC 3339 writes it; got "yesterday"'],
])('a recall with %s is refused', async (_what, payload, message) => {
  const { status, body } = await recall(payload);
  expect(status).toBe(400);
  expect(body.error?.['message']).toContain(message);
});
