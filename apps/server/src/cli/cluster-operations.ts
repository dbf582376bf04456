/** What operators ask of a cluster: `engram cluster drain|undrain|decommission|rebalance|promote`. */
import { Option, type Command } from 'commander';
import type { ApiClient } from './api-client.js';
import { exitCodes, print, type Cli } from './cli.js';
import { readDuration, withClient, withRemoteOptions, type RemoteOptions } from './remote.js';
import { renderTable } from './tables.js';
import type { NodeDuties, RebalancePlan, RebalanceStatus } from './wire-types.js';

interface WaitOptions extends RemoteOptions {
  /** Milliseconds. */
  readonly wait?: number | true;
}

interface RebalanceOptions extends WaitOptions {
  readonly dryRun?: boolean;
  readonly status?: boolean;
  readonly pause?: boolean;
  readonly resume?: boolean;
}

const waitDefaultMs = 600_000;
const askEveryMs = 1_000;
/** Moves that a plan prints for people. */
const printedMax = 20;

export function clusterOperations(cluster: Command, cli: Cli, exit: (code: number) => void): void {
  const waiting = (command: Command): Command => withRemoteOptions(command).addOption(new Option('--wait [duration]', 'stay until it is done, at most so long; exits 3 when it is not by then (default: 10m)').argParser(readDuration));
  const nodeVerb = (name: 'drain' | 'undrain' | 'decommission', description: string): Command =>
    (name === 'undrain' ? withRemoteOptions(cluster.command(name)) : waiting(cluster.command(name)))
      .argument('<node>', 'id of the node')
      .description(description)
      .action((node: string, options: WaitOptions & { readonly force?: boolean }) => withClient(cli, options, async (client) => exit(await operateOnNode(cli, client, name, node, options))));
  nodeVerb('drain', 'move primaries away from a node, for an upgrade; its copies stay');
  nodeVerb('undrain', 'take a drain back, or a decommission that is not done yet');
  nodeVerb('decommission', 'move everything away from a node, then take it out of the cluster for good').option('--force', 'also when fewer nodes are left than there should be copies');
  waiting(cluster.command('rebalance'))
    .description('move copies and primaries to where they belong now, instead of when it has been calm for a while')
    .addOption(new Option('--dry-run', 'print what would be moved').conflicts(['status', 'pause', 'resume', 'wait']))
    .addOption(new Option('--status', 'print how far it is').conflicts(['pause', 'resume', 'wait']))
    .addOption(new Option('--pause', 'send no copy on its way any more').conflicts(['resume', 'wait']))
    .addOption(new Option('--resume', 'let moves go on').conflicts('wait'))
    .action((options: RebalanceOptions) => withClient(cli, options, async (client) => exit(await rebalance(cli, client, options))));
  withRemoteOptions(cluster.command('promote'))
    .argument('<space>', 'a memory space')
    .argument('[node]', 'the replica to lead; without it the one that has come furthest')
    .description('let another copy lead a space')
    .action((space: string, node: string | undefined, options: RemoteOptions) => withClient(cli, options, (client) => promote(cli, client, space, node, options)));
}

export async function operateOnNode(cli: Cli, client: ApiClient, verb: 'drain' | 'undrain' | 'decommission', node: string, options: WaitOptions & { readonly force?: boolean }): Promise<number> {
  const path = `nodes/${encodeURIComponent(node)}/${verb}`;
  let duties = await client.postCluster<NodeDuties>(options.force === true ? `${path}?force=true` : path);
  if (options.wait === undefined) return told(cli, options, duties, () => `${describe(duties)}${verb === 'undrain' || isDone(duties) ? '' : `\nfollow it with --wait, or: GET /api/v1/cluster/${path}/status`}`);
  const inTime = await until(cli, options, async () => isDone((duties = await client.getCluster<NodeDuties>(`${path}/status`))), () => describe(duties));
  told(cli, options, duties, () => (inTime ? describe(duties) : `not done in time: ${describe(duties)}`));
  return inTime ? exitCodes.ok : exitCodes.degraded;
}

