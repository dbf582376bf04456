import { assert, EngramError } from '@engram/kernel';
import type { LogEntry } from '@engram/replication';

interface PartitionSequence {
  /** The last number that is durable. */
  durable: number;
  /** The last number handed out. Invariant: issued >= durable. */
  issued: number;
  /** A number in flight was refused: those after it would leave a gap, so no more are handed out until all have settled. */
  broken: boolean;
  /** How many entries are on their way to the disk. */
  inFlight: number;
}

/**
 * Numbers the entries of each partition 1, 2, 3 … without gaps, even when the log refuses some. A replica that follows
 * a partition can therefore tell a missing entry from one that never was.
 */
export class PartitionSequences {
  readonly #partitions = new Map<number, PartitionSequence>();

  constructor(durable: ReadonlyMap<number, { readonly seq: number }>) {
    for (const [partition, { seq }] of durable) {
      this.#partitions.set(partition, { durable: seq, issued: seq, broken: false, inFlight: 0 });
    }
  }

  /**
   * Gives the entries of one append their numbers.
   *
   * @throws EngramError `overloaded` while an earlier entry of a partition was refused and others are still under way.
   *   No number was handed out.
   */
  number(entries: readonly Omit<LogEntry, 'seq'>[]): readonly LogEntry[] {
    for (const { partition } of entries) {
      if (this.#of(partition).broken) {
        throw new EngramError('overloaded', 'Earlier writes of this space were just refused and are being settled.', {
          hint: 'Try again in a moment.',
        });
      }
    }
    return entries.map((entry) => {
      const sequence = this.#of(entry.partition);
      sequence.inFlight += 1;
      sequence.issued += 1;
      const { partition, epoch, hlc, origin, payload } = entry;
      return { partition, epoch, seq: sequence.issued, hlc, origin, payload };
    });
  }

  accepted(entries: readonly LogEntry[]): void {
    for (const { partition, seq } of entries) {
      const sequence = this.#of(partition);
      assert(seq === sequence.durable + 1, 'the entries of a partition become durable in order', { partition, seq });
      sequence.durable = seq;
      this.#settle(sequence);
    }
  }

  refused(entries: readonly LogEntry[]): void {
    for (const { partition } of entries) {
      const sequence = this.#of(partition);
      sequence.broken = true;
      this.#settle(sequence);
    }
  }

  #settle(sequence: PartitionSequence): void {
    sequence.inFlight -= 1;
    if (sequence.inFlight === 0 && sequence.broken) {
      sequence.broken = false;
      sequence.issued = sequence.durable;
    }
  }

  #of(partition: number): PartitionSequence {
    let sequence = this.#partitions.get(partition);
    if (!sequence) {
      sequence = { durable: 0, issued: 0, broken: false, inFlight: 0 };
      this.#partitions.set(partition, sequence);
    }
    return sequence;
  }
}
