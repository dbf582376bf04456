/** Every frame on a stream is preceded by its length: four bytes, most significant first. */
export const framePrefixBytes = 4;

export type FramesRead = { readonly kind: 'frames'; readonly frames: readonly Uint8Array[] } | { readonly kind: 'too-large'; readonly bytes: number };

/**
 * Puts frames together from whatever pieces a socket delivers. A length beyond the limit is refused from its four
 * bytes. Within the limit memory grows with what has arrived, at most twofold, never with what was announced, and does
 * not depend on how small the pieces are.
 */
export class FrameReader {
  readonly #frameBytesMax: number;
  #buffer = new Uint8Array(0);
  #length = 0;

  constructor(frameBytesMax: number) {
    this.#frameBytesMax = frameBytesMax;
  }

  /** Bytes of a frame that is not whole yet. */
  get held(): number {
    return this.#length;
  }

  /** After `too-large` the stream makes no sense any more; it is for the caller to end it. */
  read(piece: Uint8Array): FramesRead {
    this.#append(piece);
    const frames: Uint8Array[] = [];
    let at = 0;
    while (this.#length - at >= framePrefixBytes) {
      const length = new DataView(this.#buffer.buffer).getUint32(at);
      if (length > this.#frameBytesMax) return { kind: 'too-large', bytes: length };
      const end = at + framePrefixBytes + length;
      if (end > this.#length) break;
      // A copy: the buffer is used again, and whoever gets the frame may keep it.
      frames.push(this.#buffer.slice(at + framePrefixBytes, end));
      at = end;
    }
    this.#drop(at);
    return { kind: 'frames', frames };
  }

  /** Exactly `bytes` from the front, or undefined until there are as many: for what precedes the first frame. */
  readExactly(piece: Uint8Array, bytes: number): Uint8Array | undefined {
    this.#append(piece);
    if (this.#length < bytes) return undefined;
    const taken = this.#buffer.slice(0, bytes);
    this.#drop(bytes);
    return taken;
  }

  #append(piece: Uint8Array): void {
    const needed = this.#length + piece.length;
    if (needed > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(needed, 2 * this.#length));
      grown.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = grown;
    }
    this.#buffer.set(piece, this.#length);
    this.#length = needed;
  }

  #drop(bytes: number): void {
    this.#buffer.copyWithin(0, bytes, this.#length);
    this.#length -= bytes;
    // Conversations are a few frames; a large buffer is not kept for small ones to come.
    if (this.#length === 0) this.#buffer = new Uint8Array(0);
  }
}

/** The bytes of one frame with its length before it. */
export function framed(frame: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(framePrefixBytes + frame.length);
  new DataView(bytes.buffer).setUint32(0, frame.length);
  bytes.set(frame, framePrefixBytes);
  return bytes;
}
