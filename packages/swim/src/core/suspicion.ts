import { plusMs, type Instant, type NodeId } from '@engram/kernel';

/** How long a suspicion lasts: `minMs` once `confirmationsWanted` others have confirmed it, `maxMs` without any. */
export interface SuspicionTerms {
  readonly minMs: number;
  readonly maxMs: number;
  readonly confirmationsWanted: number;
}

/**
 * Terms for a cluster of `members` (alive and suspect, ourselves included). Log10, so that news has time to reach the
 * suspect and its answer to come back. In a cluster too small for the confirmations, the shortest time holds at once.
 */
export function suspicionTerms(members: number, periodMs: number, mult: number, maxMult: number): SuspicionTerms {
  const minMs = mult * Math.max(1, Math.log10(Math.max(1, members))) * periodMs;
  const wanted = Math.max(0, mult - 2);
  // The suspect and the first accuser confirm nothing.
  return { minMs, maxMs: maxMult * minMs, confirmationsWanted: members - 2 < wanted ? 0 : wanted };
}

/** Lifeguard (Dadgar, Phillips, Currey: "Lifeguard: SWIM-ing with Situational Awareness", 2017), section IV-B. */
export function suspicionTimeoutMs({ minMs, maxMs, confirmationsWanted }: SuspicionTerms, confirmations: number): number {
  if (confirmationsWanted === 0) return minMs;
  const share = Math.log(confirmations + 1) / Math.log(confirmationsWanted + 1);
  return Math.max(minMs, maxMs - (maxMs - minMs) * share);
}

/** One member under suspicion, timed from the last moment at which it might have answered. */
export class Suspicion {
  readonly #terms: SuspicionTerms;
  #since: Instant;
  /** The first accuser and those who confirmed. Never more than wanted, so hostile accusers cost nothing. */
  readonly #accusers: Set<NodeId>;

  constructor(terms: SuspicionTerms, by: NodeId, since: Instant) {
    this.#terms = terms;
    this.#since = since;
    this.#accusers = new Set([by]);
  }

  /** True when this accuser is new and was still wanted: the news is then worth spreading again. */
  confirm(by: NodeId): boolean {
    if (this.#accusers.has(by) || this.#accusers.size > this.#terms.confirmationsWanted) return false;
    this.#accusers.add(by);
    return true;
  }

  get confirmations(): number {
    return this.#accusers.size - 1;
  }

  /** We were unable to hear an answer for this long, so the time does not count. */
  postpone(ms: number): void {
    this.#since = plusMs(this.#since, ms);
  }

  get deadline(): Instant {
    return plusMs(this.#since, suspicionTimeoutMs(this.#terms, this.confirmations));
  }
}
