import { assert } from './assert.js';
import { OptionsError } from './errors.js';

declare const hlcBrand: unique symbol;

/**
 * A hybrid logical timestamp: 48 bits of milliseconds since 1970, then a 16-bit counter, in one unsigned 64-bit bigint.
 * Comparing two stamps with `<` orders causes before effects; the milliseconds stay close to the wall clock.
 */
export type Hlc = bigint & { readonly [hlcBrand]: true };

/** Whether a stamp from elsewhere was taken note of. */
export type HlcObservation =
  | { readonly kind: 'observed' }
  /** The remote stamp was refused; `offsetMs` is how far it lies ahead of the local wall clock. */
  | { readonly kind: 'too-far-ahead'; readonly offsetMs: number };

/** How a hybrid clock starts, and how far it lets others pull it ahead. */
export interface HybridClockOptions {
  /** The highest stamp known to have been issued before a restart; the clock goes on after it. @default hlcZero */
  readonly highWater?: Hlc;
  /**
   * How far ahead of the local wall clock, in milliseconds, a remote stamp may lie. It keeps one node with a broken
   * wall clock from dragging every other into the future; choose it well above the clock skew of the machines.
   * @default 500
   */
  readonly maxOffsetMs?: number;
}

const counterBits = 16n;
const physicalMsEnd = 2 ** 48;
const counterEnd = 2 ** 16;

/** Before every stamp a clock issues. */
export const hlcZero: Hlc = 0n as Hlc;

/**
 * @param physicalMs whole milliseconds since 1970, below 2^48
 * @param counter in [0, 2^16)
 * @throws EngramError `assertion_failed` outside of these
 */
export function hlcOf(physicalMs: number, counter: number): Hlc {
  assertPhysicalMs(physicalMs);
  assert(Number.isInteger(counter) && counter >= 0 && counter < counterEnd, `an HLC counter lies in [0, 2^16), not ${counter}`);
  return ((BigInt(physicalMs) << counterBits) | BigInt(counter)) as Hlc;
}

/** The stamp that was stored or sent as a plain 64-bit integer. */
export function hlcFromBigInt(raw: bigint): Hlc {
  assert(raw === BigInt.asUintN(64, raw), 'an HLC is an unsigned 64-bit integer', { raw });
  return raw as Hlc;
}

/** Its milliseconds since 1970. */
export function hlcPhysicalMs(h: Hlc): number {
  return Number(h >> counterBits);
}

/** Its counter, in [0, 2^16): what orders the stamps of one millisecond. */
export function hlcCounter(h: Hlc): number {
  return Number(h & 0xffffn);
}

/**
 * The hybrid logical clock of Kulkarni, Demirbas, Madeppa, Avva and Leone ("Logical Physical Clocks", 2014). Every
 * `tick` lies after every earlier tick and after every observed stamp, whatever the wall clock does.
 *
 * We differ from the paper in two places. Receiving issues no stamp of its own: `observe` only raises the clock and the
 * next `tick` lies above it. And a full counter carries into the milliseconds instead of being an error.
 */
export class HybridClock {
  readonly #maxOffsetMs: number;
  /** Invariant: no stamp issued or observed lies above it; it never decreases. */
  #last: Hlc;

  constructor(options: HybridClockOptions = {}) {
    const { highWater = hlcZero, maxOffsetMs = 500 } = options;
    if (!Number.isFinite(maxOffsetMs) || maxOffsetMs < 0) {
      const complaint = `must be a number of milliseconds from 0 on, not ${maxOffsetMs}; 500 suits machines with NTP`;
      throw new OptionsError('maxOffsetMs', complaint);
    }
    this.#last = hlcFromBigInt(highWater);
    this.#maxOffsetMs = maxOffsetMs;
  }

  /** The stamp of a local event. @param wallMs whole milliseconds since 1970; may go back, the stamp will not */
  tick(wallMs: number): Hlc {
    const wall = hlcOf(wallMs, 0);
    // Adding one to the whole stamp lets a full counter carry into the milliseconds.
    this.#last = wall > this.#last ? wall : hlcFromBigInt(this.#last + 1n);
    return this.#last;
  }

  /** Takes note of a stamp from elsewhere. A stamp too far ahead is refused and leaves the clock unchanged. */
  observe(remote: Hlc, wallMs: number): HlcObservation {
    assertPhysicalMs(wallMs);
    const offsetMs = hlcPhysicalMs(remote) - wallMs;
    if (offsetMs > this.#maxOffsetMs) return { kind: 'too-far-ahead', offsetMs };
    if (remote > this.#last) this.#last = hlcFromBigInt(remote);
    return { kind: 'observed' };
  }

  /** What to persist, so that a restarted clock goes on after everything this one issued or observed. */
  highWater(): Hlc {
    return this.#last;
  }
}

function assertPhysicalMs(ms: number): void {
  assert(Number.isInteger(ms) && ms >= 0 && ms < physicalMsEnd, `an HLC wants whole milliseconds in [0, 2^48), not ${ms}`);
}
