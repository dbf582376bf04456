import { plusMs, type Instant } from '@engram/kernel';
import { startPosition } from './lineage.js';
import type { ReplicationEvent } from './messages.js';
import type { PartitionCopy } from './partition-copy.js';
import type { Shared } from './shared.js';

interface Waiter {
  readonly request: number;
  readonly epoch: number;
  readonly seq: number;
  readonly deadline: Instant;
}

/** Readers that hold a session token and wait until this copy has what they wrote. */
export class Waiters {
  readonly #shared: Shared;
  readonly #byPartition = new Map<number, Waiter[]>();
  #size = 0;
  /** No deadline lies before it. */
  #next: Instant | undefined;

  constructor(shared: Shared) {
    this.#shared = shared;
  }

  get size(): number {
    return this.#size;
  }

  add({ request, token, waitMs }: Extract<ReplicationEvent, { kind: 'await-position' }>, now: Instant): void {
    // A token comes from a client, so a partition that is not here must not leave a trace.
    const copy = this.#shared.copies.get(token.partition);
    if (copy === undefined) return void this.#shared.effects.push({ kind: 'stale', request, position: startPosition });
    if (copy.hasApplied(token)) return void this.#shared.effects.push({ kind: 'fresh', request });
    if (waitMs <= 0 || this.#size >= this.#shared.options.waitersMax) return void this.#shared.effects.push({ kind: 'stale', request, position: copy.position });
    const waiter = { request, epoch: token.epoch, seq: token.seq, deadline: plusMs(now, waitMs) };
    this.#byPartition.set(token.partition, [...(this.#byPartition.get(token.partition) ?? []), waiter]);
    this.#size++;
    if (this.#next === undefined || waiter.deadline < this.#next) this.#next = waiter.deadline;
  }

  /** The copy has come further. */
  advanced(copy: PartitionCopy): void {
    const waiters = this.#byPartition.get(copy.partition);
    if (waiters === undefined) return;
    this.#keep(copy.partition, waiters, (waiter) => {
      if (!copy.hasApplied(waiter)) return true;
      this.#shared.effects.push({ kind: 'fresh', request: waiter.request });
      return false;
    });
  }

  expire(now: Instant): void {
    if (this.#next === undefined || this.#next > now) return;
    this.#next = undefined;
    for (const [partition, waiters] of this.#byPartition) {
      const { position } = this.#shared.copies.get(partition)!;
      this.#keep(partition, waiters, (waiter) => {
        if (waiter.deadline <= now) {
          this.#shared.effects.push({ kind: 'stale', request: waiter.request, position });
          return false;
        }
        if (this.#next === undefined || waiter.deadline < this.#next) this.#next = waiter.deadline;
        return true;
      });
    }
  }

  nextDeadline(): Instant | undefined {
    return this.#next;
  }

  #keep(partition: number, waiters: readonly Waiter[], keeps: (waiter: Waiter) => boolean): void {
    const kept = waiters.filter(keeps);
    this.#size -= waiters.length - kept.length;
    if (kept.length > 0) this.#byPartition.set(partition, kept);
    else this.#byPartition.delete(partition);
  }
}
