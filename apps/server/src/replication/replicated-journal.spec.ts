import { join } from 'node:path';
import { parseNodeId as nodeIdOf, plusMs, Random } from '@engram/kernel';
import { systemClock } from '@engram/kernel/node';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { contents, fullFileSystem, partition, ReplicatedNodes, space, until, type NodeOptions } from '../../test/replicated-nodes.js';
import type { MemoryDraft } from '../engine/draft.js';
import { openEngine } from '../engine/engine.js';
import type { WriteOptions } from '../engine/engine-types.js';
import { openStateStore } from './state-store.js';

let nodes: ReplicatedNodes;

beforeEach(() => {
  nodes = new ReplicatedNodes();
});

afterEach(() => nodes.end());

const draft = (content: string): MemoryDraft => ({ space, content, tags: [] });
const numbered = (from: number, count: number): string[] => Array.from({ length: count }, (_, i) => `memory ${String(from + i).padStart(6, '0')}`);
const code = (wanted: string, details: object = {}): object => expect.objectContaining({ code: wanted, details: expect.objectContaining(details) as object }) as object;

async function three(options: NodeOptions = {}): Promise<void> {
  for (const name of ['a', 'b', 'c']) await nodes.start(name, undefined, options);
  nodes.setTable('a', ['a', 'b', 'c']);
}

/** Every one of them is acknowledged. */
async function store(name: string, texts: readonly string[], options: WriteOptions = {}): Promise<void> {
  await Promise.all(texts.map((text) => nodes.get(name).engine.store(draft(text), options)));
}

/** Resolves when each of these nodes holds exactly these memories. */
async function settled(names: readonly string[], texts: readonly string[]): Promise<void> {
  const { position } = nodes.get(names[0]!).core.partition(partition)!;
  await until(() => names.every((name) => nodes.get(name).core.partition(partition)!.position.seq >= position.seq));
  for (const name of names) expect(contents(nodes.get(name)), name).toEqual([...texts].sort());
}

describe('a write', () => {
  test('at quorum is on two of three stores when it is answered, and on all of them soon', async () => {
    await three();
    const { durability } = await nodes.get('a').engine.store(draft('one'));
    expect(durability).toMatchObject({ requested: 'quorum', token: { partition, epoch: 1, seq: 2 } });
    expect(nodes.all.filter((node) => contents(node).length === 1).length).toBeGreaterThanOrEqual(2);
    await settled(['a', 'b', 'c'], ['one']);
  });

  test('says how far it has come', async () => {
    await three();
    const { durability, memory } = await nodes.get('a').engine.store(draft('one'), { ack: 'all' });
    expect(durability).toMatchObject({ requested: 'all', reached: 'all', copies: 3 });
    const again = await nodes.get('a').engine.store({ ...draft('one'), id: memory.id }, { ack: 'all' });
    expect(again).toMatchObject({ outcome: 'already-stored', durability: { reached: 'all', copies: 3, token: { seq: 2 } } });
  });

  test('is refused by a replica, which names the primary', async () => {
    await three();
    await expect(nodes.get('b').engine.store(draft('one'))).rejects.toEqual(code('not_primary', { node: 'a', epoch: 1 }));
  });

  test('is refused as unavailable where there is no primary yet', async () => {
    await nodes.start('a');
    await expect(nodes.get('a').engine.store(draft('one'))).rejects.toEqual(code('unavailable'));
  });

  test('is refused without a lease, and nothing is left of it', async () => {
    await three();
    nodes.get('a').dispatch({ kind: 'lease', validUntil: plusMs(systemClock.now(), -1) });
    await expect(nodes.get('a').engine.store(draft('one'))).rejects.toEqual(code('unavailable', { reason: 'no-lease' }));
    expect(contents(nodes.get('a'))).toEqual([]);
  });

  test('that reaches too few copies in time may still become durable, and the same key finds it', async () => {
    await three({ replication: { ackTimeoutMs: 700 } });
    await store('a', ['before'], { ack: 'all' });
    nodes.cut('a');
    const options = { idempotencyKey: 'k1' };
    await expect(nodes.get('a').engine.store(draft('one'), options)).rejects.toEqual(code('deadline_exceeded', { indeterminate: true, reason: 'timeout', copies: 1 }));
    nodes.join('a');
    await settled(['a', 'b', 'c'], ['before', 'one']);
    expect(await nodes.get('a').engine.store(draft('one'), options)).toMatchObject({ outcome: 'already-stored', durability: { requested: 'quorum' } });
  });

  test('beyond what may wait is refused as overloaded', async () => {
    await three({ replication: { pendingMax: 3 } });
    const outcomes = await Promise.allSettled(numbered(0, 10).map((text) => nodes.get('a').engine.store(draft(text))));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
    for (const outcome of outcomes) if (outcome.status === 'rejected') expect(outcome.reason).toEqual(code('overloaded'));
  });

  test('a forgotten memory is forgotten on every copy', async () => {
    await three();
    const { memory } = await nodes.get('a').engine.store(draft('one'));
    await nodes.get('a').engine.forget(space, memory.id, { ack: 'all' });
    for (const node of nodes.all) expect(contents(node)).toEqual([]);
  });

  test('ten thousand at once are few syncs and few messages', async () => {
    let syncs = 0;
    await three({ engine: { wal: { onFsync: () => void syncs++ } } });
    const texts = numbered(0, 10_000);
    await store('a', texts.slice(0, 1), { ack: 'all' });
    await store('a', texts.slice(1));
    await settled(['a', 'b', 'c'], texts);
    expect(syncs).toBeLessThan(1_000);
    // A heartbeat that falls among them may have a few sent twice.
    const { entriesShipped, entriesResent } = nodes.get('a').core.counters();
    expect(entriesShipped - entriesResent).toBe(20_002);
    expect(entriesResent).toBeLessThan(1_000);
  }, 30_000);
});

