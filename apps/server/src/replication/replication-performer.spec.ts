import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EngramError, hlcOf, hlcZero, parseNodeId, parseMemoryId, parseSpaceId, type Hlc } from '@engram/kernel';
import { encodeOperation, openMemoryStore, type LoggedOperation, type MemoryStore, type Operation } from '@engram/memory';
import { lsn, openWriteAheadLog, type LogEntry, type WriteAheadLog } from '@engram/replication';
import { epochOpenPayload, type CopyRecord, type ReplicationEffect, type ReplicationEvent } from '@engram/replication/core';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { until } from '../../test/replicated-nodes.js';
import { ReplicationPerformer } from './replication-performer.js';
import { encodeChunk } from './snapshot-chunk.js';
import type { StateStore } from './state-store.js';

const here = parseNodeId('here');
const there = parseNodeId('there');
const space = parseSpaceId('default');
const storing = (name: string): Operation => ({ kind: 'store', memory: { id: parseMemoryId(name), space, content: name, tags: [], confidence: 0.7, whenMs: 1, storedAtMs: 1 } });

let directory: string;
let log: WriteAheadLog;
let store: MemoryStore;
let events: ReplicationEvent[];
let applied: LoggedOperation[];
let observed: Hlc[];
let reports: ReplicationEffect[];
let failures: EngramError[];
let put: (record: CopyRecord) => Promise<void>;
let apply: (entries: readonly LoggedOperation[]) => void;
let performer: ReplicationPerformer;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'engram-performer-'));
  log = await openWriteAheadLog({ directory: join(directory, 'wal') });
  store = await openMemoryStore({ directory: join(directory, 'store') });
  [events, applied, observed, reports, failures] = [[], [], [], [], []];
  put = async () => {};
  apply = (entries) => void applied.push(...entries);
  // Only the records are asked of the state here, and the disk under them is to fail at will.
  const state = { putCopyRecord: (record: CopyRecord) => put(record) } as StateStore;
  const streams = { openStream: () => {}, send: () => {}, closeStream: () => {} };
  performer = new ReplicationPerformer(
    { nodeId: here, log, store, apply: (entries) => apply(entries), observe: (hlc) => void observed.push(hlc) }, state, streams, (event) => void events.push(event),
    { partitionOf: () => 7, onReport: (effect) => void reports.push(effect), onFailed: (error) => void failures.push(error), retryMs: 1 },
  );
});

afterEach(async () => {
  await performer.close(new EngramError('shutting_down', 'the test is over'));
  await log.close();
  await store.close();
  rmSync(directory, { recursive: true, force: true });
});

const entry = (seq: number, payload: Uint8Array, origin = here): LogEntry => ({ partition: 7, epoch: 1, seq, hlc: hlcOf(seq, 0), origin, payload });
const record = (partition: number, promised: number): CopyRecord => ({ partition, promised, seq: 0, lsn: lsn(0), lineage: [], setAside: [], takenUp: [] });

async function performed(effect: ReplicationEffect): Promise<ReplicationEvent> {
  const before = events.length;
  performer.perform(effect);
  await until(() => events.length > before);
  return events.at(-1)!;
}

describe('the log', () => {
  test('entries are answered once they are durable', async () => {
    expect(await performed({ kind: 'append-log', id: 1, entries: [entry(1, epochOpenPayload), entry(2, encodeOperation(storing('m1')))] })).toEqual({ kind: 'appended', id: 1, first: 1 });
    expect(log.status().durableLsn).toBe(2);
  });

  test('an entry of another node that cannot be applied does not get into the log', async () => {
    const answer = await performed({ kind: 'append-log', id: 1, entries: [entry(1, epochOpenPayload, there), entry(2, Uint8Array.of(0x91, 99), there)] });
    expect(answer).toMatchObject({ kind: 'append-failed', id: 1, indeterminate: false, message: expect.stringContaining('version') as string });
    expect(log.status().nextLsn).toBe(1);
  });

  test('a store that is too far behind holds the log back, and one that cannot go on refuses', async () => {
    let flushes = 0;
    const behind = { ...store, backlog: () => ({ operations: 1, bytes: 1, saturated: true }), flush: async () => { if (++flushes > 1) throw new EngramError('disk_full', 'the store cannot grow'); } } as MemoryStore;
    const slow = new ReplicationPerformer({ nodeId: here, log, store: behind, apply: () => {}, observe: () => {} }, {} as StateStore, { openStream: () => {}, send: () => {}, closeStream: () => {} }, (event) => void events.push(event), { partitionOf: () => 7, onReport: () => {} });
    slow.perform({ kind: 'append-log', id: 1, entries: [entry(1, epochOpenPayload)] });
    await until(() => events.length === 1);
    slow.perform({ kind: 'append-log', id: 2, entries: [entry(2, epochOpenPayload)] });
    await until(() => events.length === 2);
    expect(events).toEqual([{ kind: 'appended', id: 1, first: 1 }, { kind: 'append-failed', id: 2, indeterminate: false, message: 'the store cannot grow' }]);
  });

  test('a refusal of the log is passed on, with its code kept for who asked', async () => {
    await log.close();
    expect(await performed({ kind: 'append-log', id: 1, entries: [entry(1, epochOpenPayload)] })).toMatchObject({ kind: 'append-failed', indeterminate: false });
    expect(performer.lastLogError?.code).toBe('shutting_down');
  });
});

