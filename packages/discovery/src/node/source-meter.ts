import type { SourceMetrics } from '../discovery.js';

/** A local resolver answers within a millisecond, a cloud's API within seconds. */
const boundsSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

/** Counts what one source was asked and how it answered. */
export class SourceMeter {
  #attempts = 0;
  #successes = 0;
  #failures = 0;
  #pushes = 0;
  #sum = 0;
  readonly #counts = boundsSeconds.map(() => 0);

  asked(): void {
    this.#attempts += 1;
  }

  pushed(): void {
    this.#pushes += 1;
  }

  settled(outcome: 'answered' | 'failed', seconds: number): void {
    if (outcome === 'answered') this.#successes += 1;
    else this.#failures += 1;
    this.#sum += seconds;
    const bucket = boundsSeconds.findIndex((bound) => seconds <= bound);
    if (bucket !== -1) this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
  }

  snapshot(source: string, peers: number): SourceMetrics {
    let below = 0;
    const buckets = boundsSeconds.map((le, i) => ({ le, count: (below += this.#counts[i] ?? 0) }));
    const durationSeconds = { buckets, count: this.#successes + this.#failures, sum: this.#sum };
    return { source, attempts: this.#attempts, successes: this.#successes, failures: this.#failures, pushes: this.#pushes, peers, durationSeconds };
  }
}
