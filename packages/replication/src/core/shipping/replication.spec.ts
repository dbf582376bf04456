import { plusMs } from '@engram/kernel';
import { describe, expect, test } from 'vitest';
import { CoreCluster, entryOf, id, messageIn } from '../../../test/core-cluster.js';
import { encodeMessage } from './codec.js';

const three = ['a', 'b', 'c'];
/** `a` leads a partition with copies on all three, in epoch 1. */
function led(options: ConstructorParameters<typeof CoreCluster>[1] = {}): CoreCluster {
  const cluster = new CoreCluster(three, options);
  cluster.lead(entryOf(1, 'a', three));
  for (const name of three) cluster.members.get(name)!.effects.length = 0;
  return cluster;
}

describe('a write', () => {
  test('reaches every copy, is applied on each once and is acknowledged with what it reached', () => {
    const cluster = led();
    cluster.append('a', 1, 'tea at four', 'all');
    expect(cluster.take('a', 'acknowledged')).toEqual([{ kind: 'acknowledged', request: 1, token: { partition: 7, epoch: 1, seq: 2 }, durability: { requested: 'all', reached: 'all', copies: 3 } }]);
    expect(three.map((name) => cluster.members.get(name)!.applied)).toEqual([['tea at four'], ['tea at four'], ['tea at four']]);
    expect(three.map((name) => cluster.position(name))).toEqual(['1/2', '1/2', '1/2']);
  });

  test('is acknowledged at local before anyone else has it, and at quorum not before a second disk does', () => {
    const cluster = led();
    cluster.hold = (name, effect) => name !== 'a' && effect.kind === 'append-log';
    cluster.append('a', 1, 'one', 'local');
    cluster.append('a', 2, 'two', 'quorum');
    expect(cluster.take('a', 'acknowledged').map(({ request, durability }) => [request, durability.copies])).toEqual([[1, 1]]);
    cluster.pass(1_000);
    expect(cluster.take('a', 'indeterminate')).toEqual([{ kind: 'indeterminate', request: 2, reason: 'timeout', durability: { requested: 'quorum', reached: 'local', copies: 1 } }]);
  });

  test('is not shipped before it is durable at the primary', () => {
    const cluster = led();
    const sent: string[] = [];
    cluster.onWire = (from, _to, bytes) => {
      if (from === 'a') sent.push(messageIn(bytes).kind);
      return bytes;
    };
    cluster.hold = (name, effect) => name === 'a' && effect.kind === 'append-log';
    cluster.append('a', 1, 'one', 'quorum');
    expect(sent).toEqual([]);
  });

  test('is refused without a lease, and one that waits is not acknowledged once the lease is over', () => {
    const cluster = led();
    cluster.dispatch('a', { kind: 'lease', validUntil: plusMs(cluster.now, 100) });
    cluster.hold = (_name, effect) => effect.kind === 'append-log';
    cluster.append('a', 1, 'one', 'local');
    cluster.pass(100);
    cluster.release();
    cluster.append('a', 2, 'two', 'local');
    expect(cluster.take('a', 'acknowledged')).toEqual([]);
    expect(cluster.take('a', 'refused')).toEqual([{ kind: 'refused', request: 2, refusal: { reason: 'no-lease', epoch: 1 } }]);
  });

  test('to a node that does not lead is refused with who does', () => {
    const cluster = led();
    cluster.append('b', 1, 'one', 'local');
    expect(cluster.take('b', 'refused')).toEqual([{ kind: 'refused', request: 1, refusal: { reason: 'not-primary', primary: 'a', epoch: 1 } }]);
  });

  test('that the disk refuses leaves no trace, and its place goes to the next one', () => {
    const cluster = led();
    cluster.hold = (_name, effect) => effect.kind === 'append-log';
    cluster.append('a', 1, 'one', 'local');
    cluster.hold = () => false;
    cluster.dispatch('a', { kind: 'append-failed', id: cluster.take('a', 'append-log')[0]!.id, indeterminate: false, message: 'no room' });
    cluster.append('a', 2, 'two', 'all');
    expect(cluster.take('a', 'refused')).toEqual([{ kind: 'refused', request: 1, refusal: { reason: 'log', message: 'no room' } }]);
    expect(cluster.take('a', 'acknowledged').map(({ token }) => token.seq)).toEqual([2]);
    expect(cluster.members.get('b')!.applied).toEqual(['two']);
  });

  test('whose fate on the disk is unknown ends acknowledging for good', () => {
    const cluster = led();
    cluster.hold = (_name, effect) => effect.kind === 'append-log';
    cluster.append('a', 1, 'one', 'local');
    cluster.dispatch('a', { kind: 'append-failed', id: cluster.take('a', 'append-log')[0]!.id, indeterminate: true, message: 'sync failed' });
    cluster.dispatch('a', { kind: 'lease', validUntil: plusMs(cluster.now, 60_000) });
    cluster.append('a', 2, 'two', 'local');
    expect(cluster.take('a', 'indeterminate').map(({ request, reason }) => [request, reason])).toEqual([[1, 'log-failed']]);
    expect(cluster.take('a', 'refused').map(({ request, refusal }) => [request, refusal.reason])).toEqual([[2, 'log']]);
  });

  test('that was there already is confirmed only once everything so far has reached the level', () => {
    const cluster = led();
    cluster.hold = (name, effect) => name !== 'a' && effect.kind === 'append-log';
    cluster.append('a', 1, 'one', 'local');
    cluster.dispatch('a', { kind: 'confirm', request: 2, partition: 7, level: 'quorum' });
    expect(cluster.take('a', 'acknowledged').map(({ request }) => request)).toEqual([1]);
    cluster.release();
    expect(cluster.take('a', 'acknowledged').map(({ request }) => request)).toEqual([2]);
  });
});

