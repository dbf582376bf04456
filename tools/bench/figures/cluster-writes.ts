/** What three processes that keep three copies cost a write, against one that keeps one. */
import { setTimeout as pause } from 'node:timers/promises';
import { request } from 'undici';
import { DrillCluster } from '../../durability/drill-cluster.js';
import type { Bar, Figure } from '../figure.js';
import { LatencyHistogram } from '../histogram.js';
import { runHttpLoad } from '../http-load.js';
import { runPacedLoad, type PacedResult } from '../paced-load.js';
import { processorSeconds } from '../process-facts.js';
import { interleavedRatio, median, noiseOf } from '../ratio.js';
import { liveStoreBody, type World } from '../world.js';

const CONNECTIONS = 63;
/** Enough that each node leads about a third of what is written. */
const SPACES = 48;
const SEEN = 200;

export async function measureClusterWrites(world: World): Promise<Figure> {
  const { sizes, corpus, progress } = world;
  const bodies = Array.from({ length: 4_800 }, (_, at) => liveStoreBody(corpus, at, `written-${at % SPACES}`));
  const node = await world.startNode(world.directory());
  const cluster = await DrillCluster.start({ directory: world.directory(), nodes: 3, ack: 'quorum' });
  const three = cluster.nodes.map(({ process }) => process);
  const alone = new Series('one node, local (baseline)', [node], 'local', bodies);
  const quorum = new Series('three nodes, quorum', three, 'quorum', bodies);
  const local = new Series('three nodes, local', three, 'local', bodies);
  const all = [alone, quorum, local];
  const half: Bar[] = [];
  let seen: LatencyHistogram;
  try {
    for (const series of all) await series.round(sizes.warmUpMs, false);
    for (let round = 0; round < sizes.rounds; round += 1) {
      progress(`cluster-writes, round ${round + 1} of ${sizes.rounds}`);
      for (const series of all) await series.round(sizes.roundMs, true);
    }
    await alone.round(sizes.roundMs, true);
    for (const series of all) {
      progress(`cluster-writes, half load: ${series.label}`);
      half.push({ label: `half load: ${series.label.replace(' (baseline)', '')}`, latency: (await series.paced(sizes.roundMs * 2)).latency.summary() });
    }
    progress('cluster-writes, seen on all nodes');
    seen = await seenOnAll(three.map(({ url }) => url));
  } finally {
    await cluster.close();
  }
  const atQuorum = interleavedRatio(quorum.perSecond, alone.perSecond);
  const atLocal = interleavedRatio(local.perSecond, alone.perSecond);
  const cost = (series: Series) => interleavedRatio(series.micros, alone.micros);
  const [costQuorum, costLocal] = [cost(quorum), cost(local)];
  const [, halfQuorum, halfLocal] = half;
  return {
    name: 'cluster-writes',
    title: `Stores over HTTP by ${CONNECTIONS} connections, three processes that keep three copies against one`,
    bars: [...all.map((series) => series.bar()), ...half, { label: 'idle: sent to readable from all three copies', latency: seen.summary() }],
    findings: [
      { label: 'quorum on three ÷ local on one', value: atQuorum.value, unit: '×', range: [atQuorum.lowest, atQuorum.highest] },
      { label: 'local on three ÷ local on one', value: atLocal.value, unit: '×', range: [atLocal.lowest, atLocal.highest] },
      { label: 'processor time of all nodes for a store, quorum on three ÷ local on one', value: costQuorum.value, unit: '×', range: [costQuorum.lowest, costQuorum.highest] },
      { label: 'the same, local on three ÷ local on one', value: costLocal.value, unit: '×', range: [costLocal.lowest, costLocal.highest] },
      { label: 'quorum at half load, p99', value: halfQuorum!.latency!.p99Ms, unit: 'ms', aim: { atMost: 10 } },
      { label: 'local at half load, p99', value: halfLocal!.latency!.p99Ms, unit: 'ms', aim: { atMost: 10 } },
      { label: 'readable from all copies, p99', value: seen.summary().p99Ms, unit: 'ms', aim: { atMost: 100 } },
    ],
    noise: { ...noiseOf(alone.perSecond), baseline: 'stores per second of one node', unit: '/s' },
    notes: [
      'All four servers and the load share one machine, so three nodes that do three times the work have what one has to itself in the baseline. Connections are spread over the three nodes evenly, whoever leads, so that two of three requests are passed on.',
      `Half load arrives at a fixed rate, half the median of the closed loop, spread over the nodes; a latency begins when the request was due. Readable: ${SEEN} stores one after another, each through a node in its turn, and then each node is asked for its own copy until it has it.`,
    ],
  };
}

/** What of a server process is used here. */
interface Target {
  readonly url: string;
  readonly pid: number;
}

class Series {
  readonly latency = new LatencyHistogram();
  readonly perSecond: number[] = [];
  /** Processor time of all nodes for each store, one value per round. */
  readonly micros: number[] = [];

  constructor(readonly label: string, readonly nodes: readonly Target[], readonly ack: string, readonly bodies: readonly Buffer[]) {}

  async round(forMs: number, counts: boolean): Promise<void> {
    const { nodes, bodies, path } = this;
    const latency = counts ? { latency: this.latency } : {};
    const before = this.#processorSeconds();
    const results = await Promise.all(nodes.map(({ url }) => runHttpLoad({ url, path, bodies, connections: CONNECTIONS / nodes.length, expectStatus: 201, forMs, ...latency })));
    if (!counts) return;
    // What is left to do in the background, commits to the stores, belongs to this round.
    await pause(400);
    const stored = results.reduce((sum, { answers }) => sum + answers, 0);
    this.perSecond.push(results.reduce((sum, { perSecond }) => sum + perSecond, 0));
    this.micros.push(((this.#processorSeconds() - before) * 1_000_000) / stored);
  }

  /** At half of what it took in the closed loop. */
  paced(forMs: number): Promise<PacedResult> {
    const { nodes, path, bodies } = this;
    return runPacedLoad({ urls: nodes.map(({ url }) => url), path, bodies, perSecond: median(this.perSecond) / 2, forMs, connections: CONNECTIONS });
  }

  bar(): Bar {
    return { label: this.label, perSecond: this.perSecond, latency: this.latency.summary(), serverMicros: median(this.micros) };
  }

  private get path(): string {
    return `/api/v1/memory?ack=${this.ack}`;
  }

  #processorSeconds(): number {
    return this.nodes.reduce((sum, { pid }) => sum + (processorSeconds(pid) ?? NaN), 0);
  }
}

/** From when a store is sent until each node has it in its own copy. */
async function seenOnAll(urls: readonly string[]): Promise<LatencyHistogram> {
  const latency = new LatencyHistogram();
  for (let at = 0; at < SEEN; at += 1) {
    const space = `written-${at % SPACES}`;
    const from = performance.now();
    const { body } = await request(`${urls[at % urls.length]}/api/v1/memory`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ content: `seen ${at}`, memory_space: space }) });
    const { id } = (await body.json()) as { id: string };
    await Promise.all(urls.map(async (url) => {
      for (;;) {
        const answer = await request(`${url}/api/v1/memory/${id}?space=${space}`, { headers: { 'x-engram-no-forward': '1', 'x-engram-consistency': 'any' } });
        await answer.body.dump();
        if (answer.statusCode === 200) return;
      }
    }));
    latency.record(performance.now() - from);
    await pause(20);
  }
  return latency;
}
