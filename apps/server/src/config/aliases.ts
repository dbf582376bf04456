/**
 * Other spellings in which a key has been written down somewhere. They are read like the canonical one; `engram config
 * check` says under which spelling a value was found, and setting both is an error rather than a matter of order.
 */
import { tablesAbove } from './keys.js';

export interface Alias {
  readonly path: string;
  /** The key it stands for. */
  readonly of: string;
  /** Turns its value into one the key understands. Values that do not fit are handed on for the key to refuse. */
  readonly read?: (value: unknown) => unknown;
  readonly portOnly?: boolean;
}

const seeds = 'cluster.discovery.static.seeds';
const sources = 'cluster.discovery.sources';

export const aliases: ReadonlyMap<string, Alias> = new Map(
  ([
    { path: 'storage.path', of: 'node.data_dir' },
    { path: 'api.http_port', of: 'server.http_bind', portOnly: true },
    { path: 'api.grpc_port', of: 'server.grpc_bind', portOnly: true },
    { path: 'cluster.node_id', of: 'node.id' },
    { path: 'cluster.mode', of: 'cluster.enabled', read: enabledByMode },
    { path: 'cluster.listen_addr', of: 'cluster.swim.bind' },
    { path: 'cluster.swim.bind_addr', of: 'cluster.swim.bind' },
    { path: 'cluster.network.swim_bind', of: 'cluster.swim.bind' },
    { path: 'cluster.network.api_bind', of: 'server.grpc_bind' },
    { path: 'cluster.network.max_message_size', of: 'network.max_message_size' },
    { path: 'cluster.network.connection_pool_size', of: 'network.connection_pool_size' },
    { path: 'cluster.replication.placement', of: 'cluster.placement.strategy', read: strategy },
    { path: 'cluster.seeds', of: seeds },
    { path: 'cluster.static.seed_nodes', of: seeds },
    { path: 'cluster.seed_nodes.addrs', of: seeds },
    { path: 'cluster.discovery.seed_nodes', of: seeds },
    { path: 'cluster.discovery', of: sources, read: listOf },
    { path: 'cluster.discovery.method', of: sources, read: listOf },
    { path: 'cluster.discovery.type', of: sources, read: listOf },
    { path: 'cluster.discovery.dns_srv', of: 'cluster.discovery.dns.name' },
    { path: 'cluster.discovery.dns_refresh_interval', of: 'cluster.discovery.dns.refresh_ms' },
    { path: 'cluster.dns.service', of: 'cluster.discovery.dns.name' },
    { path: 'cluster.dns.port', of: 'cluster.discovery.dns.port' },
    { path: 'cluster.dns.refresh_interval_sec', of: 'cluster.discovery.dns.refresh_ms', read: milliseconds },
    { path: 'cluster.discovery.namespace', of: 'cluster.discovery.kubernetes.namespace' },
    { path: 'cluster.discovery.label_selector', of: 'cluster.discovery.kubernetes.label_selector' },
    { path: 'cluster.discovery.region', of: 'cluster.discovery.aws.region' },
    { path: 'cluster.discovery.tag_key', of: 'cluster.discovery.aws.tag_key' },
    { path: 'cluster.discovery.tag_value', of: 'cluster.discovery.aws.tag_value' },
  ] satisfies Alias[]).map((alias) => [alias.path, alias]),
);

/** Tables that exist only in other spellings, such as `[storage]`. */
export const aliasTables: ReadonlySet<string> = new Set([...aliases.keys()].flatMap(tablesAbove));

function enabledByMode(mode: unknown): unknown {
  return mode === 'distributed' ? true : mode === 'single' ? false : mode;
}

function listOf(value: unknown): unknown {
  return typeof value === 'string' ? value.split(',').map((item) => item.trim()) : value;
}

function strategy(value: unknown): unknown {
  return value === 'rackaware' ? 'rack_aware' : value === 'zoneaware' ? 'zone_aware' : value;
}

function milliseconds(seconds: unknown): unknown {
  return typeof seconds === 'number' ? seconds * 1_000 : seconds;
}
