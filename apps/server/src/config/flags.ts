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

export const singleNodeOnly = 'is not available yet: this version runs a single node';

/** The settings of the flags that were given. Flags of a cluster are understood and refused, never ignored. */
export function readFlags(flags: Flags): { settings: Setting[]; problems: Problem[] } {
  const settings: Setting[] = [];
  const problems: Problem[] = [];
  const set = (flag: string, path: string, value: unknown, portOnly = false) => {
    if (value !== undefined) settings.push({ path, value, source: { kind: 'flag', flag }, ...(portOnly ? { portOnly } : {}) });
  };
  const refuse = (flag: string, value: string, reason: string, suggestion: string) => problems.push({ key: flag, value: JSON.stringify(value), reason, suggestion });

  set('--http-port', 'server.http_bind', flags.httpPort, true);
  set('--grpc-port', 'server.grpc_bind', flags.grpcPort, true);
  set('--data-dir', 'node.data_dir', flags.dataDir);
  set('--node-id', 'node.id', flags.nodeId);
  set('--log-level', 'log.level', flags.logLevel);

  if (flags.swimPort !== undefined) refuse('--swim-port', flags.swimPort, singleNodeOnly, 'Remove the flag.');
  for (const seed of flags.seed ?? []) refuse('--seed', seed, singleNodeOnly, 'Remove the flag.');
  if (flags.clusterMode === 'distributed') refuse('--cluster-mode', flags.clusterMode, singleNodeOnly, 'Remove the flag or write --cluster-mode single.');
  else if (flags.clusterMode === 'single') set('--cluster-mode', 'cluster.enabled', false);
  else if (flags.clusterMode !== undefined) refuse('--cluster-mode', flags.clusterMode, 'must be "single" or "distributed"', 'Only "single" is available yet.');
  return { settings, problems };
}
