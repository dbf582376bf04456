import { hlcFromBigInt, isClusterId, isNodeId, isPlainArray, unreachable, type Hlc } from '@engram/kernel';
import { Packr } from 'msgpackr';
import { lineageComplaint, lineageStepsMax, type LineageStep } from './lineage.js';
import { takenUpRunsMax, type TakenUp } from './set-aside.js';
import { protocolVersion, refusalReasons, type EntryGroup, type GoodbyeReason, type HeartbeatItem, type LineageItem, type OfferedEntry, type PositionItem, type SnapshotResume, type WireEntry, type WireMessage } from './wire.js';

/**
 * A message on the stream: "ER", one byte of version, then one msgpack array that begins with the number of its kind.
 * Whoever speaks another version is turned away by the third byte, before anything is parsed.
 */
export type DecodeOutcome =
  | { readonly kind: 'message'; readonly message: WireMessage }
  | { readonly kind: 'other-version'; readonly theirs: number }
  | { readonly kind: 'malformed'; readonly reason: string };

const magic = [0x45, 0x52] as const;
const headerBytes = 3;
/** Message, list of groups, group, list of entries, entry. */
const depthMax = 5;
/** What the largest message takes: one entry of the largest payload that the log accepts, and room around it. */
export const messageBytesMax = 5 * 1024 * 1024;
export const itemsMax = 65_536;
export const storageIdBytesMax = 64;
export const cursorBytesMax = 256;

const packr = new Packr({ useRecords: false });
const numberOf = {
  hello: 0, goodbye: 1, lineages: 2, positions: 3, entries: 4, appended: 5, refused: 6, fence: 7, fenced: 8, offer: 9, offered: 10,
  'snapshot-begin': 11, 'snapshot-chunk': 12, 'snapshot-end': 13, 'snapshot-ack': 14, heartbeat: 15,
} as const satisfies Record<WireMessage['kind'], number>;
const goodbyeReasons: readonly GoodbyeReason[] = ['other-cluster', 'other-version', 'same-node', 'malformed', 'other-node'];
const snapshotOutcomes = ['ok', 'corrupt', 'unexpected'] as const;

/** A message as bytes, version first. */
export function encodeMessage(message: WireMessage): Uint8Array {
  const body = packr.pack(fieldsOf(message)) as Uint8Array;
  const bytes = new Uint8Array(headerBytes + body.length);
  bytes.set([...magic, protocolVersion]);
  bytes.set(body, headerBytes);
  return bytes;
}

/** Never throws, whatever the bytes. What it returns shares no memory with them. */
export function decodeMessage(bytes: Uint8Array): DecodeOutcome {
  if (bytes.length < headerBytes || bytes[0] !== magic[0] || bytes[1] !== magic[1]) return malformed('not a message of replication');
  if (bytes[2] !== protocolVersion) return { kind: 'other-version', theirs: bytes[2] as number };
  if (bytes.length > messageBytesMax) return malformed('longer than allowed');
  if (!isPlainArray(bytes, headerBytes, depthMax)) return malformed('not one whole plain array');
  let items: unknown;
  try {
    // A copy, because the decoder hands out views of what it reads and transports reuse their buffers.
    items = packr.unpack(bytes.slice(headerBytes));
  } catch {
    return malformed('not decodable');
  }
  const message = Array.isArray(items) ? messageOf(items as unknown[]) : undefined;
  return message ? { kind: 'message', message } : malformed('fields that break the rules');
}

function malformed(reason: string): DecodeOutcome {
  return { kind: 'malformed', reason };
}