describe('applying', () => {
  const at = (seq: number, origin = here, operation?: Uint8Array): Extract<ReplicationEffect, { kind: 'apply' }>['entries'][number] => ({ lsn: lsn(seq), partition: 7, epoch: 1, seq, hlc: hlcOf(seq, 0), origin, operation });

  test('operations reach the store in order, those of the protocol as nothing', () => {
    performer.perform({ kind: 'apply', entries: [at(1), at(2, here, encodeOperation(storing('m1')))] });
    expect(applied).toEqual([
      { lsn: 1, partition: 7, epoch: 1, seq: 1, hlc: hlcOf(1, 0), operation: undefined },
      { lsn: 2, partition: 7, epoch: 1, seq: 2, hlc: hlcOf(2, 0), operation: storing('m1') },
    ]);
  });

  test('an operation that the journal made is applied as it is', () => {
    const operation = storing('m1');
    const payload = encodeOperation(operation);
    performer.remember(payload, operation);
    performer.perform({ kind: 'apply', entries: [at(1, here, payload)] });
    expect(applied[0]!.operation).toBe(operation);
  });

  test('stamps of other nodes are observed', () => {
    performer.perform({ kind: 'apply', entries: [at(1), at(2, there), at(3)] });
    expect(observed).toEqual([hlcOf(2, 0)]);
  });

  test('a store that refuses stops the node: nothing more is performed, and who waits is told', async () => {
    apply = () => {
      throw new Error('the store is broken');
    };
    const waiting = performer.requests.open(() => {});
    performer.perform({ kind: 'apply', entries: [at(1)] });
    performer.perform({ kind: 'leading', partition: 7, epoch: 1 });
    await expect(waiting).rejects.toMatchObject({ code: 'log_failed', details: { indeterminate: true } });
    await expect(performer.requests.open(() => {})).rejects.toMatchObject({ code: 'log_failed' });
    expect(failures).toHaveLength(1);
    expect(reports).toEqual([]);
  });
});

describe('records', () => {
  test('are answered in the order asked, and of a partition only the last is written', async () => {
    const written: CopyRecord[] = [];
    put = async (one) => void written.push(one);
    for (const [id, one] of [[5, record(1, 1)], [6, record(2, 1)], [7, record(1, 2)]] as const) performer.perform({ kind: 'persist', id, record: one });
    await until(() => events.length === 3);
    expect(events).toEqual([5, 6, 7].map((id) => ({ kind: 'persisted', id })));
    expect(written).toEqual([record(1, 2), record(2, 1)]);
  });

  test('are put again until the disk has room', async () => {
    let refusals = 3;
    put = async () => {
      if (refusals-- > 0) throw new EngramError('disk_full', 'no room');
    };
    expect(await performed({ kind: 'persist', id: 1, record: record(1, 1) })).toEqual({ kind: 'persisted', id: 1 });
    expect(failures).toEqual([]);
  });

  test('of a second try are the latest there are, never an earlier one', async () => {
    const written: CopyRecord[] = [];
    let full = true;
    put = async (one) => {
      if (full) throw new EngramError('disk_full', 'no room');
      written.push(one);
    };
    performer.perform({ kind: 'persist', id: 1, record: record(1, 1) });
    await expect(performer.putRecords([record(1, 2)])).rejects.toMatchObject({ code: 'disk_full' });
    full = false;
    await until(() => events.length === 1);
    expect(written).toEqual([record(1, 2)]);
  });

  test('that can never be written stop the node', async () => {
    put = async () => {
      throw new EngramError('log_failed', 'the disk is gone');
    };
    performer.perform({ kind: 'persist', id: 1, record: record(1, 1) });
    await until(() => failures.length === 1);
    expect(events).toEqual([]);
  });
});

