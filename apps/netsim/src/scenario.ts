import type { Random } from '@engram/kernel';
import type { FaultAction, LinkOptions } from '@engram/kernel/sim';
import type { SwimPreset } from '@engram/swim/core';

/** A named story of what goes wrong. Times are those of the `fast` preset; slower presets stretch them by their pace. */
export interface Scenario {
  readonly name: string;
  /** One sentence for the list of scenarios. */
  readonly summary: string;
  /** Unless the command line says otherwise. */
  readonly nodes: number;
  readonly nodesLeast: number;
  readonly preset: SwimPreset;
  /** What all links are like throughout. @default a local network without faults */
  readonly link?: LinkOptions;
  /** Machines that run nothing until the schedule restarts them. */
  readonly spares?: readonly string[];
  /** For nodes of another cluster than `test`. */
  readonly clusterOf?: Readonly<Record<string, string>>;
  /** The faults, as plain data. Drawing from `random` makes every seed another story of the same kind. */
  schedule(names: readonly string[], random: Random): readonly FaultAction[];
  /** A run with less than this has shown nothing and is void. */
  readonly least: {
    /** Actions of the schedule. */
    readonly faults: number;
    /** Datagrams that did not arrive, for whatever reason. */
    readonly drops: number;
  };
}

/** From when on faults happen: before that everybody has joined and calm is measured. */
export const calmMs = 10_000;

/** How much slower than `fast` a preset is. */
export const paceOf: Readonly<Record<SwimPreset, number>> = { fast: 1, lan: 4, wan: 20 };
