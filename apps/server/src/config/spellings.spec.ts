/** Every spelling of the configuration that the specifications print, and which key it stands for. */
import { describe, expect, test } from 'vitest';
import { ConfigError, printableConfig, resolveConfig } from './index.js';

/** What a wildcard bind needs besides, so that the spelling alone is at stake. */
const reachable = { ENGRAM_CLUSTER_ADVERTISE: '10.0.0.5:7946', ENGRAM_SERVER_ALLOW_UNAUTHENTICATED: 'true' };

function valuesOf(toml: string, env: Record<string, string> = {}): Map<string, unknown> {
  const loaded = resolveConfig({ content: { name: 'engram.toml', text: toml }, env: { ...reachable, ...env }, flags: {} });
  return new Map(printableConfig(loaded).map(({ path, value }) => [path, value]));
}

const seeds = 'cluster.discovery.static.seeds';
const sources = 'cluster.discovery.sources';
const dnsRefresh = 'cluster.discovery.dns.refresh_ms';
const consul = 'cluster.discovery.consul';

const inFiles: readonly (readonly [toml: string, key: string, value: unknown])[] = [
  // 001: discovery, configuration, health, start-up.
  ['cluster.enabled = true', 'cluster.enabled', true],
  ['cluster.node_id = "node-1"', 'node.id', 'node-1'],
  ['cluster.discovery = "static"\ncluster.static.seed_nodes = ["a:7946"]', sources, ['static']],
  ['[cluster.static]\nseed_nodes = ["a:7946", "b:7946"]', seeds, ['a:7946', 'b:7946']],
  ['[cluster]\ndiscovery = "dns"\n[cluster.dns]\nservice = "engram.internal"', sources, ['dns']],
  ['[cluster.dns]\nservice = "engram.internal"', 'cluster.discovery.dns.name', 'engram.internal'],
  ['[cluster.dns]\nport = 7000', 'cluster.discovery.dns.port', 7000],
  ['[cluster.dns]\nrefresh_interval_sec = 10', dnsRefresh, '10s'],
  ['[cluster.discovery]\ntype = "static"\nseed_nodes = ["a:7946"]', sources, ['static']],
  ['[cluster.discovery]\ntype = "static"\nseed_nodes = ["a:7946"]', seeds, ['a:7946']],
  ['[cluster.discovery]\ntype = "dns"\nservice = "engram.internal"', 'cluster.discovery.dns.name', 'engram.internal'],
  ['[cluster.discovery]\nport = 7000', 'cluster.discovery.dns.port', 7000],
  ['[cluster.discovery]\nrefresh_interval_sec = 10', dnsRefresh, '10s'],
  ['[cluster.discovery]\ntype = "consul"\naddr = "127.0.0.1:8500"', `${consul}.address`, '127.0.0.1:8500'],
  ['[cluster.discovery]\nservice_name = "memories"', `${consul}.service`, 'memories'],
  ['[cluster.discovery]\ntag = "blue"', `${consul}.tag`, 'blue'],
  ['[cluster.replication]\nfactor = 3', 'cluster.replication.factor', 3],
  ['[cluster.replication]\ntimeout_ms = 1500', 'cluster.replication.timeout_ms', '1500ms'],
  ['[cluster.replication]\nplacement = "random"', 'cluster.placement.strategy', 'random'],
  ['[cluster.replication]\nplacement = "rackaware"\n[cluster.placement]\nrack = "r1"', 'cluster.placement.strategy', 'rack_aware'],
  ['[cluster.replication]\nplacement = "zoneaware"\n[cluster.placement]\nzone = "z1"', 'cluster.placement.strategy', 'zone_aware'],
  ['[cluster.network]\nswim_bind = "0.0.0.0:7000"', 'cluster.swim.bind', '0.0.0.0:7000'],
  ['[cluster.network]\napi_bind = "0.0.0.0:50051"', 'server.grpc_bind', '0.0.0.0:50051'],
  ['[cluster.network]\nmax_message_size = 8388608', 'network.max_message_size', '8MiB'],
  ['[cluster.network]\nconnection_pool_size = 8', 'network.connection_pool_size', 8],
  // 003: operations.
  ['[cluster.swim]\nbind_addr = "10.0.1.10:7946"', 'cluster.swim.bind', '10.0.1.10:7946'],
  ['[cluster.seed_nodes]\naddrs = []', seeds, []],
  ['[cluster.seed_nodes]\naddrs = ["10.0.1.10:7946"]', seeds, ['10.0.1.10:7946']],
  ['[cluster]\nseed_nodes = ["a:7946"]', seeds, ['a:7946']],
  ['[cluster.replication]\nbatch_size = 50', 'cluster.replication.batch_size', 50],
  // 004: why discovery is layered.
  ['[cluster]\nseeds = ["a:7946"]', seeds, ['a:7946']],
  ['[cluster]\nmode = "distributed"', 'cluster.enabled', true],
  ['[cluster]\nmode = "single"', 'cluster.enabled', false],
  ['[cluster]\nlisten_addr = "0.0.0.0:7000"', 'cluster.swim.bind', '0.0.0.0:7000'],
  ['[cluster]\ndns_discovery = true\n[cluster.dns]\nservice = "engram.internal"', sources, ['dns']],
  ['[cluster.discovery]\ndns_srv = "_engram._tcp.cluster.local"', 'cluster.discovery.dns.name', '_engram._tcp.cluster.local'],
  ['[cluster.discovery]\ndns_srv = "_engram._tcp.cluster.local"', sources, ['dns']],
  ['[cluster.discovery]\ndns_refresh_interval = "10s"', dnsRefresh, '10s'],
  ['[cluster.discovery]\nmethod = "kubernetes"', sources, ['kubernetes']],
  ['[cluster.discovery]\nnamespace = "memory"', 'cluster.discovery.kubernetes.namespace', 'memory'],
  ['[cluster.discovery]\nlabel_selector = "app=memory"', 'cluster.discovery.kubernetes.label_selector', 'app=memory'],
  ['[cluster.discovery]\nmethod = "aws"\ntag_value = "production"', sources, ['aws']],
  ['[cluster.discovery]\nregion = "us-east-1"', 'cluster.discovery.aws.region', 'us-east-1'],
  ['[cluster.discovery]\ntag_key = "Cluster"', 'cluster.discovery.aws.tag_key', 'Cluster'],
  ['[cluster.discovery]\ntag_value = "production"', 'cluster.discovery.aws.tag_value', 'production'],
  ['[storage]\npath = "/var/lib/engram"', 'node.data_dir', '/var/lib/engram'],
  ['[api]\ngrpc_port = 8080', 'server.grpc_bind', '127.0.0.1:8080'],
  ['[api]\nhttp_port = 8081', 'server.http_bind', '127.0.0.1:8081'],
  // The same pattern for what they leave out.
  ['[cluster.consul]\naddr = "127.0.0.1:8500"', `${consul}.address`, '127.0.0.1:8500'],
  ['[cluster.etcd]\nendpoints = ["127.0.0.1:2379"]', 'cluster.discovery.etcd.endpoints', ['http://127.0.0.1:2379']],
  ['[cluster.multicast]\nttl = 4', 'cluster.discovery.multicast.ttl', 4],
  ['[cluster.kubernetes]\nresource = "endpointslices"', 'cluster.discovery.kubernetes.resource', 'endpointslices'],
];

