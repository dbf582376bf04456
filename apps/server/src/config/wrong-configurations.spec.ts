/** Every way to get a configuration wrong that we could think of, each with the words it is answered with. */
import { describe, expect, test } from 'vitest';
import { ConfigError, resolveConfig, type Flags, type Problem } from './index.js';

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
  { what: 'a table where a port belongs', toml: '[api]\nhttp_port = { is = 80 }', says: 'server.http_bind = {"is":80}  (engram.toml:2 (as api.http_port))\n    must be a port from 0 to 65535.' },
  { what: 'an unknown log level', env: { ENGRAM_LOG_LEVEL: 'loud' }, says: 'log.level = "loud"  (ENGRAM_LOG_LEVEL)\n    must be "trace", "debug", "info", "warn", "error", "fatal" or "silent".' },
  { what: 'an unknown log format', toml: '[log]\nformat = "xml"', says: 'log.format = "xml"  (engram.toml:2)\n    must be "auto", "json" or "pretty".' },
  { what: 'authentication that does not exist yet', toml: '[server]\nauth_mode = "token"', says: 'server.auth_mode = "token"  (engram.toml:2)\n    must be "none": this version authenticates nobody, so put a proxy that does in front of it.' },
  { what: 'a node id that climbs', flags: { nodeId: '../x' }, says: `node.id = "../x"  (--node-id)\n    ${nodeIdRule}` },
  { what: 'a node id that is too long', toml: `[node]\nid = "${'n'.repeat(100)}"`, says: `node.id = "${'n'.repeat(78)}…  (engram.toml:2)\n    ${nodeIdRule}` },
  { what: 'an empty data directory', toml: '[node]\ndata_dir = ""', says: 'node.data_dir = ""  (engram.toml:2)\n    must be the path of a directory.' },
  { what: 'a data directory with a NUL', toml: '[node]\ndata_dir = "a\\u0000b"', says: 'node.data_dir = "a\\u0000b"  (engram.toml:2)\n    must be the path of a directory.' },
  { what: 'a key set under two spellings', toml: '[node]\nid = "a"\n[cluster]\nnode_id = "b"', says: 'cluster.node_id = "b"  (engram.toml:4)\n    stands for node.id and contradicts node.id = "a" (engram.toml:2). Keep one of them.' },
  { what: 'a variable set under two spellings', env: { ENGRAM_NODE_ID: 'a', ENGRAM_CLUSTER_NODE_ID: 'b' }, says: 'ENGRAM_CLUSTER_NODE_ID = "b"\n    stands for node.id and contradicts ENGRAM_NODE_ID = "a". Keep one of them.' },
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
  { what: 'an advertised address that is every address of IPv6', env: { ENGRAM_CLUSTER_ADVERTISE: '[::]:7946' }, says: 'cluster.advertise = "[::]:7946"  (ENGRAM_CLUSTER_ADVERTISE)\n    must be an address that other nodes can call, with its real host and port.' },
  { what: 'a probe that outlasts its period', toml: '[cluster.swim]\ntimeout_ms = "1s"', says: 'cluster.swim.timeout_ms = "1s"  (engram.toml:2)\n    must be less than the period (1s; the timeout is 1s), so that others can still be asked before it ends.' },
  { what: 'a period that the preset’s timeout outlasts', toml: '[cluster.swim]\nperiod_ms = "400ms"', says: 'cluster.swim.timeout_ms = (not set)  (default; cluster.swim.period_ms: engram.toml:2)\n    must be less than the period (400ms; the timeout is 500ms), so that others can still be asked before it ends.' },
  { what: 'an unknown preset', env: { ENGRAM_CLUSTER_SWIM_PRESET: 'moon' }, says: 'cluster.swim.preset = "moon"  (ENGRAM_CLUSTER_SWIM_PRESET)\n    must be "fast", "lan" or "wan".' },
  { what: 'an acknowledgement by replicas that do not exist', toml: '[cluster.replication]\nfactor = 0\nack = "replica"', says: 'cluster.replication.ack = "replica"  (engram.toml:3)\n    asks for a replica, but cluster.replication.factor is 0. Use "local", or a factor of at least 1.' },
  { what: 'racks without a rack', toml: '[cluster.placement]\nstrategy = "rack_aware"', says: 'cluster.placement.rack = (not set)  (default; cluster.placement.strategy: engram.toml:2)\n    is needed, because cluster.placement.strategy is "rack_aware". Set it, or choose another strategy.' },
  { what: 'zones without a zone', toml: '[cluster.placement]\nstrategy = "zone_aware"', says: 'cluster.placement.zone = (not set)  (default; cluster.placement.strategy: engram.toml:2)\n    is needed, because cluster.placement.strategy is "zone_aware". Set it, or choose another strategy.' },
  { what: 'a source without what it needs', toml: '[cluster.discovery]\nsources = ["static"]', says: 'cluster.discovery.static.seeds = []  (default; cluster.discovery.sources: engram.toml:2)\n    is needed, because cluster.discovery.sources names "static". Set it, or take "static" out of that list.' },
  { what: 'an unknown source', toml: '[cluster.discovery]\nsources = ["carrier pigeon"]', says: 'cluster.discovery.sources = ["carrier pigeon"]  (engram.toml:2)\n    must be a list of "static", "dns", "consul", "etcd", "kubernetes", "aws" or "multicast".' },
  { what: 'a source named twice', env: { ENGRAM_CLUSTER_DISCOVERY_SOURCES: 'multicast,multicast' }, says: 'cluster.discovery.sources = ["multicast","multicast"]  (ENGRAM_CLUSTER_DISCOVERY_SOURCES)\n    names a source twice.' },
  { what: 'a seed without a port', toml: '[cluster.discovery.static]\nseeds = ["engram-1"]', says: 'cluster.discovery.static.seeds = ["engram-1"]  (engram.toml:2)\n    must be a list of addresses such as "engram-1:7946". Did you mean "engram-1:7946"?' },
  { what: 'a list given as one text', toml: '[cluster.discovery.static]\nseeds = "engram-1:7946"', says: 'cluster.discovery.static.seeds = "engram-1:7946"  (engram.toml:2)\n    must be a list of addresses such as "engram-1:7946". Write it as a list, in brackets.' },
  { what: 'DNS without a name to ask for', toml: '[cluster.discovery]\nsources = ["dns"]', says: 'cluster.discovery.dns.name = (not set)  (default; cluster.discovery.sources: engram.toml:2)\n    is needed, because cluster.discovery.sources names "dns". Set it, or take "dns" out of that list.' },
  { what: 'Consul without an address', toml: '[cluster]\ndiscovery = "consul"', says: 'cluster.discovery.consul.address = (not set)  (default; cluster.discovery.sources: engram.toml:2 (as cluster.discovery))\n    is needed, because cluster.discovery.sources names "consul". Set it, or take "consul" out of that list.' },
  { what: 'etcd without endpoints', env: { ENGRAM_CLUSTER_DISCOVERY_METHOD: 'etcd' }, says: 'cluster.discovery.etcd.endpoints = []  (default; cluster.discovery.sources: ENGRAM_CLUSTER_DISCOVERY_METHOD)\n    is needed, because cluster.discovery.sources names "etcd". Set it, or take "etcd" out of that list.' },
  { what: 'AWS without the value of its tag', toml: '[cluster.discovery]\nmethod = "aws"\nregion = "eu-central-1"', says: 'cluster.discovery.aws.tag_value = (not set)  (default; cluster.discovery.sources: engram.toml:2 (as cluster.discovery.method))\n    is needed, because cluster.discovery.sources names "aws". Set it, or take "aws" out of that list.' },
  { what: 'a source with a slip', toml: '[cluster.discovery]\nsources = ["kubernets"]', says: 'cluster.discovery.sources = ["kubernets"]  (engram.toml:2)\n    must be a list of "static", "dns", "consul", "etcd", "kubernetes", "aws" or "multicast". Did you mean "kubernetes"?' },
  { what: 'a source in capitals', toml: '[cluster.discovery]\nsources = ["DNS"]', says: 'cluster.discovery.sources = ["DNS"]  (engram.toml:2)\n    must be a list of "static", "dns", "consul", "etcd", "kubernetes", "aws" or "multicast". Did you mean "dns"?' },
  { what: 'a name in DNS with a port', toml: '[cluster.discovery]\ndns.name = "engram-headless:7946"', says: 'cluster.discovery.dns.name = "engram-headless:7946"  (engram.toml:2)\n    must be a DNS name such as "_engram._tcp.cluster.local" or "engram-headless". Did you mean "engram-headless"? The port is a key of its own, and SRV records bring theirs.' },
  { what: 'an address for a name in DNS', toml: '[cluster.discovery]\ndns.name = "10.0.0.5"', says: 'cluster.discovery.dns.name = "10.0.0.5"  (engram.toml:2)\n    must be a DNS name such as "_engram._tcp.cluster.local" or "engram-headless". Addresses that are known are seeds: list them in cluster.discovery.static.seeds.' },
  { what: 'a name in DNS with a space', toml: '[cluster.discovery]\ndns.name = "engram headless"', says: 'cluster.discovery.dns.name = "engram headless"  (engram.toml:2)\n    must be a DNS name such as "_engram._tcp.cluster.local" or "engram-headless".' },
  { what: 'a resolver without a port', toml: '[cluster.discovery]\ndns.resolver = "10.0.0.2"', says: 'cluster.discovery.dns.resolver = "10.0.0.2"  (engram.toml:2)\n    must be an address such as "10.0.0.2:53". Did you mean "10.0.0.2:53"?' },
  { what: 'a look-up that outlasts its interval', toml: '[cluster.discovery]\ndns.refresh_ms = "2s"', says: 'cluster.discovery.dns.timeout_ms = "2s"  (default; cluster.discovery.dns.refresh_ms: engram.toml:2)\n    must be less than cluster.discovery.dns.refresh_ms (2s), or one slow answer delays the next.' },
  { what: 'a Kubernetes request that outlasts its interval', toml: '[cluster.discovery]\nkubernetes.timeout_ms = "1m"\nkubernetes.refresh_ms = "1m"', says: 'cluster.discovery.kubernetes.timeout_ms = "1m"  (engram.toml:2)\n    must be less than cluster.discovery.kubernetes.refresh_ms (1m), or one slow answer delays the next.' },
  { what: 'a Consul address with a scheme', toml: '[cluster.discovery]\nconsul.address = "http://127.0.0.1:8500"', says: 'cluster.discovery.consul.address = "http://127.0.0.1:8500"  (engram.toml:2)\n    must be an address such as "127.0.0.1:8500". Did you mean "127.0.0.1:8500"?' },
  { what: 'a scheme nobody speaks', toml: '[cluster.discovery]\nconsul.scheme = "htps"', says: 'cluster.discovery.consul.scheme = "htps"  (engram.toml:2)\n    must be "http" or "https". Did you mean "https"?' },
  { what: 'an etcd endpoint with a path', toml: '[cluster.discovery]\netcd.endpoints = ["http://10.0.0.1:2379/v3"]', says: 'cluster.discovery.etcd.endpoints = ["http://10.0.0.1:2379/v3"]  (engram.toml:2)\n    must be a list of endpoints such as "http://10.0.0.5:2379", without a path and without credentials.' },
  { what: 'an etcd password without a user', toml: '[cluster.discovery]\netcd.password = "hunter2"', says: 'cluster.discovery.etcd.password = (secret)  (engram.toml:2)\n    is set without cluster.discovery.etcd.username. etcd asks for both or none.' },
  { what: 'an etcd user without a password', toml: '[cluster.discovery]\netcd.username = "engram"', says: 'cluster.discovery.etcd.username = "engram"  (engram.toml:2)\n    is set without cluster.discovery.etcd.password. Set it, or cluster.discovery.etcd.password_file.' },
  { what: 'a lease shorter than a request', toml: '[cluster.discovery]\netcd.lease_ttl_ms = "5s"', says: 'cluster.discovery.etcd.lease_ttl_ms = "5s"  (engram.toml:2)\n    must be longer than cluster.discovery.etcd.timeout_ms (5s), or the lease runs out while one request to keep it is waited for.' },
  { what: 'a lease of no time', toml: '[cluster.discovery]\netcd.lease_ttl_ms = 0', says: 'cluster.discovery.etcd.lease_ttl_ms = 0  (engram.toml:2)\n    must be a duration from 2s to 1h, such as "10s" or a number of milliseconds.' },
  { what: 'a namespace in capitals', toml: '[cluster.discovery]\nkubernetes.namespace = "Engram"', says: 'cluster.discovery.kubernetes.namespace = "Engram"  (engram.toml:2)\n    must be 1 to 63 of a-z 0-9 and -, such as "default".' },
  { what: 'a port name that is too long', toml: '[cluster.discovery]\nkubernetes.port_name = "swim-membership-port"', says: 'cluster.discovery.kubernetes.port_name = "swim-membership-port"  (engram.toml:2)\n    must be 1 to 15 of a-z 0-9 and -, such as "swim".' },
  { what: 'a kind of resource with a slip', toml: '[cluster.discovery]\nkubernetes.resource = "endpointslice"', says: 'cluster.discovery.kubernetes.resource = "endpointslice"  (engram.toml:2)\n    must be "pods" or "endpointslices". Did you mean "endpointslices"?' },
  { what: 'a port of pods that is none', toml: '[cluster.discovery]\nkubernetes.port = 70000', says: 'cluster.discovery.kubernetes.port = 70000  (engram.toml:2)\n    must be a whole number from 1 to 65535.' },
  { what: 'a multicast group that is one machine', toml: '[cluster.discovery]\nmulticast.group = "10.0.0.5:7947"', says: 'cluster.discovery.multicast.group = "10.0.0.5:7947"  (engram.toml:2)\n    must be a multicast address (224.0.0.0 to 239.255.255.255, or ff00::/8) and a port.' },
  { what: 'a multicast group on the port of SWIM', toml: '[cluster]\nenabled = true\ndiscovery.sources = ["multicast"]\ndiscovery.multicast.group = "239.255.42.99:7946"', says: 'cluster.discovery.multicast.group = "239.255.42.99:7946"  (engram.toml:4)\n    takes the UDP port of cluster.swim.bind (127.0.0.1:7946). Give the group a port of its own; all nodes the same one.' },
  { what: 'announcements rarer than they are looked for', toml: '[cluster.discovery]\nmulticast.interval_ms = "30s"', says: 'cluster.discovery.multicast.refresh_ms = "15s"  (default; cluster.discovery.multicast.interval_ms: engram.toml:2)\n    must be longer than cluster.discovery.multicast.interval_ms (30s), or a peer is forgotten before it can announce itself again.' },
  { what: 'a reach of announcements beyond a byte', toml: '[cluster.discovery]\nmulticast.ttl = 256', says: 'cluster.discovery.multicast.ttl = 256  (engram.toml:2)\n    must be a whole number from 0 to 255.' },
  { what: 'a seed that is every address', toml: '[cluster.discovery]\nstatic.seeds = ["10.0.0.5:7946", "0.0.0.0:7946"]', says: 'cluster.discovery.static.seeds = ["10.0.0.5:7946","0.0.0.0:7946"]  (engram.toml:2)\n    names 0.0.0.0:7946, which is no address of a node: it has to be one that can be called.' },
  { what: 'a seed with a scheme', toml: '[cluster]\nseeds = ["http://engram-1:7946"]', says: 'cluster.discovery.static.seeds = ["http://engram-1:7946"]  (engram.toml:2 (as cluster.seeds))\n    must be a list of addresses such as "engram-1:7946". Did you mean "engram-1:7946"?' },
  { what: 'a cluster of no nodes', toml: '[cluster]\nbootstrap_expect = 0', says: 'cluster.bootstrap_expect = 0  (engram.toml:2)\n    must be a whole number from 1 to 1000.' },
  { what: 'no time to join', env: { ENGRAM_CLUSTER_JOIN_TIMEOUT: '0s' }, says: 'cluster.join_timeout_ms = "0s"  (ENGRAM_CLUSTER_JOIN_TIMEOUT)\n    must be a duration from 100ms to 10m, such as "5s" or a number of milliseconds.' },
  { what: 'a cluster whose SWIM meets HTTP', toml: '[cluster]\nenabled = true\n[api]\nhttp_port = 7946', says: 'cluster.swim.bind = "127.0.0.1:7946"  (default; cluster.enabled: engram.toml:2)\n    takes the same port as server.http_bind (127.0.0.1:7946). Give each its own port.' },
  { what: 'an advertised port that nobody listens on', toml: '[cluster]\nadvertise = "10.0.0.5:0"', says: 'cluster.advertise = "10.0.0.5:0"  (engram.toml:2)\n    must be an address that other nodes can call, with its real host and port.' },
  { what: 'a mode with a slip, in the file', toml: '[cluster]\nmode = "distribted"', says: 'cluster.mode = "distribted"  (engram.toml:2)\n    must be "single" or "distributed". "single" is the default.' },
  { what: 'a mode that contradicts the switch', toml: '[cluster]\nmode = "single"\nenabled = true', says: 'cluster.enabled = true  (engram.toml:3)\n    contradicts cluster.mode = "single" (engram.toml:2), which stands for the same key. Keep one of them.' },
  { what: 'a port that contradicts the address', toml: '[server]\nhttp_bind = "127.0.0.1:7432"\n[api]\nhttp_port = 8081', says: 'api.http_port = 8081  (engram.toml:4)\n    stands for server.http_bind and contradicts server.http_bind = "127.0.0.1:7432" (engram.toml:2). Keep one of them.' },
  { what: 'two variables with different seeds', env: { ENGRAM_CLUSTER_SEEDS: 'a:7946', ENGRAM_CLUSTER_SEED_NODES: 'b:7946' }, says: 'ENGRAM_CLUSTER_SEED_NODES = ["b:7946"]\n    stands for cluster.discovery.static.seeds and contradicts ENGRAM_CLUSTER_SEEDS = ["a:7946"]. Keep one of them.' },
  { what: 'a length of time whose unit nobody knows', toml: '[cluster.dns]\nrefresh_interval = 30', says: 'cluster.dns.refresh_interval = 30  (engram.toml:2)\n    does not say its unit. Write "30s" or "30ms".' },
  { what: 'a length of time whose unit no variable says', env: { ENGRAM_CLUSTER_DISCOVERY_DNS_REFRESH_INTERVAL: '30' }, says: 'ENGRAM_CLUSTER_DISCOVERY_DNS_REFRESH_INTERVAL = 30\n    does not say its unit. Write "30s" or "30ms".' },
  { what: 'too many seconds', toml: '[cluster.dns]\nrefresh_interval_sec = 7200', says: 'cluster.discovery.dns.refresh_ms = 7200  (engram.toml:2 (as cluster.dns.refresh_interval_sec))\n    must be a duration from 1s to 1h, such as "30s" or a number of milliseconds.' },
  { what: 'a switch of DNS that is neither on nor off', toml: '[cluster]\ndns_discovery = "maybe"', says: 'cluster.dns_discovery = "maybe"  (engram.toml:2)\n    must be true or false. True asks DNS, as cluster.discovery.sources = ["dns"] does.' },
  { what: 'another spelling with a slip', toml: '[cluster]\nseedz = ["a:7946"]', says: 'cluster.seedz = ["a:7946"]  (engram.toml:2)\n    is not a key of the configuration. Did you mean cluster.discovery.static.seeds?' },
  { what: 'a variable of another spelling with a slip', env: { ENGRAM_CLUSTER_LISTEN_ADR: '10.0.0.5:7946' }, says: 'ENGRAM_CLUSTER_LISTEN_ADR = "10.0.0.5:7946"  (environment)\n    is not the variable of any key. Did you mean ENGRAM_CLUSTER_SWIM_BIND?' },
  { what: 'a source that does not exist', toml: '[cluster.discovery.zookeeper]\nservers = ["a:2181"]', says: 'cluster.discovery.zookeeper  (engram.toml:1)\n    is not a table of the configuration. Remove it; docs/configuration.md lists every table.' },
  { what: 'a key of another source', toml: '[cluster.discovery]\ndns.region = "eu-central-1"', says: 'cluster.discovery.dns.region = "eu-central-1"  (engram.toml:2)\n    is not a key of the configuration. Did you mean cluster.discovery.aws.region?' },
  { what: 'a key of a source with a slip', toml: '[cluster.discovery]\nkubernetes.label_selecter = "app=engram"', says: 'cluster.discovery.kubernetes.label_selecter = "app=engram"  (engram.toml:2)\n    is not a key of the configuration. Did you mean cluster.discovery.kubernetes.label_selector?' },
  { what: 'the file of a secret that does not exist', toml: '[cluster.discovery]\nconsul.token_file = "/nowhere/token"', says: 'cluster.discovery.consul.token_file = "/nowhere/token"  (engram.toml:2)\n    names a file that does not exist. It should hold the value of cluster.discovery.consul.token and nothing else.' },
  { what: 'a secret beside its file', toml: '[cluster.discovery]\netcd.username = "engram"\netcd.password = "hunter2"\netcd.password_file = "/nowhere/password"', says: 'cluster.discovery.etcd.password_file = "/nowhere/password"  (engram.toml:4)\n    names a file for cluster.discovery.etcd.password, which is set as well (engram.toml:3). Keep one of them.' },
  { what: 'an advertised address without a port', env: { ENGRAM_CLUSTER_ADVERTISE: 'engram-1' }, says: 'cluster.advertise = "engram-1"  (ENGRAM_CLUSTER_ADVERTISE)\n    must be an address such as "10.0.0.5:7946". Did you mean "engram-1:7946"?' },
  { what: 'a cluster name with a space', toml: '[cluster]\nname = "my cluster"', says: 'cluster.name = "my cluster"  (engram.toml:2)\n    must be 1 to 64 of A-Z a-z 0-9 . _ - and not start with a dot.' },
];

