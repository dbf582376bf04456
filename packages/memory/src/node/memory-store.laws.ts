import { copyFile, mkdir } from 'node:fs/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fakeLog } from '../../test/fake-log.js';
import { MapModel, seenInModel, seenInStore } from '../../test/map-model.js';
import { inTempDirectory } from '../../test/temp-directory.js';
import { openMemoryStore } from './memory-store.js';

/**
 * `crash` goes on with a copy of the file as it is at that moment: whatever was not committed is lost to the new store, as
 * after a kill, and the log is replayed from the position lmdb holds.
 */
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('apply' as const), count: fc.integer({ min: 1, max: 30 }) }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'flush' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'reopen' as const }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'crash' as const }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('repeat' as const), back: fc.integer({ min: 1, max: 50 }) }) },
);

const options = { flushEveryMs: 60_000, flushAtOperations: 60_000, backlogOperationsMax: 60_000 };

test('a store equals a plain Map after any operations, flushes, restarts and crashes', async () => {
  await fc.assert(fc.asyncProperty(fc.nat(), fc.array(step, { minLength: 3, maxLength: 14 }), async (seed, steps) => {
    await inTempDirectory(async (directory) => {
      const log = fakeLog(seed, 450, 12);
      const model = new MapModel();
      let lost = 0;
      let store = await openMemoryStore({ directory, ...options });
      for (const next of steps) {
        switch (next.kind) {
          case 'apply': {
            const batch = log.slice(model.lsn, model.lsn + next.count);
            store.apply(batch);
            for (const operation of batch) model.apply(operation);
            break;
          }
          case 'repeat':
            store.apply(log.slice(Math.max(0, model.lsn - next.back), model.lsn));
            break;
          case 'flush':
            await store.flush();
            expect(store.durableApplied).toBe(model.lsn);
            break;
          case 'reopen':
            await store.close();
            store = await openMemoryStore({ directory, ...options });
            expect(store.applied.lsn).toBe(model.lsn);
            break;
          case 'crash': {
            const durable = store.durableApplied;
            const left = `${directory}/copy-${lost++}`;
            await copyStore(directory, left);
            await store.close();
            store = await openMemoryStore({ directory: left, ...options });
            directory = left;
            expect(store.applied.lsn).toBe(durable);
            store.apply(log.slice(durable, model.lsn));
            break;
          }
        }
        const nowMs = 1_700_000_000_000 + model.lsn;
        expect(seenInStore(store, nowMs)).toEqual(seenInModel(model, nowMs));
      }
      await store.close();
    });
  }), { numRuns: 60 });
}, 60_000);

/** What a killed process leaves: the file as it is now. No commit is running, for every test awaits its flushes. */
async function copyStore(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  await copyFile(`${from}/data.mdb`, `${to}/data.mdb`);
}
