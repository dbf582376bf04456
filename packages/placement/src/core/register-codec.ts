import { isNodeId, unreachable } from '@engram/kernel';
import type { Ballot } from './ballot.js';
import { isCount, isText, packPlain, unpackPlain, type PlainItem } from './plain-msgpack.js';
import { votersMax, type Voter } from './quorum.js';
import type { Accepted, AcceptorState, RegisterRefusal, RegisterReply, RegisterRequest, RegisterState } from './register-messages.js';

/** The first byte of every message and of every stored state. Whoever changes what follows raises it and still reads the one before. */
export const registerWireVersion = 1;

/** Larger messages are turned away unread; a map of a thousand partitions takes a hundredth. */
export const registerBytesMax = 4 * 1024 * 1024;

/** How the value of a register becomes bytes. `decode` returns undefined for bytes that are no value, and never throws. */
export interface ValueCodec<V> {
  /** The same bytes for the same value. */
  encode(value: V): Uint8Array;
  /** Undefined for bytes that are no value; never throws. */
  decode(bytes: Uint8Array): V | undefined;
}

/** For registers of plain bytes. */
export const bytesCodec: ValueCodec<Uint8Array> = Object.freeze({ encode: (value: Uint8Array) => value, decode: (bytes: Uint8Array) => bytes });

/** A message of the register, and which half of a node it is for. */
export type RegisterMessage<V> = { readonly to: 'acceptor'; readonly request: RegisterRequest<V> } | { readonly to: 'proposer'; readonly reply: RegisterReply<V> };

/** Why bytes were turned away. `bad-message`: well-formed, and no message of this version. */
export type RegisterRejection = 'too-large' | 'other-version' | 'malformed' | 'bad-message';
/** What bytes turned out to be. */
export type RegisterDecoded<T> = { readonly kind: 'decoded'; readonly message: T } | { readonly kind: 'rejected'; readonly reason: RegisterRejection };

const refusals: readonly RegisterRefusal[] = ['ballot', 'older-voters', 'other-disk'];
const proposerLengthMax = 96;
const storageIdLengthMax = 64;
const changeLengthMax = 128;
/** Message, accepted, state, voters, voter. */
const depthMax = 6;

/** One byte of version, then a msgpack array that begins with the number of the kind. */
export function encodeRegisterMessage<V>(message: RegisterMessage<V>, codec: ValueCodec<V>): Uint8Array {
  return versioned(message.to === 'acceptor' ? requestItems(message.request, codec) : replyItems(message.reply, codec));
}

/** Never throws, whatever the bytes. */
export function decodeRegisterMessage<V>(bytes: Uint8Array, codec: ValueCodec<V>): RegisterDecoded<RegisterMessage<V>> {
  return decoded(bytes, (items) => messageOf(items, codec));
}

/** What an acceptor keeps on its disk. A checksum is the business of the disk's driver. */
export function encodeAcceptorState<V>(state: AcceptorState<V>, codec: ValueCodec<V>): Uint8Array {
  return versioned([ballotItems(state.promised), acceptedItems(state.accepted, codec)]);
}

/** Never throws. A state that cannot be read must not be taken for an empty disk: its voter has made promises. */
export function decodeAcceptorState<V>(bytes: Uint8Array, codec: ValueCodec<V>): RegisterDecoded<AcceptorState<V>> {
  return decoded(bytes, (items) => {
    const promised = ballotOf(items[0]);
    const accepted = acceptedOf(items[1], codec);
    return items.length === 2 && promised !== undefined && accepted !== bad ? { promised, accepted } : undefined;
  });
}

const bad = Symbol('bad');

function versioned(items: PlainItem): Uint8Array {
  const body = packPlain(items);
  const bytes = new Uint8Array(1 + body.length);
  bytes[0] = registerWireVersion;
  bytes.set(body, 1);
  return bytes;
}

function decoded<T>(bytes: Uint8Array, read: (items: readonly unknown[]) => T | undefined): RegisterDecoded<T> {
  if (bytes.length > registerBytesMax) return { kind: 'rejected', reason: 'too-large' };
  if (bytes[0] !== registerWireVersion) return { kind: 'rejected', reason: 'other-version' };
  const items = unpackPlain(bytes.subarray(1), depthMax);
  if (items === undefined) return { kind: 'rejected', reason: 'malformed' };
  const message = read(items);
  return message === undefined ? { kind: 'rejected', reason: 'bad-message' } : { kind: 'decoded', message };
}

function requestItems<V>(request: RegisterRequest<V>, codec: ValueCodec<V>): PlainItem {
  const { storageId, ballot } = request;
  switch (request.kind) {
    case 'prepare': return [0, storageId, ballotItems(ballot), request.votersVersion];
    case 'accept':  return [1, storageId, ballotItems(ballot), stateItems(request.state, codec)];
    case 'read':    return [2, storageId, ballotItems(ballot), request.votersVersion];
    default:        return unreachable(request);
  }
}

