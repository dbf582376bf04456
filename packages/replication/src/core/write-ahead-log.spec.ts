import { describe, expect, test } from 'vitest';
import { instant, plusMs, wake, type Instant, type Wake } from '@engram/kernel';
import { checksum, entriesOf, entryOf, logId, recover, segmentOf } from '../../test/log-fixtures.js';
import type { LogEntry } from './entry.js';
import { lsn } from './lsn.js';
import type { LogEffect, LogEvent } from './messages.js';
import type { LogOptions } from './options.js';
import { frameBytes, SEAL_BYTES } from './record.js';
import type { SegmentSummary } from './retention.js';
import { SEGMENT_HEADER_BYTES } from './segment-header.js';
import { WriteAheadLogCore } from './write-ahead-log.js';

const H = SEGMENT_HEADER_BYTES;
const F = frameBytes(entryOf(1));
const t0 = instant(0);
const small: LogOptions = { segmentBytesMax: H + 6 * F, groupBytesMax: 4 * F, entryBytesMax: F, queueBytesMax: 8 * F, retainBytes: 0, fullProbeBytes: 16 };

function newLog(options: LogOptions = small, segments: readonly SegmentSummary[] = [{ firstLsn: lsn(1), lastLsn: lsn(0), bytes: H }], sealed = true) {
  const nextLsn = lsn((segments.at(-1)?.lastLsn ?? 0) + 1);
  const core = new WriteAheadLogCore(checksum, { logId, segments, nextLsn, hlcHighWater: 0n as never, sealed }, { ...options, entryBytesMax: 24 + 64 });
  return { core, feed: (event: LogEvent | Wake, now: Instant = t0): readonly LogEffect[] => core.handle(event, now) };
}

const call = (id: number, ...entries: LogEntry[]): LogEvent => ({ kind: 'append', calls: [{ id, entries }] });
const written: LogEvent = { kind: 'written' };
const synced: LogEvent = { kind: 'synced' };
const noSpace: LogEvent = { kind: 'write-failed', cause: 'no-space', message: 'no space left' };
const bytesOf = (first: number, ...entries: LogEntry[]): Uint8Array => segmentOf({ first, groups: [entries] }).subarray(H);

describe('an append', () => {
  test('is written, synced, and only then acknowledged', () => {
    const { feed } = newLog();
    expect(feed(call(1, entryOf(1)))).toEqual([{ kind: 'write', segment: 1, offset: H, bytes: bytesOf(1, entryOf(1)) }]);
    expect(feed(written)).toEqual([{ kind: 'sync', segment: 1 }]);
    expect(feed(synced)).toEqual([{ kind: 'acknowledge', id: 1, first: 1, last: 1 }]);
  });

  test('that arrives while a group is under way waits, and shares the next group with all that wait', () => {
    const { feed } = newLog();
    feed(call(1, entryOf(1)));
    expect(feed(call(2, entryOf(2)))).toEqual([]);
    expect(feed(call(3, entryOf(3), entryOf(4)))).toEqual([]);
    feed(written);
    const group = segmentOf({ first: 1, groups: [[entryOf(1)], [entryOf(2), entryOf(3), entryOf(4)]] }).subarray(H + F);
    expect(feed(synced)).toEqual([
      { kind: 'acknowledge', id: 1, first: 1, last: 1 },
      { kind: 'write', segment: 1, offset: H + F, bytes: group },
    ]);
    feed(written);
    expect(feed(synced)).toEqual([{ kind: 'acknowledge', id: 2, first: 2, last: 2 }, { kind: 'acknowledge', id: 3, first: 3, last: 4 }]);
  });

  test('that no longer fits the group waits for the one after', () => {
    const { feed } = newLog();
    const calls = [1, 3, 5].map((id) => ({ id, entries: [entryOf(id), entryOf(id + 1)] }));
    expect(feed({ kind: 'append', calls })).toMatchObject([{ kind: 'write', bytes: { length: 4 * F } }]);
    feed(written);
    expect(feed(synced)).toMatchObject([{ kind: 'acknowledge', id: 1 }, { kind: 'acknowledge', id: 3 }, { kind: 'write', bytes: { length: 2 * F } }]);
  });

  test('raises what is queued until it is acknowledged', () => {
    const { core, feed } = newLog();
    feed(call(1, entryOf(1)));
    feed(call(2, entryOf(2)));
    expect(core.queuedBytes).toBe(2 * F);
    feed(written);
    feed(synced);
    expect(core).toMatchObject({ queuedBytes: F, durableLsn: 1, nextLsn: 2 });
  });
});

