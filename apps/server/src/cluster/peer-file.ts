/** `swim-peers.json` in the data directory: where other nodes were last, for a start at which no source of discovery answers. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseAddress } from '../config/index.js';
import { writeDurably } from '../durable-file.js';
import type { MembershipLog } from './swim-membership.js';

const FORMAT_VERSION = 1;
/** A few that answer lead to all others. */
export const peersMax = 32;
/** A cluster that starts changes often; only where it ends is worth a write. */
const writeAfterMs = 1_000;

/**
 * Hints, nothing more: who answers at such an address is checked as any seed is. So a file that cannot be read or written
 * is told in the log and stops nobody.
 */
export class PeerFile {
  readonly #path: string;
  readonly #log: MembershipLog;
  #written = '';
  #wanted = '';
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(dataDirectory: string, log: MembershipLog) {
    this.#path = join(dataDirectory, 'swim-peers.json');
    this.#log = log;
  }

  /** At most 32 addresses; none when there is no file, or none that can be used. */
  async read(): Promise<readonly string[]> {
    try {
      const text = await readFile(this.#path, 'utf8');
      const peers = peersIn(text);
      this.#written = this.#wanted = text;
      return peers;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') this.#log.warn({ err: error }, `${this.#path} cannot be used; the nodes it named are found through discovery, and it is written anew`);
      return [];
    }
  }

  /**
   * Keeps the first 32 of these, soon. Nobody at all changes nothing: whoever is alone needs most what it knew before.
   */
  keep(addresses: readonly string[]): void {
    if (addresses.length === 0) return;
    // In one order, so that a node that goes and comes is no reason to write.
    this.#wanted = `${JSON.stringify({ format: FORMAT_VERSION, peers: addresses.slice(0, peersMax).sort() })}\n`;
    if (this.#wanted !== this.#written) this.#timer ??= setTimeout(() => void this.flush(), writeAfterMs).unref();
  }

  /** Writes at once what is still to be written. Never rejects. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writing = this.#writing.then(() => this.#write());
    return this.#writing;
  }

  async #write(): Promise<void> {
    const text = this.#wanted;
    if (text === this.#written) return;
    try {
      await writeDurably(this.#path, text);
      this.#written = text;
    } catch (error) {
      this.#log.warn({ err: error }, `${this.#path} cannot be written; a restart finds the other nodes through discovery only`);
    }
  }
}

function peersIn(text: string): readonly string[] {
  const { format, peers } = Object(JSON.parse(text)) as { readonly format?: unknown; readonly peers?: unknown };
  if (format !== FORMAT_VERSION || !Array.isArray(peers)) throw new TypeError(`it is no list of peers in format ${FORMAT_VERSION}`);
  return peers.filter((peer): peer is string => typeof peer === 'string' && parseAddress(peer) !== undefined).slice(0, peersMax);
}

/**
 * What discovery says, and whom the node knew before. Those known are given alone when discovery has said nothing after
 * `waitMs`, so that a source that hangs keeps nobody from old acquaintances.
 */
export async function* withKnownPeers(known: readonly string[], found: AsyncIterable<readonly string[]> | undefined, waitMs: number): AsyncGenerator<readonly string[]> {
  if (!found) {
    yield known;
    return;
  }
  const sets = found[Symbol.asyncIterator]();
  try {
    let next = sets.next();
    const isEarly = await Promise.race([next.then(() => true), new Promise<false>((resolve) => setTimeout(() => resolve(false), waitMs).unref())]);
    if (!isEarly) yield known;
    for (let set = await next; !set.done; set = await next) {
      yield [...new Set([...set.value, ...known])];
      next = sets.next();
    }
  } finally {
    await sets.return?.();
  }
}
