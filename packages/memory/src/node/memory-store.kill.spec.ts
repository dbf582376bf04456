import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Random } from '@engram/kernel';
import { expect, test } from 'vitest';
import { fakeLog } from '../../test/fake-log.js';
import { MapModel, seenInModel, seenInStore } from '../../test/map-model.js';
import { inTempDirectory } from '../../test/temp-directory.js';
import { openMemoryStore } from './memory-store.js';

const child = fileURLToPath(new URL('../../test/kill-child.ts', import.meta.url));
const seed = 'kill -9';
const kills = 20;
/** More than all the killed children together can get through. */
const length = 12_000;
const idsPerSpace = 1_500;

test(`a process killed ${kills} times in the middle of its work always leaves exactly what its position says`, async () => {
  await inTempDirectory(async (directory) => {
    const random = Random.fromSeed(seed);
    const log = fakeLog(seed, length, idsPerSpace);
    const model = new MapModel();
    for (let kill = 0; kill < kills; kill++) {
      const outcome = await runChild(directory, { killAfterLines: 1 + random.below(40) });
      expect(outcome).toMatchObject({ killed: true, finished: false });

      const store = await openMemoryStore({ directory });
      expect(store.applied.lsn).toBeGreaterThanOrEqual(outcome.durable);
      expect(store.applied.lsn).toBeGreaterThanOrEqual(model.lsn);
      for (const operation of log.slice(model.lsn, store.applied.lsn)) model.apply(operation);
      const nowMs = 1_700_000_000_000 + model.lsn;
      expect(seenInStore(store, nowMs)).toEqual(seenInModel(model, nowMs));
      await store.close();
    }
    expect(model.lsn).toBeGreaterThan(kills);

    const last = await runChild(directory, { killAfterLines: Infinity });
    expect(last).toMatchObject({ killed: false, finished: true });
    const store = await openMemoryStore({ directory });
    for (const operation of log.slice(model.lsn)) model.apply(operation);
    const nowMs = 1_700_000_000_000 + model.lsn;
    expect(seenInStore(store, nowMs)).toEqual(seenInModel(model, nowMs));
    await store.close();
  });
}, 180_000);

/** Runs the child and kills it the moment it has said its n-th line: no clock decides when, only how far it got. */
async function runChild(directory: string, { killAfterLines }: { killAfterLines: number }) {
  const victim = spawn(
    process.execPath,
    ['--import', 'tsx', '--conditions=@engram/source', child, directory, seed, String(length), String(idsPerSpace)],
    // tsx writes a cache of what it compiled; a kill in the middle of that would break the next child, not the store.
    { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, TSX_DISABLE_CACHE: '1' } },
  );
  victim.stdin.on('error', () => {}); // A line sent to a child that has just been killed.
  const ended = new Promise<NodeJS.Signals | null>((resolve) => victim.once('close', (_code, signal) => resolve(signal)));
  let lines = 0;
  let durable = 0;
  let finished = false;
  for await (const line of createInterface({ input: victim.stdout })) {
    finished ||= line === 'done';
    durable = Math.max(durable, Number(/durable (\d+)/.exec(line)?.[1] ?? 0));
    if (++lines === killAfterLines) victim.kill('SIGKILL');
    else victim.stdin.write('go on\n');
  }
  return { killed: (await ended) === 'SIGKILL', durable, finished };
}
