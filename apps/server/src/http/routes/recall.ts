import { parseSpaceId, type SpaceId } from '@engram/kernel';
import { Type, type Static } from 'typebox';
import type { Consistency } from '../../routing/index.js';
import type { HttpServer, RouteContext } from '../context.js';
import * as schemas from '../schemas.js';
import { cueOf, recallFields, spaceOf } from '../wire.js';
import { measured } from './measured.js';

type RecallBody = Static<typeof schemas.RecallBody>;
type Tuning = Pick<RecallBody, 'limit' | 'min_confidence' | 'timeout_ms' | 'consistency'>;

const { ref } = schemas;
const tags = ['Recall'];
const description =
  'Ranks by words, by vectors when both sides have them, and by what is near the hits in time, tags and names. Answers with a confidence, and says what it could not see. Memories that are together larger than 64 MiB are refused with `payload_too_large`: ask with a lower `limit`.';

export function recallRoutes(server: HttpServer, context: RouteContext): void {
  const { memoryFor } = context;
  server.post(
    '/api/v1/recall',
    {
      config: { operation: 'recall', errors: ['payload_too_large', 'unsupported_media_type', 'space_not_found', 'embedding_dimension_mismatch', 'not_primary', 'unavailable', 'copy_behind'] },
      schema: {
        operationId: 'recall',
        tags,
        summary: 'Recall memories from a cue',
        description,
        headers: Type.Object(schemas.ReadHeaders),
        querystring: schemas.RecallQuery,
        body: ref(schemas.RecallBody),
        response: { 200: ref(schemas.RecallAnswer) },
      },
    },
    (request) => measured(context, 'recall', async () => {
      const { headers, query, body } = request;
      // `spaces` asks about several at once, which no other place can say; without it the usual order decides.
      const spaces = body.spaces === undefined ? [spaceOf({ header: headers['x-memory-space'], query: query.space })] : spacesOf(body.spaces);
      const answer = await memoryFor(request).recall({ spaces, cue: cueOf(body.cue), explain: query.explain ?? body.explain ?? false, embeddings: query.include === 'embedding', ...tuning(body) });
      return recallFields(answer, query.include);
    }),
  );

  server.get(
    '/api/v1/recall',
    {
      config: { operation: 'recall', errors: ['payload_too_large', 'space_not_found', 'embedding_dimension_mismatch', 'not_primary', 'unavailable', 'copy_behind'] },
      schema: {
        operationId: 'recallByQuery',
        tags,
        summary: 'Recall memories from a cue in the query',
        description,
        headers: Type.Object(schemas.ReadHeaders),
        querystring: schemas.RecallGetQuery,
        response: { 200: ref(schemas.RecallAnswer) },
      },
    },
    (request) => measured(context, 'recall', async () => {
      const { headers, query } = request;
      const { q, tag, after, before, explain = false, include } = query;
      const spaces =
        query.spaces === undefined
          ? [spaceOf({ header: headers['x-memory-space'], query: query.space })]
          : spacesOf(query.spaces === '*' ? '*' : query.spaces.split(','));
      const cue = cueOf({
        ...(q === undefined ? {} : { text: q }),
        ...(tag === undefined ? {} : { tags: tag }),
        ...(after === undefined ? {} : { after }),
        ...(before === undefined ? {} : { before }),
      });
      return recallFields(await memoryFor(request).recall({ spaces, cue, explain, embeddings: include === 'embedding', ...tuning(query) }), include);
    }),
  );
}

function spacesOf(spaces: readonly string[] | '*'): readonly SpaceId[] | '*' {
  return spaces === '*' ? '*' : spaces.map((space) => parseSpaceId(space));
}

function tuning({ limit = 10, min_confidence, timeout_ms, consistency }: Tuning): { limit: number; minConfidence?: number; timeoutMs?: number; consistency?: Consistency } {
  return {
    limit,
    ...(min_confidence === undefined ? {} : { minConfidence: min_confidence }),
    ...(timeout_ms === undefined ? {} : { timeoutMs: timeout_ms }),
    ...(consistency === undefined ? {} : { consistency }),
  };
}
