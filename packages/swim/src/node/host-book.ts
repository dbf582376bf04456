import { msBetween, type Clock, type Instant } from '@engram/kernel';
import type { Address } from '../core/index.js';
import { addressOf, canonicalHost, endpointOf, familyOf, type Endpoint } from './endpoint.js';
import { lookupWithin, type Lookup } from './lookup.js';

export interface HostBookOptions {
  readonly lookup: Lookup;
  readonly limitMs: number;
  readonly clock: Clock;
  /** Whether the sockets can reach a family. */
  readonly reaches: (family: 4 | 6) => boolean;
  /** For how long an answer is used without asking again. @default 30_000 */
  readonly freshMs?: number;
  /** How soon a name that has never been resolved is tried again. @default 2_000 */
  readonly retryMs?: number;
  /** Names remembered. @default 16_384 */
  readonly namesMax?: number;
}

interface Page {
  literal: string | undefined;
  askedAt: Instant | undefined;
  asking: Promise<string | undefined> | undefined;
}

/** Names are looked up by a few threads that the whole process shares, so a flood of them must not take those. */
const lookupsMax = 4;

/**
 * Literals for the names that members advertise. Datagrams go to what is known now, and to nowhere while nothing is;
 * an old answer is used until there is a newer one, also when the name stops resolving. And the way back: what comes
 * from a literal is spelled as the member spells itself.
 */
export class HostBook {
  readonly #options: Required<HostBookOptions>;
  readonly #pages = new Map<string, Page>();
  readonly #spellings = new Map<string, Address>();
  #lookups = 0;

  constructor(options: HostBookOptions) {
    this.#options = { freshMs: 30_000, retryMs: 2_000, namesMax: 16_384, ...options };
  }

  /** Where datagrams for `to` go now; undefined when it is no endpoint or not known yet. */
  now(to: Address): Endpoint | undefined {
    const endpoint = endpointOf(to);
    if (!endpoint || familyOf(endpoint.host) !== 0) return endpoint;
    const page = this.#page(endpoint.host);
    if (this.#isStale(page)) void this.#ask(endpoint.host, page);
    return page.literal === undefined ? undefined : this.#spelled(to, { host: page.literal, port: endpoint.port });
  }

  /** The same, waiting for a lookup when nothing is known. */
  async soon(to: Address): Promise<Endpoint | undefined> {
    const known = this.now(to);
    const endpoint = endpointOf(to);
    if (known || !endpoint) return known;
    await this.#page(endpoint.host).asking;
    return this.now(to);
  }

  /** How the member at this address spells it. */
  spelling(address: Address): Address {
    return this.#spellings.get(address) ?? address;
  }

  #isStale(page: Page): boolean {
    if (page.askedAt === undefined) return true;
    const { clock, freshMs, retryMs } = this.#options;
    return msBetween(page.askedAt, clock.now()) >= (page.literal === undefined ? retryMs : freshMs);
  }

  async #ask(name: string, page: Page): Promise<void> {
    if (page.asking || this.#lookups >= lookupsMax) return;
    this.#lookups += 1;
    page.asking = lookupWithin(this.#options.lookup, name, this.#options.limitMs)
      .then((literals) => literals.map(canonicalHost).find((literal) => this.#options.reaches(familyOf(literal) as 4 | 6)))
      .catch(() => undefined);
    const literal = await page.asking;
    this.#lookups -= 1;
    page.literal = literal ?? page.literal;
    page.askedAt = this.#options.clock.now();
    page.asking = undefined;
  }

  #page(name: string): Page {
    const known = this.#pages.get(name);
    if (known) return known;
    const page: Page = { literal: undefined, askedAt: undefined, asking: undefined };
    this.#pages.set(name, page);
    dropOldest(this.#pages, this.#options.namesMax);
    return page;
  }

  #spelled(name: Address, endpoint: Endpoint): Endpoint {
    const literal = addressOf(endpoint.host, endpoint.port);
    if (this.#spellings.get(literal) !== name) {
      this.#spellings.set(literal, name);
      dropOldest(this.#spellings, this.#options.namesMax);
    }
    return endpoint;
  }
}

function dropOldest(map: Map<string, unknown>, sizeMax: number): void {
  if (map.size <= sizeMax) return;
  for (const oldest of map.keys()) return void map.delete(oldest);
}
