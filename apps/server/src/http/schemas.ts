/**
 * The shapes on the wire, each once: requests are checked against them, answers are written with them, and the OpenAPI
 * document is made of them. What a pattern would say badly (ids, times) is said by the parsers of the kernel instead.
 */
import { ackLevels, memoryLimits, partitionPolicies } from '@engram/memory';
import { sessionHeader } from '@engram/rpc';
import { Type, type Static, type TSchema } from 'typebox';

/** A reference to one of the `sharedSchemas`, typed as what it refers to. */
export function ref<T extends TSchema>(schema: T) {
  const { $id, description } = schema as { $id?: string; description?: string };
  return Type.Unsafe<Static<T>>({ $ref: `${$id}#`, description });
}

const closed = { additionalProperties: false } as const;
export const oneOf = <const T extends readonly string[]>(values: T, description: string) => Type.Unsafe<T[number]>({ type: 'string', enum: [...values], description });

export const Time = (description: string) => Type.String({ format: 'date-time', description: `${description} RFC 3339.` });
const Unit = (description: string, options: object = {}) => Type.Number({ minimum: 0, maximum: 1, description, ...options });
const Tags = (description: string) => Type.Array(Type.String(), { maxItems: memoryLimits.tagsMax, description });
const Embedding = (description: string) => Type.Array(Type.Number(), { minItems: 1, maxItems: memoryLimits.embeddingDimensionsMax, description });
const Metadata = Type.Unsafe<Record<string, never>>({
  type: 'object',
  additionalProperties: true,
  description: `Carried along untouched, not searched. At most ${memoryLimits.metadataBytesMax} bytes, nested at most ${memoryLimits.metadataDepthMax} deep.`,
});
const Space = Type.String({ description: '3 to 64 of `a-z 0-9 _ -`.', examples: ['default'] });
const Id = Type.String({ description: '1 to 128 of `A-Z a-z 0-9 . _ : -`, not starting with a dot.', examples: ['01JBK3T6Z0V5W8Q2M4N6P8R0S2'] });

export const Durability = Type.Object(
  {
    requested: oneOf(ackLevels, 'The level that was asked for.'),
    reached: oneOf(ackLevels, 'The level that was reached when this was answered.'),
    copies: Type.Integer({ minimum: 1, description: 'Nodes on which the write is durable.' }),
  },
  { $id: 'Durability', description: 'How safe a write is. There is no silent downgrade.' },
);

export const MemoryDraft = Type.Object(
  {
    content: Type.String({ minLength: 1, description: 'What to remember. At most 1 MiB of UTF-8.', examples: ['Ada moved to Lisbon in May.'] }),
    memory_space: Type.Optional(Space),
    tags: Type.Optional(Tags('Labels to filter and to associate by, each at most 256 bytes.')),
    confidence: Type.Optional(Unit('How sure the writer is.', { default: 0.7 })),
    embedding: Type.Optional(Embedding('A vector of the content. The first one of a space fixes the dimension of that space.')),
    when: Type.Optional(Time('When it happened; when it is stored, if not given.')),
    metadata: Type.Optional(Metadata),
    id: Type.Optional(Id),
  },
  { $id: 'MemoryDraft', description: 'A memory as a client offers it. Without an id the server makes a ULID.', ...closed },
);

const memoryFields = {
  id: Id,
  memory_space: Space,
  content: Type.String(),
  tags: Type.Array(Type.String()),
  confidence: Unit('How sure the writer was.'),
  when: Time('When it happened.'),
  stored_at: Time('When the node took it in.'),
  metadata: Type.Optional(Metadata),
  embedding: Type.Optional(Type.Array(Type.Number(), { description: 'Only with `include=embedding`.' })),
};

export const Memory = Type.Object(memoryFields, { $id: 'Memory', description: 'A memory as it is kept. It never changes once stored.' });

export const StoredMemory = Type.Object(
  { ...memoryFields, durability: ref(Durability) },
  { $id: 'StoredMemory', description: 'A memory as it was stored, and how safely.' },
);

const ErrorDetail = Type.Object({
  code: Type.String({ description: 'Stable, in snake_case. Decide by this, not by the text.' }),
  message: Type.String({ description: 'What happened, where and why.' }),
  hint: Type.String({ description: 'What to do next.' }),
  retryable: Type.Boolean({ description: 'Whether the same request may succeed later, unchanged.' }),
  retry_after_ms: Type.Optional(Type.Integer({ description: 'When to try again.' })),
  node: Type.Optional(Type.String()),
  space: Type.Optional(Type.String()),
  epoch: Type.Optional(Type.Integer()),
  indeterminate: Type.Optional(Type.Boolean({ description: 'True when the write may still turn out to be durable.' })),
  request_id: Type.String({ description: 'Leads to this request in the log of the server.' }),
});

