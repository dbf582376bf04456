import { createInterface } from 'node:readline';
import { openMemoryStore } from '../src/node/memory-store.js';
import { fakeLog } from './fake-log.js';

/**
 * The victim of the kill test: replays the log into a store in small batches and says so after each one, until it is killed.
 * It runs at most a few batches ahead of the lines it is sent, so that its killer is never too late. Arguments: directory,
 * seed and length of the log, ids per space.
 */
const [directory, seed, length, idsPerSpace] = process.argv.slice(2) as [string, string, string, string];
const batchOperations = 10;
const aheadMax = 3;

const log = fakeLog(seed, Number(length), Number(idsPerSpace));
const store = await openMemoryStore({ directory, flushEveryMs: 1, flushAtOperations: 16 });
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

let ahead = 0;
for (let next = store.applied.lsn; next < log.length; next += batchOperations) {
  store.apply(log.slice(next, next + batchOperations));
  process.stdout.write(`applied ${store.applied.lsn} durable ${store.durableApplied}\n`);
  if (++ahead === aheadMax) {
    await answers.next();
    ahead--;
  }
}
await store.close();
process.stdout.write('done\n');
process.exit(0);
