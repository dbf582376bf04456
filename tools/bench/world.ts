/** What the figures share: sizes, the corpus, scratch directories, and a node filled once for several of them. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startServerProcess, type ServerProcess } from '../harness/server-process.js';
import type { Corpus } from './corpus.js';
import { startEcho, type EchoProcess } from './echo-process.js';
import { fillNode, type FilledNode } from './filled-node.js';

export interface Sizes {
  /** Memories in the space that recall, start-up and bytes are measured with. */
  readonly memories: number;
  readonly rounds: number;
  readonly roundMs: number;
  readonly warmUpMs: number;
  readonly cues: number;
  readonly starts: number;
  /** Primaries that are killed. */
  readonly kills: number;
}

export const fullSizes: Sizes = { memories: 100_000, rounds: 5, roundMs: 5_000, warmUpMs: 4_000, cues: 3_000, starts: 5, kills: 50 };
export const quickSizes: Sizes = { memories: 10_000, rounds: 2, roundMs: 1_500, warmUpMs: 1_500, cues: 500, starts: 2, kills: 6 };

export class World {
  readonly sizes: Sizes;
  readonly corpus: Corpus;
  readonly progress: (text: string) => void;
  readonly #scratch = mkdtempSync(join(tmpdir(), 'engram-bench-'));
  readonly #running = new Set<() => Promise<unknown>>();
  #directories = 0;
  #filled: Promise<FilledNode> | undefined;

  constructor(sizes: Sizes, corpus: Corpus, progress: (text: string) => void) {
    this.sizes = sizes;
    this.corpus = corpus;
    this.progress = progress;
  }

  directory(): string {
    const path = join(this.#scratch, `${(this.#directories += 1)}`);
    mkdirSync(path);
    return path;
  }

  /** The build, as users run it, with the defaults of the configuration. */
  async startNode(dataDirectory: string): Promise<ServerProcess> {
    const server = await startServerProcess({ dataDirectory, from: 'build', environment: { NODE_ENV: 'production', NODE_OPTIONS: '', ENGRAM_LOG_LEVEL: 'warn' } });
    return this.#keep(server, () => server.kill('SIGKILL'));
  }

  async startEcho(): Promise<EchoProcess> {
    const echo = await startEcho(join(this.directory(), 'synced'));
    return this.#keep(echo, () => echo.stop());
  }

  /** A data directory with `sizes.memories` memories in the space `bench`, stopped in order. Not to be changed: copy it. */
  filled(): Promise<FilledNode> {
    this.#filled ??= fillNode(this);
    return this.#filled;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#running].map((stop) => stop()));
    rmSync(this.#scratch, { recursive: true, force: true });
  }

  #keep<Process>(process: Process, stop: () => Promise<unknown>): Process {
    this.#running.add(stop);
    return process;
  }
}

/** The request body of a single store: a memory with the time it is about. */
export function storeBody(corpus: Corpus, index: number, space: string): Buffer {
  return Buffer.from(JSON.stringify({ memory_space: space, ...corpus.memory(index) }));
}

/** The same for a memory of what happens now, as most are when they are stored. */
export function liveStoreBody(corpus: Corpus, index: number, space: string): Buffer {
  const { content, tags } = corpus.memory(index);
  return Buffer.from(JSON.stringify({ memory_space: space, content, tags }));
}
