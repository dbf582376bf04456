/** Real nodes of a cluster on loopback, and how an outsider sees what each belongs to. */
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { request } from 'undici';
import { startServerProcess, type ServerOptions, type ServerProcess } from './server-process.js';

/** What `/api/v1/cluster/health` says, as far as it is of use here. */
export interface ClusterView {
  readonly state: 'forming' | 'joined';
  readonly cluster_id?: string;
  readonly waiting_for?: string;
  readonly alive_nodes: number;
  readonly dead_nodes: number;
}

/** What `/api/v1/cluster/replication/status` says, as far as it is of use here. */
export interface ReplicationView {
  readonly epoch: number;
  readonly voters: readonly string[];
  readonly partitions: number;
  readonly leading: number;
  readonly under_replicated: readonly number[];
  readonly unshipped_entries: number;
  readonly replicas: readonly { readonly lag_entries: number }[];
}

export interface ClusterNodeOptions extends Pick<ServerOptions, 'environment' | 'nodeArguments' | 'from' | 'ports' | 'logFile'> {
  readonly name: string;
  readonly swimPort: number;
  /** @default beside those of the others, under its name */
  readonly dataDirectory?: string;
}

/** What makes a node one of these clusters, besides where it keeps its data. */
export function clusterArguments({ name, swimPort }: Pick<ClusterNodeOptions, 'name' | 'swimPort'>): readonly string[] {
  return ['--cluster-mode', 'distributed', '--node-id', name, '--swim-port', `${swimPort}`];
}

/** What they all have in their environment. */
export const clusterEnvironment = { NODE_ENV: 'production', ENGRAM_CLUSTER_SWIM_PRESET: 'fast', ENGRAM_CLUSTER_NAME: 'process-test' };

export interface ClusterNodeProcess extends ServerProcess {
  readonly name: string;
  readonly dataDirectory: string;
}

/** Several nodes with their data side by side in one directory. */
export class ClusterProcesses {
  readonly directory: string;
  /** Also those that are not up yet: when one of several cannot start, the others still have to be ended. */
  readonly #started: Promise<ServerProcess>[] = [];

  constructor(directory: string) {
    this.directory = directory;
  }

  /** Resolves when it answers, which it does before it belongs to a cluster. A name that was used before has its data of then. */
  async start({ name, swimPort, environment, dataDirectory = join(this.directory, name), ...options }: ClusterNodeOptions): Promise<ClusterNodeProcess> {
    const starting = startServerProcess({
      from: 'build',
      ...options,
      dataDirectory,
      until: '/livez',
      arguments: clusterArguments({ name, swimPort }),
      environment: { ...clusterEnvironment, ...environment },
    });
    this.#started.push(starting);
    return { ...(await starting), name, dataDirectory };
  }

  async close(): Promise<void> {
    const settled = await Promise.allSettled(this.#started);
    await Promise.all(settled.map((each) => (each.status === 'fulfilled' ? each.value.kill('SIGKILL') : undefined)));
  }
}

export function viewOf(node: Pick<ServerProcess, 'url'>): Promise<ClusterView> {
  return ask(node, '/api/v1/cluster/health');
}

export function replicationOf(node: Pick<ServerProcess, 'url'>): Promise<ReplicationView> {
  return ask(node, '/api/v1/cluster/replication/status');
}

async function ask<Answer>({ url }: Pick<ServerProcess, 'url'>, path: string): Promise<Answer> {
  const { body } = await request(`${url}${path}`, { signal: AbortSignal.timeout(5_000) });
  return (await body.json()) as Answer;
}

/** Asks all of them until what they say is right. @throws Error with what they say and have printed when it is not by then. */
export async function whenAll(nodes: readonly ClusterNodeProcess[], isRight: (view: ClusterView) => boolean, limitMs = 60_000): Promise<readonly ClusterView[]> {
  for (const began = performance.now(); ; await pause(25)) {
    const views = await Promise.all(nodes.map(viewOf));
    if (views.every(isRight)) return views;
    if (performance.now() - began > limitMs) throw new Error(`after ${limitMs} ms the nodes still say ${JSON.stringify(views)}\n${nodes.map(({ name, output }) => `── ${name}\n${output()}`).join('\n')}`);
  }
}

/**
 * Resolves when nothing is under way any more: all of them see all others and know one map, every partition is led by
 * somebody who may, and every copy is as far as its primary.
 *
 * @throws Error with what they say when it is not so by then.
 */
export async function whenSettled(nodes: readonly Pick<ServerProcess, 'url'>[], limitMs = 60_000): Promise<void> {
  for (const began = performance.now(); ; await pause(50)) {
    const views = await Promise.all(nodes.map((node) => viewOf(node).catch(String)));
    const statuses = await Promise.all(nodes.map((node) => replicationOf(node).catch(String)));
    if (areSettled(views, statuses)) return;
    if (performance.now() - began > limitMs) throw new Error(`after ${limitMs} ms the cluster has not settled: ${JSON.stringify({ views, statuses })}`);
  }
}

function areSettled(views: readonly (ClusterView | string)[], statuses: readonly (ReplicationView | string)[]): boolean {
  const [first] = statuses;
  if (typeof first !== 'object' || first.partitions === 0) return false;
  let led = 0;
  for (const status of statuses) {
    if (typeof status !== 'object' || status.epoch !== first.epoch || status.voters.length < Math.min(3, views.length)) return false;
    if (status.unshipped_entries > 0 || status.replicas.some(({ lag_entries }) => lag_entries > 0)) return false;
    led += status.leading;
  }
  return led === first.partitions && views.every((view) => typeof view === 'object' && joinedWith(views.length)(view));
}

/** Belongs to a cluster and sees this many nodes alive, itself among them. */
export const joinedWith = (alive: number) => ({ state, alive_nodes }: ClusterView): boolean => state === 'joined' && alive_nodes === alive;
