import { EngramError, parseClusterId, parseNodeId, parseSpaceId, Random, type ErrorCode, type NodeId } from '@engram/kernel';
import type { ClusterMap } from '@engram/placement';
import { expect, test } from 'vitest';
import { hasEverything } from '../../test/fake-placement.js';
import { Router, type Work } from './router.js';

const [n1, n2, n3] = ['n1', 'n2', 'n3'].map(parseNodeId) as [NodeId, NodeId, NodeId];
const space = parseSpaceId('notes');

/** A router on n1 in a cluster of three, in which n2 is the primary of everything and n3 has a copy, unless a test says otherwise. */
function routerOf(counted: string[] = [], primary = n2, replicas = [primary === n2 ? n3 : n2]): Router {
  const map = {
    roster: [n1, n2, n3].map((id) => ({ id, storageId: id, addresses: {}, zone: '', rack: '', capacity: 1, state: 'active' })),
    table: [{ epoch: 4, primary, replicas }],
  } as unknown as ClusterMap;
  return new Router({
    self: n1,
    cluster: { map: () => map, clusterId: () => parseClusterId('blue'), leads: () => false, isAlive: () => true, ...hasEverything },
    partitionOf: () => 0,
    addressOf: () => undefined,
    metrics: { routed: (operation, route) => void counted.push(`${operation} ${route}`), routeRetried: () => void counted.push('retried') },
    random: Random.fromSeed('router'),
    retry: { backoffMs: 1, backoffMaxMs: 1 },
  });
}

/** Answers of the nodes in the order in which they are asked; the last one goes on for ever. */
function work(answers: readonly (EngramError | 'done')[], asked: NodeId[], changes: Partial<Work<string>> = {}): Work<string> {
  return {
    operation: 'store', kind: 'write', space, consistency: 'primary', repeatable: false, mayForward: true, budgetMs: 60_000,
    here: () => 'here',
    there: (node) => {
      const answer = answers[Math.min(asked.push(node), answers.length) - 1]!;
      return answer === 'done' ? Promise.resolve('there') : Promise.reject(answer);
    },
    ...changes,
  };
}

const error = (code: ErrorCode, details: Record<string, unknown> = {}): EngramError => new EngramError(code, code, { details });
const lost = error('unavailable', { indeterminate: true });

test('a write of which nobody knows whether it happened is not done again', async () => {
  const asked: NodeId[] = [];
  await expect(routerOf().run(work([lost, 'done'], asked))).rejects.toBe(lost);
  expect(asked).toEqual([n2]);
});

test('unless doing it twice is as good as once', async () => {
  const asked: NodeId[] = [];
  const counted: string[] = [];
  await expect(routerOf(counted).run(work([lost, 'done'], asked, { repeatable: true }))).resolves.toBe('there');
  expect([asked, counted]).toEqual([[n2, n2], ['retried', 'store forwarded']]);
});

test('a write is tried three times in all, and the last answer is the answer', async () => {
  const asked: NodeId[] = [];
  const counted: string[] = [];
  const last = error('unavailable');
  await expect(routerOf(counted).run(work([error('unavailable'), error('shutting_down'), last], asked))).rejects.toBe(last);
  expect([asked, counted]).toEqual([[n2, n2, n2], ['retried', 'retried', 'store forwarded']]);
});

test.each<ErrorCode>(['invalid_argument', 'id_conflict', 'overloaded', 'disk_full', 'deadline_exceeded', 'log_failed', 'internal'])('what another try cannot change is not tried again: %s', async (code) => {
  const asked: NodeId[] = [];
  await expect(routerOf().run(work([error(code), 'done'], asked))).rejects.toMatchObject({ code });
  expect(asked).toEqual([n2]);
});

test('the node that a refusal names is asked next, if it belongs to the cluster and is not this one', async () => {
  for (const [named, next] of [[n3, n3], [n1, n2], [n2, n2], [parseNodeId('n9'), n2], ['not a node', n2]] as const) {
    const asked: NodeId[] = [];
    await expect(routerOf().run(work([error('not_primary', { node: named }), 'done'], asked))).resolves.toBe('there');
    expect(asked).toEqual([n2, next]);
  }
});

test('a read asks each copy once before it begins anew', async () => {
  const asked: NodeId[] = [];
  const counted: string[] = [];
  const doubts: (string | undefined)[] = [];
  const gone = error('deadline_exceeded');
  const read = work([], asked, {
    operation: 'get', kind: 'read', repeatable: true,
    there: (node, _deadlineMs, doubt) => (asked.push(node), doubts.push(doubt), node === n3 ? Promise.resolve('from a copy') : Promise.reject(gone)),
  });
  await expect(routerOf(counted).run(read)).resolves.toBe('from a copy');
  expect([asked, doubts, counted]).toEqual([[n2, n3], [undefined, 'the primary n2 cannot be reached'], ['retried', 'get fallback']]);
});

test('a copy that lags behind what the client has written is passed over for another, and what the primary lacks is looked for nowhere else', async () => {
  const behind = error('copy_behind');
  const answers = (node: NodeId): Promise<string> => (node === n3 ? Promise.resolve('from a copy') : Promise.reject(behind));
  const asked: NodeId[] = [];
  const read = { operation: 'get', kind: 'read', repeatable: true, there: (node: NodeId) => (asked.push(node), answers(node)) } as const;
  await expect(routerOf().run(work([], asked, read))).rejects.toBe(behind);
  expect(asked).toEqual([n2]);
  // Of a map in which another node is the primary, n2 is a copy like any other.
  asked.length = 0;
  await expect(routerOf([], n3).run(work([], asked, { ...read, there: (node) => (asked.push(node), node === n3 ? Promise.reject(error('unavailable')) : Promise.reject(behind)) }))).rejects.toBe(behind);
  expect(asked).toEqual([n3, n2]);
});

test('whether the copy here lags is asked anew for every try', async () => {
  const lags = [true, false];
  const read = work([], [], { operation: 'get', kind: 'read', consistency: 'any', lags: () => lags.shift()!, there: () => Promise.reject(error('unavailable')) });
  await expect(routerOf([], n2, [n1]).run(read)).resolves.toBe('here');
});

test.each<[string, Partial<Work<string>>]>([
  ['the client has gone', { signal: AbortSignal.abort() }],
  ['its time is up', { budgetMs: 0 }],
])('nothing is tried again when %s', async (_title, changes) => {
  const asked: NodeId[] = [];
  await expect(routerOf().run(work([error('unavailable'), 'done'], asked, changes))).rejects.toMatchObject({ code: 'unavailable' });
  expect(asked).toEqual([n2]);
});

test('a request that was passed on is answered once, and says where the space is instead of passing it on', async () => {
  const asked: NodeId[] = [];
  await expect(routerOf().run(work(['done'], asked, { mayForward: false }))).rejects.toMatchObject({ code: 'not_primary', details: { node: n2, space, epoch: 4 } });
  expect(asked).toEqual([]);
});
