import { assert } from '../assert.js';

/** Something that will happen. The object is the entry of the heap and carries what it needs, so nothing else is allocated. */
export abstract class SimEvent {
  /** Microseconds of virtual time. */
  declare at: number;
  /** Decides among events of one instant. */
  declare tie: number;
  /** Counts what was ever scheduled; the last word where two ties are equal. */
  declare seq: number;
  declare cancelled: boolean;
  /** In the heap at the moment. */
  declare queued: boolean;

  /**
   * Assigns where fields would be defined: an event of another class has another shape, and defining fields on objects of
   * many shapes is slow in V8. It was an eighth of the time of a large run.
   */
  constructor() {
    this.at = 0;
    this.tie = 0;
    this.seq = 0;
    this.cancelled = false;
    this.queued = false;
  }

  abstract fire(): void;
  /** The node it was waiting for is gone. */
  discarded(): void {
    // Most events leave nothing behind to account for.
  }
}

/**
 * Whoever schedules events: a node, a link, the world. Ties are a function of the seed, of the source and of how many
 * events that source has scheduled, so one event more here never reorders simultaneous events elsewhere.
 */
export class TieSource {
  readonly key: number;
  count = 0;

  constructor(key: number) {
    this.key = key | 0;
  }
}

/** Events pending at once before a simulation is taken for one that runs away. */
const pendingMax = 10_000_000;

/**
 * Virtual time: a binary heap ordered by `(at, tie, seq)`. Events of one instant are permuted by the seed, never by the
 * accident of who scheduled first. Cancelled events stay until they surface, or until they are more than half of the heap.
 */
export class Timeline {
  now = 0;
  readonly #tieKey: number;
  #heap: SimEvent[] = [];
  #cancelled = 0;
  #seq = 0;

  constructor(tieKey: number) {
    this.#tieKey = tieKey;
  }

  get pending(): number {
    return this.#heap.length - this.#cancelled;
  }

  schedule(event: SimEvent, at: number, source: TieSource): void {
    assert(at >= this.now, `nothing can be scheduled in the past: ${at} < ${this.now}`);
    assert(this.#heap.length < pendingMax, `more than ${pendingMax} events are pending`);
    event.at = at;
    event.seq = this.#seq++;
    event.tie = scattered(source.count++, scattered(source.key, this.#tieKey));
    this.#push(event);
  }

  /** Before everything else of this instant: for work that was interrupted half way. */
  scheduleFirst(event: SimEvent): void {
    event.at = this.now;
    event.seq = this.#seq++;
    event.tie = -1;
    this.#push(event);
  }

  /** Does nothing to an event that has fired or was cancelled before. */
  cancel(event: SimEvent): void {
    if (event.cancelled) return;
    event.cancelled = true;
    if (!event.queued) return;
    this.#cancelled++;
    if (this.#cancelled > 64 && this.#cancelled * 2 > this.#heap.length) this.#compact();
  }

  /** The next event, left in place; undefined when nothing will ever happen again. */
  peek(): SimEvent | undefined {
    for (let first = this.#heap[0]; first !== undefined; first = this.#heap[0]) {
      if (!first.cancelled) return first;
      this.#cancelled--;
      this.pop();
    }
    return undefined;
  }

  /** Takes away what `peek` showed. */
  pop(): void {
    const first = this.#heap[0];
    const last = this.#heap.pop();
    if (first === undefined || last === undefined) return;
    first.queued = false;
    if (this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#siftDown(0);
  }

  #push(event: SimEvent): void {
    event.queued = true;
    this.#heap.push(event);
    this.#siftUp(this.#heap.length - 1);
  }

  #compact(): void {
    this.#heap = this.#heap.filter((event) => !event.cancelled);
    this.#cancelled = 0;
    for (let i = (this.#heap.length >> 1) - 1; i >= 0; i--) this.#siftDown(i);
  }

  #siftUp(start: number): void {
    const heap = this.#heap;
    const event = heap[start] as SimEvent;
    let hole = start;
    while (hole > 0) {
      const up = (hole - 1) >> 1;
      const parent = heap[up] as SimEvent;
      if (!before(event, parent)) break;
      heap[hole] = parent;
      hole = up;
    }
    heap[hole] = event;
  }

  #siftDown(start: number): void {
    const heap = this.#heap;
    const event = heap[start] as SimEvent;
    const leaves = heap.length >> 1;
    let hole = start;
    while (hole < leaves) {
      let child = 2 * hole + 1;
      if (child + 1 < heap.length && before(heap[child + 1] as SimEvent, heap[child] as SimEvent)) child++;
      if (!before(heap[child] as SimEvent, event)) break;
      heap[hole] = heap[child] as SimEvent;
      hole = child;
    }
    heap[hole] = event;
  }
}

function before(a: SimEvent, b: SimEvent): boolean {
  if (a.at !== b.at) return a.at < b.at;
  if (a.tie !== b.tie) return a.tie < b.tie;
  return a.seq < b.seq;
}

/** The finalizer of MurmurHash3 over a counter: another order for every key, without a stream to draw from. */
export function scattered(count: number, key: number): number {
  let h = (Math.imul(count, 0x9e3779b1) ^ key) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  // 31 bits, so that it is a small integer and never below the -1 of `scheduleFirst`.
  return (h ^ (h >>> 16)) >>> 1;
}
