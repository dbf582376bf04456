import { monitorEventLoopDelay } from 'node:perf_hooks';
import { msBetween, type Clock, type Instant } from '@engram/kernel';

export interface StallOptions {
  /** Shorter ones are not told of. */
  readonly stallMs: number;
  /** How many datagrams and stream chunks have come in so far. */
  readonly received: () => number;
  /** The loop stood still for about this long, though the wake that notices it is on time. */
  readonly onStalled: (ms: number) => void;
  /** After a stall: whatever had been waiting in the sockets has been read. */
  readonly onDrained: () => void;
  readonly loopDelay?: LoopDelay;
  /** Calls back once the sockets have been polled. @default setImmediate */
  readonly afterPoll?: (run: () => void) => void;
}

/** What `monitorEventLoopDelay` offers. Nanoseconds. */
export interface LoopDelay {
  readonly max: number;
  enable(): boolean;
  disable(): boolean;
  reset(): void;
}

/** Turns without anything new before the sockets count as drained: a connection shows in one and its bytes in the next. */
const quietTurns = 2;
/** A flood never ends; after so many turns it is not the stall's backlog any more. */
const turnsMax = 256;

/**
 * Tells the core when this process was unable to run, which Node's order of things makes worse than it is: after a
 * stall timers run first, so a probe would be found unanswered while its answer lies unread in the socket.
 *
 *     stall ... | timers: wake, late -> the core judges nobody | poll: read | immediate: quiet? -> inbound-drained
 *
 * One turn reads a limited number of datagrams, so the sockets count as drained when turns bring nothing new. A wake
 * that is punctual only because the stall happened before it was due is caught by the delay that Node measures itself.
 */
export class EventLoopStalls {
  readonly #options: StallOptions;
  readonly #loopDelay: LoopDelay;
  readonly #resolutionMs: number;
  readonly #afterPoll: (run: () => void) => void;
  readonly #clock: Clock;
  /** When the pending wake is due. */
  #dueAt: Instant | undefined;
  /** The last look found a late wake; what Node measures of that stall may show only in the next. */
  #isTold = false;
  #draining = false;
  #stopped = false;

  constructor(clock: Clock, options: StallOptions) {
    this.#clock = clock;
    this.#options = options;
    // Coarse, because each sample wakes the process; what is looked for is several times longer.
    this.#resolutionMs = Math.max(10, Math.min(100, Math.round(options.stallMs / 2)));
    this.#loopDelay = options.loopDelay ?? monitorEventLoopDelay({ resolution: this.#resolutionMs });
    this.#afterPoll = options.afterPoll ?? ((run) => void setImmediate(run));
    this.#loopDelay.enable();
  }

  stop(): void {
    this.#stopped = true;
    this.#loopDelay.disable();
  }

  /** The clock for one driver, looking for stalls before each call. What looking for one leads to may cancel the call. */
  readonly clock: Clock = {
    now: () => this.#clock.now(),
    schedule: (at, run) => {
      let isWanted = true;
      // Nothing was due since the last look, or since the start: loading modules before taking part makes nobody deaf.
      if (this.#dueAt === undefined) this.#loopDelay.reset();
      this.#dueAt = at;
      const cancel = this.#clock.schedule(at, () => {
        this.#look(msBetween(at, this.#clock.now()));
        if (isWanted) run();
      });
      return () => {
        isWanted = false;
        cancel();
      };
    },
  };

  /** To be called before input is handed to the core, which may come before an overdue wake does. */
  beforeInput(): void {
    if (this.#dueAt === undefined) return;
    const lateMs = msBetween(this.#dueAt, this.#clock.now());
    if (lateMs > this.#options.stallMs) this.#look(lateMs);
  }

  #look(lateMs: number): void {
    if (this.#stopped) return;
    this.#dueAt = undefined;
    const { stallMs } = this.#options;
    const stoodMs = this.#isTold ? 0 : this.#loopDelay.max / 1e6 - this.#resolutionMs;
    this.#loopDelay.reset();
    const isLate = lateMs > stallMs;
    this.#isTold = isLate;
    if (!isLate && !(stoodMs > stallMs)) return;
    // The core sees for itself that a wake is late.
    if (!isLate) this.#options.onStalled(Math.round(stoodMs));
    this.#drain();
  }

  #drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    let received = this.#options.received();
    let quiet = 0;
    let turns = 0;
    const turn = (): void => {
      if (this.#stopped) return;
      const now = this.#options.received();
      quiet = now === received ? quiet + 1 : 0;
      received = now;
      if (quiet < quietTurns && ++turns < turnsMax) return this.#afterPoll(turn);
      this.#draining = false;
      this.#options.onDrained();
    };
    this.#afterPoll(turn);
  }
}

