/**
 * A running 64-bit hash over everything that happens, in two 32-bit lanes because 32-bit integers are what JavaScript
 * computes fast. Two runs with equal hashes took, for all practical purposes, the same course. Not for secrets.
 */
export class TraceHash {
  #low = 0x243f6a88 | 0;
  #high = 0x85a308d3 | 0;

  /** Any safe integer. */
  addNumber(n: number): void {
    this.#mix(n | 0);
    this.#mix((n / 0x1_0000_0000) | 0);
  }

  /** An integer of 32 bits, in one step. */
  addWord(word: number): void {
    this.#mix(word | 0);
  }

  addText(text: string): void {
    for (let i = 0; i < text.length; i++) this.#mix(text.charCodeAt(i));
    this.#mix(text.length);
  }

  addBytes(bytes: Uint8Array): void {
    const words = bytes.length & ~3;
    let at = 0;
    for (; at < words; at += 4) {
      this.#mix((bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24));
    }
    for (; at < bytes.length; at++) this.#mix(bytes[at] as number);
    this.#mix(bytes.length);
  }

  /** One lane, for a cheap comparison step by step. */
  get word(): number {
    return this.#low;
  }

  /** Sixteen hexadecimal digits. */
  digest(): string {
    return hex(this.#high) + hex(this.#low);
  }

  #mix(word: number): void {
    let low = this.#low ^ Math.imul(word, 0xcc9e2d51 | 0);
    low = (low << 13) | (low >>> 19);
    low = (Math.imul(low, 5) + 0xe6546b64) | 0;
    let high = this.#high ^ Math.imul(word ^ (low >>> 15), 0x1b873593);
    high = (high << 15) | (high >>> 17);
    this.#high = Math.imul(high, 0x9e3779b1 | 0) ^ low;
    this.#low = low;
  }
}

function hex(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0');
}
