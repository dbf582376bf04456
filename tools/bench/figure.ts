import type { LatencySummary } from './histogram.js';
import type { Aim, Noise } from './ratio.js';

/** One thing that was measured. */
export interface Bar {
  readonly label: string;
  /** Of each round, per second. */
  readonly perSecond?: readonly number[];
  readonly latency?: LatencySummary;
  /** Processor time of the server for each thing done, user and system; it hardly depends on what else the machine does. */
  readonly serverMicros?: number;
}

/** What the bars say when they are compared. */
export interface Finding {
  readonly label: string;
  readonly value: number;
  readonly unit: '×' | 'ms' | 's' | 'bytes' | '%';
  /** Lowest and highest of the rounds. */
  readonly range?: readonly [number, number];
  readonly aim?: Aim;
}

export interface Figure {
  readonly name: string;
  readonly title: string;
  readonly bars: readonly Bar[];
  readonly findings: readonly Finding[];
  /** The baseline before and after everything else of this figure. */
  readonly noise: Noise & { readonly baseline: string; readonly unit: string };
  readonly notes: readonly string[];
}
