import { grown } from './growable.js';

/** How often each term occurs in one memory. Filled and emptied once per memory, so what it is made of is kept. */
export class TermCounts {
  /** Per term, how often; 0 for those that do not occur. */
  #counts = new Uint32Array(1_024);
  /** The terms that occur, in the order they were met. */
  #terms = new Uint32Array(1_024);
  #size = 0;

  /** How many distinct terms occur. */
  get size(): number {
    return this.#size;
  }

  /** Counts an occurrence. */
  add(term: number): void {
    if (!this.addOnce(term)) this.#counts[term]!++;
  }

  /** Counts a term that has not occurred; false, and nothing changed, when it has. */
  addOnce(term: number): boolean {
    if (term >= this.#counts.length) this.#counts = grown(this.#counts, term + 1);
    if (this.#counts[term] !== 0) return false;
    this.#counts[term] = 1;
    if (this.#size === this.#terms.length) this.#terms = grown(this.#terms, this.#size + 1);
    this.#terms[this.#size++] = term;
    return true;
  }

  /** Hands out the terms with their counts and forgets them. */
  drain(visit: (term: number, count: number) => void): void {
    const size = this.#size;
    this.#size = 0;
    for (let i = 0; i < size; i++) {
      const term = this.#terms[i]!;
      const count = this.#counts[term]!;
      this.#counts[term] = 0;
      visit(term, count);
    }
  }
}
