/**
 * SWIM without sockets and clocks: the state machine and its codec. For simulators, other transports and other
 * drivers; users of a cluster import `@engram/swim`.
 *
 * @packageDocumentation
 */
export { SwimCore } from './swim.js';
export type { SwimSelf } from './swim-self.js';
export type { Phase } from './swim-context.js';
export type { FailedContact, MemberChange, Namesake, ProbeOutcome, RefusalCode, Rejection, RequestId, StreamId, SwimEffect, SwimEvent } from './messages.js';
export { addressBytesMax, epochMax, incarnationMax, isAddress, type Address, type Identity, type Member, type MembershipView, type MemberState, type Metadata } from './member.js';
export { resolveSwimOptions, swimPresets, type ResolvedSwimOptions, type SwimOptions, type SwimPreset } from './options.js';
export type { SwimStats } from './stats.js';
export { checkMetadata } from './metadata.js';

export { compareClaims, type Order } from './digest.js';
export { assemblePacket, clusterTag, clusterTagOf, decodePacket, encodeMessage, encodePacket, encodeSender, headerBytes, packetHeader, packetOverhead, topicBytesMax, wireVersion, type DecodeLimits, type DecodeOutcome } from './codec.js';
export type { BroadcastMessage, Channel, Claim, ClaimedMetadata, DigestEntry, Packet, WireMessage } from './wire.js';
