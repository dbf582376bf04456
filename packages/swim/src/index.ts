/**
 * @engram/swim: who is in the cluster, and who is alive. Nodes find failures by probing each other (SWIM with Lifeguard)
 * and pass on news by gossip, over UDP and TCP, with or without encryption.
 *
 * @example
 * ```ts
 * await using node = await createSwim({ cluster: 'orders', name: 'api-1', bind: '0.0.0.0:7946', seeds: ['10.0.0.5:7946'] });
 * await node.join();
 * for await (const change of node.changes({ signal })) console.log(change.type, change.member.name);
 * ```
 *
 * @packageDocumentation
 */

// To take part.
export { createSwim, type CreateSwimOptions } from './node/create-swim.js';
export type { Joined, Payload, SwimNode, Waiting } from './node/swim-node.js';

// Who is here.
export { bytesMetadata, jsonMetadata, type MetadataCodec, type SwimMember, type SwimMembers } from './node/member-view.js';
export type { BroadcastEvent, Change, MemberChange, MemberChangeType, MessageEvent, Resync, SwimEvents, SwimEventType } from './node/swim-events.js';
export type { RejectedEvent, RejectionReason } from './node/rejection-log.js';
export type { StreamRejection } from './node/tcp-transport.js';
export type { SealRejection } from './node/seal.js';

// Where others are found.
export type { FailedSeed, SeedSource } from './node/seeds.js';
export type { Lookup } from './node/lookup.js';

// Keys.
export { generateKey, Keyring, type KeyId, type KeyMaterial } from './node/keyring.js';

// The pace, and what is measured.
export { swimPresets, type MemberState, type Namesake, type SwimOptions, type SwimPreset } from './core/index.js';
export type { SwimMetrics } from './node/swim-metrics.js';
export type { TcpCounters } from './node/tcp-transport.js';
export type { UdpCounters } from './node/udp-transport.js';
export type { HistogramSnapshot } from './node/histogram.js';
