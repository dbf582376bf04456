/** The sources of discovery that a machine can have without a cloud: what each needs, and how nodes are told of it. */
import { freePorts } from './free-ports.js';
import { missing, startDnsmasq, startEtcd, type LocalServer } from './local-servers.js';
import { missingMulticast } from './multicast.js';

export interface PeerSource {
  /** What nodes are started with; without names of nodes, which do not need to be known. */
  readonly environment: Readonly<Record<string, string>>;
  /** Absent where there is nothing that could be stopped. */
  readonly server?: LocalServer;
}

export interface PeerSourceKind {
  readonly name: 'static' | 'dns' | 'etcd' | 'multicast';
  /** Why it cannot be had here. */
  readonly missing: string | undefined;
  /** @param swimPorts where the nodes will listen on 127.0.0.1 */
  open(swimPorts: readonly number[]): Promise<PeerSource>;
}

const multicastGroup = '239.255.79.46';

export const peerSourceKinds: readonly PeerSourceKind[] = [
  {
    name: 'static',
    missing: undefined,
    open: async (swimPorts) => ({ environment: { ENGRAM_CLUSTER_DISCOVERY_STATIC_SEEDS: swimPorts.map((port) => `127.0.0.1:${port}`).join(',') } }),
  },
  {
    name: 'dns',
    missing: missing('dnsmasq'),
    async open(swimPorts) {
      const server = await startDnsmasq(serviceRecords(swimPorts));
      return { server, environment: { ENGRAM_CLUSTER_DISCOVERY_SOURCES: 'dns', ENGRAM_CLUSTER_DISCOVERY_DNS_NAME: serviceName, ENGRAM_CLUSTER_DISCOVERY_DNS_RESOLVER: server.address } };
    },
  },
  {
    name: 'etcd',
    missing: missing('etcd'),
    async open() {
      const server = await startEtcd();
      return { server, environment: { ENGRAM_CLUSTER_DISCOVERY_SOURCES: 'etcd', ENGRAM_CLUSTER_DISCOVERY_ETCD_ENDPOINTS: server.address } };
    },
  },
  {
    name: 'multicast',
    missing: await missingMulticast(multicastGroup),
    async open() {
      const [port] = (await freePorts(1)) as [number];
      return { environment: { ENGRAM_CLUSTER_DISCOVERY_SOURCES: 'multicast', ENGRAM_CLUSTER_DISCOVERY_MULTICAST_GROUP: `${multicastGroup}:${port}`, ENGRAM_CLUSTER_DISCOVERY_MULTICAST_INTERFACE: '127.0.0.1', ENGRAM_CLUSTER_DISCOVERY_MULTICAST_TTL: '0' } };
    },
  },
];

export const serviceName = '_engram._tcp.test';

/** Lines of dnsmasq for one SRV record, and its address, for each port, with the TTL of a usual zone: 0 would be asked again every second. */
export function serviceRecords(swimPorts: readonly number[]): readonly string[] {
  return ['local-ttl=30', ...swimPorts.flatMap((port, at) => [`srv-host=${serviceName},n${at + 1}.test,${port}`, `host-record=n${at + 1}.test,127.0.0.1`])];
}
