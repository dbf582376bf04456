/**
 * @engram/discovery: how a node finds its first peers. Every source is asked in parallel and the union of their answers
 * counts; one that fails never hides what another says.
 *
 * @example
 * ```ts
 * await using discovery = createDiscovery({ sources: [staticSource({ seeds: ['10.0.0.5'] }), dnsSource({ name: '_engram._tcp.example.com' })] });
 * const { endpoints, failures } = await discovery.discover();
 * ```
 *
 * @packageDocumentation
 */

// To find peers.
export { createDiscovery } from './node/create-discovery.js';

// Where they are looked for.
export { staticSource, type StaticSourceOptions } from './node/static-source.js';
export { dnsSource, type DnsSourceOptions } from './node/dns-source.js';
export { consulSource, type ConsulSourceOptions } from './node/consul-source.js';
export { etcdSource, type EtcdSourceOptions } from './node/etcd-source.js';
export type { EtcdCredentials } from './node/etcd-client.js';
export type { TlsOptions } from './node/bounded-http.js';
export { kubernetesSource, type KubernetesSourceOptions } from './node/kubernetes-source.js';
export { awsSource, type AwsSourceOptions } from './node/aws-source.js';
export { multicastSource, type MulticastCounters, type MulticastSource, type MulticastSourceOptions } from './node/multicast-source.js';

// What a discovery is.
export type {
  CreateDiscoveryOptions,
  Discovery,
  DiscoveryEvent,
  DiscoveryHealth,
  DiscoveryMetrics,
  DiscoverOptions,
  FoundEndpoint,
  HealthOptions,
  HistogramSnapshot,
  RegistrationOutcome,
  SourceHealth,
  SourceMetrics,
} from './discovery.js';
export type { EndpointSet, SourceFailure } from './core/index.js';

// To write a source of one's own.
export type { KubernetesResource } from './node/kubernetes-answer.js';
export type { NameLookup } from './node/name-book.js';
export type { ImportModule } from './node/optional-peer.js';
export type { SourceTiming } from './node/source-options.js';
export type { DiscoverySource, SelfRegistration, SourceAnswer, SourceCallOptions } from './source.js';
