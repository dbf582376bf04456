import { parseMemoryId } from '@engram/kernel';
import { Type } from 'typebox';
import type { FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify';
import type { HttpServer, RouteContext } from '../context.js';
import * as schemas from '../schemas.js';
import { tellSession } from '../session.js';
import { draftOf, memoryFields, spaceOf, storedFields, writeOptionsOf } from '../wire.js';
import { measured } from './measured.js';

const { ref } = schemas;
const tags = ['Memory'];
const closed = { additionalProperties: false } as const;

export function memoryRoutes(server: HttpServer, context: RouteContext): void {
  const { memoryFor } = context;

  server.post(
    '/api/v1/memory',
    {
      config: {
        operation: 'store',
        errors: ['payload_too_large', 'unsupported_media_type', 'id_conflict', 'id_forgotten', 'idempotency_conflict', 'embedding_dimension_mismatch', 'overloaded', 'capacity_exhausted', 'disk_full', 'log_failed', 'shutting_down', 'not_primary', 'unavailable', 'deadline_exceeded'],
      },
      onRequest: admitted(context),
      schema: {
        operationId: 'storeMemory',
        tags,
        summary: 'Store a memory',
        description:
          'Answers once the memory is durable. Storing the same id with the same content again answers the stored memory with 200; other content under a known id is refused.',
        headers: Type.Object({ ...schemas.SpaceHeader, ...schemas.IdempotencyHeader, ...schemas.RoutingHeaders, ...schemas.SessionHeader }),
        querystring: Type.Object({ ...schemas.SpaceQuery, ...schemas.AckQuery, ...schemas.IncludeQuery }, closed),
        body: ref(schemas.MemoryDraft),
        response: { 201: { ...ref(schemas.StoredMemory), ...schemas.tellsSession }, 200: { ...ref(schemas.StoredMemory), ...schemas.tellsSession } },
      },
    },
    (request, reply) => measured(context, 'store', async () => {
      const { headers, query, body } = request;
      const space = spaceOf({ header: headers['x-memory-space'], query: query.space, body: body.memory_space });
      const memory = memoryFor(request);
      const result = await memory.store(draftOf(body, space), writeOptionsOf(query.ack, headers['idempotency-key']));
      tellSession(reply, memory);
      reply.code(result.outcome === 'stored' ? 201 : 200);
      return storedFields(result, query.include);
    }),
  );

  server.get(
    '/api/v1/memory',
    {
      config: { operation: 'list', errors: ['space_not_found', 'not_primary', 'unavailable', 'copy_behind'] },
      schema: {
        operationId: 'listMemories',
        tags,
        summary: 'List the memories of a space',
        description: 'A bare array in the order of ids; ULIDs are in the order of storing. The header `Link` with `rel="next"` leads to the next page; without it this was the last.',
        headers: Type.Object(schemas.ReadHeaders),
        querystring: schemas.ListQuery,
        response: { 200: Type.Array(ref(schemas.Memory), { description: 'One page of memories.' }) },
      },
    },
    (request, reply) => measured(context, 'list', async () => {
      const { headers, query } = request;
      const { tag, limit = 100, cursor, include } = query;
      const space = spaceOf({ header: headers['x-memory-space'], query: query.space });
      const { memories, next } = await memoryFor(request).list(space, {
        limit,
        embeddings: include === 'embedding',
        ...(tag === undefined ? {} : { tag }),
        ...(cursor === undefined ? {} : { after: parseMemoryId(cursor) }),
      });
      if (next !== undefined) reply.header('link', nextPage({ space, limit, tag, include, cursor: next }));
      return memories.map((memory) => memoryFields(memory, include));
    }),
  );

  server.get(
    '/api/v1/memory/:id',
    {
      config: { operation: 'get', errors: ['space_not_found', 'memory_not_found', 'not_primary', 'unavailable', 'copy_behind'] },
      schema: {
        operationId: 'getMemory',
        tags,
        summary: 'Read a memory',
        headers: Type.Object(schemas.ReadHeaders),
        params: schemas.IdParams,
        querystring: Type.Object({ ...schemas.SpaceQuery, ...schemas.IncludeQuery }, closed),
        response: { 200: ref(schemas.Memory) },
      },
    },
    (request) => measured(context, 'get', async () => {
      const { headers, query, params } = request;
      const space = spaceOf({ header: headers['x-memory-space'], query: query.space });
      return memoryFields(await memoryFor(request).get(space, parseMemoryId(params.id)), query.include);
    }),
  );

  server.delete(
    '/api/v1/memory/:id',
    {
      config: { operation: 'forget', errors: ['space_not_found', 'memory_not_found', 'overloaded', 'disk_full', 'log_failed', 'shutting_down', 'not_primary', 'unavailable', 'deadline_exceeded'] },
      schema: {
        operationId: 'forgetMemory',
        tags,
        summary: 'Forget a memory',
        description: 'For good: the content goes, a tombstone stays, and the id cannot be stored again. Forgetting it again answers the same. The header `X-Engram-Durability` says how safe it is.',
        headers: Type.Object({ ...schemas.SpaceHeader, ...schemas.RoutingHeaders, ...schemas.SessionHeader }),
        params: schemas.IdParams,
        querystring: Type.Object({ ...schemas.SpaceQuery, ...schemas.AckQuery }, closed),
        response: { 204: Type.Null({ description: 'It is forgotten.', ...schemas.tellsSession }) },
      },
    },
    (request, reply) => measured(context, 'forget', async () => {
      const { headers, query, params } = request;
      const space = spaceOf({ header: headers['x-memory-space'], query: query.space });
      const memory = memoryFor(request);
      const { durability } = await memory.forget(space, parseMemoryId(params.id), writeOptionsOf(query.ack, undefined));
      tellSession(reply, memory);
      // An answer without a body says in a header what every answer to a write says.
      reply.code(204).header('x-engram-durability', `requested=${durability.requested}, reached=${durability.reached}, copies=${durability.copies}`);
      return null;
    }),
  );
}

/** Lets a store in, or refuses it before its body is read. It counts as inside until its connection is done with it. */
export function admitted({ admission, limits }: RouteContext): onRequestHookHandler {
  return (request: FastifyRequest, reply: FastifyReply, done) => {
    try {
      reply.raw.once('close', admission.enter(bytesToHold(request, limits.lineBytesMax)));
      done();
    } catch (error) {
      done(error as Error);
    }
  };
}

/** How much of a body will be in memory at once, as far as its headers tell. */
function bytesToHold({ headers, routeOptions }: FastifyRequest, lineBytesMax: number): number {
  // A stream is held one line at a time, however long it is.
  if (headers['content-type']?.startsWith('application/x-ndjson') === true) return lineBytesMax;
  const announced = headers['content-length'];
  if (announced === undefined) return headers['transfer-encoding'] === undefined ? 0 : routeOptions.bodyLimit;
  // A larger body is refused by its own limit, a moment later and with a better message.
  return Math.min(Number(announced), routeOptions.bodyLimit);
}

function nextPage(query: Readonly<Record<string, string | number | undefined>>): string {
  const given = Object.entries(query).flatMap(([key, value]) => (value === undefined ? [] : [[key, String(value)] as [string, string]]));
  return `</api/v1/memory?${new URLSearchParams(given).toString()}>; rel="next"`;
}
