/** What gRPC has no method for: spaces and their policies, asked of another node over HTTP. */
import { EngramError, parseDuration, parseSpaceId, type NodeId, type SpaceId } from '@engram/kernel';
import type { SpacePolicy, SpaceSummary } from '@engram/memory';
import { detailToError, sessionHeader } from '@engram/rpc';
import type { Durability } from '../engine/index.js';
import type { HttpForwarder } from '../peers/index.js';

export interface SpaceRequest {
  /** Headers of the client that mean something to the other node. */
  readonly headers: Readonly<Record<string, string>>;
  readonly deadlineMs: number;
  readonly signal?: AbortSignal;
  /** Told the session token that the answer to a write came with. */
  readonly onSession?: (token: string) => void;
}

/** No answer about one space is larger. */
const answerBytesMax = 65_536;

/** The fields of `GET` and `PUT /api/v1/spaces/{space}` that are read here. */
interface SpaceFields {
  readonly space: string;
  readonly memories: number;
  readonly forgotten: number;
  readonly bytes: number;
  readonly dimension?: number;
  readonly policy: { readonly ack?: SpacePolicy['ack']; readonly partition_policy?: SpacePolicy['partitionPolicy']; readonly ttl?: string };
}

interface ErrorFields {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly retryable: boolean;
  readonly retry_after_ms?: number;
  readonly node?: string;
  readonly space?: string;
  readonly epoch?: number;
  readonly indeterminate?: boolean;
  readonly request_id?: string;
}

/** @throws EngramError as the other node, or as the forwarder. */
export async function askForSpace(http: HttpForwarder, node: NodeId, space: SpaceId, request: SpaceRequest): Promise<SpaceSummary> {
  return summaryOf((await ask(http, node, 'GET', space, undefined, request)) as SpaceFields);
}

/** @throws EngramError as the other node, or as the forwarder. */
export async function askToSetPolicy(http: HttpForwarder, node: NodeId, space: SpaceId, policy: SpacePolicy, request: SpaceRequest): Promise<{ readonly summary: SpaceSummary; readonly durability: Durability }> {
  const { ack, partitionPolicy, ttlMs } = policy;
  const body = { ack, partition_policy: partitionPolicy, ...(ttlMs === undefined ? {} : { ttl: `${ttlMs}ms` }) };
  const fields = (await ask(http, node, 'PUT', space, body, request)) as SpaceFields & { readonly durability: Durability };
  return { summary: summaryOf(fields), durability: fields.durability };
}

async function ask(http: HttpForwarder, node: NodeId, method: string, space: SpaceId, body: object | undefined, { headers, deadlineMs, signal, onSession }: SpaceRequest): Promise<unknown> {
  const answer = await http.forward(node, {
    method,
    path: `/api/v1/spaces/${space}`,
    headers: { ...headers, accept: 'application/json', ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: Buffer.from(JSON.stringify(body)) }),
    deadlineMs,
    // A policy is replaced as a whole, so setting it twice is setting it once.
    idempotent: true,
    ...(signal === undefined ? {} : { signal }),
  });
  const token = answer.headers[sessionHeader];
  if (typeof token === 'string') onSession?.(token);
  const fields = parsed(await whole(answer.body, node, answer.status));
  if (answer.status === 200 && fields !== undefined) return fields;
  const { error } = (fields ?? {}) as { readonly error?: ErrorFields };
  if (error === undefined) throw unreadable(node, answer.status);
  throw detailToError({
    code: error.code,
    message: error.message,
    hint: error.hint,
    retryable: error.retryable,
    retryAfterMs: error.retry_after_ms,
    node: error.node,
    space: error.space,
    epoch: error.epoch === undefined ? undefined : BigInt(error.epoch),
    requestId: error.request_id ?? '',
    indeterminate: error.indeterminate ?? false,
  });
}

async function whole(body: AsyncIterable<Buffer>, node: NodeId, status: number): Promise<Buffer> {
  let bytes = 0;
  const parts: Buffer[] = [];
  try {
    for await (const part of body) {
      bytes += part.byteLength;
      if (bytes > answerBytesMax) break;
      parts.push(part);
    }
  } catch (cause) {
    throw new EngramError('unavailable', `${node} went away in the middle of its answer.`, { cause, details: { node } });
  }
  if (bytes > answerBytesMax) throw unreadable(node, status);
  return Buffer.concat(parts);
}

function summaryOf({ space, memories, forgotten, bytes, dimension, policy: { ack, partition_policy: partitionPolicy, ttl } }: SpaceFields): SpaceSummary {
  return {
    space: parseSpaceId(space),
    memories,
    forgotten,
    bytes,
    ...(dimension === undefined ? {} : { dimension }),
    policy: { ...(ack === undefined ? {} : { ack }), ...(partitionPolicy === undefined ? {} : { partitionPolicy }), ...(ttl === undefined ? {} : { ttlMs: parseDuration(ttl) }) },
  };
}

function parsed(bytes: Buffer): object | undefined {
  try {
    const value: unknown = JSON.parse(bytes.toString());
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

function unreadable(node: NodeId, status: number): EngramError {
  return new EngramError('unavailable', `${node} answered with status ${status} and something that is no answer of a node.`, {
    hint: 'Check that the address which the node advertises leads to it and not to a proxy.',
    details: { node },
  });
}
