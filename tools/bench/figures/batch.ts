/** Figure 2: many memories per request, three ways, against one memory per request. */
import { setTimeout as pause } from 'node:timers/promises';
import { createMemoryClient } from '@engram/rpc';
import type { Figure } from '../figure.js';
import { runHttpLoad } from '../http-load.js';
import { LatencyHistogram } from '../histogram.js';
import { expectMemories, storeStreamed } from '../node-api.js';
import { processorSeconds } from '../process-facts.js';
import { interleavedRatio, noiseOf } from '../ratio.js';
import { liveStoreBody, type World } from '../world.js';

const SPACE = 'batches';
const ARRAY_ITEMS = 100;
const ARRAY_CONNECTIONS = 8;
const STREAM_ITEMS = 64;
const STREAM_UNANSWERED = 8;
const SINGLE_CONNECTIONS = 64;
const BODIES = 8_192;

/** Stores for a while. @returns how many memories were acknowledged. */
type Way = (forMs: number, latency: LatencyHistogram) => Promise<number>;

class Series {
  readonly latency = new LatencyHistogram();
  readonly perSecond: number[] = [];
  processorSeconds = 0;
  memories = 0;

  constructor(
    readonly label: string,
    readonly way: Way,
  ) {}
}

export async function measureBatch(world: World): Promise<Figure> {
  const { corpus, sizes } = world;
  const indexes = Array.from({ length: Math.min(BODIES, sizes.memories) }, (_, index) => index);
  const singles = indexes.map((index) => liveStoreBody(corpus, index, SPACE));
  const arrays = Array.from({ length: Math.floor(singles.length / ARRAY_ITEMS) }, (_, index) =>
    Buffer.from(`[${singles.slice(index * ARRAY_ITEMS, (index + 1) * ARRAY_ITEMS).join(',')}]`),
  );
  const lines = singles.map((body) => Buffer.concat([body, Buffer.from('\n')]));
  const drafts = indexes.map((index) => {
    const { content, tags } = corpus.memory(index);
    return { content, tags: [...tags], memorySpace: SPACE };
  });

  const node = await world.startNode(world.directory());
  const grpc = createMemoryClient({ address: node.grpcAddress });
  const single = new Series(`single stores, ${SINGLE_CONNECTIONS} connections (baseline)`, async (forMs, latency) => {
    const load = { url: node.url, path: '/api/v1/memory', bodies: singles, connections: SINGLE_CONNECTIONS, expectStatus: 201, latency, forMs };
    return (await runHttpLoad(load)).answers;
  });
  const array = new Series(`JSON arrays of ${ARRAY_ITEMS}, ${ARRAY_CONNECTIONS} connections`, async (forMs, latency) => {
    const load = { url: node.url, path: '/api/v1/memory/batch', bodies: arrays, connections: ARRAY_CONNECTIONS, expectStatus: 200, check: expectAllStored, latency, forMs };
    return (await runHttpLoad(load)).answers * ARRAY_ITEMS;
  });
  const streamed = new Series('one NDJSON stream', (forMs) => storeStreamed(node.url, until(forMs, lines)));
  const rpc = new Series(`one gRPC StoreStream, batches of ${STREAM_ITEMS}`, async (forMs) => {
    let stored = 0;
    const batches = until(forMs, Array.from({ length: Math.floor(drafts.length / STREAM_ITEMS) }, (_, index) => drafts.slice(index * STREAM_ITEMS, (index + 1) * STREAM_ITEMS)));
    for await (const { results } of grpc.storeStream(batches, { unansweredMax: STREAM_UNANSWERED })) {
      for (const { result } of results) if (result?.$case !== 'stored') throw new Error(`a draft was refused: ${JSON.stringify(result)}`);
      stored += results.length;
    }
    return stored;
  });

  let acknowledged = 0;
  const round = async (one: Series, forMs: number): Promise<void> => {
    // Commits to the store that the last round left behind are not charged to this one.
    await pause(600);
    const before = processorSeconds(node.pid) ?? NaN;
    const began = performance.now();
    const stored = await one.way(forMs, one.latency);
    one.perSecond.push(stored / ((performance.now() - began) / 1_000));
    acknowledged += stored;
    one.memories += stored;
    await pause(600);
    one.processorSeconds += (processorSeconds(node.pid) ?? NaN) - before;
  };
  const many = [array, streamed, rpc];
  for (const { way } of [single, ...many]) acknowledged += await way(sizes.warmUpMs / 2, new LatencyHistogram());
  for (let index = 0; index < sizes.rounds; index += 1) {
    world.progress(`batches, round ${index + 1} of ${sizes.rounds}`);
    await round(single, sizes.roundMs);
    // Shorter, because they store so many more: all rounds should meet a node of about the same size.
    for (const one of many) await round(one, sizes.roundMs / 4);
  }
  await round(single, sizes.roundMs);
  await expectMemories(node.url, SPACE, acknowledged);
  grpc.close();
  await node.kill('SIGTERM');

  return {
    name: 'batch',
    title: 'Memories per second in batches and streams, against single stores',
    bars: [single, ...many].map(({ label, perSecond, latency, processorSeconds: seconds, memories: stored }) => ({
      label,
      perSecond,
      ...(latency.summary().n === 0 ? {} : { latency: latency.summary() }),
      ...(Number.isFinite(seconds) ? { serverMicros: (seconds / stored) * 1_000_000 } : {}),
    })),
    findings: many.map(({ label, perSecond }) => {
      const { value, lowest, highest } = interleavedRatio(perSecond, single.perSecond);
      return { label: `${label} ÷ single`, value, unit: '×' as const, range: [lowest, highest] as const, aim: { atLeast: 4 } };
    }),
    noise: { ...noiseOf(single.perSecond), baseline: single.label, unit: 'per second' },
    notes: [
      `Rates are memories per second; the latency of arrays is that of a whole array. The space held the ${acknowledged} memories that were acknowledged.`,
      'NDJSON and gRPC run on one connection each; the client shares the two cores with the node.',
    ],
  };
}

function expectAllStored(body: Buffer): void {
  if (body.includes('"refused"')) throw new Error(`an item was refused: ${body.toString().slice(0, 500)}`);
}

function* until<Item>(forMs: number, items: readonly Item[]): Generator<Item> {
  const deadline = performance.now() + forMs;
  for (let index = 0; performance.now() < deadline; index += 1) yield items[index % items.length]!;
}
