import type { NodeId, Random } from '@engram/kernel';

/** So many members may be waiting to come out of turn; more wait for their turn. */
const urgentMax = 64;

/**
 * Whose turn is next: all members in a shuffled order, then in another one. Nobody waits longer than two rounds, and no
 * two nodes go in the same order (SWIM, section 4.3). A newcomer gets a random place in the round under way. Probes go
 * in such rounds, and so does gossip: the rides of a piece of news then reach as many different members.
 */
export class ShuffledRounds {
  readonly #random: Random;
  #ids: NodeId[] = [];
  readonly #places = new Map<NodeId, number>();
  /** Everybody before it had a turn in this round. */
  #next = 0;
  readonly #urgent = new Set<NodeId>();

  constructor(random: Random) {
    this.#random = random;
  }

  get size(): number {
    return this.#ids.length;
  }

  add(id: NodeId): void {
    if (this.#places.has(id)) return;
    this.#place(id, this.#ids.length);
    this.#swap(this.#ids.length - 1, this.#next + this.#random.below(this.#ids.length - this.#next));
  }

  remove(id: NodeId): void {
    this.#urgent.delete(id);
    let place = this.#places.get(id);
    if (place === undefined) return;
    if (place < this.#next) {
      this.#next--;
      this.#swap(place, this.#next);
      place = this.#next;
    }
    this.#swap(place, this.#ids.length - 1);
    this.#ids.pop();
    this.#places.delete(id);
  }

  /** Its turn comes before everybody else's. */
  urge(id: NodeId): void {
    if (this.#places.has(id) && this.#urgent.size < urgentMax) this.#urgent.add(id);
  }

  next(): NodeId | undefined {
    for (const id of this.#urgent) {
      this.#urgent.delete(id);
      return id;
    }
    if (this.#ids.length === 0) return undefined;
    if (this.#next >= this.#ids.length) this.#reshuffle();
    const id = this.#ids[this.#next];
    this.#next++;
    return id;
  }

  #reshuffle(): void {
    this.#ids = this.#random.shuffle(this.#ids);
    for (const [place, id] of this.#ids.entries()) this.#places.set(id, place);
    this.#next = 0;
  }

  #place(id: NodeId, place: number): void {
    this.#ids[place] = id;
    this.#places.set(id, place);
  }

  #swap(a: number, b: number): void {
    const [idA, idB] = [this.#ids[a] as NodeId, this.#ids[b] as NodeId];
    this.#place(idA, b);
    this.#place(idB, a);
  }
}
