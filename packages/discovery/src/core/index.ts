/**
 * @engram/discovery/core: the deciding part of discovery, without clock, socket or promise, for simulations and for
 * drivers of one's own.
 *
 * @packageDocumentation
 */

export { DiscoveryCore, lonelyRefreshFactor, watchedRefreshFactor, type Answer, type DiscoveryEffect, type DiscoveryInput, type DiscoveryOptions, type SourceRules, type SourceStatus } from './discovery.js';
export type { EndpointSet, SourceFailure } from './endpoint-set.js';
export { canonicalHost, defaultPort, familyOf, parseEndpoint, readEndpoint, spelled, type Endpoint } from './endpoint.js';
export { answerEndpointsMax, cleanAnswer, unionOf, type CleanAnswer, type Union } from './union.js';
export { announcementsMissedMax, Neighbours, type Announcement } from './neighbours.js';
