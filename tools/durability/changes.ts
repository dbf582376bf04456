/** A cluster that changes while it is written to and read: a node comes and is given copies, another is taken out for good. */
import type { Random } from '@engram/kernel';
import { within, type DrillCluster, type DrillNode } from './drill-cluster.js';

export interface ChangesOptions {
  readonly join: boolean;
  readonly decommission: boolean;
  readonly random: Random;
  readonly progress: (text: string) => void;
}

/** As `/api/v1/cluster/balance` has it. */
interface Balance {
  readonly under_replicated: number;
  readonly nodes: readonly { readonly node: string; readonly copies: number; readonly primaries: number }[];
}

/** As `/api/v1/cluster/rebalance/status` has it. */
interface Moves {
  readonly state: string;
  readonly partitions_remaining: number;
}

/** How long a change may take before it counts as stuck. */
const limitMs = 900_000;

/** @throws Error with how things stand when one of them does not come to its end. */
export async function change(cluster: DrillCluster, { join, decommission, random, progress }: ChangesOptions): Promise<void> {
  const [asked, ...others] = cluster.nodes as [DrillNode, ...DrillNode[]];
  if (join) progress(await addNode(cluster, asked));
  if (decommission) progress(await removeNode(cluster, asked, random.pick(others)));
}

async function addNode(cluster: DrillCluster, asked: DrillNode): Promise<string> {
  const from = performance.now();
  const node = await cluster.join(`node-${cluster.nodes.length + 1}`);
  let balance: Balance | undefined;
  let moves: Moves | undefined;
  const share = (): Balance['nodes'][number] | undefined => balance?.nodes.find((each) => each.node === node.name);
  await within(limitMs, () => `${node.name} has not been given its share: ${JSON.stringify({ balance, moves })}`, async () => {
    balance = await cluster.ask<Balance>(asked, '/api/v1/cluster/balance');
    moves = await cluster.ask<Moves>(asked, '/api/v1/cluster/rebalance/status');
    return (share()?.copies ?? 0) > 0 && balance!.under_replicated === 0 && moves?.state === 'complete';
  });
  node.spared = false;
  return `${node.name} joined and holds ${share()!.copies} copies after ${seconds(from)}`;
}

async function removeNode(cluster: DrillCluster, asked: DrillNode, node: DrillNode): Promise<string> {
  const from = performance.now();
  node.spared = true;
  const route = `/api/v1/cluster/nodes/${node.name}/decommission`;
  await within(60_000, `${asked.name} does not take ${node.name} out`, async () => (await cluster.ask(asked, route, 'POST')) !== undefined);
  let last: unknown;
  await within(limitMs, () => `${node.name} has not left the roster: ${JSON.stringify(last)}`, async () => {
    const status = await cluster.ask<{ status: string }>(asked, `${route}/status`);
    last = status;
    return status?.status === 'done';
  });
  const doneAfter = seconds(from);
  await cluster.dismiss(node);
  await within(60_000, () => `some still count ${node.name}, which was taken out: ${JSON.stringify(last)}`, async () => {
    const views = await Promise.all(cluster.nodes.map((each) => cluster.ask<{ total_nodes: number }>(each, '/api/v1/cluster/health')));
    const balance = await cluster.ask<Balance>(asked, '/api/v1/cluster/balance');
    last = { views, balance };
    return views.every((view) => view?.total_nodes === cluster.nodes.length) && balance?.under_replicated === 0 && balance.nodes.every((each) => each.node !== node.name);
  });
  return `${node.name} was out of the roster after ${doneAfter}, and has stopped`;
}

const seconds = (from: number): string => `${((performance.now() - from) / 1_000).toFixed(1)} s`;
