import { EngramError, parseMemoryId, parseSpaceId } from '@engram/kernel';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Committer } from './committer.js';
import type { Overlay } from './overlay.js';
import { idempotencyRecord } from './record-codec.js';
import { resolveStoreOptions, type StoreStatus } from './store-options.js';

const space = parseSpaceId('travel');
const full = new EngramError('disk_full', 'the disk is full');
const broken = new EngramError('internal', 'the disk is broken');

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('committer', () => {
  test('what is applied is committed after the pause, without anybody asking', async () => {
    const { committer, disk, apply } = committerOn();
    apply(1);
    expect(disk.attempts).toEqual([]);
    await vi.advanceTimersByTimeAsync(200);
    expect(disk.attempts).toEqual([1]);
    await disk.settle();
    expect(committer.durableLsn).toBe(1);
  });

  test('what a running commit carries stays readable, and what comes meanwhile goes into the next one', async () => {
    const { committer, disk, apply } = committerOn();
    apply(1);
    const flushed = committer.flush();
    apply(2);
    expect(committer.pendingOf(space, undefined).map(([id]) => id)).toEqual(['m1', 'm2']);
    expect(committer.backlog()).toEqual({ operations: 2, bytes: 2 });
    await disk.settle();
    await flushed;
    expect(committer.durableLsn).toBe(1);
    expect(committer.pending(space, parseMemoryId('m1'))).toBeUndefined();
    expect(committer.pending(space, parseMemoryId('m2'))).toBeDefined();
  });

  test('a flush during a commit waits for the operations that commit does not carry', async () => {
    const { committer, disk, apply } = committerOn();
    apply(1);
    const first = committer.flush();
    apply(2);
    const second = committer.flush();
    await disk.settle();
    await first;
    expect(committer.durableLsn).toBe(1);
    await disk.settle();
    await second;
    expect(disk.attempts).toEqual([1, 2]);
    expect(committer.durableLsn).toBe(2);
  });

  test('a full disk is tried again with growing pauses, the same overlay each time', async () => {
    const { committer, disk, apply, statuses } = committerOn();
    apply(1);
    await vi.advanceTimersByTimeAsync(200);
    await disk.settle(full);
    apply(2);
    for (const pauseMs of [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]) {
      const before = disk.attempts.length;
      await vi.advanceTimersByTimeAsync(pauseMs - 1);
      expect(disk.attempts.length).toBe(before);
      await vi.advanceTimersByTimeAsync(1);
      expect(disk.attempts.length).toBe(before + 1);
      expect(disk.attempts.at(-1)).toBe(1);
      await disk.settle(full);
    }
    expect(committer.durableLsn).toBe(0);
    expect(committer.status).toEqual({ state: 'stalled', reason: full.message });

    await vi.advanceTimersByTimeAsync(5_000);
    await disk.settle();
    expect([committer.durableLsn, committer.status.state]).toEqual([1, 'ok']);
    expect(statuses.map(({ state }) => state)).toEqual(['stalled', 'ok']);
    await vi.advanceTimersByTimeAsync(200);
    await disk.settle();
    expect(committer.durableLsn).toBe(2);
  });

  test('a flush on a full disk tries at once and says that it failed', async () => {
    const { committer, disk, apply } = committerOn();
    apply(1);
    const flushed = committer.flush();
    const refused = expect(flushed).rejects.toBe(full);
    await disk.settle(full);
    await refused;
    expect(committer.durableLsn).toBe(0);
  });

  test('after any other failure nothing is tried again, and everything stays readable', async () => {
    const { committer, disk, apply } = committerOn();
    apply(1);
    await vi.advanceTimersByTimeAsync(200);
    await disk.settle(broken);
    apply(2);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(disk.attempts).toEqual([1]);
    expect(committer.status).toEqual({ state: 'failed', reason: broken.message });
    await expect(committer.flush()).rejects.toBe(broken);
    await expect(committer.close()).rejects.toBe(broken);
    expect(committer.pendingOf(space, undefined).length).toBe(2);
  });

  test('an idempotency record that grows after the commit began is retried as it was', async () => {
    const { committer, disk, apply } = committerOn();
    const results = [{ kind: 'store' as const, space, id: parseMemoryId('m1') }];
    committer.overlay.noteIdempotency(1, { key: 'k', fingerprint: 'f', expiresAtMs: 9, results });
    apply(1);
    await vi.advanceTimersByTimeAsync(200);
    await disk.settle(full);
    results.push({ kind: 'store', space, id: parseMemoryId('m2') });
    await vi.advanceTimersByTimeAsync(100);
    expect(idempotencyRecord.decode(disk.last!.idempotency.get(1)!).results.map(({ id }) => id)).toEqual(['m1']);
    await disk.settle();
  });

  test('a closed committer leaves no timer behind', async () => {
    const { committer, disk, apply } = committerOn();
    apply(1);
    const closed = committer.close();
    await disk.settle();
    await closed;
    expect(vi.getTimerCount()).toBe(0);
    expect(committer.durableLsn).toBe(1);
  });
});

/** A committer on a disk whose every commit ends the way the test says, when the test says. */
function committerOn() {
  const statuses: StoreStatus[] = [];
  const disk = new PatientDisk();
  const committer = new Committer(disk, resolveStoreOptions({ directory: 'x', onStatusChange: (status) => statuses.push(status) }), 0);
  const apply = (lsn: number) => {
    committer.overlay.put(space, parseMemoryId(`m${lsn}`), { kind: 'memory', bytes: Uint8Array.of(lsn) });
    committer.overlay.lsn = lsn;
    committer.overlay.operations++;
    committer.schedule();
  };
  return { committer, disk, apply, statuses };
}

class PatientDisk {
  /** The lsn each attempt would have reached. */
  readonly attempts: number[] = [];
  last: Overlay | undefined;
  #end: ((failure?: Error) => void) | undefined;

  commit(overlay: Overlay): Promise<void> {
    this.attempts.push(overlay.lsn);
    this.last = overlay;
    return new Promise((resolve, reject) => {
      this.#end = (failure) => (failure === undefined ? resolve() : reject(failure));
    });
  }

  async settle(failure?: Error): Promise<void> {
    this.#end!(failure);
    await vi.advanceTimersByTimeAsync(0);
  }
}