export const ErrorAnswer = Type.Object({ error: ErrorDetail }, { $id: 'Error', description: 'The one shape of every error.' });

const batchFields = {
  outcome: oneOf(['stored', 'already_stored', 'refused'], 'What became of the item.'),
  id: Type.Optional(Id),
  memory_space: Type.Optional(Space),
  stored_at: Type.Optional(Time('When the node took it in.')),
  durability: Type.Optional(ref(Durability)),
  error: Type.Optional(ErrorDetail),
};

export const BatchResult = Type.Object(
  { index: Type.Integer({ minimum: 0, description: 'Place in the array, from 0.' }), ...batchFields },
  { $id: 'BatchResult', description: 'What became of one item of a batch: `error` when it was refused, the rest when it is stored.' },
);

const SessionToken = (description: string) =>
  Type.String({ description: `A session token. Sent back in the header \`X-Engram-Session\` it makes sure that whichever node answers a read has what was written, or refuses. Text of \`A-Z a-z 0-9 _ -\`; what is in it is the affair of the nodes. ${description} Absent on a node that runs alone.` });

export const LineResult = Type.Object(
  {
    line: Type.Integer({ minimum: 1, description: 'Line of the stream, from 1; empty lines count but have no result.' }),
    ...batchFields,
    session: Type.Optional(SessionToken('Some lines have one, the last among them; it stands for all lines up to there.')),
  },
  { $id: 'LineResult', description: 'What became of one line of an NDJSON batch.' },
);

export const Cue = Type.Object(
  {
    text: Type.Optional(Type.String({ description: 'A question, a sentence or keywords. At most 64 KiB. Text without a word to search by counts as absent beside the other parts of a cue.' })),
    embedding: Type.Optional(Embedding('A vector of the dimension of the spaces asked; exact cosine.')),
    tags: Type.Optional(Tags('Only memories that carry every one of these.')),
    after: Type.Optional(Time('Only memories of this time or later.')),
    before: Type.Optional(Time('Only memories before this time.')),
  },
  { $id: 'Cue', description: 'What a recall starts from: at least one field, and all that are given apply together.', ...closed },
);

const limitOf = (byDefault: number) => Type.Integer({ minimum: 1, maximum: 1000, default: byDefault, description: 'At most this many memories.' });
const MinConfidence = Unit('Leave out memories whose confidence is below this.');
const TimeoutMs = Type.Integer({ minimum: 1, maximum: 300_000, default: 5000, description: 'What is not reached in time is reported as missing.' });

export const RecallBody = Type.Object(
  {
    cue: ref(Cue),
    spaces: Type.Optional(
      Type.Unsafe<readonly string[] | '*'>({
        anyOf: [{ type: 'array', items: { type: 'string' }, minItems: 1, maxItems: 1000 }, { const: '*' }],
        description: 'an array of 1 to 1000 space ids, or "*" for all of them',
      }),
    ),
    limit: Type.Optional(limitOf(10)),
    min_confidence: Type.Optional(MinConfidence),
    timeout_ms: Type.Optional(TimeoutMs),
    consistency: Type.Optional(oneOf(['primary', 'any'], 'Which copies may answer. A single node has one copy.')),
    explain: Type.Optional(Type.Boolean({ description: 'Show the parts of each score.' })),
  },
  { $id: 'RecallRequest', description: 'What to recall, from where and how much of it.', ...closed },
);

export const RecallAnswer = Type.Object(
  {
    memories: Type.Array(
      Type.Object({
        ...memoryFields,
        confidence: Unit('How far to rely on this hit.'),
        stated_confidence: Unit('How sure the writer was.'),
        score: Unit('How well the memory answers the cue.'),
        parts: Type.Optional(Type.Record(Type.String(), Type.Number(), { description: 'What the score is the sum of; only with `explain`.' })),
      }),
      { description: 'By score, then confidence, descending.' },
    ),
    confidence: Unit('That of the best hit, lowered by the penalty.'),
    partial: Type.Boolean({ description: 'Whether something could not be asked.' }),
    missing: Type.Array(
      Type.Object({ partition: Type.Integer(), space: Type.Optional(Type.String()), node: Type.Optional(Type.String()), reason: Type.String() }),
      { description: 'What could not be asked.' },
    ),
    penalty: Unit('By how much the confidence was lowered for what is missing.'),
    took_ms: Type.Number(),
  },
  { $id: 'RecallAnswer', description: 'The memories found, how far to rely on them, and what could not be seen.' },
);

