import { parseNodeId, type NodeId } from '@engram/kernel';
import { expect, test } from 'vitest';
import { decide, type Route, type RouteQuestion } from './route.js';

const [n1, n2, n3, n4] = ['n1', 'n2', 'n3', 'n4'].map(parseNodeId) as [NodeId, NodeId, NodeId, NodeId];
const map = {
  roster: [n1, n2, n3].map((id) => ({ id, storageId: id, addresses: {}, zone: '', rack: '', capacity: 1, state: 'active' as const })),
  table: [
    { epoch: 1, primary: n1, replicas: [n2] },
    { epoch: 1, primary: n2, replicas: [n3, n1] },
    { epoch: 1, primary: n2, replicas: [n3] },
    // A map that names a node outside its roster is refused where it is made; a router must not depend on that.
    { epoch: 1, primary: n4, replicas: [] },
  ],
};
/** Partition 0 is ours, of 1 we have a copy, of 2 we have none, the primary of 3 belongs to no roster. */
const ask = (partition: number, more: Partial<RouteQuestion> = {}): Route =>
  decide({ map, self: n1, partition, operation: 'read', consistency: 'primary', leads: partition === 0, holds: partition < 2, isAlive: () => true, ...more });

const without = (...gone: readonly NodeId[]) => ({ isAlive: (node: NodeId) => !gone.includes(node) });
const write = { operation: 'write' } as const;
const any = { consistency: 'any' } as const;
const lags = { lags: true } as const;
const gone = { doubt: 'the primary n2 cannot be reached' };

test.each<[string, Route, Route]>([
  ['a write of ours is taken here', ask(0, write), { kind: 'here' }],
  ['without a lease too: the journal says why it cannot', ask(0, { ...write, leads: false }), { kind: 'here' }],
  ['a write of another goes to its primary, copy here or not', ask(1, write), { kind: 'forward', node: n2 }],
  ['and to nobody else while that is gone', ask(1, { ...write, ...without(n2) }), { kind: 'nobody', reason: expect.stringContaining('n2') as string, retryAfterMs: 500 }],
  ['any copy will not do for a write', ask(1, { ...write, ...any }), { kind: 'forward', node: n2 }],
  ['a read of ours is answered here', ask(0), { kind: 'here' }],
  ['without a lease with doubt', ask(0, { leads: false }), { kind: 'here', doubt: 'n1 is cut off from a majority of the cluster' }],
  ['unless any copy will do', ask(0, { leads: false, ...any }), { kind: 'here' }],
  ['a read of another goes to its primary', ask(1), { kind: 'forward', node: n2 }],
  ['or is answered by our copy when any will do', ask(1, any), { kind: 'here' }],
  ['or, with doubt, when the primary is gone', ask(1, without(n2)), { kind: 'here', ...gone }],
  ['a copy that lags behind what the client has written leaves it to the primary', ask(1, { ...any, ...lags }), { kind: 'forward', node: n2 }],
  ['and to another copy when the primary is gone', ask(1, { ...any, ...lags, ...without(n2) }), { kind: 'forward', node: n3 }],
  ['which is said, unless any would do', ask(1, { ...lags, ...without(n2) }), { kind: 'forward', node: n3, ...gone }],
  ['and catches up when nobody else is there', ask(1, { ...any, ...lags, ...without(n2, n3) }), { kind: 'here' }],
  ['a primary that lags has nobody to leave it to', ask(0, { ...any, ...lags }), { kind: 'here' }],
  ['a write does not depend on what was written before', ask(0, { ...write, ...lags }), { kind: 'here' }],
  ['without a copy the primary is asked even if any would do', ask(2, any), { kind: 'forward', node: n2 }],
  ['and another copy when it is gone', ask(2, { ...any, ...without(n2) }), { kind: 'forward', node: n3 }],
  ['with doubt, unless any would do', ask(2, without(n2)), { kind: 'forward', node: n3, ...gone }],
  ['nobody, when no copy can be reached', ask(2, without(n2, n3)), { kind: 'nobody', reason: 'no node that has a copy of it can be reached', retryAfterMs: 500 }],
  ['a node outside the roster is not asked, alive or not', ask(3, write), { kind: 'nobody', reason: expect.stringContaining('n4') as string, retryAfterMs: 500 }],
  ['a partition that the map does not have belongs to nobody', ask(4), { kind: 'nobody', reason: 'the cluster map has no partition 4', retryAfterMs: 500 }],
  ['a node that belongs to no cluster answers for itself', ask(1, { map: undefined }), { kind: 'here' }],
  ['a node that has not heard of the map of its cluster yet takes no writes', ask(1, { map: undefined, joined: true, operation: 'write' }), { kind: 'nobody', reason: 'this node has not heard yet who holds what', retryAfterMs: 500 }],
  ['a node that has not heard of the map of its cluster yet reads what it has, with doubt', ask(1, { map: undefined, joined: true }), { kind: 'here', doubt: 'this node has not heard yet who holds what' }],
])('%s', (_title, route, expected) => {
  expect(route).toEqual(expected);
});
