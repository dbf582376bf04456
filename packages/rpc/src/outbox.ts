/** Frames that wait for their stream, oldest first, and how many bytes they are. */
export class Outbox {
  #frames: Buffer[] = [];
  /** Where the oldest is; what lies before it was taken. */
  #head = 0;
  #bytes = 0;

  get frames(): number {
    return this.#frames.length - this.#head;
  }

  get bytes(): number {
    return this.#bytes;
  }

  push(frame: Buffer): void {
    this.#frames.push(frame);
    this.#bytes += frame.byteLength;
  }

  /** The oldest, which is then no longer waiting. */
  shift(): Buffer | undefined {
    const frame = this.#frames[this.#head];
    if (frame === undefined) return undefined;
    // Moving every frame for each one taken would cost the square of their number.
    this.#frames[this.#head] = Buffer.alloc(0);
    this.#head += 1;
    this.#bytes -= frame.byteLength;
    if (this.#head === this.#frames.length || this.#head >= 1_024) {
      this.#frames = this.#frames.slice(this.#head);
      this.#head = 0;
    }
    return frame;
  }

  clear(): void {
    this.#frames = [];
    this.#head = 0;
    this.#bytes = 0;
  }
}
