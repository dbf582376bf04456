import type { AddressInfo } from 'node:net';
import { parseNodeId } from '@engram/kernel';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { FakeMembership } from '../../test/fake-membership.js';
import { FakePlacement } from '../../test/fake-placement.js';
import { httpNode, type HttpNode } from '../../test/http-node.js';

// Real sockets on a machine that may be busy: what is waited for comes soon, and nobody minds when it does not.
vi.setConfig({ testTimeout: 60_000, expect: { poll: { timeout: 20_000 } } });

const wireNode = (id: string, state: string) => ({
  id, state, self: id === 'node-1', address: `${id}:7946`, http: `${id}:7432`, grpc: `${id}:50051`, version: '1.2.3', epoch: 7, incarnation: 2, changed_at: '2024-05-01T09:00:00.000Z',
});

async function get(node: HttpNode, url: string): Promise<{ status: number; body: unknown }> {
  const { statusCode, body } = await node.server.inject(url);
  return { status: statusCode, body: JSON.parse(body) as unknown };
}

describe('a node of a cluster', () => {
  let membership: FakeMembership;
  let placement: FakePlacement;
  let node: HttpNode;
  beforeAll(async () => {
    membership = new FakeMembership();
    placement = new FakePlacement();
    node = await httpNode({}, { membership, placement });
  });
  afterAll(() => node.close());
  beforeEach(() => void (membership.peers = { 'node-2': 'alive', 'node-3': 'suspect', 'node-4': 'dead', 'node-5': 'left' }));

  const all = [wireNode('node-1', 'alive'), wireNode('node-2', 'alive'), wireNode('node-3', 'suspect'), wireNode('node-4', 'dead'), wireNode('node-5', 'left')];

  test.each(['/api/v1/cluster/members', '/cluster/members'])('lists its members at %s, itself first', async (url) => {
    expect(await get(node, url)).toEqual({ status: 200, body: { mode: 'distributed', cluster: 'test', members: all } });
  });

  test.each(['/api/v1/cluster/nodes', '/cluster/nodes'])('lists its nodes as a bare array at %s', async (url) => {
    expect(await get(node, url)).toEqual({ status: 200, body: all });
  });

  test.each(['/api/v1/cluster/health', '/cluster/health'])('says how the cluster is at %s, itself counted, dead and left together', async (url) => {
    const health = { mode: 'distributed', cluster: 'test', cluster_id: 'the-cluster', state: 'joined', status: 'critical', total_nodes: 5, alive_nodes: 2, suspect_nodes: 1, dead_nodes: 2 };
    expect(await get(node, url)).toEqual({ status: 200, body: { ...health, nodes: all } });
  });

  test('describes one node, and says what to do when there is none of the id', async () => {
    expect(await get(node, '/api/v1/cluster/nodes/node-4')).toEqual({ status: 200, body: { ...wireNode('node-4', 'dead'), primary_spaces: [] } });
    expect(await get(node, '/api/v1/cluster/nodes/node-1')).toMatchObject({ status: 200, body: { roster: 'active', primaries: 1024, copies: 1024, primary_spaces: ['default'] } });
    expect(await get(node, '/api/v1/cluster/nodes/node-9')).toMatchObject({ status: 404, body: { error: { code: 'node_not_found', node: 'node-9', retryable: false } } });
    expect(await get(node, '/api/v1/cluster/nodes/..%2Fx')).toMatchObject({ status: 400, body: { error: { code: 'invalid_argument' } } });
  });

  test('counts peers in its status, and stays healthy itself when they are not', async () => {
    expect(await get(node, '/api/v1/system/status')).toMatchObject({ body: { status: 'healthy', peers: { alive: 1, suspect: 1, dead: 1, left: 1 } } });
    for (const url of ['/health', '/api/v1/system/health']) {
      expect(await get(node, url)).toMatchObject({
        status: 200,
        body: { status: 'healthy', reasons: [], cluster: { cluster: 'test', status: 'critical', total_nodes: 5, alive_nodes: 2, suspect_nodes: 1, dead_nodes: 2 } },
      });
    }
  });

  test('counts nowhere what was removed from the cluster, whatever state its process is in', async () => {
    membership.gone = new Set(['node-2', 'node-4'].map(parseNodeId));
    try {
      const totals = { total_nodes: 3, alive_nodes: 1, suspect_nodes: 1, dead_nodes: 1 };
      expect(await get(node, '/api/v1/cluster/health')).toMatchObject({ body: totals });
      expect(await get(node, '/health')).toMatchObject({ body: { cluster: totals } });
      expect(await get(node, '/api/v1/system/status')).toMatchObject({ body: { peers: { alive: 0, suspect: 1, dead: 0, left: 1 } } });
    } finally {
      membership.gone = new Set();
    }
  });

  test.each(['/api/v1/cluster/initialize', '/cluster/initialize'])('that belongs to no cluster yet is not ready and says why, until %s forms one', async (url) => {
    membership.formed = { state: 'forming', reason: 'waiting for a cluster' };
    expect(await get(node, '/readyz')).toEqual({ status: 503, body: { ready: false, reasons: ['the node belongs to no cluster yet: waiting for a cluster'] } });
    expect(await get(node, '/health')).toMatchObject({ status: 200, body: { status: 'degraded', reasons: ['the node belongs to no cluster yet: waiting for a cluster'] } });
    expect(await get(node, '/cluster/health')).toMatchObject({ body: { state: 'forming', waiting_for: 'waiting for a cluster' } });
    const formed = { cluster: 'test', cluster_id: 'formed-by-hand', created: true };
    expect((await node.server.inject({ method: 'POST', url })).json()).toEqual(formed);
    expect((await node.server.inject({ method: 'POST', url })).json()).toEqual({ ...formed, created: false });
    expect(await get(node, '/readyz')).toMatchObject({ status: 200 });
  });

  test('that belongs to a cluster is not ready before it knows the map, and says why', async () => {
    const known = placement.known;
    placement.known = undefined;
    const reasons = [expect.stringContaining('does not know yet who holds what')];
    expect(await get(node, '/readyz')).toEqual({ status: 503, body: { ready: false, reasons } });
    for (const url of ['/health', '/api/v1/system/health', '/api/v1/system/status']) expect(await get(node, url)).toMatchObject({ status: 200, body: { status: 'degraded', reasons } });
    placement.known = known;
    expect(await get(node, '/readyz')).toEqual({ status: 200, body: { ready: true, reasons: [] } });
    expect(await get(node, '/health')).toMatchObject({ body: { status: 'healthy', reasons: [] } });
  });

  test('whose replication has stopped is not ready, and says why', async () => {
    placement.failure = 'replication stopped because of a defect';
    try {
      const told = { reasons: ['replication stopped because of a defect'] };
      expect(await get(node, '/readyz')).toMatchObject({ status: 503, body: told });
      expect(await get(node, '/health')).toMatchObject({ status: 200, body: { ...told, status: 'degraded' } });
    } finally {
      placement.failure = undefined;
    }
  });

  test('that was decommissioned is not ready any more, and says what can be done with it', async () => {
    placement.isRemoved = true;
    try {
      expect(await get(node, '/readyz')).toEqual({ status: 503, body: { ready: false, reasons: [expect.stringContaining('was decommissioned')] } });
    } finally {
      placement.isRemoved = false;
    }
  });

  test.each([{ name: 'orders' }, [], 1, null])('forms no cluster when the body %j asks for something that would not happen', async (payload) => {
    membership.formed = { state: 'forming', reason: 'waiting for a cluster' };
    const answer = await node.server.inject({ method: 'POST', url: '/cluster/initialize', headers: { 'content-type': 'application/json' }, payload: JSON.stringify(payload) });
    expect(answer).toMatchObject({ statusCode: 400 });
    expect(answer.json()).toMatchObject({ error: { code: 'invalid_argument', hint: expect.stringContaining('cluster.name') as string } });
    expect(membership.formed).toMatchObject({ state: 'forming' });
  });

  test('forms one when the body is the empty object that some clients always send', async () => {
    membership.formed = { state: 'forming', reason: 'waiting for a cluster' };
    expect((await node.server.inject({ method: 'POST', url: '/cluster/initialize', headers: { 'content-type': 'application/json' }, payload: '{}' })).json()).toMatchObject({ created: true });
  });

  test('is not made to form a cluster by a page of another site', async () => {
    const answer = await node.server.inject({ method: 'POST', url: '/api/v1/cluster/initialize', headers: { origin: 'https://elsewhere.example' } });
    expect(answer).toMatchObject({ statusCode: 400 });
  });

  test.each(['/api/v1/cluster/discovery/health', '/cluster/discovery/health'])('says at %s which sources name peers and which fail', async (url) => {
    membership.discovered = {
      endpoints: 3,
      complete: true,
      sources: [
        { source: 'static', state: 'ok', total: 3, reachable: 2, watching: false, registered: false, lastRefreshAtMs: Date.parse('2024-05-01T09:00:00Z'), nextRefreshAtMs: Date.parse('2024-05-01T09:00:30Z'), consecutiveFailures: 0, notes: [] },
        { source: 'dns', state: 'failing', total: 0, watching: false, registered: false, lastError: 'dns: no answer', consecutiveFailures: 2, notes: ['odd'] },
      ],
    };
    expect(await get(node, url)).toEqual({
      status: 200,
      body: {
        status: 'degraded', endpoints: 3, complete: true,
        sources: [
          { source: 'static', state: 'ok', total: 3, reachable: 2, watching: false, registered: false, last_refresh: '2024-05-01T09:00:00.000Z', next_refresh: '2024-05-01T09:00:30.000Z', consecutive_failures: 0, notes: [] },
          { source: 'dns', state: 'failing', total: 0, reachable: 0, watching: false, registered: false, last_error: 'dns: no answer', consecutive_failures: 2, notes: ['odd'] },
        ],
      },
    });
  });

  test('that takes no part any more is degraded and says why', async () => {
    membership.troubled = 'another process runs as node-1';
    try {
      const told = { status: 'degraded', reasons: ['another process runs as node-1'] };
      expect(await get(node, '/health')).toMatchObject({ status: 200, body: told });
      expect(await get(node, '/api/v1/system/status')).toMatchObject({ body: told });
    } finally {
      membership.troubled = undefined;
    }
  });
});

