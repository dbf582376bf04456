/** Real nodes that keep copies of one space, a client that writes it, and what was acknowledged to that client. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { request } from 'undici';
import { ClusterProcesses, whenSettled, type ClusterNodeProcess } from './cluster-processes.js';
import { freePorts } from './free-ports.js';

/** How long anything may take that takes three seconds on a machine with nothing else to do. */
const limitMs = 60_000;

export interface CopyNode {
  readonly name: string;
  readonly swimPort: number;
  readonly dataDirectory: string;
  process: ClusterNodeProcess;
}

export interface Answer {
  readonly status: number;
  readonly body: {
    readonly id?: string;
    readonly durability?: { readonly requested: string; readonly reached: string; readonly copies: number };
    readonly error?: { readonly code: string; readonly indeterminate?: boolean; readonly hint?: string };
  };
}

export interface CopiedSpaceOptions {
  /** @default 3 */
  readonly nodes?: number;
  readonly environment?: Readonly<Record<string, string>>;
  /** Of a node that keeps its data elsewhere than beside the others. */
  readonly dataDirectories?: Readonly<Record<string, string>>;
}

export class CopiedSpace {
  readonly nodes: readonly CopyNode[];
  /** What each node is started with, its name and its port apart. */
  readonly environment: Readonly<Record<string, string>>;
  /** What was acknowledged, by id. */
  readonly acknowledged = new Map<string, string>();
  space: string;
  readonly #directory: string;
  readonly #processes: ClusterProcesses;

  /** `engram-1` to `engram-3`, each with the others as its seeds; they form a cluster by themselves. */
  static async start(space: string, { nodes: count = 3, environment: more = {}, dataDirectories = {} }: CopiedSpaceOptions = {}): Promise<CopiedSpace> {
    const directory = mkdtempSync(join(tmpdir(), 'engram-copies-'));
    const processes = new ClusterProcesses(directory);
    const ports = await freePorts(count);
    const environment = { ENGRAM_CLUSTER_BOOTSTRAP_EXPECT: `${count}`, ENGRAM_CLUSTER_DISCOVERY_STATIC_SEEDS: ports.map((port) => `127.0.0.1:${port}`).join(','), ...more };
    try {
      const nodes = await Promise.all(ports.map(async (swimPort, at): Promise<CopyNode> => {
        const name = `engram-${at + 1}`;
        const dataDirectory = dataDirectories[name] ?? join(directory, name);
        return { name, swimPort, dataDirectory, process: await processes.start({ name, swimPort, environment, dataDirectory }) };
      }));
      return new CopiedSpace(space, nodes, environment, directory, processes);
    } catch (error) {
      await processes.close();
      throw error;
    }
  }

  private constructor(space: string, nodes: readonly CopyNode[], environment: Readonly<Record<string, string>>, directory: string, processes: ClusterProcesses) {
    this.space = space;
    this.nodes = nodes;
    this.environment = environment;
    this.#directory = directory;
    this.#processes = processes;
  }

  node(name: string): CopyNode {
    const found = this.nodes.find((node) => node.name === name);
    if (found === undefined) throw new Error(`there is no node ${name}`);
    return found;
  }

  others(...without: readonly CopyNode[]): readonly CopyNode[] {
    return this.nodes.filter((node) => !without.includes(node));
  }

  async start(node: CopyNode): Promise<void> {
    const { name, swimPort, dataDirectory } = node;
    node.process = await this.#processes.start({ name, swimPort, dataDirectory, environment: this.environment });
  }

  /** All run, vote, lead and hold what they should, so that any one may go. Starts those that do not run. */
  async settle(): Promise<void> {
    for (const node of this.nodes) if (node.process.hasEnded()) await this.start(node);
    await whenSettled(this.nodes.map(({ process }) => process));
  }

  /** Until it is acknowledged, through whichever of them answers: the key makes that safe. @returns after how many milliseconds. */
  async store(through: readonly CopyNode[], content: string): Promise<{ readonly answer: Answer; readonly tookMs: number }> {
    const began = performance.now();
    for (let tries = 0; ; tries += 1) {
      const answer = await this.ask(through[tries % through.length]!, 'POST', '/api/v1/memory', { content, memory_space: this.space }, { 'idempotency-key': content.slice(0, 100) }).catch(() => undefined);
      const tookMs = performance.now() - began;
      if (answer?.status === 201 || answer?.status === 200) {
        this.acknowledged.set(answer.body.id!, content);
        return { answer, tookMs };
      }
      if (tookMs > limitMs) throw new Error(`${content.slice(0, 100)} was not taken within ${limitMs} ms: ${JSON.stringify(answer)}\n${this.logs()}`);
      await pause(20);
    }
  }

  /** What a node's own copy holds, whoever leads: by id. Nothing when it says that it has none. */
  async heldBy(node: CopyNode): Promise<ReadonlyMap<string, string>> {
    const { status, body } = await this.ask(node, 'GET', `/api/v1/memory?space=${this.space}&limit=1000`, undefined, { 'x-engram-no-forward': '1', 'x-engram-consistency': 'any' });
    return new Map(status === 200 ? (body as unknown as { id: string; content: string }[]).map(({ id, content }) => [id, content]) : []);
  }

  /** Copies need a moment to be equal; then each has what was acknowledged, once, and nothing else. @throws Error with what is different. */
  async whenHeldBy(holders: readonly CopyNode[]): Promise<void> {
    for (const node of holders) {
      for (const began = performance.now(); ; await pause(50)) {
        const held = await this.heldBy(node).catch(() => new Map<string, string>());
        const missing = [...this.acknowledged].filter(([id, content]) => held.get(id) !== content);
        const more = [...held].filter(([id]) => !this.acknowledged.has(id));
        if (missing.length + more.length === 0) break;
        if (performance.now() - began > limitMs) throw new Error(`after ${limitMs} ms ${node.name} lacks ${JSON.stringify(missing.slice(0, 5))} (${missing.length}) and has besides ${JSON.stringify(more.slice(0, 5))} (${more.length})\n${this.logs()}`);
      }
    }
  }

  /** As the first node that answers knows it. */
  async primary(): Promise<CopyNode> {
    for (const node of this.nodes) {
      const answer = await this.get<{ spaces: { space_id: string; primary_node: string }[] }>(node, '/api/v1/cluster/spaces').catch(() => undefined);
      const name = answer?.spaces.find(({ space_id }) => space_id === this.space)?.primary_node;
      if (name !== undefined) return this.node(name);
    }
    throw new Error('nobody knows the primary');
  }

  async ask(node: Pick<CopyNode, 'process'>, method: 'GET' | 'POST' | 'DELETE', path: string, body?: object, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    const answer = await request(`${node.process.url}${path}`, {
      method,
      headers: body === undefined ? headers : { ...headers, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.body.text();
    return { status: answer.statusCode, body: (text === '' ? {} : JSON.parse(text)) as Answer['body'] };
  }

  async get<Body>(node: Pick<CopyNode, 'process'>, path: string): Promise<Body> {
    return (await this.ask(node, 'GET', path)).body as Body;
  }

  async close(): Promise<void> {
    await this.#processes.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** What all of them have printed last. */
  logs(): string {
    return this.nodes.map(({ name, process }) => `── ${name}\n${process.output()}`).join('\n');
  }
}