export async function rebalance(cli: Cli, client: ApiClient, options: RebalanceOptions): Promise<number> {
  if (options.dryRun === true) {
    const plan = await client.postCluster<RebalancePlan>('rebalance?dry_run=true');
    return told(cli, options, plan, () => renderPlan(plan));
  }
  if (options.pause === true || options.resume === true) {
    const answer = await client.postCluster<{ status: string; changed: boolean }>(options.pause === true ? 'rebalance/pause' : 'rebalance/resume');
    return told(cli, options, answer, () => `moves are ${answer.status}${answer.changed ? '' : ', as they were'}`);
  }
  if (options.status !== true) await client.postCluster('rebalance');
  let status = await client.getCluster<RebalanceStatus>('rebalance/status');
  if (options.wait === undefined) {
    told(cli, options, status, () => describeMoves(status));
    return options.status === true && (status.state === 'stuck' || status.state === 'paused') ? exitCodes.degraded : exitCodes.ok;
  }
  const inTime = await until(cli, options, async () => (status = await client.getCluster<RebalanceStatus>('rebalance/status')).state === 'complete', () => describeMoves(status));
  told(cli, options, status, () => (inTime ? describeMoves(status) : `not done in time: ${describeMoves(status)}`));
  return inTime ? exitCodes.ok : exitCodes.degraded;
}

export async function promote(cli: Cli, client: ApiClient, space: string, node: string | undefined, options: RemoteOptions): Promise<void> {
  const answer = await client.postCluster<{ status: string; partition: number; primary_node: string }>(`spaces/${encodeURIComponent(space)}/promote-replica`, node === undefined ? {} : { node });
  told(cli, options, answer, () => (answer.status === 'unchanged' ? `${answer.primary_node} leads ${space} already` : `asked ${answer.primary_node} to hand partition ${answer.partition} over${node === undefined ? '' : ` to ${node}`}; engram cluster rebalance --pause keeps balance from moving it back`));
}

function told(cli: Cli, { json }: RemoteOptions, answer: object, forPeople: () => string): number {
  print(cli.stdout, json === true ? JSON.stringify(answer) : forPeople());
  return exitCodes.ok;
}

/** Asks until it is so, and tells people what has changed meanwhile. False when the time is up. */
async function until(cli: Cli, { wait, json }: WaitOptions, isSo: () => Promise<boolean>, describeNow: () => string): Promise<boolean> {
  const end = cli.now() + (typeof wait === 'number' ? wait : waitDefaultMs);
  let before: string | undefined;
  while (!(await isSo())) {
    const now = describeNow();
    if (json !== true && now !== before) print(cli.stderr, now);
    before = now;
    if (cli.now() >= end) return false;
    await cli.pause(askEveryMs, cli.interrupted);
    cli.interrupted.throwIfAborted();
  }
  return true;
}

function isDone({ status }: NodeDuties): boolean {
  return status === 'drained' || status === 'done';
}

function describe({ node, status, state, primaries, copies, eta_seconds, blocked_by }: NodeDuties): string {
  const rest = state === 'decommissioning' ? `${copies} copies to move` : state === 'draining' ? `${primaries} partitions to hand over` : `leads ${primaries} partitions, holds ${copies}`;
  const what = status === 'done' ? `${node} has left the cluster; it can be stopped` : status === 'drained' ? `${node} is drained: it leads nothing` : `${node} is ${state}: ${rest}`;
  return [what + (eta_seconds === undefined ? '' : `, about ${eta_seconds} s`), ...blocked_by.map((reason) => `  blocked: ${reason}`)].join('\n');
}

function describeMoves({ state, partitions_moved, partitions_remaining, under_way, eta_seconds, imbalance, imbalance_planned, blocked_by }: RebalanceStatus): string {
  const rest = state === 'complete' ? '' : `, ${partitions_remaining} to move, ${under_way} under way${eta_seconds === undefined ? '' : `, about ${eta_seconds} s`}`;
  return [`${state}: ${partitions_moved} moved${rest}; imbalance ${percent(imbalance)}${state === 'complete' ? '' : `, then ${percent(imbalance_planned)}`}`, ...blocked_by.map((reason) => `  blocked: ${reason}`)].join('\n');
}

function renderPlan({ copies, primaries, copies_total, primaries_total, imbalance, imbalance_planned }: RebalancePlan): string {
  const rows = [...copies.map(({ partition, from, to }) => ['copy', String(partition), from ?? '(new)', to]), ...primaries.map(({ partition, from, to }) => ['primary', String(partition), from ?? '', to])];
  const shown = rows.slice(0, printedMax);
  return [
    `${copies_total} copies would travel and ${primaries_total} primaries change; imbalance ${percent(imbalance)}, then ${percent(imbalance_planned)}. Nothing was changed.`,
    ...(shown.length === 0 ? [] : [renderTable(['what', 'partition', 'from', 'to'], shown)]),
    ...(shown.length < copies_total + primaries_total ? [`and ${copies_total + primaries_total - shown.length} more; --json prints up to 1000 of each`] : []),
  ].join('\n');
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
