import type { Checksum } from '../checksum.js';
import type { LogEntry } from '../entry.js';

/** Checksums of entries on the wire: over where an entry stands, who wrote it and what it says, so that none of it can change on the way unseen. */
export class EntryChecksum {
  readonly #checksum: Checksum;
  readonly #place = new Uint8Array(36);
  readonly #view = new DataView(this.#place.buffer);

  constructor(checksum: Checksum) {
    this.#checksum = checksum;
  }

  of(entry: LogEntry): number {
    const view = this.#view;
    view.setUint32(0, entry.partition, true);
    view.setFloat64(4, entry.epoch, true);
    view.setFloat64(12, entry.seq, true);
    view.setBigUint64(20, entry.hlc, true);
    // A node id is ASCII, so this is a hash of all of it; the length stands for itself.
    let hash = entry.origin.length;
    for (let i = 0; i < entry.origin.length; i++) hash = (Math.imul(hash, 31) + entry.origin.charCodeAt(i)) >>> 0;
    view.setUint32(28, hash, true);
    view.setUint32(32, entry.payload.length, true);
    return this.#checksum(entry.payload, this.#checksum(this.#place, 0));
  }

  ofBytes(bytes: Uint8Array, seed: number): number {
    return this.#checksum(bytes, seed);
  }
}
