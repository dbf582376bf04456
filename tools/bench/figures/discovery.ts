/** Figure 7: what finding peers costs and how long it takes, through each source that this machine has. */
import { spawn } from 'node:child_process';
import { Resolver } from 'node:dns/promises';
import { resolve } from 'node:path';
import { dnsSource } from '@engram/discovery';
import { ClusterProcesses, joinedWith, whenAll } from '../../harness/cluster-processes.js';
import { freePorts } from '../../harness/free-ports.js';
import { missing, startDnsmasq, startEtcd, type LocalServer } from '../../harness/local-servers.js';
import { peerSourceKinds, serviceName, serviceRecords, type PeerSourceKind } from '../../harness/peer-sources.js';
import type { Bar, Figure, Finding } from '../figure.js';
import { LatencyHistogram } from '../histogram.js';
import { interleavedRatio, median, noiseOf } from '../ratio.js';
import { quickSizes, type World } from '../world.js';

const LOOK_UPS = 300;
const IDLE_MS = 30_000;
const SETTLE_MS = 5_000;
const FORMINGS = 3;
const NODES = 3;

interface Part {
  readonly bars: readonly Bar[];
  readonly findings: readonly Finding[];
}

export async function measureDiscovery(world: World): Promise<Figure> {
  const starts = [await startAlone(world)];
  const dns = await lookUps(world);
  const idle = await idling(world);
  const found: Finding[] = [];
  for (const kind of peerSourceKinds.filter((each) => each.missing === undefined)) {
    found.push(...(await forming(world, kind)));
    starts.push(await startAlone(world));
  }
  return {
    name: 'discovery',
    title: 'Finding the first peers',
    bars: dns.bars,
    findings: [...dns.findings, ...idle, ...found, { label: 'one process starts alone, not in a cluster', value: median(starts), unit: 's', range: rangeOf(starts) }],
    noise: { ...noiseOf(starts), baseline: 'start of one process alone', unit: 's' },
    notes: [
      ...peerSourceKinds.flatMap((kind) => (kind.missing === undefined ? [] : [`Left out, ${kind.name}: ${kind.missing}.`])),
      `A refresh asks for SRV and then for the A and AAAA of ${NODES} targets; the baseline asks the same ${1 + 2 * NODES} questions of the same dnsmasq through node:dns alone.`,
      `Idle are two processes beside each other for ${IDLE_MS / 1_000} s, one with a started and registered discovery at its default pace, one without. Consul, Kubernetes and AWS are not among the sources: no server of theirs is here.`,
      `Three nodes: processes of the build with bootstrap_expect 3 and the preset lan, started at once; from the spawn until each says that it is joined and sees all ${NODES}.`,
    ],
  };
}

/** Seconds until a node that is in no cluster is ready. */
async function startAlone(world: World): Promise<number> {
  world.progress('discovery: one process alone');
  const node = await world.startNode(world.directory());
  await node.kill('SIGTERM');
  return node.startMs / 1_000;
}

// ── Looking up ─────────────────────────────────────────────────────────────────────────────────────────────────────

class Series {
  readonly latency = new LatencyHistogram();
  /** Of each round, in milliseconds. */
  readonly medians: number[] = [];

  constructor(readonly label: string, readonly call: () => Promise<unknown>) {}

  async round(): Promise<void> {
    const times: number[] = [];
    for (let i = 0; i < LOOK_UPS; i += 1) {
      const began = performance.now();
      await this.call();
      times.push(performance.now() - began);
      this.latency.record(times.at(-1)!);
    }
    this.medians.push(median(times));
  }
}

async function lookUps({ sizes, progress }: World): Promise<Part> {
  if (missing('dnsmasq') !== undefined) return { bars: [], findings: [] };
  const server = await startDnsmasq(serviceRecords(Array.from({ length: NODES }, (_, at) => 7_946 + at)));
  try {
    const resolver = new Resolver();
    resolver.setServers([server.address]);
    const source = dnsSource({ name: serviceName, resolver: server.address });
    const { signal } = new AbortController();
    const refresh = new Series('engram: one refresh of the source dns', async () => {
      const { endpoints } = await source.lookUp({ signal });
      if (endpoints.length !== NODES) throw new Error(`the look-up found ${endpoints.join(', ')}`);
    });
    const bare = new Series('node:dns, the same questions (baseline)', async () => {
      const targets = await resolver.resolveSrv(serviceName);
      await Promise.all(targets.flatMap(({ name }) => [resolver.resolve4(name, { ttl: true }), resolver.resolve6(name, { ttl: true }).catch(() => [])]));
    });
    const one = new Series('node:dns, one resolveSrv', () => resolver.resolveSrv(serviceName));
    await bare.call();
    await refresh.call();
    for (let round = 0; round < sizes.rounds; round += 1) {
      progress(`discovery: DNS, round ${round + 1} of ${sizes.rounds}`);
      await bare.round();
      await refresh.round();
      await one.round();
    }
    await bare.round();
    await source.close?.();

    const ratio = interleavedRatio(refresh.medians, bare.medians);
    return {
      bars: [refresh, bare, one].map(({ label, latency }) => ({ label, latency: latency.summary() })),
      findings: [
        { label: 'DNS refresh, median', value: median(refresh.medians), unit: 'ms', range: rangeOf(refresh.medians), aim: { atMost: 100 } },
        { label: 'DNS refresh, p99', value: refresh.latency.summary().p99Ms, unit: 'ms', aim: { atMost: 100 } },
        { label: '÷ the same questions through node:dns', value: ratio.value, unit: '×', range: [ratio.lowest, ratio.highest] },
        { label: '÷ one resolveSrv', value: median(refresh.medians) / median(one.medians), unit: '×' },
      ],
    };
  } finally {
    await server.stop();
  }
}

