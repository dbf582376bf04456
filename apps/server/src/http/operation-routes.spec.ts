import type { Verb } from '@engram/cluster';
import { EngramError, parseNodeId, type NodeId } from '@engram/kernel';
import type { ClusterMap } from '@engram/placement';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { FakeMembership } from '../../test/fake-membership.js';
import { FakePlacement, mapOf } from '../../test/fake-placement.js';
import { httpNode, type HttpNode } from '../../test/http-node.js';
import { MoveWatch } from '../cluster/move-watch.js';
import type { ClusterOperator } from '../cluster/index.js';

/** Notes what it is asked for and changes nothing; the core has tests of its own. */
class FakeOperator implements ClusterOperator {
  readonly strategy = 'zone_aware';
  moves = new MoveWatch();
  batchEntries = 100;
  asked: Verb[] = [];
  refusal: EngramError | undefined;

  async operate(verb: Verb): Promise<{ readonly changed: boolean }> {
    this.asked.push(verb);
    if (this.refusal) throw this.refusal;
    return { changed: true };
  }

  writesUnderWay(): number {
    return 3;
  }
}

const ids = ['node-1', 'node-2', 'node-3', 'node-4'].map(parseNodeId) as [NodeId, NodeId, NodeId, NodeId];
const [one, two, three, four] = ids;

/** Four nodes; node-4 has just come and holds nothing, the others hold everything three times. */
function grown(more: Partial<ClusterMap> = {}): ClusterMap {
  const map = mapOf('the-cluster', ids);
  const thirds = [[one, two, three], [two, three, one], [three, one, two]] as const;
  return { ...map, policies: { factor: 2, ack: 'quorum', partition: 'majority' }, table: map.table.map((_, at) => { const [primary, ...replicas] = thirds[at % 3]!; return { epoch: 1, primary, replicas }; }), ...more };
}

let membership: FakeMembership;
let placement: FakePlacement;
let operator: FakeOperator;
let node: HttpNode;

beforeAll(async () => {
  [membership, placement, operator] = [new FakeMembership(), new FakePlacement(), new FakeOperator()];
  placement.steward = (() => one) as never;
  node = await httpNode({}, { membership, placement, operator });
});
afterAll(() => node.close());
beforeEach(() => {
  membership.peers = { 'node-2': 'alive', 'node-3': 'alive', 'node-4': 'alive' };
  placement.known = grown();
  Object.assign(operator, { asked: [], refusal: undefined, moves: new MoveWatch(), batchEntries: 100 });
});

async function ask(method: 'GET' | 'POST', url: string, payload?: unknown): Promise<{ status: number; body: Record<string, unknown> }> {
  const answer = await node.server.inject({ method, url, ...(payload !== undefined && { payload: JSON.stringify(payload), headers: { 'content-type': 'application/json' } }) });
  return { status: answer.statusCode, body: answer.json<Record<string, unknown>>() };
}

describe('a node is', () => {
  test.each(['/api/v1/cluster', '/cluster'])('drained, undrained and decommissioned at %s/nodes/{id}/…', async (base) => {
    for (const name of ['drain', 'undrain', 'decommission']) expect(await ask('POST', `${base}/nodes/node-2/${name}`)).toMatchObject({ status: 202, body: { node: 'node-2', state: 'active' } });
    expect(await ask('POST', `${base}/nodes/node-2/decommission?force=true`)).toMatchObject({ status: 202 });
    expect(operator.asked).toEqual([{ kind: 'drain', node: 'node-2' }, { kind: 'undrain', node: 'node-2' }, { kind: 'decommission', node: 'node-2', force: false }, { kind: 'decommission', node: 'node-2', force: true }]);
  });

  test('draining until it leads nothing, and says how many writes it has under way when it is asked itself', async () => {
    const inState = (id: NodeId, state: 'draining' | 'decommissioning'): ClusterMap => ({ ...grown(), roster: grown().roster.map((each) => (each.id === id ? { ...each, state } : each)) });
    placement.known = inState(one, 'draining');
    expect((await ask('GET', '/cluster/nodes/node-1/drain/status')).body).toMatchObject({ node: 'node-1', status: 'draining', state: 'draining', primaries: 342, copies: 1024, votes: true, in_flight_operations: 3, entries_set_aside: 0 });
    placement.known = inState(four, 'draining');
    expect((await ask('GET', '/cluster/nodes/node-4/drain/status')).body).toEqual({ node: 'node-4', status: 'drained', state: 'draining', primaries: 0, copies: 0, votes: false, moved: 0, blocked_by: [] });
    placement.known = inState(four, 'decommissioning');
    expect((await ask('GET', '/cluster/nodes/node-4/decommission/status')).body).toMatchObject({ status: 'draining' });
    placement.known = { ...grown(), roster: grown().roster.slice(0, 3), removed: [{ id: four, storageId: four }] };
    expect((await ask('GET', '/cluster/nodes/node-4/decommission/status')).body).toMatchObject({ status: 'done', state: 'removed' });
  });

  test('told to stop by its own name only', async () => {
    const before = node.shutdownsRequested();
    expect(await ask('POST', '/api/v1/cluster/nodes/node-2/shutdown')).toMatchObject({ status: 400, body: { error: { hint: 'POST http://node-2:7432/api/v1/shutdown.' } } });
    expect(await ask('POST', '/api/v1/cluster/nodes/node-9/shutdown')).toMatchObject({ status: 404, body: { error: { code: 'node_not_found' } } });
    expect(node.shutdownsRequested()).toBe(before);
    expect(await ask('POST', '/api/v1/cluster/nodes/node-1/shutdown')).toMatchObject({ status: 202, body: { status: 'shutting_down', node: 'node-1' } });
  });

  test('refused with what the core says', async () => {
    operator.refusal = new EngramError('precondition_failed', 'two nodes for three copies', { hint: 'Add one.' });
    expect(await ask('POST', '/cluster/nodes/node-2/decommission')).toMatchObject({ status: 409, body: { error: { code: 'precondition_failed', message: 'two nodes for three copies', hint: 'Add one.', retryable: false } } });
    operator.refusal = undefined;
    expect(await ask('GET', '/cluster/nodes/node-9/drain/status')).toMatchObject({ status: 404, body: { error: { code: 'node_not_found', node: 'node-9' } } });
    expect(await ask('POST', '/cluster/nodes/..%2Fx/drain')).toMatchObject({ status: 400 });
    expect(await ask('POST', '/cluster/nodes/node-2/decommission?force=perhaps')).toMatchObject({ status: 400 });
    expect(operator.asked).toHaveLength(1);
  });
});

