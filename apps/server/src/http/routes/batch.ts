import { EngramError, type SpaceId } from '@engram/kernel';
import { SessionKeeper } from '@engram/rpc';
import { Readable } from 'node:stream';
import { Type, type Static } from 'typebox';
import type { ValidateFunction } from 'ajv';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AckLevel, BatchResult, MemoryDraft } from '../../engine/index.js';
import { overlapped } from '../../overlapped.js';
import type { MemoryOperations } from '../../routing/index.js';
import type { HttpServer, RouteContext } from '../context.js';
import { knownError } from '../errors.js';
import { parseJson } from '../json-body.js';
import { readLines, type Line } from '../lines.js';
import * as schemas from '../schemas.js';
import { tellSession } from '../session.js';
import { validationError } from '../validation.js';
import { batchFields, draftOf, spaceOfBody, spaceOfRequest, writeOptionsOf } from '../wire.js';
import { admitted } from './memory.js';

const { ref } = schemas;
const NDJSON = 'application/x-ndjson';

/** An item that may be offered to the engine, or why it may not. */
type Checked = { readonly draft: MemoryDraft } | { readonly error: EngramError };

export function batchRoutes(server: HttpServer, context: RouteContext): void {
  const { memoryFor, metrics, limits, validators } = context;
  const isDraft = validators.compile(ref(schemas.MemoryDraft), 'body');

  /** Stores what can be stored together; the results are in the order of the items. */
  async function storeGroup(memory: MemoryOperations, items: readonly Checked[], options: { ack?: AckLevel; idempotencyKey?: string }): Promise<readonly BatchResult[]> {
    const drafts = items.flatMap((item) => ('draft' in item ? [item.draft] : []));
    const stored = drafts.length === 0 ? [] : await memory.storeBatch(drafts, options);
    let next = 0;
    const results = items.map((item): BatchResult => ('draft' in item ? stored[next++]! : { outcome: 'refused', error: item.error }));
    metrics.batchItems(results);
    return results;
  }

  /** One line of results per line of drafts, in order. Reading waits for storing, and storing for the client to read, two groups at a time. */
  async function* storeLines(
    request: FastifyRequest, lines: AsyncIterable<readonly Line[]>, space: SpaceId | undefined, ack: AckLevel | undefined, lineText: (fields: object) => string,
  ): AsyncGenerator<string> {
    const started = performance.now();
    const written = new SessionKeeper();
    let answering = false;
    try {
      const answers = overlapped(lines, async (group) => {
        const items = group.map(({ bytes }) => checkLine(bytes, isDraft, space, limits.lineBytesMax));
        const memory = memoryFor(request);
        const results = await storeGroup(memory, items, ack === undefined ? {} : { ack }).catch((error: unknown): readonly BatchResult[] => {
          // Before the first result the whole request can still be refused; after it, only the lines can.
          if (!answering) throw error;
          return items.map(() => ({ outcome: 'refused', error: refusal(error) }));
        });
        return { fields: results.map((result, i) => Object.assign(batchFields(result, request.id), { line: group[i]!.number })), session: memory.session };
      });
      for await (const { fields, session } of answers) {
        answering = true;
        // Only here do the groups stand in their order, so that a token stands for all lines before it.
        written.wrote(session);
        const last = fields.at(-1);
        if (last !== undefined && written.token !== undefined) Object.assign(last, { session: written.token });
        yield fields.map((line) => `${lineText(line)}\n`).join('');
      }
      metrics.succeeded('store_batch', (performance.now() - started) / 1_000);
    } catch (error) {
      // An error before the first result is answered, and counted there.
      if (answering) metrics.failed('store_batch', knownError(error)?.code ?? 'internal');
      throw error;
    }
  }

  server.register(async (scope: HttpServer) => {
    scope.addContentTypeParser(NDJSON, (_request, payload, parsed) => parsed(null, payload));
    scope.post(
      '/api/v1/memory/batch',
      {
        bodyLimit: limits.batchBodyBytesMax,
        config: { operation: 'store_batch', errors: ['payload_too_large', 'unsupported_media_type', 'overloaded', 'shutting_down'] },
        onRequest: admitted(context),
        schema: {
          operationId: 'storeBatch',
          tags: ['Memory'],
          summary: 'Store many memories',
          description: [
            'A JSON array is answered with an array: one result per item, in order. An NDJSON stream (one memory per line) is answered with an NDJSON stream while it is being read: one result per line, in order.',
            'A bad item is refused by itself and stops no other. The answer is 200 even if every item was refused.',
            `A JSON array has at most ${limits.batchItemsMax} items. An NDJSON stream may be of any length, a line of it has at most ${limits.lineBytesMax} bytes; read the results while you send, because the server reads no further than its answers are taken.`,
            'In a cluster an array is answered with a session token in its header, a stream with one in its lines.',
            'The order of items does not decide which of two with the same id is stored. An idempotency key covers a JSON array item by item; for NDJSON give every line an `id` instead.',
          ].join('\n\n'),
          headers: Type.Object({ ...schemas.SpaceHeader, ...schemas.IdempotencyHeader, ...schemas.SessionHeader }),
          querystring: Type.Object({ ...schemas.SpaceQuery, ...schemas.AckQuery }, { additionalProperties: false }),
          body: {
            content: {
              'application/json': { schema: Type.Array(ref(schemas.MemoryDraft), { maxItems: limits.batchItemsMax }) },
              [NDJSON]: { schema: ref(schemas.MemoryDraft) },
            },
          },
          response: {
            200: { description: 'What became of each item.', ...schemas.tellsSession, content: { 'application/json': { schema: Type.Array(ref(schemas.BatchResult)) }, [NDJSON]: { schema: ref(schemas.LineResult) } } },
          },
        },
        // Items are checked one by one below, so that a bad one is refused by itself and not with all the others.
        validatorCompiler: ({ schema, httpPart }) => (httpPart === 'body' ? () => true : validators.compile(schema as object, httpPart)),
      },
      async (request, reply) => {
        const started = performance.now();
        const { headers, query, body } = request;
        const space = spaceOfRequest({ header: headers['x-memory-space'], query: query.space });
        const options = writeOptionsOf(query.ack, headers['idempotency-key']);

        if (body instanceof Readable) {
          refuseKey(options.idempotencyKey);
          const lineText = reply.getSerializationFunction('200', NDJSON) ?? JSON.stringify;
          const lines = readLines(body, limits.lineBytesMax, limits.linesPerGroupMax);
          const answer = Readable.from(storeLines(request as FastifyRequest, lines, space, query.ack, lineText), { objectMode: false, highWaterMark: 65_536 });
          return (reply as FastifyReply).type(NDJSON).send(answer) as never;
        }
        const items = itemsOf(body, limits.batchItemsMax);
        const memory = memoryFor(request as FastifyRequest);
        const results = await storeGroup(memory, items.map((item) => checkItem(item, isDraft, space)), options);
        tellSession(reply, memory);
        metrics.succeeded('store_batch', (performance.now() - started) / 1_000);
        return results.map((result, index) => Object.assign(batchFields(result, request.id), { index }));
      },
    );
  });
}

