export { CircuitBreaker, type CircuitBreakerOptions } from './circuit-breaker.js';
export type { ControlLinkStats } from './control-link.js';
export { PeerChannels, type ChannelLease, type Lane, type PeerChannelsOptions } from './peer-channels.js';
export { PeerLinks, type ForwardedCalls, type PeerLinksOptions, type PeerLinksStats, type PeerLog, type PeerTimings, type ReplicationStreamStats } from './peer-links.js';
export { HttpForwarder, type ForwardedAnswer, type ForwardedRequest, type HttpForwarderOptions, type HttpForwarderStats } from './forward-http.js';
export { GrpcForwarder, type ForwardableMethod, type ForwardedCall, type GrpcForwarderOptions } from './forward-grpc.js';
export { forwardedByHeader, passedHeaders, readForwarded, servedByHeader } from './forwarded.js';
