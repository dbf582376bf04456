import type { Command } from 'commander';
import type { ApiClient } from './api-client.js';
import { clusterOperations } from './cluster-operations.js';
import { exitCodes, print, type Cli } from './cli.js';
import { withClient, withRemoteOptions, type RemoteOptions } from './remote.js';
import { healthWord, oneLine, renderTable } from './tables.js';
import type { ClusterHealth, DiscoveryHealth } from './wire-types.js';

export function clusterCommand(program: Command, cli: Cli, exit: (code: number) => void): void {
  const cluster = program.command('cluster').description('form a cluster, see how it is, and change it');
  withRemoteOptions(cluster.command('init'))
    .description('form a cluster with this node as its first; once, on one node')
    .action((options: RemoteOptions) => withClient(cli, options, (client) => initialize(cli, client, options)));
  withRemoteOptions(cluster.command('health'))
    .description('show how the cluster is as a node sees it, and where it looks for peers; exits 0 healthy, 1 unreachable, 3 degraded or critical')
    .action((options: RemoteOptions) => withClient(cli, options, async (client) => exit(await health(cli, client, options))));
  clusterOperations(cluster, cli, exit);
}

export async function initialize(cli: Cli, client: ApiClient, { json }: RemoteOptions): Promise<void> {
  const answer = await client.initializeCluster();
  if (json === true) return print(cli.stdout, JSON.stringify(answer));
  const { cluster, cluster_id, created } = answer;
  if (created) print(cli.stdout, `formed cluster ${cluster} (${cluster_id}); other nodes that are pointed at this one join it by themselves`);
  else print(cli.stdout, `this node belongs to cluster ${cluster} (${cluster_id}) already; nothing was changed`);
}

export async function health(cli: Cli, client: ApiClient, { json }: RemoteOptions): Promise<number> {
  const [found, discovery] = await Promise.all([client.clusterHealth(), client.discoveryHealth()]);
  if (json === true) print(cli.stdout, JSON.stringify({ ...found, discovery }));
  else print(cli.stdout, renderHealth(cli, found, discovery));
  return found.status === 'healthy' && found.state !== 'forming' ? exitCodes.ok : exitCodes.degraded;
}

function renderHealth(cli: Cli, { mode, cluster, cluster_id, state, waiting_for, status, total_nodes, alive_nodes, suspect_nodes, dead_nodes }: ClusterHealth, { sources }: DiscoveryHealth): string {
  const counts = renderTable(
    ['cluster', 'id', 'health', 'nodes', 'alive', 'suspect', 'dead'],
    [[mode === 'single' ? 'none, this node runs alone' : (cluster ?? ''), cluster_id ?? '-', healthWord(cli, status), ...[total_nodes, alive_nodes, suspect_nodes, dead_nodes].map(String)]],
  );
  const rows = sources.map(({ source, state: sourceState, total, reachable, last_refresh, last_error }) => [source, sourceState, String(total), String(reachable), last_refresh ?? '-', oneLine(last_error ?? '-', 60)]);
  return [
    counts,
    ...(state === 'forming' ? [`this node belongs to no cluster yet: ${waiting_for ?? ''}`] : []),
    ...(rows.length === 0 ? [] : [renderTable(['discovery', 'state', 'named', 'alive', 'last answer', 'last error'], rows)]),
  ].join('\n');
}
