/** Every way to get a configuration wrong that we could think of, each with the words it is answered with. */
import { describe, expect, test } from 'vitest';
import { ConfigError, resolveConfig, type Flags } from './index.js';

interface Wrong {
  readonly what: string;
  readonly toml?: string;
  readonly env?: Record<string, string>;
  readonly flags?: Flags;
  /** Exactly what stands below the headline. */
  readonly says: string;
}

const exposed = 'everybody who reaches it could read, write and forget. Bind to 127.0.0.1, or set server.allow_unauthenticated = true when something in front of it keeps strangers out.';
const nodeIdRule = 'must be 1 to 64 of A-Z a-z 0-9 . _ - and not start with a dot.';

const wrong: readonly Wrong[] = [
  { what: 'a key with a slip', toml: '[log]\nlevle = "info"', says: 'log.levle = "info"  (engram.toml:2)\n    is not a key of the configuration. Did you mean log.level?' },
  { what: 'a key in no table', toml: 'data_dir = "/x"', says: 'data_dir = "/x"  (engram.toml:1)\n    is not a key of the configuration. Did you mean node.data_dir?' },
  { what: 'a key in the wrong table', toml: '[node]\nhttp_bind = "a:1"', says: 'node.http_bind = "a:1"  (engram.toml:2)\n    is not a key of the configuration. Did you mean server.http_bind?' },
  { what: 'a key like no other', toml: '[node]\ncolour = "blue"', says: 'node.colour = "blue"  (engram.toml:2)\n    is not a key of the configuration. Remove it; docs/configuration.md lists every key.' },
  { what: 'a table with a slip', toml: '[sever]\nhttp_bind = "a:1"', says: 'sever  (engram.toml:1)\n    is not a table of the configuration. Did you mean server?' },
  { what: 'a table given a value', toml: 'server = true', says: 'server = true  (engram.toml:1)\n    is a table. Write its keys below a line [server].' },
  { what: 'a table given as a list of tables', toml: '[[server]]\nhttp_bind = "a:1"', says: 'server = [{"http_bind":"a:1"}]  (engram.toml:1)\n    is a table. Write its keys below a line [server].' },
  { what: 'a key given as a table', toml: '[log.level]\nx = 1', says: 'log.level = {"x":1}  (engram.toml:1)\n    must be "trace", "debug", "info", "warn", "error", "fatal" or "silent".' },
  { what: 'a key named like a prototype', toml: '[node]\n__proto__ = 1', says: 'node.__proto__ = 1  (engram.toml:2)\n    is not a key of the configuration. Remove it; docs/configuration.md lists every key.' },
  { what: 'a secret under a misspelled key', toml: '[cluster.discovery.consul]\ntokn = "hunter2"', says: 'cluster.discovery.consul.tokn = (secret)  (engram.toml:2)\n    is not a key of the configuration. Did you mean cluster.discovery.consul.token?' },
  { what: 'a secret that breaks its rule', env: { ENGRAM_CLUSTER_SWIM_KEYS: 'hunter2' }, says: 'cluster.swim.keys = (secret)  (ENGRAM_CLUSTER_SWIM_KEYS)\n    must be Base64 of 32 bytes each. Make one with `openssl rand -base64 32`.' },
  { what: 'something that sounds like a secret', toml: '[server]\nadmin_password = "hunter2"', says: 'server.admin_password = (secret)  (engram.toml:2)\n    is not a key of the configuration. Remove it; docs/configuration.md lists every key.' },
  { what: 'a variable with a slip', env: { ENGRAM_LOG_LEVLE: 'info' }, says: 'ENGRAM_LOG_LEVLE = "info"  (environment)\n    is not the variable of any key. Did you mean ENGRAM_LOG_LEVEL?' },
  { what: 'a variable without its table', env: { ENGRAM_DATA_DIR: '/x' }, says: 'ENGRAM_DATA_DIR = "/x"  (environment)\n    is not the variable of any key. Did you mean ENGRAM_NODE_DATA_DIR?' },
  { what: 'a variable that resembles another spelling', env: { ENGRAM_HTTP_PORT: '80' }, says: 'ENGRAM_HTTP_PORT = "80"  (environment)\n    is not the variable of any key. Did you mean ENGRAM_SERVER_HTTP_BIND?' },
  { what: 'a variable like no other', env: { ENGRAM_X: '1' }, says: 'ENGRAM_X = "1"  (environment)\n    is not the variable of any key. Remove it; docs/configuration.md lists every variable.' },
  { what: 'a port variable that Kubernetes did not write', env: { ENGRAM_PORT: '9000' }, says: 'ENGRAM_PORT = "9000"  (environment)\n    is not the variable of any key. Remove it; docs/configuration.md lists every variable.' },
  { what: 'a word where true or false belongs', toml: '[server]\nallow_unauthenticated = "yes"', says: 'server.allow_unauthenticated = "yes"  (engram.toml:2)\n    must be true or false.' },
  { what: 'a fraction where a whole number belongs', toml: '[memory]\nmax_memories = 1.5', says: 'memory.max_memories = 1.5  (engram.toml:2)\n    must be a whole number from 1 to 1000000000.' },
  { what: 'a number below its range', toml: '[limits]\nbatch_items = 0', says: 'limits.batch_items = 0  (engram.toml:2)\n    must be a whole number from 1 to 1000000.' },
  { what: 'a number that is none', env: { ENGRAM_MEMORY_MAX_MEMORIES: 'many' }, says: 'memory.max_memories = "many"  (ENGRAM_MEMORY_MAX_MEMORIES)\n    must be a whole number from 1 to 1000000000.' },
  { what: 'infinity', toml: '[memory]\nmax_memories = inf', says: 'memory.max_memories = Infinity  (engram.toml:2)\n    must be a whole number from 1 to 1000000000.' },
  { what: 'a duration without a unit, as text', toml: '[query]\ntimeout_ms = "5000"', says: 'query.timeout_ms = "5000"  (engram.toml:2)\n    must be a duration from 1ms to 10m, such as "5s" or a number of milliseconds.' },
  { what: 'a duration in fortnights', toml: '[query]\ntimeout_ms = "1 fortnight"', says: 'query.timeout_ms = "1 fortnight"  (engram.toml:2)\n    must be a duration from 1ms to 10m, such as "5s" or a number of milliseconds.' },
  { what: 'a negative duration', env: { ENGRAM_QUERY_TIMEOUT_MS: '-1' }, says: 'query.timeout_ms = -1  (ENGRAM_QUERY_TIMEOUT_MS)\n    must be a duration from 1ms to 10m, such as "5s" or a number of milliseconds.' },
  { what: 'a duration that is too long', toml: '[server]\nshutdown_timeout_ms = "24h"', says: 'server.shutdown_timeout_ms = "24h"  (engram.toml:2)\n    must be a duration from 100ms to 10m, such as "10s" or a number of milliseconds.' },
  { what: 'a size in an unknown unit', toml: '[wal]\nsegment_bytes = "64 furlongs"', says: 'wal.segment_bytes = "64 furlongs"  (engram.toml:2)\n    must be a size from 6MiB to 1GiB, such as "64MiB" or a number of bytes.' },
  { what: 'a size that is too small', toml: '[wal]\nsegment_bytes = 64', says: 'wal.segment_bytes = 64  (engram.toml:2)\n    must be a size from 6MiB to 1GiB, such as "64MiB" or a number of bytes.' },
  { what: 'a date where a size belongs', toml: '[wal]\nretain_bytes = 2024-01-01', says: 'wal.retain_bytes = "2024-01-01"  (engram.toml:2)\n    must be a size from 0 to 1TiB, such as "128MiB" or a number of bytes.' },
  { what: 'an address without a host', toml: '[server]\nhttp_bind = ":7432"', says: 'server.http_bind = ":7432"  (engram.toml:2)\n    must be an address such as "127.0.0.1:7432" or "[::1]:7432".' },
  { what: 'an address without a port', toml: '[server]\nhttp_bind = "127.0.0.1"', says: 'server.http_bind = "127.0.0.1"  (engram.toml:2)\n    must be an address such as "127.0.0.1:7432" or "[::1]:7432". Did you mean "127.0.0.1:7432"?' },
  { what: 'a port beyond the last', env: { ENGRAM_SERVER_GRPC_BIND: '127.0.0.1:70000' }, says: 'server.grpc_bind = "127.0.0.1:70000"  (ENGRAM_SERVER_GRPC_BIND)\n    must be an address such as "127.0.0.1:7432" or "[::1]:7432".' },
  { what: 'an IPv6 address without brackets', toml: '[server]\ngrpc_bind = "::1:50051"', says: 'server.grpc_bind = "::1:50051"  (engram.toml:2)\n    must be an address such as "127.0.0.1:7432" or "[::1]:7432". Did you mean "[::1]:50051"?' },
  { what: 'a port flag that is no port', flags: { httpPort: 'eighty' }, says: 'server.http_bind = "eighty"  (--http-port)\n    must be a port from 0 to 65535.' },
  { what: 'an unknown log level', env: { ENGRAM_LOG_LEVEL: 'loud' }, says: 'log.level = "loud"  (ENGRAM_LOG_LEVEL)\n    must be "trace", "debug", "info", "warn", "error", "fatal" or "silent".' },
  { what: 'an unknown log format', toml: '[log]\nformat = "xml"', says: 'log.format = "xml"  (engram.toml:2)\n    must be "auto", "json" or "pretty".' },
  { what: 'authentication that does not exist yet', toml: '[server]\nauth_mode = "token"', says: 'server.auth_mode = "token"  (engram.toml:2)\n    must be "none": this version authenticates nobody, so put a proxy that does in front of it.' },
  { what: 'a node id that climbs', flags: { nodeId: '../x' }, says: `node.id = "../x"  (--node-id)\n    ${nodeIdRule}` },
  { what: 'a node id that is too long', toml: `[node]\nid = "${'n'.repeat(100)}"`, says: `node.id = "${'n'.repeat(78)}…  (engram.toml:2)\n    ${nodeIdRule}` },
  { what: 'an empty data directory', toml: '[node]\ndata_dir = ""', says: 'node.data_dir = ""  (engram.toml:2)\n    must be the path of a directory.' },
  { what: 'a data directory with a NUL', toml: '[node]\ndata_dir = "a\\u0000b"', says: 'node.data_dir = "a\\u0000b"  (engram.toml:2)\n    must be the path of a directory.' },
  { what: 'a key set under two spellings', toml: '[node]\nid = "a"\n[cluster]\nnode_id = "b"', says: 'cluster.node_id = "b"  (engram.toml:4)\n    sets node.id, which node.id = "a" (engram.toml:2) sets as well, to another value. Keep one of them.' },
  { what: 'a variable set under two spellings', env: { ENGRAM_NODE_ID: 'a', ENGRAM_CLUSTER_NODE_ID: 'b' }, says: 'ENGRAM_CLUSTER_NODE_ID = "b"\n    sets node.id, which ENGRAM_NODE_ID = "a" sets as well, to another value. Keep one of them.' },
  { what: 'two listeners on one port', toml: '[server]\ngrpc_bind = "localhost:7432"', says: 'server.grpc_bind = "localhost:7432"  (engram.toml:2)\n    takes the same port as server.http_bind (127.0.0.1:7432). Give each its own port.' },
  { what: 'two port flags that meet', flags: { httpPort: '50051' }, says: 'server.grpc_bind = "127.0.0.1:50051"  (default; server.http_bind: --http-port)\n    takes the same port as server.http_bind (127.0.0.1:50051). Give each its own port.' },
  { what: 'HTTP on every interface', toml: '[server]\nhttp_bind = "0.0.0.0:7432"', says: `server.http_bind = "0.0.0.0:7432"  (engram.toml:2)\n    would listen for every network this machine is on, and server.auth_mode is "none": ${exposed}` },
  { what: 'gRPC on every interface', env: { ENGRAM_SERVER_GRPC_BIND: '[::]:50051' }, says: `server.grpc_bind = "[::]:50051"  (ENGRAM_SERVER_GRPC_BIND)\n    would listen for every network this machine is on, and server.auth_mode is "none": ${exposed}` },
  { what: 'HTTP on an address of the network', toml: '[server]\nhttp_bind = "10.0.0.5:7432"', says: `server.http_bind = "10.0.0.5:7432"  (engram.toml:2)\n    would listen for other machines, and server.auth_mode is "none": ${exposed}` },
  { what: 'a batch smaller than a single store', toml: '[limits]\nbatch_body_bytes = "3MiB"', says: 'limits.batch_body_bytes = "3MiB"  (engram.toml:2)\n    must be at least limits.body_bytes (4MiB), or a batch could carry less than a single store.' },
  { what: 'less room in flight than for one body', toml: '[limits]\nstore_bytes_in_flight = "16MiB"', says: 'limits.store_bytes_in_flight = "16MiB"  (engram.toml:2)\n    must hold at least one body of the largest size (32MiB), or that body could never be stored.' },
  { what: 'a queue smaller than a group', toml: '[wal]\nqueue_bytes = "6MiB"', says: 'wal.queue_bytes = "6MiB"  (engram.toml:2)\n    must be at least wal.group_bytes (8MiB), or a full group could never form.' },
  { what: 'a segment smaller than a group', toml: '[wal]\nsegment_bytes = "8MiB"', says: 'wal.segment_bytes = "8MiB"  (engram.toml:2)\n    must be larger than wal.group_bytes (8MiB) by at least 4KiB, because a group lies in one segment.' },
  { what: 'checkpoints more often than flushes', toml: '[memory]\nflush_every_ms = "10s"', says: 'wal.checkpoint_every_ms = "5s"  (default; memory.flush_every_ms: engram.toml:2)\n    must be at least memory.flush_every_ms (10s): a checkpoint records what was flushed.' },
  { what: 'a request shorter than its headers', toml: '[server]\nrequest_timeout_ms = "5s"', says: 'server.request_timeout_ms = "5s"  (engram.toml:2)\n    must be at least server.headers_timeout_ms (20s), which is a part of it.' },
  { what: 'a cluster on every interface without an address to tell others', toml: `[cluster]\nenabled = true\nswim.bind = "0.0.0.0:7946"\nswim.keys = ["${'A'.repeat(43)}="]`, says: 'cluster.advertise = (not set)  (default; cluster.swim.bind: engram.toml:3)\n    is needed, because cluster.swim.bind (0.0.0.0:7946) stands for every network and other nodes must be told one address. Set it to an address of this node that the others can call.' },
  { what: 'a cluster without keys on an address of the network', toml: '[cluster]\nenabled = true\nswim.bind = "10.0.0.5:7946"', says: 'cluster.swim.bind = "10.0.0.5:7946"  (engram.toml:3)\n    would listen for other machines without keys: everybody who reaches it could say who is in the cluster. Give all nodes the same cluster.swim.keys (`openssl rand -base64 32` makes one), or set server.allow_unauthenticated = true when something in front of it keeps strangers out.' },
  { what: 'a cluster whose SWIM meets gRPC', flags: { seed: ['engram-1:7946'], swimPort: '50051' }, says: 'cluster.swim.bind = "127.0.0.1:50051"  (--swim-port)\n    takes the same port as server.grpc_bind (127.0.0.1:50051). Give each its own port.' },
  { what: 'a cluster mode that does not exist', flags: { clusterMode: 'triple' }, says: '--cluster-mode = "triple"\n    must be "single" or "distributed". "single" is the default.' },
  { what: 'a seed for a node that is to run alone', flags: { clusterMode: 'single', seed: ['engram-1:7946'] }, says: '--cluster-mode = "single"\n    contradicts --seed, which names a node of a cluster. Remove one of the two.' },
  { what: 'a seed flag without a port', flags: { seed: ['engram-1'] }, says: 'cluster.discovery.static.seeds = ["engram-1"]  (--seed)\n    must be a list of addresses such as "engram-1:7946". Did you mean "engram-1:7946"?' },
  { what: 'a SWIM port that is no port', flags: { swimPort: 'x' }, says: 'cluster.swim.bind = "x"  (--swim-port)\n    must be a port from 0 to 65535.' },
  { what: 'an advertised address nobody can call', toml: '[cluster]\nadvertise = "0.0.0.0:7946"', says: 'cluster.advertise = "0.0.0.0:7946"  (engram.toml:2)\n    must be an address that other nodes can call, with its real host and port.' },
  { what: 'a probe that outlasts its period', toml: '[cluster.swim]\ntimeout_ms = "1s"', says: 'cluster.swim.timeout_ms = "1s"  (engram.toml:2)\n    must be less than the period (1s; the timeout is 1s), so that others can still be asked before it ends.' },
  { what: 'a period that the preset’s timeout outlasts', toml: '[cluster.swim]\nperiod_ms = "400ms"', says: 'cluster.swim.timeout_ms = (not set)  (default; cluster.swim.period_ms: engram.toml:2)\n    must be less than the period (400ms; the timeout is 500ms), so that others can still be asked before it ends.' },
  { what: 'an unknown preset', env: { ENGRAM_CLUSTER_SWIM_PRESET: 'moon' }, says: 'cluster.swim.preset = "moon"  (ENGRAM_CLUSTER_SWIM_PRESET)\n    must be "fast", "lan" or "wan".' },
  { what: 'an acknowledgement by replicas that do not exist', toml: '[cluster.replication]\nfactor = 0\nack = "replica"', says: 'cluster.replication.ack = "replica"  (engram.toml:3)\n    asks for a replica, but cluster.replication.factor is 0. Use "local", or a factor of at least 1.' },
  { what: 'racks without a rack', toml: '[cluster.placement]\nstrategy = "rack_aware"', says: 'cluster.placement.rack = (not set)  (default; cluster.placement.strategy: engram.toml:2)\n    is needed, because cluster.placement.strategy is "rack_aware".' },
  { what: 'zones without a zone', toml: '[cluster.placement]\nstrategy = "zone_aware"', says: 'cluster.placement.zone = (not set)  (default; cluster.placement.strategy: engram.toml:2)\n    is needed, because cluster.placement.strategy is "zone_aware".' },
  { what: 'a source without what it needs', toml: '[cluster.discovery]\nsources = ["static"]', says: 'cluster.discovery.static.seeds = []  (default; cluster.discovery.sources: engram.toml:2)\n    is needed, because cluster.discovery.sources names "static".' },
  { what: 'an unknown source', toml: '[cluster.discovery]\nsources = ["carrier pigeon"]', says: 'cluster.discovery.sources = ["carrier pigeon"]  (engram.toml:2)\n    must be a list of "static", "dns", "consul", "etcd", "kubernetes", "aws" or "multicast".' },
  { what: 'a source named twice', env: { ENGRAM_CLUSTER_DISCOVERY_SOURCES: 'multicast,multicast' }, says: 'cluster.discovery.sources = ["multicast","multicast"]  (ENGRAM_CLUSTER_DISCOVERY_SOURCES)\n    names a source twice.' },
  { what: 'a seed without a port', toml: '[cluster.discovery.static]\nseeds = ["engram-1"]', says: 'cluster.discovery.static.seeds = ["engram-1"]  (engram.toml:2)\n    must be a list of addresses such as "engram-1:7946". Did you mean "engram-1:7946"?' },
  { what: 'a list given as one text', toml: '[cluster.discovery.static]\nseeds = "engram-1:7946"', says: 'cluster.discovery.static.seeds = "engram-1:7946"  (engram.toml:2)\n    must be a list of addresses such as "engram-1:7946". Write it as a list, in brackets.' },
];

