import { isNoSpace, writeFully, type LogFile } from './file-system.js';

/**
 * A segment that is being written. Syncing a file that grows writes its length and its map of blocks as well as its
 * data, which costs about as much again; so whenever a group reaches beyond what is laid out, zeros are laid out after
 * it, and the groups to come only write over them. Recovery takes zeros at the end for what they are.
 */
export class SegmentFile {
  readonly #file: LogFile;
  readonly #layOutBytes: number;
  /** What was written ends here; what is laid out ends at `#laidOut`. Invariant: written <= laidOut. */
  #written: number;
  #laidOut: number;

  constructor(file: LogFile, bytes: number, layOutBytes: number) {
    this.#file = file;
    this.#written = bytes;
    this.#laidOut = bytes;
    this.#layOutBytes = layOutBytes;
  }

  async write(bytes: Uint8Array, offset: number): Promise<void> {
    const end = offset + bytes.length;
    await writeFully(this.#file, bytes, offset);
    this.#written = end;
    if (end <= this.#laidOut) return;
    this.#laidOut = end;
    if (this.#layOutBytes > 0) await this.#layOut();
  }

  dataSync(): Promise<void> {
    return this.#file.dataSync();
  }

  /** Gives back what lies after `bytes`. */
  async truncate(bytes: number): Promise<void> {
    await this.#file.truncate(bytes);
    this.#written = bytes;
    this.#laidOut = bytes;
  }

  /**
   * Gives back what is left of the space and closes. What matters was synced before, so whatever fails here loses
   * nothing: at worst some zeros stay at the end.
   */
  async finish(): Promise<void> {
    if (this.#written < this.#laidOut) await this.#file.truncate(this.#written).catch(() => undefined);
    await this.#file.close().catch(() => undefined);
  }

  /** Room that is not there yet is not needed yet: only a group that does not fit makes the disk full. */
  async #layOut(): Promise<void> {
    try {
      await writeFully(this.#file, new Uint8Array(this.#layOutBytes), this.#laidOut);
      this.#laidOut += this.#layOutBytes;
    } catch (error) {
      if (!isNoSpace(error)) throw error;
      await this.#file.truncate(this.#laidOut);
    }
  }
}
