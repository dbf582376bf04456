import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Resolver } from 'node:dns/promises';

/** Whether a program can be started here; says so when it cannot, because a test that is skipped must not be overlooked. */
export function has(program: string, ...args: string[]): boolean {
  const found = spawnSync(program, args, { env: withSbin }).error === undefined;
  if (!found) console.log(`skipped: ${program} is not installed here`);
  return found;
}

const withSbin = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };

export interface DnsServer {
  /** `127.0.0.1:port`. */
  readonly address: string;
  /** Makes the server read its files again. */
  reload(files: Readonly<Record<string, string>>): void;
  stop(): Promise<void>;
}

/** dnsmasq with these lines of configuration and this file of hosts; answers for the domain `test` alone. */
export function startDnsmasq(lines: readonly string[], hosts = ''): Promise<DnsServer> {
  return startServer((port, directory) => {
    const configuration = ['no-resolv', 'no-hosts', 'no-poll', 'bind-interfaces', 'local-service', 'local=/test/', 'host-record=ready.test,127.0.0.1', `addn-hosts=${join(directory, 'hosts')}`, ...lines];
    return {
      files: { 'dnsmasq.conf': configuration.join('\n'), hosts },
      command: ['dnsmasq', '--keep-in-foreground', '--user=', '--group=', '--pid-file=', '--log-facility=-', `--conf-file=${join(directory, 'dnsmasq.conf')}`, '--listen-address=127.0.0.1', `--port=${port}`],
    };
  });
}

/** BIND with one zone `test`, of which `records` are the lines below the head. */
export function startBind(records: readonly string[], options = ''): Promise<DnsServer> {
  return startServer((port, directory) => ({
    files: {
      'named.conf': `options { directory "${directory}"; pid-file none; session-keyfile none; listen-on port ${port} { 127.0.0.1; }; listen-on-v6 { none; }; recursion no; dnssec-validation no; notify no; max-records-per-type 1000; ${options} };
controls { };
zone "test" { type primary; file "${join(directory, 'zone')}"; };`,
      zone: bindZone(records),
    },
    command: ['named', '-g', '-c', join(directory, 'named.conf')],
  }));
}

let serial = 1;

export function bindZone(records: readonly string[]): string {
  return ['$TTL 7', `@ IN SOA ns.test. root.test. ( ${serial++} 60 60 60 1 )`, '@ IN NS ns.test.', 'ns IN A 127.0.0.1', 'ready IN A 127.0.0.1', ...records, ''].join('\n');
}

interface Launch {
  readonly files: Readonly<Record<string, string>>;
  readonly command: readonly string[];
}

/** A port that is free now may be taken a moment later, so a server that does not come up gets another one. */
async function startServer(launchOf: (port: number, directory: string) => Launch): Promise<DnsServer> {
  for (let tries = 1; ; tries++) {
    const directory = mkdtempSync(join(tmpdir(), 'engram-dns-'));
    const port = await freePort();
    const launch = launchOf(port, directory);
    const write = (files: Readonly<Record<string, string>>): void => Object.entries(files).forEach(([name, text]) => writeFileSync(join(directory, name), text));
    write(launch.files);
    const [program = '', ...args] = launch.command;
    const child = spawn(program, args, { env: withSbin, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (text: Buffer) => (output += text.toString()));
    child.stderr.on('data', (text: Buffer) => (output += text.toString()));
    const stop = async (): Promise<void> => {
      await end(child);
      rmSync(directory, { recursive: true, force: true });
    };
    const address = `127.0.0.1:${port}`;
    if (await isReady(address, child)) return { address, stop, reload: (files) => (write(files), void child.kill('SIGHUP')) };
    await stop();
    if (tries === 3) throw new Error(`${program} does not start: ${output}`);
  }
}

async function isReady(address: string, child: ChildProcess): Promise<boolean> {
  const resolver = new Resolver({ timeout: 100, tries: 1 });
  resolver.setServers([address]);
  for (const until = Date.now() + 5_000; Date.now() < until && child.exitCode === null; ) {
    if (await resolver.resolve4('ready.test').then(() => true, () => false)) return true;
  }
  return false;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'close');
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Answers each datagram with whatever `answer` makes of the question; with nothing when it makes nothing of it. */
export async function startLyingServer(answer: (question: Buffer) => Buffer | undefined): Promise<{ readonly address: string; stop(): Promise<void>; questions: number }> {
  const socket: Socket = createSocket('udp4');
  const server = {
    address: '',
    questions: 0,
    async stop(): Promise<void> {
      socket.close();
      await once(socket, 'close');
    },
  };
  socket.on('message', (question: Buffer, from: RemoteInfo) => {
    server.questions += 1;
    const bytes = answer(question);
    if (bytes) socket.send(bytes, from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  server.address = `127.0.0.1:${socket.address().port}`;
  return server;
}