describe('snapshots', () => {
  test('go out in parts and make a copy where they are merged', async () => {
    store.apply(['m1', 'm2', 'm3'].map((name, i) => ({ lsn: i + 1, hlc: hlcZero, partition: 7, epoch: 1, seq: i + 1, operation: storing(name) })));
    performer.perform({ kind: 'open-snapshot', id: 1, partition: 7 });
    const chunks: Uint8Array[] = [];
    for (let cursor = '', more = true; more; more = cursor !== '') {
      const answer = await performed({ kind: 'read-snapshot', id: 1, cursor, bytesMax: 10 });
      if (answer.kind !== 'snapshot-read') throw new Error(answer.kind);
      chunks.push(answer.bytes);
      cursor = answer.next;
    }
    expect(chunks.length).toBeGreaterThan(2);
    const copy = await openMemoryStore({ directory: join(directory, 'copy') });
    const other = new ReplicationPerformer({ nodeId: there, log, store: copy, apply: () => {}, observe: () => {} }, {} as StateStore, { openStream: () => {}, send: () => {}, closeStream: () => {} }, (event) => void events.push(event), { partitionOf: () => 7, onReport: () => {} });
    events = [];
    for (const [id, bytes] of chunks.entries()) {
      other.perform({ kind: 'install-chunk', id, partition: 7, bytes });
      await until(() => events.length === id + 1);
    }
    other.perform({ kind: 'finish-install', id: 99, partition: 7 });
    await until(() => events.length === chunks.length + 1);
    expect(events.every(({ kind }) => kind === 'installed')).toBe(true);
    expect(copy.list(space, { limit: 10 }).memories.map(({ content }) => content)).toEqual(['m1', 'm2', 'm3']);
    expect(copy.backlog().operations).toBe(0);
    await other.close(new EngramError('shutting_down', 'the test is over'));
    await copy.close();
  });

  test('that are not open, or cursors that nobody gave, fail', async () => {
    expect(await performed({ kind: 'read-snapshot', id: 4, cursor: '', bytesMax: 10 })).toMatchObject({ kind: 'snapshot-failed', id: 4 });
    performer.perform({ kind: 'open-snapshot', id: 5, partition: 7 });
    expect(await performed({ kind: 'read-snapshot', id: 5, cursor: 'nonsense', bytesMax: 10 })).toMatchObject({ kind: 'snapshot-failed', id: 5 });
  });

  test('of another partition are not merged', async () => {
    const answer = await performed({ kind: 'install-chunk', id: 1, partition: 8, bytes: encodeChunk([storing('m1')]) });
    expect(answer).toMatchObject({ kind: 'install-failed', message: expect.stringContaining('belongs to partition 7') as string });
    expect(store.list(space, { limit: 10 }).memories).toEqual([]);
  });

  test('that were damaged on the way are not merged', async () => {
    const bytes = encodeChunk([storing('m1')]);
    bytes[bytes.length - 1]! ^= 1;
    expect(await performed({ kind: 'install-chunk', id: 1, partition: 7, bytes })).toMatchObject({ kind: 'install-failed' });
  });
});

test('a core that breaks its own rule stops the node instead of the process', async () => {
  const broken = new ReplicationPerformer(
    { nodeId: here, log, store, apply: () => {}, observe: () => {} }, {} as StateStore, { openStream: () => {}, send: () => {}, closeStream: () => {} },
    () => {
      throw new Error('an invariant broke');
    },
    { partitionOf: () => 7, onReport: () => {}, onFailed: (error) => void failures.push(error) },
  );
  broken.perform({ kind: 'append-log', id: 1, entries: [entry(1, epochOpenPayload)] });
  await until(() => failures.length === 1);
  expect(failures[0]!.message).toContain('an invariant broke');
});
