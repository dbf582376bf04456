import { SwimCore } from '@engram/swim/core';
import { quantile } from '../statistics.js';

/** How long turns took, in one way of measuring. */
export interface SliceLengths {
  readonly p999Ms: number;
  readonly maxMs: number;
  /** Turns over the aim of 2 ms. */
  readonly over2Ms: number;
}

/** How long the turns of cores took. */
export interface SliceTimes {
  readonly turns: number;
  /** By the clock on the wall: whatever else the machine does meanwhile is in it. */
  readonly wall: SliceLengths;
  /** Processor time of this process, collecting garbage and compiling included. */
  readonly processor: SliceLengths;
  /** The kind of event of the turn with the most processor time. */
  readonly longest: string;
}

/**
 * Times every `SwimCore.handle` while it runs `run`. It lays its own method over that of the class, since a world makes
 * its cores by itself, and takes it away again.
 */
export function timingSlices<T>(run: () => T): { result: T; slices: SliceTimes } {
  const wallMs: number[] = [];
  const processorMs: number[] = [];
  let most = 0;
  let longest = '';
  const { prototype } = SwimCore;
  const untimed = prototype.handle;
  prototype.handle = function timed(this: SwimCore, event, now) {
    const usedBefore = processorUs();
    const began = performance.now();
    const effects = untimed.call(this, event, now);
    wallMs.push(performance.now() - began);
    const used = (processorUs() - usedBefore) / 1_000;
    processorMs.push(used);
    if (used > most) {
      most = used;
      longest = event.kind;
    }
    return effects;
  };
  try {
    const result = run();
    return { result, slices: { turns: wallMs.length, wall: lengthsOf(wallMs), processor: lengthsOf(processorMs), longest } };
  } finally {
    prototype.handle = untimed;
  }
}

function processorUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

function lengthsOf(tookMs: readonly number[]): SliceLengths {
  return { p999Ms: quantile(tookMs, 0.999), maxMs: quantile(tookMs, 1), over2Ms: tookMs.filter((took) => took > 2).length };
}
