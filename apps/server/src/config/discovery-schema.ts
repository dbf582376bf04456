/** The tables of `[cluster.discovery]`: one for each source that `@engram/discovery` can ask. */
import { z } from 'zod';
import {
  address, addresses, boolean, choice, choices, duration, endpoints, optionalAddress, optionalDnsName, optionalName, optionalText,
  secretFile, text, wholeNumber,
} from './values.js';

export const discoverySources = ['static', 'dns', 'consul', 'etcd', 'kubernetes', 'aws', 'multicast'] as const;

export type DiscoverySource = (typeof discoverySources)[number];

const swimPort = (description: string) => wholeNumber({ default: 7_946, min: 1, max: 65_535, description });
const refresh = (byDefault: string, description: string) => duration({ default: byDefault, minMs: 1_000, maxMs: 3_600_000, description });
const timeLimit = (byDefault: string, of: string) => duration({ default: byDefault, minMs: 10, maxMs: 60_000, description: `How long ${of} may take before it counts as failed. Less than \`refresh_ms\`.` });

export const discovery = z.object({
  sources: choices({ of: discoverySources, description: 'Where the first peers come from. All are asked at once and their answers united; one that fails is reported and hides nothing. The static seeds are contacted whether `static` is listed here or not.' }),
  static: z.object({
    seeds: addresses({ description: 'SWIM addresses of nodes to contact first. A few that are usually up are enough; the list may contain this node. Without any, the node waits to be contacted.' }),
    refresh_ms: refresh('30s', 'How often the host names among them are resolved again.'),
  }),
  dns: z.object({
    name: optionalDnsName({ description: 'An SRV name such as `_engram._tcp.cluster.local`, or a host name with one address per node, such as that of a headless Service. Needed when `sources` names `dns`.' }),
    port: swimPort('SWIM port for names that resolve to plain addresses; SRV records bring their own.'),
    resolver: optionalAddress({ like: '10.0.0.2:53', description: 'The DNS server to ask; those of the system when not set.' }),
    refresh_ms: refresh('30s', 'How often the name is resolved again; sooner when the records say that they expire.'),
    timeout_ms: timeLimit('2s', 'a look-up'),
  }),
  consul: z.object({
    address: optionalAddress({ like: '127.0.0.1:8500', description: 'Where Consul answers, usually the agent of this machine at `127.0.0.1:8500`. Needed when `sources` names `consul`.' }),
    scheme: choice({ default: 'http', of: ['http', 'https'], description: 'How to talk to it.' }),
    service: text({ default: 'engram', description: 'The service whose instances are peers.' }),
    tag: optionalText({ description: 'Only instances with this tag.' }),
    token: optionalText({ secret: true, description: 'ACL token sent to Consul.' }),
    token_file: secretFile({ of: 'token' }),
    passing_only: boolean({ default: false, description: 'Only instances whose checks pass. Off, because a node that has just registered passes none yet, and SWIM finds out anyway who is alive.' }),
    datacenter: optionalText({ description: 'Datacenter to ask about; that of the agent when not set.' }),
    register: boolean({ default: true, description: 'Register this node, with a check on its HTTP port, and take it out when it leaves.' }),
    refresh_ms: refresh('1m', 'How often it is asked again, besides being watched.'),
    timeout_ms: timeLimit('5s', 'a look-up'),
  }),
  etcd: z.object({
    endpoints: endpoints({ description: 'Where etcd answers. Needed when `sources` names `etcd`.' }),
    prefix: text({ default: '/engram/peers/', description: 'Keys under this prefix hold the addresses of peers. One prefix for one cluster.' }),
    username: optionalText({ description: 'User of etcd, when it authenticates.' }),
    password: optionalText({ secret: true, description: 'Password of that user.' }),
    password_file: secretFile({ of: 'password' }),
    lease_ttl_ms: duration({ default: '10s', minMs: 2_000, maxMs: 3_600_000, description: 'How long this node stays registered after it was last heard of. Whole seconds count.' }),
    register: boolean({ default: true, description: 'Register this node under a lease that is kept alive, and revoke it when it leaves.' }),
    refresh_ms: refresh('30s', 'How often all keys are read again, besides being watched.'),
    timeout_ms: timeLimit('5s', 'a request'),
  }),
  kubernetes: z.object({
    namespace: optionalName({ like: 'default', most: 63, description: 'Namespace of the pods; the one of this pod when not set.' }),
    label_selector: text({ default: 'app=engram', description: 'Which pods, or which EndpointSlices, are peers.' }),
    port: swimPort('SWIM port of the pods.'),
    port_name: optionalName({ like: 'swim', most: 15, description: 'Name of a declared port to use instead of `port`, where there is one.' }),
    resource: choice({ default: 'pods', of: ['pods', 'endpointslices'], description: 'What is listed and watched. Addresses that are not ready count: a cluster that forms has nothing ready yet.' }),
    kubeconfig: optionalText({ description: 'Path of a kubeconfig, for which the package `@kubernetes/client-node` has to be installed; the service account of this pod when not set.' }),
    refresh_ms: refresh('5m', 'How often all of them are listed again, besides being watched.'),
    timeout_ms: timeLimit('10s', 'a request'),
  }),
  aws: z.object({
    region: optionalName({ like: 'eu-central-1', most: 63, description: 'Region of the instances; what `AWS_REGION` or the profile says when not set.' }),
    tag_key: text({ default: 'EngramCluster', description: 'Tag that marks the instances of a cluster.' }),
    tag_value: optionalText({ description: 'Value of that tag. Needed when `sources` names `aws`.' }),
    port: swimPort('SWIM port of the instances.'),
    private_ip: boolean({ default: true, description: 'Use private addresses; public ones otherwise.' }),
    refresh_ms: refresh('1m', 'How often the instances are listed again. EC2 limits how often it may be asked.'),
    timeout_ms: timeLimit('10s', 'a request'),
  }),
  multicast: z.object({
    group: address({ default: '239.255.79.46:7947', like: '239.255.79.46:7947', description: 'UDP multicast group and port. Nodes of other clusters may share it: the name of the cluster is checked.' }),
    interface: optionalText({ description: 'Address or name of the network interface to announce on; what the system chooses when not set.' }),
    ttl: wholeNumber({ default: 1, min: 0, max: 255, description: 'How many routers an announcement may pass, plus one; 0 keeps it on this machine.' }),
    interval_ms: duration({ default: '5s', minMs: 100, maxMs: 600_000, description: 'How often this node announces itself.' }),
    refresh_ms: refresh('15s', 'How often what was heard is gone through, to leave out who fell silent. Longer than `interval_ms`.'),
  }),
});

/** What each table is for, in the order of the reference. */
export const discoveryTitles: Readonly<Record<string, string>> = {
  'cluster.discovery': 'Where the first peers come from. Afterwards the members tell each other, so a source that goes away changes nothing for a cluster that has formed. `[cluster.dns]` is read as `[cluster.discovery.dns]`, and so for every source.',
  'cluster.discovery.static': 'Source `static`: addresses that are known.',
  'cluster.discovery.dns': 'Source `dns`: SRV, A and AAAA records.',
  'cluster.discovery.consul': 'Source `consul`: the instances of a service in Consul.',
  'cluster.discovery.etcd': 'Source `etcd`: nodes that registered under a prefix.',
  'cluster.discovery.kubernetes': 'Source `kubernetes`: pods or EndpointSlices by label.',
  'cluster.discovery.aws': 'Source `aws`: EC2 instances by tag, with the usual chain of credentials. The package `@aws-sdk/client-ec2` has to be installed.',
  'cluster.discovery.multicast': 'Source `multicast`: announcements on one local network, for laptops and edge sites.',
};
