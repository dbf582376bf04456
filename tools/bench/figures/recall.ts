/** Figure 3: recalls from a large space over HTTP, against scanning all of it, and against a request that does nothing. */
import { request } from 'undici';
import type { Figure } from '../figure.js';
import { FILLED_SPACE } from '../filled-node.js';
import { runHttpLoad, type LoadResult } from '../http-load.js';
import { LatencyHistogram } from '../histogram.js';
import { LinearScan } from '../linear-scan.js';
import { expectMemories } from '../node-api.js';
import { noiseOf } from '../ratio.js';
import { storeBody, type World } from '../world.js';

const LIMIT = 10;
const SEVERAL = 8;
const SCANS = 60;
/** Cues asked before anything is timed, and looked at for whether they find what they ask for. */
const CHECKED = 300;

export async function measureRecall(world: World): Promise<Figure> {
  const { corpus, sizes } = world;
  const filled = await world.filled();
  const cues = Array.from({ length: sizes.cues }, (_, index) => corpus.cue(index));
  const bodies = cues.map(({ text }) => Buffer.from(JSON.stringify({ cue: { text }, spaces: [FILLED_SPACE], limit: LIMIT })));
  const scan = new LinearScan();
  for (let index = 0; index < sizes.memories; index += 1) scan.add(corpus.memory(index).content);

  const echo = await world.startEcho();
  const node = await world.startNode(filled.dataDirectory);
  await expectMemories(node.url, FILLED_SPACE, sizes.memories);
  const echoBodies = Array.from({ length: 512 }, (_, index) => storeBody(corpus, index, FILLED_SPACE));
  const askEcho = (): Promise<LoadResult> =>
    runHttpLoad({ url: echo.url, path: '/echo', bodies: echoBodies, connections: 1, expectStatus: 201, requests: sizes.cues });
  const ask = (connections: number): Promise<LoadResult> =>
    runHttpLoad({ url: node.url, path: '/api/v1/recall', bodies, connections, expectStatus: 200, requests: sizes.cues, check: expectHits });

  world.progress('recalls: warming up');
  const found = await countFound(world, node.url, bodies);
  await askEcho();
  scanAll(scan, cues.slice(0, 5));
  world.progress('recalls: measuring');
  const echoBefore = await askEcho();
  const scanBefore = scanAll(scan, cues.slice(0, SCANS));
  const single = await ask(1);
  const several = await ask(SEVERAL);
  const scanAfter = scanAll(scan, cues.slice(0, SCANS));
  const echoAfter = await askEcho();
  await Promise.all([echo.stop(), node.kill('SIGTERM')]);

  const one = single.latency.summary();
  const eight = several.latency.summary();
  const idle = echoBefore.latency.summary();
  const scanned = scanBefore.summary();
  return {
    name: 'recall',
    title: `Recall from a space of ${sizes.memories} memories over HTTP, ${LIMIT} hits`,
    bars: [
      { label: 'fastify echo, one at a time (floor)', perSecond: [echoBefore.perSecond], latency: idle },
      { label: 'linear scan in process (baseline)', latency: scanned },
      { label: 'engram recall, one at a time', perSecond: [single.perSecond], latency: one },
      { label: `engram recall, ${SEVERAL} connections`, perSecond: [several.perSecond], latency: eight },
    ],
    findings: [
      { label: 'p99 of one recall at a time', value: one.p99Ms, unit: 'ms', aim: { atMost: 20 } },
      { label: `p99 at ${SEVERAL} connections`, value: eight.p99Ms, unit: 'ms' },
      { label: 'p50 ÷ p50 of the linear scan', value: one.p50Ms / scanned.p50Ms, unit: '×' },
      { label: 'p99 ÷ p99 of the linear scan', value: one.p99Ms / scanned.p99Ms, unit: '×' },
      { label: 'p50 ÷ p50 of the echo', value: one.p50Ms / idle.p50Ms, unit: '×' },
      { label: `cues that found the memory they ask for, of the first ${CHECKED}`, value: found * 100, unit: '%' },
    ],
    noise: { ...noiseOf([scanned.p50Ms, scanAfter.summary().p50Ms]), baseline: 'linear scan, p50', unit: 'ms' },
    notes: [
      `The echo's p50 was ${idle.p50Ms} ms before and ${echoAfter.latency.summary().p50Ms} ms after.`,
      `At ${SEVERAL} connections a recall waits for those before it: one thread answers them all.`,
      'Every recall was answered 200 with at least one hit. Nothing caches answers.',
    ],
  };
}

function expectHits(body: Buffer): void {
  if (!body.includes('"score"')) throw new Error(`a recall found nothing: ${body.toString().slice(0, 500)}`);
}

/** Share of the first cues whose memory is among the hits. Far below half, the recall would be fast for a bad reason. */
async function countFound(world: World, url: string, bodies: readonly Buffer[]): Promise<number> {
  const checked = bodies.slice(0, CHECKED);
  let found = 0;
  for (const [index, body] of checked.entries()) {
    const answer = await request(`${url}/api/v1/recall`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    const { memories } = (await answer.body.json()) as { memories: readonly { content: string }[] };
    const { content } = world.corpus.memory(world.corpus.cue(index).memory);
    if (memories.some((memory) => memory.content === content)) found += 1;
  }
  return found / checked.length;
}

function scanAll(scan: LinearScan, cues: readonly { text: string }[]): LatencyHistogram {
  const latency = new LatencyHistogram();
  for (const { text } of cues) {
    const began = performance.now();
    if (scan.search(text, LIMIT).length === 0) throw new Error(`the scan found nothing for: ${text}`);
    latency.record(performance.now() - began);
  }
  return latency;
}
