import { hash64, isClusterId, isNodeId, isPlainArray, unreachable, utf8Length, type ClusterId } from '@engram/kernel';
import { Packr } from 'msgpackr';
import { addressBytesMax, epochMax, incarnationMax, isAddress, type Identity, type MemberState } from './member.js';
import type { Rejection } from './messages.js';
import { bucketCount } from './digest.js';
import type { BroadcastMessage, Channel, Claim, ClaimedMetadata, DigestEntry, Packet, WireMessage } from './wire.js';

/**
 * A packet on the wire:
 *
 *     2 bytes   "SW"
 *     1 byte    version
 *     4 bytes   hash of the cluster's name
 *     4 bytes   hash of its name and its id; 0 while the sender knows no id
 *     msgpack   [id, epoch, incarnation, message, message, ...], each message an array that begins with its number
 *
 * Whoever belongs to another cluster or speaks another version is turned away by the first eleven bytes, before
 * anything is parsed; `cluster-identity.ts` tells how a node comes to know its cluster's id. The messages are
 * encoded once and put end to end, however many packets they ride in.
 */
export const wireVersion = 2;
/** Length of what `packetHeader` makes. */
export const headerBytes = 11;
const magic = [0x53, 0x57] as const;
const nameAt = 3;
const tagAt = 7;

/** Outer array, message, list, entry of the list. */
const depthMax = 4;
const messagesPerDatagramMax = 256;
const messagesPerFrameMax = 16_384;
/** Of the topic of a broadcast, in UTF-8. */
export const topicBytesMax = 64;
/** A hundred years; older tombstones do not exist. */
const ageSMax = 3_155_760_000;
const uint32Max = 2 ** 32 - 1;
const hashBytes = 8;

/** The first eleven bytes of every packet of this cluster, from a node that knows its id or from one that does not. */
export function packetHeader(cluster: ClusterId, clusterId?: string): Uint8Array {
  const header = new Uint8Array(headerBytes);
  header.set([...magic, wireVersion]);
  const view = new DataView(header.buffer);
  view.setUint32(nameAt, Number(hash64(cluster) >> 32n));
  view.setUint32(tagAt, clusterId === undefined ? 0 : clusterTag(cluster, clusterId));
  return header;
}

/** What stands for a cluster in headers; never 0. No name holds a slash, so no two pairs make one text. */
export function clusterTag(cluster: ClusterId, clusterId: string): number {
  return Number(hash64(`${cluster}/${clusterId}`) & 0xffff_ffffn) || 1;
}

/** Of a packet that is not too short. */
export function clusterTagOf(packet: Uint8Array): number {
  return new DataView(packet.buffer, packet.byteOffset).getUint32(tagAt);
}

/** Limits that the reader sets; all else is fixed by the protocol. */
export interface DecodeLimits {
  readonly datagramBytesMax: number;
  readonly streamBytesMax: number;
  readonly metadataBytesMax: number;
}

/** A packet, or why the bytes are none of ours. */
export type DecodeOutcome = { readonly kind: 'packet'; readonly packet: Packet } | { readonly kind: 'rejected'; readonly reason: Rejection };

const packr = new Packr({ useRecords: false });
const numberOf = { ping: 0, ack: 1, 'ping-req': 2, nack: 3, alive: 4, suspect: 5, dead: 6, left: 7, broadcast: 8, message: 9, received: 10, 'sync-buckets': 11, 'sync-digest': 12, 'sync-wants': 13, 'sync-done': 14, 'metadata-pull': 15, metadata: 16, 'cluster-id': 17 } as const;
const states: readonly MemberState[] = ['alive', 'suspect', 'dead', 'left'];

/** The bytes of one message, as they stand within a packet. */
export function encodeMessage(message: WireMessage): Uint8Array {
  return packr.pack(fieldsOf(message)) as Uint8Array;
}

/** The three items that begin every packet of one sender. */
export function encodeSender(sender: Identity): Uint8Array {
  return concat([packr.pack(sender.id), packr.pack(sender.epoch), packr.pack(sender.incarnation)]);
}

/** Bytes of a packet before its first message, at most. */
export function packetOverhead(sender: Uint8Array): number {
  return headerBytes + 3 + sender.length;
}

