/** The journal of a node that keeps no copies for others and has none elsewhere: its own log, and nothing else. */
import { EngramError } from '@engram/kernel';
import { PartitionSequences } from './partition-sequences.js';
import { appliedEntry } from './replay.js';
import type { AckLevel, Durability } from './engine-types.js';
import type { Journal, JournalParts, JournalWrite } from './journal.js';

/** A node without copies never changes who is primary. Promotion in a cluster opens later epochs. */
const FIRST_EPOCH = 1;

export class LocalJournal implements Journal {
  readonly defaultLevel = 'local';
  readonly isShared = false;
  readonly #parts: JournalParts;
  readonly #sequences: PartitionSequences;

  constructor(parts: JournalParts) {
    this.#parts = parts;
    this.#sequences = new PartitionSequences(parts.store.applied.partitions);
  }

  checkLevel(level: AckLevel): void {
    if (level === 'local') return;
    throw new EngramError('invalid_argument', `ack=${level} needs copies on other nodes, and this node runs alone.`, {
      hint: 'Use ack=local, or leave it out: the answer then says what was reached.',
      details: { field: 'ack' },
    });
  }

  checkWritable(): void {}

  async write(writes: readonly JournalWrite[], level: AckLevel): Promise<Durability> {
    const { nodeId, log } = this.#parts;
    const entries = this.#sequences.number(writes.map(({ partition, hlc, payload }) => ({ partition, epoch: FIRST_EPOCH, hlc, origin: nodeId, payload })));
    const { first } = await log.append(entries).catch((error: unknown) => {
      this.#sequences.refused(entries);
      throw error;
    });
    this.#sequences.accepted(entries);
    this.#parts.apply(entries.map((entry, index) => appliedEntry(first + index, entry, writes[index]!.operation)));
    return reached(level);
  }

  async confirm(_partition: number, level: AckLevel): Promise<Durability> {
    return reached(level);
  }

  retainFrom(): undefined {
    return undefined;
  }

  trimmed(): void {}

  async close(): Promise<void> {}
}

function reached(requested: AckLevel): Durability {
  return { requested, reached: 'local', copies: 1 };
}
