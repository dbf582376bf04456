/** A real engram server in a process of its own, started on loopback ports that are free. */
import { spawn, type ChildProcess } from 'node:child_process';
import { appendFileSync, existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { request } from 'undici';
import { freePorts } from './free-ports.js';

const root = resolve(import.meta.dirname, '../..');
const START_LIMIT_MS = 60_000;

export interface ServerOptions {
  readonly dataDirectory: string;
  /** `build` runs what users install; `source` needs no build. @default the build when there is one */
  readonly from?: 'build' | 'source';
  readonly arguments?: readonly string[];
  /** @default free ones */
  readonly ports?: { readonly http: number; readonly grpc: number };
  /** Where all that it prints is appended. */
  readonly logFile?: string;
  /** Options of Node itself, such as `--cpu-prof`. */
  readonly nodeArguments?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** A node that belongs to no cluster yet answers, and is not ready. @default '/readyz' */
  readonly until?: '/readyz' | '/livez';
}

export interface ServerProcess {
  readonly url: string;
  readonly grpcAddress: string;
  /** What `engram` was given. */
  readonly arguments: readonly string[];
  readonly pid: number;
  /** Milliseconds from the spawn until it said it was ready. */
  readonly startMs: number;
  readonly output: () => string;
  readonly hasEnded: () => boolean;
  kill(signal: NodeJS.Signals): Promise<number | null>;
}

/** Starts a server and waits until it is ready. @throws Error with its output when it does not become so within 60 s. */
export async function startServerProcess(options: ServerOptions): Promise<ServerProcess> {
  const { http: httpPort, grpc: grpcPort } = options.ports ?? (await twoFreePorts());
  const built = resolve(root, 'apps/server/dist/main.js');
  const from = options.from ?? (existsSync(built) ? 'build' : 'source');
  const began = performance.now();
  const args = ['start', '--data-dir', options.dataDirectory, '--http-port', `${httpPort}`, '--grpc-port', `${grpcPort}`, ...(options.arguments ?? [])];
  const child = spawn(
    process.execPath,
    [...(options.nodeArguments ?? []), ...engramCommand(from), ...args],
    { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...options.environment } },
  );
  const output = keepTail(child, options.logFile);
  const exited = new Promise<number | null>((settle) => child.once('exit', (code) => settle(code)));
  const url = `http://127.0.0.1:${httpPort}`;
  let gone = false;
  void exited.then(() => (gone = true));
  for (;;) {
    if (gone) throw new Error(`the server ended before it was ready:\n${output()}`);
    if (performance.now() - began > START_LIMIT_MS) {
      child.kill('SIGKILL');
      throw new Error(`the server was not ready within ${START_LIMIT_MS} ms:\n${output()}`);
    }
    const ready = await request(`${url}${options.until ?? '/readyz'}`).then(
      async ({ statusCode, body }) => (await body.dump(), statusCode === 200),
      () => false,
    );
    if (ready) break;
    await new Promise((settle) => setTimeout(settle, 20));
  }
  return {
    url,
    grpcAddress: `127.0.0.1:${grpcPort}`,
    arguments: args,
    pid: child.pid!,
    startMs: performance.now() - began,
    output,
    hasEnded: () => gone,
    kill(signal) {
      child.kill(signal);
      return exited;
    },
  };
}

/** What Node is given to run `engram`, before the command's own arguments. */
export function engramCommand(from: 'build' | 'source'): readonly string[] {
  return from === 'build'
    ? [resolve(root, 'apps/server/bin/engram.js')]
    : ['--conditions=@engram/source', '--import', 'tsx', resolve(root, 'apps/server/src/main.ts')];
}

/** The last 64 KiB of what a process printed; all of it goes to the file, if there is one. */
function keepTail(child: ChildProcess, logFile: string | undefined): () => string {
  let text = '';
  const keep = (chunk: Buffer): void => {
    text = (text + chunk.toString()).slice(-65_536);
    if (logFile !== undefined) appendFileSync(logFile, chunk);
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  return () => text;
}

async function twoFreePorts(): Promise<{ http: number; grpc: number }> {
  const [http, grpc] = await freePorts(2);
  return { http: http!, grpc: grpc! };
}
