import { isNodeId, utf8Encode, type NodeId } from '@engram/kernel';
import { clusterMapCodec, decodeAcceptorState, decodeRegisterMessage, encodeAcceptorState, encodeRegisterMessage, mapBytesProblem, registerBytesMax, registerWireVersion, ballotZero, type LeaseReply, type LeaseRequest, type MapContent, type RegisterMessage, type RegisterState } from '@engram/placement/core';

/** What nodes of a cluster say to each other besides entries of the log. Lossy: whoever gets no answer asks again. */
export type ControlMessage =
  | { readonly kind: 'register'; readonly message: RegisterMessage<MapContent> }
  | { readonly kind: 'lease-request'; readonly request: LeaseRequest }
  | { readonly kind: 'lease-reply'; readonly storageId: string; readonly reply: LeaseReply }
  /** Give me the map when yours is newer than `epoch`. */
  | { readonly kind: 'map-request'; readonly epoch: number }
  /** A map that was chosen. */
  | { readonly kind: 'map'; readonly state: RegisterState<MapContent> }
  /** To a primary: let that copy be primary in your place, or whichever has come furthest. */
  | { readonly kind: 'hand-over'; readonly partition: number; readonly to: NodeId | undefined }
  /** To the steward: look at what is to be moved now. */
  | { readonly kind: 'plan-moves' };

const channels = { register: 1, 'lease-request': 2, 'lease-reply': 3, 'map-request': 4, map: 5, 'hand-over': 6, 'plan-moves': 7 } as const;
/** Leases and requests are small; the register and maps have the bound of the register. */
const smallBytesMax = 65_536;
const storageIdLengthMax = 64;
const othersMax = 1_000;

/** One byte that says what it is, then the message as its own codec writes it; the small ones as JSON. */
export function encodeControl(message: ControlMessage): Uint8Array {
  switch (message.kind) {
    case 'register':      return tagged(channels.register, encodeRegisterMessage(message.message, clusterMapCodec));
    case 'map':           return tagged(channels.map, encodeAcceptorState({ promised: ballotZero, accepted: { ballot: ballotZero, state: message.state } }, clusterMapCodec));
    case 'lease-request': return tagged(channels['lease-request'], json(message.request));
    case 'lease-reply':   return tagged(channels['lease-reply'], json({ storageId: message.storageId, ...message.reply }));
    case 'map-request':   return tagged(channels['map-request'], json({ epoch: message.epoch }));
    case 'hand-over':     return tagged(channels['hand-over'], json({ partition: message.partition, to: message.to }));
    case 'plan-moves':    return tagged(channels['plan-moves'], json({}));
  }
}

/** Undefined for whatever is no control message. Never throws. */
export function decodeControl(bytes: Uint8Array): ControlMessage | undefined {
  if (bytes.length < 2 || bytes.length > registerBytesMax + 1) return undefined;
  const body = bytes.subarray(1);
  switch (bytes[0]) {
    case channels.register: {
      const decoded = decodeRegisterMessage(body, clusterMapCodec);
      return decoded.kind === 'decoded' ? { kind: 'register', message: decoded.message } : undefined;
    }
    case channels.map: {
      const decoded = decodeAcceptorState(body, clusterMapCodec);
      const state = decoded.kind === 'decoded' ? decoded.message.accepted?.state : undefined;
      return state && { kind: 'map', state };
    }
    case channels['lease-request']: {
      const request = leaseRequestOf(parsed(body));
      return request && { kind: 'lease-request', request };
    }
    case channels['lease-reply']: {
      const value = parsed(body);
      const reply = leaseReplyOf(value);
      const storageId = value?.['storageId'];
      return reply && isStorageId(storageId) ? { kind: 'lease-reply', storageId, reply } : undefined;
    }
    case channels['map-request']: {
      const epoch = parsed(body)?.['epoch'];
      return isCount(epoch) ? { kind: 'map-request', epoch } : undefined;
    }
    case channels['hand-over']: {
      const { partition, to } = parsed(body) ?? {};
      return isCount(partition) && (to === undefined || isNodeId(to)) ? { kind: 'hand-over', partition, to } : undefined;
    }
    case channels['plan-moves']:
      return parsed(body) && { kind: 'plan-moves' };
    default:
      return undefined;
  }
}

