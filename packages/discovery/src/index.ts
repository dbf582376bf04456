/**
 * @engram/discovery: how a node finds its first peers. Every source is asked in parallel and the union of their answers
 * counts; one that fails never hides what another says.
 *
 * @packageDocumentation
 */

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
} from './node/create-discovery.js';
export type { EndpointSet, SourceFailure } from './core/index.js';

// To write a source of one's own.
export type { DiscoverySource, SelfRegistration, SourceAnswer, SourceCallOptions } from './source.js';
