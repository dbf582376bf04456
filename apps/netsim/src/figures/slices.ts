import { SwimCore } from '@engram/swim/core';
import { quantile } from '../statistics.js';

/** How long the turns of cores took, by the clock on the wall: whatever else the machine does meanwhile is in it. */
export interface SliceTimes {
  readonly turns: number;
  readonly p999Ms: number;
  readonly maxMs: number;
  /** Turns over the aim of 2 ms. */
  readonly over2Ms: number;
  /** The kind of event of the longest turn. */
  readonly longest: string;
}

/**
 * Times every `SwimCore.handle` while it runs `run`. It lays its own method over that of the class, since a world makes
 * its cores by itself, and takes it away again.
 */
export function timingSlices<T>(run: () => T): { result: T; slices: SliceTimes } {
  const tookMs: number[] = [];
  let maxMs = 0;
  let longest = '';
  const { prototype } = SwimCore;
  const untimed = prototype.handle;
  prototype.handle = function timed(this: SwimCore, event, now) {
    const began = performance.now();
    const effects = untimed.call(this, event, now);
    const took = performance.now() - began;
    tookMs.push(took);
    if (took > maxMs) {
      maxMs = took;
      longest = event.kind;
    }
    return effects;
  };
  try {
    const result = run();
    return { result, slices: { turns: tookMs.length, p999Ms: quantile(tookMs, 0.999), maxMs, over2Ms: tookMs.filter((took) => took > 2).length, longest } };
  } finally {
    prototype.handle = untimed;
  }
}
