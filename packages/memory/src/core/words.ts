/** A word as texts spell it, and what it is reduced to. One object stands for every text that spells it so. */
export interface Word {
  /** The index term; empty for a word that says nothing about its subject. */
  readonly term: string;
  /** The number of the term in the vocabulary that met the word last: a guess to be checked, for vocabularies differ. */
  lastNumber: number;
}

/** Words remembered at most, a power of two. */
export const wordsRememberedMax = 65_536;
/** Longer words are rare and not remembered. */
export const rememberedCharactersMax = 32;

const slotMask = wordsRememberedMax - 1;
/** A word lies in one of this many slots from its hash on, so no choice of words makes a look-up long. */
const probesMax = 8;

/**
 * Remembers words, so that reducing one to its term is paid for once. Looked up by characters, without cutting the word
 * out of its text. When the slots for a word are all taken, one of them is given to it: what is forgotten is reduced
 * again the next time.
 */
export class Words {
  readonly #reduce: (written: string) => string;
  readonly #words = new Array<Word | undefined>(wordsRememberedMax).fill(undefined);
  /** Per slot, how many characters the word has; 0 while the slot is free. */
  readonly #length = new Uint8Array(wordsRememberedMax);
  /** Per slot, the characters themselves. */
  readonly #characters = new Uint16Array(wordsRememberedMax * rememberedCharactersMax);
  #size = 0;

  /** @param reduce The term of a word. A pure function, and what it returns keeps no other text alive. */
  constructor(reduce: (written: string) => string) {
    this.#reduce = reduce;
  }

  get size(): number {
    return this.#size;
  }

  /** The word from `from` up to but not including `to`; not empty. */
  of(text: string, from: number, to: number): Word {
    const length = to - from;
    if (length > rememberedCharactersMax) return { term: this.#reduce(text.slice(from, to)), lastNumber: 0 };
    const hash = hashOf(text, from, to);
    for (let probe = 0; probe < probesMax; probe++) {
      const slot = (hash + probe) & slotMask;
      if (this.#length[slot] === 0) {
        this.#size++;
        return this.#put(slot, text, from, to);
      }
      if (this.#length[slot] === length && this.#holds(slot, text, from, to)) return this.#words[slot]!;
    }
    return this.#put((hash + (hash >>> 16) % probesMax) & slotMask, text, from, to);
  }

  #holds(slot: number, text: string, from: number, to: number): boolean {
    const first = slot * rememberedCharactersMax - from;
    for (let at = from; at < to; at++) if (this.#characters[first + at] !== text.charCodeAt(at)) return false;
    return true;
  }

  #put(slot: number, text: string, from: number, to: number): Word {
    const first = slot * rememberedCharactersMax - from;
    for (let at = from; at < to; at++) this.#characters[first + at] = text.charCodeAt(at);
    this.#length[slot] = to - from;
    return (this.#words[slot] = { term: this.#reduce(text.slice(from, to)), lastNumber: 0 });
  }
}

/** FNV-1a over UTF-16 units, its upper bits folded into the lower ones that choose the slot. */
function hashOf(text: string, from: number, to: number): number {
  let hash = 0x811c9dc5;
  for (let at = from; at < to; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return (hash ^ (hash >>> 15)) >>> 0;
}
