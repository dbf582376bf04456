interface Entry<Key> {
  readonly key: Key;
  readonly bytes: Uint8Array;
  rides: number;
}

/** How many entries that do not fit one packet may be passed over before it goes as it is. */
const passedOverMax = 8;

/**
 * News waiting to ride on packets. What has ridden least rides next, and among equals the latest, so fresh news
 * overtakes old. After its rides an entry is dropped; newer news of the same key replaces older.
 *
 * Entries lie on one stack per number of rides, so taking and putting cost the same however many wait. A replaced
 * entry stays on its stack until it comes up.
 */
export class RideQueue<Key> {
  readonly #current = new Map<Key, Entry<Key>>();
  readonly #stacks: Entry<Key>[][] = [];
  /** Entries on stacks, replaced ones included; when they outnumber the current ones by far, the stacks are swept. */
  #stacked = 0;

  get size(): number {
    return this.#current.size;
  }

  has(key: Key): boolean {
    return this.#current.has(key);
  }

  put(key: Key, bytes: Uint8Array): void {
    const entry = { key, bytes, rides: 0 };
    this.#current.set(key, entry);
    this.#push(entry);
    if (this.#stacked > 2 * this.#current.size + 64) this.#sweep();
  }

  delete(key: Key): void {
    this.#current.delete(key);
  }

  clear(): void {
    this.#current.clear();
    this.#sweep();
  }

  /** Drops all entries but this one, when it is there. */
  keepOnly(key: Key): void {
    for (const other of [...this.#current.keys()]) if (other !== key) this.#current.delete(other);
    this.#sweep();
  }

  /** Drops the entry that has ridden most. */
  dropMostTravelled(): void {
    for (let rides = this.#stacks.length - 1; rides >= 0; rides--) {
      for (const entry of this.#stacks[rides] ?? []) {
        if (this.#current.get(entry.key) !== entry) continue;
        this.#current.delete(entry.key);
        return;
      }
    }
  }

  /** What rides on one packet with `room` bytes left. Each entry taken has one ride less of its `ridesMax`. */
  take(room: number, ridesMax: number): Uint8Array[] {
    const taken: Uint8Array[] = [];
    const back: Entry<Key>[] = [];
    let left = room;
    let passedOver = 0;
    for (let rides = 0; rides < this.#stacks.length && passedOver < passedOverMax && left > 0; rides++) {
      const stack = this.#stacks[rides] as Entry<Key>[];
      while (stack.length > 0 && passedOver < passedOverMax && left > 0) {
        const entry = stack.pop() as Entry<Key>;
        this.#stacked--;
        if (this.#current.get(entry.key) !== entry) continue;
        if (entry.bytes.length > left) passedOver++;
        else {
          taken.push(entry.bytes);
          left -= entry.bytes.length;
          entry.rides++;
        }
        // Back on a stack only when the packet is full, or the same entry would ride twice.
        if (entry.rides < ridesMax) back.push(entry);
        else this.#current.delete(entry.key);
      }
    }
    for (let i = back.length - 1; i >= 0; i--) this.#push(back[i] as Entry<Key>);
    return taken;
  }

  #push(entry: Entry<Key>): void {
    while (this.#stacks.length <= entry.rides) this.#stacks.push([]);
    (this.#stacks[entry.rides] as Entry<Key>[]).push(entry);
    this.#stacked++;
  }

  #sweep(): void {
    this.#stacked = 0;
    for (const [rides, stack] of this.#stacks.entries()) {
      const kept = stack.filter((entry) => this.#current.get(entry.key) === entry);
      this.#stacks[rides] = kept;
      this.#stacked += kept.length;
    }
  }
}

/** How often each piece of news rides from each member: enough to reach all with high probability (SWIM, section 4.1). */
export function ridesFor(members: number, retransmitMult: number): number {
  return retransmitMult * Math.max(1, Math.ceil(Math.log10(members + 1)));
}
