/**
 * Membership of real processes on loopback, beside Serf in the same run: `npm run bench:membership`.
 *
 * `--nodes 8,32`, `--presets lan,fast`, `--kills 5` for each cluster without encryption, `--idle 20` seconds, `--quick` for
 * 4 nodes, one kill and short waits, `--json` for programs, `--stale` for a build older than the sources. What is measured
 * is the build. On Linux as root the nodes get a network namespace of their own, whose packets are counted.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Random } from '@engram/kernel';
import { complaintAboutBuild } from '../build-check.js';
import { describeMachine } from '../machine.js';
import { snapshotBuild } from './build-snapshot.js';
import { MembershipCluster, type Detection } from './cluster.js';
import { engramKind, serfKind, serfVersion, type Kind } from './kinds.js';
import { openNetwork, type Network } from './network.js';
import { renderMembership, serfProfiles, type Row } from './report.js';

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '8,32' },
    presets: { type: 'string', default: 'lan,fast' },
    kills: { type: 'string', default: '5' },
    idle: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    stale: { type: 'boolean', default: false },
  },
});

/** Nothing here may run for longer, whatever hangs. */
const HARD_LIMIT_MS = 45 * 60_000;
const counts = values.quick ? [4] : values.nodes.split(',').map(Number);
const presets = values.presets.split(',');
const kills = values.quick ? 1 : Number(values.kills);
const idleMs = values.quick ? 5_000 : 1_000 * Number(values.idle);
/** After starting, until what came with it has died down. */
const settleMs = values.quick ? 2_000 : 8_000;
/** After a member is back, until the next is killed; a random part of a second is added, so that kills meet every phase. */
const betweenKillsMs = values.quick ? 1_000 : 4_000;
const random = Random.fromSeed(values.seed);

function complaint(): string | undefined {
  if ([...counts, kills, idleMs].some((value) => !Number.isSafeInteger(value) || value < 0) || counts.some((count) => count < 2)) return 'Counts, kills and seconds are whole numbers, and a cluster has two nodes at least.';
  const unknown = presets.filter((preset) => !(preset in serfProfiles));
  if (unknown.length > 0) return `No such preset: ${unknown.join(', ')}. Presets: ${Object.keys(serfProfiles).join(', ')}.`;
  return values.stale ? undefined : complaintAboutBuild(['packages/swim']);
}

const complained = complaint();
if (complained !== undefined) {
  console.error(complained);
  process.exit(2);
}

const progress = (text: string): void => console.error(`… ${text}`);
const scratch = mkdtempSync(join(tmpdir(), 'engram-membership-'));
const script = snapshotBuild(scratch);
const serf = serfVersion();
const network = await openNetwork();
let running: MembershipCluster | undefined;

async function endEverything(): Promise<void> {
  await running?.stop();
  network.close();
  rmSync(scratch, { recursive: true, force: true });
}

async function giveUp(why: string): Promise<void> {
  console.error(why);
  await endEverything();
  process.exit(1);
}
setTimeout(() => void giveUp(`Given up after ${HARD_LIMIT_MS / 60_000} minutes.`), HARD_LIMIT_MS).unref();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void giveUp(`Ended by ${signal}.`));

async function measure(kind: Kind, nodes: number, encrypted: boolean, on: Network): Promise<Row> {
  const what = `${kind.name} ${kind.profile}, ${nodes} nodes${encrypted ? ', encrypted' : ''}`;
  progress(`${what}: starting`);
  running = await MembershipCluster.start(kind, nodes, encrypted, on);
  await pause(settleMs);
  progress(`${what}: idle for ${idleMs / 1_000} s`);
  const idle = await running.idle(idleMs);
  const loadIdle = loadavg()[0]!;
  const detections: Detection[] = [];
  // Encryption changes what a packet costs, not how long a silence lasts.
  for (let kill = 1; !encrypted && kill <= kills; kill += 1) {
    await pause(betweenKillsMs + random.below(1_000));
    const detection = await running.killOne(1 + random.below(nodes - 1));
    progress(`${what}: kill ${kill} of ${kills}: first ${(detection.firstMs / 1_000).toFixed(2)} s, all ${(detection.allMs / 1_000).toFixed(2)} s`);
    detections.push(detection);
  }
  const row: Row = { kind: kind.name, profile: kind.profile, nodes, encrypted, idle, detections, falseDeaths: running.falseDeaths, loadAverage: { idle: loadIdle, kills: loadavg()[0]! } };
  await running.stop();
  running = undefined;
  return row;
}

try {
  const rows: Row[] = [];
  for (const nodes of counts) {
    for (const encrypted of [false, true]) {
      for (const preset of presets) {
        rows.push(await measure(engramKind(preset as 'lan' | 'fast', script), nodes, encrypted, network));
        if (serf !== undefined) rows.push(await measure(serfKind(serfProfiles[preset]!), nodes, encrypted, network));
      }
    }
  }
  const notes = [
    ...(serf === undefined ? ['Serf is not on the PATH, so nothing stands beside engram: install the Debian package `serf`.'] : []),
    network.uncounted === undefined
      ? '`idle B/s` is per node, counted by the network with IP headers; `metered` is the library’s own count with 28 bytes for each datagram.'
      : `Bytes were not counted, because ${network.uncounted}; what is metered is by the library itself, with 28 bytes for each datagram.`,
    ...(serf === undefined || !presets.includes('fast') ? [] : ['Serf has no profile as quick as `fast`: `local` probes once a second.']),
  ];
  const report = { format: 1 as const, machine: describeMachine(), ...(serf !== undefined && { serf }), idleSeconds: idleMs / 1_000, rows, notes };
  console.log(values.json ? JSON.stringify(report, undefined, 2) : renderMembership(report));
} finally {
  await endEverything();
}
process.exit();
