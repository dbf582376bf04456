import { EngramError } from '@engram/kernel';
import type { Address } from '../core/index.js';
import { addressOf, canonicalHost, familyOf, parseEndpoint, type Endpoint } from './endpoint.js';
import { lookupWithin, type Lookup } from './lookup.js';

/**
 * Where the first peers are: `host:port` each, the port 7946 when left out. A function is asked again whenever seeds are
 * looked for; of an async iterable the latest set counts.
 */
export type SeedSource = readonly string[] | (() => readonly string[] | Promise<readonly string[]>) | AsyncIterable<readonly string[]>;

/** A seed that came to nothing, and why. */
export interface FailedSeed {
  /** As the source gave it. */
  readonly seed: string;
  readonly reason: string;
}

export interface ResolvedSeeds {
  readonly addresses: readonly Address[];
  readonly failed: readonly FailedSeed[];
}

export interface SeedsOptions {
  readonly lookup: Lookup;
  /** For the source and for each name. */
  readonly limitMs: number;
  readonly reaches: (family: 4 | 6) => boolean;
  /** Whoever finds its own address among the seeds is no peer of itself. */
  readonly self: Address;
  /** An async iterable has a new set. */
  readonly onChange: () => void;
}

/** More seeds than this are not looked up; a few that answer are enough. */
const seedsMax = 256;
const sourceName = '(seed source)';

/** Throws `invalid_argument` naming the seed. Sets of functions and iterables are checked when they come. */
export function checkSeeds(source: SeedSource): void {
  if (!isList(source)) return;
  source.forEach((seed, i) => parseEndpoint(seed, `seeds[${i}]`));
}

/** Asks the source, looks up names, and says for each seed that came to nothing why. Never rejects but for the signal. */
export class Seeds {
  readonly #source: SeedSource;
  readonly #options: SeedsOptions;
  readonly #stopping = new AbortController();
  #latest: Promise<readonly string[]> | undefined;
  #iterator: AsyncIterator<readonly string[]> | undefined;

  constructor(source: SeedSource, options: SeedsOptions) {
    this.#source = source;
    this.#options = options;
  }

  async resolve(signal?: AbortSignal): Promise<ResolvedSeeds> {
    const addresses = new Set<Address>();
    const failed: FailedSeed[] = [];
    const fail = (seed: string, error: unknown): void => {
      signal?.throwIfAborted();
      failed.push({ seed, reason: error instanceof Error ? error.message : String(error) });
    };
    const seeds = await this.#ask(signal).catch((error: unknown) => (fail(sourceName, error), []));
    await Promise.all(
      seeds.slice(0, seedsMax).map(async (seed) => {
        try {
          for (const address of await this.#resolveOne(parseEndpoint(seed, 'seed'), signal)) addresses.add(address);
        } catch (error) {
          fail(seed, error);
        }
      }),
    );
    addresses.delete(this.#options.self);
    return { addresses: [...addresses], failed };
  }

  stop(): void {
    this.#stopping.abort(new EngramError('shutting_down', 'the node was closed'));
    // An iterable that waits for its next set may never hear of this; nobody waits for it either.
    void this.#iterator?.return?.().catch(() => undefined);
  }

  async #ask(signal: AbortSignal | undefined): Promise<readonly string[]> {
    const source = this.#source;
    if (isList(source)) return source;
    const asked = typeof source === 'function' ? Promise.resolve().then(source) : this.#latestOf(source);
    return checkedSet(await lookupWithin(() => asked, 'the seed source', this.#options.limitMs, anyOf(signal, this.#stopping.signal)));
  }

  async #resolveOne({ host, port }: Endpoint, signal: AbortSignal | undefined): Promise<readonly Address[]> {
    const { lookup, limitMs, reaches } = this.#options;
    const literals = familyOf(host) === 0 ? await lookupWithin(lookup, host, limitMs, anyOf(signal, this.#stopping.signal)) : [host];
    const reachable = literals.map(canonicalHost).filter((literal) => reaches(familyOf(literal) as 4 | 6));
    if (reachable.length > 0) return reachable.map((literal) => addressOf(literal, port));
    throw new EngramError('unavailable', `${host} has no address of the family that this node is bound to`, { hint: 'Bind "[::]:port" to reach IPv4 and IPv6.' });
  }

  /** Starts reading the iterable the first time; every later set replaces the one before. */
  #latestOf(source: AsyncIterable<readonly string[]>): Promise<readonly string[]> {
    this.#latest ??= new Promise((resolve, reject) => {
      this.#iterator = source[Symbol.asyncIterator]();
      void this.#follow(this.#iterator, resolve).catch((error: unknown) => {
        reject(error);
        this.#replace(Promise.reject(error));
      });
    });
    return this.#latest;
  }

  #replace(seeds: Promise<readonly string[]>): void {
    seeds.catch(() => undefined);
    this.#latest = seeds;
    if (!this.#stopping.signal.aborted) this.#options.onChange();
  }

  async #follow(iterator: AsyncIterator<readonly string[]>, first: (seeds: readonly string[]) => void): Promise<void> {
    for (let isFirst = true; !this.#stopping.signal.aborted; isFirst = false) {
      const { done, value } = await iterator.next();
      if (done) return isFirst ? first([]) : undefined;
      if (isFirst) first(value);
      else this.#replace(Promise.resolve(value));
    }
  }
}

function isList(source: SeedSource): source is readonly string[] {
  return Array.isArray(source);
}

function checkedSet(seeds: unknown): readonly string[] {
  if (Array.isArray(seeds)) return seeds as readonly string[];
  throw new EngramError('invalid_argument', 'the seed source gave something that is no list of "host:port"');
}

function anyOf(signal: AbortSignal | undefined, other: AbortSignal): AbortSignal {
  return signal ? AbortSignal.any([signal, other]) : other;
}
