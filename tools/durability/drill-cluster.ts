/** The nodes of a drill: started, killed, stopped and continued by their own process ids, and asked what they think. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { ClusterProcesses, whenSettled, type ClusterNodeProcess } from '../harness/cluster-processes.js';
import { freePorts } from '../harness/free-ports.js';

export interface DrillNode {
  readonly name: string;
  readonly swimPort: number;
  process: ClusterNodeProcess;
  state: 'up' | 'down' | 'stopped';
  /** Faults pass it by: it is coming or going. */
  spared: boolean;
}

/** As `/api/v1/cluster/partitions` has it. */
export interface PlacedPartition {
  readonly id: number;
  readonly epoch: number;
  readonly primary: string;
  readonly replicas: readonly string[];
}

/** As `/api/v1/cluster/spaces` has it. */
export interface PlacedSpace {
  readonly space_id: string;
  readonly partition: number;
  readonly memories: number;
}

export interface DrillClusterOptions {
  readonly directory: string;
  readonly nodes: number;
  readonly ack: string;
}

export class DrillCluster {
  readonly directory: string;
  /** What every store is acknowledged at. */
  readonly ack: string;
  /** Keeps connections, and gives up on what stands still. */
  readonly agent = new Agent({ connections: 64, connectTimeout: 2_000, headersTimeout: 30_000, bodyTimeout: 30_000 });
  readonly #nodes: DrillNode[];
  readonly #processes: ClusterProcesses;
  readonly #environment: Readonly<Record<string, string>>;

  /** Resolves when all have formed a cluster that all of them vote in and every partition of which is led. */
  static async start(options: DrillClusterOptions): Promise<DrillCluster> {
    const { directory, nodes: count, ack } = options;
    mkdirSync(join(directory, 'logs'), { recursive: true });
    const ports = await freePorts(count);
    const processes = new ClusterProcesses(directory);
    const environment = {
      ENGRAM_CLUSTER_BOOTSTRAP_EXPECT: `${count}`,
      ENGRAM_CLUSTER_REPLICATION_FACTOR: '2',
      ENGRAM_CLUSTER_REPLICATION_ACK: ack,
      ENGRAM_CLUSTER_DISCOVERY_STATIC_SEEDS: ports.map((port) => `127.0.0.1:${port}`).join(','),
    };
    const starting = ports.map(async (swimPort, at): Promise<DrillNode> => {
      const name = `node-${at + 1}`;
      return { name, swimPort, process: await processes.start({ name, swimPort, environment, logFile: logOf(directory, name) }), state: 'up', spared: false };
    });
    let cluster: DrillCluster | undefined;
    try {
      cluster = new DrillCluster(options, processes, environment, await Promise.all(starting));
      await cluster.healthy(60_000);
      return cluster;
    } catch (error) {
      await (cluster ?? processes).close();
      throw error;
    }
  }

  private constructor({ directory, ack }: DrillClusterOptions, processes: ClusterProcesses, environment: Readonly<Record<string, string>>, nodes: DrillNode[]) {
    this.directory = directory;
    this.ack = ack;
    this.#processes = processes;
    this.#environment = environment;
    this.#nodes = nodes;
  }

  get nodes(): readonly DrillNode[] {
    return this.#nodes;
  }

  get up(): readonly DrillNode[] {
    return this.nodes.filter(({ state }) => state === 'up');
  }

  named(name: string | undefined): DrillNode | undefined {
    return this.nodes.find((node) => node.name === name);
  }

  /** One more, with nothing on its disk, that finds the others by the seeds they have. Resolves when it says that it is ready. */
  async join(name: string): Promise<DrillNode> {
    const [swimPort] = (await freePorts(1)) as [number];
    const node: DrillNode = { name, swimPort, process: await this.#start(name, swimPort), state: 'up', spared: true };
    await this.ready(node, 60_000);
    this.#nodes.push(node);
    return node;
  }

  /** It is asked for nothing any more, and stops as a supervisor stops it. */
  async dismiss(node: DrillNode): Promise<void> {
    this.#nodes.splice(this.#nodes.indexOf(node), 1);
    await this.kill(node, 'SIGTERM');
  }

  async kill(node: DrillNode, signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    node.state = 'down';
    await node.process.kill(signal);
  }

  /** With the data it had; resolves when it says that it is ready. */
  async restart(node: DrillNode): Promise<void> {
    const { name, swimPort } = node;
    for (let tries = 1; ; tries += 1) {
      try {
        node.process = await this.#start(name, swimPort);
        break;
      } catch (error) {
        // Another process may hold one of its ports for a moment; anything else is a finding.
        if (tries === 5 || !String(error).includes('another process does already')) throw error;
        await pause(500);
      }
    }
    await this.ready(node, 60_000);
    node.state = 'up';
  }

  stop(node: DrillNode): void {
    node.state = 'stopped';
    process.kill(node.process.pid, 'SIGSTOP');
  }

  async resume(node: DrillNode): Promise<void> {
    process.kill(node.process.pid, 'SIGCONT');
    await this.ready(node, 60_000);
    node.state = 'up';
  }

  async ready(node: DrillNode, limitMs: number): Promise<void> {
    await within(limitMs, `${node.name} is not ready`, async () => (await this.ask(node, '/readyz')) !== undefined);
  }

  /** All nodes see all others, all copies are as far as their primaries, and every partition is led by somebody who may. */
  healthy(limitMs: number): Promise<void> {
    return whenSettled(this.nodes.map(({ process }) => process), limitMs);
  }

  /** Who holds what, as any node that answers knows it. */
  async partitions(): Promise<readonly PlacedPartition[]> {
    for (const node of this.up) {
      const table = await this.ask<PlacedPartition[]>(node, '/api/v1/cluster/partitions');
      if (table !== undefined && table.length > 0) return table;
    }
    return [];
  }

  /** What a node's own copies hold. */
  async spacesOn(node: DrillNode): Promise<readonly PlacedSpace[]> {
    return (await this.ask<{ spaces: PlacedSpace[] }>(node, '/api/v1/cluster/spaces'))?.spaces ?? [];
  }

  /** Undefined for anything but 200 and 202. */
  async ask<Answer>({ process }: DrillNode, path: string, method: 'GET' | 'POST' = 'GET'): Promise<Answer | undefined> {
    try {
      const { statusCode, body } = await request(`${process.url}${path}`, { method, dispatcher: this.agent, signal: AbortSignal.timeout(3_000) });
      const text = await body.text();
      if (statusCode !== 200 && statusCode !== 202) return undefined;
      return (text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) : text) as Answer;
    } catch {
      return undefined;
    }
  }

  async close(): Promise<void> {
    await this.#processes.close();
    await this.agent.destroy();
  }

  /** All that it prints is kept, for whoever looks into a violation. */
  #start(name: string, swimPort: number): Promise<ClusterNodeProcess> {
    return this.#processes.start({ name, swimPort, environment: this.#environment, logFile: logOf(this.directory, name) });
  }
}

function logOf(directory: string, name: string): string {
  return join(directory, 'logs', `${name}.log`);
}

/** Asks until it holds. @throws Error with what was waited for when the time is up. */
export async function within(limitMs: number, what: string | (() => string), holds: () => Promise<boolean>): Promise<number> {
  for (const began = performance.now(); ; await pause(50)) {
    if (await holds()) return performance.now() - began;
    if (performance.now() - began > limitMs) throw new Error(`after ${limitMs} ms ${typeof what === 'string' ? what : what()}`);
  }
}