describe('the bounds', () => {
  const refusal = (event: LogEvent, options = small): unknown => newLog(options).feed(event)[0];

  test('a queue that is full refuses as overloaded, and takes appends again once it has drained', () => {
    const { feed } = newLog({ ...small, queueBytesMax: 4 * F });
    for (const id of [1, 2, 3, 4]) feed(call(id, entryOf(id)));
    expect(feed(call(5, entryOf(5)))).toMatchObject([{ kind: 'reject', id: 5, refusal: { code: 'overloaded', indeterminate: false } }]);
    feed(written);
    feed(synced);
    expect(feed(call(6, entryOf(6)))).toEqual([]);
  });

  test('an entry larger than entryBytesMax is refused by itself', () => {
    expect(refusal(call(1, entryOf(1, 89)))).toMatchObject({ kind: 'reject', refusal: { code: 'payload_too_large', message: expect.stringContaining('89 bytes') } });
    expect(refusal(call(1, entryOf(1, 88)))).toMatchObject({ kind: 'write' });
  });

  test('a call larger than a group is refused as a whole', () => {
    expect(refusal(call(1, ...[1, 2, 3, 4, 5].map((n) => entryOf(n))))).toMatchObject({ kind: 'reject', refusal: { code: 'payload_too_large' } });
  });

  test.each<[string, Partial<LogEntry>]>([
    ['partition', { partition: -1 }], ['partition', { partition: 2 ** 32 }], ['epoch', { epoch: 1.5 }], ['seq', { seq: -1 }], ['hlc', { hlc: (2n ** 64n) as never }], ['origin', { origin: '../x' as never }],
  ])('an entry with an impossible %s is refused: %o', (field, change) => {
    expect(refusal(call(1, { ...entryOf(1), ...change }))).toMatchObject({ kind: 'reject', refusal: { code: 'invalid_argument', message: expect.stringContaining(field) } });
  });

  test('an append of nothing is refused', () => {
    expect(refusal(call(1))).toMatchObject({ kind: 'reject', refusal: { code: 'invalid_argument' } });
  });
});

describe('rotation', () => {
  function atTheBrim() {
    const log = newLog();
    log.feed(call(1, entryOf(1), entryOf(2), entryOf(3), entryOf(4)));
    log.feed(written);
    log.feed(synced);
    return log;
  }

  test('opens the next segment first, then marks the finished one, then goes on in the new one', () => {
    const { feed, core } = atTheBrim();
    const group = [5, 6, 7].map((number) => entryOf(number));
    expect(feed(call(2, ...group))).toEqual([{ kind: 'open-segment', segment: 5, header: segmentOf({ first: 5, hlcHighWater: entryOf(4).hlc }) }]);
    expect(feed({ kind: 'segment-opened' })).toMatchObject([{ kind: 'write', segment: 1, offset: H + 4 * F, bytes: { length: SEAL_BYTES } }]);
    expect(feed(written)).toEqual([{ kind: 'sync', segment: 1 }]);
    expect(feed(synced)).toEqual([{ kind: 'write', segment: 5, offset: H, bytes: bytesOf(5, ...group) }]);
    feed(written);
    expect(feed(synced)).toEqual([{ kind: 'acknowledge', id: 2, first: 5, last: 7 }]);
    expect(core.segments).toEqual([{ firstLsn: 1, lastLsn: 4, bytes: H + 4 * F + SEAL_BYTES }, { firstLsn: 5, lastLsn: 7, bytes: H + 3 * F }]);
  });

  test('does not happen while the group still fits', () => {
    expect(atTheBrim().feed(call(2, entryOf(5), entryOf(6)))).toMatchObject([{ kind: 'write', segment: 1 }]);
  });

  test('without room for a segment refuses the group, which was never written', () => {
    const { feed, core } = atTheBrim();
    feed(call(2, entryOf(5), entryOf(6), entryOf(7)));
    expect(feed({ kind: 'segment-open-failed', cause: 'no-space', message: 'no space left' })).toEqual([
      { kind: 'state-changed', state: 'full', reason: 'the disk is full: no space left' },
      { kind: 'reject', id: 2, refusal: { code: 'disk_full', message: 'the disk is full: no space left', indeterminate: false } },
    ]);
    expect(core.nextWake()).toBe(plusMs(t0, 1_000));
  });
});

