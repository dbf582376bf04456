/**
 * The baseline: what fastify alone can do with the same requests and answers on this machine. It parses and checks the
 * same body against a schema and serialises an answer of the same shape by a schema, and remembers nothing.
 *
 * `POST /echo` answers at once. `POST /echo-synced` first appends the body to a file, and answers once a fdatasync that
 * it shares with the requests around it has returned: the least that any durable store has to do.
 */
import { open } from 'node:fs/promises';
import process from 'node:process';
import { fastify } from 'fastify';

const [file] = process.argv.slice(2);
const log = await open(file, 'a');
const server = fastify({ logger: false });

const text = { type: 'string' };
const draft = {
  type: 'object',
  required: ['content'],
  additionalProperties: false,
  properties: {
    content: { type: 'string', minLength: 1 },
    memory_space: { type: 'string', minLength: 3, maxLength: 64 },
    tags: { type: 'array', maxItems: 64, items: text },
    confidence: { type: 'number', minimum: 0, maximum: 1 },
    when: text,
    metadata: { type: 'object', additionalProperties: true },
    id: text,
  },
};
const answer = {
  type: 'object',
  properties: {
    id: text,
    memory_space: text,
    content: text,
    tags: { type: 'array', items: text },
    confidence: { type: 'number' },
    when: text,
    stored_at: text,
    durability: { type: 'object', properties: { requested: text, reached: text, copies: { type: 'integer' } } },
  },
};
const schema = {
  headers: { type: 'object', properties: { 'x-memory-space': text, 'idempotency-key': text } },
  querystring: { type: 'object', properties: { ack: text }, additionalProperties: false },
  body: draft,
  response: { 201: answer },
};

/** As many characters as a real answer has; a fixed id and times cost nothing to make. */
function answerTo(body) {
  return {
    id: '01ARZ3NDEKTSV4RRFFQ69G5FAV',
    memory_space: body.memory_space ?? 'default',
    content: body.content,
    tags: body.tags ?? [],
    confidence: body.confidence ?? 0.7,
    when: body.when ?? '2025-01-01T00:00:00.000Z',
    stored_at: '2025-01-01T00:00:00.000Z',
    durability: { requested: 'local', reached: 'local', copies: 1 },
  };
}

let gathered = [];
let syncing = false;

function synced(body) {
  return new Promise((resolve, reject) => {
    gathered.push({ bytes: Buffer.from(`${JSON.stringify(body)}\n`), resolve, reject });
    if (gathered.length === 1 && !syncing) setImmediate(syncGroup);
  });
}

async function syncGroup() {
  const group = gathered;
  gathered = [];
  syncing = true;
  try {
    await log.write(Buffer.concat(group.map(({ bytes }) => bytes)));
    await log.datasync();
    for (const { resolve } of group) resolve();
  } catch (error) {
    for (const { reject } of group) reject(error);
  }
  syncing = false;
  if (gathered.length > 0) setImmediate(syncGroup);
}

server.post('/echo', { schema }, async (request, reply) => {
  reply.code(201);
  return answerTo(request.body);
});

server.post('/echo-synced', { schema }, async (request, reply) => {
  await synced(request.body);
  reply.code(201);
  return answerTo(request.body);
});

await server.listen({ host: '127.0.0.1', port: 0 });
console.log(JSON.stringify({ port: server.server.address().port }));
