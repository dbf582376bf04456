import type { Random } from '@engram/kernel';

/** A set that can be drawn from: adding, removing and picking at random take the same time however many there are. */
export class IndexedSet<T> {
  readonly #items: T[] = [];
  readonly #places = new Map<T, number>();

  get size(): number {
    return this.#items.length;
  }

  /** In no order that means anything. */
  get items(): readonly T[] {
    return this.#items;
  }

  has(item: T): boolean {
    return this.#places.has(item);
  }

  add(item: T): void {
    if (this.#places.has(item)) return;
    this.#places.set(item, this.#items.length);
    this.#items.push(item);
  }

  delete(item: T): void {
    const place = this.#places.get(item);
    if (place === undefined) return;
    const last = this.#items.pop() as T;
    this.#places.delete(item);
    if (last === item) return;
    this.#items[place] = last;
    this.#places.set(last, place);
  }

  /** Up to `count` different items that pass. Gives up after a few misses rather than search, so it may find fewer. */
  pick(count: number, random: Random, passes: (item: T) => boolean = () => true): T[] {
    if (this.#items.length <= 3 * count) return random.shuffle(this.#items).filter(passes).slice(0, count);
    const picked = new Set<T>();
    for (let tries = 0; tries < 4 * count && picked.size < count; tries++) {
      const item = random.pick(this.#items);
      if (passes(item)) picked.add(item);
    }
    return [...picked];
  }
}