export const SpacePolicy = Type.Object(
  {
    ack: Type.Optional(oneOf(ackLevels, 'How many copies must be durable before a store is answered. A single node has `local` only.')),
    partition_policy: Type.Optional(oneOf(partitionPolicies, 'Kept with the space for later: today only the policy of the whole cluster is acted on (`replication/config`).')),
    ttl: Type.Optional(Type.String({ description: 'How long memories are kept, such as "30d".', examples: ['24h'] })),
  },
  { $id: 'SpacePolicy', description: 'How a space is kept. What is not given is as the node has it.', ...closed },
);

const spaceFields = {
  space: Space,
  memories: Type.Integer(),
  forgotten: Type.Integer({ description: 'Tombstones of forgotten memories.' }),
  bytes: Type.Integer(),
  dimension: Type.Optional(Type.Integer({ description: 'Of its embeddings, once one is stored.' })),
  policy: ref(SpacePolicy),
  primary: Type.String({ description: 'The node that takes its writes.' }),
  replicas: Type.Array(Type.String()),
};
export const SpaceAnswer = Type.Object(spaceFields, { $id: 'Space', description: 'A space: how much is in it, how it is kept, and where.' });
export const SpaceSet = Type.Object({ ...spaceFields, durability: ref(Durability) }, { $id: 'SpaceSet', description: 'A space whose policy was just set.' });

export const SpacesAnswer = Type.Object({ spaces: Type.Array(ref(SpaceAnswer)) }, { $id: 'Spaces', description: 'The spaces of the node.' });

export const clusterHealthFields = {
  cluster: Type.Optional(Type.String({ description: 'Name of the cluster; a node that runs alone has none.' })),
  cluster_id: Type.Optional(Type.String({ description: 'Identity of the cluster that this node belongs to; absent while it belongs to none.' })),
  state: Type.Optional(oneOf(['forming', 'joined'], '`forming`: the node belongs to no cluster yet and takes no writes. A node that runs alone has no state.')),
  waiting_for: Type.Optional(Type.String({ description: 'While forming: what it waits for.' })),
  status: oneOf(['healthy', 'degraded', 'critical'], 'At least 80 % of the nodes alive, at least 50 %, fewer.'),
  total_nodes: Type.Integer({ description: 'Nodes of the roster and members, the node that answers included. One that was decommissioned counts nowhere.' }),
  alive_nodes: Type.Integer(),
  suspect_nodes: Type.Integer(),
  dead_nodes: Type.Integer({ description: 'Dead and left, and nodes of the roster that were not seen since the node that answers started.' }),
};

export const ClusterSummary = Type.Object(clusterHealthFields, { $id: 'ClusterSummary', description: 'How many nodes there are, and how many can be worked with.' });

export const Health = Type.Object(
  {
    status: oneOf(['healthy', 'degraded', 'failed'], '`failed` acknowledges no writes; `degraded` refuses them for now, or takes no part in its cluster although it should.'),
    node: Type.String(),
    version: Type.String(),
    uptime_ms: Type.Integer(),
    reasons: Type.Array(Type.String(), { description: 'Why the node is not healthy.' }),
    cluster: Type.Optional(ref(ClusterSummary)),
  },
  { $id: 'Health', description: 'How the node is, and why.' },
);

export const Readiness = Type.Object({ ready: Type.Boolean(), reasons: Type.Array(Type.String()) }, { $id: 'Readiness', description: 'Whether requests should be sent here, and why not.' });

export const SystemStatus = Type.Object(
  {
    node: Type.String(),
    version: Type.String(),
    status: oneOf(['healthy', 'degraded', 'failed'], 'As in the health report.'),
    reasons: Type.Array(Type.String()),
    started_at: Time('When this process began to serve.'),
    uptime_ms: Type.Integer(),
    memories: Type.Integer(),
    spaces: Type.Integer(),
    data_bytes: Type.Integer({ description: 'Log and store on disk.' }),
    data_directory: Type.String(),
    log: Type.Object({
      state: oneOf(['accepting', 'full', 'failed', 'closed'], 'Whether the write-ahead log takes writes.'),
      reason: Type.Optional(Type.String()),
      first_lsn: Type.Integer(),
      next_lsn: Type.Integer(),
      durable_lsn: Type.Integer(),
      applied_lsn: Type.Integer({ description: 'Visible to reads up to here.' }),
      checkpointed_lsn: Type.Integer({ description: 'Durable in the store up to here.' }),
      segments: Type.Integer(),
      bytes: Type.Integer(),
      queued_bytes: Type.Integer(),
    }),
    peers: Type.Object(
      { alive: Type.Integer(), suspect: Type.Integer(), dead: Type.Integer(), left: Type.Integer() },
      { description: 'Other nodes, by state. A single node has none.' },
    ),
  },
  { $id: 'SystemStatus', description: 'The node at a glance.' },
);

