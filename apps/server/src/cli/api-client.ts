/**
 * The HTTP interface of a node, typed. Every method rejects with an EngramError: the one the server gave,
 * `unavailable` when nothing answers, `deadline_exceeded` when the time is up. What was written through a client is seen
 * by all that it reads afterwards, whichever node of a cluster answers.
 */
import { EngramError, errorCodes, type ErrorCode } from '@engram/kernel';
import { sessionHeader, SessionKeeper } from '@engram/rpc';
import { Pool, type Dispatcher } from 'undici';
import type { BatchLine, ClusterHealth, ClusterInitialized, ClusterMembers, DiscoveryHealth, Draft, ListPage, RecallAnswer, RecallRequest, SpaceSummary, StoredMemory, SystemStatus, WireError } from './wire-types.js';

export interface ApiClientOptions {
  /** Where the node answers, with an optional path in front of `/api`. */
  readonly url: string;
  /** How long one request may take, in milliseconds. @default 30000 */
  readonly timeoutMs?: number;
  /** Gives up what is under way, rejecting with the reason of the signal. */
  readonly signal?: AbortSignal;
}

/** The largest answer that is taken into memory. A page of the longest memories is smaller. */
const answerBytesMax = 512 * 1_048_576;

export class ApiClient {
  readonly url: string;
  readonly #pool: Pool;
  readonly #basePath: string;
  readonly #timeoutMs: number;
  readonly #signal: AbortSignal | undefined;
  readonly #session = new SessionKeeper();

  /** @throws EngramError `invalid_argument` when the URL is none of HTTP. */
  constructor({ url, timeoutMs = 30_000, signal }: ApiClientOptions) {
    const parsed = URL.canParse(url) ? new URL(url) : undefined;
    if (parsed === undefined || !['http:', 'https:'].includes(parsed.protocol)) {
      throw new EngramError('invalid_argument', `${JSON.stringify(url)} is not the URL of a node`, { hint: 'Write it like http://127.0.0.1:7432, in --url or ENGRAM_URL.' });
    }
    this.url = parsed.origin;
    this.#basePath = parsed.pathname.replace(/\/+$/, '');
    this.#timeoutMs = timeoutMs;
    this.#signal = signal;
    this.#pool = new Pool(parsed.origin, { connections: 4, connect: { timeout: timeoutMs }, headersTimeout: timeoutMs, bodyTimeout: timeoutMs });
  }

  status(): Promise<SystemStatus> {
    return this.#json('GET', '/api/v1/system/status');
  }

  members(): Promise<ClusterMembers> {
    return this.#json('GET', '/api/v1/cluster/members');
  }

  store(draft: Draft, options: { readonly idempotencyKey?: string | undefined } = {}): Promise<StoredMemory> {
    const key = options.idempotencyKey;
    return this.#json('POST', '/api/v1/memory', { body: draft, ...(key === undefined ? {} : { headers: { 'idempotency-key': key } }) });
  }

  /** Stores one draft per line. The answer has one result per line; `line` counts from 1. */
  async storeLines(lines: readonly string[]): Promise<BatchLine[]> {
    const { text } = await this.#request('POST', '/api/v1/memory/batch', { body: `${lines.join('\n')}\n`, headers: { 'content-type': 'application/x-ndjson' } });
    const results = text.split('\n').filter((line) => line !== '').map((line) => parseJson(line, this.url) as BatchLine);
    if (results.length !== lines.length) {
      throw new EngramError('unavailable', `${this.url} answered ${results.length} of ${lines.length} lines, then stopped`, { hint: 'Import again: lines that are stored already are recognised.' });
    }
    this.#session.wrote(results.at(-1)?.session);
    return results;
  }

  recall(request: RecallRequest, options: { readonly explain?: boolean } = {}): Promise<RecallAnswer> {
    return this.#json('POST', `/api/v1/recall${query({ explain: options.explain === true ? 'true' : undefined })}`, { body: request });
  }

  /** One page of a space, in the order of ids. `next` is absent on the last. */
  async list(options: { readonly space?: string | undefined; readonly tag?: string | undefined; readonly limit?: number | undefined; readonly cursor?: string | undefined; readonly embedding?: boolean }): Promise<ListPage> {
    const { space, tag, limit, cursor, embedding } = options;
    const path = `/api/v1/memory${query({ space, tag, limit: limit?.toString(), cursor, include: embedding === true ? 'embedding' : undefined })}`;
    const { text, link } = await this.#request('GET', path);
    const next = nextCursor(link);
    return { memories: parseJson(text, this.url) as ListPage['memories'], ...(next === undefined ? {} : { next }) };
  }

  async forget(id: string, space?: string): Promise<void> {
    await this.#request('DELETE', `/api/v1/memory/${encodeURIComponent(id)}${query({ space })}`);
  }