describe('a configuration is refused that has', () => {
  test.each(wrong)('$what', ({ toml = '', env = {}, flags = {}, says }) => {
    const refusal = refusalOf(toml, env, flags);
    expect(refusal.message).toBe(`The configuration has a problem; nothing was started.\n  ${says}`);
    expect(refusal.code).toBe('invalid_config');
    expect(refusal.message).not.toContain('hunter2');
  });
});

describe('every wrong configuration', () => {
  test('is told from every other by its words', () => {
    expect(wrong.length).toBeGreaterThanOrEqual(40);
    expect(new Set(wrong.map(({ says }) => says)).size).toBe(wrong.length);
    expect(new Set(wrong.map(({ what }) => what)).size).toBe(wrong.length);
  });

  test.each(wrong)('is told with the key, the value and the place: $what', ({ toml = '', env = {}, flags = {} }) => {
    const [{ key, value, source = key }] = refusalOf(toml, env, flags).problems as [Problem];
    expect(key).toMatch(/^(--[a-z-]+|ENGRAM_[A-Z_]+|[a-z_]+(\.[a-z_]+)*)$/);
    // A table that does not exist has no value.
    if (value === undefined) expect(toml).toMatch(/^\[/);
    expect(source).toMatch(/engram\.toml:\d+|\bENGRAM_|^environment$|--[a-z-]+$/);
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