describe('epochs', () => {
  test('a copy that promised a later epoch refuses the earlier one, and the primary hears both', () => {
    const cluster = led();
    cluster.dispatch('b', { kind: 'fence-copies', partition: 7, epoch: 5, nodes: [id('b')] });
    expect(cluster.take('b', 'copy-fenced')).toMatchObject([{ node: 'b', storage: 'disk-b', granted: true, promised: 5, position: { epoch: 1, seq: 1 } }]);
    cluster.append('a', 1, 'one', 'all');
    expect(cluster.take('a', 'superseded')).toEqual([{ kind: 'superseded', partition: 7, epoch: 1, by: 'b', promised: 5 }]);
    expect(cluster.take('a', 'acknowledged')).toEqual([]);
  });

  test('a promise is durable before it is given', () => {
    const cluster = led();
    cluster.hold = (name, effect) => name === 'b' && effect.kind === 'persist';
    cluster.dispatch('a', { kind: 'fence-copies', partition: 7, epoch: 5, nodes: [id('b')] });
    expect(cluster.take('a', 'copy-fenced')).toEqual([]);
    const [record] = cluster.take('b', 'persist');
    expect(record!.record.promised).toBe(5);
    cluster.release();
    expect(cluster.take('a', 'copy-fenced')).toMatchObject([{ node: 'b', granted: true }]);
  });

  test('a primary that is fenced steps down, and its writes become indeterminate', () => {
    const cluster = led();
    cluster.onWire = (from, _to, bytes) => (from === 'a' && messageIn(bytes).kind === 'entries' ? undefined : bytes);
    cluster.append('a', 1, 'one', 'quorum');
    cluster.dispatch('b', { kind: 'fence-copies', partition: 7, epoch: 2, nodes: [id('a')] });
    expect(cluster.take('a', 'indeterminate').map(({ request, reason }) => [request, reason])).toEqual([[1, 'deposed']]);
    expect(cluster.take('a', 'stepped-down')).toEqual([{ kind: 'stepped-down', partition: 7, epoch: 1, promised: 2 }]);
    expect(cluster.take('b', 'copy-fenced')).toMatchObject([{ node: 'a', granted: true, position: { epoch: 1, seq: 2 } }]);
  });

  test("a deposed primary's tail is set aside, offered, taken up once and applied nowhere twice", () => {
    const cluster = led();
    cluster.onWire = (from, _to, bytes) => (from === 'a' && messageIn(bytes).kind === 'entries' ? undefined : bytes);
    cluster.append('a', 1, 'only here', 'local');
    cluster.onWire = (_from, _to, bytes) => bytes;
    cluster.lead(entryOf(2, 'b', three));
    cluster.pass(2_000);
    expect(cluster.take('a', 'tail-set-aside')).toMatchObject([{ entries: 1, from: { epoch: 1, seq: 2 } }]);
    expect(cluster.take('b', 'tail-taken-up')).toEqual([{ kind: 'tail-taken-up', partition: 7, from: 'a', entries: 1 }]);
    expect(three.map((name) => cluster.members.get(name)!.applied)).toEqual([['only here'], ['only here'], ['only here']]);
    expect(three.map((name) => cluster.position(name))).toEqual(['2/3', '2/3', '2/3']);
    expect(cluster.members.get('a')!.core.partition(7)!.entriesSetAside).toBe(0);
  });

  test('a node that is no copy any more offers its tail all the same, and lets go once a quorum has it', () => {
    const cluster = led();
    cluster.onWire = (from, _to, bytes) => (from === 'a' && messageIn(bytes).kind === 'entries' ? undefined : bytes);
    cluster.append('a', 1, 'only here', 'local');
    cluster.onWire = (_from, _to, bytes) => bytes;
    cluster.lead(entryOf(2, 'b', ['b', 'c']));
    cluster.pass(4_000);
    expect(cluster.take('a', 'tail-set-aside')).toMatchObject([{ entries: 1, from: { epoch: 1, seq: 2 } }]);
    expect(['b', 'c'].map((name) => cluster.members.get(name)!.applied)).toEqual([['only here'], ['only here']]);
    expect(cluster.members.get('a')!.core.partition(7)!.entriesSetAside).toBe(0);
  });

  test('a node that the table names with another disk does not lead', () => {
    const cluster = led();
    cluster.replace('a');
    cluster.dispatch('a', { kind: 'table-changed', entries: [entryOf(1, 'a', three)] });
    expect(cluster.take('a', 'cannot-lead')).toEqual([{ kind: 'cannot-lead', partition: 7, epoch: 1, reason: 'other-storage', promised: 0 }]);
  });

  test('a disk that the table does not name is filled and reported, and counts for nothing', () => {
    const cluster = led();
    for (const other of three) cluster.cut('c', other);
    cluster.replace('c');
    cluster.hold = (name, effect) => name === 'b' && effect.kind === 'append-log';
    cluster.dispatch('c', { kind: 'table-changed', entries: [entryOf(1, 'a', three)] });
    cluster.pass(3_000);
    cluster.append('a', 1, 'one', 'quorum');
    expect(cluster.take('a', 'learner-ready')).toMatchObject([{ node: 'c', storage: 'new-disk-c' }]);
    expect(cluster.members.get('c')!.applied).toEqual(['one']);
    expect(cluster.take('a', 'acknowledged')).toEqual([]);
  });
});

