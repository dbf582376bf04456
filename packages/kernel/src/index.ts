/**
 * @engram/kernel: what every Engram library stands on. A core decides, a driver acts; time, randomness and ids come
 * from outside, so whatever is built on it replays from a seed.
 *
 * @example
 * ```ts
 * const random = Random.fromSeed(7).fork('ids');
 * const ids = new UlidFactory(random);
 * const clock = new HybridClock();
 * const stamped = { id: ids.next(1_700_000_000_000), hlc: clock.tick(1_700_000_000_000) };
 * ```
 *
 * @packageDocumentation
 */

// The one idea: cores and what runs them.
export { wake, type Core, type Wake } from './core.js';
export { Driver, type Clock } from './driver.js';
export { ManualClock } from './manual-clock.js';
export { durationMsMax, instant, msBetween, parseDuration, plusMs, type Instant } from './time.js';
export { Random, type DrawObserver } from './random.js';

// What things are called, and when they happened.
export {
  isClusterId,
  isMemoryId,
  isNodeId,
  isSpaceId,
  parseClusterId,
  parseMemoryId,
  parseNodeId,
  parseSpaceId,
  type ClusterId,
  type MemoryId,
  type NodeId,
  type SpaceId,
} from './ids.js';
export { UlidFactory } from './ulid.js';
export {
  HybridClock,
  hlcCounter,
  hlcFromBigInt,
  hlcOf,
  hlcPhysicalMs,
  hlcZero,
  type Hlc,
  type HlcObservation,
  type HybridClockOptions,
} from './hybrid-clock.js';

// How things fail.
export { EngramError, errorCodes, OptionsError, type EngramErrorOptions, type ErrorCode } from './errors.js';
export { assert, unreachable } from './assert.js';
export { shown } from './shown.js';

// For simulation: `@engram/kernel/sim` is the world that makes use of it.
export { buggify, installOracle, sometimes, type SimulationOracle } from './buggify.js';

// For other libraries.
export { hash64 } from './hash.js';
export { isWellFormed, utf8Encode, utf8Length } from './utf8.js';

// Msgpack from strangers.
export { isPlainArray } from './plain-msgpack.js';
