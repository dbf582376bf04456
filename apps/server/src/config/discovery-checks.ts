/** What single keys of `[cluster.discovery]` cannot say. */
import { formatAddress, isLoopback, isMulticast, isUnspecified, parseAddress } from './address.js';
import { needsWhen, type Check } from './check.js';
import { discoverySources, type DiscoverySource } from './discovery-schema.js';
import type { Config } from './schema.js';
import { formatDuration } from './sizes.js';

type Discovery = Config['cluster']['discovery'];

export const discoveryChecks: readonly Check[] = [
  neededBySource('static', 'static.seeds', (discovery) => discovery.static.seeds),
  neededBySource('dns', 'dns.name', (discovery) => discovery.dns.name),
  neededBySource('consul', 'consul.address', (discovery) => discovery.consul.address),
  neededBySource('etcd', 'etcd.endpoints', (discovery) => discovery.etcd.endpoints),
  neededBySource('aws', 'aws.tag_value', (discovery) => discovery.aws.tag_value),
  check('sources', [], ({ sources }) => (new Set(sources).size === sources.length ? undefined : { reason: 'names a source twice' })),
  check('static.seeds', [], ({ static: { seeds } }) => {
    const nobody = seeds.find(({ host, port }) => isUnspecified(host) || port === 0);
    return nobody === undefined ? undefined : { reason: `names ${formatAddress(nobody)}, which is no address of a node: it has to be one that can be called` };
  }),
  {
    key: 'cluster.discovery.static.seeds',
    needs: ['cluster.enabled', 'server.http_bind', 'server.grpc_bind', 'cluster.swim.bind'],
    complaint: ({ cluster: { enabled, discovery, swim }, server }) => {
      const mistaken = [server.http_bind, server.grpc_bind].map(({ port }) => port).filter((port) => port !== 0 && port !== swim.bind.port);
      const seed = discovery.static.seeds.find(({ port }) => mistaken.includes(port));
      const protocol = seed?.port === server.http_bind.port ? 'HTTP' : 'gRPC';
      return enabled && seed !== undefined
        ? { as: 'warn', reason: `names ${formatAddress(seed)}, whose port is that of ${protocol} on this node`, suggestion: 'Seeds are addresses of SWIM, usually port 7946.' }
        : undefined;
    },
  },
  check('etcd.password', ['etcd.username', 'etcd.password_file'], ({ etcd }) =>
    etcd.password !== undefined && etcd.username === undefined ? { reason: 'is set without cluster.discovery.etcd.username', suggestion: 'etcd asks for both or none.' } : undefined),
  check('etcd.username', ['etcd.password', 'etcd.password_file'], ({ etcd }) =>
    etcd.username !== undefined && etcd.password === undefined ? { reason: 'is set without cluster.discovery.etcd.password', suggestion: 'Set it, or cluster.discovery.etcd.password_file.' } : undefined),
  check('etcd.lease_ttl_ms', ['etcd.timeout_ms'], ({ etcd }) =>
    etcd.lease_ttl_ms > etcd.timeout_ms ? undefined : { reason: `must be longer than cluster.discovery.etcd.timeout_ms (${formatDuration(etcd.timeout_ms)}), or the lease runs out while one request to keep it is waited for` }),
  check('consul.token', ['consul.token_file', 'consul.scheme', 'consul.address'], ({ consul }) =>
    consul.token !== undefined && consul.scheme === 'http' && consul.address !== undefined && !isLoopback(consul.address.host)
      ? { as: 'warn', reason: `is sent in the clear to ${formatAddress(consul.address)}`, suggestion: 'Use cluster.discovery.consul.scheme = "https", or the agent of this machine.' }
      : undefined),
  check('etcd.password', ['etcd.password_file', 'etcd.endpoints'], ({ etcd }) => {
    const open = etcd.password === undefined ? undefined : etcd.endpoints.find((endpoint) => endpoint.startsWith('http://') && !isLoopback(parseAddress(endpoint.slice(7))!.host));
    return open === undefined ? undefined : { as: 'warn', reason: `is sent in the clear to ${open}`, suggestion: 'Use https:// endpoints.' };
  }),
  check('multicast.group', [], ({ multicast: { group } }) =>
    isMulticast(group.host) && group.port !== 0 ? undefined : { reason: 'must be a multicast address (224.0.0.0 to 239.255.255.255, or ff00::/8) and a port' }),
  check('multicast.group', ['sources', 'swim.bind'], ({ sources, multicast: { group } }, { cluster }) =>
    cluster.enabled && sources.includes('multicast') && group.port === cluster.swim.bind.port
      ? { reason: `takes the UDP port of cluster.swim.bind (${formatAddress(cluster.swim.bind)})`, suggestion: 'Give the group a port of its own; all nodes the same one.' }
      : undefined),
  check('multicast.refresh_ms', ['multicast.interval_ms'], ({ multicast }) =>
    multicast.refresh_ms > multicast.interval_ms ? undefined : { reason: `must be longer than cluster.discovery.multicast.interval_ms (${formatDuration(multicast.interval_ms)}), or a peer is forgotten before it can announce itself again` }),
  ...(['dns', 'consul', 'etcd', 'kubernetes', 'aws'] as const).map((source) =>
    check(`${source}.timeout_ms`, [`${source}.refresh_ms`], ({ [source]: { timeout_ms: timeoutMs, refresh_ms: refreshMs } }) =>
      timeoutMs < refreshMs ? undefined : { reason: `must be less than cluster.discovery.${source}.refresh_ms (${formatDuration(refreshMs)}), or one slow answer delays the next` })),
];

/** The source whose table a key lies in; undefined for static seeds, which count always, and for all other keys. */
export function sourceOfKey(path: string): DiscoverySource | undefined {
  const source = /^cluster\.discovery\.([a-z]+)\./.exec(path)?.[1];
  return discoverySources.find((name) => name === source && name !== 'static');
}

function check(key: string, needs: readonly string[], complaint: (discovery: Discovery, config: Config) => ReturnType<Check['complaint']>): Check {
  const full = (path: string) => (path.startsWith('swim.') ? `cluster.${path}` : `cluster.discovery.${path}`);
  return { key: full(key), needs: needs.map(full), complaint: (config) => complaint(config.cluster.discovery, config) };
}

function neededBySource(source: DiscoverySource, key: string, valueOf: (discovery: Discovery) => unknown): Check {
  return needsWhen(`cluster.discovery.${key}`, ({ cluster }) => cluster.discovery.sources.includes(source), ({ cluster }) => valueOf(cluster.discovery), `cluster.discovery.sources names "${source}"`, ['cluster.discovery.sources'], `take "${source}" out of that list`);
}
