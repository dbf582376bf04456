import { wake, type Core, type Wake } from './core.js';
import type { Instant } from './time.js';

/** Where a driver takes its time from: the machine in production, a hand-moved clock in tests and in the simulator. */
export interface Clock {
  /** Never earlier than an earlier answer. */
  now(): Instant;

  /**
   * Calls `run` once when `now()` has reached `at`, never before; soon, when `at` has passed already. Returns a function
   * that cancels the call and does nothing once it has happened.
   */
  schedule(at: Instant, run: () => void): () => void;
}

/**
 * Runs a core: hands it events and wakes, performs its effects in order.
 *
 * One event is absorbed at a time. An event dispatched while another is being handled, by a performer or by whatever a
 * performer calls, waits until all effects of the earlier one are performed. Results of slow work come back the same
 * way, as events of their own.
 *
 * When the core or the performer throws, effects may have been lost and the core can no longer be trusted to match the
 * world: the driver stops for good and the error reaches whoever dispatched, or the clock for a wake. A failure that
 * is to be expected belongs into an event instead.
 */
export class Driver<Event, Effect> {
  readonly #core: Core<Event, Effect>;
  readonly #clock: Clock;
  readonly #perform: (effect: Effect) => void;
  readonly #queue: (Event | Wake)[] = [];
  #draining = false;
  #stopped = false;
  #wakeAt: Instant | undefined;
  #cancelWake: (() => void) | undefined;

  constructor(core: Core<Event, Effect>, clock: Clock, perform: (effect: Effect) => void) {
    this.#core = core;
    this.#clock = clock;
    this.#perform = perform;
    this.#scheduleWake();
  }

  /** Absorbs an event and performs what follows from it, before returning unless called from within a performer. */
  dispatch(event: Event): void {
    this.#absorb(event);
  }

  /** Ends the driver: the pending wake is cancelled, effects and events not yet taken up are dropped, and so are later ones. */
  stop(): void {
    this.#stopped = true;
    this.#queue.length = 0;
    this.#cancelWake?.();
    this.#cancelWake = undefined;
    this.#wakeAt = undefined;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  #absorb(event: Event | Wake): void {
    if (this.#stopped) return;
    this.#queue.push(event);
    if (this.#draining) return;
    this.#draining = true;
    try {
      this.#drain();
    } catch (error) {
      this.stop();
      throw error;
    } finally {
      this.#draining = false;
    }
  }

  #drain(): void {
    // Walking an index and clearing at the end keeps a long burst linear; `shift` would copy the queue each time.
    for (let next = 0; next < this.#queue.length; next++) {
      this.#handle(this.#queue[next] as Event | Wake);
    }
    this.#queue.length = 0;
  }

  #handle(event: Event | Wake): void {
    const effects = this.#core.handle(event, this.#clock.now());
    for (const effect of effects) {
      if (this.#stopped) return;
      this.#perform(effect);
    }
    if (!this.#stopped) this.#scheduleWake();
  }

  /** The timer follows the core; when the core still wants the same instant, the timer stays as it is. */
  #scheduleWake(): void {
    const at = this.#core.nextWake();
    if (at === this.#wakeAt) return;
    this.#cancelWake?.();
    this.#wakeAt = at;
    this.#cancelWake = at === undefined ? undefined : this.#clock.schedule(at, () => this.#onWake());
  }

  #onWake(): void {
    this.#wakeAt = undefined;
    this.#cancelWake = undefined;
    this.#absorb(wake);
  }
}
