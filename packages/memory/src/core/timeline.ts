import { assert } from '@engram/kernel';

const chunkMax = 512;

/** Orders two ordinals by (whenMs, id); 0 only for the same memory. */
export type TimeOrder = (a: number, b: number) => number;

/** Where a memory stands on the timeline; valid until the next insertion or removal. */
export interface Place {
  readonly chunk: number;
  readonly slot: number;
}

/**
 * All memories of a space in order of time, ids deciding between equals. Kept as sorted chunks of up to 512 ordinals, so
 * a late arrival moves one chunk's tail and not the whole order; arriving in order only appends.
 */
export class Timeline {
  readonly #order: TimeOrder;
  readonly #chunks: number[][] = [];
  #size = 0;

  constructor(order: TimeOrder) {
    this.#order = order;
  }

  get size(): number {
    return this.#size;
  }

  insert(ordinal: number): void {
    this.#size++;
    const last = this.#chunks.at(-1);
    if (last === undefined) {
      this.#chunks.push([ordinal]);
    } else if (this.#order(last.at(-1)!, ordinal) < 0) {
      // In order: a full last chunk stays full instead of being halved.
      if (last.length < chunkMax) last.push(ordinal);
      else this.#chunks.push([ordinal]);
    } else {
      const { chunk, slot } = this.placeOf(ordinal);
      const members = this.#chunks[chunk]!;
      members.splice(slot, 0, ordinal);
      if (members.length > chunkMax) this.#chunks.splice(chunk + 1, 0, members.splice(chunkMax / 2));
    }
  }

  remove(ordinal: number): void {
    const { chunk, slot } = this.placeOf(ordinal);
    const members = this.#chunks[chunk];
    assert(members?.[slot] === ordinal, 'a memory stands on the timeline until it is removed', { ordinal });
    members.splice(slot, 1);
    if (members.length === 0) this.#chunks.splice(chunk, 1);
    this.#size--;
  }

  /** Where the memory stands, or would. */
  placeOf(ordinal: number): Place {
    return this.firstWhere((member) => this.#order(member, ordinal) >= 0);
  }

  /**
   * The place of the first member for which `reached` holds; it must hold for all after it too. The place past the last
   * member when it holds for none.
   */
  firstWhere(reached: (ordinal: number) => boolean): Place {
    const chunk = bisect(this.#chunks.length, (i) => reached(this.#chunks[i]!.at(-1)!));
    const members = this.#chunks[chunk];
    return { chunk, slot: members === undefined ? 0 : bisect(members.length, (i) => reached(members[i]!)) };
  }

  /** The ordinals before a place, latest first. */
  *backwardFrom(place: Place): Generator<number, void> {
    for (let chunk = Math.min(place.chunk, this.#chunks.length - 1); chunk >= 0; chunk--) {
      const members = this.#chunks[chunk]!;
      for (let slot = chunk === place.chunk ? place.slot - 1 : members.length - 1; slot >= 0; slot--) yield members[slot]!;
    }
  }

  /** The ordinals at and after a place, earliest first. */
  *forwardFrom(place: Place): Generator<number, void> {
    for (let chunk = place.chunk; chunk < this.#chunks.length; chunk++) {
      const members = this.#chunks[chunk]!;
      for (let slot = chunk === place.chunk ? place.slot : 0; slot < members.length; slot++) yield members[slot]!;
    }
  }

  first(): number | undefined {
    return this.#chunks[0]?.[0];
  }

  last(): number | undefined {
    return this.#chunks.at(-1)?.at(-1);
  }

  /** Past the last member. */
  get end(): Place {
    return { chunk: this.#chunks.length, slot: 0 };
  }

  /** An array that grew by pushing has up to half of its length and 16 to spare. */
  get bytes(): number {
    return this.#chunks.reduce((sum, { length }) => sum + 8 * Math.min(chunkMax, 1.5 * length + 16), 0);
  }
}

/** The smallest index for which `reached` holds, `length` when it holds for none. */
function bisect(length: number, reached: (index: number) => boolean): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (reached(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
