import type { Problem } from './problems.js';
import type { Setting } from './settings.js';

/** What `engram start` takes on its command line, as the parser hands it over: text as typed. */
export interface Flags {
  readonly httpPort?: string | undefined;
  readonly grpcPort?: string | undefined;
  readonly swimPort?: string | undefined;
  readonly dataDir?: string | undefined;
  readonly nodeId?: string | undefined;
  readonly seed?: readonly string[] | undefined;
  readonly clusterMode?: string | undefined;
  readonly logLevel?: string | undefined;
}

/** The settings of the flags that were given. Whoever names a seed wants a cluster, so a seed turns it on. */
export function readFlags(flags: Flags): { settings: Setting[]; problems: Problem[] } {
  const settings: Setting[] = [];
  const problems: Problem[] = [];
  const set = (flag: string, path: string, value: unknown, portOnly = false) => {
    if (value !== undefined) settings.push({ path, value, source: { kind: 'flag', flag }, ...(portOnly ? { portOnly } : {}) });
  };
  const refuse = (flag: string, value: string, reason: string, suggestion: string) => problems.push({ key: flag, value: JSON.stringify(value), reason, suggestion });
  const seeds = flags.seed ?? [];

  set('--http-port', 'server.http_bind', flags.httpPort, true);
  set('--grpc-port', 'server.grpc_bind', flags.grpcPort, true);
  set('--data-dir', 'node.data_dir', flags.dataDir);
  set('--node-id', 'node.id', flags.nodeId);
  set('--log-level', 'log.level', flags.logLevel);

  set('--swim-port', 'cluster.swim.bind', flags.swimPort, true);
  if (seeds.length > 0) {
    set('--seed', 'cluster.enabled', true);
    set('--seed', 'cluster.discovery.static.seeds', seeds);
  }
  if (flags.clusterMode === 'distributed') set('--cluster-mode', 'cluster.enabled', true);
  else if (flags.clusterMode === 'single' && seeds.length === 0) set('--cluster-mode', 'cluster.enabled', false);
  else if (flags.clusterMode === 'single') refuse('--cluster-mode', flags.clusterMode, 'contradicts --seed, which names a node of a cluster', 'Remove one of the two.');
  else if (flags.clusterMode !== undefined) refuse('--cluster-mode', flags.clusterMode, 'must be "single" or "distributed"', '"single" is the default.');
  return { settings, problems };
}
