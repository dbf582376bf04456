/**
 * What discovery costs on this machine: `npm run figures -w @engram/discovery`. Servers are started on loopback and
 * ended; what is not installed is left out and said.
 */
import { networkInterfaces } from 'node:os';
import { createDiscovery, dnsSource, multicastSource, staticSource, type DiscoverySource, type SourceAnswer } from '../src/index.js';
import { unionOf } from '../src/core/index.js';
import { has, startBind, startDnsmasq, type DnsServer } from './dns-servers.js';

interface Row {
  readonly what: string;
  readonly figure: string;
}

const signal = new AbortController().signal;
const rows: Row[] = [];

/** Median and worst of `times` calls, in milliseconds, after ten that do not count. */
async function spread(times: number, call: () => Promise<unknown> | unknown): Promise<string> {
  for (let i = 0; i < 10; i++) await call();
  const taken: number[] = [];
  for (let i = 0; i < times; i++) {
    const from = performance.now();
    await call();
    taken.push(performance.now() - from);
  }
  taken.sort((a, b) => a - b);
  return `median ${(taken[times >> 1] ?? 0).toFixed(2)} ms, worst of ${times} ${(taken.at(-1) ?? 0).toFixed(2)} ms`;
}

async function dnsFigures(): Promise<void> {
  const refresh = async (what: string, server: DnsServer, source: DiscoverySource): Promise<void> => {
    const answer: SourceAnswer = await source.lookUp({ signal });
    rows.push({ what: `${what} (${answer.endpoints.length} endpoints)`, figure: await spread(100, () => source.lookUp({ signal })) });
    await server.stop();
  };
  if (has('dnsmasq', '--version')) {
    const server = await startDnsmasq(['srv-host=_engram._tcp.test,n1.test,1', 'srv-host=_engram._tcp.test,n2.test,1', 'srv-host=_engram._tcp.test,n3.test,1'], '10.0.0.1 n1.test\n10.0.0.2 n2.test\n10.0.0.3 n3.test\n');
    await refresh('DNS refresh, SRV and targets, dnsmasq', server, dnsSource({ name: '_engram._tcp.test', resolver: server.address }));
  }
  if (has('named', '-v')) {
    const server = await startBind(Array.from({ length: 200 }, (_, i) => `_engram._tcp IN SRV 0 0 1 n${i}\nn${i} IN A 10.1.0.${i}`));
    await refresh('DNS refresh, SRV and targets, BIND', server, dnsSource({ name: '_engram._tcp.test', resolver: server.address, timeoutMs: 5_000 }));
  }
}

/** The processor's share of this process over `seconds`, in per cent of one. */
async function shareOver(seconds: number): Promise<number> {
  const before = process.cpuUsage();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
  const { user, system } = process.cpuUsage(before);
  return (user + system) / (seconds * 10_000);
}

/** What static seeds, DNS and multicast take at their default pace; measured first, before there is anything to tidy up. */
async function idleFigure(seconds: number): Promise<void> {
  const server = has('dnsmasq', '--version') ? await startDnsmasq(['host-record=pods.test,10.0.0.1', 'local-ttl=30']) : undefined;
  const group = '239.255.77.77:31777';
  const loopback = Object.entries(networkInterfaces()).find(([, addresses]) => addresses?.some(({ address }) => address === '127.0.0.1'))?.[0] ?? 'lo';
  const sources = [staticSource({ seeds: ['localhost', '10.0.0.1'] }), multicastSource({ cluster: 'figures', group, interface: loopback, ttl: 0 }), ...(server ? [dnsSource({ name: 'pods.test', port: 1, resolver: server.address })] : [])];
  await using discovery = createDiscovery({ sources });
  discovery.start();
  await discovery.register({ cluster: 'figures', nodeId: 'n1', swim: '127.0.0.1:7946' });
  await discovery.discover();
  // What starting left to do is not what idling costs.
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  rows.push({ what: `Idle for ${seconds} s with ${sources.map(({ name }) => name).join(', ')}`, figure: `${(await shareOver(seconds)).toFixed(3)} % of one processor` });
  await discovery.stop();
  rows.push({ what: `Idle for ${seconds} s without a discovery`, figure: `${(await shareOver(seconds)).toFixed(3)} %` });
  await server?.stop();
}

async function multicastFigure(): Promise<void> {
  const loopback = Object.entries(networkInterfaces()).find(([, addresses]) => addresses?.some(({ address }) => address === '127.0.0.1'))?.[0] ?? 'lo';
  const taken: number[] = [];
  for (let round = 0; round < 5; round++) {
    const nodes = [1, 2, 3].map((n) => ({ swim: `127.0.0.1:${7_000 + n}`, nodeId: `n${n}`, discovery: createDiscovery({ sources: [multicastSource({ cluster: 'figures', group: `239.255.77.${round}:31778`, interface: loopback, ttl: 0 })] }) }));
    const from = performance.now();
    await Promise.all(
      nodes.map(async ({ discovery, nodeId, swim }) => {
        const sets = discovery.changes();
        discovery.start();
        await discovery.register({ cluster: 'figures', nodeId, swim });
        for await (const { endpoints } of sets) if (endpoints.length === 2) return;
      }),
    );
    taken.push(performance.now() - from);
    await Promise.all(nodes.map(({ discovery }) => discovery.stop()));
  }
  taken.sort((a, b) => a - b);
  rows.push({ what: 'Three nodes know each other by multicast', figure: `median ${(taken[2] ?? 0).toFixed(0)} ms, worst of 5 ${(taken[4] ?? 0).toFixed(0)} ms` });
}

await idleFigure(60);
await dnsFigures();
await multicastFigure();
const answers = [0, 1, 2].map((source) => ({ source: `s${source}`, endpoints: Array.from({ length: 1_024 }, (_, i) => `10.${source}.${i >> 8}.${i & 255}:7946`) }));
rows.push({ what: 'Union of three answers of 1 024 endpoints', figure: await spread(200, () => unionOf(answers, new Set(), 1_024)) });

const width = Math.max(...rows.map(({ what }) => what.length));
console.log(`Node ${process.version}`);
for (const { what, figure } of rows) console.log(`${what.padEnd(width)}  ${figure}`);
