/**
 * The baseline: BM25 as a textbook has it (k1 = 1.2, b = 0.75), over lower-cased runs of letters and digits, without
 * stop words or stemming. Shares no code with Engram.
 */
export class PlainBm25 {
  readonly #ids: readonly string[];
  readonly #counts: readonly Map<string, number>[];
  readonly #lengths: readonly number[];
  readonly #lengthMean: number;
  readonly #holders = new Map<string, number>();

  constructor(documents: readonly { readonly id: string; readonly content: string }[]) {
    const words = documents.map((document) => wordsOf(document.content));
    this.#ids = documents.map((document) => document.id);
    this.#counts = words.map(countsOf);
    this.#lengths = words.map((list) => list.length);
    this.#lengthMean = this.#lengths.reduce((sum, length) => sum + length, 0) / Math.max(1, documents.length);
    for (const counts of this.#counts) {
      for (const word of counts.keys()) this.#holders.set(word, (this.#holders.get(word) ?? 0) + 1);
    }
  }

  /** Ids of the best documents, best first; equal scores in the order the documents came. */
  search(query: string, limit: number): string[] {
    const words = [...new Set(wordsOf(query))];
    return this.#ids
      .map((id, document) => ({ id, document, score: this.#score(words, document) }))
      .filter(({ score }) => score > 0)
      .sort((a, b) => b.score - a.score || a.document - b.document)
      .slice(0, limit)
      .map(({ id }) => id);
  }

  #score(words: readonly string[], document: number): number {
    const k1 = 1.2;
    const b = 0.75;
    let score = 0;
    for (const word of words) {
      const count = this.#counts[document]!.get(word) ?? 0;
      const holders = this.#holders.get(word) ?? 0;
      const idf = Math.log(1 + (this.#ids.length - holders + 0.5) / (holders + 0.5));
      score += (idf * count * (k1 + 1)) / (count + k1 * (1 - b + (b * this.#lengths[document]!) / this.#lengthMean));
    }
    return score;
  }
}

function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
}

function countsOf(words: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
}
