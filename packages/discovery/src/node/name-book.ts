import { lookup } from 'node:dns/promises';
import pRetry from 'p-retry';

/** Every literal that a name stands for at the moment. Rejects when there is none. */
export type NameLookup = (name: string) => Promise<readonly string[]>;

/** As the machine resolves names: its hosts file, then DNS with the search list. */
export const machineNameLookup: NameLookup = async (name) => (await lookup(name, { all: true, verbatim: true })).map(({ address }) => address);

/** The system's look-ups run on a few threads that the whole process shares, files included; they must not all be taken. */
const lookUpsMax = 2;

/** A resolver that is not up yet, as in a container that has just started, is asked again within the same look-up. */
const retriesMax = 2;
const retryMs = 50;

export interface NameAnswer {
  /** Also those of an earlier look-up, when the last one failed. */
  readonly literals: readonly string[];
  /** Why there are none, or why they are old. */
  readonly problem?: string;
}

/**
 * What names stand for. A name that stops resolving keeps what it stood for last. The system's look-ups cannot be ended:
 * one that was given up is left to itself, its name is not asked again meanwhile, and its answer is taken when it comes.
 */
export class NameBook {
  readonly #lookup: NameLookup;
  readonly #known = new Map<string, readonly string[]>();
  readonly #asking = new Map<string, Promise<string | undefined>>();
  readonly #queue: (() => void)[] = [];
  #running = 0;

  constructor(lookup: NameLookup) {
    this.#lookup = lookup;
  }

  /** Waits until `givenUp` resolves at the latest. Never rejects. */
  async find(name: string, givenUp: Promise<void>): Promise<NameAnswer> {
    const late = givenUp.then(() => 'no answer in time');
    const problem = await Promise.race([this.#ask(name), late]);
    const literals = this.#known.get(name) ?? [];
    return problem === undefined ? { literals } : { literals, problem };
  }

  /** Resolves to what went wrong, if anything did. */
  #ask(name: string): Promise<string | undefined> {
    const running = this.#asking.get(name);
    if (running) return running;
    const asking = this.#turn()
      .then(() => pRetry(() => this.#lookup(name), { retries: retriesMax, minTimeout: retryMs, randomize: true, unref: true, shouldRetry: ({ error }) => isPassing(error) }))
      .then(
        (literals) => void this.#known.set(name, literals),
        (error: unknown) => (error as NodeJS.ErrnoException | undefined)?.code ?? String(error),
      )
      .finally(() => this.#done(name));
    this.#asking.set(name, asking);
    return asking;
  }

  #turn(): Promise<void> {
    if (this.#running < lookUpsMax) {
      this.#running += 1;
      return Promise.resolve();
    }
    return new Promise((resolve) => this.#queue.push(resolve));
  }

  #done(name: string): void {
    this.#asking.delete(name);
    const next = this.#queue.shift();
    if (next) next();
    else this.#running -= 1;
  }
}

function isPassing(error: Error): boolean {
  return (error as NodeJS.ErrnoException).code === 'EAI_AGAIN';
}