describe('what goes wrong on the way', () => {
  test('an entry that was damaged is refused, reported and fetched again', () => {
    const cluster = led();
    let damage = true;
    cluster.onWire = (from, to, bytes) => {
      const message = messageIn(bytes);
      if (!damage || from !== 'a' || to !== 'b' || message.kind !== 'entries') return bytes;
      damage = false;
      message.groups[0]!.entries[0]!.payload[0]! ^= 1;
      return encodeMessage(message);
    };
    cluster.append('a', 1, 'one', 'all');
    expect(cluster.take('b', 'corrupt-entry')).toEqual([{ kind: 'corrupt-entry', peer: 'a', partition: 7, epoch: 1, seq: 2 }]);
    expect(cluster.take('a', 'acknowledged').map(({ request }) => request)).toEqual([1]);
    expect(cluster.members.get('b')!.core.counters().refused.corrupt).toBe(1);
  });

  test('a lost message is noticed by what follows it, and everything is sent again', () => {
    const cluster = led();
    let lose = true;
    cluster.onWire = (from, to, bytes) => (lose && from === 'a' && to === 'b' && messageIn(bytes).kind === 'entries' ? undefined : bytes);
    cluster.append('a', 1, 'one', 'local');
    lose = false;
    cluster.append('a', 2, 'two', 'all');
    expect(cluster.members.get('b')!.applied).toEqual(['one', 'two']);
    expect(cluster.members.get('b')!.core.counters().refused.gap).toBe(1);
  });

  test('a peer of another cluster is refused on both sides, each naming both', () => {
    const cluster = new CoreCluster(['a', 'b'], { cluster: { b: 'other' } });
    cluster.lead(entryOf(1, 'a', ['a', 'b']));
    expect(cluster.take('a', 'peer-refused')[0]).toMatchObject({ reason: expect.stringContaining('other-cluster'), ours: 'test', theirs: 'other' });
    expect(cluster.take('b', 'peer-refused')[0]).toMatchObject({ reason: expect.stringContaining('other-cluster'), ours: 'other', theirs: 'test' });
  });

  test('a peer that speaks another version is refused with both named', () => {
    const cluster = new CoreCluster(['a', 'b']);
    cluster.onWire = (from, _to, bytes) => (from === 'b' ? Uint8Array.from(bytes, (byte, at) => (at === 2 ? 9 : byte)) : bytes);
    cluster.lead(entryOf(1, 'a', ['a', 'b']));
    expect(cluster.take('a', 'peer-refused')[0]).toMatchObject({ reason: 'other-version', ours: 'protocol version 1', theirs: 'protocol version 9' });
  });
});