describe('a session token', () => {
  test('is waited for by a replica that is behind, and refused by it when the wait is over', async () => {
    await three();
    nodes.cut('c');
    const { durability } = await nodes.get('a').engine.store(draft('one'));
    const { journal } = nodes.get('c');
    expect(await journal.awaitPosition(durability.token!, 0)).toMatchObject({ fresh: false });
    const waiting = journal.awaitPosition(durability.token!, 5_000);
    nodes.join('c');
    expect(await waiting).toEqual({ fresh: true });
    expect(contents(nodes.get('c'))).toEqual(['one']);
  });
});

describe('a crash or a stop', () => {
  /** lmdb gets nothing before the end, so that a start has only the log. */
  const logOnly: NodeOptions = { engine: { memory: { flushEveryMs: 60_000, flushAtOperations: 50_000, backlogOperationsMax: 100_000 } } };

  test('of a replica amid writes loses nothing and doubles nothing, and writes go on meanwhile', async () => {
    await three(logOnly);
    const texts = numbered(0, 300);
    await store('a', texts.slice(0, 100));
    const directory = nodes.kill('b');
    await store('a', texts.slice(100, 200));
    await nodes.start('b', directory, logOnly);
    await store('a', texts.slice(200), { ack: 'all' });
    await settled(['a', 'b', 'c'], texts);
    expect(nodes.get('b').core.partition(partition)!.position.seq).toBe(301);
  });

  test('of the primary amid writes: its successor has what was acknowledged, and it comes back as a replica', async () => {
    await three(logOnly);
    const acknowledged: string[] = [];
    const writing = numbered(0, 500).map((text) => nodes.get('a').engine.store(draft(text)).then(() => acknowledged.push(text), () => undefined));
    await until(() => acknowledged.length >= 100);
    const directory = nodes.kill('a');
    const known = [...acknowledged];
    const ranked = ['b', 'c'].sort((x, y) => nodes.get(y).core.partition(partition)!.position.seq - nodes.get(x).core.partition(partition)!.position.seq);
    await nodes.start('a', directory, logOnly);
    nodes.setTable(ranked[0]!, ['a', 'b', 'c'], { epoch: 2 });
    await until(() => nodes.get(ranked[0]!).core.partition(partition)!.role === 'primary');
    await nodes.get(ranked[0]!).engine.store(draft('after'), { ack: 'all' });
    await until(() => nodes.all.every(({ core }) => core.partition(partition)!.entriesSetAside === 0) && new Set(nodes.all.map(({ core }) => core.partition(partition)!.position.seq)).size === 1);
    const [first, ...others] = nodes.all.map(contents);
    for (const other of others) expect(other).toEqual(first);
    expect(new Set(first).size).toBe(first!.length);
    expect(first).toEqual(expect.arrayContaining([...known, 'after']));
    void Promise.allSettled(writing);
  });

  test('of all three at once loses nothing', async () => {
    await three(logOnly);
    const texts = numbered(0, 200);
    await store('a', texts);
    const directories = ['a', 'b', 'c'].map((name) => [name, nodes.kill(name)] as const);
    for (const [name, directory] of directories) await nodes.start(name, directory, logOnly);
    await store('a', ['after'], { ack: 'all' });
    await settled(['a', 'b', 'c'], [...texts, 'after']);
  });

  test('an orderly stop writes down how far the copy has come, and the same disk goes on', async () => {
    await three();
    await store('a', ['one'], { ack: 'all' });
    const storage = nodes.get('c').state.storageId;
    const directory = await nodes.stop('c');
    // Everything before the last entry is in the record.
    const state = await openStateStore(join(directory, 'cluster'), Random.fromSeed(1));
    expect(state.copyRecords()).toMatchObject([{ partition, seq: 2, lsn: 2 }]);
    await state.close();
    await store('a', ['two']);
    await nodes.start('c', directory);
    expect(nodes.get('c').state).toMatchObject({ storageId: storage, fresh: false });
    await store('a', ['three'], { ack: 'all' });
    await settled(['a', 'b', 'c'], ['one', 'two', 'three']);
  });
});

