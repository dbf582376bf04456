import { Random } from '@engram/kernel';
import fc from 'fast-check';
import { open, type Database } from 'lmdb';
import { test } from 'vitest';
import { inTempDirectory } from '../../test/temp-directory.js';
import { inspectDataFile } from './page-check.js';

/**
 * The check must never refuse what lmdb itself wrote, whatever it wrote: entries of every size, on their own pages or
 * not, trees that grow, shrink and empty again, files whose last pages are free.
 */
test('every file lmdb leaves after a commit passes the check', async () => {
  await fc.assert(fc.asyncProperty(fc.nat(), fc.integer({ min: 5, max: 300 }), async (seed, writesMax) => {
    await inTempDirectory(async (path) => {
      const random = Random.fromSeed(seed);
      const root = open({ path, overlappingSync: false, eventTurnBatching: false, encoding: 'binary' });
      const tables = ['memories', 'tombstones'].map((name) => root.openDB<Uint8Array, string>(name, { encoding: 'binary' }));
      for (let round = 0; round < 12; round++) {
        await root.batch(() => {
          for (let i = random.below(writesMax); i > 0; i--) change(random.pick(tables), random, round < 8 ? 0.3 : 0.9);
        });
        inspectDataFile(path);
      }
      await root.close();
      inspectDataFile(path);
    });
  }), { numRuns: 25 });
}, 30_000);

function change(table: Database<Uint8Array, string>, random: Random, removeChance: number): void {
  const key = `${'k'.repeat(1 + random.below(100))}${random.below(2_000)}`;
  if (!random.chance(removeChance)) void table.put(key, random.bytes(random.below(random.chance(0.05) ? 40_000 : 900)));
  else for (const present of [...table.getKeys({ start: key, limit: 30 })]) void table.remove(present);
}