describe('a node that runs alone', () => {
  let node: HttpNode;
  beforeAll(async () => void (node = await httpNode()));
  afterAll(() => node.close());

  const self = { id: 'node-1', state: 'alive', self: true, epoch: 1, incarnation: 0, changed_at: expect.any(String) as string };

  test('is a healthy cluster of itself', async () => {
    expect(await get(node, '/cluster/members')).toEqual({ status: 200, body: { mode: 'single', members: [self] } });
    expect(await get(node, '/cluster/nodes')).toEqual({ status: 200, body: [self] });
    expect(await get(node, '/api/v1/cluster/nodes/node-1')).toEqual({ status: 200, body: { ...self, primary_spaces: ['default'] } });
    expect(await get(node, '/cluster/health')).toEqual({
      status: 200,
      body: { mode: 'single', status: 'healthy', total_nodes: 1, alive_nodes: 1, suspect_nodes: 0, dead_nodes: 0, nodes: [self] },
    });
  });

  test('has no events, and says so', async () => {
    expect(await get(node, '/api/v1/cluster/events')).toMatchObject({
      status: 400,
      body: { error: { code: 'invalid_argument', message: expect.stringContaining('runs alone') as string, hint: expect.stringContaining('cluster.enabled') as string } },
    });
  });
});