describe('a replica that was away', () => {
  /** Segments as small as they may be, and none kept: what a checkpoint covers is gone at once. */
  const shortLog: NodeOptions = { engine: { wal: { segmentBytesMax: 70_000, groupBytesMax: 65_000, entryBytesMax: 60_000, retainBytes: 0, layOutBytes: 0 } }, replication: { ringEntries: 10, appendBytes: 30_000, queueBytes: 1_000_000 } };
  const longLog: NodeOptions = { replication: { ringEntries: 10 } };

  test('catches up from the log', async () => {
    await three(longLog);
    nodes.cut('c');
    const texts = numbered(0, 3_000);
    await store('a', texts);
    nodes.join('c');
    await store('a', ['after'], { ack: 'all' });
    await settled(['a', 'b', 'c'], [...texts, 'after']);
    expect(nodes.get('c').core.counters().snapshotsReceived).toBe(0);
  });

  test('catches up from a snapshot when the log was cut, and goes on after a crash of either', async () => {
    await three(shortLog);
    await store('a', ['before'], { ack: 'all' });
    nodes.cut('c');
    const texts = numbered(0, 3_000);
    const { memory } = await nodes.get('a').engine.store(draft('to be forgotten'));
    for (let from = 0; from < texts.length; from += 500) await store('a', texts.slice(from, from + 500));
    await nodes.get('a').engine.forget(space, memory.id);
    for (const name of ['a', 'b']) await nodes.get(name).engine.checkpoint();
    expect(nodes.get('a').engine.status().log.firstLsn).toBeGreaterThan(2_000);
    nodes.join('c');
    await store('a', ['after'], { ack: 'all' });
    await settled(['a', 'b', 'c'], ['before', ...texts, 'after']);
    expect(nodes.get('c').core.counters().snapshotsReceived).toBe(1);
    for (const name of ['a', 'c']) await nodes.start(name, nodes.kill(name), shortLog);
    await store('a', ['the end'], { ack: 'all' });
    await settled(['a', 'b', 'c'], ['before', ...texts, 'after', 'the end']);
  });

  test('with an empty disk is filled as a learner, and counts once the table names its new disk', async () => {
    await three(shortLog);
    const texts = numbered(0, 1_000);
    await store('a', texts);
    await nodes.get('a').engine.checkpoint();
    await nodes.stop('c');
    await nodes.start('c', nodes.newDirectory(), shortLog);
    nodes.setTable('a', ['a', 'b'], { epoch: 2, learners: ['c'] });
    await until(() => nodes.get('a').reports.some(({ kind }) => kind === 'learner-ready'));
    nodes.setTable('a', ['a', 'b', 'c'], { epoch: 3 });
    await until(() => nodes.get('a').core.partition(partition)!.epoch === 3);
    expect(await nodes.get('a').engine.store(draft('after'), { ack: 'all' })).toMatchObject({ durability: { copies: 3 } });
    await settled(['a', 'b', 'c'], [...texts, 'after']);
  });
});

