import { OptionsError } from '@engram/kernel';

export interface CircuitBreakerOptions {
  /** How many failures in a row open it. @default 5 */
  readonly failuresMax?: number;
  /** How long it stays open before one try is let through, in milliseconds. @default 1000 */
  readonly openMs?: number;
}

/**
 * Spares a peer that cannot be reached from being tried by every request, and the requests from waiting for it. Closed,
 * it lets everything through; open, nothing; half open, one try, whose outcome decides.
 */
export class CircuitBreaker {
  readonly #failuresMax: number;
  readonly #openMs: number;
  #failures = 0;
  /** When it lets the next try through; undefined while it is closed. */
  #tryAtMs: number | undefined;

  constructor({ failuresMax = 5, openMs = 1_000 }: CircuitBreakerOptions = {}) {
    if (!Number.isSafeInteger(failuresMax) || failuresMax < 1) throw new OptionsError('failuresMax', 'must be a positive whole number');
    if (!(openMs > 0)) throw new OptionsError('openMs', 'must be positive');
    this.#failuresMax = failuresMax;
    this.#openMs = openMs;
  }

  state(nowMs: number): 'closed' | 'open' | 'half-open' {
    if (this.#tryAtMs === undefined) return 'closed';
    return nowMs < this.#tryAtMs ? 'open' : 'half-open';
  }

  /** Whether a try may be made now. While half open, the one that is told so is the only one for another `openMs`. */
  admit(nowMs: number): boolean {
    const state = this.state(nowMs);
    if (state === 'half-open') this.#tryAtMs = nowMs + this.#openMs;
    return state !== 'open';
  }

  /** How long until a try is let through, in milliseconds; 0 when one is now. */
  waitMs(nowMs: number): number {
    return Math.max(0, (this.#tryAtMs ?? nowMs) - nowMs);
  }

  succeeded(): void {
    this.#failures = 0;
    this.#tryAtMs = undefined;
  }

  failed(nowMs: number): void {
    this.#failures += 1;
    if (this.#failures >= this.#failuresMax) this.#tryAtMs = nowMs + this.#openMs;
  }
}
