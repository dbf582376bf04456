import { plusMs, type Instant } from '@engram/kernel';

/**
 * Instants by key. `next` is cheap: it may name an instant whose entry is gone or was moved later, and then `due` finds
 * nothing and looks again; it never names one that is too late.
 */
export class Deadlines<Key> {
  readonly #at = new Map<Key, Instant>();
  #next: Instant | undefined;

  get size(): number {
    return this.#at.size;
  }

  get next(): Instant | undefined {
    return this.#next;
  }

  has(key: Key): boolean {
    return this.#at.has(key);
  }

  set(key: Key, at: Instant): void {
    this.#at.set(key, at);
    if (this.#next === undefined || at < this.#next) this.#next = at;
  }

  delete(key: Key): void {
    this.#at.delete(key);
    if (this.#at.size === 0) this.#next = undefined;
  }

  clear(): void {
    this.#at.clear();
    this.#next = undefined;
  }

  /** Takes out and returns what is due, in the order it was first set. */
  due(now: Instant): Key[] {
    if (this.#next === undefined || this.#next > now) return [];
    const due: Key[] = [];
    let next: Instant | undefined;
    for (const [key, at] of this.#at) {
      if (at <= now) due.push(key);
      else if (next === undefined || at < next) next = at;
    }
    for (const key of due) this.#at.delete(key);
    this.#next = next;
    return due;
  }

  /** Everything happens so much later. */
  postpone(ms: number): void {
    for (const [key, at] of this.#at) this.#at.set(key, plusMs(at, ms));
    if (this.#next !== undefined) this.#next = plusMs(this.#next, ms);
  }
}