interface SentEvent {
  readonly id: string | undefined;
  readonly event: string | undefined;
  readonly data: { type?: string; members?: unknown[]; node?: { id: string } };
}

/** Follows the events of a node until it is let go. */
class Follower {
  readonly #stopping = new AbortController();
  readonly seen: SentEvent[] = [];
  readonly response: Response;
  readonly ended: Promise<void>;

  static async of(url: string, headers: Record<string, string> = {}): Promise<Follower> {
    const stopping = new AbortController();
    return new Follower(await fetch(url, { headers, signal: stopping.signal }), stopping);
  }

  private constructor(response: Response, stopping: AbortController) {
    this.response = response;
    this.#stopping = stopping;
    this.ended = this.#read().catch(() => undefined);
  }

  stop(): Promise<void> {
    this.#stopping.abort();
    return this.ended;
  }

  async #read(): Promise<void> {
    let text = '';
    for await (const chunk of this.response.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const blocks = text.split('\n\n');
      text = blocks.pop()!;
      for (const block of blocks) {
        const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1];
        const data = field('data');
        if (data !== undefined) this.seen.push({ id: field('id'), event: field('event'), data: JSON.parse(data) as SentEvent['data'] });
      }
    }
  }
}

describe('the events of a cluster', () => {
  let membership: FakeMembership;
  let node: HttpNode;
  let url: string;
  let followers: Follower[];
  beforeEach(async () => {
    membership = new FakeMembership();
    node = await httpNode({}, { membership, placement: new FakePlacement() });
    await node.server.listen({ host: '127.0.0.1', port: 0 });
    url = `http://127.0.0.1:${(node.server.server.address() as AddressInfo).port}/api/v1/cluster/events`;
    followers = [];
  });
  afterEach(async () => {
    await Promise.all(followers.map((follower) => follower.stop()));
    await node.close();
  });

  async function follow(headers?: Record<string, string>): Promise<Follower> {
    const follower = await Follower.of(url, headers);
    followers.push(follower);
    return follower;
  }
  const ids = ({ seen }: Follower) => seen.map(({ id }) => id);

  test('begin with all members and go on with what happens', async () => {
    membership.peers = { 'node-2': 'alive' };
    membership.happen('joined', 'node-2', 'alive');
    const follower = await follow();
    expect(follower.response.headers.get('content-type')).toBe('text/event-stream');
    expect(follower.response.headers.get('cache-control')).toBe('no-store');
    membership.happen('suspect', 'node-2', 'suspect');
    await expect.poll(() => follower.seen).toHaveLength(2);
    expect(follower.seen[0]).toMatchObject({ id: '42-1', event: 'members', data: { mode: 'distributed', members: [{ id: 'node-1' }, { id: 'node-2' }] } });
    expect(follower.seen[1]).toEqual({ id: '42-2', event: 'suspect', data: { type: 'suspect', at: '2024-05-01T10:00:00.000Z', node: wireNode('node-2', 'suspect') } });
  });

  test('resume after the last one that was seen', async () => {
    for (const state of ['alive', 'suspect', 'dead'] as const) membership.happen('updated', 'node-2', state);
    const follower = await follow({ 'last-event-id': '42-1' });
    await expect.poll(() => follower.seen).toHaveLength(2);
    membership.happen('joined', 'node-2', 'alive');
    await expect.poll(() => follower.seen).toHaveLength(3);
    expect(ids(follower)).toEqual(['42-2', '42-3', '42-4']);
  });

  test.each(['42-1', '41-9', 'nonsense'])('begin anew for a reader whose last one, %s, is not kept', async (lastId) => {
    for (let n = 0; n < 6; n += 1) membership.happen('updated', 'node-2', 'alive');
    const follower = await follow({ 'last-event-id': lastId });
    await expect.poll(() => follower.seen).toHaveLength(1);
    expect(follower.seen[0]).toMatchObject({ id: '42-6', event: 'members' });
  });

  test('have room for so many readers, and for another once one is gone', async () => {
    const first = await follow();
    await follow();
    const refused = await fetch(url);
    expect([refused.status, ((await refused.json()) as { error: { code: string } }).error.code]).toEqual([429, 'overloaded']);
    await first.stop();
    await expect.poll(() => membership.events.readers).toBe(1);
    expect((await follow()).response.status).toBe(200);
  });

  test('end when the server stops, which does not wait for their readers', async () => {
    const follower = await follow();
    await expect.poll(() => follower.seen).toHaveLength(1);
    await node.server.close();
    await follower.ended;
    expect(membership.events.readers).toBe(0);
  });
});