describe('a slow copy', () => {
  test('is sent no more than its window, slows no local write, and is served from the log later', () => {
    const cluster = led({ options: { windowEntries: 10, batchEntries: 5, ringEntries: 20 } });
    cluster.hold = (name, effect) => name === 'b' && effect.kind === 'append-log';
    for (let request = 1; request <= 200; request++) cluster.append('a', request, `w${request}`, 'local');
    const { peers, held } = cluster.members.get('a')!.core.status(cluster.now);
    expect(cluster.take('a', 'acknowledged')).toHaveLength(200);
    expect([peers.find(({ peer }) => peer === 'b')!.inFlightEntries, held.recentEntries]).toEqual([10, 20]);
    cluster.release();
    expect(cluster.take('a', 'read-log').length).toBeGreaterThan(0);
    expect(cluster.position('b')).toBe('1/201');
  });

  test('is reported once when it falls behind and once when it is well again', () => {
    const cluster = led({ options: { lagHighEntries: 10 } });
    cluster.hold = (name, effect) => name === 'b' && effect.kind === 'append-log';
    for (let request = 1; request <= 12; request++) cluster.append('a', request, `w${request}`, 'local');
    cluster.pass(1_500);
    expect(cluster.take('a', 'lag-high')).toMatchObject([{ peer: 'b', entries: 12 }]);
    expect(cluster.members.get('a')!.core.status(cluster.now).peers.find(({ peer }) => peer === 'b')?.isLagging).toBe(true);
    cluster.release();
    cluster.pass(600);
    expect(cluster.take('a', 'lag-normal')).toMatchObject([{ peer: 'b', entries: 0, seconds: 0 }]);
  });
});

describe('a session token', () => {
  test('is fresh at once where the write is applied, and after a wait where it arrives', () => {
    const cluster = led();
    cluster.hold = (name, effect) => name === 'b' && effect.kind === 'append-log';
    cluster.append('a', 1, 'one', 'local');
    const { token } = cluster.take('a', 'acknowledged')[0]!;
    for (const [request, name] of [[11, 'b'], [12, 'c']] as const) cluster.dispatch(name, { kind: 'await-position', request, token, waitMs: 500 });
    expect(cluster.take('c', 'fresh')).toEqual([{ kind: 'fresh', request: 12 }]);
    expect(cluster.take('b', 'fresh')).toEqual([]);
    cluster.release();
    expect(cluster.take('b', 'fresh')).toEqual([{ kind: 'fresh', request: 11 }]);
  });

  test('is stale when the wait is over, with where the copy is', () => {
    const cluster = led();
    cluster.dispatch('b', { kind: 'await-position', request: 1, token: { partition: 7, epoch: 1, seq: 50 }, waitMs: 300 });
    cluster.pass(300);
    expect(cluster.take('b', 'stale')).toEqual([{ kind: 'stale', request: 1, position: { epoch: 1, seq: 1 } }]);
  });
});