describe('a configuration is refused that has', () => {
  test.each(wrong)('$what', ({ toml = '', env = {}, flags = {}, says }) => {
    const refusal = refusalOf(toml, env, flags);
    expect(refusal.message).toBe(`The configuration has a problem; nothing was started.\n  ${says}`);
    expect(refusal.code).toBe('invalid_config');
    expect(refusal.message).not.toContain('hunter2');
  });
});

test('what is not TOML is named with file, line and column, and shown', () => {
  const refusal = refusalOf('[node]\nid = "a\n', {}, {});
  expect(refusal.problems).toHaveLength(1);
  expect(refusal.problems[0]!.key).toBe('engram.toml:2:8');
  expect(refusal.problems[0]!.suggestion).toContain('2:  id = "a');
});

test('what is not TOML is shown without the secrets around it', () => {
  const refusal = refusalOf('[cluster.discovery.consul]\ntoken = "hunter2"\naddress = "a\n', {}, {});
  expect(refusal.message).toContain('2:  token = (secret)');
  expect(refusal.message).toContain('3:  address = "a');
  expect(refusal.message).not.toContain('hunter2');
});

test('everything that is wrong is said at once, from every source', () => {
  const refusal = refusalOf('[log]\nlevle = "info"\nformat = "xml"\n[cluster]\nadvertise = "0.0.0.0:1"\n', { ENGRAM_X: '1', ENGRAM_WAL_RETAIN_BYTES: 'lots' }, { clusterMode: 'triple' });
  expect(refusal.problems.map(({ key }) => key)).toEqual(['log.levle', 'ENGRAM_X', '--cluster-mode', 'log.format', 'wal.retain_bytes', 'cluster.advertise']);
  expect(refusal.message).toMatch(/^The configuration has 6 problems; nothing was started\.\n/);
});

test('a relation is not complained about when one of its ends is wrong already', () => {
  const refusal = refusalOf('[wal]\ngroup_bytes = "a lot"\nqueue_bytes = "5MiB"\n', {}, {});
  expect(refusal.problems.map(({ key }) => key)).toEqual(['wal.group_bytes']);
});

function refusalOf(toml: string, env: Record<string, string>, flags: Flags): ConfigError {
  try {
    resolveConfig({ content: { name: 'engram.toml', text: toml }, env, flags });
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('the configuration was accepted');
}
