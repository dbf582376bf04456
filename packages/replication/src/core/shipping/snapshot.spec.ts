import { expect, test } from 'vitest';
import { CoreCluster, entryOf, messageIn } from '../../../test/core-cluster.js';
import { lsn } from '../lsn.js';
import { encodeMessage } from './codec.js';

const three = ['a', 'b', 'c'];
const texts = Array.from({ length: 20 }, (_, i) => `w${String(i + 10)}`);

/** `a` and `b` hold twenty writes, the log of `a` holds none of them any more, and `c` is about to come. */
function trimmed(): CoreCluster {
  const cluster = new CoreCluster(three, { options: { ringEntries: 1 } });
  cluster.hold = (name, effect) => effect.kind === 'open-stream' && (name === 'c' || effect.peer === 'c');
  cluster.lead(entryOf(1, 'a', three));
  for (const [index, text] of texts.entries()) cluster.append('a', index + 1, text, 'quorum');
  cluster.dispatch('a', { kind: 'log-trimmed', first: lsn(21) });
  cluster.members.get('a')!.effects.length = 0;
  return cluster;
}

test('a copy further behind than the log reaches gets a snapshot, then the log, and has everything', () => {
  const cluster = trimmed();
  cluster.release();
  cluster.pass(2_000);
  expect(cluster.take('a', 'open-snapshot')).toHaveLength(1);
  expect([...cluster.members.get('c')!.applied].sort()).toEqual(texts);
  expect([cluster.position('c'), cluster.members.get('c')!.core.counters().snapshotsReceived]).toEqual(['1/21', 1]);
  cluster.append('a', 99, 'x', 'all');
  expect(cluster.take('a', 'acknowledged').map(({ durability }) => durability.copies)).toEqual([3]);
});

test('a copy that the log cannot be read for gets a snapshot instead, and it is said', () => {
  const cluster = new CoreCluster(three, { options: { ringEntries: 1 } });
  cluster.hold = (name, effect) => effect.kind === 'open-stream' && (name === 'c' || effect.peer === 'c');
  cluster.damaged = (name) => (name === 'a' ? 'damaged at byte 7' : undefined);
  cluster.lead(entryOf(1, 'a', three));
  for (const [index, text] of texts.entries()) cluster.append('a', index + 1, text, 'quorum');
  cluster.release();
  cluster.pass(2_000);
  expect(cluster.take('a', 'log-unreadable')).toEqual([{ kind: 'log-unreadable', peer: 'c', partitions: 1, reason: 'damaged at byte 7' }]);
  expect([...cluster.members.get('c')!.applied].sort()).toEqual(texts);
  expect(cluster.position('c')).toBe('1/21');
});

test('whoever waits for a write hears when a snapshot has brought it', () => {
  const cluster = trimmed();
  const token = { partition: 7, epoch: 1, seq: 21 };
  cluster.dispatch('c', { kind: 'await-position', request: 5, token, waitMs: 60_000 });
  expect(cluster.members.get('c')!.core.hasApplied(token)).toBe(false);
  cluster.release();
  cluster.pass(2_000);
  expect(cluster.take('c', 'fresh')).toEqual([{ kind: 'fresh', request: 5 }]);
  expect(cluster.members.get('c')!.core.hasApplied(token)).toBe(true);
});

test('a snapshot that is cut short goes on where it was, and sends no chunk twice that arrived', () => {
  const cluster = trimmed();
  let chunks = 0;
  cluster.onWire = (_from, to, bytes) => {
    if (to !== 'c' || messageIn(bytes).kind !== 'snapshot-chunk') return bytes;
    chunks++;
    return chunks === 8 ? undefined : bytes;
  };
  cluster.release();
  cluster.pass(500);
  expect(cluster.members.get('c')!.applied).toHaveLength(7);
  cluster.cut('a', 'c');
  cluster.pass(2_000);
  expect([...cluster.members.get('c')!.applied].sort()).toEqual(texts);
  expect(chunks).toBe(texts.length + 1);
  expect(cluster.position('c')).toBe('1/21');
});

test('a damaged chunk is sent again', () => {
  const cluster = trimmed();
  let damage = true;
  cluster.onWire = (_from, to, bytes) => {
    const message = messageIn(bytes);
    if (!damage || to !== 'c' || message.kind !== 'snapshot-chunk') return bytes;
    damage = false;
    message.bytes[0]! ^= 1;
    return encodeMessage(message);
  };
  cluster.release();
  cluster.pass(2_000);
  expect([...cluster.members.get('c')!.applied].sort()).toEqual(texts);
  expect(cluster.members.get('c')!.core.counters().refused.corrupt).toBe(1);
});

test('chunks leave no faster than the configured rate', () => {
  const cluster = new CoreCluster(three, { options: { ringEntries: 1, snapshotBytesPerSecond: 6 } });
  cluster.hold = (name, effect) => effect.kind === 'open-stream' && (name === 'c' || effect.peer === 'c');
  cluster.lead(entryOf(1, 'a', three));
  for (const [index, text] of texts.entries()) cluster.append('a', index + 1, text, 'quorum');
  cluster.dispatch('a', { kind: 'log-trimmed', first: lsn(21) });
  cluster.release();
  cluster.pass(4_000);
  // Three bytes each: two chunks a second, the first at once.
  expect(cluster.members.get('c')!.applied.length).toBeGreaterThan(3);
  expect(cluster.members.get('c')!.applied.length).toBeLessThan(11);
});

test('the log is needed from what a copy lacks on, and must be kept from what no quorum has on', () => {
  const cluster = new CoreCluster(three);
  cluster.lead(entryOf(1, 'a', three));
  cluster.append('a', 1, 'one', 'all');
  cluster.hold = (name, effect) => name !== 'a' && effect.kind === 'append-log';
  cluster.append('a', 2, 'two', 'local');
  expect(cluster.members.get('a')!.core.retainFrom()).toEqual({ needed: 3, mustKeep: 3 });
  cluster.release();
  expect(cluster.members.get('a')!.core.retainFrom()).toEqual({ needed: 4, mustKeep: 4 });
});
