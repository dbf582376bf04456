/** Figure 4: from the spawn of the process to its first 200 on /readyz, against a node with nothing to load. */
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Figure } from '../figure.js';
import { FILLED_SPACE } from '../filled-node.js';
import { runHttpLoad } from '../http-load.js';
import { LatencyHistogram } from '../histogram.js';
import { countMemories, expectMemories } from '../node-api.js';
import { median, noiseOf } from '../ratio.js';
import { storeBody, type World } from '../world.js';

const LOAD_MS = 1_000;

interface Series {
  readonly label: string;
  readonly startsMs: number[];
  readonly latency: LatencyHistogram;
}

export async function measureStart(world: World): Promise<Figure> {
  const { sizes } = world;
  const filled = await world.filled();
  const series = (label: string): Series => ({ label, startsMs: [], latency: new LatencyHistogram() });
  const empty = series('empty directory (baseline)');
  const clean = series('after an orderly stop');
  const killed = series('after kill -9 under load');
  const replayed = series('store lost, the whole log applied again');
  const timed = ({ startsMs, latency }: Series, startMs: number): void => {
    startsMs.push(startMs);
    latency.record(startMs);
  };

  /** Starts, looks whether everything is there, stops in order. */
  const start = async (one: Series, dataDirectory: string, expected: number): Promise<void> => {
    const node = await world.startNode(dataDirectory);
    timed(one, node.startMs);
    await expectMemories(node.url, FILLED_SPACE, expected);
    await node.kill('SIGTERM');
  };
  const copyOfFilled = (): string => {
    const copy = world.directory();
    cpSync(filled.dataDirectory, copy, { recursive: true });
    return copy;
  };

  for (let index = 0; index < sizes.starts; index += 1) {
    world.progress(`start-up, ${index + 1} of ${sizes.starts}`);
    await start(empty, world.directory(), 0);
    await start(clean, filled.dataDirectory, filled.memories);
    timed(killed, await startAfterKill(world, copyOfFilled()));
    const withoutStore = copyOfFilled();
    rmSync(join(withoutStore, 'store'), { recursive: true });
    await start(replayed, withoutStore, filled.memories);
  }
  await start(empty, world.directory(), 0);

  const all = [empty, clean, killed, replayed];
  const baseline = median(empty.startsMs);
  return {
    name: 'start',
    title: `Start-up with ${filled.memories} memories: process spawned to /readyz 200`,
    bars: all.map(({ label, latency }) => ({ label, latency: latency.summary() })),
    findings: all.slice(1).flatMap(({ label, startsMs }) => [
      { label: `${label}, slowest`, value: Math.max(...startsMs) / 1_000, unit: 's' as const, aim: { atMost: 5 } },
      { label: `${label} ÷ empty, medians`, value: median(startsMs) / baseline, unit: '×' as const },
    ]),
    noise: { ...noiseOf(empty.startsMs), baseline: empty.label, unit: 'ms' },
    notes: [
      '/readyz is asked every 20 ms, so that is the resolution. Files are in the page cache: a start after a reboot reads them from the disk first.',
      'After every start the node held what had been acknowledged to it.',
    ],
  };
}

/** Kills a node while clients store, and starts it again. @returns the milliseconds of that start. */
async function startAfterKill(world: World, dataDirectory: string): Promise<number> {
  const { corpus } = world;
  const first = await world.startNode(dataDirectory);
  const held = await countMemories(first.url, FILLED_SPACE);
  const bodies = Array.from({ length: 1_024 }, (_, index) => storeBody(corpus, index, FILLED_SPACE));
  let acknowledged = 0;
  const load = runHttpLoad({ url: first.url, path: '/api/v1/memory', bodies, connections: 64, expectStatus: 201, forMs: LOAD_MS * 60, check: () => void (acknowledged += 1) });
  const cut = load.then(() => Promise.reject(new Error('the load ended before the kill')), () => undefined);
  await pause(LOAD_MS);
  await first.kill('SIGKILL');
  await cut;
  const again = await world.startNode(dataDirectory);
  const found = await countMemories(again.url, FILLED_SPACE);
  // Up to one store per connection was durable, but its answer was cut off.
  if (acknowledged === 0 || found < held + acknowledged || found > held + acknowledged + 64) {
    throw new Error(`${held} memories and ${acknowledged} acknowledged before the kill, ${found} after the start`);
  }
  await again.kill('SIGTERM');
  return again.startMs;
}
