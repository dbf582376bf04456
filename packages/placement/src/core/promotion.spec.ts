import { describe, expect, test } from 'vitest';
import { instant, parseClusterId, parseNodeId, wake, type NodeId } from '@engram/kernel';
import { choosePrimary, Promotion, type ClusterMap, type PartitionPlacement, type PromotionEffect, type RosterNode } from './index.js';

const at = (ms: number) => instant(ms * 1_000);
const [a, b, c] = ['a', 'b', 'c'].map(parseNodeId) as [NodeId, NodeId, NodeId];
const roster = [a, b, c].map((id): RosterNode => ({ id, storageId: `disk-${id}`, addresses: {}, zone: '', rack: '', capacity: 1, state: 'active' }));
const voters = roster.map(({ id, storageId }) => ({ id, storageId }));
const placed = (more: Partial<PartitionPlacement> = {}): PartitionPlacement => ({ epoch: 4, primary: a, replicas: [b, c], ...more });
const map = (table: readonly PartitionPlacement[], partition: 'majority' | 'available' = 'majority', epoch = 10): ClusterMap => ({ clusterId: parseClusterId('orders'), epoch, partitions: table.length, policies: { factor: 2, ack: 'quorum', partition }, roster, voters, table });
const progress = (...all: readonly (readonly [NodeId, number, number])[]) => new Map(all.map(([id, epoch, seq]) => [id, { epoch, seq }]));

describe('the choice', () => {
  test('is the copy with the highest epoch, then the highest number', () => {
    const choice = choosePrimary(placed(), progress([b, 3, 900], [c, 4, 7]), 'majority', 11);
    expect(choice).toEqual({ kind: 'promote', placement: { epoch: 5, primary: c, replicas: [a, b], deposed: { nodes: [a], since: 11 } } });
  });

  test('waits for a majority of copies under the policy majority', () => {
    expect(choosePrimary(placed(), progress([b, 4, 7]), 'majority', 11)).toEqual({ kind: 'wait', have: 1, need: 2 });
    expect(choosePrimary(placed(), progress(), 'available', 11)).toEqual({ kind: 'wait', have: 0, need: 2 });
  });

  test('takes what there is under the policy available, and marks it', () => {
    expect(choosePrimary(placed(), progress([b, 4, 7]), 'available', 11)).toMatchObject({ kind: 'promote', placement: { primary: b, provisional: true } });
    expect(choosePrimary(placed({ provisional: true }), progress([b, 4, 7], [c, 4, 7]), 'available', 11)).not.toHaveProperty('placement.provisional');
  });

  test('names again whoever was deposed before and may still hold a lease', () => {
    const earlier = placed({ deposed: { nodes: [c], since: 9 } });
    const nodes = (isSettled?: () => boolean) => {
      const choice = choosePrimary(earlier, progress([b, 4, 7], [c, 4, 6]), 'majority', 11, isSettled);
      return choice.kind === 'promote' && choice.placement.deposed?.nodes;
    };
    expect([nodes(), nodes(() => true)]).toEqual([[c, a], [a]]);
  });
});

describe('a promotion', () => {
  const answered = (from: number, attempt: number, runsOutInMs: number) => ({ kind: 'lease-answered', from: voters[from]!, reply: { kind: 'state', attempt, node: a, runsOutInMs } }) as const;
  const sealed = (from: NodeId, seq: number) => ({ kind: 'sealed', from, progress: [{ partition: 0, epoch: 4, seq }] }) as const;
  const started = (table = [placed(), placed({ primary: b, replicas: [a, c] })], policy: 'majority' | 'available' = 'majority') => {
    const core = new Promotion(a, map(table, policy));
    core.handle({ kind: 'started' }, at(0));
    return core;
  };
  const kinds = (effects: readonly PromotionEffect[]) => effects.map(({ kind }) => kind);

  test('waits the lease out, seals the copies, then opens one new epoch for what the node held', () => {
    const core = started();
    core.handle(answered(1, 1, 120), at(5));
    expect(core.nextWake()).toBe(at(125));
    expect(kinds(core.handle(wake, at(125)))).toEqual(['inquire', 'inquire', 'inquire']);
    core.handle(answered(1, 2, 0), at(126));
    expect(core.handle(answered(2, 2, 0), at(127))).toEqual([b, c].map((to) => ({ kind: 'seal', to, partitions: [{ partition: 0, epoch: 5 }] })));
    core.handle(sealed(b, 8), at(130));
    const [change] = core.handle(sealed(c, 9), at(131));
    expect(change).toMatchObject({ kind: 'change', expectedEpoch: 10, content: { table: [{ epoch: 5, primary: c, deposed: { nodes: [a], since: 11 } }, { epoch: 4, primary: b }] } });
    expect(core.handle({ kind: 'changed', map: map([]) }, at(140))).toEqual([{ kind: 'ended', promoted: [0], provisional: [], waiting: [] }]);
  });

  test('leaves a node in office whose lease goes on', () => {
    const core = started();
    for (let ms = 250; ms < 10_000; ms += 250) core.handle(wake, at(ms));
    expect(core.handle(wake, at(10_000))).toEqual([{ kind: 'given-up', reason: 'lease-still-runs' }]);
  });

  test('does not count answers of an earlier round, nor one voter twice', () => {
    const core = started();
    core.handle(answered(1, 1, 0), at(1));
    expect(core.handle(answered(1, 1, 0), at(2))).toEqual([]);
    core.handle(wake, at(250));
    expect(core.handle(answered(2, 1, 0), at(251))).toEqual([]);
  });

  test('goes on without a copy that does not answer, and says what has to wait', () => {
    const core = started([placed(), placed({ replicas: [c] })]);
    core.handle(answered(1, 1, 0), at(1));
    core.handle(answered(2, 1, 0), at(1));
    core.handle({ kind: 'sealed', from: b, progress: [{ partition: 0, epoch: 4, seq: 1 }] }, at(2));
    // One of three copies and none of two: both wait for more.
    expect(core.handle(wake, at(301))).toEqual([{ kind: 'ended', promoted: [], provisional: [], waiting: [0, 1] }]);
  });

  test('decides anew when another map came in between', () => {
    const core = started();
    core.handle(answered(1, 1, 0), at(1));
    core.handle(answered(2, 1, 0), at(1));
    core.handle(sealed(b, 8), at(2));
    core.handle(sealed(c, 9), at(2));
    const moved = map([placed({ epoch: 6 })], 'majority', 12);
    expect(core.handle({ kind: 'change-refused', map: moved }, at(3))).toEqual([b, c].map((to) => ({ kind: 'seal', to, partitions: [{ partition: 0, epoch: 7 }] })));
  });
});
