import { existsSync } from 'node:fs';
import { systemRandom } from '@engram/kernel/node';
import { openMemoryStore } from '@engram/memory';
import { salvageLog, type SalvageReport } from '@engram/replication';
import { openDataDirectory } from '../engine/data-directory.js';

/**
 * Repairs the log of a stopped node. Owning the directory keeps a running node out of the log while it is taken apart.
 *
 * @throws EngramError `data_directory_locked` while the node runs.
 */
export async function salvageDataDirectory(root: string, options: { readonly dryRun: boolean }): Promise<SalvageReport> {
  const directory = await openDataDirectory(root, undefined, systemRandom());
  try {
    const knownDurableLsn = existsSync(directory.storePath) ? await appliedLsn(directory.storePath) : 0;
    return await salvageLog(directory.walPath, { ...options, knownDurableLsn });
  } finally {
    await directory.release();
  }
}

/** What the store has applied was durable in the log once: those positions must not be given out again. */
async function appliedLsn(storePath: string): Promise<number> {
  const store = await openMemoryStore({ directory: storePath });
  const { lsn } = store.applied;
  await store.close();
  return lsn;
}
