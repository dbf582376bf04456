/** Clusters that start, but whose operator should know something: what is said, and that nothing is said without a reason. */
import { describe, expect, test } from 'vitest';
import { resolveConfig, type ConfigWarning, type Flags } from './index.js';

function warningsOf(toml: string, env: Record<string, string> = {}, flags: Flags = {}): readonly ConfigWarning[] {
  return resolveConfig({ content: { name: 'engram.toml', text: toml }, env, flags }).warnings;
}

/** The warnings beyond the one that every cluster of this version is given. */
function oddities(toml: string, env: Record<string, string> = {}, flags: Flags = {}): string[] {
  return warningsOf(toml, env, flags).map(({ message, source = 'default' }) => `${message}  (${source})`);
}

const on = '[cluster]\nenabled = true\n';
const threeCopies = 'cluster.replication.factor asks for 3 copies (a primary and 2 of them replicas), but the cluster forms with';
const untilMore = '(cluster.bootstrap_expect): spaces are under-replicated until there are more.  (default)';

describe('a warning is given for', () => {
  test.each<[what: string, toml: string, says: readonly string[]]>([
    ['seeds of a node that runs alone', '[cluster]\nseeds = ["a:7946"]', ['cluster.discovery.static.seeds has no effect while cluster.enabled is false.  (engram.toml:2 (as cluster.seeds))']],
    ['the size of a cluster that is off', '[cluster]\nbootstrap_expect = 3', ['cluster.bootstrap_expect has no effect while cluster.enabled is false.  (engram.toml:2)']],
    ['two first nodes', `${on}bootstrap_expect = 2\nreplication.factor = 1`, [
      'cluster.bootstrap_expect is even, and voters are 1, 3 or 5 nodes: 2 of them survive the loss of no more than 1 do. Use 3.  (engram.toml:3)',
    ]],
    ['four first nodes', `${on}bootstrap_expect = 4`, ['cluster.bootstrap_expect is even, and voters are 1, 3 or 5 nodes: 4 of them survive the loss of no more than 3 do. Use 3 or 5.  (engram.toml:3)']],
    ['a first node that seeks others and forms a cluster without them', `${on}bootstrap_expect = 1\nseeds = ["127.0.0.1:7947"]`, [
      'cluster.bootstrap_expect is 1 although other nodes are looked for: a new node that does not reach them forms a second cluster at once. Use the number of first nodes, or keep 1 for the very first one alone, without seeds and sources.  (engram.toml:3)',
      `${threeCopies} 1 node ${untilMore}`,
    ]],
    ['more copies than first nodes', `${on}bootstrap_expect = 3\nreplication.factor = 3`, [
      'cluster.replication.factor asks for 4 copies (a primary and 3 of them replicas), but the cluster forms with 3 nodes (cluster.bootstrap_expect): spaces are under-replicated until there are more.  (engram.toml:4)',
    ]],
    ['a loopback address told to another machine', `${on}seeds = ["10.0.0.5:7946"]\nadvertise = "127.0.0.1:7946"`, ['cluster.advertise is an address that only this machine can call, but the seed 10.0.0.5:7946 is another machine. Bind SWIM to an address of the network, or advertise one.  (engram.toml:4)']],
    ['a loopback bind among pods', `${on}discovery.sources = ["kubernetes"]`, ['cluster.advertise is not set, and cluster.swim.bind (127.0.0.1:7946) is an address that only this machine can call, but cluster.discovery.sources names "kubernetes". Bind SWIM to an address of the network, or advertise one.  (default)']],
    ['the address of HTTP told for that of SWIM', `${on}advertise = "10.0.0.5:7432"`, ['cluster.advertise names port 7432, which is that of server.http_bind. It should be the address of SWIM, which listens on port 7946.  (engram.toml:3)']],
    ['a seed on the port of HTTP', `${on}seeds = ["127.0.0.1:7432"]`, ['cluster.discovery.static.seeds names 127.0.0.1:7432, whose port is that of HTTP on this node. Seeds are addresses of SWIM, usually port 7946.  (engram.toml:3 (as cluster.seeds))']],
    ['a seed on the port of gRPC', `${on}seeds = ["127.0.0.1:50051"]`, ['cluster.discovery.static.seeds names 127.0.0.1:50051, whose port is that of gRPC on this node. Seeds are addresses of SWIM, usually port 7946.  (engram.toml:3 (as cluster.seeds))']],
    ['a source that is filled in and not listed', `${on}[cluster.discovery.dns]\nname = "engram"\nport = 7000`, ['cluster.discovery.dns.name, cluster.discovery.dns.port have no effect because cluster.discovery.sources does not name "dns".  (engram.toml:4)']],
    ['two sources that are filled in and not listed', `${on}[cluster.discovery]\nsources = ["dns"]\ndns.name = "localhost"\naws.tag_value = "x"\nmulticast.ttl = 4`, [
      'cluster.discovery.aws.tag_value has no effect because cluster.discovery.sources does not name "aws".  (engram.toml:6)',
      'cluster.discovery.multicast.ttl has no effect because cluster.discovery.sources does not name "multicast".  (engram.toml:7)',
    ]],
    ['a token sent in the clear', `${on}discovery.sources = ["consul"]\nconsul.address = "10.0.0.9:8500"\nconsul.token = "x"`, ['cluster.discovery.consul.token is sent in the clear to 10.0.0.9:8500. Use cluster.discovery.consul.scheme = "https", or the agent of this machine.  (engram.toml:5 (as cluster.consul.token))']],
    ['a password sent in the clear', `${on}discovery.sources = ["etcd"]\netcd.endpoints = ["https://10.0.0.8:2379", "10.0.0.9:2379"]\netcd.username = "u"\netcd.password = "x"`, ['cluster.discovery.etcd.password is sent in the clear to http://10.0.0.9:2379. Use https:// endpoints.  (engram.toml:6 (as cluster.etcd.password))']],
  ])('%s', (_, toml, says) => {
    expect(oddities(toml)).toEqual(says);
  });
});

