import { parseSpaceId } from '@engram/kernel';
import { Type } from 'typebox';
import type { HttpServer, RouteContext } from '../context.js';
import * as schemas from '../schemas.js';
import { tellSession } from '../session.js';
import { policyOf, spaceFields } from '../wire.js';
import { measured } from './measured.js';

const { ref } = schemas;
const tags = ['Spaces'];

export function spaceRoutes(server: HttpServer, context: RouteContext): void {
  const { engine, memoryFor } = context;
  server.get(
    '/api/v1/spaces',
    {
      config: { operation: 'spaces' },
      schema: { operationId: 'listSpaces', tags, summary: 'List the spaces', response: { 200: ref(schemas.SpacesAnswer) } },
    },
    (request) => measured(context, 'spaces', async () => ({ spaces: (await memoryFor(request).spaces()).map((summary) => spaceFields(summary, engine.nodeId)) })),
  );

  server.get(
    '/api/v1/spaces/:space',
    {
      config: { operation: 'spaces', errors: ['space_not_found', 'not_primary', 'unavailable', 'copy_behind'] },
      schema: { operationId: 'getSpace', tags, summary: 'Describe a space', headers: Type.Object({ ...schemas.SessionHeader }), params: schemas.SpaceParams, response: { 200: ref(schemas.SpaceAnswer) } },
    },
    (request) => measured(context, 'spaces', async () => spaceFields(await memoryFor(request).space(parseSpaceId(request.params.space)), engine.nodeId)),
  );

  server.put(
    '/api/v1/spaces/:space',
    {
      config: { operation: 'set_space_policy', errors: ['payload_too_large', 'unsupported_media_type', 'capacity_exhausted', 'overloaded', 'disk_full', 'log_failed', 'shutting_down', 'not_primary', 'unavailable', 'deadline_exceeded'] },
      schema: {
        operationId: 'setSpacePolicy',
        tags,
        summary: 'Set the policy of a space',
        description: 'Replaces the whole policy, and makes the space when it is new.',
        params: schemas.SpaceParams,
        body: ref(schemas.SpacePolicy),
        response: { 200: { ...ref(schemas.SpaceSet), ...schemas.tellsSession } },
      },
    },
    (request, reply) =>
      measured(context, 'set_space_policy', async () => {
        const memory = memoryFor(request);
        const { summary, durability } = await memory.setSpacePolicy(parseSpaceId(request.params.space), policyOf(request.body));
        tellSession(reply, memory);
        return { ...spaceFields(summary, engine.nodeId), durability };
      }),
  );
}