function replyItems<V>(reply: RegisterReply<V>, codec: ValueCodec<V>): PlainItem {
  const { storageId, ballot } = reply;
  switch (reply.kind) {
    case 'promise':  return [3, storageId, ballotItems(ballot), acceptedItems(reply.accepted, codec)];
    case 'accepted': return [4, storageId, ballotItems(ballot)];
    case 'readout':  return [5, storageId, ballotItems(ballot), acceptedItems(reply.accepted, codec)];
    case 'refused':  return [6, storageId, ballotItems(ballot), refusals.indexOf(reply.reason), ballotItems(reply.promised), acceptedItems(reply.accepted, codec)];
    default:         return unreachable(reply);
  }
}

function messageOf<V>(items: readonly unknown[], codec: ValueCodec<V>): RegisterMessage<V> | undefined {
  const [kind, storageId, ballotPart, a, b, c] = items;
  const ballot = ballotOf(ballotPart);
  if (!isText(storageId, storageIdLengthMax, 1) || ballot === undefined) return undefined;
  const fields = { storageId, ballot };
  if (kind === 0 || kind === 2) {
    const name = kind === 0 ? 'prepare' : 'read';
    return items.length === 4 && isCount(a) ? { to: 'acceptor', request: { kind: name, ...fields, votersVersion: a } } : undefined;
  }
  if (kind === 1) {
    const state = stateOf(a, codec);
    return items.length === 4 && state !== undefined ? { to: 'acceptor', request: { kind: 'accept', ...fields, state } } : undefined;
  }
  if (kind === 4) return items.length === 3 ? { to: 'proposer', reply: { kind: 'accepted', ...fields } } : undefined;
  if (kind === 3 || kind === 5) {
    const accepted = acceptedOf(a, codec);
    return items.length === 4 && accepted !== bad ? { to: 'proposer', reply: { kind: kind === 3 ? 'promise' : 'readout', ...fields, accepted } } : undefined;
  }
  if (kind !== 6 || items.length !== 6 || !isCount(a)) return undefined;
  const [reason, promised] = [refusals[a], ballotOf(b)];
  const accepted = acceptedOf(c, codec);
  return reason !== undefined && promised !== undefined && accepted !== bad ? { to: 'proposer', reply: { kind: 'refused', ...fields, reason, promised, accepted } } : undefined;
}

function ballotItems(ballot: Ballot): PlainItem {
  return [ballot.round, ballot.proposer];
}

function ballotOf(item: unknown): Ballot | undefined {
  if (!Array.isArray(item) || item.length !== 2) return undefined;
  const [round, proposer] = item as unknown[];
  return isCount(round) && isText(proposer, proposerLengthMax) ? { round, proposer } : undefined;
}

function acceptedItems<V>(accepted: Accepted<V> | undefined, codec: ValueCodec<V>): PlainItem {
  return accepted === undefined ? null : [ballotItems(accepted.ballot), stateItems(accepted.state, codec)];
}

function acceptedOf<V>(item: unknown, codec: ValueCodec<V>): Accepted<V> | undefined | typeof bad {
  if (item === null) return undefined;
  if (!Array.isArray(item) || item.length !== 2) return bad;
  const [ballotPart, statePart] = item as unknown[];
  const [ballot, state] = [ballotOf(ballotPart), stateOf(statePart, codec)];
  return ballot === undefined || state === undefined ? bad : { ballot, state };
}

function stateItems<V>(state: RegisterState<V>, codec: ValueCodec<V>): PlainItem {
  const { previousVoters } = state;
  return [state.version, codec.encode(state.value), state.change, votersItems(state.voters), previousVoters === undefined ? null : votersItems(previousVoters), state.votersVersion];
}

function stateOf<V>(item: unknown, codec: ValueCodec<V>): RegisterState<V> | undefined {
  if (!Array.isArray(item) || item.length !== 6) return undefined;
  const [version, valuePart, change, votersPart, previousPart, votersVersion] = item as unknown[];
  if (!isCount(version, 1) || !isCount(votersVersion, 1, version) || !isText(change, changeLengthMax) || !(valuePart instanceof Uint8Array)) return undefined;
  const voters = votersOf(votersPart);
  const previousVoters = previousPart === null ? undefined : votersOf(previousPart);
  if (voters === undefined || (previousPart !== null && previousVoters === undefined)) return undefined;
  // A copy as plain bytes: the decoder hands out a Buffer, and views of what it reads.
  const value = codec.decode(Uint8Array.from(valuePart));
  return value === undefined ? undefined : { version, value, change, voters, previousVoters, votersVersion };
}

function votersItems(voters: readonly Voter[]): PlainItem {
  return voters.map(({ id, storageId }) => [id, storageId]);
}

function votersOf(item: unknown): readonly Voter[] | undefined {
  if (!Array.isArray(item) || item.length === 0 || item.length > votersMax) return undefined;
  const voters: Voter[] = [];
  for (const part of item as unknown[]) {
    if (!Array.isArray(part) || part.length !== 2) return undefined;
    const [id, storageId] = part as unknown[];
    if (!isNodeId(id) || !isText(storageId, storageIdLengthMax, 1)) return undefined;
    voters.push({ id, storageId });
  }
  return voters;
}
