import { ownCopy } from './analysis.js';
import type { Word } from './words.js';

/** What a term stands for. Only names and tags are links that activation travels over. */
export type TermKind = 'word' | 'name' | 'tag';

/** Kinds share one numbering; in a key, a prefix no analysed word can begin with keeps them apart. */
const prefixes: Record<TermKind, string> = { word: '', name: '\u0001', tag: '\u0002' };

/**
 * Numbers the distinct terms of a space. A number is free for another term once nothing holds the old one, so the
 * vocabulary stays as large as the memories held make it.
 */
export class Vocabulary {
  /** One map per kind, so that a look-up need not join a prefix and a term first. */
  readonly #numbers: Record<TermKind, Map<string, number>> = { word: new Map(), name: new Map(), tag: new Map() };
  readonly #keys: string[] = [];
  readonly #free: number[] = [];

  get size(): number {
    return this.#keys.length - this.#free.length;
  }

  find(kind: TermKind, text: string): number | undefined {
    return this.#numbers[kind].get(text);
  }

  number(kind: TermKind, text: string): number {
    const known = this.#numbers[kind].get(text);
    if (known !== undefined) return known;
    const number = this.#free.pop() ?? this.#keys.length;
    // Analysed words are strings of their own already.
    const own = kind === 'tag' ? ownCopy(text) : text;
    this.#keys[number] = prefixes[kind] + own;
    this.#numbers[kind].set(own, number);
    return number;
  }

  /** The number of a word's term. A word usually meets the vocabulary it met last, which spares looking the term up. */
  numberOfWord(word: Word): number {
    if (this.#keys[word.lastNumber] !== word.term) word.lastNumber = this.number('word', word.term);
    return word.lastNumber;
  }

  release(number: number): void {
    const key = this.#keys[number]!;
    const kind = kindOf(key);
    this.#numbers[kind].delete(key.slice(prefixes[kind].length));
    this.#keys[number] = '';
    this.#free.push(number);
  }

  /** The term with its kind's prefix: orders terms the same way in every index. */
  key(number: number): string {
    return this.#keys[number]!;
  }

  isLink(number: number): boolean {
    return kindOf(this.#keys[number]!) !== 'word';
  }
}

function kindOf(key: string): TermKind {
  const first = key.charCodeAt(0);
  return first === 1 ? 'name' : first === 2 ? 'tag' : 'word';
}