/** What is wrong with bytes that are no control message, as a sentence for people. */
export function controlProblem(bytes: Uint8Array): string {
  const [channel] = bytes;
  if (channel !== channels.register && channel !== channels.map) return Object.values<number>(channels).includes(channel ?? 0) ? 'it cannot be read' : `it is of kind ${channel ?? 'none'}, which this node does not know`;
  let problem: string | undefined;
  const codec: typeof clusterMapCodec = {
    encode: clusterMapCodec.encode,
    decode(value) {
      problem ??= mapBytesProblem(value);
      return clusterMapCodec.decode(value);
    },
  };
  const body = bytes.subarray(1);
  const decoded = channel === channels.register ? decodeRegisterMessage(body, codec) : decodeAcceptorState(body, codec);
  if (problem !== undefined) return problem;
  if (decoded.kind === 'rejected' && decoded.reason === 'other-version') return `it is in version ${body[0]} of the protocol, and this node reads version ${registerWireVersion}`;
  return 'it cannot be read';
}

type Fields = Readonly<Record<string, unknown>>;

function tagged(channel: number, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(1 + body.length);
  bytes[0] = channel;
  bytes.set(body, 1);
  return bytes;
}

function json(fields: object): Uint8Array {
  return utf8Encode(JSON.stringify(fields));
}

/** All we write is ASCII, so a byte is a character. */
function parsed(body: Uint8Array): Fields | undefined {
  if (body.length > smallBytesMax) return undefined;
  try {
    let text = '';
    for (const byte of body) text += String.fromCharCode(byte);
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
  } catch {
    return undefined;
  }
}

function leaseRequestOf(fields: Fields | undefined): LeaseRequest | undefined {
  if (!fields || !isCount(fields['attempt'])) return undefined;
  const { kind, attempt, mapEpoch, node } = fields as { kind: unknown; attempt: number; mapEpoch: unknown; node: unknown };
  if (kind === 'renew' && isCount(mapEpoch)) return { kind, attempt, mapEpoch };
  if (kind === 'inquire' && isNodeId(node)) return { kind, attempt, node };
  return undefined;
}

function leaseReplyOf(fields: Fields | undefined): LeaseReply | undefined {
  if (!fields || !isCount(fields['attempt'])) return undefined;
  const { kind, attempt, mapEpoch, node, others, unknownForMs, runsOutInMs } = fields as { kind: unknown; attempt: number; mapEpoch: unknown; node: unknown; others: unknown; unknownForMs: unknown; runsOutInMs: unknown };
  if (kind === 'withheld' && isCount(mapEpoch)) return { kind, attempt, mapEpoch };
  if (kind === 'state' && isNodeId(node) && isMs(runsOutInMs)) return { kind, attempt, node, runsOutInMs };
  if (kind !== 'granted' || !isCount(mapEpoch) || !isMs(unknownForMs) || !Array.isArray(others) || others.length > othersMax) return undefined;
  const leases: { node: NodeId; runsOutInMs: number }[] = [];
  for (const other of others as Fields[]) {
    const { node: holder, runsOutInMs: left } = other ?? {};
    if (!isNodeId(holder) || !isMs(left)) return undefined;
    leases.push({ node: holder, runsOutInMs: left });
  }
  return { kind, attempt, mapEpoch, others: leases, unknownForMs };
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isMs = (value: unknown): value is number => typeof value === 'number' && value >= 0 && value <= 86_400_000;
const isStorageId = (value: unknown): value is string => typeof value === 'string' && /^[\x21-\x7e]+$/.test(value) && value.length <= storageIdLengthMax;
