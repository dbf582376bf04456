/** A client of a cluster that comes and goes: asks any node, follows those that name another, repeats what is safe to repeat. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Random } from '@engram/kernel';
import { request } from 'undici';
import type { FoundMemory, StoreAttempt } from './check.js';
import type { DrillCluster, DrillNode } from './drill-cluster.js';

export interface PlacedAttempt extends StoreAttempt {
  readonly space: string;
}

interface Answer {
  /** 0 when none came. */
  readonly status: number;
  readonly body: { readonly id?: string; readonly durability?: { readonly requested: string; readonly copies: number }; readonly error?: { readonly code: string; readonly node?: string; readonly indeterminate?: boolean } } | undefined;
  readonly link?: string;
}

interface Asked {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Of three copies. */
const copiesAtLeast: Readonly<Record<string, number>> = { local: 1, replica: 2, quorum: 2, all: 3 };
/** Statuses after which the very same request may succeed. */
const again = new Set([0, 421, 429, 503, 504]);
/** How long nobody asks a node that did not answer. */
const avoidMs = 3_000;
const answerMs = 4_000;

export class DrillClient {
  /** Answers that no client should get: the same request was answered so that it contradicts itself, or with a fault of ours. */
  readonly oddities: string[] = [];
  readonly counts = { unanswered: 0, redirected: 0, repeated: 0, indeterminate: 0 };
  readonly #cluster: DrillCluster;
  readonly #avoidUntil = new Map<string, number>();

  constructor(cluster: DrillCluster) {
    this.#cluster = cluster;
  }

  /** Stores until it is acknowledged or refused, or the time is up. Each carries a key, so that repeating it is safe. */
  async store(attempt: PlacedAttempt, draws: Random, limitMs: number): Promise<void> {
    const { token, content, space, id } = attempt;
    const asked: Asked = { method: 'POST', path: '/api/v1/memory', body: { content, memory_space: space, ...(id === undefined ? {} : { id }) }, headers: { 'idempotency-key': token } };
    const { status, body, first } = await this.#persist(asked, draws, limitMs);
    if (status === 200 || status === 201) {
      this.#acknowledged(attempt, body);
    } else if (!again.has(status)) {
      // Only of a first request does a refusal say that nothing was stored.
      if (first) attempt.outcome = 'fail';
      this.oddities.push(`storing ${token} in ${space} was answered ${status} ${JSON.stringify(body)}`);
    }
  }

  async forget(attempt: PlacedAttempt, draws: Random, limitMs: number): Promise<void> {
    attempt.forgotten = 'info';
    const { status, body, first } = await this.#persist({ method: 'DELETE', path: `/api/v1/memory/${attempt.id}?space=${attempt.space}` }, draws, limitMs);
    if (status === 204) attempt.forgotten = 'ok';
    // What only a primary had that is away now, its successor cannot know of. It has to come back with that primary.
    else if (status === 404 && this.#cluster.ack === 'local') attempt.forgotten = first ? 'fail' : 'info';
    else if (!again.has(status)) this.oddities.push(`forgetting ${attempt.id} in ${attempt.space} was answered ${status} ${JSON.stringify(body)}`);
  }

  /** One try at one node, for a probe. @returns Whether it was stored; if not, what was said instead, and who was named. */
  async tryStore(attempt: PlacedAttempt, node: DrillNode): Promise<{ readonly stored: boolean; readonly said: string; readonly named: DrillNode | undefined }> {
    const { token, content, space } = attempt;
    const { status, body } = await this.#call(node, { method: 'POST', path: '/api/v1/memory', body: { content, memory_space: space }, headers: { 'idempotency-key': token } }, 1_500);
    if (status === 200 || status === 201) {
      this.#acknowledged(attempt, body);
      return { stored: true, said: '', named: undefined };
    }
    return { stored: false, said: `${node.name} answers ${status} ${JSON.stringify(body?.error)}`, named: status === 421 ? this.#cluster.named(body?.error?.node) : undefined };
  }

  /**
   * What a node answers for a space, page by page; undefined when it does not answer for it.
   *
   * @param own Asks for the node's own copy, whoever leads.
   */
  async list(node: DrillNode, space: string, own: boolean): Promise<FoundMemory[] | undefined> {
    const found: FoundMemory[] = [];
    let path: string | undefined = `/api/v1/memory?space=${space}&limit=1000`;
    while (path) {
      const answer: Answer = await this.#call(node, { method: 'GET', path, headers: own ? ownCopy : {} }, 20_000);
      if (answer.status === 404) return found;
      if (answer.status !== 200) return undefined;
      found.push(...(answer.body as unknown as FoundMemory[]));
      path = /<([^>]+)>; rel="next"/.exec(answer.link ?? '')?.[1];
    }
    return found;
  }

  async get(node: DrillNode, space: string, id: string): Promise<{ readonly status: number; readonly content?: string }> {
    const { status, body } = await this.#call(node, { method: 'GET', path: `/api/v1/memory/${id}?space=${space}` }, 20_000);
    return { status, ...(body as { content?: string } | undefined) };
  }

  #acknowledged(attempt: PlacedAttempt, body: Answer['body']): void {
    attempt.id = body!.id!;
    attempt.outcome = 'ok';
    const { requested, copies = 0 } = body!.durability ?? {};
    const { ack } = this.#cluster;
    if (requested !== ack || copies < (copiesAtLeast[ack] ?? 1)) this.oddities.push(`${attempt.token} in ${attempt.space} was acknowledged with ${JSON.stringify(body!.durability)} where ${ack} was asked for`);
  }

  async #persist(asked: Asked, draws: Random, limitMs: number): Promise<Answer & { readonly first: boolean }> {
    const until = performance.now() + limitMs;
    let named: DrillNode | undefined;
    for (let tries = 1; ; tries += 1) {
      const node = named ?? this.#anyNode(draws);
      const answer = await this.#call(node, asked, answerMs);
      const { status, body } = answer;
      if (status === 0) this.#avoidUntil.set(node.name, performance.now() + avoidMs);
      if (body?.error?.indeterminate) this.counts.indeterminate += 1;
      if (!again.has(status) || performance.now() > until) return { ...answer, first: tries === 1 };
      named = status === 421 && named === undefined ? this.#cluster.named(body?.error?.node) : undefined;
      if (named) this.counts.redirected += 1;
      else {
        this.counts.repeated += 1;
        await pause(draws.float() * Math.min(1_000, 50 * 2 ** Math.min(tries, 5)));
      }
    }
  }

  #anyNode(draws: Random): DrillNode {
    const { nodes } = this.#cluster;
    const now = performance.now();
    const hopeful = nodes.filter(({ name }) => (this.#avoidUntil.get(name) ?? 0) < now);
    return draws.pick(hopeful.length > 0 ? hopeful : nodes);
  }

  async #call({ process }: DrillNode, { method, path, body, headers = {} }: Asked, limitMs: number): Promise<Answer> {
    try {
      const answer = await request(`${process.url}${path}`, {
        method,
        dispatcher: this.#cluster.agent,
        signal: AbortSignal.timeout(limitMs),
        headers: body === undefined ? headers : { ...headers, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await answer.body.text();
      const { link } = answer.headers;
      return { status: answer.statusCode, body: text === '' ? undefined : (JSON.parse(text) as Answer['body']), ...(typeof link === 'string' ? { link } : {}) };
    } catch {
      this.counts.unanswered += 1;
      return { status: 0, body: undefined };
    }
  }
}

const ownCopy = { 'x-engram-no-forward': '1', 'x-engram-consistency': 'any' };
