import { analyse } from './analysis.js';
import type { MemoryTable } from './memory-table.js';
import type { ResolvedRecallTuning } from './options.js';
import type { Evidence } from './evidence.js';

/** A cue's text may be long; this many of its terms, the rarest first, are looked up. */
export const cueTermsMax = 64;

/**
 * BM25 (Robertson & Zaragoza 2009, §3) as a share of the most this cue could get, so that it lies in [0,1) and says how
 * much of the cue a memory covers: sum over terms of idf · tf·(k1+1) / (tf + k1·(1 − b + b·length/mean)), divided by the
 * sum of idf · (k1+1). Words of the cue that no memory holds count in the divisor: what is not found lowers the match.
 * Terms are summed in the order of their text, so equal sets of memories give equal bits.
 */
export function matchText(table: MemoryTable, tuning: ResolvedRecallTuning, text: string, evidence: Evidence): void {
  const { k1, b } = tuning;
  const terms = cueTerms(table, text);
  const attainable = terms.reduce((sum, term) => sum + term.idf, 0) * (k1 + 1);
  // Memories found by their tags alone may have no words at all.
  const lengthMean = table.wordCountMean || 1;
  for (const { number, idf } of terms) {
    if (number === undefined) continue;
    const weight = (idf * (k1 + 1)) / attainable;
    table.postings.eachRun(number, (words, from, to) => {
      for (let i = from; i < to; i++) {
        const posting = words[i]!;
        const ordinal = posting >>> 8;
        const count = posting & 255;
        const length = 1 - b + (b * table.wordCount(ordinal)) / lengthMean;
        evidence.addLexical(ordinal, (weight * count) / (count + k1 * length));
      }
    });
  }
}

interface CueTerm {
  readonly text: string;
  /** Undefined for a word no memory holds. */
  readonly number: number | undefined;
  readonly idf: number;
}

/** Distinct terms of the cue, ordered by their text. */
function cueTerms(table: MemoryTable, text: string): CueTerm[] {
  const terms = [...new Set(analyse(text).terms)].map((term): CueTerm => {
    const number = table.vocabulary.find('word', term);
    const holders = number === undefined ? 0 : table.postings.count(number);
    return { text: term, number, idf: inverseDocumentFrequency(table.size, holders) };
  });
  const byText = (x: CueTerm, y: CueTerm): number => (x.text < y.text ? -1 : 1);
  if (terms.length <= cueTermsMax) return terms.sort(byText);
  return terms.sort((x, y) => y.idf - x.idf || byText(x, y)).slice(0, cueTermsMax).sort(byText);
}

/** The form that stays positive for terms in more than half of the memories. */
export function inverseDocumentFrequency(memories: number, holders: number): number {
  return Math.log(1 + (memories - holders + 0.5) / (holders + 0.5));
}