function itemsOf(body: unknown, itemsMax: number): readonly unknown[] {
  if (!Array.isArray(body)) {
    throw new EngramError('invalid_argument', `a batch is an array of memories; got ${body === undefined ? 'nothing' : typeof body}`, {
      hint: 'Send a JSON array, or one memory per line as application/x-ndjson; a single memory goes to POST /api/v1/memory.',
    });
  }
  if (body.length > itemsMax) {
    throw new EngramError('payload_too_large', `the batch has ${body.length} items; a JSON array may have ${itemsMax}`, {
      hint: 'Split the batch, or stream it as application/x-ndjson, which may be of any length.',
    });
  }
  return body;
}

function checkLine(bytes: Buffer | undefined, isDraft: ValidateFunction, space: SpaceId | undefined, lineBytesMax: number): Checked {
  if (bytes === undefined) {
    return {
      error: new EngramError('payload_too_large', `the line is longer than ${lineBytesMax} bytes`, { hint: 'Store the parts of a long text as separate memories that share a tag.' }),
    };
  }
  try {
    return checkItem(parseJson(bytes), isDraft, space);
  } catch (error) {
    return { error: refusal(error) };
  }
}

function checkItem(item: unknown, isDraft: ValidateFunction, space: SpaceId | undefined): Checked {
  try {
    if (!isDraft(item)) throw validationError(isDraft.errors, 'body');
    const body = item as Static<typeof schemas.MemoryDraft>;
    return { draft: draftOf(body, space ?? spaceOfBody(body.memory_space)) };
  } catch (error) {
    return { error: refusal(error) };
  }
}

/** Whatever is wrong with an item is the item's result. What we did not foresee is the whole request's. */
function refusal(error: unknown): EngramError {
  if (error instanceof EngramError) return error;
  throw error;
}

/** How lines fall into groups depends on the network, so a key for the whole could not name the same line twice. */
function refuseKey(key: string | undefined): void {
  if (key === undefined) return;
  throw new EngramError('invalid_argument', 'an NDJSON stream cannot have an Idempotency-Key', {
    hint: 'Give every line an id: storing the same id with the same content again is answered as already stored.',
  });
}

