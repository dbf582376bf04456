import type { DrawObserver } from '../random.js';
import { TraceHash } from './trace-hash.js';

/** One draw: the how-manieth of which stream, what came, and the virtual time at which it was made. */
export interface DrawNote {
  readonly stream: string;
  /** 0 is the first draw of the stream. */
  readonly index: number;
  readonly word: number;
  readonly atUs: number;
}

/** One event of the run: when, and the trace hash after it. */
export interface EventNote {
  readonly atUs: number;
  readonly hash: number;
}

/** How often a stream was drawn from. */
interface Tape {
  readonly stream: string;
  readonly id: number;
  count: number;
}

/**
 * Keeps what a run drew, over all streams in the order of drawing, and how its trace hash went, so that a second run can
 * be held against it step by step. The words alone would not do: equal seeds give equal words, and a draw too many only
 * shows in who draws next, and when. At most `notesMax` draws and as many events are kept one by one; beyond that, counts
 * and hashes still tell that two runs differ, though no longer where.
 */
export class RunRecord {
  readonly draws: DrawNote[] = [];
  readonly events: EventNote[] = [];
  readonly #now: () => number;
  readonly #notesMax: number;
  readonly #tapes = new Map<string, Tape>();
  readonly #hash = new TraceHash();
  #drawn = 0;

  constructor(now: () => number, notesMax: number) {
    this.#now = now;
    this.#notesMax = notesMax;
  }

  /** All draws, also those that were not kept one by one. */
  get drawn(): number {
    return this.#drawn;
  }

  /** A hash over all draws, in their order: of which stream, and what. The times are in the trace hash. */
  get drawHash(): string {
    return this.#hash.digest();
  }

  /** How often each stream was drawn from. */
  counts(): ReadonlyMap<string, number> {
    return new Map([...this.#tapes.values()].map(({ stream, count }) => [stream, count]));
  }

  /** A stream observed twice under one name, such as a label forked twice, is two streams here: `ids`, `ids#2`. */
  observer(name: string): DrawObserver {
    let stream = name;
    for (let n = 2; this.#tapes.has(stream); n++) stream = `${name}#${n}`;
    const tape: Tape = { stream, id: this.#tapes.size, count: 0 };
    this.#tapes.set(stream, tape);
    return {
      drawn: (word) => this.#note(tape, word),
      forked: (label) => this.observer(`${name}/${label}`),
    };
  }

  /** To be called for each event of the world. */
  noteEvent(atUs: number, hash: number): void {
    if (this.events.length < this.#notesMax) this.events.push({ atUs, hash });
  }

  #note(tape: Tape, word: number): void {
    const atUs = this.#now();
    if (this.#drawn < this.#notesMax) this.draws.push({ stream: tape.stream, index: tape.count, word, atUs });
    this.#hash.addWord(tape.id);
    this.#hash.addWord(word);
    tape.count++;
    this.#drawn++;
  }
}
