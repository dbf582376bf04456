import { stemmer } from 'stemmer';
import { irregularForms, stopWords } from './english.js';
import { Words, type Word } from './words.js';

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
} as const;

/** A word; or two letters of a flag, which mean something only together; or one pictograph. */
const wordPattern = /[\p{L}\p{N}\p{M}_]+(?:['\u2019][\p{L}\p{M}]+)*|\p{Regional_Indicator}{2}|\p{Extended_Pictographic}/gu;
const beyondAscii = /[^\0-\x7f]/;
/** Accents, keycaps, and what chooses between a symbol in black and in colour. */
const combiningMarks = /[\u0300-\u036f\u20d0-\u20ff\ufe0e\ufe0f]/g;
/** Letters that no decomposition takes apart, as those write them who lack them on their keyboard; ß as in full case folding. */
const plainLetters: ReadonlyMap<string, string> = new Map(Object.entries({
  ß: 'ss', ẞ: 'SS', æ: 'ae', Æ: 'Ae', œ: 'oe', Œ: 'Oe', ø: 'o', Ø: 'O', ł: 'l', Ł: 'L', đ: 'd', Đ: 'D', ð: 'd', Ð: 'D', þ: 'th', Þ: 'Th', ı: 'i',
}));
const specialLetters = new RegExp(`[${[...plainLetters.keys()].join('')}]`, 'g');
const unspacedScript = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/u;
const possessiveOrContraction = /['\u2019](?:s|ll|re|ve|d|m)$/;
/** Lower-casing writes it at the end of a Greek word; folding case does not. */
const finalSigma = /ς$/;
const apostrophes = /['\u2019]/g;
const questionAtEnd = /[?\uff1f]["'\u201d\u2019)\]\s]*$/;
const asksFromTheStart = /^\s*(?:who|whom|whose|what|when|where|which|why|how|is|are|was|were|do|does|did|can|could|has|have|had|will|would|should)\b/i;

/**
 * English analysis that leaves other languages usable: words are split by Unicode, lower-cased, stripped of accents,
 * possessives and contractions; stop words go, irregular forms are reduced, the rest is stemmed (Porter 1980). Text in
 * Chinese or Japanese, which puts no spaces between words, becomes pairs of neighbouring characters. A pictograph is a
 * word, whatever its colour or skin; one joined of several is as many words.
 */
export function analyse(text: string): Analysis {
  const terms: string[] = [];
  const names = new Set<string>();
  const asks = readText(text, ({ term }, isName) => {
    terms.push(term);
    if (isName && names.size < analysisLimits.namesMax) names.add(term);
  });
  return { terms, names: [...names], asks };
}

/**
 * The same without making lists: hands out the words that have a term, in reading order, and whether each is a name.
 * Returns whether the text asks.
 */
export function readText(text: string, visit: (word: Word, isName: boolean) => void): boolean {
  if (!beyondAscii.test(text)) {
    readAscii(text, visit);
    return questionAtEnd.test(text.slice(-16));
  }
  const plain = text.normalize('NFKD').replace(combiningMarks, '').normalize('NFC').replace(specialLetters, (letter) => plainLetters.get(letter)!);
  readUnicode(plain, visit);
  return questionAtEnd.test(plain.slice(-16));
}

/** Whether a text has anything that could be searched for. */
export function hasTerms(text: string): boolean {
  let any = false;
  readText(text, () => { any = true; });
  return any;
}

/** Whether a cue asks something, with or without the question mark. */
export function isQuestion(text: string): boolean {
  return questionAtEnd.test(text.slice(-16)) || asksFromTheStart.test(text);
}

const words = new Words(termOf);

const letter = 1;
const digitOrUnderscore = 2;
/** What an ASCII character can be in a word; 0 when it ends one. */
const asciiClass = Uint8Array.from({ length: 128 }, (_, code) => {
  const character = String.fromCharCode(code);
  return /[A-Za-z]/.test(character) ? letter : /[0-9_]/.test(character) ? digitOrUnderscore : 0;
});
const apostrophe = 39;

/** What `wordPattern` finds in ASCII, which most texts are, found several times as fast. */
function readAscii(text: string, visit: (word: Word, isName: boolean) => void): void {
  const { length } = text;
  let terms = 0;
  for (let at = 0; at < length && terms < analysisLimits.termsMax; at++) {
    if (asciiClass[text.charCodeAt(at)] === 0) continue;
    const from = at;
    do at++; while (at < length && asciiClass[text.charCodeAt(at)] !== 0);
    while (at + 1 < length && text.charCodeAt(at) === apostrophe && asciiClass[text.charCodeAt(at + 1)] === letter) {
      do at++; while (at < length && asciiClass[text.charCodeAt(at)] === letter);
    }
    const word = words.of(text, from, Math.min(at, from + analysisLimits.wordCharactersMax));
    // Digits may go on right after the letters behind an apostrophe: they are the next word.
    at--;
    if (word === undefined) continue;
    visit(word, isNameAt(text, from));
    terms++;
  }
}

function readUnicode(text: string, visit: (word: Word, isName: boolean) => void): void {
  let terms = 0;
  wordPattern.lastIndex = 0;
  for (let match = wordPattern.exec(text); match !== null && terms < analysisLimits.termsMax; match = wordPattern.exec(text)) {
    const { 0: written, index } = match;
    if (unspacedScript.test(written.slice(0, analysisLimits.wordCharactersMax))) {
      for (const pair of characterPairs(written, analysisLimits.termsMax - terms)) {
        visit({ term: pair, lastNumber: 0 }, false);
        terms++;
      }
      continue;
    }
    const word = words.of(text, index, index + Math.min(written.length, analysisLimits.wordCharactersMax));
    if (word === undefined) continue;
    visit(word, isNameAt(text, index));
    terms++;
  }
}

/**
 * Engines cut a long word out of its text by reference, so remembering the word would keep the whole text alive;
 * joining its characters makes a string of its own. Shorter cuts (below 13 characters) are copied anyway.
 */
export function ownCopy(text: string): string {
  return text.length < 13 ? text : text.split('').join('');
}

/** The index term of one word; empty for a stop word. A pure function. */
function termOf(written: string): string {
  const lower = written.toLowerCase().replace(possessiveOrContraction, '').replace(apostrophes, '').replace(finalSigma, 'σ');
  return stopWords.has(lower) ? '' : ownCopy(stemmer(irregularForms.get(lower) ?? lower));
}

/** Neighbouring characters in pairs, at most `max`; a character alone stays alone. */
function characterPairs(written: string, max: number): string[] {
  const characters = Array.from(written.toLowerCase());
  if (characters.length === 1) return [written];
  return characters.slice(0, Math.min(max, characters.length - 1)).map((character, i) => character + characters[i + 1]!);
}

/** A capital after a word or comma is a name; after a full stop, a colon or nothing it only starts a sentence. */
function isNameAt(text: string, at: number): boolean {
  const first = text.charCodeAt(at);
  const upper = (first >= 65 && first <= 90) || (first > 127 && /^\p{Lu}/u.test(text.slice(at, at + 2)));
  if (!upper || at < 2 || text.charCodeAt(at - 1) !== 32) return false;
  const before = text.charCodeAt(at - 2);
  return before === 44 || (before >= 97 && before <= 122) || (before >= 65 && before <= 90) || (before >= 48 && before <= 57) || before > 127;
}