describe('the file may say', () => {
  test.each(inFiles)('%j for %s = %j', (toml, key, value) => {
    expect(valuesOf(toml).get(key)).toEqual(value);
  });
});

const inVariables: readonly (readonly [variable: string, text: string, key: string, value: unknown])[] = [
  ['ENGRAM_CLUSTER_MODE', 'distributed', 'cluster.enabled', true],
  ['ENGRAM_CLUSTER_NODE_ID', 'pod-0', 'node.id', 'pod-0'],
  ['ENGRAM_CLUSTER_LISTEN_ADDR', '0.0.0.0:7946', 'cluster.swim.bind', '0.0.0.0:7946'],
  ['ENGRAM_CLUSTER_DISCOVERY_METHOD', 'kubernetes', sources, ['kubernetes']],
  ['ENGRAM_CLUSTER_DISCOVERY_METHOD', 'kubernetes, multicast', sources, ['kubernetes', 'multicast']],
  ['ENGRAM_CLUSTER_DISCOVERY_NAMESPACE', 'default', 'cluster.discovery.kubernetes.namespace', 'default'],
  ['ENGRAM_CLUSTER_DISCOVERY_LABEL_SELECTOR', 'app=engram', 'cluster.discovery.kubernetes.label_selector', 'app=engram'],
  ['ENGRAM_CLUSTER_SEEDS', 'engram-2:7946', seeds, ['engram-2:7946']],
  ['ENGRAM_CLUSTER_SEEDS', 'a:7946,b:7946', seeds, ['a:7946', 'b:7946']],
  ['ENGRAM_CLUSTER_SEED_NODES', 'a:7946', seeds, ['a:7946']],
  ['ENGRAM_CLUSTER_DNS_DISCOVERY', 'false', sources, []],
  ['ENGRAM_CLUSTER_BOOTSTRAP_EXPECT', '3', 'cluster.bootstrap_expect', 3],
  ['ENGRAM_CLUSTER_DNS_REFRESH_INTERVAL_SEC', '10', dnsRefresh, '10s'],
  ['ENGRAM_CLUSTER_DISCOVERY_DNS_REFRESH_MS', '10000', dnsRefresh, '10s'],
  ['ENGRAM_CLUSTER_DISCOVERY_DNS_REFRESH', '10s', dnsRefresh, '10s'],
  ['ENGRAM_CLUSTER_JOIN_TIMEOUT_SECS', '3', 'cluster.join_timeout_ms', '3s'],
  ['ENGRAM_CLUSTER_REPLICATION_PLACEMENT', 'random', 'cluster.placement.strategy', 'random'],
];

