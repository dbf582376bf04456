import { EngramError } from '../errors.js';
import type { Random } from '../random.js';

/** The bytes of a machine: what a process reads back at once, and what of it would survive a loss of power. */
export class Storage {
  readonly #bytesMax: number;
  readonly #current = new Map<string, Uint8Array>();
  /** For each key written since the last sync: what is durable of it; undefined for nothing. */
  readonly #unsynced = new Map<string, Uint8Array | undefined>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get(key: string): Uint8Array | undefined {
    return this.#current.get(key)?.slice();
  }

  set(key: string, bytes: Uint8Array): void {
    const grown = this.#bytes - (this.#current.get(key)?.length ?? 0) + bytes.length;
    if (grown > this.#bytesMax) {
      throw new EngramError('disk_full', `storing ${bytes.length} bytes as ${key} would exceed the ${this.#bytesMax} bytes of this simulated disk`);
    }
    this.#put(key, bytes.slice());
  }

  delete(key: string): void {
    if (this.#current.has(key)) this.#put(key, undefined);
  }

  keys(): string[] {
    return [...this.#current.keys()].sort();
  }

  sync(): void {
    this.#unsynced.clear();
  }

  /** Each write since the last sync is kept or lost by a coin of its own. */
  losePower(coin: Random): void {
    for (const [key, durable] of [...this.#unsynced].sort(byKey)) {
      if (coin.chance(0.5)) this.#place(key, durable);
    }
    this.#unsynced.clear();
  }

  /** The disk was replaced. */
  wipe(): void {
    this.#current.clear();
    this.#unsynced.clear();
    this.#bytes = 0;
  }

  #put(key: string, bytes: Uint8Array | undefined): void {
    if (!this.#unsynced.has(key)) this.#unsynced.set(key, this.#current.get(key));
    this.#place(key, bytes);
  }

  #place(key: string, bytes: Uint8Array | undefined): void {
    this.#bytes += (bytes?.length ?? 0) - (this.#current.get(key)?.length ?? 0);
    if (bytes === undefined) this.#current.delete(key);
    else this.#current.set(key, bytes);
  }
}

function byKey([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}