function fieldsOf(message: WireMessage): readonly unknown[] {
  const n = numberOf[message.kind];
  switch (message.kind) {
    case 'hello':          return [n, message.clusterId, message.nodeId, message.storageId];
    case 'goodbye':        return [n, goodbyeReasons.indexOf(message.reason), message.ours, message.theirs];
    case 'lineages':       return [n, message.items.map((i) => [i.partition, i.epoch, i.seq, i.committed, stepFields(i.lineage)])];
    case 'positions':      return [n, message.items.map((i) => [i.partition, i.epoch, i.seq, i.resume ? [i.resume.at.epoch, i.resume.at.seq, i.resume.cursor, i.resume.chunks, i.resume.checksum] : null])];
    case 'entries':        return [n, message.groups.map((g) => [g.partition, g.epoch, g.firstSeq, g.prevEpoch, g.committed, g.entries.map(entryFields)])];
    case 'appended':       return [n, message.items.map((i) => [i.partition, i.epoch, i.seq])];
    case 'refused':        return [n, message.partition, message.epoch, refusalReasons.indexOf(message.reason), message.promised, message.seq];
    case 'fence':          return [n, message.partition, message.epoch];
    case 'fenced':         return [n, message.partition, message.epoch, message.granted ? 1 : 0, message.promised, message.seq, stepFields(message.lineage)];
    case 'offer':          return [n, message.partition, message.epoch, message.id, message.entries.map((e) => [...entryFields(e), e.seq])];
    case 'offered':        return [n, message.partition, message.epoch, message.id];
    case 'snapshot-begin': return [n, message.partition, message.epoch, message.seq, stepFields(message.lineage), message.takenUp.map((t) => [t.epoch, t.from, t.to, t.at]), message.cursor];
    case 'snapshot-chunk': return [n, message.partition, message.epoch, message.cursor, message.next, message.bytes, message.checksum];
    case 'snapshot-end':   return [n, message.partition, message.epoch, message.chunks, message.checksum];
    case 'snapshot-ack':   return [n, message.partition, message.epoch, message.cursor, snapshotOutcomes.indexOf(message.outcome)];
    case 'heartbeat':      return [n, message.items.map((i) => [i.partition, i.epoch, i.committed, i.seq])];
    default:               return unreachable(message);
  }
}

function stepFields(steps: readonly LineageStep[]): readonly unknown[] {
  return steps.map(({ epoch, firstSeq }) => [epoch, firstSeq]);
}

/** A stamp travels as two 32-bit halves: our plain arrays know no 64-bit integers. */
function entryFields(entry: WireEntry): readonly unknown[] {
  return [entry.epoch, Number(entry.hlc >> 32n), Number(entry.hlc & 0xffff_ffffn), entry.origin, entry.payload, entry.checksum];
}

