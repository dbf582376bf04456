import type { Instant } from '@engram/kernel';
import { ackLevels, type AckLevel } from './table.js';

/** A write that waits until everything up to `seq` has reached `level`. */
export interface PendingAck {
  readonly request: number;
  readonly partition: number;
  readonly seq: number;
  readonly level: AckLevel;
  readonly deadline: Instant;
  /** Answered in some way; kept only until its turn in the queue of deadlines. */
  done: boolean;
}

/** The writes of one partition that wait, by level. Within a level they are answered in the order of the log. */
export class AckTracker {
  readonly #queues = new Map<AckLevel, PendingAck[]>(ackLevels.map((level) => [level, []]));
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(pending: PendingAck): void {
    this.#queues.get(pending.level)!.push(pending);
    this.#size++;
  }

  /** Levels that somebody waits for. */
  *levels(): Generator<AckLevel> {
    for (const [level, queue] of this.#queues) if (queue.length > 0) yield level;
  }

  /** Takes out those of the level up to `seq`. Those that were answered meanwhile are dropped. */
  take(level: AckLevel, seq: number): readonly PendingAck[] {
    const queue = this.#queues.get(level)!;
    let taken = 0;
    while (taken < queue.length && (queue[taken]!.seq <= seq || queue[taken]!.done)) taken++;
    const out = queue.splice(0, taken);
    this.#size -= out.length;
    return out.filter(({ done }) => !done);
  }

  /** Takes out those beyond `seq`. */
  takeAfter(seq: number): readonly PendingAck[] {
    const out: PendingAck[] = [];
    for (const queue of this.#queues.values()) {
      const first = queue.findIndex((pending) => pending.seq > seq);
      if (first >= 0) out.push(...queue.splice(first));
    }
    this.#size -= out.length;
    return out.filter(({ done }) => !done);
  }

  /** Takes out all of them. */
  clear(): readonly PendingAck[] {
    return ackLevels.flatMap((level) => this.take(level, Infinity));
  }
}
