/**
 * Other spellings in which a key has been written down somewhere. They are read like the canonical one; `engram config
 * check` says under which spelling a value was found. Two spellings with two values are an error rather than a matter
 * of order.
 */
import { discoverySources } from './discovery-schema.js';
import { keys, tablesAbove } from './keys.js';

export interface Alias {
  readonly path: string;
  /** The key it stands for. */
  readonly of: string;
  /** Turns its value into one the key understands. Values that do not fit are handed on for the key to refuse. */
  readonly read?: (value: unknown) => unknown;
  /** Why a value cannot be read under this spelling, when the rule of the key would not make sense to whoever wrote it. */
  readonly refuse?: (value: unknown) => { readonly reason: string; readonly suggestion: string } | undefined;
  readonly portOnly?: boolean;
  /** A source of discovery that whoever uses this spelling expects to be asked, unless `cluster.discovery.sources` is set. */
  readonly implies?: string;
  /** Made by a rule that the reference states once. */
  readonly derived?: boolean;
}

const seeds = 'cluster.discovery.static.seeds';
const sources = 'cluster.discovery.sources';

const written: readonly Alias[] = [
  { path: 'storage.path', of: 'node.data_dir' },
  { path: 'api.http_port', of: 'server.http_bind', portOnly: true },
  { path: 'api.grpc_port', of: 'server.grpc_bind', portOnly: true },
  { path: 'cluster.node_id', of: 'node.id' },
  { path: 'cluster.mode', of: 'cluster.enabled', read: enabledByMode, refuse: unknownMode },
  { path: 'cluster.listen_addr', of: 'cluster.swim.bind' },
  { path: 'cluster.swim.bind_addr', of: 'cluster.swim.bind' },
  { path: 'cluster.network.swim_bind', of: 'cluster.swim.bind' },
  { path: 'cluster.network.api_bind', of: 'server.grpc_bind' },
  { path: 'cluster.network.max_message_size', of: 'network.max_message_size' },
  { path: 'cluster.network.connection_pool_size', of: 'network.connection_pool_size' },
  { path: 'cluster.replication.placement', of: 'cluster.placement.strategy', read: strategy },
  { path: 'cluster.seeds', of: seeds },
  { path: 'cluster.seed_nodes', of: seeds },
  { path: 'cluster.seed_nodes.addrs', of: seeds },
  { path: 'cluster.static.seed_nodes', of: seeds },
  { path: 'cluster.discovery.seed_nodes', of: seeds },
  { path: 'cluster.discovery', of: sources, read: listOf },
  { path: 'cluster.discovery.method', of: sources, read: listOf },
  { path: 'cluster.discovery.type', of: sources, read: listOf },
  { path: 'cluster.dns_discovery', of: sources, read: dnsOrNothing, refuse: neitherOnNorOff },
  { path: 'cluster.discovery.dns_srv', of: 'cluster.discovery.dns.name', implies: 'dns' },
  { path: 'cluster.discovery.dns_refresh_interval', of: 'cluster.discovery.dns.refresh_ms', refuse: bareNumber },
  { path: 'cluster.discovery.service', of: 'cluster.discovery.dns.name' },
  { path: 'cluster.discovery.port', of: 'cluster.discovery.dns.port' },
  { path: 'cluster.discovery.refresh_interval_sec', of: 'cluster.discovery.dns.refresh_ms', read: milliseconds },
  { path: 'cluster.dns.service', of: 'cluster.discovery.dns.name' },
  { path: 'cluster.discovery.addr', of: 'cluster.discovery.consul.address' },
  { path: 'cluster.discovery.service_name', of: 'cluster.discovery.consul.service' },
  { path: 'cluster.discovery.tag', of: 'cluster.discovery.consul.tag' },
  { path: 'cluster.consul.addr', of: 'cluster.discovery.consul.address' },
  { path: 'cluster.consul.service_name', of: 'cluster.discovery.consul.service' },
  { path: 'cluster.discovery.namespace', of: 'cluster.discovery.kubernetes.namespace' },
  { path: 'cluster.discovery.label_selector', of: 'cluster.discovery.kubernetes.label_selector' },
  { path: 'cluster.discovery.region', of: 'cluster.discovery.aws.region' },
  { path: 'cluster.discovery.tag_key', of: 'cluster.discovery.aws.tag_key' },
  { path: 'cluster.discovery.tag_value', of: 'cluster.discovery.aws.tag_value' },
];

