/** Figure 5: what a stored memory takes on the disk and in memory, against the JSON it came in. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Bar, Figure } from '../figure.js';
import { FILLED_SPACE } from '../filled-node.js';
import { expectMemories } from '../node-api.js';
import { residentBytes, type ResidentBytes } from '../process-facts.js';
import { noiseOf } from '../ratio.js';
import type { World } from '../world.js';

export async function measureBytes(world: World): Promise<Figure> {
  const filled = await world.filled();
  const { memories, jsonBytes, storeDiskBytes, logDiskBytes, residentEmpty, residentLoaded } = filled;

  world.progress('bytes: a restarted and an empty node');
  const restarted = await restedNode(world, filled.dataDirectory, memories);
  const emptyAgain = await restedNode(world, world.directory(), 0);

  const perMemory = (bytes: number): number => bytes / memories;
  const jsonPer = perMemory(jsonBytes);
  const rss = (now: ResidentBytes): number => perMemory(now.total - residentEmpty.total);
  const anonymous = (now: ResidentBytes): number | undefined =>
    now.anonymous === undefined || residentEmpty.anonymous === undefined ? undefined : perMemory(now.anonymous - residentEmpty.anonymous);
  const rows: readonly (readonly [string, number | undefined])[] = [
    ['store on disk', perMemory(storeDiskBytes)],
    ['log on disk (kept up to wal.retain_bytes)', perMemory(logDiskBytes)],
    ['store and log on disk', perMemory(storeDiskBytes + logDiskBytes)],
    ['resident after the load', rss(residentLoaded)],
    ['resident after a restart', rss(restarted)],
    ['of that, not mapped files', anonymous(restarted)],
  ];
  return {
    name: 'bytes',
    title: `Bytes per stored memory, ${memories} memories`,
    bars: [] satisfies Bar[],
    findings: [
      { label: 'JSON as it was sent (baseline)', value: jsonPer, unit: 'bytes' },
      ...rows.flatMap(([label, value]) =>
        value === undefined ? [] : [{ label, value, unit: 'bytes' as const }, { label: `${label} ÷ JSON`, value: value / jsonPer, unit: '×' as const }],
      ),
    ],
    noise: { ...noiseOf([residentEmpty.total, emptyAgain.total]), baseline: 'resident bytes of an empty node', unit: 'bytes' },
    notes: [
      'Resident bytes are the difference to a node with an empty directory. The share of mapped files is the page cache of the store, which the system takes back when it needs it.',
      `The log keeps what replicas may still have to fetch (128 MiB by default), so it does not grow with the memories beyond that.`,
    ],
  };
}

/** Resident bytes of a node that has loaded everything and then had time to come to rest. */
async function restedNode(world: World, dataDirectory: string, expected: number): Promise<ResidentBytes> {
  const node = await world.startNode(dataDirectory);
  await expectMemories(node.url, FILLED_SPACE, expected);
  await pause(2_000);
  const resident = residentBytes(node.pid);
  await node.kill('SIGTERM');
  return resident;
}
