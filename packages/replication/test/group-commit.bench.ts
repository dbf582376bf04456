/**
 * What grouping buys on this machine: `npx tsx --conditions=@engram/source packages/replication/test/group-commit.bench.ts`.
 * Also prints what syncing costs by itself, for a file that grows and for one whose bytes were laid out before.
 */
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openWriteAheadLog } from '../src/index.js';
import { entryOf } from './log-fixtures.js';

const PAYLOAD_BYTES = 300;
const directory = await mkdtemp(join(process.env.BENCH_DIRECTORY ?? tmpdir(), 'engram-log-bench-'));

async function appendsPerSecond(writers: number, appends: number, layOutBytes = 1024 * 1024): Promise<{ perSecond: number; perGroup: number; cpuMicros: number }> {
  let groups = 0;
  const path = join(directory, 'log');
  const log = await openWriteAheadLog({ directory: path, layOutBytes, onFsync: () => void groups++ });
  const entry = entryOf(1, PAYLOAD_BYTES);
  let left = appends;
  const cpu = process.cpuUsage();
  const from = performance.now();
  await Promise.all(Array.from({ length: writers }, async () => {
    while (left-- > 0) await log.append([entry]);
  }));
  const seconds = (performance.now() - from) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  const perGroup = appends / groups;
  await log.close();
  await rm(path, { recursive: true });
  return { perSecond: appends / seconds, perGroup, cpuMicros: (user + system) / appends };
}

async function syncsPerSecond(laidOut: boolean, bytes: number): Promise<number> {
  const path = join(directory, 'raw');
  const file = await open(path, 'w+');
  if (laidOut) {
    for (let at = 0; at < 32 * 1024 * 1024; at += 1024 * 1024) await file.write(Buffer.alloc(1024 * 1024), 0, 1024 * 1024, at);
    await file.sync();
  }
  const block = Buffer.alloc(bytes, 1);
  const from = performance.now();
  for (let write = 0; write < 1_500; write++) {
    await file.write(block, 0, bytes, write * bytes);
    await file.datasync();
  }
  const seconds = (performance.now() - from) / 1_000;
  await file.close();
  await rm(path);
  return 1_500 / seconds;
}

await appendsPerSecond(64, 20_000);
const single = await appendsPerSecond(1, 3_000);
for (const [writers, appends] of [[1, 3_000], [8, 20_000], [64, 100_000], [256, 300_000]] as const) {
  const { perSecond, perGroup, cpuMicros } = await appendsPerSecond(writers, appends);
  console.log(`${String(writers).padStart(4)} writers: ${Math.round(perSecond)} durable appends/s, ${perGroup.toFixed(1)} per group, ${cpuMicros.toFixed(1)} µs of CPU each, ${(perSecond / single.perSecond).toFixed(1)} × one writer`);
}
for (const [writers, appends] of [[1, 300], [16, 6_000], [64, 20_000]] as const) {
  // In short turns, because a shared disk is not the same from one second to the next.
  let growing = 0;
  let laidOut = 0;
  for (let round = 0; round < 20; round++) {
    growing += appends / (await appendsPerSecond(writers, appends, 0)).perSecond;
    laidOut += appends / (await appendsPerSecond(writers, appends)).perSecond;
  }
  console.log(`${String(writers).padStart(4)} writers: space laid out ahead gives ${(growing / laidOut).toFixed(2)} × a growing file`);
}
for (const bytes of [400, 25_600]) {
  console.log(`${bytes} bytes a sync: growing ${Math.round(await syncsPerSecond(false, bytes))}/s, laid out before ${Math.round(await syncsPerSecond(true, bytes))}/s`);
}
await rm(directory, { recursive: true });
