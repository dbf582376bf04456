/** What a node costs as a cluster grows: processes at rest and under the same light load, and many more in the simulator. */
import { setTimeout as pause } from 'node:timers/promises';
import { request } from 'undici';
import { DrillCluster } from '../../durability/drill-cluster.js';
import type { Bar, Figure, Finding } from '../figure.js';
import { runPacedLoad } from '../paced-load.js';
import { processorSeconds, residentBytes, tcpBytesSent } from '../process-facts.js';
import { median, noiseOf } from '../ratio.js';
import { liveStoreBody, quickSizes, type World } from '../world.js';
import { simulatedNodes, type SimulatedCost } from './simulated-nodes.js';

const COUNTS = [3, 5, 9] as const;
const SIMULATED = [5, 20, 50, 100] as const;
const SIMULATED_QUICK = [5, 20] as const;
const SPACES = 48;
/** Stores per second of the whole cluster, however large it is. */
const LIGHT = 30;
/** After the cluster is healthy: what comes with forming it is no cost of a node. */
const SETTLE_MS = 5_000;

interface Target {
  readonly url: string;
  readonly pid: number;
}

/** Of every node, over one stretch of time. */
interface Cost {
  /** Of one core, in percent. */
  readonly processor: readonly number[];
  /** Per second, on connections to other nodes and in datagrams of SWIM, without headers; NaN where it cannot be counted. */
  readonly bytes: readonly number[];
  readonly resident: readonly number[];
}

export async function measureNodes(world: World): Promise<Figure> {
  const { sizes, progress, corpus } = world;
  const bodies = Array.from({ length: 960 }, (_, at) => liveStoreBody(corpus, at, `light-${at % SPACES}`));
  const alone: number[] = [];
  const restAlone = async (): Promise<void> => {
    const node = await world.startNode(world.directory());
    await pause(SETTLE_MS / 2);
    const { processor } = await costOf([node], () => pause(sizes.roundMs));
    alone.push(processor[0]!);
    await node.kill('SIGKILL');
  };
  const bars: Bar[] = [];
  const costs: { readonly count: number; readonly idle: Cost; readonly light: Cost; readonly refused: number }[] = [];
  await restAlone();
  for (const count of COUNTS) {
    progress(`nodes, ${count} processes`);
    const cluster = await DrillCluster.start({ directory: world.directory(), nodes: count, ack: 'quorum' });
    try {
      const targets = cluster.nodes.map(({ process }) => process);
      const urls = targets.map(({ url }) => url);
      const load = (forMs: number) => runPacedLoad({ urls, path: '/api/v1/memory?ack=quorum', bodies, perSecond: LIGHT, forMs, connections: 32, mayRefuse: true });
      await load(sizes.warmUpMs * 2);
      await pause(SETTLE_MS);
      const idle = await costOf(targets, () => pause(sizes.roundMs * 2));
      let refused = 0;
      const light = await costOf(targets, async () => {
        const result = await load(sizes.roundMs * 2);
        bars.push({ label: `${count} nodes: a store of ${LIGHT} per second, quorum`, latency: result.latency.summary() });
        refused = result.refused / (result.refused + result.latency.summary().n);
      });
      costs.push({ count, idle, light, refused });
    } finally {
      await cluster.close();
    }
    await restAlone();
  }
  const simulated: SimulatedCost[] = [];
  for (const count of sizes === quickSizes ? SIMULATED_QUICK : SIMULATED) {
    progress(`nodes, ${count} simulated`);
    simulated.push(await simulatedNodes(count, LIGHT, sizes.roundMs * 2));
  }
  const [first] = costs as [(typeof costs)[number], ...typeof costs];
  const [few] = simulated as [SimulatedCost, ...SimulatedCost[]];
  return {
    name: 'nodes',
    title: `What a node costs as the cluster grows, three copies, 1024 partitions, ${LIGHT} stores per second in all`,
    bars,
    findings: [
      { label: 'one process in no cluster, idle, of a core (baseline)', value: median(alone), unit: '%', range: [Math.min(...alone), Math.max(...alone)] },
      ...costs.flatMap(({ count, idle, light, refused }) => [
        ...rowsOf(`${count} processes, idle`, idle),
        { label: `${count} processes, idle: processor of a node ÷ one in no cluster`, value: median(idle.processor) / median(alone), unit: '×' } satisfies Finding,
        ...rowsOf(`${count} processes, light load`, light),
        { label: `${count} processes, light load: stores refused`, value: refused * 100, unit: '%' } satisfies Finding,
        ...(count === first.count ? [] : [{ label: `${count} ÷ ${first.count} processes: processor of a node, idle`, value: median(idle.processor) / median(first.idle.processor), unit: '×' } satisfies Finding]),
      ]),
      ...simulated.flatMap(({ count, idle, light }) => [
        { label: `${count} simulated, idle: bytes per node and second`, value: idle.bytes, unit: 'bytes' } satisfies Finding,
        { label: `${count} simulated, light load: bytes per node and second`, value: light.bytes, unit: 'bytes' } satisfies Finding,
        { label: `${count} simulated, idle: milliseconds between two messages of a node`, value: 1_000 / idle.messages, unit: 'ms' } satisfies Finding,
        ...(count === few.count ? [] : [{ label: `${count} ÷ ${few.count} simulated: bytes per node, idle`, value: idle.bytes / few.idle.bytes, unit: '×' } satisfies Finding]),
      ]),
    ],
    noise: { ...noiseOf(alone), baseline: 'processor of one idle process in no cluster', unit: '% of a core' },
    notes: [
      'Stores that were refused, as on a machine too busy for leases to be renewed in time, have no latency here.',
      'Medians over the nodes, ranges their extremes. Bytes are those that a node sends, without headers, to other nodes by TCP (what HTTP clients get is left out) and by SWIM.',
      'The simulated nodes are the core of the cluster with register, leases and replication; who is alive they are told, so that the cost of SWIM, measured under membership, is not in it. Their messages are counted as they are handed to the network.',
    ],
  };
}

function rowsOf(what: string, { processor, bytes, resident }: Cost): Finding[] {
  const row = (label: string, values: readonly number[], unit: Finding['unit']): Finding => ({ label: `${what}: ${label}`, value: median(values), unit, range: [Math.min(...values), Math.max(...values)] });
  return [row('processor of a node, of a core', processor, '%'), row('bytes sent by a node, per second', bytes, 'bytes'), row('resident memory of a node', resident, 'bytes')];
}

async function costOf(nodes: readonly Target[], work: () => Promise<unknown>): Promise<Cost> {
  const look = async () => ({ at: performance.now(), processor: nodes.map(({ pid }) => processorSeconds(pid) ?? NaN), bytes: await Promise.all(nodes.map(sentBy)) });
  const before = await look();
  await work();
  const after = await look();
  const seconds = (after.at - before.at) / 1_000;
  return {
    processor: after.processor.map((used, at) => ((used - before.processor[at]!) / seconds) * 100),
    bytes: after.bytes.map((sent, at) => (sent - before.bytes[at]!) / seconds),
    resident: nodes.map(({ pid }) => residentBytes(pid).total),
  };
}

async function sentBy({ url, pid }: Target): Promise<number> {
  const answer = await request(`${url}/metrics`);
  const metrics = await answer.body.text();
  const bySwim = [...metrics.matchAll(/^engram_swim_bytes_total\{direction="out"[^}]*\} (\d+)/gm)].reduce((sum, [, bytes]) => sum + Number(bytes), 0);
  return bySwim + (tcpBytesSent(pid, Number(new URL(url).port)) ?? NaN);
}