describe('nothing is odd about', () => {
  test.each<[what: string, toml: string, env?: Record<string, string>]>([
    ['three nodes on one machine', `${on}bootstrap_expect = 3\nseeds = ["127.0.0.1:7946", "127.0.0.1:7947", "localhost:7948"]`],
    ['the first node, which an operator initialises', on],
    ['a wildcard bind with an address to tell and keys', `${on}swim.bind = "0.0.0.0:7946"\nadvertise = "10.0.0.5:7946"\nswim.keys = ["${'A'.repeat(43)}="]\nseeds = ["10.0.0.6:7946"]\nbootstrap_expect = 5`],
    ['static seeds beside a source, without being listed', `${on}seeds = ["127.0.0.1:7946"]\ndiscovery.sources = ["multicast"]`],
    ['the table of a source that is listed', `${on}discovery.sources = ["dns"]\ndiscovery.dns = { name = "localhost", resolver = "127.0.0.1:53" }`],
    ['a token for the agent of this machine', `${on}discovery.sources = ["consul"]\nconsul.address = "127.0.0.1:8500"\nconsul.token = "x"`],
    ['a password over TLS', `${on}discovery.sources = ["etcd"]\netcd.endpoints = ["https://10.0.0.8:2379"]\netcd.username = "u"\netcd.password = "x"`],
    ['an advertised port that a router maps', `${on}advertise = "203.0.113.5:17946"`],
    ['a node that runs alone', ''],
  ])('%s', (_, toml, env) => {
    expect(oddities(toml, env)).toEqual([]);
  });
});

test('a seed on the command line is warned about like one in the file', () => {
  expect(oddities('', {}, { seed: ['10.0.0.5:7946'] })).toEqual([
    'cluster.advertise is not set, and cluster.swim.bind (127.0.0.1:7946) is an address that only this machine can call, but the seed 10.0.0.5:7946 is another machine. Bind SWIM to an address of the network, or advertise one.  (default)',
  ]);
});
