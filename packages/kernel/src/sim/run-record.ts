import type { DrawObserver } from '../random.js';
import { TraceHash } from './trace-hash.js';

/** One draw of one stream, with its place among all draws of the run and the virtual time at which it was made. */
export interface DrawNote {
  readonly word: number;
  readonly order: number;
  readonly atUs: number;
}

/** What one named stream drew: how often, a hash over all of it, and the draws themselves while there is room. */
export class DrawTape {
  readonly name: string;
  readonly notes: DrawNote[] = [];
  readonly hash = new TraceHash();
  count = 0;

  constructor(name: string) {
    this.name = name;
  }
}

/** One event of the run: when, and the trace hash after it. */
export interface EventNote {
  readonly atUs: number;
  readonly hash: number;
}

/**
 * Keeps what a run drew and how its trace hash went, so that a second run can be held against it step by step. At most
 * `notesMax` draws and as many events are kept one by one; beyond that, counts and hashes still tell that two runs
 * differ, though no longer where.
 */
export class RunRecord {
  readonly tapes = new Map<string, DrawTape>();
  readonly events: EventNote[] = [];
  readonly #now: () => number;
  readonly #notesMax: number;
  #draws = 0;

  constructor(now: () => number, notesMax: number) {
    this.#now = now;
    this.#notesMax = notesMax;
  }

  get draws(): number {
    return this.#draws;
  }

  /** A stream observed twice under one name, such as a label forked twice, gets a tape for each: `ids`, `ids#2`. */
  observer(name: string): DrawObserver {
    let unique = name;
    for (let n = 2; this.tapes.has(unique); n++) unique = `${name}#${n}`;
    const tape = new DrawTape(unique);
    this.tapes.set(unique, tape);
    return {
      drawn: (word) => this.#note(tape, word),
      forked: (label) => this.observer(`${name}/${label}`),
    };
  }

  noteEvent(atUs: number, hash: number): void {
    if (this.events.length < this.#notesMax) this.events.push({ atUs, hash });
  }

  #note(tape: DrawTape, word: number): void {
    if (this.#draws < this.#notesMax) tape.notes.push({ word, order: this.#draws, atUs: this.#now() });
    tape.hash.addWord(word);
    tape.count++;
    this.#draws++;
  }
}
