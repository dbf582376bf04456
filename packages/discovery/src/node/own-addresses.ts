import { familyOf, readEndpoint, spelled, type Endpoint } from '../core/index.js';
import { NameBook, type NameLookup } from './name-book.js';

/** What stands behind a name changes seldom. */
const freshMs = 10_000;

/**
 * The addresses of this node, those behind its names included: a node that is advertised by name would otherwise take its
 * own address for a peer, as DNS and registries tell addresses.
 */
export class OwnAddresses {
  readonly #book: NameBook;
  #endpoints: readonly Endpoint[];
  #resolved: { readonly atMs: number; readonly done: Promise<readonly string[]> } | undefined;

  constructor(self: readonly string[], lookup: NameLookup) {
    this.#book = new NameBook(lookup);
    this.#endpoints = self.flatMap((text) => readEndpoint(text) ?? []);
  }

  /** Adds one that was not known at the start. */
  add(text: string): void {
    const endpoint = readEndpoint(text);
    if (!endpoint || this.#endpoints.some((known) => spelled(known) === spelled(endpoint))) return;
    this.#endpoints = [...this.#endpoints, endpoint];
    this.#resolved = undefined;
  }

  /** What is known when `givenUp` resolves at the latest. Never rejects, and looks up each name every ten seconds at most. */
  resolve(nowMs: number, givenUp: Promise<void>): Promise<readonly string[]> {
    if (this.#resolved && nowMs - this.#resolved.atMs < freshMs) return this.#resolved.done;
    const done = Promise.all(this.#endpoints.map((endpoint) => this.#resolve(endpoint, givenUp))).then((texts) => texts.flat());
    this.#resolved = { atMs: nowMs, done };
    return done;
  }

  async #resolve({ host, port }: Endpoint, givenUp: Promise<void>): Promise<readonly string[]> {
    if (familyOf(host) !== 0) return [spelled({ host, port })];
    const { literals } = await this.#book.find(host, givenUp);
    return [host, ...literals].map((known) => spelled({ host: known, port }));
  }
}
