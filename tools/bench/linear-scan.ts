/**
 * What a recall would cost without an index: BM25 over every memory, one after the other. The words were counted
 * beforehand, so the scan is charged for scoring only.
 */
export class LinearScan {
  readonly #numbers = new Map<string, number>();
  readonly #documents: Uint32Array[] = [];
  readonly #holders: number[] = [];
  #words = 0;

  add(text: string): void {
    const words = wordsOf(text).map((word) => this.#numberOf(word));
    for (const word of new Set(words)) this.#holders[word] = (this.#holders[word] ?? 0) + 1;
    this.#words += words.length;
    this.#documents.push(Uint32Array.from(words));
  }

  /** Indexes of the best documents, best first. */
  search(cue: string, limit: number): number[] {
    const asked = new Map<number, number>();
    for (const word of new Set(wordsOf(cue))) {
      const number = this.#numbers.get(word);
      if (number === undefined) continue;
      const holders = this.#holders[number]!;
      asked.set(number, Math.log(1 + (this.#documents.length - holders + 0.5) / (holders + 0.5)));
    }
    const meanLength = this.#words / Math.max(1, this.#documents.length);
    const scored: { index: number; score: number }[] = [];
    for (const [index, words] of this.#documents.entries()) {
      const score = scoreOf(words, asked, meanLength);
      if (score > 0) scored.push({ index, score });
    }
    return scored.sort((a, b) => b.score - a.score || a.index - b.index).slice(0, limit).map(({ index }) => index);
  }

  #numberOf(word: string): number {
    let number = this.#numbers.get(word);
    if (number === undefined) this.#numbers.set(word, (number = this.#numbers.size));
    return number;
  }
}

const K1 = 1.2;
const B = 0.75;

function scoreOf(words: Uint32Array, asked: ReadonlyMap<number, number>, meanLength: number): number {
  let score = 0;
  for (const [number, idf] of asked) {
    let count = 0;
    for (const word of words) if (word === number) count += 1;
    if (count > 0) score += (idf * count * (K1 + 1)) / (count + K1 * (1 - B + (B * words.length) / meanLength));
  }
  return score;
}

function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
}
