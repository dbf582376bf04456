/** What single keys of `[cluster]` cannot say. Nothing is said about a cluster that is not enabled, except where a value is wrong in itself. */
import { formatAddress, isLoopback, isUnspecified, type Address } from './address.js';
import { needsWhen, overlap, type Check, type Complaint } from './check.js';
import { discoveryChecks } from './discovery-checks.js';
import type { Config } from './schema.js';
import { formatDuration } from './sizes.js';

export const clusterChecks: readonly Check[] = [
  {
    key: 'cluster.swim.bind',
    needs: ['cluster.enabled', 'server.http_bind', 'server.grpc_bind'],
    complaint: ({ cluster, server }) =>
      !cluster.enabled ? undefined : (overlap(cluster.swim.bind, server.http_bind, 'server.http_bind') ?? overlap(cluster.swim.bind, server.grpc_bind, 'server.grpc_bind')),
  },
  {
    key: 'cluster.swim.bind',
    needs: ['cluster.enabled', 'cluster.swim.keys', 'cluster.swim.keys_file', 'server.allow_unauthenticated'],
    complaint: swimExposure,
  },
  {
    key: 'cluster.advertise',
    complaint: ({ cluster: { advertise } }) =>
      advertise === undefined || (!isUnspecified(advertise.host) && advertise.port !== 0) ? undefined : { reason: 'must be an address that other nodes can call, with its real host and port' },
  },
  {
    key: 'cluster.advertise',
    needs: ['cluster.swim.bind', 'cluster.enabled'],
    complaint: ({ cluster: { enabled, advertise, swim } }) =>
      enabled && advertise === undefined && isUnspecified(swim.bind.host)
        ? { reason: `is needed, because cluster.swim.bind (${formatAddress(swim.bind)}) stands for every network and other nodes must be told one address`, suggestion: 'Set it to an address of this node that the others can call.' }
        : undefined,
  },
  {
    key: 'cluster.advertise',
    needs: ['cluster.enabled', 'server.http_bind', 'server.grpc_bind', 'cluster.swim.bind'],
    complaint: ({ cluster: { enabled, advertise, swim }, server }) => {
      const listener = advertise === undefined || advertise.port === swim.bind.port ? undefined : otherListener(advertise.port, server);
      return enabled && listener !== undefined
        ? { as: 'warn', reason: `names port ${advertise!.port}, which is that of ${listener}`, suggestion: `It should be the address of SWIM, which listens on port ${swim.bind.port}.` }
        : undefined;
    },
  },
  { key: 'cluster.advertise', needs: ['cluster.enabled', 'cluster.swim.bind', 'cluster.discovery.static.seeds', 'cluster.discovery.sources'], complaint: unreachable },
  {
    key: 'cluster.bootstrap_expect',
    needs: ['cluster.enabled'],
    complaint: ({ cluster: { enabled, bootstrap_expect: expected } }) =>
      enabled && expected !== undefined && expected % 2 === 0
        ? { as: 'warn', reason: `is even, and voters are 1, 3 or 5 nodes: ${expected} of them survive the loss of no more than ${expected - 1} do`, suggestion: `Use ${expected === 2 ? '3' : expected === 4 ? '3 or 5' : '5; the others join all the same'}.` }
        : undefined,
  },
  {
    key: 'cluster.bootstrap_expect',
    needs: ['cluster.enabled', 'cluster.discovery.static.seeds', 'cluster.discovery.sources'],
    complaint: ({ cluster: { enabled, bootstrap_expect: expected, discovery } }) =>
      enabled && expected === 1 && (discovery.static.seeds.length > 0 || discovery.sources.length > 0)
        ? { as: 'warn', reason: 'is 1 although other nodes are looked for: a new node that does not reach them forms a second cluster at once', suggestion: 'Use the number of first nodes, or keep 1 for the very first one alone, without seeds and sources.' }
        : undefined,
  },
  {
    key: 'cluster.replication.factor',
    needs: ['cluster.enabled', 'cluster.bootstrap_expect'],
    complaint: ({ cluster: { enabled, bootstrap_expect: expected, replication } }) =>
      enabled && expected !== undefined && replication.factor + 1 > expected
        ? { as: 'warn', reason: `asks for ${replication.factor + 1} copies (a primary and ${replication.factor} of them replicas), but the cluster forms with ${expected} ${expected === 1 ? 'node' : 'nodes'} (cluster.bootstrap_expect): spaces are under-replicated until there are more` }
        : undefined,
  },
  {
    key: 'cluster.swim.timeout_ms',
    needs: ['cluster.swim.period_ms', 'cluster.swim.preset'],
    complaint: ({ cluster: { swim } }) => {
      const preset = presetTimes[swim.preset];
      const [timeoutMs, periodMs] = [swim.timeout_ms ?? preset.timeoutMs, swim.period_ms ?? preset.periodMs];
      return timeoutMs < periodMs
        ? undefined
        : { reason: `must be less than the period (${formatDuration(periodMs)}; the timeout is ${formatDuration(timeoutMs)}), so that others can still be asked before it ends` };
    },
  },
  {
    key: 'cluster.swim.keys',
    complaint: ({ cluster: { swim } }) =>
      swim.keys.every((key) => /^[A-Za-z0-9+/]{43}=$/.test(key)) ? undefined : { reason: 'must be Base64 of 32 bytes each', suggestion: 'Make one with `openssl rand -base64 32`.' },
  },
  {
    key: 'cluster.replication.ack',
    needs: ['cluster.replication.factor'],
    complaint: ({ cluster: { replication } }) =>
      replication.factor === 0 && replication.ack === 'replica' ? { reason: 'asks for a replica, but cluster.replication.factor is 0', suggestion: 'Use "local", or a factor of at least 1.' } : undefined,
  },
  needsWhen('cluster.placement.rack', (config) => config.cluster.placement.strategy === 'rack_aware', (config) => config.cluster.placement.rack, 'cluster.placement.strategy is "rack_aware"', ['cluster.placement.strategy'], 'choose another strategy'),
  needsWhen('cluster.placement.zone', (config) => config.cluster.placement.strategy === 'zone_aware', (config) => config.cluster.placement.zone, 'cluster.placement.strategy is "zone_aware"', ['cluster.placement.strategy'], 'choose another strategy'),
  ...discoveryChecks,
];

