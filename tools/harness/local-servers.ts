/** Real servers that nodes look for each other in, started on loopback. */
import { spawn, spawnSync } from 'node:child_process';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { request } from 'undici';
import { freePorts } from './free-ports.js';

export interface LocalServer {
  /** `127.0.0.1:port`. */
  readonly address: string;
  /** Ends it as a machine that loses its power would. */
  stop(): Promise<void>;
}

/** Debian keeps servers where the path of a user does not look. */
const environment = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`, ETCD_UNSUPPORTED_ARCH: process.arch };

/** Why a server cannot be started here; undefined when it can. */
export function missing(program: 'dnsmasq' | 'etcd'): string | undefined {
  if (spawnSync(program, ['--version'], { env: environment }).error === undefined) return undefined;
  return `${program} is not installed here (Debian: apt-get install ${program === 'etcd' ? 'etcd-server' : 'dnsmasq-base'})`;
}

/** Answers for the domain `test` alone, from lines of its configuration such as `host-record=n1.test,127.0.0.1`. */
export async function startDnsmasq(lines: readonly string[]): Promise<LocalServer> {
  const [port] = (await freePorts(1)) as [number];
  const address = `127.0.0.1:${port}`;
  const resolver = new Resolver({ timeout: 100, tries: 1 });
  resolver.setServers([address]);
  const options = ['no-resolv', 'no-hosts', 'no-poll', 'bind-interfaces', 'local=/test/', 'host-record=ready.test,127.0.0.1', 'listen-address=127.0.0.1', `port=${port}`, ...lines];
  const command = ['dnsmasq', '--keep-in-foreground', '--user=', '--group=', '--pid-file=', '--log-facility=-', '--conf-file=/dev/null', ...options.map((option) => `--${option}`)];
  return start(command, address, () => resolver.resolve4('ready.test'));
}

/** With a data directory of its own, which goes with it. */
export async function startEtcd(): Promise<LocalServer> {
  const [port, peerPort] = (await freePorts(2)) as [number, number];
  const address = `127.0.0.1:${port}`;
  const directory = mkdtempSync(join(tmpdir(), 'engram-etcd-'));
  const [client, peer] = [`http://${address}`, `http://127.0.0.1:${peerPort}`];
  const command = [
    ...['etcd', '--name', 'local', '--data-dir', directory, '--listen-client-urls', client, '--advertise-client-urls', client],
    ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', `local=${peer}`],
  ];
  const isHealthy = async (): Promise<void> => {
    const { statusCode, body } = await request(`${client}/health`);
    await body.dump();
    if (statusCode !== 200) throw new Error(`it answers ${statusCode}`);
  };
  return start(command, address, isHealthy, () => rmSync(directory, { recursive: true, force: true }));
}

/** How long a server may take to answer for the first time. */
const startLimitMs = 20_000;

async function start([program = '', ...args]: readonly string[], address: string, asked: () => Promise<unknown>, cleanUp: () => void = () => undefined): Promise<LocalServer> {
  const child = spawn(program, args, { env: environment, stdio: ['ignore', 'ignore', 'pipe'] });
  // A run that is cut short must not leave a server behind.
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  let output = '';
  child.stderr.on('data', (text: Buffer) => (output = (output + text.toString()).slice(-8_192)));
  const ended = once(child, 'exit');
  const stop = async (): Promise<void> => {
    process.off('exit', kill);
    kill();
    await ended;
    cleanUp();
  };
  for (const until = performance.now() + startLimitMs; performance.now() < until && child.exitCode === null; await pause(20)) {
    if (await asked().then(() => true, () => false)) return { address, stop };
  }
  await stop();
  throw new Error(`${program} does not answer at ${address}:\n${output}`);
}
