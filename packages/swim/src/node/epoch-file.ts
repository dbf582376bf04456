import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { EngramError } from '@engram/kernel';
import { epochMax } from '../core/index.js';
import { codeOf } from './udp-transport.js';

/**
 * The epoch of this node's latest start, in a file of its own, so that every start has a higher one whatever the clock
 * does. The number is text, for people. Written beside, synced and renamed: after a crash there is the old or the new.
 */
export class EpochFile {
  readonly #directory: string;
  readonly #path: string;
  #written = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(directory: string) {
    this.#directory = directory;
    this.#path = join(directory, 'swim-epoch');
  }

  /**
   * Takes the next epoch: one above the last, and no lower than `floor`. It is on the disk when this resolves. Rejects
   * with `store_damaged` when the file holds something else, `invalid_argument` when the directory cannot be used.
   */
  async next(floor: number): Promise<number> {
    try {
      await mkdir(this.#directory, { recursive: true, mode: 0o700 });
      const epoch = Math.max(floor, (await this.#read()) + 1);
      await this.raise(epoch);
      return epoch;
    } catch (error) {
      if (error instanceof EngramError) throw error;
      throw new EngramError('invalid_argument', `the epoch cannot be kept in ${this.#path}: ${codeOf(error)}`, { cause: error, hint: 'Give a dataDirectory that this process may write to.' });
    }
  }

  /** Writes a higher epoch; a lower one changes nothing. One write at a time, in the order asked for. */
  raise(epoch: number): Promise<void> {
    const write = this.#writing.then(() => (epoch > this.#written ? this.#write(epoch) : undefined));
    this.#writing = write.catch(() => undefined);
    return write;
  }

  async #read(): Promise<number> {
    const text = await readFile(this.#path, 'utf8').catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT') return '0\n';
      throw error;
    });
    if (/^\d{1,16}\n$/.test(text) && Number(text) <= epochMax) return Number(text);
    throw new EngramError('store_damaged', `${this.#path} does not hold an epoch`, { hint: 'Delete the file; the clock gives the next epoch. Make sure that the clock is right.' });
  }

  async #write(epoch: number): Promise<void> {
    const beside = `${this.#path}.new`;
    const file = await open(beside, 'w', 0o600);
    try {
      await file.writeFile(`${epoch}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, this.#path);
    const directory = await open(this.#directory, 'r');
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
    this.#written = epoch;
  }
}
