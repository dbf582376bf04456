/**
 * One consumer of an async iteration that wants the newest only: what it was too slow for is replaced, so nothing piles up.
 */
export class LatestFeed<In, Out = In> implements AsyncIterableIterator<Out> {
  readonly #shape: (item: In) => Out;
  readonly #onEnd: () => void;
  #latest: { readonly item: In } | undefined;
  #isEnded = false;
  #waiting: ((result: IteratorResult<Out, undefined>) => void)[] = [];

  /** `shape` is applied when the consumer comes for the item. */
  constructor(shape: (item: In) => Out, onEnd: () => void) {
    this.#shape = shape;
    this.#onEnd = onEnd;
  }

  push(item: In): void {
    if (this.#isEnded) return;
    const waiting = this.#waiting.shift();
    if (waiting) waiting({ done: false, value: this.#shape(item) });
    else this.#latest = { item };
  }

  /** What is there is still delivered, then the iteration ends. */
  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#onEnd();
    for (const waiting of this.#waiting.splice(0)) waiting({ done: true, value: undefined });
  }

  next(): Promise<IteratorResult<Out, undefined>> {
    const latest = this.#latest;
    this.#latest = undefined;
    if (latest) return Promise.resolve({ done: false, value: this.#shape(latest.item) });
    if (this.#isEnded) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  return(): Promise<IteratorResult<Out, undefined>> {
    this.#latest = undefined;
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