// ── Idling ─────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Idled {
  readonly cpuMicros: number;
  readonly wallMs: number;
  readonly names: readonly string[];
}

async function idling({ progress }: World): Promise<readonly Finding[]> {
  progress(`discovery: idle for ${IDLE_MS / 1_000} s`);
  const servers: LocalServer[] = [];
  const serve = async (starting: Promise<LocalServer>): Promise<string> => {
    const server = await starting;
    servers.push(server);
    return server.address;
  };
  try {
    const [multicastPort] = (await freePorts(1)) as [number];
    const sources = {
      static: { seeds: ['localhost:7946', '127.0.0.1:7947'] },
      multicast: { cluster: 'idle', group: `239.255.79.46:${multicastPort}`, interface: '127.0.0.1', ttl: 0 },
      ...(missing('dnsmasq') === undefined && { dns: { name: serviceName, resolver: await serve(startDnsmasq(serviceRecords([7_946, 7_947, 7_948]))) } }),
      ...(missing('etcd') === undefined && { etcd: { endpoints: [await serve(startEtcd())], prefix: '/engram/idle/' } }),
    };
    const [withAll, without] = await Promise.all([idle({ sources }), idle({})]);
    const share = ({ cpuMicros, wallMs }: Idled): number => cpuMicros / wallMs / 10;
    return [
      { label: `idle, of a core: ${withAll.names.join(', ')} together`, value: share(withAll), unit: '%' },
      { label: 'idle, of a core: the same process without them', value: share(without), unit: '%' },
      { label: 'idle, of a core: the difference', value: share(withAll) - share(without), unit: '%', aim: { atMost: 0.1 } },
    ];
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
  }
}

async function idle(asked: { readonly sources?: object }): Promise<Idled> {
  const script = resolve(import.meta.dirname, '../idle-discovery.mjs');
  const child = spawn(process.execPath, [script, JSON.stringify({ forMs: IDLE_MS, settleMs: SETTLE_MS, ...asked })], { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, NODE_OPTIONS: '' }, timeout: IDLE_MS + 60_000 });
  let printed = '';
  child.stdout.on('data', (text: Buffer) => (printed += text.toString()));
  const code = await new Promise((settle) => child.once('close', settle));
  if (code !== 0) throw new Error(`the idle process ended with ${String(code)}`);
  return JSON.parse(printed) as Idled;
}

// ── Forming ────────────────────────────────────────────────────────────────────────────────────────────────────────

async function forming(world: World, { name, open }: PeerSourceKind): Promise<readonly Finding[]> {
  const whole: number[] = [];
  const meeting: number[] = [];
  const formings = world.sizes === quickSizes ? 1 : FORMINGS;
  for (let round = 0; round < formings; round += 1) {
    world.progress(`discovery: three nodes by ${name}, ${round + 1} of ${formings}`);
    const ports = await freePorts(NODES);
    const source = await open(ports);
    const cluster = new ClusterProcesses(world.directory());
    try {
      const began = performance.now();
      const environment = { ...source.environment, ENGRAM_CLUSTER_BOOTSTRAP_EXPECT: `${NODES}`, ENGRAM_CLUSTER_SWIM_PRESET: 'lan', ENGRAM_LOG_LEVEL: 'warn', NODE_OPTIONS: '' };
      const nodes = await Promise.all(ports.map((swimPort, at) => cluster.start({ name: `engram-${at + 1}`, swimPort, environment })));
      const answered = performance.now();
      const views = await whenAll(nodes, joinedWith(NODES), 120_000);
      whole.push((performance.now() - began) / 1_000);
      meeting.push((performance.now() - answered) / 1_000);
      if (new Set(views.map(({ cluster_id }) => cluster_id)).size !== 1) throw new Error(`by ${name} the nodes formed more than one cluster`);
    } finally {
      await cluster.close();
      await source.server?.stop();
    }
  }
  return [
    { label: `three nodes by ${name}, spawn to joined`, value: median(whole), unit: 's', range: rangeOf(whole), aim: { atMost: 5 } },
    { label: `of that, after all three answered`, value: median(meeting), unit: 's', range: rangeOf(meeting) },
  ];
}

function rangeOf(values: readonly number[]): readonly [number, number] {
  return [Math.min(...values), Math.max(...values)];
}
