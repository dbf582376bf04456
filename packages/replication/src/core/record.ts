import type { Hlc, NodeId } from '@engram/kernel';
import type { Checksum } from './checksum.js';
import type { LogEntry } from './entry.js';
import { lsn, type Lsn } from './lsn.js';

/**
 * A frame is what follows a segment's header, again and again, each at a multiple of eight bytes; little-endian:
 *
 * ```text
 *  0  header CRC-32 u32 (of bytes 4–55)   4  0x4557 u16   6  kind u8   7  origin bytes u8
 *  8  payload bytes u32                  12  partition u32
 * 16  lsn u64        24  hlc u64         32  epoch u64     40  seq u64
 * 48  index in its group u32             52  body CRC-32 u32 (of byte 56 to the end of the frame)
 * 56  origin, payload, zeros up to a multiple of eight
 * ```
 *
 * The header has a checksum of its own so that a length is believed before it is used, and so that looking for the next
 * whole frame after damage costs 52 bytes of checksum per candidate rather than a payload.
 */
export const FRAME_HEADER_BYTES = 56;
const FRAME_MAGIC = 0x4557;
const KIND_ENTRY = 1;
const KIND_SEAL = 2;
const KIND_CONTINUED = 3;

/** What a segment consists of after its header. */
export type Frame =
  | {
      readonly kind: 'entry';
      readonly lsn: Lsn;
      /**
       * The first position of the group this entry was written with. A group is written only when the one before it is
       * durable, so this frame proves that everything before `groupFirst` was durable when it was written.
       */
      readonly groupFirst: Lsn;
      readonly entry: LogEntry;
      readonly bytes: number;
    }
  /** Written when the log falls quiet: proves that everything up to `durable` was durable, without a later entry. */
  | {
      readonly kind: 'seal';
      readonly durable: Lsn;
      /** The log goes on in a later segment that exists: a missing newest segment is then noticed. */
      readonly continued: boolean;
      readonly bytes: number;
    };

/** The frame that is there, or why none is. */
export type FrameOutcome = Frame | { readonly kind: 'invalid'; readonly reason: FrameFault };

/** What is wrong with bytes that should be a frame. */
export type FrameFault =
  | 'the file ends within a frame'
  | 'zeros instead of a frame'
  | 'bytes that are no frame'
  | 'a frame header with a wrong checksum'
  | 'a frame of an unknown kind'
  | 'a frame body with a wrong checksum';

/** A seal is a header without a payload. */
export const SEAL_BYTES = FRAME_HEADER_BYTES;

/** How many bytes an entry takes in a segment. */
export function frameBytes(entry: LogEntry): number {
  return alignedTo8(FRAME_HEADER_BYTES + entry.origin.length + entry.payload.length);
}

/** Writes frames one after another into a buffer that is used again for every group. */
export class FrameWriter {
  readonly #checksum: Checksum;
  #bytes = new Uint8Array(64 * 1024);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;
  #seed = 0;

  constructor(checksum: Checksum) {
    this.#checksum = checksum;
  }

