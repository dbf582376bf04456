/** A word as texts spell it, and what it is reduced to. One object stands for every text that spells it so. */
export interface Word {
  /** The index term. */
  readonly term: string;
  /** The number of the term in the vocabulary that met the word last: a guess to be checked, for vocabularies differ. */
  lastNumber: number;
}

/** Words remembered at most, a power of two. */
export const wordsRememberedMax = 65_536;
/** Longer words are rare and not remembered. */
export const rememberedCharactersMax = 30;

const slotMask = wordsRememberedMax - 1;
/** A word lies in one of this many slots from its hash on, so no choice of words makes a look-up long. */
const probesMax = 8;
/** A row is 64 bytes: the length of the word, 0 while the slot is free; whether it says anything; its characters. */
const rowUnits = 32;
const charactersAt = 2;

/**
 * Remembers words, so that reducing one to its term is paid for once. Looked up by characters, without cutting the word
 * out of its text, and laid out so that most look-ups touch one line of the processor's cache: the time goes into
 * waiting for memory, not into comparing. When the slots for a word are all taken, one of them is given to it; what is
 * forgotten is reduced again the next time.
 */
export class Words {
  readonly #reduce: (written: string) => string;
  readonly #rows = new Uint16Array(wordsRememberedMax * rowUnits);
  readonly #words = new Array<Word | undefined>(wordsRememberedMax).fill(undefined);
  #size = 0;

  /** @param reduce The term of a word, empty when it says nothing. Pure, and what it returns keeps no other text alive. */
  constructor(reduce: (written: string) => string) {
    this.#reduce = reduce;
  }

  get size(): number {
    return this.#size;
  }

  /** The word from `from` up to but not including `to`, not empty; undefined when it says nothing. */
  of(text: string, from: number, to: number): Word | undefined {
    const length = to - from;
    if (length > rememberedCharactersMax) return this.#reduced(text, from, to);
    const rows = this.#rows;
    const hash = hashOf(text, from, to);
    for (let probe = 0; probe < probesMax; probe++) {
      const slot = (hash + probe) & slotMask;
      const row = slot * rowUnits;
      if (rows[row] === 0) {
        this.#size++;
        return this.#put(slot, text, from, to);
      }
      if (rows[row] === length && this.#holds(row, text, from, to)) return rows[row + 1] === 0 ? undefined : this.#words[slot];
    }
    return this.#put((hash + (hash >>> 16) % probesMax) & slotMask, text, from, to);
  }

  #holds(row: number, text: string, from: number, to: number): boolean {
    const rows = this.#rows;
    const first = row + charactersAt - from;
    for (let at = from; at < to; at++) if (rows[first + at] !== text.charCodeAt(at)) return false;
    return true;
  }

  #put(slot: number, text: string, from: number, to: number): Word | undefined {
    const word = this.#reduced(text, from, to);
    const row = slot * rowUnits;
    const first = row + charactersAt - from;
    this.#rows[row] = to - from;
    this.#rows[row + 1] = word === undefined ? 0 : 1;
    for (let at = from; at < to; at++) this.#rows[first + at] = text.charCodeAt(at);
    this.#words[slot] = word;
    return word;
  }

  #reduced(text: string, from: number, to: number): Word | undefined {
    const term = this.#reduce(text.slice(from, to));
    return term === '' ? undefined : { term, lastNumber: 0 };
  }
}

/** FNV-1a over UTF-16 units, its upper bits folded into the lower ones that choose the slot. */
function hashOf(text: string, from: number, to: number): number {
  let hash = 0x811c9dc5;
  for (let at = from; at < to; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return (hash ^ (hash >>> 15)) >>> 0;
}