describe('a full disk', () => {
  function full() {
    const log = newLog();
    log.feed(call(1, entryOf(1)));
    log.feed(call(2, entryOf(2)));
    return log;
  }

  test('has the unfinished group cut off before anyone hears that it was refused; what was not written hears at once', () => {
    const { feed } = full();
    expect(feed(noSpace)).toEqual([
      { kind: 'state-changed', state: 'full', reason: 'the disk is full: no space left' },
      { kind: 'reject', id: 2, refusal: { code: 'disk_full', message: 'the disk is full: no space left', indeterminate: false } },
      { kind: 'truncate', segment: 1, bytes: H },
    ]);
    expect(feed({ kind: 'truncated' })).toEqual([{ kind: 'reject', id: 1, refusal: { code: 'disk_full', message: 'the disk is full: no space left', indeterminate: false } }]);
  });

  test('refuses appends at once, until a probe finds room; the position refused is given to the next entry', () => {
    const { feed, core } = full();
    feed(noSpace);
    feed({ kind: 'truncated' });
    expect(feed(call(3, entryOf(3)))).toMatchObject([{ kind: 'reject', id: 3, refusal: { code: 'disk_full' } }]);
    const due = plusMs(t0, 1_000);
    expect(core.nextWake()).toBe(due);
    expect(feed(wake, plusMs(t0, 999))).toEqual([]);
    expect(feed(wake, due)).toEqual([{ kind: 'write', segment: 1, offset: H, bytes: new Uint8Array(16) }]);
    expect(feed(noSpace, due)).toEqual([{ kind: 'truncate', segment: 1, bytes: H }]);
    expect(feed({ kind: 'truncated' }, due)).toEqual([]);
    expect(core).toMatchObject({ state: 'full' });

    const later = plusMs(due, 1_000);
    expect(core.nextWake()).toBe(later);
    feed(wake, later);
    expect(feed(written, later)).toEqual([{ kind: 'truncate', segment: 1, bytes: H }]);
    expect(feed({ kind: 'truncated' }, later)).toEqual([{ kind: 'state-changed', state: 'accepting', reason: 'the disk has room again' }]);
    expect(feed(call(4, entryOf(4)), later)).toEqual([{ kind: 'write', segment: 1, offset: H, bytes: bytesOf(1, entryOf(4)) }]);
  });

  test('that cannot be cut back either stops the log, and says that the group may come back', () => {
    const { feed } = full();
    feed(noSpace);
    expect(feed({ kind: 'truncate-failed', message: 'input/output error' })).toMatchObject([
      { kind: 'state-changed', state: 'failed' }, { kind: 'reject', id: 1, refusal: { code: 'log_failed', indeterminate: true } },
    ]);
  });
});

describe('a failed sync', () => {
  test('stops the log for good: nothing pending is acknowledged, nothing is synced again, later appends are refused', () => {
    const { feed, core } = newLog();
    feed(call(1, entryOf(1)));
    feed(call(2, entryOf(2)));
    feed(written);
    expect(feed({ kind: 'sync-failed', message: 'input/output error' })).toEqual([
      { kind: 'state-changed', state: 'failed', reason: 'syncing the log failed: input/output error' },
      { kind: 'reject', id: 1, refusal: { code: 'log_failed', message: 'syncing the log failed: input/output error', indeterminate: true } },
      { kind: 'reject', id: 2, refusal: { code: 'log_failed', message: 'the log has stopped: syncing the log failed: input/output error', indeterminate: false } },
    ]);
    expect(feed(call(3, entryOf(3)))).toMatchObject([{ kind: 'reject', id: 3, refusal: { code: 'log_failed', indeterminate: false } }]);
    expect(core.nextWake()).toBeUndefined();
    expect(feed({ kind: 'close' })).toEqual([{ kind: 'state-changed', state: 'closed', reason: 'syncing the log failed: input/output error' }, { kind: 'finish' }]);
  });

  test.each<LogEvent>([{ kind: 'write-failed', cause: 'other', message: 'read-only file system' }])('so does a write that fails for anything but space', (event) => {
    const { feed } = newLog();
    feed(call(1, entryOf(1)));
    expect(feed(event)).toMatchObject([{ kind: 'state-changed', state: 'failed' }, { kind: 'reject', refusal: { code: 'log_failed', indeterminate: true } }]);
  });
});

