import { EngramError, OptionsError } from '@engram/kernel';

export interface LoggedEvent<E> {
  /** Of this run of the node and ascending within it, so that a reader from before a restart is recognised. */
  readonly id: string;
  readonly event: E;
}

export interface EventLogOptions {
  /** How many events are kept for readers that come back. @default 1_024 */
  readonly capacity?: number;
  /** How many may read at one time; each costs a socket and its buffer. @default 64 */
  readonly readersMax?: number;
}

export interface Reading<E> {
  /**
   * What came after the id that the reader gave. Undefined when it gave none, one of another run, or one that is no
   * longer kept: it must take in the present state instead.
   */
  readonly missed: readonly LoggedEvent<E>[] | undefined;
  /** Id of the latest event, from which a reader that takes in the present state goes on. */
  readonly latestId: string;
  stop(): void;
}

/** The latest events in a ring, and those who read on. */
export class EventLog<E> {
  readonly #run: string;
  readonly #capacity: number;
  readonly #readersMax: number;
  readonly #ring: LoggedEvent<E>[] = [];
  readonly #readers = new Set<(event: LoggedEvent<E>) => void>();
  #count = 0;

  /** `run` names this run of the node: other than every earlier one, without a hyphen. */
  constructor(run: string, { capacity = 1_024, readersMax = 64 }: EventLogOptions = {}) {
    if (!Number.isSafeInteger(capacity) || capacity < 1) throw new OptionsError('capacity', 'must be a whole number from 1 on');
    if (!Number.isSafeInteger(readersMax) || readersMax < 1) throw new OptionsError('readersMax', 'must be a whole number from 1 on');
    this.#run = run;
    this.#capacity = capacity;
    this.#readersMax = readersMax;
  }

  append(event: E): void {
    const logged = { id: this.#idOf((this.#count += 1)), event };
    this.#ring[(this.#count - 1) % this.#capacity] = logged;
    for (const reader of [...this.#readers]) reader(logged);
  }

  /**
   * Hands every event from now on to `onEvent`, and those after `lastId` at once in the answer; none is lost in between.
   *
   * @throws EngramError `overloaded` when too many read already.
   */
  read(lastId: string | undefined, onEvent: (event: LoggedEvent<E>) => void): Reading<E> {
    if (this.#readers.size >= this.#readersMax) {
      throw new EngramError('overloaded', `${this.#readersMax} clients follow the events already`, { hint: 'Close a stream that nobody reads any more, or follow another node.', details: { retryAfterMs: 5_000 } });
    }
    const reader = (event: LoggedEvent<E>): void => onEvent(event);
    this.#readers.add(reader);
    return { missed: this.#after(lastId), latestId: this.#idOf(this.#count), stop: () => void this.#readers.delete(reader) };
  }

  get readers(): number {
    return this.#readers.size;
  }

  #after(lastId: string | undefined): LoggedEvent<E>[] | undefined {
    const [run, digits = ''] = lastId?.split('-') ?? [];
    if (run !== this.#run || !/^\d{1,15}$/.test(digits)) return undefined;
    const last = Number(digits);
    const oldest = Math.max(0, this.#count - this.#capacity);
    if (last < oldest || last > this.#count) return undefined;
    return Array.from({ length: this.#count - last }, (_, i) => this.#ring[(last + i) % this.#capacity]!);
  }

  #idOf(count: number): string {
    return `${this.#run}-${count}`;
  }
}
