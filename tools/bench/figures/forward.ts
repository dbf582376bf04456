/** What a store costs that is passed on by the node that was asked, against one that its owner was asked for. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { MemoryClient } from '@engram/rpc';
import type { Figure, Finding } from '../figure.js';
import { LatencyHistogram } from '../histogram.js';
import { interleavedRatio, median, noiseOf } from '../ratio.js';
import type { World } from '../world.js';

// The server is a program and exports nothing, so that what is measured here is found by its path.
const harness = resolve(import.meta.dirname, '../../../apps/server/test/routed-nodes.ts');

/** What of it is used here. */
interface Harness {
  readonly RoutedNodes: {
    start(names: readonly string[]): Promise<{
      get(name: string): { readonly client: MemoryClient; readonly engine: { status(): { readonly memories: number } } };
      place(space: string, primary: string): void;
      end(): Promise<void>;
    }>;
  };
}

const loads = [
  { label: 'one at a time', clients: 1 },
  { label: '32 at a time', clients: 32 },
] as const;

interface Round {
  readonly perSecond: number;
  readonly p50Ms: number;
  /** Processor time of client and both nodes for each store. */
  readonly microsEach: number;
}

export async function measureForward({ sizes, corpus, progress }: World): Promise<Figure> {
  const { RoutedNodes } = (await import(pathToFileURL(harness).href)) as Harness;
  const nodes = await RoutedNodes.start(['n1', 'n2']);
  const bars: Figure['bars'][number][] = [];
  const findings: Finding[] = [];
  let noise: Figure['noise'] | undefined;
  let stored = 0;
  try {
    nodes.place('forwarded', 'n2');
    const ways = { direct: nodes.get('n2').client, forwarded: nodes.get('n1').client };
    for (const { label, clients } of loads) {
      const latency = { direct: new LatencyHistogram(), forwarded: new LatencyHistogram() };
      const rounds: Record<keyof typeof ways, Round[]> = { direct: [], forwarded: [] };
      const measured = async (way: keyof typeof ways, ms: number, into: LatencyHistogram): Promise<Round> => {
        const own = new LatencyHistogram();
        const cpu = process.cpuUsage();
        const startedAt = performance.now();
        let answers = 0;
        const client = async (): Promise<void> => {
          while (performance.now() - startedAt < ms) {
            const { content, tags } = corpus.memory((stored += 1) % sizes.memories);
            const sentAt = performance.now();
            await ways[way].store({ draft: { content, tags: [...tags], memorySpace: 'forwarded' } });
            const tookMs = performance.now() - sentAt;
            own.record(tookMs);
            into.record(tookMs);
            answers += 1;
          }
        };
        await Promise.all(Array.from({ length: clients }, client));
        const { user, system } = process.cpuUsage(cpu);
        return { perSecond: answers / ((performance.now() - startedAt) / 1_000), p50Ms: own.summary().p50Ms, microsEach: (user + system) / answers };
      };
      for (const way of ['direct', 'forwarded'] as const) await measured(way, sizes.warmUpMs / 4, new LatencyHistogram());
      for (let round = 0; round < sizes.rounds; round += 1) {
        progress(`forward, ${label}, round ${round + 1} of ${sizes.rounds}`);
        for (const way of ['direct', 'forwarded'] as const) rounds[way].push(await measured(way, sizes.roundMs / 2, latency[way]));
      }
      rounds.direct.push(await measured('direct', sizes.roundMs / 2, latency.direct));
      const ratioOf = (what: keyof Round) => interleavedRatio(rounds.forwarded.map((round) => round[what]), rounds.direct.map((round) => round[what]));
      for (const way of ['direct', 'forwarded'] as const) {
        bars.push({ label: `${way}, ${label}`, perSecond: rounds[way].map(({ perSecond }) => perSecond), latency: latency[way].summary(), serverMicros: median(rounds[way].map(({ microsEach }) => microsEach)) });
      }
      for (const [what, name] of [['p50Ms', 'median latency'], ['perSecond', 'stores per second'], ['microsEach', 'processor time']] as const) {
        const { value, lowest, highest } = ratioOf(what);
        findings.push({ label: `forwarded ÷ direct, ${name}, ${label}`, value, unit: '×', range: [lowest, highest] });
      }
      noise ??= { ...noiseOf(rounds.direct.map(({ p50Ms }) => p50Ms)), baseline: `median latency of a direct store, ${label}`, unit: 'ms' };
    }
    if (nodes.get('n2').engine.status().memories !== stored || nodes.get('n1').engine.status().memories !== 0) throw new Error('a memory is not where it belongs');
  } finally {
    await nodes.end();
  }
  return {
    name: 'forward',
    title: 'A gRPC store through another node, against one sent to its owner',
    bars,
    findings,
    noise: noise!,
    notes: ['The client and both nodes share one process and its processor time, and the owner’s fdatasync is in every latency. Nothing is replicated, so that the way to the owner is all that differs.'],
  };
}
