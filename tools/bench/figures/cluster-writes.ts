/** What three processes that keep three copies cost a write, against one that keeps one. */
import { setTimeout as pause } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { DrillCluster } from '../../durability/drill-cluster.js';
import type { Bar, Figure } from '../figure.js';
import { LatencyHistogram } from '../histogram.js';
import { runHttpLoad } from '../http-load.js';
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
  const urls = cluster.nodes.map(({ process }) => process.url);
  const alone = new Series('one node, local (baseline)', [node.url], 'local', bodies);
  const quorum = new Series('three nodes, quorum', urls, 'quorum', bodies);
  const local = new Series('three nodes, local', urls, 'local', bodies);
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
      half.push({ label: `half load: ${series.label.replace(' (baseline)', '')}`, latency: (await paced(series, median(series.perSecond) / 2, sizes.roundMs * 2)).summary() });
    }
    progress('cluster-writes, seen on all nodes');
    seen = await seenOnAll(urls);
  } finally {
    await cluster.close();
  }
  const atQuorum = interleavedRatio(quorum.perSecond, alone.perSecond);
  const atLocal = interleavedRatio(local.perSecond, alone.perSecond);
  const [, halfQuorum, halfLocal] = half;
  return {
    name: 'cluster-writes',
    title: `Stores over HTTP by ${CONNECTIONS} connections, three processes that keep three copies against one`,
    bars: [...all.map((series) => series.bar()), ...half, { label: 'idle: sent to readable from all three copies', latency: seen.summary() }],
    findings: [
      { label: 'quorum on three ÷ local on one', value: atQuorum.value, unit: '×', range: [atQuorum.lowest, atQuorum.highest] },
      { label: 'local on three ÷ local on one', value: atLocal.value, unit: '×', range: [atLocal.lowest, atLocal.highest] },
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

class Series {
  readonly latency = new LatencyHistogram();
  readonly perSecond: number[] = [];

  constructor(readonly label: string, readonly urls: readonly string[], readonly ack: string, readonly bodies: readonly Buffer[]) {}

  get path(): string {
    return `/api/v1/memory?ack=${this.ack}`;
  }

  async round(forMs: number, counts: boolean): Promise<void> {
    const { urls, path, bodies } = this;
    const latency = counts ? { latency: this.latency } : {};
    const results = await Promise.all(urls.map((url) => runHttpLoad({ url, path, bodies, connections: CONNECTIONS / urls.length, expectStatus: 201, forMs, ...latency })));
    if (counts) this.perSecond.push(results.reduce((sum, { perSecond }) => sum + perSecond, 0));
  }

  bar(): Bar {
    return { label: this.label, perSecond: this.perSecond, latency: this.latency.summary() };
  }
}

/** Arrivals at a fixed rate, whether or not those before have been answered. */
async function paced({ urls, path, bodies }: Series, perSecond: number, forMs: number): Promise<LatencyHistogram> {
  const latency = new LatencyHistogram();
  const agent = new Agent({ connections: CONNECTIONS });
  const from = performance.now();
  const total = Math.floor((perSecond * forMs) / 1_000);
  const underWay = new Set<Promise<void>>();
  for (let sent = 0; sent < total; ) {
    for (; sent < total && from + (sent * 1_000) / perSecond <= performance.now(); sent += 1) {
      const due = from + (sent * 1_000) / perSecond;
      const one = request(`${urls[sent % urls.length]}${path}`, { dispatcher: agent, method: 'POST', headers: { 'content-type': 'application/json' }, body: bodies[sent % bodies.length]! }).then(async ({ statusCode, body }) => {
        const text = await body.text();
        if (statusCode !== 201) throw new Error(`half load was answered ${statusCode}: ${text.slice(0, 300)}`);
        latency.record(performance.now() - due);
        underWay.delete(one);
      });
      underWay.add(one);
    }
    await pause(1);
  }
  await Promise.all(underWay);
  await agent.close();
  return latency;
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
