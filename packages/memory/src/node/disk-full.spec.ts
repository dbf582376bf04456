import { execFileSync } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseMemoryId, parseSpaceId } from '@engram/kernel';
import { expect, test } from 'vitest';
import { inTempDirectory } from '../../test/temp-directory.js';
import { openMemoryStore } from './memory-store.js';
import type { LoggedOperation } from './operation.js';
import type { StoreStatus } from './store-options.js';

const space = parseSpaceId('travel');

test('a full disk loses nothing: reads go on, nothing counts as durable, and commits resume when there is room', async (context) => {
  await onSmallDisk(context.skip, async (disk) => {
    const ballast = join(disk, 'ballast');
    await writeFile(ballast, Buffer.alloc(2_000_000));
    const changes: StoreStatus['state'][] = [];
    const store = await openMemoryStore({ directory: join(disk, 'store'), flushEveryMs: 60_000, onStatusChange: ({ state }) => changes.push(state) });

    let lsn = 0;
    let failure: unknown;
    while (failure === undefined && lsn < 20_000) {
      const durable = store.durableApplied;
      store.apply(batch(lsn, 400));
      lsn += 400;
      failure = await store.flush().then(() => undefined, (error: unknown) => error);
      expect(store.durableApplied).toBe(failure === undefined ? lsn : durable);
    }

    expect(failure).toMatchObject({ code: 'disk_full', retryable: true });
    expect(store.status()).toMatchObject({ state: 'stalled', reason: expect.stringContaining('full') });
    store.apply(batch(lsn, 100));
    lsn += 100;
    expect(store.space(space)?.memories).toBe(lsn);
    for (const n of [1, lsn - 450, lsn]) expect(store.lookup(space, parseMemoryId(`m${n}`)).kind).toBe('memory');

    await rm(ballast);
    await store.flush();
    expect(store.status()).toEqual({ state: 'ok' });
    expect(changes).toEqual(['stalled', 'ok']);
    expect(store.durableApplied).toBe(lsn);
    await store.close();
    const reopened = await openMemoryStore({ directory: join(disk, 'store') });
    expect(reopened.space(space)?.memories).toBe(lsn);
    await reopened.close();
  });
}, 30_000);

test('a store on a disk that stays full still closes, says why, and reopens at its last position', async (context) => {
  await onSmallDisk(context.skip, async (disk) => {
    const directory = join(disk, 'store');
    const store = await openMemoryStore({ directory, flushEveryMs: 60_000 });
    store.apply(batch(0, 100));
    await store.flush();
    store.apply(batch(100, 10_000));
    await expect(store.close()).rejects.toMatchObject({ code: 'disk_full' });
    const reopened = await openMemoryStore({ directory });
    expect([reopened.applied.lsn, reopened.space(space)?.memories]).toEqual([100, 100]);
    await reopened.close();
  });
}, 30_000);

function batch(from: number, count: number): LoggedOperation[] {
  return Array.from({ length: count }, (_, i) => {
    const lsn = from + i + 1;
    const memory = { id: parseMemoryId(`m${lsn}`), space, content: `${lsn} `.repeat(100), tags: [], confidence: 1, whenMs: 1, storedAtMs: 1 };
    return { lsn, hlc: BigInt(lsn), partition: 0, epoch: 1, seq: lsn, operation: { kind: 'store', memory } };
  });
}

/** A disk of four megabytes that is gone afterwards. Only root may mount one. */
async function onSmallDisk(skip: (reason: string) => void, use: (disk: string) => Promise<void>): Promise<void> {
  await inTempDirectory(async (disk) => {
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', disk], { stdio: 'pipe' });
    } catch (error) {
      const reason = `a small disk needs the right to mount one: ${String(error).slice(0, 200)}`;
      console.log(`skipped: ${reason}`);
      return skip(reason);
    }
    try {
      await use(disk);
    } finally {
      execFileSync('umount', ['--lazy', disk]);
    }
  });
}
