export { clusterHealth, type ClusterHealth, type ClusterHealthStatus } from './cluster-health.js';
export type { ClusterNode, NodeServices } from './cluster-node.js';
export { EventLog, type LoggedEvent, type Reading } from './event-log.js';
export type { Initialized } from './formation.js';
export { clusterEventTypes, healthOfCluster, LoneMembership, peersOf, reasonForming, type ClusterEvent, type ClusterEventType, type ClusterPart, type Membership } from './membership.js';
export { openSwimMembership, type MembershipLog } from './swim-membership.js';
export { ReplicatedNode, type ReplicatedNodeOptions } from './replicated-node.js';
export { balanceOf, placementOf, type Balance, type NodeLoad, type PlacementView } from './placement-view.js';
export { mapNews } from './map-news.js';
