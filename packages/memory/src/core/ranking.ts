/** Whether `a` ranks before `b`. Must be a total order: of two different candidates exactly one ranks before the other. */
export type RanksBefore = (a: number, b: number) => boolean;

/**
 * The best few of many candidates, without sorting the many: a heap with the worst of the kept on top. Which candidates
 * are kept, and in what order, follows from the order alone and not from how they were offered.
 */
export class Best {
  readonly #limit: number;
  readonly #before: RanksBefore;
  readonly #heap: number[] = [];

  constructor(limit: number, before: RanksBefore) {
    this.#limit = limit;
    this.#before = before;
  }

  /** The last of the kept, once there are as many as may be kept: what a further candidate has to beat. */
  get worstOfFull(): number | undefined {
    return this.#heap.length < this.#limit ? undefined : this.#heap[0];
  }

  offer(candidate: number): void {
    if (this.#heap.length < this.#limit) {
      this.#heap.push(candidate);
      this.#rise(this.#heap.length - 1);
    } else if (this.#limit > 0 && this.#before(candidate, this.#heap[0]!)) {
      this.#heap[0] = candidate;
      this.#sink();
    }
  }

  /** The kept, best first. */
  inOrder(): number[] {
    return [...this.#heap].sort((a, b) => (this.#before(a, b) ? -1 : 1));
  }

  #rise(at: number): void {
    const heap = this.#heap;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#before(heap[parent]!, heap[at]!)) return;
      swap(heap, at, parent);
      at = parent;
    }
  }

  #sink(): void {
    const heap = this.#heap;
    let at = 0;
    for (;;) {
      let worst = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < heap.length && this.#before(heap[worst]!, heap[child]!)) worst = child;
      }
      if (worst === at) return;
      swap(heap, at, worst);
      at = worst;
    }
  }
}

function swap(heap: number[], a: number, b: number): void {
  const kept = heap[a]!;
  heap[a] = heap[b]!;
  heap[b] = kept;
}
