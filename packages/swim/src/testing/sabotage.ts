import type { SwimCore, SwimEffect, SwimEvent } from '../core/index.js';

/**
 * A bug planted between a core and its driver, to prove that a test would notice it. Each part is left as it is when
 * it is absent.
 */
export interface Sabotage {
  /** What the core hears instead; undefined is nothing. */
  event?(event: SwimEvent, core: SwimCore): SwimEvent | undefined;
  /** What the driver does instead, in order. What it adds is not sabotaged again. */
  effect?(effect: SwimEffect, core: SwimCore): readonly SwimEffect[];
  /** The epoch that a life begins with, instead of one above all persisted ones. */
  epoch?(persisted: number | undefined): number;
  /** Hears what the core has been told, after its effects were performed, and may tell it more. */
  afterwards?(effect: SwimEffect, dispatch: (event: SwimEvent) => void): void;
}
