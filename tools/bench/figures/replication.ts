/** What copies cost: three nodes in one process at `quorum` and at `local`, against one node alone, on the same disk. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Bar, Figure } from '../figure.js';
import { LatencyHistogram } from '../histogram.js';
import { interleavedRatio, median, noiseOf } from '../ratio.js';
import type { World } from '../world.js';

// The server is a program and exports nothing, so that what is measured here is found by its path.
const server = resolve(import.meta.dirname, '../../../apps/server');
const pathOf = (file: string): string => pathToFileURL(resolve(server, file)).href;

interface Engine {
  checkpoint(): Promise<void>;
  store(draft: object, options?: { readonly ack?: string }): Promise<unknown>;
  close(): Promise<void>;
}

interface Node {
  readonly engine: Engine;
  readonly core: { partition(partition: number): { readonly position: { readonly seq: number } }; counters(): { readonly snapshotsReceived: number } };
}

interface Nodes {
  get(name: string): Node;
  start(name: string, directory?: string, options?: object): Promise<Node>;
  setTable(primary: string, copies: readonly string[]): void;
  cut(name: string): void;
  join(name: string): void;
  end(): Promise<void>;
}

interface Sources {
  readonly ReplicatedNodes: new () => Nodes;
  readonly partition: number;
  until(holds: () => boolean): Promise<void>;
  openEngine(options: object): Promise<Engine>;
  readonly Random: { fromSeed(seed: number): unknown };
}

const WRITERS = 256;
/** As a server has them, but patient: three nodes share this process with those who write. */
const replication = { heartbeatMs: 500, peerTimeoutMs: 10_000, ackTimeoutMs: 10_000, appendBytes: 600_000 };

export async function measureReplication(world: World): Promise<Figure> {
  const sources = await load();
  const alone = new Series('one node, local (baseline)');
  const quorum = new Series('three nodes in one process, quorum');
  const local = new Series('three nodes in one process, local');
  await round(world, new Series('warm-up'), 'quorum', sources, true);
  for (let turn = 0; turn < world.sizes.rounds; turn += 1) {
    world.progress(`replication, round ${turn + 1} of ${world.sizes.rounds}`);
    await round(world, alone, undefined, sources);
    await round(world, quorum, 'quorum', sources);
    await round(world, local, 'local', sources);
  }
  await round(world, alone, undefined, sources);
  const fromLog = new Series('catch-up of one copy from the log');
  const fromSnapshot = new Series('catch-up of one copy from a snapshot');
  for (const [series, cutLog] of [[fromLog, false], [fromSnapshot, true]] as const) {
    world.progress(`replication, ${series.label}`);
    await catchUp(world, series, cutLog, sources);
  }
  const atQuorum = interleavedRatio(quorum.perSecond, alone.perSecond);
  const atLocal = interleavedRatio(local.perSecond, alone.perSecond);
  return {
    name: 'replication',
    title: `Stores by ${WRITERS} writers, durable on copies`,
    bars: [...[alone, quorum, local].map((series) => series.bar()), ...[fromLog, fromSnapshot].map((series) => series.bareBar())],
    findings: [
      { label: 'quorum on three ÷ one node alone', value: atQuorum.value, unit: '×', range: [atQuorum.lowest, atQuorum.highest] },
      { label: 'local on three ÷ one node alone', value: atLocal.value, unit: '×', range: [atLocal.lowest, atLocal.highest] },
      { label: 'processor time, quorum on three ÷ one node alone', value: median(quorum.micros) / median(alone.micros), unit: '×' },
      { label: 'catch-up from the log ÷ stores of one node alone', value: median(fromLog.perSecond) / median(alone.perSecond), unit: '×' },
      { label: 'catch-up from a snapshot ÷ stores of one node alone', value: median(fromSnapshot.perSecond) / median(alone.perSecond), unit: '×' },
    ],
    noise: { ...noiseOf(alone.perSecond), baseline: 'stores per second of one node', unit: '/s' },
    notes: [
      'All three nodes share one process, one event loop and one disk, so that three times the work is done by what one node has to itself in the baseline: a third is what it would be if copies cost nothing beside themselves. The pipe between them costs nothing but a copy of each message.',
      `Processor time is of the whole process, writers included. Catch-up is of ${world.sizes.memories} entries, once, with nothing else to do; its time is until the copy has all of them durable and applied.`,
    ],
  };
}

