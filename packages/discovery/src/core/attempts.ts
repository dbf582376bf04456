import { plusMs, type Instant, type Random } from '@engram/kernel';

/** The shortest wait after a failure. */
const backoffFloorMs = 50;
/** What the first failure's wait is drawn from; doubled with each further one. */
const backoffFirstMs = 250;

/**
 * Something that is tried again and again: when it is due, whether it runs at the moment, how often in a row it failed.
 * After failures it waits a random part of a window that doubles up to a limit ("full jitter"), so that nodes that lost
 * a source together do not come back to it together.
 */
export class Attempts {
  readonly #random: Random;
  /** Of the attempt that runs or ran last; what comes of an earlier one is out of date. */
  id = 0;
  failures = 0;
  dueAt: Instant | undefined;
  deadline: Instant | undefined;

  constructor(random: Random) {
    this.#random = random;
  }

  get running(): boolean {
    return this.deadline !== undefined;
  }

  /** When something has to be done about it next: begin, or give up. */
  get nextAt(): Instant | undefined {
    return this.deadline ?? this.dueAt;
  }

  isDue(now: Instant): boolean {
    return !this.running && this.dueAt !== undefined && this.dueAt <= now;
  }

  isLate(now: Instant): boolean {
    return this.deadline !== undefined && this.deadline <= now;
  }

  isCurrent(id: number): boolean {
    return this.running && this.id === id;
  }

  begin(now: Instant, limitMs: number): number {
    this.deadline = plusMs(now, limitMs);
    this.dueAt = undefined;
    return ++this.id;
  }

  /** Undefined for an attempt that is not repeated after it succeeded. */
  succeed(now: Instant, againMs?: number): void {
    this.failures = 0;
    this.deadline = undefined;
    this.dueAt = againMs === undefined ? undefined : plusMs(now, againMs);
  }

  fail(now: Instant, backoffMaxMs: number): void {
    this.failures += 1;
    this.deadline = undefined;
    this.dueAt = plusMs(now, this.backoffMs(backoffMaxMs));
  }

  /** Nothing is due and nothing runs; the result of what ran is out of date. */
  cancel(): void {
    this.id += 1;
    this.failures = 0;
    this.dueAt = undefined;
    this.deadline = undefined;
  }

  backoffMs(backoffMaxMs: number): number {
    const window = Math.min(backoffMaxMs, backoffFirstMs * 2 ** Math.min(this.failures - 1, 30));
    return backoffFloorMs + this.#random.float() * Math.max(0, window - backoffFloorMs);
  }
}
