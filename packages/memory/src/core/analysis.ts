import { stemmer } from 'stemmer';
import { irregularForms, stopWords } from './english.js';

/** What the index keeps of a memory's text. */
export interface Analysis {
  /** Index terms in reading order, with repetitions: at most `analysisLimits.termsMax`. */
  readonly terms: readonly string[];
  /** Terms written with a capital inside a sentence: people, places, products. Distinct, at most `analysisLimits.namesMax`. */
  readonly names: readonly string[];
  /** The text ends in a question mark: it asks rather than tells. */
  readonly asks: boolean;
}

export const analysisLimits = {
  /** Terms read of one text; what follows is kept but not searchable. Bounds the time one store can take. */
  termsMax: 8_192,
  /** Names kept of one text. */
  namesMax: 64,
  /** Longer words (encoded data, mostly) are cut to this many characters. */
  wordCharactersMax: 64,
  /** Words whose term is remembered; the memo starts afresh when full. */
  memoWordsMax: 65_536,
} as const;

const word = /[\p{L}\p{N}\p{M}_]+(?:['\u2019][\p{L}\p{M}]+)*/gu;
const beyondAscii = /[^\0-\x7f]/;
const combiningMarks = /[\u0300-\u036f]/g;
const unspacedScript = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/u;
const possessiveOrContraction = /['\u2019](?:s|ll|re|ve|d|m)$/;
const apostrophes = /['\u2019]/g;
const questionAtEnd = /[?\uff1f]["'\u201d\u2019)\]\s]*$/;
const asksFromTheStart = /^\s*(?:who|whom|whose|what|when|where|which|why|how|is|are|was|were|do|does|did|can|could|has|have|had|will|would|should)\b/i;

/**
 * English analysis that leaves other languages usable: words are split by Unicode, lower-cased, stripped of accents,
 * possessives and contractions; stop words go, irregular forms are reduced, the rest is stemmed (Porter 1980). Text in
 * Chinese or Japanese, which puts no spaces between words, becomes pairs of neighbouring characters.
 */
export function analyse(text: string): Analysis {
  const plain = withoutAccents(text);
  const terms: string[] = [];
  const names = new Set<string>();
  word.lastIndex = 0;
  for (let match = word.exec(plain); match !== null && terms.length < analysisLimits.termsMax; match = word.exec(plain)) {
    const term = termOf(match[0]);
    if (term === undefined) pushCharacterPairs(match[0], terms);
    else if (term !== '') {
      terms.push(term);
      if (isNameAt(plain, match.index) && names.size < analysisLimits.namesMax) names.add(term);
    }
  }
  return { terms, names: [...names], asks: questionAtEnd.test(plain.slice(-16)) };
}

/** Whether a cue asks something, with or without the question mark. */
export function isQuestion(text: string): boolean {
  return questionAtEnd.test(text.slice(-16)) || asksFromTheStart.test(text);
}

const memo = new Map<string, string>();

/** How many words' terms are remembered at the moment; never more than `analysisLimits.memoWordsMax`. */
export function memoWords(): number {
  return memo.size;
}

/** The index term of one word; empty for a stop word, undefined for unspaced scripts. A pure function, remembered. */
function termOf(written: string): string | undefined {
  const known = memo.get(written);
  if (known !== undefined) return known;
  const reduced = reduce(written.slice(0, analysisLimits.wordCharactersMax));
  const term = reduced === undefined ? undefined : ownCopy(reduced);
  if (term !== undefined && written.length <= analysisLimits.wordCharactersMax) {
    if (memo.size >= analysisLimits.memoWordsMax) memo.clear();
    memo.set(ownCopy(written), term);
  }
  return term;
}

/**
 * Engines cut a long word out of its text by reference, so remembering the word would keep the whole text alive;
 * joining its characters makes a string of its own. Shorter cuts (below 13 characters) are copied anyway.
 */
export function ownCopy(text: string): string {
  return text.length < 13 ? text : text.split('').join('');
}

function reduce(written: string): string | undefined {
  if (unspacedScript.test(written)) return undefined;
  const lower = written.toLowerCase().replace(possessiveOrContraction, '').replace(apostrophes, '');
  if (stopWords.has(lower)) return '';
  return stemmer(irregularForms.get(lower) ?? lower);
}

function pushCharacterPairs(written: string, terms: string[]): void {
  const characters = Array.from(written.toLowerCase());
  if (characters.length === 1) terms.push(written);
  for (let i = 0; i + 1 < characters.length && terms.length < analysisLimits.termsMax; i++) {
    terms.push(characters[i]! + characters[i + 1]!);
  }
}

/** Accents are only looked for where they can be: plain ASCII, most of what arrives, passes through untouched. */
function withoutAccents(text: string): string {
  return beyondAscii.test(text) ? text.normalize('NFKD').replace(combiningMarks, '').normalize('NFC') : text;
}

/** A capital after a word or comma is a name; after a full stop, a colon or nothing it only starts a sentence. */
function isNameAt(text: string, at: number): boolean {
  const first = text.charCodeAt(at);
  const upper = (first >= 65 && first <= 90) || (first > 127 && /^\p{Lu}/u.test(text.slice(at, at + 2)));
  if (!upper || at < 2 || text.charCodeAt(at - 1) !== 32) return false;
  const before = text.charCodeAt(at - 2);
  return before === 44 || (before >= 97 && before <= 122) || (before >= 65 && before <= 90) || (before >= 48 && before <= 57) || before > 127;
}