/** Keys that are checked but that nothing in this version reads yet. Setting one is worth a word, not a refusal. */
export function isInert(path: string): boolean {
  return inert.some((prefix) => path.startsWith(prefix));
}

const inert = ['consolidation.', 'cluster.gossip.'];

/** Keys that only a node of a cluster reads. */
export function isOfCluster(path: string): boolean {
  return path.startsWith('cluster.') && path !== 'cluster.enabled' && !isInert(path);
}

const presetTimes = {
  fast: { periodMs: 250, timeoutMs: 120 },
  lan: { periodMs: 1_000, timeoutMs: 500 },
  wan: { periodMs: 5_000, timeoutMs: 3_000 },
} as const;

/** Whoever can send to the SWIM port of a node without keys can bury its peers and invent new ones. */
function swimExposure({ cluster: { enabled, swim }, server }: Config): Complaint | undefined {
  if (!enabled || swim.keys.length > 0 || isLoopback(swim.bind.host)) return undefined;
  const reach = isUnspecified(swim.bind.host) ? 'every network this machine is on' : 'other machines';
  if (server.allow_unauthenticated) return { as: 'warn', reason: `listens for ${reach} without keys: everybody who reaches it may say who is in the cluster` };
  return {
    reason: `would listen for ${reach} without keys: everybody who reaches it could say who is in the cluster`,
    suggestion: 'Give all nodes the same cluster.swim.keys (`openssl rand -base64 32` makes one), or set server.allow_unauthenticated = true when something in front of it keeps strangers out.',
  };
}

/** Other machines cannot answer to an address that means themselves. */
function unreachable({ cluster: { enabled, advertise, swim, discovery } }: Config): Complaint | undefined {
  const told = advertise ?? swim.bind;
  if (!enabled || !isLoopback(told.host)) return undefined;
  const seed = discovery.static.seeds.find(({ host }) => !isLoopback(host));
  const source = discovery.sources.find((name) => name === 'kubernetes' || name === 'aws');
  if (seed === undefined && source === undefined) return undefined;
  const others = seed === undefined ? `cluster.discovery.sources names "${source}"` : `the seed ${formatAddress(seed)} is another machine`;
  const what = advertise === undefined ? `is not set, and cluster.swim.bind (${formatAddress(swim.bind)}) is` : 'is';
  return { as: 'warn', reason: `${what} an address that only this machine can call, but ${others}`, suggestion: 'Bind SWIM to an address of the network, or advertise one.' };
}

function otherListener(port: number, server: Config['server']): string | undefined {
  const listeners: readonly (readonly [string, Address])[] = [['server.http_bind', server.http_bind], ['server.grpc_bind', server.grpc_bind]];
  return listeners.find(([, bind]) => bind.port !== 0 && bind.port === port)?.[0];
}