describe('rebalancing', () => {
  test('is shown without being done: a node that came receives its share and nothing else moves', async () => {
    const { status, body } = await ask('POST', '/api/v1/cluster/rebalance?dry_run=true');
    expect([status, body['status'], operator.asked]).toEqual([200, 'dry_run', []]);
    const copies = body['copies'] as { from: string; to: string }[];
    expect(new Set(copies.map(({ to }) => to))).toEqual(new Set(['node-4']));
    expect(body['copies_total']).toBeGreaterThan(600);
    expect(copies.length).toBe(Math.min(1_000, body['copies_total'] as number));
    expect(body['imbalance_planned']).toBeLessThan(0.2);
  });

  test('is begun, and asked for twice changes nothing', async () => {
    expect(await ask('POST', '/api/v1/cluster/rebalance')).toMatchObject({ status: 202, body: { status: 'rebalancing', already_running: false, moves: expect.any(Number) as number } });
    const moving = grown();
    placement.known = { ...moving, table: moving.table.map((each, at) => (at === 0 ? { ...each, moving: { from: undefined, to: four } } : each)) };
    expect((await ask('POST', '/cluster/rebalance')).body).toMatchObject({ already_running: true });
    expect(operator.asked).toEqual([{ kind: 'plan-moves' }, { kind: 'plan-moves' }]);
  });

  test('says how far it is, how fast, and what is in the way', async () => {
    expect((await ask('GET', '/api/v1/cluster/rebalance/status')).body).toMatchObject({ state: 'in_progress', partitions_moved: 0, blocked_by: [] });
    membership.peers = { 'node-2': 'alive', 'node-3': 'alive', 'node-4': 'dead' };
    expect((await ask('GET', '/api/v1/cluster/rebalance/status')).body).toMatchObject({ state: 'stuck', blocked_by: ['node node-4 is not alive, and a copy would come from or go to it'] });
    placement.known = { ...grown(), movesPaused: true };
    expect((await ask('GET', '/api/v1/cluster/rebalance/status')).body).toMatchObject({ state: 'paused', blocked_by: expect.arrayContaining([expect.stringContaining('rebalance/resume') as string]) as string[] });
    placement.known = mapOf('the-cluster', [one]);
    expect((await ask('GET', '/api/v1/cluster/rebalance/status')).body).toMatchObject({ state: 'complete', partitions_remaining: 0, blocked_by: [] });
  });

  test('is paused, resumed and tried again', async () => {
    expect(await ask('POST', '/cluster/rebalance/pause')).toEqual({ status: 202, body: { status: 'paused', changed: true } });
    expect(await ask('POST', '/cluster/rebalance/resume')).toEqual({ status: 202, body: { status: 'resumed', changed: true } });
    expect(await ask('POST', '/cluster/rebalance/retry')).toMatchObject({ status: 202, body: { state: 'in_progress' } });
    expect(operator.asked.map(({ kind }) => kind)).toEqual(['pause-moves', 'resume-moves', 'plan-moves']);
    placement.known = { ...grown(), movesPaused: true };
    expect(await ask('POST', '/cluster/rebalance')).toMatchObject({ status: 409, body: { error: { code: 'precondition_failed', hint: expect.stringContaining('resume') as string } } });
  });
});

