import { assert } from '../assert.js';

/** The largest drift either way: a tenth of the speed. Real crystals stay below 100 ppm. */
export const driftPpmMax = 100_000;

/**
 * The two clocks of one machine. `uptime` is monotonic and only drifts; the wall clock follows it and can be set. They
 * belong to the machine: a restart of the process moves neither.
 */
export class HostClock {
  #rate = 1;
  /** Uptime and world time of the last change of rate; between changes the one is a straight line over the other. */
  #anchorUptime = 0;
  #anchorWorld = 0;
  #wallStartMs: number;

  constructor(wallStartMs: number) {
    this.#wallStartMs = wallStartMs;
  }

  /** Whole microseconds. */
  uptimeAt(world: number): number {
    return this.#anchorUptime + Math.floor((world - this.#anchorWorld) * this.#rate);
  }

  /** The first microsecond of the world at which the uptime has been reached. */
  worldAt(uptime: number): number {
    let world = this.#anchorWorld + Math.ceil((uptime - this.#anchorUptime) / this.#rate);
    while (this.uptimeAt(world) < uptime) world++;
    return world;
  }

  wallMsAt(world: number): number {
    return this.#wallStartMs + Math.floor(this.uptimeAt(world) / 1_000);
  }

  jumpWall(byMs: number): void {
    assert(Number.isSafeInteger(byMs), `a wall clock jumps by whole milliseconds, not ${byMs}`);
    this.#wallStartMs += byMs;
  }

  drift(ppm: number, world: number): void {
    assert(Math.abs(ppm) <= driftPpmMax, `a clock drifts by at most ${driftPpmMax} ppm, not ${ppm}`);
    this.#anchorUptime = this.uptimeAt(world);
    this.#anchorWorld = world;
    this.#rate = 1 + ppm / 1_000_000;
  }
}