export const sharedSchemas = [
  Durability, MemoryDraft, Memory, StoredMemory, ErrorAnswer, BatchResult, LineResult,
  Cue, RecallBody, RecallAnswer, SpacePolicy, SpaceAnswer, SpaceSet, SpacesAnswer, ClusterSummary, Health, Readiness, SystemStatus,
] as const;

/** Headers and query fields that several routes share. */
export const SpaceHeader = { 'x-memory-space': Type.Optional(Type.String({ description: 'Space of the request; goes before the query and the body.' })) };
/** For every request about a space. */
export const RoutingHeaders = {
  'x-engram-no-forward': Type.Optional(Type.String({ description: 'With `1`, a request that belongs to another node is answered 421 with where it belongs, instead of being passed on.' })),
};
/** For every request that reads or writes memories of a cluster. */
export const SessionHeader = {
  [sessionHeader]: Type.Optional(Type.String({ description: 'The session token that an answer to a write came with, or several joined by commas: a read is answered by a copy that has what they stand for, or refused with `copy_behind`; with a write, the token of its answer stands for all of them.' })),
};
/** What an acknowledged write is answered with, documented beside its answer. */
export const tellsSession = {
  headers: { 'X-Engram-Session': SessionToken('It stands for this write, and for those of the token that the request came with.') },
};
/** For every read of a space. */
export const ReadHeaders = {
  ...SessionHeader,
  ...SpaceHeader,
  ...RoutingHeaders,
  'x-engram-consistency': Type.Optional(Type.String({ description: '`primary` (the default) or `any`: which copies may answer.' })),
};
export const IdempotencyHeader = {
  'idempotency-key': Type.Optional(Type.String({ description: '1 to 255 printable ASCII characters. The same request with the same key within 24 h stores once.' })),
};
export const SpaceQuery = { space: Type.Optional(Type.String({ description: 'Space of the request; `default` when no place names one.' })) };
export const AckQuery = { ack: Type.Optional(oneOf(ackLevels, 'How many copies must be durable before the answer. A single node has `local` only.')) };
export const IncludeQuery = { include: Type.Optional(oneOf(['embedding'], 'Adds the vectors, which are left out otherwise.')) };
export const IdParams = Type.Object({ id: Id });
export const SpaceParams = Type.Object({ space: Space });

export const ListQuery = Type.Object(
  {
    ...SpaceQuery,
    ...IncludeQuery,
    tag: Type.Optional(Type.String({ description: 'Only memories that carry this tag.' })),
    limit: Type.Optional(limitOf(100)),
    cursor: Type.Optional(Type.String({ description: 'Where the next page begins, from the `Link` header of the page before.' })),
  },
  closed,
);

export const RecallQuery = Type.Object(
  {
    ...SpaceQuery,
    ...IncludeQuery,
    explain: Type.Optional(Type.Boolean({ description: 'Show the parts of each score.' })),
    distributed: Type.Optional(Type.Boolean({ description: 'Ask every node. A single node is every node.' })),
  },
  closed,
);

export const RecallGetQuery = Type.Object(
  {
    ...RecallQuery.properties,
    q: Type.Optional(Type.String({ description: 'The text of the cue.' })),
    tag: Type.Optional(Type.Array(Type.String(), { maxItems: memoryLimits.tagsMax, description: 'Only memories that carry every one; repeat the field for several.' })),
    after: Type.Optional(Time('Only memories of this time or later.')),
    before: Type.Optional(Time('Only memories before this time.')),
    spaces: Type.Optional(Type.String({ description: 'Space ids joined by commas, or `*` for all of them.' })),
    limit: Type.Optional(limitOf(10)),
    min_confidence: Type.Optional(MinConfidence),
    timeout_ms: Type.Optional(TimeoutMs),
    consistency: Type.Optional(oneOf(['primary', 'any'], 'Which copies may answer. A single node has one copy.')),
  },
  closed,
);