describe('replication', () => {
  test('is configured for the cluster and for this node; the rest stays', async () => {
    expect(await ask('GET', '/api/v1/cluster/replication/config')).toEqual({ status: 200, body: { factor: 2, copies: 3, ack: 'quorum', partition_policy: 'majority', strategy: 'zone_aware', batch_size: 100 } });
    expect(await ask('POST', '/api/v1/cluster/replication/config', { batch_size: 50 })).toMatchObject({ status: 200, body: { batch_size: 50 } });
    expect(operator.asked).toEqual([]);
    await ask('POST', '/cluster/replication/config', { factor: 1, partition_policy: 'available', strategy: 'rack_aware' });
    expect(operator.asked).toEqual([{ kind: 'set-policies', policies: { factor: 1, partition: 'available', strategy: 'rack_aware' } }]);
  });

  test.each([{}, { factor: 6 }, { factor: 1.5 }, { ack: 'most' }, { strategy: 'by_hand' }, { batch_size: 0 }, { batch_size: 5_000 }, { batchsize: 10 }, [], null])('is not configured by %j', async (body) => {
    expect(await ask('POST', '/cluster/replication/config', body)).toMatchObject({ status: 400 });
    expect([operator.asked, operator.batchEntries]).toEqual([[], 100]);
  });

  test('is repaired where copies are missing, and says when there is nothing to repair', async () => {
    expect((await ask('POST', '/api/v1/cluster/replication/repair')).body).toEqual({ status: 'nothing_to_repair', partitions_affected: 0, spaces_affected: 0, blocked_by: [] });
    placement.known = grown({ table: grown().table.map((each, at) => (at < 5 ? { ...each, replicas: each.replicas.slice(1) } : each)) });
    expect((await ask('POST', '/cluster/replication/repair')).body).toMatchObject({ status: 'repairing', partitions_affected: 5 });
  });

  test('lets another copy lead a space, named in either way or not at all', async () => {
    const partition = placement.partitionOf('space-1' as never);
    expect(await ask('POST', '/api/v1/cluster/spaces/space-1/promote-replica', { new_replica_node: 'node-3' })).toMatchObject({ status: 202, body: { status: 'promoting', space_id: 'space-1', partition } });
    await ask('POST', '/cluster/spaces/space-1/promote-replica', { node: 'node-2' });
    await ask('POST', '/cluster/spaces/space-1/promote-replica');
    expect(operator.asked).toEqual([three, two, undefined].map((to) => ({ kind: 'promote', partition, to })));
    expect(await ask('POST', '/cluster/spaces/space-1/promote-replica', { to: 'node-2' })).toMatchObject({ status: 400 });
    expect(await ask('POST', '/cluster/spaces/NO/promote-replica')).toMatchObject({ status: 400 });
  });
});

describe('before it knows the map', () => {
  const posts = ['nodes/node-2/drain', 'nodes/node-2/undrain', 'nodes/node-2/decommission', 'rebalance', 'rebalance/retry', 'rebalance/pause', 'rebalance/resume', 'replication/repair', 'spaces/space-1/promote-replica'];

  test.each(posts)('POST %s answers that it is too early', async (path) => {
    placement.known = undefined;
    expect(await ask('POST', `/api/v1/cluster/${path}`)).toMatchObject({ status: 503, body: { error: { code: 'not_ready', retryable: true } } });
    expect(operator.asked).toEqual([]);
  });

  test('a page of another site changes nothing', async () => {
    for (const path of [...posts, 'nodes/node-1/shutdown']) {
      const answer = await node.server.inject({ method: 'POST', url: `/cluster/${path}`, headers: { origin: 'https://elsewhere.example' } });
      expect(answer.statusCode).toBe(400);
    }
    expect(operator.asked).toEqual([]);
  });
});

test('a node that runs alone has no cluster to change, and is in balance', async () => {
  const alone = await httpNode();
  try {
    for (const path of ['nodes/node-1/drain', 'rebalance', 'replication/repair']) {
      const answer = await alone.server.inject({ method: 'POST', url: `/cluster/${path}` });
      expect(answer).toMatchObject({ statusCode: 400 });
      expect(answer.json()).toMatchObject({ error: { code: 'invalid_argument', message: expect.stringContaining('runs alone') as string } });
    }
    expect((await alone.server.inject('/cluster/rebalance/status')).json()).toMatchObject({ state: 'complete' });
  } finally {
    await alone.close();
  }
});
