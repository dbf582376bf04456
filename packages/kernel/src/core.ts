import type { Instant } from './time.js';

/** Handed to a core when the instant it asked for in `nextWake` has come. */
export interface Wake {
  readonly kind: 'wake';
}

/** The one wake there is: it carries nothing. */
export const wake: Wake = Object.freeze({ kind: 'wake' });

/**
 * A protocol as a pure, synchronous state machine: an event goes in, effects come out, and a driver performs them.
 *
 *     driver -> handle(event, now) -> [effect, effect]
 *     driver -> nextWake()         -> the instant of the next handle(wake, now), if nothing happens before
 *
 * A core never sees a clock, a timer, a socket or a promise, so the same sequence of events and instants always gives
 * the same effects. Randomness is a seeded `Random` given at construction.
 */
export interface Core<Event, Effect> {
  /**
   * Absorbs one event at `now`, which never lies before the `now` of an earlier call; returns what the driver must do,
   * in order. A wake may come later than asked for, and must do nothing when nothing is due.
   */
  handle(event: Event | Wake, now: Instant): readonly Effect[];

  /**
   * When to hand over a wake next; undefined when nothing is due. Asked once at the start and after every `handle`, so
   * it must be cheap and change nothing. An instant in the past means "as soon as possible".
   */
  nextWake(): Instant | undefined;
}
