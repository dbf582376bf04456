/** 96 bits, as GCM has them. */
export const nonceBytes = 12;
const prefixBytes = 8;

/** A nonce that has been opened, taken apart: one start of one sender, and the sender's counter. */
export interface Nonce {
  readonly sender: string;
  readonly counter: number;
  readonly bytes: Uint8Array;
}

/**
 * Nonces that never repeat under one key, without anything kept on disk: 64 random bits drawn at the start, then a
 * counter of 32 bits. A counter that is used up draws new random bits, so it never wraps around. With a million
 * starts under one key the chance that any two share their random bits is below one in thirty million.
 */
export class NonceSource {
  readonly #randomBytes: (count: number) => Uint8Array;
  #prefix: Uint8Array;
  #next: number;

  constructor(randomBytes: (count: number) => Uint8Array, first = 0) {
    this.#randomBytes = randomBytes;
    this.#prefix = randomBytes(prefixBytes);
    this.#next = first;
  }

  /** Whether this nonce was made here, since the last time that random bits were drawn. */
  made({ bytes }: Nonce): boolean {
    return this.#prefix.every((byte, i) => byte === bytes[i]);
  }

  writeNext(into: Uint8Array, at: number): void {
    if (this.#next > 0xffff_ffff) {
      this.#prefix = this.#randomBytes(prefixBytes);
      this.#next = 0;
    }
    into.set(this.#prefix, at);
    new DataView(into.buffer, into.byteOffset + at + prefixBytes).setUint32(0, this.#next);
    this.#next += 1;
  }
}
