/**
 * The token by which a client reads what it wrote, whichever node it asks: how far each partition that it wrote to had
 * come when the write was acknowledged. Whoever holds one copy can tell from it whether that copy has the write.
 */
import { crc32 } from 'node:zlib';
import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';
import { assert, EngramError, hash64, shown, type ClusterId } from '@engram/kernel';

/** Header, and key of metadata, in which a token travels: with the answer to a write, and with the reads that follow. */
export const sessionHeader = 'x-engram-session';

/** Partitions that one token names at most. It says of itself when there were more. */
export const sessionPositionsMax = 64;
/** No token has more characters. */
export const sessionTokenLengthMax = 2_048;

/** The place of a write in its partition. Positions are ordered by epoch, then by seq. */
export interface SessionPosition {
  readonly partition: number;
  readonly epoch: number;
  readonly seq: number;
}

/** What a token says. */
export interface Session {
  /** Stands for the cluster that it is about; see `sessionClusterOf`. */
  readonly cluster: bigint;
  /** The highest of each partition, ascending by partition; at most `sessionPositionsMax`. */
  readonly positions: readonly SessionPosition[];
  /** Whether there were writes to further partitions, for whose positions there was no room: only their primaries can tell. */
  readonly more: boolean;
}

/** What stands for a cluster in a token: short, and different for different clusters. */
export function sessionClusterOf(clusterId: ClusterId): bigint {
  return hash64(clusterId);
}

/**
 * Everything that either has seen. Commutative, associative and idempotent, so that answers may be merged in any order
 * and any number of times. Beyond `sessionPositionsMax` partitions it keeps those of the lowest numbers, always the same
 * ones whatever came first, and says that there are more.
 *
 * Invariant: a position that went in is in the result, or a higher one of its partition, or `more` is set.
 */
export function mergeSessions(a: Session, b: Session): Session {
  assert(a.cluster === b.cluster, 'sessions of one cluster are merged', { a: a.cluster, b: b.cluster });
  const highest = new Map<number, SessionPosition>();
  for (const position of [...a.positions, ...b.positions]) {
    const known = highest.get(position.partition);
    if (known === undefined || isHigher(position, known)) highest.set(position.partition, position);
  }
  const positions = [...highest.values()].sort((one, other) => one.partition - other.partition);
  return { cluster: a.cluster, positions: positions.slice(0, sessionPositionsMax), more: a.more || b.more || positions.length > sessionPositionsMax };
}

function isHigher(a: SessionPosition, b: SessionPosition): boolean {
  return a.epoch > b.epoch || (a.epoch === b.epoch && a.seq > b.seq);
}

const version = 1;
const checksumBytes = 4;

/** As text of `A-Z a-z 0-9 _ -`, which fits a header, a URL and a shell as it stands. */
export function encodeSession({ cluster, positions, more }: Session): string {
  assert(positions.length <= sessionPositionsMax, 'a session names no more partitions than a token holds', { positions: positions.length });
  const writer = new BinaryWriter().uint32(version).fixed64(cluster).bool(more).uint32(positions.length);
  let next = 0;
  for (const { partition, epoch, seq } of positions) {
    // Steps between partitions are smaller than their numbers.
    writer.uint32(partition - next).uint64(epoch).uint64(seq);
    next = partition + 1;
  }
  const body = writer.finish();
  const bytes = Buffer.alloc(body.byteLength + checksumBytes);
  bytes.set(body);
  bytes.writeUInt32LE(crc32(body), body.byteLength);
  return bytes.toString('base64url');
}

/** @throws EngramError `invalid_argument` saying what is wrong with the text. */
export function decodeSession(text: string): Session {
  if (text.length > sessionTokenLengthMax) throw malformed(text, `it has ${text.length} characters, and a token has at most ${sessionTokenLengthMax}`);
  const bytes = Buffer.from(text, 'base64url');
  if (!/^[A-Za-z0-9_-]+$/.test(text) || bytes.toString('base64url') !== text) throw malformed(text, 'it is not written as tokens are, in A-Z a-z 0-9 _ -');
  if (bytes[0] !== version) throw malformed(text, `it is of version ${bytes[0]}, and this node knows version ${version}`);
  const body = bytes.subarray(0, Math.max(0, bytes.byteLength - checksumBytes));
  if (body.byteLength === 0 || crc32(body) !== bytes.readUInt32LE(body.byteLength)) throw malformed(text, 'its checksum is wrong, so it was cut off or changed');
  try {
    return readSession(body);
  } catch (cause) {
    throw malformed(text, 'what it holds is no list of positions', cause);
  }
}

/** Throws anything for bytes that are none. */
function readSession(body: Uint8Array): Session {
  const reader = new BinaryReader(body);
  reader.uint32();
  const cluster = BigInt.asUintN(64, BigInt(reader.fixed64()));
  const more = reader.bool();
  const count = reader.uint32();
  if (count > sessionPositionsMax) throw new RangeError('too many positions');
  const positions: SessionPosition[] = [];
  for (let next = 0; positions.length < count; ) {
    const position = { partition: next + reader.uint32(), epoch: Number(reader.uint64()), seq: Number(reader.uint64()) };
    if (!Number.isSafeInteger(position.epoch) || !Number.isSafeInteger(position.seq)) throw new RangeError('positions too high');
    positions.push(position);
    next = position.partition + 1;
  }
  if (reader.pos !== reader.len) throw new RangeError('bytes after the end');
  return { cluster, positions, more };
}

function malformed(text: string, why: string, cause?: unknown): EngramError {
  return new EngramError('invalid_argument', `${sessionHeader} is ${shown(text)}, which is no session token: ${why}.`, {
    hint: 'Send a token as an answer to a write gave it, unchanged, or leave the header out.',
    details: { field: sessionHeader },
    cause,
  });
}

/** What one client has written so far, in one token that it sends along with its reads. */
export class SessionKeeper {
  #session: Session | undefined;
  #token: string | undefined;

  /** @param token What another client has written before. @throws EngramError `invalid_argument` when it is no token. */
  constructor(token?: string) {
    if (token === undefined) return;
    this.#session = decodeSession(token);
    this.#token = token;
  }

  /** Undefined while nothing was written, and with nodes that run alone: they always have what was written. */
  get token(): string | undefined {
    return this.#token;
  }

  /**
   * Takes in the token of an answer. Of a token of another cluster, or of a form that only newer nodes know, nothing can
   * be made here: it takes the place of what there was.
   */
  wrote(token: string | undefined): void {
    if (token === undefined || token === this.#token) return;
    const session = readable(token);
    const merged = session && this.#session?.cluster === session.cluster ? mergeSessions(this.#session, session) : session;
    this.#session = merged;
    this.#token = merged === undefined ? token : encodeSession(merged);
  }
}

function readable(token: string): Session | undefined {
  try {
    return decodeSession(token);
  } catch {
    return undefined;
  }
}
