/** The three nodes of the cookbook: started as by hand, each with ports, data and a log of its own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClusterProcesses, type ClusterNodeProcess } from '../harness/cluster-processes.js';
import { freePorts } from '../harness/free-ports.js';
import { shellLine } from './typed.js';

export interface CookbookNode {
  readonly name: string;
  readonly url: string;
  readonly logFile: string;
  process: ClusterNodeProcess | undefined;
}

interface Ports {
  readonly http: number;
  readonly grpc: number;
  readonly swim: number;
}

export class CookbookNodes {
  readonly all: readonly CookbookNode[];
  readonly directory = mkdtempSync(join(tmpdir(), 'engram-cookbook-'));
  /** The same for all three. */
  readonly environment: Readonly<Record<string, string>>;
  readonly #processes = new ClusterProcesses(this.directory);
  readonly #from: 'build' | 'source';
  readonly #ports: ReadonlyMap<string, Ports>;

  /** @param from What of `engram` is run. */
  static async create(from: 'build' | 'source'): Promise<CookbookNodes> {
    const free = await freePorts(9);
    return new CookbookNodes(from, [0, 1, 2].map((at) => ({ http: free[at]!, grpc: free[3 + at]!, swim: free[6 + at]! })));
  }

  private constructor(from: 'build' | 'source', ports: readonly Ports[]) {
    this.#from = from;
    this.#ports = new Map(ports.map((each, at) => [`node-${at + 1}`, each]));
    this.environment = {
      ENGRAM_CLUSTER_NAME: 'cookbook',
      ENGRAM_CLUSTER_SWIM_PRESET: 'fast',
      ENGRAM_CLUSTER_BOOTSTRAP_EXPECT: `${ports.length}`,
      ENGRAM_CLUSTER_DISCOVERY_STATIC_SEEDS: ports.map(({ swim }) => `127.0.0.1:${swim}`).join(','),
    };
    this.all = [...this.#ports].map(([name, { http }]) => ({ name, url: `http://127.0.0.1:${http}`, logFile: join(this.directory, `${name}.log`), process: undefined }));
  }

  /** With the data it had. Resolves when it answers. @returns What a person would type for it. */
  async start(node: CookbookNode): Promise<string> {
    const { swim, ...ports } = this.#ports.get(node.name)!;
    const { name, logFile } = node;
    node.process = await this.#processes.start({ name, logFile, swimPort: swim, ports, from: this.#from, environment: this.environment });
    return `${shellLine(['engram', ...node.process.arguments])} >>${logFile} 2>&1 &`;
  }

  /** As a supervisor does. @returns The exit code. */
  async stop(node: CookbookNode): Promise<number | null> {
    const stopped = await node.process!.kill('SIGTERM');
    node.process = undefined;
    return stopped;
  }

  /** Ends what still runs, whatever state it is in. */
  async end(): Promise<void> {
    await this.#processes.close();
  }

  removeData(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