  async spaces(): Promise<SpaceSummary[]> {
    return (await this.#json<{ spaces: SpaceSummary[] }>('GET', '/api/v1/spaces')).spaces;
  }

  initializeCluster(): Promise<ClusterInitialized> {
    return this.#json('POST', '/api/v1/cluster/initialize');
  }

  clusterHealth(): Promise<ClusterHealth> {
    return this.#json('GET', '/api/v1/cluster/health');
  }

  discoveryHealth(): Promise<DiscoveryHealth> {
    return this.#json('GET', '/api/v1/cluster/discovery/health');
  }

  /** `path` is what follows `/api/v1/cluster/`. */
  getCluster<T>(path: string): Promise<T> {
    return this.#json('GET', `/api/v1/cluster/${path}`);
  }

  postCluster<T>(path: string, body?: object): Promise<T> {
    return this.#json('POST', `/api/v1/cluster/${path}`, body === undefined ? {} : { body });
  }

  /** Ends what is under way and lets go of the connections. */
  async close(): Promise<void> {
    await this.#pool.destroy();
  }

  async #json<T>(method: Dispatcher.HttpMethod, path: string, options: { body?: object; headers?: Record<string, string> } = {}): Promise<T> {
    const { body, headers } = options;
    const sent = body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers } };
    return parseJson((await this.#request(method, path, sent)).text, this.url) as T;
  }

  async #request(method: Dispatcher.HttpMethod, path: string, options: { body?: string; headers?: Record<string, string> } = {}): Promise<{ text: string; link: string | undefined }> {
    const timeout = AbortSignal.timeout(this.#timeoutMs);
    const signal = this.#signal === undefined ? timeout : AbortSignal.any([timeout, this.#signal]);
    const { token } = this.#session;
    const sent = { ...options.headers, ...(token === undefined ? {} : { [sessionHeader]: token }) };
    try {
      const { statusCode, headers, body } = await this.#pool.request({ method, path: this.#basePath + path, signal, headersTimeout: this.#timeoutMs, ...options, headers: sent });
      const written = headers[sessionHeader];
      if (typeof written === 'string') this.#session.wrote(written);
      const text = await readText(body);
      if (statusCode >= 400) throw errorOf(statusCode, text, headers['retry-after'], this.url);
      return { text, link: typeof headers['link'] === 'string' ? headers['link'] : undefined };
    } catch (error) {
      this.#signal?.throwIfAborted();
      throw error instanceof EngramError ? error : this.#transportError(error, timeout.aborted);
    }
  }

  #transportError(error: unknown, timedOut: boolean): EngramError {
    const code = (error as { code?: string }).code ?? '';
    if (timedOut || /TIMEOUT/.test(code)) {
      return new EngramError('deadline_exceeded', `${this.url} did not answer within ${this.#timeoutMs} ms`, { hint: 'Allow it more with --timeout. A write may have happened all the same: repeat it with the same id or idempotency key.', cause: error });
    }
    const reason = code === 'ECONNREFUSED' ? 'nothing listens there' : code === 'ENOTFOUND' ? 'the host name is unknown' : (error as Error).message;
    return new EngramError('unavailable', `no node answers at ${this.url}: ${reason}`, { hint: 'Start one with `engram start`, or name another with --url or ENGRAM_URL.', cause: error });
  }
}

async function readText(body: Dispatcher.ResponseData['body']): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > answerBytesMax) throw new EngramError('payload_too_large', `the answer is larger than ${answerBytesMax} bytes`, { hint: 'Ask for fewer memories at once.' });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The one error shape, turned back into what the server threw. Whatever is not that shape did not come from a node. */
function errorOf(statusCode: number, text: string, retryAfter: string | string[] | undefined, url: string): EngramError {
  const wire = wireErrorIn(text);
  if (wire === undefined) {
    const code: ErrorCode = statusCode === 429 ? 'overloaded' : statusCode >= 502 && statusCode <= 504 ? 'unavailable' : 'internal';
    return new EngramError(code, `${url} answered ${statusCode} in a way no Engram node does`, { hint: 'Check that the URL is that of a node and that no proxy in between answers for it.', details: { statusCode } });
  }
  const code: ErrorCode = isErrorCode(wire.code) ? wire.code : 'internal';
  const retryAfterMs = wire.retry_after_ms ?? (typeof retryAfter === 'string' && /^\d{1,6}$/.test(retryAfter) ? Number(retryAfter) * 1_000 : undefined);
  return new EngramError(code, wire.message, {
    hint: wire.hint ?? errorCodes[code].hint,
    details: {
      statusCode,
      ...(code === wire.code ? {} : { serverCode: wire.code }),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      ...(wire.request_id === undefined ? {} : { requestId: wire.request_id }),
      ...(wire.node === undefined ? {} : { node: wire.node }),
      ...(wire.space === undefined ? {} : { space: wire.space }),
      ...(wire.indeterminate === true ? { indeterminate: true } : {}),
    },
  });
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorCodes, code);
}

function wireErrorIn(text: string): WireError | undefined {
  try {
    const error = (JSON.parse(text) as { error?: Partial<WireError> } | null)?.error;
    return typeof error?.code === 'string' && typeof error.message === 'string' ? (error as WireError) : undefined;
  } catch {
    return undefined;
  }
}

function parseJson(text: string, url: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new EngramError('internal', `${url} answered something that is not JSON`, { hint: 'Check that the URL is that of an Engram node.', cause: error });
  }
}

/** The cursor in `Link: </api/v1/memory?cursor=…>; rel="next"`. */
function nextCursor(link: string | undefined): string | undefined {
  const target = link === undefined ? undefined : /<([^>]*)>\s*;[^,]*\brel="?next"?/.exec(link)?.[1];
  return target === undefined ? undefined : (new URL(target, 'http://node').searchParams.get('cursor') ?? undefined);
}

function query(fields: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(fields).filter((field): field is [string, string] => field[1] !== undefined);
  return given.length === 0 ? '' : `?${new URLSearchParams(given).toString()}`;
}