describe('a full disk', () => {
  test('of a replica refuses only there, and it catches up when there is room', async () => {
    let full = false;
    await nodes.start('a');
    await nodes.start('b');
    await nodes.start('c', undefined, { engine: { wal: { fileSystem: fullFileSystem(() => full), fullProbeMs: 10 } } });
    nodes.setTable('a', ['a', 'b', 'c']);
    await store('a', ['before'], { ack: 'all' });
    full = true;
    const texts = numbered(0, 100);
    for (const text of texts) await store('a', [text]);
    await until(() => nodes.get('c').engine.health().status === 'degraded');
    expect(['a', 'b'].map((name) => nodes.get(name).engine.health().status)).toEqual(['healthy', 'healthy']);
    full = false;
    await settled(['a', 'b', 'c'], ['before', ...texts]);
  });

  test('of the primary is told as what it is', async () => {
    let full = false;
    await nodes.start('a', undefined, { engine: { wal: { fileSystem: fullFileSystem(() => full), fullProbeMs: 10, layOutBytes: 0 } } });
    await nodes.start('b');
    nodes.setTable('a', ['a', 'b']);
    await store('a', ['before']);
    full = true;
    await expect(nodes.get('a').engine.store(draft('one'))).rejects.toEqual(code('disk_full'));
    full = false;
    await until(() => nodes.get('a').engine.health().status === 'healthy');
    await until(() => nodes.get('a').core.partition(partition)!.role === 'primary');
    await store('a', ['two']);
    await settled(['a', 'b'], ['before', 'two']);
  });
});

describe('a node that ran alone before', () => {
  test.each([['whole', false], ['cut', true]])('gives what it has to its replicas when it founds a cluster, with a log that is %s', async (_what, cut) => {
    const directory = nodes.newDirectory();
    const wal = { segmentBytesMax: 70_000, groupBytesMax: 65_000, entryBytesMax: 60_000, retainBytes: 0, layOutBytes: 0 };
    const alone = await openEngine({ dataDirectory: directory, version: '0.0.0-test', random: Random.fromSeed(7), wallClockMs: () => Date.now(), wal, checkpointEveryMs: 3_600_000 });
    const texts = numbered(0, 2_000);
    for (let from = 0; from < texts.length; from += 500) await Promise.all(texts.slice(from, from + 500).map((text) => alone.store(draft(text))));
    if (cut) await alone.checkpoint();
    const { nodeId } = alone;
    expect(alone.status().log.firstLsn > 1).toBe(cut);
    await alone.close();
    await nodes.start(nodeId, directory, { engine: { wal }, replication: { appendBytes: 30_000 }, adopt: true });
    await nodes.start('b');
    nodes.setTable(nodeId, [nodeId, 'b'], { epoch: 2 });
    await until(() => nodes.get(nodeId).core.partition(partition)!.role === 'primary');
    await store(nodeId, ['after'], { ack: 'all' });
    await settled([nodeId, 'b'], [...texts, 'after']);
  });

  test('brings nothing along when it joins one, and numbers nothing anew', async () => {
    const directory = nodes.newDirectory();
    const alone = await openEngine({ dataDirectory: directory, nodeId: nodeIdOf('c'), version: '0.0.0-test', random: Random.fromSeed(7), wallClockMs: () => Date.now() });
    await alone.store(draft('mine'));
    await alone.close();
    await nodes.start('a');
    await nodes.start('b');
    await nodes.start('c', directory);
    nodes.setTable('a', ['a', 'b', 'c']);
    await store('a', ['one', 'two'], { ack: 'all' });
    await settled(['a', 'b'], ['one', 'two']);
    expect(contents(nodes.get('c'))).toEqual(['mine', 'one', 'two']);
    const again = await nodes.start('c', nodes.kill('c'));
    expect(again.core.partition(partition)!.position).toEqual({ epoch: 1, seq: 3 });
  });
});