describe('a quiet log', () => {
  test('writes one seal, after which damage to its last entry can be told from a torn tail', () => {
    const { feed, core } = newLog();
    feed(call(1, entryOf(1)));
    feed(written);
    feed(synced);
    expect(core.nextWake()).toBe(plusMs(t0, 200));
    const effects = feed(wake, plusMs(t0, 200));
    expect(effects).toEqual([{ kind: 'write', segment: 1, offset: H + F, bytes: segmentOf({ first: 1, groups: [[entryOf(1)], 'seal'] }).subarray(H + F) }]);
    feed(written);
    expect(feed(synced)).toEqual([]);
    expect(core.nextWake()).toBeUndefined();
  });

  test('seals at once what it recovered without proof', () => {
    const { core } = newLog(small, [{ firstLsn: lsn(1), lastLsn: lsn(2), bytes: H + 2 * F }], false);
    expect(core.nextWake()).toBe(instant(0));
  });
});

describe('a checkpoint', () => {
  const segments = [1, 3, 5].map((first) => ({ firstLsn: lsn(first), lastLsn: lsn(first + 1), bytes: 100 }));

  test('deletes what it covers, oldest first and one after another, and never the newest', () => {
    const { feed, core } = newLog(small, segments);
    expect(feed({ kind: 'checkpoint', applied: lsn(6) })).toEqual([{ kind: 'delete-segment', segment: 1 }]);
    expect(feed({ kind: 'segment-deleted', segment: lsn(1) })).toEqual([{ kind: 'delete-segment', segment: 3 }]);
    expect(feed({ kind: 'segment-deleted', segment: lsn(3) })).toEqual([{ kind: 'retention-settled' }]);
    expect(core).toMatchObject({ firstLsn: 5, segments: [{ firstLsn: 5 }] });
  });

  test('leaves a segment that it covers only in part', () => {
    expect(newLog(small, segments).feed({ kind: 'checkpoint', applied: lsn(1) })).toEqual([{ kind: 'retention-settled' }]);
  });

  test('stops at a segment that cannot be deleted, so that no hole appears, and tries again next time', () => {
    const { feed } = newLog(small, segments);
    feed({ kind: 'checkpoint', applied: lsn(6) });
    expect(feed({ kind: 'segment-delete-failed', message: 'not permitted' })).toEqual([{ kind: 'retention-settled', failure: 'not permitted' }]);
    expect(feed({ kind: 'checkpoint', applied: lsn(6) })).toEqual([{ kind: 'delete-segment', segment: 1 }]);
  });
});

describe('closing', () => {
  test('finishes what was accepted, seals, and marks the end', () => {
    const { feed } = newLog();
    feed(call(1, entryOf(1)));
    feed(call(2, entryOf(2)));
    expect(feed({ kind: 'close' })).toEqual([]);
    expect(feed(call(3, entryOf(3)))).toMatchObject([{ kind: 'reject', id: 3, refusal: { code: 'shutting_down' } }]);
    feed(written);
    expect(feed(synced)).toMatchObject([{ kind: 'acknowledge', id: 1 }, { kind: 'write' }]);
    feed(written);
    expect(feed(synced)).toMatchObject([{ kind: 'acknowledge', id: 2 }, { kind: 'write', bytes: { length: SEAL_BYTES } }]);
    feed(written);
    expect(feed(synced)).toEqual([
      { kind: 'state-changed', state: 'closed', reason: 'closed in an orderly way' },
      { kind: 'finish', mark: { logId, nextLsn: 3 } },
    ]);
    expect(feed(call(4, entryOf(4)))).toMatchObject([{ kind: 'reject', id: 4, refusal: { code: 'shutting_down' } }]);
  });

  test('needs nothing written when everything is sealed', () => {
    expect(newLog().feed({ kind: 'close' })).toMatchObject([{ kind: 'state-changed', state: 'closed' }, { kind: 'finish', mark: { nextLsn: 1 } }]);
  });
});

test('a disk that answers what was not asked is a defect, not a state', () => {
  expect(() => newLog().feed(synced)).toThrowError(expect.objectContaining({ code: 'assertion_failed' }));
});

test('what the core writes is what recovery reads', () => {
  const { feed } = newLog();
  const file = [segmentOf({ first: 1 })];
  for (const effect of feed(call(1, entryOf(1), entryOf(2)))) if (effect.kind === 'write') file.push(effect.bytes.slice());
  const bytes = Uint8Array.from(file.flatMap((part) => [...part]));
  expect(recover([{ lsn: 1, bytes }])).toMatchObject({ kind: 'recovered', nextLsn: 3 });
  expect([...entriesOf([{ lsn: 1, bytes }]).values()]).toEqual([entryOf(1), entryOf(2)]);
});