function messageOf([number, a, b, c, d, e, f, ...rest]: readonly unknown[]): WireMessage | undefined {
  if (rest.length > 0) return undefined;
  switch (number) {
    case numberOf.hello:     return isClusterId(a) && isNodeId(b) && isText(c, storageIdBytesMax) && absent(d, e, f) ? { kind: 'hello', clusterId: a, nodeId: b, storageId: c } : undefined;
    case numberOf.goodbye: {
      const reason = goodbyeReasons[a as number];
      return reason && isText(b, 256) && isText(c, 256) && absent(d, e, f) ? { kind: 'goodbye', reason, ours: b, theirs: c } : undefined;
    }
    case numberOf.lineages:  return withItems(a, lineageItemOf, absent(b, c, d, e, f), (items) => ({ kind: 'lineages', items }));
    case numberOf.positions: return withItems(a, positionItemOf, absent(b, c, d, e, f), (items) => ({ kind: 'positions', items }));
    case numberOf.entries:   return withItems(a, groupOf, absent(b, c, d, e, f), (groups) => ({ kind: 'entries', groups }));
    case numberOf.appended:  return withItems(a, appendedOf, absent(b, c, d, e, f), (items) => ({ kind: 'appended', items }));
    case numberOf.heartbeat: return withItems(a, heartbeatItemOf, absent(b, c, d, e, f), (items) => ({ kind: 'heartbeat', items }));
    case numberOf.refused: {
      const reason = refusalReasons[c as number];
      return isPartition(a) && isEpoch(b) && reason && isSeq(d) && isSeq(e) && absent(f) ? { kind: 'refused', partition: a, epoch: b, reason, promised: d, seq: e } : undefined;
    }
    case numberOf.fence:     return isPartition(a) && isEpoch(b) && absent(c, d, e, f) ? { kind: 'fence', partition: a, epoch: b } : undefined;
    case numberOf.fenced: {
      const lineage = stepsOf(f, e);
      return isPartition(a) && isEpoch(b) && isFlag(c) && isSeq(d) && isSeq(e) && lineage ? { kind: 'fenced', partition: a, epoch: b, granted: c === 1, promised: d, seq: e, lineage } : undefined;
    }
    case numberOf.offer:
      return isPartition(a) && isEpoch(b) && isSeq(c) ? withItems(d, offeredEntryOf, absent(e, f), (entries) => ({ kind: 'offer', partition: a, epoch: b, id: c, entries })) : undefined;
    case numberOf.offered:   return isPartition(a) && isEpoch(b) && isSeq(c) && absent(d, e, f) ? { kind: 'offered', partition: a, epoch: b, id: c } : undefined;
    case numberOf['snapshot-begin']: {
      const lineage = stepsOf(d, c);
      const takenUp = listOf(e, takenUpOf, takenUpRunsMax);
      return isPartition(a) && isEpoch(b) && isSeq(c) && lineage && takenUp && isText(f, cursorBytesMax) ? { kind: 'snapshot-begin', partition: a, epoch: b, seq: c, lineage, takenUp, cursor: f } : undefined;
    }
    case numberOf['snapshot-chunk']:
      return isPartition(a) && isEpoch(b) && isText(c, cursorBytesMax) && isText(d, cursorBytesMax) && isBytes(e) && isUint32(f) ? { kind: 'snapshot-chunk', partition: a, epoch: b, cursor: c, next: d, bytes: e, checksum: f } : undefined;
    case numberOf['snapshot-end']:
      return isPartition(a) && isEpoch(b) && isSeq(c) && isUint32(d) && absent(e, f) ? { kind: 'snapshot-end', partition: a, epoch: b, chunks: c, checksum: d } : undefined;
    case numberOf['snapshot-ack']: {
      const outcome = snapshotOutcomes[d as number];
      return isPartition(a) && isEpoch(b) && isText(c, cursorBytesMax) && outcome && absent(e, f) ? { kind: 'snapshot-ack', partition: a, epoch: b, cursor: c, outcome } : undefined;
    }
    default:
      return undefined;
  }
}

function lineageItemOf(value: unknown): LineageItem | undefined {
  if (!isTuple(value, 5)) return undefined;
  const [partition, epoch, seq, committed, steps] = value;
  const lineage = stepsOf(steps, seq);
  return isPartition(partition) && isEpoch(epoch) && isSeq(seq) && isSeq(committed) && lineage ? { partition, epoch, seq, committed, lineage } : undefined;
}

function positionItemOf(value: unknown): PositionItem | undefined {
  if (!isTuple(value, 4)) return undefined;
  const [partition, epoch, seq, resumeFields] = value;
  const resume = resumeFields === null ? undefined : resumeOf(resumeFields);
  if (resumeFields !== null && !resume) return undefined;
  return isPartition(partition) && isEpoch(epoch) && isSeq(seq) ? { partition, epoch, seq, resume } : undefined;
}

function resumeOf(value: unknown): SnapshotResume | undefined {
  if (!isTuple(value, 5)) return undefined;
  const [epoch, seq, cursor, chunks, checksum] = value;
  return isEpoch(epoch) && isSeq(seq) && isText(cursor, cursorBytesMax) && isSeq(chunks) && isUint32(checksum) ? { at: { epoch, seq }, cursor, chunks, checksum } : undefined;
}

function groupOf(value: unknown): EntryGroup | undefined {
  if (!isTuple(value, 6)) return undefined;
  const [partition, epoch, firstSeq, prevEpoch, committed, fields] = value;
  const entries = listOf(fields, entryOf, itemsMax);
  return isPartition(partition) && isEpoch(epoch) && isSeq(firstSeq) && firstSeq >= 1 && isSeq(prevEpoch) && isSeq(committed) && entries ? { partition, epoch, firstSeq, prevEpoch, committed, entries } : undefined;
}

