import type { MemoryId, SpaceId } from '@engram/kernel';
import { idempotencyRecord, type IdempotencyRecord, type SpaceRecord } from './record-codec.js';

/** What an id stands for that lmdb does not know yet. */
export type PendingRecord =
  | { readonly kind: 'memory'; readonly bytes: Uint8Array }
  | { readonly kind: 'forgotten'; readonly atMs: number };

/** How far a partition has been applied. */
export interface Position {
  readonly epoch: number;
  readonly seq: number;
}

/**
 * What has been applied since the last commit, in the form lmdb will receive it. One overlay becomes one transaction,
 * together with the position it reaches: lmdb holds either all of it or nothing, whenever the process dies.
 */
export class Overlay {
  readonly memories = new Map<SpaceId, Map<MemoryId, PendingRecord>>();
  readonly spaces = new Map<SpaceId, SpaceRecord>();
  readonly partitions = new Map<number, Position>();
  /** By the lsn that brought the key; undefined stands for a key to delete. Filled by `freeze`. */
  readonly idempotency = new Map<number, Uint8Array | undefined>();
  readonly #changedKeys = new Map<number, IdempotencyRecord | undefined>();
  /** The position reached with what is in here. */
  lsn = 0;
  hlc = 0n;
  operations = 0;
  /** Whether lmdb has it, for good. */
  isDurable = false;
  /** Bytes of the encoded memories in here, as a measure of what a long stall holds in RAM. */
  bytes = 0;

  get(space: SpaceId, id: MemoryId): PendingRecord | undefined {
    return this.memories.get(space)?.get(id);
  }

  put(space: SpaceId, id: MemoryId, record: PendingRecord): void {
    let records = this.memories.get(space);
    if (records === undefined) this.memories.set(space, (records = new Map()));
    this.bytes += bytesOf(record) - bytesOf(records.get(id));
    records.set(id, record);
  }

  noteIdempotency(order: number, record: IdempotencyRecord | undefined): void {
    this.#changedKeys.set(order, record);
  }

  /**
   * Called once, when the overlay stops taking operations. Idempotency records keep growing after that; what is written
   * must be what they were at this position, or a replay would add the later results a second time.
   */
  freeze(): this {
    for (const [order, record] of this.#changedKeys) {
      this.idempotency.set(order, record === undefined ? undefined : idempotencyRecord.encode(record));
    }
    this.#changedKeys.clear();
    return this;
  }
}

function bytesOf(record: PendingRecord | undefined): number {
  return record?.kind === 'memory' ? record.bytes.byteLength : 0;
}
