/** What reading a configuration costs: parsed, checked, related and frozen, against parsing its TOML alone. */
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Figure } from './figure.js';
import { LatencyHistogram } from './histogram.js';
import { interleavedRatio, median, noiseOf } from './ratio.js';
import type { World } from './world.js';

// The server is a program and exports nothing, so that what is measured here is found by its path.
const server = resolve(import.meta.dirname, '../../apps/server');
const sources = pathToFileURL(resolve(server, 'src/config/index.ts')).href;
const parser = pathToFileURL(createRequire(resolve(server, 'package.json')).resolve('smol-toml')).href;

interface Configuration {
  resolveConfig(from: { content: { name: string; text: string }; env: Record<string, string>; flags: object }): unknown;
}

interface Parser {
  parse(text: string): unknown;
}

const CALLS = 500;
const FRESH_PROCESSES = 7;

/** A node of a cluster of three, as somebody would write it down. */
const text = `[node]
id = "engram-1"
data_dir = "/var/lib/engram"

[server]
http_bind = "10.0.0.5:7432"
grpc_bind = "10.0.0.5:50051"
allow_unauthenticated = true      # a proxy stands in front

[log]
level = "info"
format = "json"

[wal]
segment_bytes = "128MiB"
retain_bytes = "512MiB"

[cluster]
enabled = true
name = "orders"
advertise = "10.0.0.5:7946"
bootstrap_expect = 3

[cluster.discovery]
sources = ["static", "dns"]

[cluster.discovery.static]
seeds = ["engram-1.example.com:7946", "engram-2.example.com:7946", "engram-3.example.com:7946"]

[cluster.discovery.dns]
name = "_engram._tcp.example.com"
refresh_interval = "30s"

[cluster.swim]
bind = "10.0.0.5:7946"
preset = "lan"

[query]
timeout_ms = "5s"
`;
const env = { PATH: '/usr/bin', ENGRAM_LOG_LEVEL: 'warn', ENGRAM_CLUSTER_DISCOVERY_DNS_PORT: '7946' };

export async function measureConfig({ sizes, progress }: World): Promise<Figure> {
  const { resolveConfig } = (await import(sources)) as Configuration;
  const { parse } = (await import(parser)) as Parser;
  const json = JSON.stringify(parse(text));
  const whole = new Series('engram: file and variables, checked', () => resolveConfig({ content: { name: 'engram.toml', text }, env, flags: {} }));
  const toml = new Series('smol-toml alone (baseline)', () => parse(text));
  const plain = new Series('JSON.parse of the same content', () => JSON.parse(json));

  const all = [whole, toml, plain];
  for (const series of all) series.warmUp();
  for (let round = 0; round < sizes.rounds; round += 1) {
    progress(`config, round ${round + 1} of ${sizes.rounds}`);
    toml.round();
    whole.round();
    plain.round();
  }
  toml.round();

  progress(`config: the first call of ${FRESH_PROCESSES} processes`);
  const firstMs = Array.from({ length: FRESH_PROCESSES }, firstCallMs);
  const ratio = interleavedRatio(whole.medians, toml.medians);
  return {
    name: 'config',
    title: `Configuration of ${text.split('\n').filter((line) => line.includes(' = ')).length} keys, parsed and checked`,
    bars: all.map(({ label, latency }) => ({ label, latency: latency.summary() })),
    findings: [
      { label: 'parsed and checked, median', value: median(whole.medians), unit: 'ms', range: rangeOf(whole.medians), aim: { atMost: 1 } },
      { label: '÷ smol-toml alone', value: ratio.value, unit: '×', range: [ratio.lowest, ratio.highest] },
      { label: '÷ JSON.parse', value: median(whole.medians) / median(plain.medians), unit: '×' },
      { label: 'first call of a process, median', value: median(firstMs), unit: 'ms', range: rangeOf(firstMs) },
    ],
    noise: { ...noiseOf(toml.medians), baseline: 'median of a round of smol-toml', unit: 'ms' },
    notes: [
      `${CALLS} calls to a round, after as many to warm up; the medians are of rounds. The first call of a process runs code that was never compiled: that is what a start pays, once.`,
    ],
  };
}

class Series {
  readonly latency = new LatencyHistogram();
  /** Of each round, in milliseconds. */
  readonly medians: number[] = [];

  constructor(readonly label: string, readonly call: () => unknown) {}

  warmUp(): void {
    for (let i = 0; i < CALLS; i += 1) this.call();
  }

  round(): void {
    const times = Array.from({ length: CALLS }, () => timed(this.call));
    for (const ms of times) this.latency.record(ms);
    this.medians.push(median(times));
  }
}

function timed(call: () => unknown): number {
  const startedAt = process.hrtime.bigint();
  call();
  return Number(process.hrtime.bigint() - startedAt) / 1e6;
}

function firstCallMs(): number {
  const script = `
    import { resolveConfig } from ${JSON.stringify(sources)};
    const given = { content: { name: 'engram.toml', text: ${JSON.stringify(text)} }, env: ${JSON.stringify(env)}, flags: {} };
    const startedAt = process.hrtime.bigint();
    resolveConfig(given);
    console.log(Number(process.hrtime.bigint() - startedAt) / 1e6);`;
  return Number(execFileSync(process.execPath, ['--conditions=@engram/source', '--import', 'tsx', '--input-type=module', '-e', script], { cwd: server, encoding: 'utf8', timeout: 60_000 }));
}

function rangeOf(values: readonly number[]): readonly [number, number] {
  return [Math.min(...values), Math.max(...values)];
}
