import { EngramError } from '@engram/kernel';

/** How long a refused client should stay away. Long enough for a few group commits, short enough to be worth waiting. */
const RETRY_AFTER_MS = 1_000;

/**
 * Bounds the work that is inside the server at once, by number and by bytes. Refusing early is kinder than queueing:
 * a client that is told to come back can choose; one that waits in a growing queue times out and asks again.
 */
export class Admission {
  readonly #requestsMax: number;
  readonly #bytesMax: number;
  #requests = 0;
  #bytes = 0;

  constructor(requestsMax: number, bytesMax: number) {
    this.#requestsMax = requestsMax;
    this.#bytesMax = bytesMax;
  }

  get requests(): number {
    return this.#requests;
  }

  /**
   * Counts a request in and returns the function that counts it out, to be called exactly once.
   *
   * @throws EngramError `overloaded`; the request was not counted.
   */
  enter(bytes: number): () => void {
    if (this.#requests >= this.#requestsMax || this.#bytes + bytes > this.#bytesMax) {
      const what = this.#requests >= this.#requestsMax ? `${this.#requests} stores` : `${this.#bytes} bytes of stores`;
      throw new EngramError('overloaded', `${what} are at work, as many as this node takes at once; nothing of this request was done`, {
        details: { retryAfterMs: RETRY_AFTER_MS },
      });
    }
    this.#requests += 1;
    this.#bytes += bytes;
    return () => {
      this.#requests -= 1;
      this.#bytes -= bytes;
    };
  }
}