export const aliases: ReadonlyMap<string, Alias> = allAliases();

/** Tables that exist only in other spellings, such as `[storage]`. */
export const aliasTables: ReadonlySet<string> = new Set([...aliases.keys()].flatMap(tablesAbove));

/** `[cluster.dns]` for `[cluster.discovery.dns]`, and for each key in milliseconds its name without a unit and with seconds. */
function allAliases(): Map<string, Alias> {
  const all = new Map(written.map((alias) => [alias.path, alias]));
  const derive = (alias: Alias): void => {
    if (!keys.has(alias.path) && !all.has(alias.path)) all.set(alias.path, { ...alias, derived: true });
  };
  for (const path of keys.keys()) {
    const [, source, name] = /^cluster\.discovery\.(\w+)\.(\w+)$/.exec(path) ?? [];
    if (discoverySources.some((known) => known === source)) derive({ path: `cluster.${source}.${name}`, of: path });
  }
  for (const [path, of] of [...[...keys.keys()].map((path) => [path, path] as const), ...[...all.values()].map((alias) => [alias.path, alias.of] as const)]) {
    if (keys.get(of)!.kind !== 'duration' || !path.endsWith('_ms')) continue;
    const name = path.slice(0, -'_ms'.length);
    for (const stem of name.endsWith('.refresh') ? [name, `${name}_interval`] : [name]) {
      derive({ path: stem, of, refuse: bareNumber });
      derive({ path: `${stem}_ms`, of });
      for (const unit of ['sec', 'secs', 'seconds']) derive({ path: `${stem}_${unit}`, of, read: milliseconds });
    }
  }
  return all;
}

function enabledByMode(mode: unknown): unknown {
  return mode === 'distributed' ? true : mode === 'single' ? false : mode;
}

function unknownMode(mode: unknown): { reason: string; suggestion: string } | undefined {
  return typeof enabledByMode(mode) === 'boolean' && typeof mode === 'string' ? undefined : { reason: 'must be "single" or "distributed"', suggestion: '"single" is the default.' };
}

/** A variable arrives as a list of one text, because the key is a list. */
function dnsOrNothing(written: unknown): unknown {
  const enabled = Array.isArray(written) && written.length === 1 ? (written[0] as unknown) : written;
  return enabled === true || enabled === 'true' ? ['dns'] : enabled === false || enabled === 'false' ? [] : enabled;
}

function neitherOnNorOff(written: unknown): { reason: string; suggestion: string } | undefined {
  return dnsOrNothing(written) === written ? { reason: 'must be true or false', suggestion: 'True asks DNS, as cluster.discovery.sources = ["dns"] does.' } : undefined;
}

function listOf(value: unknown): unknown {
  return typeof value === 'string' ? value.split(',').map((item) => item.trim()) : value;
}

function strategy(value: unknown): unknown {
  return value === 'rackaware' ? 'rack_aware' : value === 'zoneaware' ? 'zone_aware' : value;
}

/** A text has its unit with it and is left as it is. */
function milliseconds(seconds: unknown): unknown {
  return typeof seconds === 'number' ? seconds * 1_000 : seconds;
}

function bareNumber(value: unknown): { reason: string; suggestion: string } | undefined {
  return typeof value === 'number' ? { reason: 'does not say its unit', suggestion: `Write "${value}s" or "${value}ms".` } : undefined;
}