async function load(): Promise<Sources> {
  const [nodes, engine, kernel] = await Promise.all([import(pathOf('test/replicated-nodes.ts')), import(pathOf('src/engine/engine.ts')), import('@engram/kernel')]);
  return { ...(nodes as Pick<Sources, 'ReplicatedNodes' | 'partition' | 'until'>), ...(engine as Pick<Sources, 'openEngine'>), Random: kernel.Random };
}

/** In new directories each time, so that no round pays for the one before. */
async function round(world: World, series: Series, ack: 'quorum' | 'local' | undefined, sources: Sources, brief = false): Promise<void> {
  const { sizes, corpus } = world;
  const nodes = new sources.ReplicatedNodes();
  const engine = ack === undefined
    ? await sources.openEngine({ dataDirectory: world.directory(), version: '0.0.0-bench', random: sources.Random.fromSeed(1), wallClockMs: () => Date.now() })
    : await three(nodes);
  let index = 0;
  let stored = 0;
  const until = performance.now() + (brief ? sizes.warmUpMs : sizes.roundMs);
  const cpu = process.cpuUsage();
  const from = performance.now();
  await Promise.all(Array.from({ length: WRITERS }, async () => {
    while (performance.now() < until) {
      const { content, tags } = corpus.memory(index++ % sizes.memories);
      const began = performance.now();
      await engine.store({ space: 'default', content, tags }, ack === undefined ? {} : { ack });
      series.latency.record(performance.now() - began);
      stored += 1;
    }
  }));
  const seconds = (performance.now() - from) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  series.perSecond.push(stored / seconds);
  series.micros.push((user + system) / stored);
  if (ack === undefined) await engine.close();
  await nodes.end();
}

/** A copy was away while all memories of the corpus were stored, and comes back. */
async function catchUp(world: World, series: Series, cutLog: boolean, sources: Sources): Promise<void> {
  const { sizes, corpus } = world;
  const nodes = new sources.ReplicatedNodes();
  // Small segments, and none kept, so that a checkpoint cuts nearly all of the log off; and little kept in memory beside it.
  const engine = await three(nodes, cutLog ? { wal: { segmentBytesMax: 1_000_000, groupBytesMax: 900_000, entryBytesMax: 800_000, retainBytes: 0 } } : {}, { ringEntries: 1_000 });
  const seqOf = (name: string): number => nodes.get(name).core.partition(sources.partition).position.seq;
  nodes.cut('c');
  let index = 0;
  await Promise.all(Array.from({ length: WRITERS }, async () => {
    while (index < sizes.memories) {
      const { content, tags } = corpus.memory(index++);
      await engine.store({ space: 'default', content, tags }, { ack: 'quorum' });
    }
  }));
  if (cutLog) await engine.checkpoint();
  const behind = seqOf('a') - seqOf('c');
  const cpu = process.cpuUsage();
  const from = performance.now();
  nodes.join('c');
  await sources.until(() => seqOf('c') >= seqOf('a'));
  const seconds = (performance.now() - from) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  if (nodes.get('c').core.counters().snapshotsReceived > 0 !== cutLog) throw new Error(`the copy did not catch up as it was meant to: ${series.label}`);
  series.perSecond.push(behind / seconds);
  series.micros.push((user + system) / behind);
  await nodes.end();
}

async function three(nodes: Nodes, engine: object = {}, more: object = {}): Promise<Engine> {
  const options = { engine, replication: { ...replication, ...more } };
  const [first] = [await nodes.start('a', undefined, options), await nodes.start('b', undefined, options), await nodes.start('c', undefined, options)];
  nodes.setTable('a', ['a', 'b', 'c']);
  await first.engine.store({ space: 'default', content: 'the copies have met', tags: [] }, { ack: 'all' });
  return first.engine;
}

class Series {
  readonly perSecond: number[] = [];
  readonly micros: number[] = [];
  readonly latency = new LatencyHistogram();

  constructor(readonly label: string) {}

  bar(): Bar {
    return { ...this.bareBar(), latency: this.latency.summary() };
  }

  bareBar(): Bar {
    return { label: this.label, perSecond: this.perSecond, serverMicros: median(this.micros) };
  }
}