describe('a variable may be', () => {
  test.each(inVariables)('%s=%s for %s = %j', (variable, text, key, value) => {
    expect(valuesOf('', { [variable]: text }).get(key)).toEqual(value);
  });
});

describe('a length of time', () => {
  test.each([
    'refresh_ms = 10000', 'refresh_ms = "10s"', 'refresh = "10s"', 'refresh_sec = 10', 'refresh_secs = 10', 'refresh_seconds = 10', 'refresh_secs = "10s"',
    'refresh_interval = "10s"', 'refresh_interval_ms = 10000', 'refresh_interval_sec = 10', 'refresh_interval_secs = 10', 'refresh_interval_seconds = 10',
  ])('may be written %j', (line) => {
    expect(valuesOf(`[cluster.discovery.dns]\n${line}\n`).get(dnsRefresh)).toBe('10s');
    expect(valuesOf(`[cluster.dns]\n${line}\n`).get(dnsRefresh)).toBe('10s');
  });

  test('of any other table may be too', () => {
    const values = valuesOf('[server]\nshutdown_timeout = "20s"\n[query]\ntimeout_secs = 2\n[cluster.swim]\nperiod = "2s"\n[wal]\ncheckpoint_every_seconds = 2\n');
    expect(['server.shutdown_timeout_ms', 'query.timeout_ms', 'cluster.swim.period_ms', 'wal.checkpoint_every_ms'].map((key) => values.get(key))).toEqual(['20s', '2s', '2s', '2s']);
  });
});

describe('two spellings of one key', () => {
  test.each([
    ['[node]\nid = "a"\n[cluster]\nnode_id = "a"', 'node.id', 'a'],
    ['[cluster]\nmode = "distributed"\nenabled = true', 'cluster.enabled', true],
    ['[cluster]\nseeds = ["a:7946"]\n[cluster.seed_nodes]\naddrs = ["a:7946"]\n[cluster.static]\nseed_nodes = ["a:7946"]', seeds, ['a:7946']],
    ['[cluster.dns]\nrefresh_interval_sec = 10\n[cluster.discovery.dns]\nrefresh_ms = "10s"', dnsRefresh, '10s'],
    ['[api]\nhttp_port = 8081\n[server]\nhttp_bind = "[::1]:8081"', 'server.http_bind', '[::1]:8081'],
    ['[server]\nhttp_bind = "[::1]:8081"\n[api]\nhttp_port = 8081', 'server.http_bind', '[::1]:8081'],
  ])('with one value are one setting: %j', (toml, key, value) => {
    expect(valuesOf(toml).get(key)).toEqual(value);
  });

  test('with two values are refused, in the file as in the environment', () => {
    expect(() => valuesOf('[cluster]\nmode = "single"\nenabled = true')).toThrow(ConfigError);
    expect(() => valuesOf('[api]\nhttp_port = 8081\n[server]\nhttp_bind = "[::1]:8082"')).toThrow(ConfigError);
    expect(() => valuesOf('', { ENGRAM_CLUSTER_SEEDS: 'a:7946', ENGRAM_CLUSTER_SEED_NODES: 'b:7946' })).toThrow(ConfigError);
  });

  test('in two places follow the order of the places', () => {
    expect(valuesOf('[cluster]\nnode_id = "from-file"', { ENGRAM_NODE_ID: 'from-variable' }).get('node.id')).toBe('from-variable');
  });
});

test('a name in DNS under its old spelling does not add a source to a list that is written out', () => {
  expect(valuesOf('[cluster.discovery]\nmethod = "kubernetes"\ndns_srv = "_engram._tcp.cluster.local"').get(sources)).toEqual(['kubernetes']);
});