  /** Starts over for a segment whose checksums start from `seed`; makes room for `bytes`. */
  begin(seed: number, bytes: number): void {
    this.#seed = seed;
    this.#length = 0;
    if (this.#bytes.length >= bytes) return;
    let capacity = this.#bytes.length;
    while (capacity < bytes) capacity *= 2;
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Adds an entry. Its bytes are copied. */
  entry(position: Lsn, indexInGroup: number, entry: LogEntry): void {
    const at = this.#length;
    const originBytes = entry.origin.length;
    const payloadAt = at + FRAME_HEADER_BYTES + originBytes;
    const end = at + frameBytes(entry);
    for (let index = 0; index < originBytes; index++) this.#bytes[at + FRAME_HEADER_BYTES + index] = entry.origin.charCodeAt(index);
    this.#bytes.set(entry.payload, payloadAt);
    this.#bytes.fill(0, payloadAt + entry.payload.length, end);
    this.#header(end, KIND_ENTRY, originBytes, entry.payload.length, entry.partition, position, entry.hlc, entry.epoch, entry.seq, indexInGroup);
  }

  /** Adds the proof that everything up to `durable` is durable. */
  seal(durable: Lsn, continued: boolean): void {
    this.#header(this.#length + SEAL_BYTES, continued ? KIND_CONTINUED : KIND_SEAL, 0, 0, 0, durable, 0n, 0, 0, 0);
  }

  /** What was written since `begin`; valid until the next `begin`. */
  written(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  #header(
    end: number, kind: number, originBytes: number, payloadBytes: number, partition: number,
    position: Lsn, hlc: bigint, epoch: number, seq: number, indexInGroup: number,
  ): void {
    const view = this.#view;
    const at = this.#length;
    view.setUint16(at + 4, FRAME_MAGIC, true);
    view.setUint8(at + 6, kind);
    view.setUint8(at + 7, originBytes);
    view.setUint32(at + 8, payloadBytes, true);
    view.setUint32(at + 12, partition, true);
    setUint53(view, at + 16, position);
    view.setBigUint64(at + 24, hlc, true);
    setUint53(view, at + 32, epoch);
    setUint53(view, at + 40, seq);
    view.setUint32(at + 48, indexInGroup, true);
    view.setUint32(at + 52, this.#checksum(this.#bytes.subarray(at + FRAME_HEADER_BYTES, end), this.#seed), true);
    view.setUint32(at, this.#checksum(this.#bytes.subarray(at + 4, at + FRAME_HEADER_BYTES), this.#seed), true);
    this.#length = end;
  }
}

/** Reads frames out of `bytes`. Entries are views into them, not copies. */
export class FrameReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #seed: number;
  readonly #checksum: Checksum;
  #originText = '' as NodeId;

  constructor(bytes: Uint8Array, seed: number, checksum: Checksum) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#seed = seed;
    this.#checksum = checksum;
  }

  /** The frame that begins at `at`, or why there is none. Never throws, whatever the bytes. */
  at(at: number): FrameOutcome {
    if (this.#bytes.length - at < FRAME_HEADER_BYTES) {
      return invalid(this.#zeros(at, this.#bytes.length) ? 'zeros instead of a frame' : 'the file ends within a frame');
    }
    const view = this.#view;
    if (view.getUint16(at + 4, true) !== FRAME_MAGIC) {
      return invalid(this.#zeros(at, at + FRAME_HEADER_BYTES) ? 'zeros instead of a frame' : 'bytes that are no frame');
    }
    if (view.getUint32(at, true) !== this.#checksum(this.#bytes.subarray(at + 4, at + FRAME_HEADER_BYTES), this.#seed)) {
      return invalid('a frame header with a wrong checksum');
    }
    // The header is what was once written; only its meaning and the body remain to be checked.
    const kind = view.getUint8(at + 6);
    const originBytes = view.getUint8(at + 7);
    const payloadBytes = view.getUint32(at + 8, true);
    const bytes = alignedTo8(FRAME_HEADER_BYTES + originBytes + payloadBytes);
    if (this.#bytes.length - at < bytes) return invalid('the file ends within a frame');
    if (view.getUint32(at + 52, true) !== this.#checksum(this.#bytes.subarray(at + FRAME_HEADER_BYTES, at + bytes), this.#seed)) {
      return invalid('a frame body with a wrong checksum');
    }
    const position = getUint53(view, at + 16);
    const indexInGroup = view.getUint32(at + 48, true);
    if (!Number.isSafeInteger(position)) return invalid('a frame of an unknown kind');
    if (kind === KIND_SEAL || kind === KIND_CONTINUED) {
      return { kind: 'seal', durable: lsn(position), continued: kind === KIND_CONTINUED, bytes };
    }
    if (kind !== KIND_ENTRY || position <= indexInGroup) return invalid('a frame of an unknown kind');
    const payloadAt = at + FRAME_HEADER_BYTES + originBytes;
    return {
      kind: 'entry',
      lsn: lsn(position),
      groupFirst: lsn(position - indexInGroup),
      entry: {
        partition: view.getUint32(at + 12, true),
        epoch: getUint53(view, at + 32),
        seq: getUint53(view, at + 40),
        hlc: view.getBigUint64(at + 24, true) as Hlc,
        origin: this.#origin(at + FRAME_HEADER_BYTES, originBytes),
        payload: this.#bytes.subarray(payloadAt, payloadAt + payloadBytes),
      },
      bytes,
    };
  }

  /** How many bytes the frame at `at` wants, when its header is whole and sound; a reader of chunks asks for more then. */
  wantedBytes(at: number): number | undefined {
    if (this.#bytes.length - at < FRAME_HEADER_BYTES) return undefined;
    if (this.#view.getUint16(at + 4, true) !== FRAME_MAGIC) return undefined;
    if (this.#view.getUint32(at, true) !== this.#checksum(this.#bytes.subarray(at + 4, at + FRAME_HEADER_BYTES), this.#seed)) return undefined;
    return alignedTo8(FRAME_HEADER_BYTES + this.#view.getUint8(at + 7) + this.#view.getUint32(at + 8, true));
  }

  /**
   * The next whole frame at or after `from`, tried at every byte: damage may have shifted what follows it.
   */
  search(from: number): { readonly at: number; readonly frame: Frame } | undefined {
    const last = this.#bytes.length - FRAME_HEADER_BYTES;
    for (let at = from; at <= last; at++) {
      if (this.#bytes[at + 4] !== (FRAME_MAGIC & 0xff) || this.#bytes[at + 5] !== FRAME_MAGIC >> 8) continue;
      const frame = this.at(at);
      if (frame.kind !== 'invalid') return { at, frame };
    }
    return undefined;
  }

  /** Whether nothing but zeros follows. */
  zerosFrom(at: number): boolean {
    return this.#zeros(at, this.#bytes.length);
  }

  /** Nearly all entries of a log share one origin, so the text made last is usually the one wanted. */
  #origin(at: number, length: number): NodeId {
    const known = this.#originText;
    let same = known.length === length;
    for (let index = 0; same && index < length; index++) same = this.#bytes[at + index] === known.charCodeAt(index);
    if (!same) this.#originText = String.fromCharCode(...this.#bytes.subarray(at, at + length)) as NodeId;
    return this.#originText;
  }

  #zeros(from: number, to: number): boolean {
    for (let at = from; at < to; at++) if (this.#bytes[at] !== 0) return false;
    return true;
  }
}

function alignedTo8(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}

/** A safe integer as 64 bits, without the price of a bigint. */
function setUint53(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / 0x1_0000_0000), true);
}

function getUint53(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 0x1_0000_0000;
}

function invalid(reason: FrameFault): FrameOutcome {
  return { kind: 'invalid', reason };
}
