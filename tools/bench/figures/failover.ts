/** How long a space takes no writes when its primary is killed or stopped in order, and how long until the map names another. */
import { setTimeout as pause } from 'node:timers/promises';
import { Random } from '@engram/kernel';
import { request } from 'undici';
import { DrillCluster, type DrillNode } from '../../durability/drill-cluster.js';
import type { Figure, Finding } from '../figure.js';
import { LatencyHistogram } from '../histogram.js';
import { median, noiseOf } from '../ratio.js';
import type { World } from '../world.js';

/** Whoever is killed leads about a third of them. */
const SPACES = Array.from({ length: 24 }, (_, at) => `failover-${at}`);
const LIMIT_MS = 60_000;
const STOPS_TO_KILLS = 5;

export async function measureFailover(world: World): Promise<Figure> {
  const { sizes, progress } = world;
  const random = Random.fromSeed('failover');
  const cluster = await DrillCluster.start({ directory: world.directory(), nodes: 3, ack: 'quorum' });
  const killed = new Outage('SIGKILL');
  const stopped = new Outage('SIGTERM');
  const before: number[] = [];
  try {
    for (const space of SPACES) await store(cluster.nodes[0]!, space, LIMIT_MS);
    const stops = Math.ceil(sizes.kills / STOPS_TO_KILLS);
    for (let turn = 1; turn <= sizes.kills + stops; turn += 1) {
      const outage = turn % (STOPS_TO_KILLS + 1) === 0 ? stopped : killed;
      progress(`failover, ${outage.signal} ${turn} of ${sizes.kills + stops}`);
      const { space, primary } = await lead(cluster, random);
      before.push(median(await inTurn(20, () => store(primary, space, LIMIT_MS))));
      const [asked, other] = cluster.up.filter((node) => node !== primary) as [DrillNode, DrillNode];
      const ended = cluster.kill(primary, outage.signal);
      // A process that is killed is gone at once; one that is stopped has work to do.
      if (outage === killed) await ended;
      const from = performance.now();
      await Promise.all([
        store(asked, space, LIMIT_MS).then(() => outage.writable.add(performance.now() - from)),
        otherPrimary(other, space, primary.name).then(() => outage.promoted.add(performance.now() - from)),
        ended,
      ]);
      await cluster.restart(primary);
      await cluster.healthy(LIMIT_MS);
    }
  } finally {
    await cluster.close();
  }
  const worst = killed.writable.latency.summary();
  return {
    name: 'failover',
    title: `A primary of three nodes is killed, ${killed.writable.values.length} times, or stopped in order, ${stopped.writable.values.length} times`,
    bars: [killed, stopped].flatMap(({ writable, promoted }) => [writable, promoted]).map(({ label, latency }) => ({ label, latency: latency.summary() })),
    findings: [
      { label: 'killed, writable again, p50', value: median(killed.writable.values) / 1_000, unit: 's' },
      { label: 'killed, writable again, p99', value: worst.p99Ms / 1_000, unit: 's', aim: { atMost: 3 } },
      { label: 'killed, writable again, longest', value: worst.maxMs / 1_000, unit: 's', aim: { atMost: 5 } },
      ...findingsOf('killed, another primary in the map', killed.promoted),
      ...findingsOf('stopped, writable again', stopped.writable),
      ...findingsOf('stopped, another primary in the map', stopped.promoted),
    ],
    noise: { ...noiseOf(before), baseline: 'a write before each, median', unit: 'ms' },
    notes: ['Three processes on loopback with the preset fast. A write is asked of another node, again 10 ms after each refusal; the map is asked of the third every 10 ms. After each the node is started again, and nothing is killed before all copies are equal. Times of a kill run from when the process is gone, of a stop from the signal.'],
  };
}

function findingsOf(what: string, { values, latency }: Series): Finding[] {
  const { p99Ms, maxMs } = latency.summary();
  return [
    { label: `${what}, p50`, value: median(values) / 1_000, unit: 's' },
    { label: `${what}, p99`, value: p99Ms / 1_000, unit: 's' },
    { label: `${what}, longest`, value: maxMs / 1_000, unit: 's' },
  ];
}

/** What became of spaces whose primary went in one way. */
class Outage {
  readonly writable: Series;
  readonly promoted: Series;

  constructor(readonly signal: 'SIGKILL' | 'SIGTERM') {
    this.writable = new Series(`${signal} to the next write taken`);
    this.promoted = new Series(`${signal} to another primary in the map`);
  }
}

class Series {
  readonly latency = new LatencyHistogram();
  readonly values: number[] = [];

  constructor(readonly label: string) {}

  add(ms: number): void {
    this.latency.record(ms);
    this.values.push(ms);
  }
}

/** A space, and the node that leads it. */
async function lead(cluster: DrillCluster, random: Random): Promise<{ readonly space: string; readonly primary: DrillNode }> {
  const space = random.pick(SPACES);
  const name = await primaryOf(cluster.nodes[0]!, space);
  return { space, primary: cluster.named(name)! };
}

async function primaryOf({ process }: DrillNode, space: string): Promise<string | undefined> {
  const { body } = await request(`${process.url}/api/v1/cluster/spaces`);
  const { spaces } = (await body.json()) as { spaces: { space_id: string; primary_node: string }[] };
  return spaces.find(({ space_id }) => space_id === space)?.primary_node;
}

async function otherPrimary(asked: DrillNode, space: string, than: string): Promise<void> {
  for (const until = performance.now() + LIMIT_MS; (await primaryOf(asked, space)) === than; await pause(10)) {
    if (performance.now() > until) throw new Error(`${asked.name} still has ${than} as the primary of ${space} after ${LIMIT_MS} ms`);
  }
}

/** Repeated until it is taken, with a key, so that it is stored once. @returns milliseconds. */
async function store({ process }: DrillNode, space: string, limitMs: number): Promise<number> {
  const from = performance.now();
  const key = `${space}-${from}`;
  for (;;) {
    const answer = await request(`${process.url}/api/v1/memory`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': key },
      body: JSON.stringify({ content: `a memory ${key}`, memory_space: space }),
    });
    const text = await answer.body.text();
    const tookMs = performance.now() - from;
    if (answer.statusCode === 201 || answer.statusCode === 200) return tookMs;
    if (tookMs > limitMs) throw new Error(`${space} takes no writes after ${limitMs} ms: ${text.slice(0, 500)}`);
    await pause(10);
  }
}

async function inTurn(times: number, work: () => Promise<number>): Promise<number[]> {
  const results: number[] = [];
  for (let at = 0; at < times; at += 1) results.push(await work());
  return results;
}
