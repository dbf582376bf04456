/** What leaves together in one frame, unless a single item is larger. Larger frames would make small calls wait behind them. */
const parcelBytes = 256 * 1024;

/** Gathers what is said within one turn of the event loop, so that it leaves in as few frames as it fits into. */
export class Parcels<Item> {
  readonly #send: (items: Item[]) => void;
  readonly #sizeOf: (item: Item) => number;
  readonly #mayLeave: () => boolean;
  #items: Item[] = [];
  #scheduled = false;

  /** @param mayLeave While it says no, everything waits; call `flush` once it says yes. */
  constructor(sizeOf: (item: Item) => number, send: (items: Item[]) => void, mayLeave: () => boolean = () => true) {
    this.#sizeOf = sizeOf;
    this.#send = send;
    this.#mayLeave = mayLeave;
  }

  add(item: Item): void {
    this.#items.push(item);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.flush();
    });
  }

  flush(): void {
    if (!this.#mayLeave()) return;
    let parcel: Item[] = [];
    let bytes = 0;
    for (const item of this.#items.splice(0)) {
      const size = this.#sizeOf(item);
      if (parcel.length > 0 && bytes + size > parcelBytes) {
        this.#send(parcel);
        parcel = [];
        bytes = 0;
      }
      parcel.push(item);
      bytes += size;
    }
    if (parcel.length > 0) this.#send(parcel);
  }
}