function entryOf(value: unknown): WireEntry | undefined {
  if (!isTuple(value, 6)) return undefined;
  const [epoch, high, low, origin, payload, checksum] = value;
  return isEpoch(epoch) && isUint32(high) && isUint32(low) && isNodeId(origin) && isBytes(payload) && isUint32(checksum) ? { epoch, hlc: hlcOfHalves(high, low), origin, payload, checksum } : undefined;
}

function offeredEntryOf(value: unknown): OfferedEntry | undefined {
  if (!isTuple(value, 7)) return undefined;
  const seq = value[6];
  const entry = entryOf(value.slice(0, 6));
  return entry && isSeq(seq) && seq >= 1 ? { ...entry, seq } : undefined;
}

function appendedOf(value: unknown): { partition: number; epoch: number; seq: number } | undefined {
  if (!isTuple(value, 3)) return undefined;
  const [partition, epoch, seq] = value;
  return isPartition(partition) && isEpoch(epoch) && isSeq(seq) ? { partition, epoch, seq } : undefined;
}

function heartbeatItemOf(value: unknown): HeartbeatItem | undefined {
  if (!isTuple(value, 4)) return undefined;
  const [partition, epoch, committed, seq] = value;
  return isPartition(partition) && isEpoch(epoch) && isSeq(committed) && isSeq(seq) ? { partition, epoch, committed, seq } : undefined;
}

function takenUpOf(value: unknown): TakenUp | undefined {
  if (!isTuple(value, 4)) return undefined;
  const [epoch, from, to, at] = value;
  return isEpoch(epoch) && isSeq(from) && isSeq(to) && from <= to && isSeq(at) ? { epoch, from, to, at } : undefined;
}

/** A lineage is checked as a whole: steps in order, none beyond the end. */
function stepsOf(value: unknown, seq: unknown): readonly LineageStep[] | undefined {
  const steps = listOf(value, (fields) => {
    if (!isTuple(fields, 2)) return undefined;
    const [epoch, firstSeq] = fields;
    return isEpoch(epoch) && isSeq(firstSeq) ? { epoch, firstSeq } : undefined;
  }, lineageStepsMax);
  return steps && isSeq(seq) && lineageComplaint(steps, seq) === undefined ? steps : undefined;
}

function withItems<T, M extends WireMessage>(value: unknown, itemOf: (value: unknown) => T | undefined, whole: boolean, make: (items: readonly T[]) => M): M | undefined {
  const items = whole ? listOf(value, itemOf, itemsMax) : undefined;
  return items && make(items);
}

function listOf<T>(value: unknown, itemOf: (value: unknown) => T | undefined, lengthMax: number): readonly T[] | undefined {
  if (!Array.isArray(value) || value.length > lengthMax) return undefined;
  const items: T[] = [];
  for (const one of value as unknown[]) {
    const item = itemOf(one);
    if (item === undefined) return undefined;
    items.push(item);
  }
  return items;
}

function hlcOfHalves(high: number, low: number): Hlc {
  return hlcFromBigInt((BigInt(high) << 32n) | BigInt(low));
}

const absent = (...values: readonly unknown[]): boolean => values.every((value) => value === undefined);
const isTuple = (value: unknown, length: number): value is unknown[] => Array.isArray(value) && value.length === length;
const isWholeUpTo = (value: unknown, max: number): value is number => typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max && !Object.is(value, -0);
const isUint32 = (value: unknown): value is number => isWholeUpTo(value, 0xffff_ffff);
const isPartition = isUint32;
const isSeq = (value: unknown): value is number => isWholeUpTo(value, Number.MAX_SAFE_INTEGER);
const isEpoch = (value: unknown): value is number => isSeq(value) && value >= 1;
const isFlag = (value: unknown): value is 0 | 1 => value === 0 || value === 1;
const isBytes = (value: unknown): value is Uint8Array => value instanceof Uint8Array;
const isText = (value: unknown, lengthMax: number): value is string => typeof value === 'string' && value.length <= lengthMax;
