import { copyFile, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EngramError, Random } from '@engram/kernel';
import { describe, expect, test } from 'vitest';
import { fakeLog } from '../../test/fake-log.js';
import { MapModel, seenInModel, seenInStore } from '../../test/map-model.js';
import { inTempDirectory } from '../../test/temp-directory.js';
import { openMemoryStore } from './memory-store.js';
import type { LoggedOperation } from './operation.js';

const log = fakeLog('damage', 1_200, 400).map((logged, i) => (i % 50 === 0 ? withLongContent(logged) : logged));

// Each opens a store many times over, which takes long on a busy machine.
describe('a damaged store file', { timeout: 60_000 }, () => {
  test('a file cut off anywhere is refused with its path, or opens with nothing missing', () => withStoreFile(async ({ directory, file, bytes, expectIntact }) => {
    const random = Random.fromSeed('cut');
    const lengths = [1, 100, 511, 512, 4_096, 8_192, 8_193, ...Array.from({ length: 40 }, () => random.below(bytes.length))];
    let refused = 0;
    for (const length of lengths) {
      await writeFile(file, bytes);
      await truncate(file, length);
      if (await refusedAsDamaged(directory, expectIntact)) refused++;
    }
    // Only the very end of the file may hold nothing but free pages.
    expect(refused).toBeGreaterThan(lengths.length - 5);
  }));

  test('a file overwritten with noise somewhere is refused with its path, or opens with nothing changed', () => withStoreFile(async ({ directory, file, bytes, expectIntact }) => {
    const random = Random.fromSeed('noise');
    let refused = 0;
    for (let round = 0; round < 120; round++) {
      const damaged = Buffer.from(bytes);
      const at = random.below(bytes.length);
      damaged.set(random.bytes(Math.min(1 + random.below(600), bytes.length - at)), at);
      await writeFile(file, damaged);
      if (await refusedAsDamaged(directory, expectIntact)) refused++;
    }
    expect(refused).toBeGreaterThan(40);
  }));

  test('a single bit flipped in what memories say is refused, not served', () => withStoreFile(async ({ directory, file, bytes, expectIntact }) => {
    const damaged = Buffer.from(bytes);
    // Everywhere the word stands, because some of the places are pages that are no longer in use.
    for (let at = damaged.indexOf('lighthouse'); at >= 0; at = damaged.indexOf('lighthouse')) damaged[at]! ^= 1;
    await writeFile(file, damaged);
    expect(await refusedAsDamaged(directory, expectIntact)).toBe(true);
  }));

  test('a file that was never a store is refused', () => inTempDirectory(async (directory) => {
    await writeFile(join(directory, 'data.mdb'), 'a letter to Marta\n'.repeat(1_000));
    await expect(openMemoryStore({ directory })).rejects.toMatchObject({ code: 'store_damaged', hint: expect.stringContaining('rebuild') });
  }));

  test('an empty file, as the very first start may leave one, opens as an empty store', () => inTempDirectory(async (directory) => {
    await writeFile(join(directory, 'data.mdb'), '');
    const store = await openMemoryStore({ directory });
    expect(store.applied.lsn).toBe(0);
    await store.close();
  }));

  test('a directory that cannot be one is refused with its path', () => inTempDirectory(async (directory) => {
    const file = join(directory, 'file');
    await writeFile(file, '');
    await expect(openMemoryStore({ directory: join(file, 'store') })).rejects.toMatchObject({ code: 'invalid_config', message: expect.stringContaining(file) });
  }));
});

interface StoreFile {
  readonly directory: string;
  readonly file: string;
  readonly bytes: Buffer;
  /** Fails unless the store in the directory holds exactly what was stored. */
  expectIntact(): Promise<void>;
}

async function withStoreFile(use: (given: StoreFile) => Promise<void>): Promise<void> {
  await inTempDirectory(async (directory) => {
    const model = new MapModel();
    const store = await openMemoryStore({ directory: join(directory, 'good') });
    for (let i = 0; i < log.length; i += 100) {
      store.apply(log.slice(i, i + 100));
      await store.flush();
    }
    await store.close();
    for (const logged of log) model.apply(logged);
    const nowMs = 1_700_000_000_000 + model.lsn;
    const expected = seenInModel(model, nowMs);

    const file = join(directory, 'data.mdb');
    await copyFile(join(directory, 'good', 'data.mdb'), file);
    await use({
      directory, file, bytes: await readFile(file),
      async expectIntact() {
        const opened = await openMemoryStore({ directory });
        try {
          expect(seenInStore(opened, nowMs)).toEqual(expected);
        } finally {
          await opened.close();
        }
      },
    });
  });
}

/** True when opening is refused as it should be; false when the store opens and is whole. Anything else fails the test. */
async function refusedAsDamaged(directory: string, expectIntact: () => Promise<void>): Promise<boolean> {
  try {
    await expectIntact();
    return false;
  } catch (error) {
    if (!(error instanceof EngramError)) throw error;
    expect(error.code).toBe('store_damaged');
    expect(error.message).toContain(directory);
    expect(error.details).toMatchObject({ directory });
    return true;
  }
}

/** Long enough for lmdb to give it pages of its own. */
function withLongContent(logged: LoggedOperation): LoggedOperation {
  if (logged.operation?.kind !== 'store') return logged;
  const memory = { ...logged.operation.memory, content: `${logged.operation.memory.content} `.repeat(300) };
  return { ...logged, operation: { ...logged.operation, memory } };
}
