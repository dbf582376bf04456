import { grown } from './growable.js';
import type { MemoryTable } from './memory-table.js';

/**
 * What one recall has gathered about each memory, in columns over ordinals. One set of columns serves all recalls (they
 * never overlap): `clear` undoes only what was touched, so a recall in a large space costs what it touches.
 */
export class Evidence {
  /** Ordinals anything is known about, each once, in no particular order. */
  #touched = new Uint32Array(64);
  #touchedCount = 0;
  lexical = new Float64Array(64);
  vector = new Float64Array(64);
  neighbours = new Float64Array(64);
  associations = new Float64Array(64);
  time = new Float64Array(64);
  /** Filled in when the rest is gathered. */
  score = new Float64Array(64);
  #seen = new Uint8Array(64);
  /** Whether the filter lets the memory take part. */
  #admits: (ordinal: number) => boolean = () => true;

  begin(table: MemoryTable, admits: (ordinal: number) => boolean): void {
    const length = table.ordinalsEnd;
    this.#touched = grown(this.#touched, length);
    this.lexical = grown(this.lexical, length);
    this.vector = grown(this.vector, length);
    this.neighbours = grown(this.neighbours, length);
    this.associations = grown(this.associations, length);
    this.time = grown(this.time, length);
    this.score = grown(this.score, length);
    this.#seen = grown(this.#seen, length);
    this.#admits = admits;
  }

  addLexical(ordinal: number, share: number): void {
    if (this.admit(ordinal)) this.lexical[ordinal]! += share;
  }

  /** Whether the filter would let the memory take part, without making it a candidate. */
  mayAdmit(ordinal: number): boolean {
    return this.#admits(ordinal);
  }

  /** Whether the memory takes part; the first yes makes it a candidate. */
  admit(ordinal: number): boolean {
    const seen = this.#seen[ordinal]!;
    if (seen !== 0) return seen === admitted;
    const admits = this.#admits(ordinal);
    // The refused are remembered too: a second hit need not ask the filter, and `clear` finds them.
    this.#seen[ordinal] = admits ? admitted : refused;
    this.#touched[this.#touchedCount++] = ordinal;
    return admits;
  }

  /** The memories that take part, in no particular order. */
  eachCandidate(visit: (ordinal: number) => void): void {
    for (let i = 0; i < this.#touchedCount; i++) {
      const ordinal = this.#touched[i]!;
      if (this.#seen[ordinal] === admitted) visit(ordinal);
    }
  }

  clear(): void {
    for (let i = 0; i < this.#touchedCount; i++) {
      const ordinal = this.#touched[i]!;
      this.lexical[ordinal] = 0;
      this.vector[ordinal] = 0;
      this.neighbours[ordinal] = 0;
      this.associations[ordinal] = 0;
      this.time[ordinal] = 0;
      this.#seen[ordinal] = 0;
    }
    this.#touchedCount = 0;
  }
}

const admitted = 1;
const refused = 2;