/** Puts together what `encodeMessage` and `encodeSender` made. */
export function assemblePacket(header: Uint8Array, sender: Uint8Array, messages: readonly Uint8Array[]): Uint8Array {
  const items = 3 + messages.length;
  // A short array has a shorter count, and most packets are one ping or one ack.
  const count = items < 16 ? Uint8Array.of(0x90 | items) : Uint8Array.of(0xdc, items >>> 8, items & 0xff);
  return concat([header, count, sender, ...messages]);
}

/** The bytes of a whole packet. Throws nothing for what the core puts together; sizes are the caller's to keep. */
export function encodePacket(header: Uint8Array, packet: Packet): Uint8Array {
  return assemblePacket(header, encodeSender(packet.from), packet.messages.map(encodeMessage));
}

/** Never throws, whatever the bytes. What it returns shares no memory with them. */
export function decodePacket(bytes: Uint8Array, header: Uint8Array, channel: Channel, limits: DecodeLimits): DecodeOutcome {
  const refusal = refusalByHeader(bytes, header, channel, limits);
  if (refusal) return rejected(refusal);
  if (!isPlainArray(bytes, headerBytes, depthMax)) return rejected('malformed');
  let items: unknown;
  try {
    // A copy, because the decoder hands out views of what it reads and sockets reuse their buffers.
    items = packr.unpack(bytes.slice(headerBytes));
  } catch {
    return rejected('malformed');
  }
  if (!Array.isArray(items) || items.length < 3) return rejected('malformed');
  if (items.length - 3 > (channel === 'datagram' ? messagesPerDatagramMax : messagesPerFrameMax)) return rejected('too-large');
  const [id, epoch, incarnation] = items as unknown[];
  if (!isNodeId(id) || !isEpoch(epoch) || !isIncarnation(incarnation)) return rejected('bad-message');
  return decodeMessages(items.slice(3), { id, epoch, incarnation }, channel, limits);
}

function refusalByHeader(bytes: Uint8Array, header: Uint8Array, channel: Channel, limits: DecodeLimits): Rejection | undefined {
  if (bytes.length < headerBytes) return 'too-short';
  if (bytes.length > (channel === 'datagram' ? limits.datagramBytesMax : limits.streamBytesMax)) return 'too-large';
  if (bytes[0] !== magic[0] || bytes[1] !== magic[1]) return 'not-swim';
  if (bytes[2] !== wireVersion) return 'other-version';
  for (let i = nameAt; i < tagAt; i++) if (bytes[i] !== header[i]) return 'other-cluster';
  const [tag, own] = [clusterTagOf(bytes), clusterTagOf(header)];
  return tag === own || tag === 0 || own === 0 ? undefined : 'other-cluster-id';
}

/** One bad message condemns the packet: whoever sends it is not one of ours, and half a packet is no packet. */
function decodeMessages(items: readonly unknown[], from: Identity, channel: Channel, limits: DecodeLimits): DecodeOutcome {
  const messages: WireMessage[] = [];
  let questions = 0;
  for (const item of items) {
    if (!Array.isArray(item)) return rejected('bad-message');
    const message = messageOf(item as unknown[], limits);
    if (!message) return rejected('bad-message');
    if (!isAtHome(message, channel)) return rejected('misplaced');
    // Each question costs an answer; more than one in a packet would make the answers larger than the packet.
    if (message.kind === 'ping' || message.kind === 'ping-req') questions++;
    messages.push(message);
  }
  return questions > 1 ? rejected('bad-message') : { kind: 'packet', packet: { from, messages } };
}

function isAtHome(message: WireMessage, channel: Channel): boolean {
  switch (message.kind) {
    case 'ping': case 'ack': case 'claim': case 'message': case 'cluster-id':
      return true;
    case 'ping-req': case 'nack': case 'broadcast':
      return channel === 'datagram';
    case 'received': case 'sync-buckets': case 'sync-digest': case 'sync-wants': case 'sync-done': case 'metadata-pull': case 'metadata':
      return channel === 'stream';
    default:
      return unreachable(message);
  }
}

