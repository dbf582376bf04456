/** Figure 1: one memory per HTTP request, durable, at 64 connections, against a server that remembers nothing. */
import { setTimeout as pause } from 'node:timers/promises';
import { request } from 'undici';
import type { Figure } from '../figure.js';
import { runHttpLoad, type LoadResult } from '../http-load.js';
import { LatencyHistogram, type LatencySummary } from '../histogram.js';
import { expectMemories } from '../node-api.js';
import { processorSeconds } from '../process-facts.js';
import { interleavedRatio, median, noiseOf } from '../ratio.js';
import { liveStoreBody, type World } from '../world.js';

const CONNECTIONS = 64;
const SPACE = 'single';
/** Distinct bodies sent in turn: enough that the index does not see one text over and over. */
const BODIES = 8_192;

interface Target {
  readonly label: string;
  readonly url: string;
  readonly path: string;
  readonly pid: number;
}

/** Rounds of one target, added up. */
class Series {
  readonly perSecond: number[] = [];
  readonly latencies: LatencyHistogram;
  answers = 0;
  processorSeconds = 0;

  constructor(readonly target: Target) {
    this.latencies = new LatencyHistogram();
  }

  summary(): LatencySummary {
    return this.latencies.summary();
  }
}

export async function measureStore(world: World): Promise<Figure> {
  const { corpus, sizes } = world;
  const bodies = Array.from({ length: Math.min(BODIES, sizes.memories) }, (_, index) => liveStoreBody(corpus, index, SPACE));
  const echo = await world.startEcho();
  const node = await world.startNode(world.directory());
  const bare = new Series({ label: 'fastify echo (baseline)', url: echo.url, path: '/echo', pid: echo.pid });
  const synced = new Series({ label: 'fastify echo + shared fdatasync', url: echo.url, path: '/echo-synced', pid: echo.pid });
  const engram = new Series({ label: 'engram, durable store', url: node.url, path: '/api/v1/memory', pid: node.pid });

  await expectSameSize(bare.target, engram.target, bodies[0]!);
  let acknowledged = 1;
  const run = async ({ target, latencies }: Series, forMs: number, record: boolean): Promise<LoadResult> => {
    const result = await runHttpLoad({
      ...target,
      bodies,
      connections: CONNECTIONS,
      expectStatus: 201,
      forMs,
      ...(record ? { latency: latencies } : {}),
    });
    if (target === engram.target) acknowledged += result.answers;
    return result;
  };
  const round = async (series: Series): Promise<void> => {
    // What the last round left to do in the background (commits to the store) is not charged to the next.
    await pause(400);
    const before = processorSeconds(series.target.pid);
    const result = await run(series, sizes.roundMs, true);
    series.perSecond.push(result.perSecond);
    series.answers += result.answers;
    await pause(400);
    series.processorSeconds += (processorSeconds(series.target.pid) ?? NaN) - (before ?? NaN);
  };

  for (const series of [bare, synced, engram]) await run(series, sizes.warmUpMs, false);
  for (let index = 0; index < sizes.rounds; index += 1) {
    world.progress(`single stores, round ${index + 1} of ${sizes.rounds}`);
    await round(bare);
    await round(engram);
    await round(synced);
  }
  await round(bare);
  await expectMemories(node.url, SPACE, acknowledged);
  await Promise.all([echo.stop(), node.kill('SIGTERM')]);

  const ratio = interleavedRatio(engram.perSecond, bare.perSecond);
  const syncedRatio = interleavedRatio(synced.perSecond, bare.perSecond);
  const micros = (series: Series): number => (series.processorSeconds / series.answers) * 1_000_000;
  return {
    name: 'store',
    title: `Durable single stores over HTTP, ${CONNECTIONS} connections`,
    bars: [bare, synced, engram].map((series) => ({
      label: series.target.label,
      perSecond: series.perSecond,
      latency: series.summary(),
      ...(Number.isFinite(micros(series)) ? { serverMicros: micros(series) } : {}),
    })),
    findings: [
      { label: 'engram ÷ echo, stores per second', value: ratio.value, unit: '×', range: [ratio.lowest, ratio.highest], aim: { atLeast: 0.5 } },
      { label: 'echo with fdatasync ÷ echo', value: syncedRatio.value, unit: '×', range: [syncedRatio.lowest, syncedRatio.highest] },
      { label: 'engram ÷ echo with fdatasync', value: median(engram.perSecond) / median(synced.perSecond), unit: '×' },
    ],
    noise: { ...noiseOf(bare.perSecond), baseline: bare.target.label, unit: 'per second' },
    notes: [`Every answer was a 201, and the space held the ${acknowledged} memories that were acknowledged.`],
  };
}

/** A baseline that answered with fewer bytes would have an easier life. */
async function expectSameSize(baseline: Target, subject: Target, body: Buffer): Promise<void> {
  const [one, other] = await Promise.all([baseline, subject].map(async ({ url, path }) => {
    const answer = await request(`${url}${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    return (await answer.body.arrayBuffer()).byteLength;
  }));
  if (one !== other) throw new Error(`the baseline answers with ${one} bytes and the node with ${other}; they must be the same`);
}
