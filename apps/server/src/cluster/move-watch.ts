import { msBetween, type Instant } from '@engram/kernel';
import type { MapChange } from '@engram/placement';

/** Moves belong together while less than this lies between them. */
const burstMs = 60_000;

/** What was moved lately: a burst is as many moves as followed each other within a minute. */
export interface Burst {
  /** Copies that arrived and primaries that changed. */
  readonly moved: number;
  /** Copies that were given up on the way. */
  readonly failed: number;
  /** Per second, since the burst began; undefined while it is too young to tell. */
  readonly perSecond: number | undefined;
  /** Milliseconds since something moved; undefined when nothing ever did. */
  readonly idleMs: number | undefined;
}

/** Counts moves as the map tells of them, for whoever wants to know how long the rest will take. */
export class MoveWatch {
  #beganAt: Instant | undefined;
  #lastAt: Instant | undefined;
  #moved = 0;
  #failed = 0;

  learned(changes: readonly MapChange[], now: Instant): void {
    const ended = changes.filter((change) => change.kind === 'move-ended');
    const handed = changes.filter(({ kind }) => kind === 'primary-changed').length;
    if (ended.length === 0 && handed === 0 && !changes.some(({ kind }) => kind === 'move-started')) return;
    if (this.#lastAt === undefined || msBetween(this.#lastAt, now) > burstMs) {
      this.#beganAt = now;
      this.#moved = this.#failed = 0;
    }
    this.#lastAt = now;
    this.#moved += handed + ended.filter(({ done }) => done).length;
    this.#failed += ended.filter(({ done }) => !done).length;
  }

  burst(now: Instant): Burst {
    const idleMs = this.#lastAt === undefined ? undefined : msBetween(this.#lastAt, now);
    const isOver = idleMs === undefined || idleMs > burstMs;
    const elapsed = msBetween(this.#beganAt ?? now, now) / 1_000;
    return { moved: this.#moved, failed: this.#failed, perSecond: !isOver && elapsed >= 1 && this.#moved > 0 ? this.#moved / elapsed : undefined, idleMs };
  }
}