function fieldsOf(message: WireMessage): readonly unknown[] {
  switch (message.kind) {
    case 'ping':          return [numberOf.ping, message.seq, message.target, message.view];
    case 'ack':           return message.stranger ? [numberOf.ack, message.seq, 1] : [numberOf.ack, message.seq];
    case 'ping-req':      return [numberOf['ping-req'], message.seq, message.relay, message.target];
    case 'nack':          return [numberOf.nack, message.seq];
    case 'claim':         return claimFields(message);
    case 'broadcast':     return [numberOf.broadcast, message.origin, message.high, message.low, message.topic, message.bytes];
    case 'message':       return [numberOf.message, message.target, message.epoch, message.bytes];
    case 'received':      return [numberOf.received];
    case 'sync-buckets':  return [numberOf['sync-buckets'], message.fingerprints];
    case 'sync-digest':   return [numberOf['sync-digest'], message.buckets, message.entries.map((e) => [e.id, e.epoch, e.incarnation, states.indexOf(e.state), e.metadataVersion]), message.more ? 1 : 0];
    case 'sync-wants':    return [numberOf['sync-wants'], message.ids];
    case 'sync-done':     return [numberOf['sync-done']];
    case 'metadata-pull': return [numberOf['metadata-pull'], message.epoch, message.version];
    case 'metadata':      return [numberOf.metadata, message.epoch, message.version, message.bytes];
    case 'cluster-id':    return [numberOf['cluster-id'], message.clusterId];
    default:              return unreachable(message);
  }
}

function claimFields(claim: Claim): readonly unknown[] {
  const head = [numberOf[claim.state], claim.id, claim.address, claim.epoch, claim.incarnation];
  switch (claim.state) {
    case 'alive':   return claim.metadata ? [...head, ...metadataFields(claim.metadata)] : head;
    case 'suspect': return [...head, claim.by ?? claim.id];
    case 'dead':    return [...head, claim.by ?? claim.id, claim.ageS];
    case 'left':    return [...head, claim.ageS];
    default:        return unreachable(claim.state);
  }
}

function metadataFields(metadata: ClaimedMetadata): readonly unknown[] {
  return metadata.bytes ? [metadata.version, metadata.bytes] : [metadata.version, metadata.bytesLength, metadata.hash];
}

function messageOf(fields: readonly unknown[], limits: DecodeLimits): WireMessage | undefined {
  const [number, a, b, c] = fields;
  const has = (count: number): boolean => fields.length === count + 1;
  switch (number) {
    case numberOf.ping:
      return has(3) && isUint32(a) && isNodeId(b) && isUint32(c) ? { kind: 'ping', seq: a, target: b, view: c } : undefined;
    case numberOf.ack:
      return (has(1) || (has(2) && b === 1)) && isUint32(a) ? { kind: 'ack', seq: a, stranger: b === 1 } : undefined;
    case numberOf['ping-req']:
      return has(3) && isUint32(a) && isNodeId(b) && isNodeId(c) ? { kind: 'ping-req', seq: a, relay: b, target: c } : undefined;
    case numberOf.nack:
      return has(1) && isUint32(a) ? { kind: 'nack', seq: a } : undefined;
    case numberOf.alive: case numberOf.suspect: case numberOf.dead: case numberOf.left:
      return claimOf(states[number - numberOf.alive] as MemberState, fields, limits);
    case numberOf.broadcast:
      return broadcastOf(fields);
    case numberOf.message:
      return has(3) && isNodeId(a) && isEpoch(b) && isBytes(c) ? { kind: 'message', target: a, epoch: b, bytes: c } : undefined;
    case numberOf.received:
      return has(0) ? { kind: 'received' } : undefined;
    case numberOf['sync-buckets']:
      return has(1) && isList(a, bucketCount, isUint32) && a.length === bucketCount ? { kind: 'sync-buckets', fingerprints: a } : undefined;
    case numberOf['sync-digest']:
      return syncDigestOf(fields);
    case numberOf['sync-wants']:
      return has(1) && isList(a, messagesPerFrameMax, isNodeId) ? { kind: 'sync-wants', ids: a } : undefined;
    case numberOf['sync-done']:
      return has(0) ? { kind: 'sync-done' } : undefined;
    case numberOf['metadata-pull']:
      return has(2) && isEpoch(a) && isUint32(b) ? { kind: 'metadata-pull', epoch: a, version: b } : undefined;
    case numberOf.metadata:
      return has(3) && isEpoch(a) && isUint32(b) && isBytes(c) && c.length <= limits.metadataBytesMax ? { kind: 'metadata', epoch: a, version: b, bytes: c } : undefined;
    case numberOf['cluster-id']:
      return has(1) && isClusterId(a) ? { kind: 'cluster-id', clusterId: a } : undefined;
    default:
      return undefined;
  }
}

