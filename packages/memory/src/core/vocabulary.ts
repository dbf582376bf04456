import { ownCopy } from './analysis.js';

/** What a term stands for. Only names and tags are links that activation travels over. */
export type TermKind = 'word' | 'name' | 'tag';

/** Kinds share one numbering; a prefix no analysed word can begin with keeps them apart. */
const prefixes: Record<TermKind, string> = { word: '', name: '\u0001', tag: '\u0002' };

/**
 * Numbers the distinct terms of a space. A number is free for another term once nothing holds the old one, so the
 * vocabulary stays as large as the memories held make it.
 */
export class Vocabulary {
  readonly #numbers = new Map<string, number>();
  readonly #keys: string[] = [];
  readonly #free: number[] = [];

  get size(): number {
    return this.#numbers.size;
  }

  find(kind: TermKind, text: string): number | undefined {
    return this.#numbers.get(prefixes[kind] + text);
  }

  number(kind: TermKind, text: string): number {
    const key = prefixes[kind] + text;
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    const number = this.#free.pop() ?? this.#keys.length;
    const own = ownCopy(key);
    this.#keys[number] = own;
    this.#numbers.set(own, number);
    return number;
  }

  release(number: number): void {
    this.#numbers.delete(this.#keys[number]!);
    this.#keys[number] = '';
    this.#free.push(number);
  }

  /** The term with its kind's prefix: orders terms the same way in every index. */
  key(number: number): string {
    return this.#keys[number]!;
  }

  isLink(number: number): boolean {
    const first = this.#keys[number]!.charCodeAt(0);
    return first === 1 || first === 2;
  }
}
