import type { SeenEffect, SimulatedSwim } from '@engram/swim/testing';
import type { Plan } from '../plan.js';
import type { Truth } from '../truth.js';

/** What a checker may look at. It is made before the run begins. */
export interface Setting {
  readonly plan: Plan;
  readonly truth: Truth;
  readonly cluster: SimulatedSwim;
}

export interface Checker {
  readonly name: string;
  /** Every effect of every node as it happens, except what only carries bytes. */
  see?(seen: SeenEffect): void;
  /** Once, after the run. */
  conclude(): Findings;
}

export interface Findings {
  /** What must not be, in words: who, when, what. */
  readonly violations: readonly string[];
  /** Measurements by name, the unit last. A sweep joins those of all its runs. */
  readonly samples?: Readonly<Record<string, readonly number[]>>;
}

export type MakeChecker = (setting: Setting) => Checker;

/** A checker that goes wild tells the first few, and how many more. */
export function shortened(violations: readonly string[], most = 10): readonly string[] {
  return violations.length <= most ? violations : [...violations.slice(0, most), `… and ${violations.length - most} more`];
}

/** The moment that a violation begins with, `12.345 s: …`; undefined when it is about no single one. */
export function momentOf(violation: string): number | undefined {
  const match = /^(\d+\.\d{3}) s: /.exec(violation);
  return match ? Number(match[1]) * 1_000 : undefined;
}

export const seconds = (ms: number): string => `${(ms / 1_000).toFixed(3)} s`;