function claimOf(state: MemberState, fields: readonly unknown[], limits: DecodeLimits): Claim | undefined {
  const [, id, address, epoch, incarnation, ...rest] = fields;
  if (!isNodeId(id) || !isAddress(address) || !isEpoch(epoch) || !isIncarnation(incarnation)) return undefined;
  const claim = { kind: 'claim', state, id, address, epoch, incarnation, by: undefined, ageS: 0, metadata: undefined } as const;
  const [first, second] = rest;
  switch (state) {
    case 'alive': {
      if (rest.length === 0) return claim;
      const metadata = claimedMetadataOf(rest, limits);
      return metadata && { ...claim, metadata };
    }
    case 'suspect': return rest.length === 1 && isNodeId(first) ? { ...claim, by: first } : undefined;
    case 'dead':    return rest.length === 2 && isNodeId(first) && isAge(second) ? { ...claim, by: first, ageS: second } : undefined;
    case 'left':    return rest.length === 1 && isAge(first) ? { ...claim, ageS: first } : undefined;
    default:        return unreachable(state);
  }
}

function claimedMetadataOf(rest: readonly unknown[], limits: DecodeLimits): ClaimedMetadata | undefined {
  const [version, value, hash] = rest;
  if (!isUint32(version) || version === 0) return undefined;
  if (rest.length === 2 && isBytes(value) && value.length <= limits.metadataBytesMax) return { version, bytesLength: value.length, bytes: value, hash: undefined };
  const isHashed = rest.length === 3 && isUint32(value) && value <= limits.metadataBytesMax && isBytes(hash) && hash.length === hashBytes;
  return isHashed ? { version, bytesLength: value, bytes: undefined, hash } : undefined;
}

function broadcastOf(fields: readonly unknown[]): BroadcastMessage | undefined {
  const [, origin, high, low, topic, bytes] = fields;
  const isWhole = fields.length === 6 && isNodeId(origin) && isUint32(high) && isUint32(low) && isTopic(topic) && isBytes(bytes);
  return isWhole ? { kind: 'broadcast', origin, high, low, topic, bytes } : undefined;
}

function syncDigestOf(fields: readonly unknown[]): WireMessage | undefined {
  const [, buckets, entries, more] = fields;
  if (fields.length !== 4 || !isList(buckets, bucketCount, isBucket) || !Array.isArray(entries) || entries.length > messagesPerFrameMax || !isFlag(more)) return undefined;
  const digest: DigestEntry[] = [];
  for (const entry of entries as unknown[]) {
    if (!Array.isArray(entry) || entry.length !== 5) return undefined;
    const [id, epoch, incarnation, state, metadataVersion] = entry as unknown[];
    if (!isNodeId(id) || !isEpoch(epoch) || !isIncarnation(incarnation) || !isWholeUpTo(state, 3) || !isUint32(metadataVersion)) return undefined;
    digest.push({ id, epoch, incarnation, state: states[state] as MemberState, metadataVersion });
  }
  return { kind: 'sync-digest', buckets, entries: digest, more: more === 1 };
}

export function isTopic(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= topicBytesMax && utf8Length(value) <= topicBytesMax;
}

const isWholeUpTo = (value: unknown, max: number): value is number => typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max;
const isUint32 = (value: unknown): value is number => isWholeUpTo(value, uint32Max);
const isFlag = (value: unknown): value is 0 | 1 => value === 0 || value === 1;
const isBucket = (value: unknown): value is number => isWholeUpTo(value, bucketCount - 1);
const isAge = (value: unknown): value is number => isWholeUpTo(value, ageSMax);
const isIncarnation = (value: unknown): value is number => isWholeUpTo(value, incarnationMax);
const isEpoch = (value: unknown): value is number => isWholeUpTo(value, epochMax) && value >= 1;
const isBytes = (value: unknown): value is Uint8Array => value instanceof Uint8Array;

function isList<T>(value: unknown, lengthMax: number, isItem: (item: unknown) => item is T): value is readonly T[] {
  return Array.isArray(value) && value.length <= lengthMax && value.every(isItem);
}

function rejected(reason: Rejection): DecodeOutcome {
  return { kind: 'rejected', reason };
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** The most that one claim takes in a packet, metadata aside. */
export const claimBytesMax = 1 + 1 + (2 + 64) + (2 + addressBytesMax) + 9 + 9 + (2 + 64) + 9;
