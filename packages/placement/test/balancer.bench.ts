/**
 * `npm run bench -w @engram/placement`: what planning costs against sorting the same partitions, in one run. Medians.
 */
import { parseNodeId } from '@engram/kernel';
import { clusterMapCodec, firstTable, planPlacement, type RosterNode } from '../src/core/index.js';
import { parseClusterId } from '@engram/kernel';

const rounds = 41;
const node = (at: number): RosterNode => ({ id: parseNodeId(`node-${at}`), storageId: `disk-${at}`, addresses: {}, zone: `zone-${at % 3}`, rack: '', capacity: 1, state: 'active' });
const roster = Array.from({ length: 9 }, (_, at) => node(at));
const eight = roster.slice(0, 8);
const policies = { factor: 2, ack: 'quorum', partition: 'majority' } as const;
const partitions = 1_024;
const spread = (at: number): number => (Math.imul(at + 1, 0x9e3779b1) >>> 0) / 2 ** 32;
const loads = Array.from({ length: partitions }, (_, at) => Math.round(1_000 * spread(at) ** 3));
const table = firstTable(eight, partitions, policies);
const content = { clusterId: parseClusterId('bench'), policies, roster: eight, table };
const bytes = clusterMapCodec.encode(content);

function medianMs(run: () => unknown): number {
  const times = Array.from({ length: rounds }, () => {
    const from = performance.now();
    run();
    return performance.now() - from;
  });
  return times.toSorted((a, b) => a - b)[rounds >> 1] as number;
}

const sorted = Array.from({ length: partitions * 3 }, (_, at) => ({ key: `partition-${spread(at)}` }));
const baseline = medianMs(() => sorted.toSorted((a, b) => (a.key < b.key ? -1 : 1)));
const figures: Record<string, () => unknown> = {
  'place 1024 partitions anew on 8 nodes': () => firstTable(eight, partitions, policies),
  'plan again, nothing to do': () => planPlacement({ roster: eight, policies, table }),
  'a ninth node joins': () => planPlacement({ roster, policies, table }),
  'one of eight nodes is lost': () => planPlacement({ roster: eight.slice(1), policies, table }),
  'level 1024 partitions of very different loads': () => planPlacement({ roster: eight, policies, table }, loads),
  'encode the map': () => clusterMapCodec.encode(content),
  'decode the map': () => clusterMapCodec.decode(bytes),
};
console.log(`baseline: sorting 3072 objects by a text ${baseline.toFixed(2)} ms; the map takes ${bytes.length} bytes`);
for (const [what, run] of Object.entries(figures)) {
  const ms = medianMs(run);
  console.log(`${what}: ${ms.toFixed(2)} ms, ${(ms / baseline).toFixed(1)} times the baseline`);
}
