import type { SpaceId } from '@engram/kernel';
import type { IdempotencyMark } from './operation.js';
import type { IdempotencyRecord, IdempotentResult } from './record-codec.js';

/** Expired keys dropped per key that is added: two, so that the table shrinks even while it is written to. */
const sweepPerMark = 2;

interface Entry {
  readonly record: IdempotencyRecord & { readonly results: IdempotentResult[] };
  /** The lsn that brought the key. */
  readonly order: number;
}

/**
 * Which requests were already done, so that a retry is answered instead of repeated. Holds at most `keysMax` keys; when
 * it is full the oldest goes first, so at more than `keysMax` keyed writes a day a key lives shorter than its expiry.
 * What it drops depends only on the operations and their clock stamps: a replay of the log ends in the same table.
 */
export class IdempotencyTable {
  /** In the order the keys came: with one lifetime for all, also the order in which they expire. */
  readonly #entries = new Map<string, Entry>();
  readonly #keysMax: number;
  /** 0 or, for keys that came beside the log, below. */
  #leastOrder = 0;

  /** `persisted` comes in the order of arrival. */
  constructor(keysMax: number, persisted: Iterable<readonly [order: number, record: IdempotencyRecord]> = []) {
    this.#keysMax = keysMax;
    for (const [order, record] of persisted) {
      this.#entries.set(record.key, { order, record: { ...record, results: [...record.results] } });
      this.#leastOrder = Math.min(this.#leastOrder, order);
    }
  }

  get size(): number {
    return this.#entries.size;
  }

  find(key: string, nowMs: number): IdempotencyRecord | undefined {
    const record = this.#entries.get(key)?.record;
    return record !== undefined && nowMs < record.expiresAtMs ? record : undefined;
  }

  /**
   * Notes that the operation at `lsn` was done under `mark`. A request of many operations carries one mark on each, and
   * its results gather under the key in log order. Tells `changed` every record that changed, undefined for dropped ones.
   */
  note(
    mark: IdempotencyMark, result: IdempotentResult, lsn: number, nowMs: number,
    changed: (order: number, record: IdempotencyRecord | undefined) => void,
  ): void {
    const { key, fingerprint, expiresAtMs } = mark;
    const known = this.#entries.get(key);
    if (known !== undefined && nowMs < known.record.expiresAtMs && known.record.fingerprint === fingerprint) {
      // Grown in place: a batch of thousands under one key must not copy its results thousands of times.
      known.record.results.push(result);
      changed(known.order, known.record);
      return;
    }
    if (known !== undefined) this.#drop(key, known, changed);
    const record = { key, fingerprint, expiresAtMs, results: [result] };
    this.#entries.set(key, { order: lsn, record });
    changed(lsn, record);
    this.#sweep(nowMs, changed);
  }

  /** Notes what another copy knows, beside the log: nothing known here is changed, and what is known already adds nothing. */
  merge(mark: IdempotencyMark, result: IdempotentResult, changed: (order: number, record: IdempotencyRecord | undefined) => void): void {
    const { key, fingerprint, expiresAtMs } = mark;
    const known = this.#entries.get(key);
    if (known) {
      const isKnown = known.record.results.some(({ kind, space, id }) => kind === result.kind && space === result.space && id === result.id);
      if (known.record.fingerprint !== fingerprint || isKnown) return;
      known.record.results.push(result);
      return changed(known.order, known.record);
    }
    // No entry of this log brought it, so its place is before all of them.
    const order = (this.#leastOrder -= 1);
    const record = { key, fingerprint, expiresAtMs, results: [result] };
    this.#entries.set(key, { order, record });
    changed(order, record);
    this.#sweep(0, changed);
  }

  /** The marks of what was done in a space, by kind and id. */
  marksOf(space: SpaceId): ReadonlyMap<string, IdempotencyMark> {
    const marks = new Map<string, IdempotencyMark>();
    for (const { record: { key, fingerprint, expiresAtMs, results } } of this.#entries.values()) {
      for (const { kind, space: of, id } of results) if (of === space) marks.set(`${kind} ${id}`, { key, fingerprint, expiresAtMs });
    }
    return marks;
  }

  #sweep(nowMs: number, changed: (order: number, record: undefined) => void): void {
    let dropped = 0;
    for (const [key, entry] of this.#entries) {
      const overfull = this.#entries.size > this.#keysMax;
      const expired = entry.record.expiresAtMs <= nowMs && dropped < sweepPerMark;
      if (!overfull && !expired) break;
      this.#drop(key, entry, changed);
      dropped++;
    }
  }

  #drop(key: string, entry: Entry, changed: (order: number, record: undefined) => void): void {
    this.#entries.delete(key);
    changed(entry.order, undefined);
  }
}
