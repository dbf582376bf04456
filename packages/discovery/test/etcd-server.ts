import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { closedPort } from './scripted-server.js';

/** Whether this machine has an etcd to test with; `ETCD_BIN` names another than the one on the PATH. */
const binary = process.env['ETCD_BIN'] ?? 'etcd';
const version = /etcd Version: (\S+)/.exec(String(spawnSync(binary, ['--version']).stdout ?? ''))?.[1];

/** Why tests against a real etcd are skipped; undefined where they run. */
export const etcdMissing = version === undefined ? `no etcd on this machine (looked for "${binary}"; Debian: apt-get install etcd-server)` : undefined;

/** A test run that is cut short must not leave a server behind. */
const running = new Set<ChildProcess>();
process.once('exit', () => running.forEach((child) => child.kill('SIGKILL')));

/** One real etcd on loopback with a data directory of its own, which restarts keep and `wipe` empties. */
export class EtcdServer implements AsyncDisposable {
  readonly port: number;
  readonly #peerPort: number;
  readonly #arguments: readonly string[];
  readonly #scheme: 'http' | 'https';
  #directory = mkdtempSync(join(tmpdir(), 'engram-etcd-'));
  #process: ChildProcess | undefined;

  private constructor(port: number, peerPort: number, scheme: 'http' | 'https', extra: readonly string[]) {
    this.port = port;
    this.#peerPort = peerPort;
    this.#scheme = scheme;
    this.#arguments = extra;
  }

  static async start(options: { readonly certFile?: string; readonly keyFile?: string; readonly clientCaFile?: string } = {}): Promise<EtcdServer> {
    const { certFile, keyFile, clientCaFile } = options;
    const tls = certFile !== undefined && keyFile !== undefined ? ['--cert-file', certFile, '--key-file', keyFile] : [];
    if (clientCaFile !== undefined) tls.push('--client-cert-auth', '--trusted-ca-file', clientCaFile);
    const server = new EtcdServer(await closedPort(), await closedPort(), tls.length > 0 ? 'https' : 'http', tls);
    await server.up();
    return server;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Starts it on the same ports; resolves when it serves. */
  async up(): Promise<void> {
    const client = `${this.#scheme}://${this.address}`;
    const peer = `http://127.0.0.1:${this.#peerPort}`;
    const child = spawn(binary, [
      ...['--name', 'test', '--data-dir', this.#directory, '--log-level', 'info', '--logger', 'zap'],
      ...['--listen-client-urls', client, '--advertise-client-urls', client],
      ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', `test=${peer}`],
      // A lease cannot be shorter than one and a half elections, so short elections make short tests.
      ...['--heartbeat-interval', '20', '--election-timeout', '200'],
      ...this.#arguments,
    ], { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ETCD_UNSUPPORTED_ARCH: process.arch } });
    this.#process = child;
    running.add(child);
    child.once('exit', () => running.delete(child));
    let log = '';
    await new Promise<void>((resolve, reject) => {
      child.stderr.setEncoding('utf8').on('data', (part: string) => {
        log = (log + part).slice(-20_000);
        if (log.includes('serving client traffic') || log.includes('serving insecure client requests') || log.includes('serving client requests')) resolve();
      });
      child.on('error', reject);
      child.on('exit', (code) => reject(new Error(`etcd ended with ${code} before it served:\n${log}`)));
    });
  }

  /** Kills it, as a machine that loses its power would. */
  async down(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null) return;
    await new Promise((resolve) => {
      child.once('exit', resolve);
      child.kill('SIGKILL');
    });
  }

  /** Forgets everything. Only while it is down. */
  wipe(): void {
    rmSync(this.#directory, { recursive: true, force: true });
    this.#directory = mkdtempSync(join(tmpdir(), 'engram-etcd-'));
  }

  /** Calls the gateway as an operator would with curl. */
  async ask(path: string, body: object, token?: string): Promise<Record<string, unknown>> {
    const response = await fetch(`http://${this.address}/v3/${path}`, { method: 'POST', body: JSON.stringify(body), ...(token === undefined ? {} : { headers: { authorization: token } }) });
    return (await response.json()) as Record<string, unknown>;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
