/** What a slow consumer may be behind by; more is made up for by one item that holds everything. */
export const feedBufferMax = 1_024;

interface Versioned {
  readonly version: number;
}

/**
 * Items for one consumer of an async iterator. The buffer is bounded: when the consumer falls too far behind, what is
 * buffered is replaced by one item from `resync`, taken when the consumer comes for it. So it may see less often, but
 * never something wrong, and it is told. Versions ascend: a change that the consumer was given the outcome of is not told again.
 */
export class ChangeFeed<Item extends Versioned> implements AsyncIterableIterator<Item> {
  readonly #bufferMax: number;
  readonly #resync: () => Item;
  readonly #onReturn: () => void;
  /** The consumer knows everything up to this version. */
  #known: number;
  #buffer: Item[] = [];
  #isBehind = false;
  #ended = false;
  #waiting: ((result: IteratorResult<Item, undefined>) => void)[] = [];

  constructor(known: number, resync: () => Item, onReturn: () => void, bufferMax: number = feedBufferMax) {
    this.#known = known;
    this.#resync = resync;
    this.#onReturn = onReturn;
    this.#bufferMax = bufferMax;
  }

  push(item: Item): void {
    if (this.#ended || item.version <= this.#known) return;
    const waiting = this.#waiting.shift();
    if (waiting) return waiting({ done: false, value: item });
    // Whoever is behind gets the state as it is when it comes, which this item is part of.
    if (this.#isBehind) return;
    this.#buffer.push(item);
    if (this.#buffer.length <= this.#bufferMax) return;
    this.#buffer = [];
    this.#isBehind = true;
  }

  /** What is buffered is still delivered, then the iteration ends. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#onReturn();
    for (const waiting of this.#waiting.splice(0)) waiting({ done: true, value: undefined });
  }

  next(): Promise<IteratorResult<Item, undefined>> {
    if (this.#isBehind) {
      this.#isBehind = false;
      const value = this.#resync();
      this.#known = value.version;
      return Promise.resolve({ done: false, value });
    }
    const item = this.#buffer.shift();
    if (item !== undefined) return Promise.resolve({ done: false, value: item });
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  return(): Promise<IteratorResult<Item, undefined>> {
    this.#buffer = [];
    this.#isBehind = false;
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
