/** Where the first peers come from: the configuration becomes sources of discovery. */
import { awsSource, consulSource, createDiscovery, dnsSource, etcdSource, kubernetesSource, multicastSource, staticSource, type Discovery, type DiscoverySource } from '@engram/discovery';
import { EngramError } from '@engram/kernel';
import { formatAddress, type Config } from '../config/index.js';
import { DiscoveryLog } from './discovery-log.js';
import type { MembershipLog } from './swim-membership.js';

/** Undefined when the configuration names no source at all: the node waits to be contacted. */
export function peerDiscovery(config: Config['cluster'], log: MembershipLog): Discovery | undefined {
  const sources = sourcesOf(config);
  if (sources.length === 0) return undefined;
  const discoveryLog = new DiscoveryLog(log);
  return createDiscovery({ sources, onEvent: (event) => discoveryLog.note(event) });
}

/** Static seeds count whether or not `static` is listed. */
function sourcesOf({ name, discovery }: Config['cluster']): DiscoverySource[] {
  const listed = new Set<string>(discovery.sources);
  if (discovery.static.seeds.length > 0) listed.add('static');
  else listed.delete('static');
  return [...listed].map((source) => {
    try {
      return makers[source as keyof typeof makers](discovery, name);
    } catch (cause) {
      // What depends on this machine, such as the name of an interface, is only known to be wrong here.
      if (!(cause instanceof EngramError)) throw cause;
      throw new EngramError('invalid_config', `cluster.discovery.${source} cannot be used: ${cause.message}.`, { hint: `Correct cluster.discovery.${source}; \`engram config check\` shows where each value comes from.`, cause });
    }
  });
}

type Discoveries = Config['cluster']['discovery'];

const makers = {
  static: ({ static: { seeds, refresh_ms } }: Discoveries) => staticSource({ seeds: seeds.map(formatAddress), refreshMs: refresh_ms }),
  dns: ({ dns }: Discoveries) => dnsSource({ name: dns.name ?? '', port: dns.port, ...given({ resolver: dns.resolver && formatAddress(dns.resolver) }), ...timing(dns) }),
  consul: ({ consul }: Discoveries) => registering(consul.register, consulSource({
    scheme: consul.scheme, service: consul.service, passingOnly: consul.passing_only,
    ...given({ address: consul.address && formatAddress(consul.address), tag: consul.tag, token: consul.token, datacenter: consul.datacenter }),
    ...timing(consul),
  })),
  etcd: ({ etcd }: Discoveries) => registering(etcd.register, etcdSource({
    endpoints: etcd.endpoints, prefix: etcd.prefix, leaseTtlMs: etcd.lease_ttl_ms,
    ...given({ credentials: etcd.username === undefined ? undefined : { username: etcd.username, password: etcd.password ?? '' } }),
    ...timing(etcd),
  })),
  kubernetes: ({ kubernetes }: Discoveries) => kubernetesSource({
    labelSelector: kubernetes.label_selector, port: kubernetes.port, resource: kubernetes.resource,
    ...given({ namespace: kubernetes.namespace, portName: kubernetes.port_name, kubeconfig: kubernetes.kubeconfig }),
    ...timing(kubernetes),
  }),
  aws: ({ aws }: Discoveries) => awsSource({ tagKey: aws.tag_key, tagValue: aws.tag_value ?? '', port: aws.port, privateIp: aws.private_ip, ...given({ region: aws.region }), ...timing(aws) }),
  multicast: ({ multicast }: Discoveries, cluster: string) => multicastSource({
    cluster, group: formatAddress(multicast.group), ttl: multicast.ttl, announceMs: multicast.interval_ms, refreshMs: multicast.refresh_ms,
    ...given({ interface: multicast.interface }),
  }),
} as const satisfies Record<Discoveries['sources'][number], (discovery: Discoveries, cluster: string) => DiscoverySource>;

function timing({ refresh_ms, timeout_ms }: { readonly refresh_ms: number; readonly timeout_ms: number }): { refreshMs: number; timeoutMs: number } {
  return { refreshMs: refresh_ms, timeoutMs: timeout_ms };
}

/** Without what is not set. */
function given<Fields extends Record<string, unknown>>(fields: Fields): { [Key in keyof Fields]?: Exclude<Fields[Key], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}

/** A source that is only read when this node is not to be registered with it. */
function registering(isWanted: boolean, source: DiscoverySource): DiscoverySource {
  if (isWanted) return source;
  const { name, refreshMs, timeoutMs } = source;
  return {
    name, refreshMs, timeoutMs,
    lookUp: (options) => source.lookUp(options),
    ...(source.watch && { watch: (emit, options) => source.watch!(emit, options) }),
    ...(source.close && { close: () => source.close!() }),
  };
}
